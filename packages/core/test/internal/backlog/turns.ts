/**
 * What a backlog with keys must do, as a naive model.
 */
import { assert } from "@effect/vitest"
import { type Backlog, permitsOf } from "../../../src/internal/backlog/backlog.ts"
import { KeyedBacklog } from "../../../src/internal/backlog/keyed.ts"
import {
  type Discipline,
  type Entry,
  entryOf,
  except,
  expectSame,
  type Key,
  Line,
  type Modelled,
  Pair
} from "./models.ts"

/** How many keys a backlog keeps. */
export const lanesOf = (backlog: object): number => (Reflect.get(backlog, "lanes") as Map<unknown, unknown>).size

/** How many keys of a backlog have tasks or turns. */
export const usedLanesOf = (backlog: object): number => lanesOf(backlog) - Reflect.get(backlog, "idle")

/** The keys of random commands. */
export const keys: ReadonlyArray<Key> = [undefined, 1, "1", "a", "b", ""]

/** The model of a backlog with keys. */
export class Turns extends Line {
  readonly perKey: number
  /** Keys that can be served or have turns to pay, in the order of their turns. */
  ring: Array<Key> = []
  /** Keys whose next task would exceed the limit, in the order in which that began. */
  blocked: Array<Key> = []
  /** Turns that a key is passed over. */
  debts = new Map<Key, number>()
  running: Array<{ readonly entry: Entry; lent: boolean }> = []

  constructor(discipline: Discipline, perKey: number) {
    super(discipline)
    this.perKey = perKey
  }

  of(key: Key): Array<Modelled> {
    return this.sorted(this.waiting.filter(({ entry }) => entry.extra?.key === key))
  }

  used(key: Key): number {
    return this.running
      .filter(({ entry, lent }) => entry.extra?.key === key && !lent)
      .reduce((sum, { entry }) => sum + permitsOf(entry), 0)
  }

  fits(entry: Entry): boolean {
    const key = entry.extra?.key
    return key === undefined || this.used(key) + permitsOf(entry) <= this.perKey
  }

  private debtOf(key: Key): number {
    return this.debts.get(key) ?? 0
  }

  private isEligible(key: Key): boolean {
    const [head] = this.of(key)
    return head !== undefined && this.fits(head.entry)
  }

  /** To be called when anything about the key has changed. */
  update(key: Key): void {
    const inRing = this.isEligible(key) || this.debtOf(key) > 0
    const isBlocked = !inRing && this.of(key).length > 0
    if (!inRing) this.ring = this.ring.filter((other) => other !== key)
    else if (!this.ring.includes(key)) this.ring.push(key)
    if (!isBlocked) this.blocked = this.blocked.filter((other) => other !== key)
    else if (!this.blocked.includes(key)) this.blocked.push(key)

    if (this.ring.length === 0 || this.debtOf(this.ring[0]) === 0) return
    const turn = this.ring[0]
    this.debts.set(turn, this.debtOf(turn) - 1)
    this.ring.push(this.ring.shift())
    this.update(turn)
  }

  override next(): Entry | undefined {
    return this.ring.length === 0 ? undefined : this.of(this.ring[0])[0]!.entry
  }

  override ordered(): Array<Entry> {
    const all: Array<Entry> = []
    const lines = [...this.ring, ...this.blocked].map((key) => ({ waiting: this.of(key), debt: this.debtOf(key) }))
    while (lines.length > 0) {
      const line = lines.shift()!
      if (line.debt > 0) line.debt--
      else if (line.waiting.length > 0) {
        const { entry } = line.waiting.shift()!
        all.push(entry)
        line.debt = permitsOf(entry) - 1
      }
      if (line.waiting.length > 0) lines.push(line)
    }
    return all
  }

  override add(modelled: Modelled): void {
    super.add(modelled)
    this.update(modelled.entry.extra?.key)
  }

