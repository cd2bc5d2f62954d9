/**
 * Slots in the order of two numbers: a heap with four children per node (D. B. Johnson, "Priority queues with update and
 * finding minimum spanning trees", 1975), which is half as deep as a binary one. Taking the first leaves a hole that sifts
 * down to a leaf, and the last node sifts up from there (I. Wegener, "Bottom-up heapsort", 1993).
 *
 * The heap orders numbers in flat arrays. So neither comparing nor moving touches what the slots stand for, and a million
 * of those are spread all over the memory.
 */

/** The fewest nodes that a heap keeps memory for: a power of two. */
export const minCapacity = 16

const noKeys = new Float64Array(0)
const noSlots = new Int32Array(0)

export class Heap {
  length = 0
  /** Key and sequence of each node, side by side; the sequence decides between equal keys. */
  keys = noKeys
  /** The slot of each node; from `length` on the free slots, if slots are taken by `freeSlot` only. */
  slots = noSlots

  /** Makes place for `capacity` nodes, a power of two, and drops those that the heap has. */
  reset(capacity: number): void {
    this.length = 0
    this.keys = new Float64Array(2 * capacity)
    this.slots = new Int32Array(capacity)
    for (let slot = 0; slot < capacity; slot++) this.slots[slot] = slot
  }

  /** The slot to push next. */
  freeSlot(): number {
    if (this.length === this.slots.length) this.grow()
    return this.slots[this.length]!
  }

  push(key: number, sequence: number, slot: number): void {
    if (this.length === this.slots.length) this.grow()
    this.siftUp(this.length++, key, sequence, slot)
  }

  /** Takes the first node, and frees and returns its slot. */
  shift(): number {
    const { keys, slots } = this
    const slot = slots[0]!
    const last = --this.length
    const lastSlot = slots[last]!
    slots[last] = slot
    if (last > 0) this.siftUp(this.siftDown(), keys[2 * last]!, keys[2 * last + 1]!, lastSlot)
    return slot
  }

  /** Puts a slot into the heap, at a leaf or above it. */
  private siftUp(from: number, key: number, sequence: number, slot: number): void {
    const { keys } = this
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 2
      const other = keys[2 * parent]!
      if (other < key || (other === key && keys[2 * parent + 1]! < sequence)) break
      this.move(parent, at)
      at = parent
    }
    keys[2 * at] = key
    keys[2 * at + 1] = sequence
    this.slots[at] = slot
  }

  /** Moves the hole at the first node down to a leaf, and returns that. */
  private siftDown(): number {
    const { keys, length } = this
    let at = 0
    for (let child = 1; child < length; child = 4 * at + 1) {
      let least = child
      let key = keys[2 * child]!
      for (const end = Math.min(child + 4, length); ++child < end;) {
        const other = keys[2 * child]!
        if (other > key || (other === key && keys[2 * child + 1]! > keys[2 * least + 1]!)) continue
        least = child
        key = other
      }
      this.move(least, at)
      at = least
    }
    return at
  }

  private move(from: number, to: number): void {
    const { keys, slots } = this
    keys[2 * to] = keys[2 * from]!
    keys[2 * to + 1] = keys[2 * from + 1]!
    slots[to] = slots[from]!
  }

  private grow(): void {
    const { keys, length, slots } = this
    this.reset(Math.max(minCapacity, 2 * slots.length))
    this.keys.set(keys)
    this.slots.set(slots)
    this.length = length
  }
}
