/**
 * What the backlogs must do, as naive models: arrays that are searched and sorted at every step.
 */
import { assert } from "@effect/vitest"
import { AgeingBacklog } from "../../../src/internal/backlog/ageing.ts"
import { type Backlog, entriesOf, type EntryExtra, type Weighted } from "../../../src/internal/backlog/backlog.ts"
import { FifoBacklog, LifoBacklog } from "../../../src/internal/backlog/listBacklog.ts"
import { PriorityBacklog } from "../../../src/internal/backlog/priority.ts"

export interface Entry extends Weighted<Entry> {
  arrivedAt: number
  readonly id: number
  readonly extra: EntryExtra | undefined
}

/** A time in 32 bits. The first ones are just before it wraps around. */
const stampOf = (time: number): number => (0x7fffffff - 20 + time) | 0

export type Key = string | number | undefined

const restOf = () => {
  const rest: { arrival: number | undefined } = { arrival: undefined }
  return { rest, ownRest: rest }
}

export const entryOf = (id: number, weight: number, extra?: { key?: Key; permits?: number }): Entry => ({
  id,
  weight,
  arrivedAt: stampOf(id),
  prev: undefined,
  next: undefined,
  slot: 0,
  extra: extra && { key: extra.key, permits: extra.permits ?? 1, lane: undefined, ...restOf() }
})

/** An entry in a model. Sequences are the model's own: only their order must be that of the backlog's. */
export interface Modelled {
  readonly entry: Entry
  sequence: number
  readonly arrival: number
}

/** A discipline as a sort: what comes first goes first. */
export interface Discipline {
  readonly name: string
  readonly make: (now: () => number) => Backlog<Entry>
  readonly compare: (a: Modelled, b: Modelled) => number
  readonly ordersByWeight: boolean
}

const ageing = 10
const aged = ({ arrival, entry }: Modelled): number => entry.weight * ageing + arrival

export const disciplines: ReadonlyArray<Discipline> = [
  {
    name: "FifoBacklog",
    make: () => new FifoBacklog(),
    compare: (a, b) => a.sequence - b.sequence,
    ordersByWeight: false
  },
  {
    name: "LifoBacklog",
    make: () => new LifoBacklog(),
    compare: (a, b) => b.sequence - a.sequence,
    ordersByWeight: false
  },
  {
    name: "PriorityBacklog",
    make: () => new PriorityBacklog(),
    compare: (a, b) => a.entry.weight - b.entry.weight || a.sequence - b.sequence,
    ordersByWeight: true
  },
  {
    name: "AgeingBacklog",
    make: (now) => new AgeingBacklog(ageing, now),
    compare: (a, b) => aged(a) - aged(b) || a.sequence - b.sequence,
    ordersByWeight: true
  }
]

/** The model of a backlog without keys. */
export class Line {
  readonly discipline: Discipline
  waiting: Array<Modelled> = []

  constructor(discipline: Discipline) {
    this.discipline = discipline
  }

  ordered(): Array<Entry> {
    return this.sorted(this.waiting).map(({ entry }) => entry)
  }

  next(): Entry | undefined {
    return this.ordered()[0]
  }

  oldest(): Entry | undefined {
    return this.waiting.toSorted((a, b) => (a.entry.arrivedAt - b.entry.arrivedAt) | 0)[0]?.entry
  }

  add(modelled: Modelled): void {
    this.waiting.push(modelled)
  }

  take(entry: Entry, _why: "popped" | "removed"): Modelled {
    const index = this.waiting.findIndex((other) => other.entry === entry)
    return this.waiting.splice(index, 1)[0]!
  }

  reweigh(entry: Entry, sequence: number): void {
    const modelled = this.waiting.find((other) => other.entry === entry)!
    if (this.discipline.ordersByWeight) modelled.sequence = sequence
  }

  /** The entries of which a newcomer may push out one, of those that are not kept; none if it must go itself. */
  victims(newcomer: Modelled, isKept: (entry: Entry) => boolean): Array<Entry | undefined> {
    return [this.victimOf(except(this.waiting, isKept), newcomer)]
  }

  /** The task that waits longest, or the least urgent one, the newest among equals. */
  protected victimOf(waiting: ReadonlyArray<Modelled>, newcomer: Modelled | undefined): Entry | undefined {
    const { compare, ordersByWeight } = this.discipline
    if (!ordersByWeight) return waiting.toSorted((a, b) => a.sequence - b.sequence)[0]?.entry
    const last = this.sorted(waiting).at(-1)
    return last === undefined || (newcomer !== undefined && compare(newcomer, last) > 0) ? undefined : last.entry
  }

  protected sorted(waiting: ReadonlyArray<Modelled>): Array<Modelled> {
    return waiting.toSorted(this.discipline.compare)
  }
}

/** Returns the entries that are not kept. */
export const except = (waiting: ReadonlyArray<Modelled>, isKept: (entry: Entry) => boolean): Array<Modelled> =>
  waiting.filter(({ entry }) => !isKept(entry))

// An assertion costs more than the operation that it checks, and these run a million times: only a difference calls it.

/** Asserts that two values are the same. */
export const expectSame = (actual: unknown, expected: unknown, message?: string): void => {
  if (actual !== expected) assert.strictEqual(actual, expected, message)
}

/** Asserts that two lists have the same elements. */
export const expectSameList = (actual: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>): void => {
  if (actual.length !== expected.length || actual.some((value, i) => value !== expected[i])) {
    assert.deepStrictEqual(actual, expected)
  }
}

