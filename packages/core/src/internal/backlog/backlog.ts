/**
 * The waiting tasks in the order of a queue discipline: plain data structures without Effect.
 *
 * - `listBacklog.ts`: first in first out, last in first out.
 * - `priority.ts`, `ageing.ts`: by weight, and by weight and age, on the heap of `heap.ts`.
 * - `keyed.ts`, on `lanes.ts`: keys take turns, and each key has its own backlog.
 */
import { type Linked, walked } from "./list.ts"

/** The options of a task that a backlog reads. */
export interface EntryExtra {
  readonly key: string | number | undefined
  /** The workers that the task takes, an integer >= 1. */
  readonly permits: number
  /** `arrival` is when the task first arrived, in milliseconds. An ageing discipline sets it if it is undefined. */
  readonly rest: { arrival: number | undefined } | undefined
  /** The same object, made if there is none. */
  readonly ownRest: { arrival: number | undefined }
  /** Owned by a backlog with keys: where it keeps the tasks of the key, while the task waits or runs. */
  lane: unknown
}

/** The members that an entry of a backlog must have. An entry is in at most one backlog at a time. */
export interface Weighted<T> extends Linked<T> {
  weight: number
  /** When the entry began to wait, in milliseconds in 32 bits, which wrap around. */
  readonly arrivedAt: number
  /** Owned by the backlog: a slot in its heap, or the entry's sequence in a list. */
  slot: number
  /** Undefined for a task without a key, with one permit and no stored arrival. */
  readonly extra: EntryExtra | undefined
}

/** The options of a discipline. Only the priority discipline supports ageing. */
export interface BacklogOptions {
  /** The milliseconds of waiting that count as one weight less; undefined for none. */
  readonly ageing?: number | undefined
  /** Returns the present time in milliseconds, which must never fall. */
  readonly now: () => number
}

/** Returns the permits of an entry. */
export const permitsOf = <T extends Weighted<T>>(entry: T): number => entry.extra?.permits ?? 1

/**
 * Waiting tasks in a discipline's order. `remove`, `reweigh` and `sequenceOf` take an entry that is in this backlog.
 *
 * Each entry has a *sequence*, its place in the order of arrival. A task that may wait again, for a retry, keeps the
 * sequence that `nextSequence` returned for it, and so its place.
 */
export interface Backlog<T> {
  readonly size: number
  /** Above 0 if and only if `peek` returns an entry. */
  readonly ready: number
  /** Adds an entry that begins to wait now, with the next sequence. */
  push(entry: T): void
  /** Returns the next sequence, and reserves it. */
  nextSequence(): number
  /** Adds an entry that may have waited before, with a sequence that `nextSequence` returned. */
  insert(entry: T, sequence: number): void
  /** Returns the entry that `pop` would return. */
  peek(): T | undefined
  pop(): T | undefined
  /** Returns an entry that is cheap to remove, for emptying the backlog without its order. */
  any(): T | undefined
  remove(entry: T): void
  /** Changes the weight. A discipline that orders by weight moves the entry behind its new equals, to `sequence`. */
  reweigh(entry: T, weight: number, sequence?: number): void
  /** Returns the entry that has waited longest. The first call may be O(n log n); later ones are O(1), amortized. */
  oldest(): T | undefined
  sequenceOf(entry: T): number
  /**
   * Returns a function that returns one entry after the other, in the order in which they would be popped, until the
   * backlog changes. Each call is O(1) or O(log n).
   */
  walk(): () => T | undefined
  /**
   * Returns the entry that `dropOldest` drops for a newcomer, or `undefined` if the newcomer itself must be dropped.
   * Without a newcomer, returns the entry that would be dropped first.
   */
  victim(newcomer?: T): T | undefined
  /** Like `victim`, among the entries that are not kept. Changes no order. Costs O(log n) for each kept one before it. */
  victimExcept(isKept: (entry: T) => boolean, newcomer?: T): T | undefined
}

/** Returns all entries in the order in which they would be popped. */
export const entriesOf = <T>(backlog: Pick<Backlog<T>, "walk">): Array<T> => walked(backlog.walk())

/** Implements `victimExcept` for a backlog in which an entry comes back to its place if it has its sequence. */
export const victimExcept = <T>(
  backlog: Backlog<T>,
  isKept: (entry: T) => boolean,
  newcomer: T | undefined
): T | undefined => {
  const kept: Array<readonly [entry: T, sequence: number]> = []
  const next = (): T | undefined => (backlog.size === 0 ? undefined : backlog.victim(newcomer))
  let victim = next()
  for (; victim !== undefined && isKept(victim); victim = next()) {
    kept.push([victim, backlog.sequenceOf(victim)])
    backlog.remove(victim)
  }
  for (const [entry, sequence] of kept) backlog.insert(entry, sequence)
  return victim
}
