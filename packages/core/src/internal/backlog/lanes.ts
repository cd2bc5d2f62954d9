/**
 * The lanes of `keyed.ts`: the tasks of one key each, and the orders in which lanes are found: their turns, the oldest
 * entry, the most entries.
 */
import { Timeline } from "./arrivals.ts"
import type { Backlog, Weighted } from "./backlog.ts"
import { Heap, minCapacity } from "./heap.ts"

type Key = string | number | undefined

/**
 * A node of a circular list, initially alone. `list.ts` is not used here: with nodes of several hidden classes its
 * methods would be slower for the tasks of all pools.
 */
class Link {
  prev: this = this
  next: this = this
}

export const unlink = (node: Link): void => {
  node.prev.next = node.next
  node.next.prev = node.prev
  node.prev = node.next = node
}

/** Moves a node to the end of a list: `list` is the head of the circle, and no entry itself. */
export const append = (list: Link, node: Link): void => {
  unlink(node)
  node.prev = list.prev
  node.next = list
  list.prev.next = node
  list.prev = node
}

/** The tasks of one key. */
export class Lane<T extends Weighted<T>> extends Link {
  /** `undefined` for an idle lane, and for the lane of the tasks without a key. */
  key: Key = undefined
  /**
   * The waiting entry, if there is only one: a million keys with one task each need no backlogs. Its slot is its
   * sequence.
   */
  private only: T | undefined = undefined
  private backlog: Backlog<T> | undefined
  /** The permits of running tasks, without those that are lent; 0 if the key has no limit. */
  permits = 0
  /** The number of turns that the key still loses. */
  debt = 0
  /** Whether an entry waits and the next one fits into the key's limit. */
  eligible = false
  /** The list that the lane is in. */
  list: Lane<T> | undefined = undefined
  rank: Rank<T> | undefined = undefined
  /** The time with which `OldestFirst` has the lane. V8 would keep `Infinity` in an object of its own. */
  noted: number | undefined = undefined

  constructor(backlog?: Backlog<T>) {
    super()
    this.backlog = backlog
  }

  get size(): number {
    return this.backlog === undefined ? (this.only === undefined ? 0 : 1) : this.backlog.size
  }

  insert(entry: T, sequence: number, make: () => Backlog<T>): void {
    if (this.backlog === undefined && this.only === undefined) {
      entry.slot = sequence
      this.only = entry
    } else this.backlogOf(make).insert(entry, sequence)
  }

  /** Returns the backlog. Makes it if there is none. */
  private backlogOf(make: () => Backlog<T>): Backlog<T> {
    if (this.backlog !== undefined) return this.backlog
    const backlog = make()
    if (this.only !== undefined) backlog.insert(this.only, this.only.slot)
    this.only = undefined
    return (this.backlog = backlog)
  }

  peek(): T | undefined {
    return this.backlog === undefined ? this.only : this.backlog.peek()
  }

  pop(): T | undefined {
    if (this.backlog !== undefined) return this.backlog.pop()
    const { only } = this
    this.only = undefined
    return only
  }

  any(): T | undefined {
    return this.backlog === undefined ? this.only : this.backlog.any()
  }

  remove(entry: T): void {
    if (this.backlog === undefined) this.only = undefined
    else this.backlog.remove(entry)
  }

  reweigh(entry: T, weight: number, sequence: number, make: () => Backlog<T>): void {
    this.backlogOf(make).reweigh(entry, weight, sequence)
  }

  oldest(): T | undefined {
    return this.backlog === undefined ? this.only : this.backlog.oldest()
  }

  sequenceOf(entry: T): number {
    return this.backlog === undefined ? entry.slot : this.backlog.sequenceOf(entry)
  }

  walk(): () => T | undefined {
    if (this.backlog !== undefined) return this.backlog.walk()
    let { only } = this
    return () => {
      const entry = only
      only = undefined
      return entry
    }
  }