  override take(entry: Entry, why: "popped" | "removed"): Modelled {
    const modelled = super.take(entry, why)
    const key = entry.extra?.key
    if (why === "popped") {
      expectSame(this.ring[0], key)
      this.debts.set(key, permitsOf(entry) - 1)
      this.ring.push(this.ring.shift())
    }
    this.update(key)
    return modelled
  }

  override reweigh(entry: Entry, sequence: number): void {
    super.reweigh(entry, sequence)
    this.update(entry.extra?.key)
  }

  override victims(newcomer: Modelled, isKept: (entry: Entry) => boolean): Array<Entry | undefined> {
    const keys = [...this.ring, ...this.blocked]
    const most = Math.max(0, ...keys.map((key) => this.of(key).length))
    if (most === 0) return [undefined]
    const own = newcomer.entry.extra?.key
    if (this.of(own).length === most) return [this.victimOf(except(this.of(own), isKept), newcomer)]
    for (let size = most; size > 0; size--) {
      const fullest = keys.filter((key) => this.of(key).length === size)
      const victims = fullest.map((key) => this.victimOf(except(this.of(key), isKept), undefined))
      const some = victims.filter((victim) => victim !== undefined)
      if (some.length > 0) return some
    }
    return [undefined]
  }
}

/** A keyed backlog beside its model, with the tasks that run. */
export class KeyedPair extends Pair {
  declare model: Turns
  declare backlog: KeyedBacklog<Entry>

  /** `before`: how many tasks wait already when the first key is seen. */
  constructor(discipline: Discipline, options: { readonly perKey: number; readonly before: number }) {
    super(discipline)
    const make = () => discipline.make(() => this.time)
    const plain: Backlog<Entry> = this.backlog
    for (let i = 0; i < options.before; i++) this.push(i % 3, undefined)
    const turns = new Turns(discipline, options.perKey)
    for (const modelled of this.waiting) turns.add(modelled)
    this.model = turns
    this.backlog = new KeyedBacklog(make, options.perKey, plain)
    this.check()
  }

  /** Starts what is popped, unless its task ends before it starts. */
  popAndStart(starts: boolean): void {
    const entry = this.pop()
    if (entry !== undefined && starts) this.started(entry)
  }

  /** A task that finds a free worker, if its key's limit lets it start. */
  startNow(id: number, key: Key, permits: number): void {
    const entry = entryOf(id, 0, { key, permits })
    const mayStart = this.backlog.mayStart(entry)
    assert.strictEqual(mayStart, this.model.fits(entry))
    if (mayStart) this.started(entry)
  }

  started(entry: Entry): void {
    this.backlog.started(entry)
    this.model.running.push({ entry, lent: false })
    this.model.update(entry.extra?.key)
    this.check()
  }

  ended(index: number): void {
    const { running } = this.model
    if (running.length === 0) return
    const [{ entry, lent }] = running.splice(index % running.length, 1) as [(typeof running)[0]]
    if (!lent) this.backlog.stopped(entry)
    this.model.update(entry.extra?.key)
    this.check()
  }

  lentOrTookBack(index: number): void {
    const { running } = this.model
    if (running.length === 0) return
    const task = running[index % running.length]!
    if (task.lent) this.backlog.started(task.entry)
    else this.backlog.stopped(task.entry)
    task.lent = !task.lent
    this.model.update(task.entry.extra?.key)
    this.check()
  }

  checkWaiting(): void {
    for (const key of keys) {
      if (key === undefined) continue
      expectSame(this.backlog.waiting(key), this.model.of(key).length)
    }
  }

  /** Ends everything, takes everything out, and sees that no key is kept. */
  finish(): void {
    while (this.waiting.length > 0 || this.model.running.length > 0) {
      const before = this.waiting.length
      this.popAndStart(true)
      if (this.waiting.length === before && this.model.running.length === 0) this.remove(0)
      this.ended(0)
    }
    // The lane of a task that was popped and never started is kept until the next pop.
    this.pop()
    assert.strictEqual(lanesOf(this.backlog), 0)
  }
}
