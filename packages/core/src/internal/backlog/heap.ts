/**
 * Slots in the order of two numbers: a heap with four children per node (D. B. Johnson, "Priority queues with update
 * and finding minimum spanning trees", 1975), which is half as deep as a binary one. Removing the first node leaves a
 * hole. The hole sifts down to a leaf, and the last node sifts up from there (I. Wegener, "Bottom-up heapsort", 1993).
 *
 * The heap orders numbers in flat arrays. Comparing and moving nodes does not touch the entries of the slots: a million
 * entries are scattered in memory, and reading each would miss the cache.
 */

/** The smallest number of nodes that a heap has memory for: a power of two. */
export const minCapacity = 16

const noKeys = new Float64Array(0)
const noSlots = new Int32Array(0)

export class Heap {
  length = 0
  /** Key and sequence of each node, next to each other. The sequence decides between equal keys. */
  keys = noKeys
  /** The slot of each node. The free slots follow from index `length` on, if all slots come from `freeSlot`. */
  slots = noSlots

  /** Removes all nodes, and allocates memory for `capacity` nodes, a power of two. */
  reset(capacity: number): void {
    this.length = 0
    this.keys = new Float64Array(2 * capacity)
    this.slots = new Int32Array(capacity)
    for (let slot = 0; slot < capacity; slot++) this.slots[slot] = slot
  }

  /** Returns a free slot, to be pushed next. */
  freeSlot(): number {
    if (this.length === this.slots.length) this.grow()
    return this.slots[this.length]!
  }

  push(key: number, sequence: number, slot: number): void {
    if (this.length === this.slots.length) this.grow()
    this.siftUp(this.length, key, sequence, slot)
    this.length++
  }

  /** Removes the first node, frees its slot and returns it. */
  shift(): number {
    const { keys, slots } = this
    const slot = slots[0]!
    const last = --this.length
    const lastSlot = slots[last]!
    slots[last] = slot
    if (last > 0) this.siftUp(this.siftDown(), keys[2 * last]!, keys[2 * last + 1]!, lastSlot)
    return slot
  }

  /** Puts a slot into the heap, at a leaf or above it. Calls nothing, so a stack overflow cannot interrupt it halfway. */
  private siftUp(from: number, key: number, sequence: number, slot: number): void {
    const { keys, slots } = this
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 2
      const other = keys[2 * parent]!
      if (other < key || (other === key && keys[2 * parent + 1]! < sequence)) break
      keys[2 * at] = other
      keys[2 * at + 1] = keys[2 * parent + 1]!
      slots[at] = slots[parent]!
      at = parent
    }
    keys[2 * at] = key
    keys[2 * at + 1] = sequence
    slots[at] = slot
  }

  /** Moves the hole at the first node down to a leaf, and returns that. */
  private siftDown(): number {
    const { keys, length, slots } = this
    let at = 0
    for (let child = 1; child < length; child = 4 * at + 1) {
      let smallest = child
      let key = keys[2 * child]!
      for (const end = Math.min(child + 4, length); ++child < end;) {
        const other = keys[2 * child]!
        if (other > key || (other === key && keys[2 * child + 1]! > keys[2 * smallest + 1]!)) continue
        smallest = child
        key = other
      }
      keys[2 * at] = key
      keys[2 * at + 1] = keys[2 * smallest + 1]!
      slots[at] = slots[smallest]!
      at = smallest
    }
    return at
  }

  private grow(): void {
    const { keys, length, slots } = this
    this.reset(Math.max(minCapacity, 2 * slots.length))
    this.keys.set(keys)
    this.slots.set(slots)
    this.length = length
  }
}