  victim(newcomer: T | undefined, make: () => Backlog<T>): T | undefined {
    if (this.backlog === undefined && newcomer === undefined) return this.only
    return this.backlogOf(make).victim(newcomer)
  }

  victimExcept(isKept: (entry: T) => boolean, newcomer: T | undefined, make: () => Backlog<T>): T | undefined {
    return this.size === 0 ? undefined : this.backlogOf(make).victimExcept(isKept, newcomer)
  }
}

/**
 * The lanes by the time since which their oldest entry has waited. A lane that loses its oldest entry is moved when it
 * comes first. A node counts only if its lane has its time in `noted`.
 */
export class OldestFirst<T extends Weighted<T>> {
  private readonly timeline = new Timeline()
  private readonly heap = new Heap()
  private readonly lanes: Array<Lane<T> | undefined> = []

  /** `lanes` are those with entries. None of them is noted. */
  constructor(lanes: ReadonlyArray<Lane<T>>) {
    for (const lane of lanes) this.note(lane, lane.oldest()!)
  }

  /** Returns whether this has much more memory than a number of lanes needs. */
  isLargeFor(lanes: number): boolean {
    return this.heap.slots.length > 4 * lanes + 2 * minCapacity
  }

  /** Forgets the lanes. */
  end(): void {
    for (const lane of this.lanes) if (lane !== undefined) lane.noted = undefined
  }

  /** Notes that a lane has an entry. */
  note(lane: Lane<T>, entry: T): void {
    const time = this.timeline.of(entry)
    if (lane.noted !== undefined && time >= lane.noted) return
    const slot = this.heap.freeSlot()
    this.heap.push(time, 0, slot)
    this.lanes[slot] = lane
    lane.noted = time
  }

  /** Returns the oldest entry of all lanes. */
  first(): T | undefined {
    const { heap, lanes } = this
    while (heap.length > 0) {
      const noted = heap.keys[0]!
      const lane = lanes[heap.slots[0]!]!
      const entry = lane.noted === noted ? lane.oldest() : undefined
      if (entry !== undefined && this.timeline.of(entry) === noted) return entry
      lanes[heap.shift()] = undefined
      if (lane.noted === noted) lane.noted = undefined
      if (entry !== undefined) this.note(lane, entry)
    }
    return undefined
  }
}

/** A lane's place among the lanes with the same number of waiting tasks. */
class Rank<T extends Weighted<T>> extends Link {
  readonly lane: Lane<T> | undefined
  constructor(lane: Lane<T> | undefined) {
    super()
    this.lane = lane
  }
}

/** The lanes by their number of waiting tasks. */
export class Ranking<T extends Weighted<T>> {
  /** The lanes with n waiting tasks, for each n. The last list is never empty. */
  private readonly lists: Array<Rank<T> | undefined> = [undefined]

  /** The largest number of waiting tasks. */
  get most(): number {
    return this.lists.length - 1
  }

  /** The lane that has had `most` tasks for the longest time. */
  get first(): Lane<T> | undefined {
    return this.lists[this.most]?.next.lane
  }

  /** Returns the lanes, those with the most tasks first. */
  *byMost(): Generator<Lane<T>> {
    for (let size = this.most; size > 0; size--) {
      const list = this.lists[size]
      if (list !== undefined) for (let rank = list.next; rank !== list; rank = rank.next) yield rank.lane!
    }
  }

  /** Updates the place of a lane whose size was `from`. */
  update(lane: Lane<T>, from: number): void {
    const { lists } = this
    const { size } = lane
    const rank = (lane.rank ??= new Rank(lane))
    unlink(rank)
    while (lists.length <= size) lists.push(undefined)
    if (size > 0) append((lists[size] ??= new Rank<T>(undefined)), rank)
    const left = lists[from]
    if (left !== undefined && left.next === left) lists[from] = undefined
    while (lists.length > 1 && lists.at(-1) === undefined) lists.pop()
  }
}
