/**
 * The slots of a backlog in the order of arrival, for finding the oldest entry in O(1), amortized.
 *
 * Removing an entry changes nothing here. A node whose entry has gone is dropped when it is first, or when the backlog
 * asks for it. A slot may have a new entry by then, so a node counts only if its slot's entry has its sequence.
 */
import { Heap } from "./heap.ts"

export class Arrivals {
  private sequences: Array<number> = []
  private slots: Array<number> = []
  private head = 0
  /** The entries that have returned to an earlier place. */
  private late = new Heap()

  get length(): number {
    return this.sequences.length - this.head + this.late.length
  }

  push(sequence: number, slot: number): void {
    const last = this.sequences.at(-1)
    if (last !== undefined && sequence < last) return this.late.push(sequence, 0, slot)
    this.sequences.push(sequence)
    this.slots.push(slot)
  }

  /** Returns the slot with the smallest sequence, or -1. The parameters have the entry and the sequence of each slot. */
  first(entries: ReadonlyArray<unknown>, sequences: ReadonlyArray<number>): number {
    const isLive = (slot: number, sequence: number): boolean =>
      entries[slot] !== undefined && sequences[slot] === sequence
    const { late } = this
    while (late.length > 0 && !isLive(late.slots[0]!, late.keys[0]!)) late.shift()
    while (this.head < this.slots.length && !isLive(this.slots[this.head]!, this.sequences[this.head]!)) this.head++
    this.dropPassed()
    const isEmpty = this.head === this.slots.length
    if (late.length > 0 && (isEmpty || late.keys[0]! < this.sequences[this.head]!)) return late.slots[0]!
    return isEmpty ? -1 : this.slots[this.head]!
  }

  /** Returns the nodes for which `slotOf` returns a slot, with these slots. */
  with(slotOf: (slot: number, sequence: number) => number | undefined): Arrivals {
    const arrivals = new Arrivals()
    const keep = (slot: number, sequence: number, into: { push: (sequence: number, slot: number) => void }): void => {
      const kept = slotOf(slot, sequence)
      if (kept !== undefined) into.push(sequence, kept)
    }
    for (let node = this.head; node < this.slots.length; node++) {
      keep(this.slots[node]!, this.sequences[node]!, arrivals)
    }
    const late = { push: (sequence: number, slot: number) => arrivals.late.push(sequence, 0, slot) }
    for (let node = 0; node < this.late.length; node++) {
      keep(this.late.slots[node]!, this.late.keys[2 * node]!, late)
    }
    return arrivals
  }

  private dropPassed(): void {
    if (this.head < 1024 || 2 * this.head < this.slots.length) return
    this.sequences = this.sequences.slice(this.head)
    this.slots = this.slots.slice(this.head)
    this.head = 0
  }
}