/** A backlog beside its model: every operation is done on both, and everything that they tell is compared. */
export class Pair {
  model: Line
  backlog: Backlog<Entry>
  time = 0
  /** Entries that have left and may come back, with their sequences in the backlog and in the model. */
  away: Array<{ readonly modelled: Modelled; readonly place: number }> = []
  /** The sequences of entries that may come back. */
  private readonly places = new Map<Entry, { readonly place: number; readonly sequence: number }>()
  private ids = 0
  private sequences = 0

  constructor(discipline: Discipline) {
    this.backlog = discipline.make(() => this.time)
    this.model = new Line(discipline)
  }

  get waiting(): ReadonlyArray<Modelled> {
    return this.model.waiting
  }

  private modelled(weight: number, extra: { key?: Key; permits?: number } | undefined): Modelled {
    return { entry: entryOf(this.ids++, weight, extra), sequence: this.sequences++, arrival: this.time }
  }

  push(weight: number, extra: { key?: Key; permits?: number } | undefined): void {
    const modelled = this.modelled(weight, extra)
    this.backlog.push(modelled.entry)
    this.model.add(modelled)
    this.check()
  }

  /** Takes a sequence for an entry, which comes at once or later. */
  pushWithPlace(weight: number, extra: { key?: Key; permits?: number } | undefined, later: boolean): void {
    const modelled = this.modelled(weight, extra ?? {})
    const place = this.backlog.nextSequence()
    this.places.set(modelled.entry, { place, sequence: modelled.sequence })
    modelled.entry.extra!.ownRest.arrival = this.time
    this.away.push({ modelled, place })
    if (!later) this.comeBack(this.away.length - 1)
    this.check()
  }

  comeBack(index: number): void {
    if (this.away.length === 0) return
    const [{ modelled, place }] = this.away.splice(index % this.away.length, 1) as [(typeof this.away)[0]]
    modelled.entry.arrivedAt = stampOf(this.ids++)
    this.backlog.insert(modelled.entry, place)
    this.model.add(modelled)
    this.check()
  }

  pop(): Entry | undefined {
    const next = this.model.next()
    const popped = this.backlog.pop()
    expectSame(popped, next)
    if (popped !== undefined) this.left(popped, "popped")
    return popped
  }

  remove(index: number): void {
    if (this.waiting.length === 0) return
    const { entry } = this.waiting[index % this.waiting.length]!
    this.backlog.remove(entry)
    this.left(entry, "removed")
  }

  reweigh(index: number, weight: number): void {
    if (this.waiting.length === 0) return
    const { entry } = this.waiting[index % this.waiting.length]!
    const changes = entry.weight !== weight
    this.backlog.reweigh(entry, weight)
    expectSame(entry.weight, weight)
    if (changes) this.model.reweigh(entry, this.sequences++)
    this.check()
  }

  private left(entry: Entry, why: "popped" | "removed"): void {
    expectSame(entry.prev, undefined, "an entry that left keeps no link to its former neighbor")
    expectSame(entry.next, undefined, "an entry that left keeps no link to its former neighbor")
    const modelled = this.model.take(entry, why)
    const kept = this.places.get(entry)
    // It comes back to the place that it had first, also if it was moved to another while it waited.
    if (kept !== undefined) this.away.push({ modelled: { ...modelled, sequence: kept.sequence }, place: kept.place })
    this.check()
  }

  /** Takes everything out, in order. */
  drain(): void {
    while (this.waiting.length > 0) this.pop()
    this.pop()
  }

  /** Everything that can be asked without a change. */
  check(): void {
    const { backlog, model } = this
    const next = model.next()
    expectSame(backlog.size, model.waiting.length)
    expectSame(backlog.ready > 0, next !== undefined)
    expectSame(backlog.peek(), next)
    expectSame(backlog.peek(), next, "looking changes nothing")
  }

  /** What costs more to compare. */
  checkAll(): void {
    const { backlog, model } = this
    this.check()
    const ordered = ids(model.ordered())
    expectSameList(ids(entriesOf(backlog)), ordered)
    const next = backlog.walk()
    expectSameList(ids(ordered.map(() => next()!)), ordered)
    expectSame(next(), undefined)
    expectSame(next(), undefined)
    expectSame(backlog.oldest(), model.oldest())
    const any = backlog.any()
    if (model.waiting.length === 0) expectSame(any, undefined)
    else assert.isTrue(model.waiting.some(({ entry }) => entry === any))
    const bySequence = (a: Modelled, b: Modelled) => a.sequence - b.sequence
    const sequences = model.waiting.toSorted(bySequence).map(({ entry }) => backlog.sequenceOf(entry))
    expectSameList(
      sequences,
      sequences.toSorted((a, b) => a - b)
    )
    this.check()
  }

  /** Compares what a newcomer would push out. */
  checkVictim(weight: number, extra: { key?: Key; permits?: number } | undefined): void {
    const newcomer: Modelled = { entry: entryOf(-1, weight, extra), sequence: Infinity, arrival: this.time }
    const victim = this.backlog.victim(newcomer.entry)
    assert.include(ids(this.model.victims(newcomer, () => false)), victim?.id)
    // Some of those that have a place to come back to, as attempts that wait again have.
    const isKept = (entry: Entry): boolean => this.places.has(entry) && entry.id % 4 > 0
    const another = this.backlog.victimExcept(isKept, newcomer.entry)
    assert.include(ids(this.model.victims(newcomer, isKept)), another?.id)
    this.check()
  }
}

const ids = (entries: ReadonlyArray<Entry | undefined>) => entries.map((entry) => entry?.id)
