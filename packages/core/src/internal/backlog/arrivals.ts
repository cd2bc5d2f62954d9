/**
 * The slots of a backlog in the order in which their entries began to wait, for finding the oldest entry in O(1),
 * amortized.
 *
 * Removing an entry changes nothing here. A node whose entry has gone is dropped when it is first, or when the backlog
 * asks for it. A slot may have a new entry by then, so a node counts only if its slot's entry has its time.
 */
import { Heap } from "./heap.ts"

/** An entry whose wait began at a time: milliseconds in 32 bits, which wrap around. */
export interface Arrived {
  readonly arrivedAt: number
}

/** Returns the one of two entries that has waited longer. */
export const older = <T extends Arrived>(a: T | undefined, b: T | undefined): T | undefined =>
  a === undefined || (b !== undefined && ((b.arrivedAt - a.arrivedAt) | 0) < 0) ? b : a

/** Tells times as milliseconds since the first one, which has an order for 24 days. */
export class Timeline {
  private first: number | undefined = undefined

  of({ arrivedAt }: Arrived): number {
    this.first ??= arrivedAt
    return (arrivedAt - this.first) | 0
  }
}

/** An entry that knows its slot. */
interface Slotted extends Arrived {
  readonly slot: number
}

type Entries = ReadonlyArray<Slotted | undefined>

export class Arrivals {
  private readonly timeline = new Timeline()
  private times: Array<number> = []
  private slots: Array<number> = []
  private head = 0
  /** The entries that began to wait before others that were here. */
  private readonly late = new Heap()

  get length(): number {
    return this.times.length - this.head + this.late.length
  }

  push(entry: Slotted): void {
    const time = this.timeline.of(entry)
    const last = this.times.at(-1)
    if (last !== undefined && time < last) return this.late.push(time, 0, entry.slot)
    this.times.push(time)
    this.slots.push(entry.slot)
  }

  /** Returns the slot of the entry that has waited longest, or -1. The parameter has the entry of each slot. */
  first(entries: Entries): number {
    const { late } = this
    while (late.length > 0 && !this.isLive(entries[late.slots[0]!], late.keys[0]!)) late.shift()
    while (this.head < this.slots.length && !this.isLive(entries[this.slots[this.head]!], this.times[this.head]!)) {
      this.head++
    }
    this.dropPassed()
    const isEmpty = this.head === this.slots.length
    if (late.length > 0 && (isEmpty || late.keys[0]! < this.times[this.head]!)) return late.slots[0]!
    return isEmpty ? -1 : this.slots[this.head]!
  }

  /** Returns the live nodes, with the slots that their entries have now. The parameter has the entry of each old slot. */
  rebuilt(entries: Entries): Arrivals {
    const { late } = this
    const arrivals = new Arrivals()
    // An entry has two live nodes if it has the slot and the time of another one that has gone.
    const kept = new Set<Slotted>()
    const keep = (entry: Slotted | undefined, time: number): void => {
      if (entry === undefined || !this.isLive(entry, time) || kept.has(entry)) return
      kept.add(entry)
      arrivals.push(entry)
    }
    for (let node = this.head; node < this.slots.length; node++) keep(entries[this.slots[node]!], this.times[node]!)
    for (let node = 0; node < late.length; node++) keep(entries[late.slots[node]!], late.keys[2 * node]!)
    return arrivals
  }

  private isLive(entry: Slotted | undefined, time: number): boolean {
    return entry !== undefined && this.timeline.of(entry) === time
  }

  private dropPassed(): void {
    if (this.head < 1024 || 2 * this.head < this.slots.length) return
    this.times = this.times.slice(this.head)
    this.slots = this.slots.slice(this.head)
    this.head = 0
  }
}
