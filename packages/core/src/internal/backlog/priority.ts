/**
 * Smallest weight first, equal weights first in, first out.
 */
import { type Backlog, victimExcept, type Weighted } from "./backlog.ts"
import { Arrivals } from "./arrivals.ts"
import { Heap, minCapacity } from "./heap.ts"

// Passing over this many removed entries is cheaper than rebuilding the heap.
const fewRemoved = 1024

/**
 * A waiting entry has a *slot*, and the heap orders the slots. Removing an entry clears its slot in O(1). The heap drops
 * the node later: when the node is first, or when such nodes outnumber the waiting entries.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  size = 0
  private pushed = 0
  /** The entry in each slot. Free slots are used in order, so the arrays have no holes. */
  private entries: Array<T | undefined> = []
  /** The sequence of the entry in each slot. Made at its first use. */
  private sequences: Array<number> | undefined = undefined
  private heap = new Heap()
  /**
   * The same entries in reverse order, for `victim`. Made at its first call. Nodes of removed entries are dropped late,
   * as in the heap. A slot may have a new entry by then, so a node is valid only if it has the sequence of the slot's
   * entry.
   */
  private lastFirst: Heap | undefined = undefined
  /** The same slots in the order in which their entries began to wait, for `oldest`. Made at its first call. */
  private byArrival: Arrivals | undefined = undefined

  get ready(): number {
    return this.size
  }

  push(entry: T): void {
    this.insert(entry, this.pushed++)
  }

  nextSequence(): number {
    return this.pushed++
  }

  insert(entry: T, sequence: number): void {
    this.put(entry, entry.weight, sequence)
  }

  peek(): T | undefined {
    const { heap } = this
    while (heap.length > 0) {
      const entry = this.entries[heap.slots[0]!]
      if (entry !== undefined) return entry
      heap.shift()
    }
    return undefined
  }

  pop(): T | undefined {
    const { heap } = this
    while (heap.length > 0) {
      // Read before the heap is reordered: fetching the entry from memory takes as long, and the processor overlaps the
      // two.
      const entry = this.entries[heap.slots[0]!]
      this.entries[heap.shift()] = undefined
      if (entry === undefined) continue
      this.size--
      if (4 * heap.length < heap.slots.length && heap.slots.length > minCapacity) this.rebuild()
      return entry
    }
    return undefined
  }

  any(): T | undefined {
    const { heap } = this
    while (heap.length > 0) {
      const entry = this.entries[heap.slots[heap.length - 1]!]
      if (entry !== undefined) return entry
      heap.length--
    }
    if (heap.slots.length > minCapacity) this.rebuild()
    return undefined
  }

  remove(entry: T): void {
    this.entries[entry.slot] = undefined
    this.size--
    if (2 * this.size < this.heap.length) this.rebuild()
  }

  reweigh(entry: T, weight: number, sequence?: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.insert(entry, sequence ?? this.pushed++)
  }

  /** The first call sorts the entries. From then on each insertion costs an entry of a list. */
  oldest(): T | undefined {
    const arrivals = (this.byArrival ??= this.makeArrivals())
    return this.entries[arrivals.first(this.entries)]
  }

  /** The first call is O(n). */
  sequenceOf(entry: T): number {
    return (this.sequences ??= this.sequencesBySlot())[entry.slot]!
  }

  /**
   * Walks down the heap from its first node: a second heap, the frontier, has the nodes whose parents were returned.
   * Nodes of removed entries are passed over, so the heap is first rebuilt if it has many of them.
   */
  walk(): () => T | undefined {
    const removed = this.heap.length - this.size
    if (removed > fewRemoved && 8 * removed > this.size) this.rebuild()
    const { entries, heap } = this
    const { keys, slots } = heap
    const frontier = new Heap()
    const visit = (node: number): void => {
      if (node < heap.length) frontier.push(keys[2 * node]!, keys[2 * node + 1]!, node)
    }
    visit(0)
    return () => {
      while (frontier.length > 0) {
        const node = frontier.shift()
        for (let child = 4 * node + 1; child <= 4 * node + 4; child++) visit(child)
        const entry = entries[slots[node]!]
        if (entry !== undefined) return entry
      }
      return undefined
    }
  }

  /** The first call is O(n); from then on each insertion costs a second heap. */
  victim(newcomer?: T): T | undefined {
    const lastFirst = (this.lastFirst ??= this.makeLastFirst())
    const sequences = (this.sequences ??= this.sequencesBySlot())
    while (lastFirst.length > 0) {
      const slot = lastFirst.slots[0]!
      const entry = this.entries[slot]
      if (entry !== undefined && sequences[slot] === -lastFirst.keys[1]!) {
        return newcomer === undefined || this.keyOf(newcomer) < -lastFirst.keys[0]! ? entry : undefined
      }
      lastFirst.shift()
    }
    return undefined
  }

  victimExcept(isKept: (entry: T) => boolean, newcomer?: T): T | undefined {
    return victimExcept(this, isKept, newcomer)
  }

  /** Returns the key of an entry that arrives now. */
  protected keyOf(entry: T): number {
    return entry.weight
  }

  protected put(entry: T, key: number, sequence: number): void {
    const slot = this.heap.freeSlot()
    this.heap.push(key, sequence, slot)
    this.entries[slot] = entry
    entry.slot = slot
    this.size++
    if (this.sequences !== undefined) this.sequences[slot] = sequence
    if (this.lastFirst !== undefined) this.putLastFirst(this.lastFirst, key, sequence, slot)
    if (this.byArrival !== undefined) this.putArrival(this.byArrival, entry)
  }

  private putArrival(arrivals: Arrivals, entry: T): void {
    arrivals.push(entry)
    if (arrivals.length > 2 * this.size + minCapacity) this.byArrival = arrivals.rebuilt(this.entries)
  }

  private makeArrivals(): Arrivals {
    const arrivals = new Arrivals()
    const entries = this.liveSlots().map((slot) => this.entries[slot]!)
    entries.sort((a, b) => (a.arrivedAt - b.arrivedAt) | 0)
    for (const entry of entries) arrivals.push(entry)
    return arrivals
  }

  private putLastFirst(lastFirst: Heap, key: number, sequence: number, slot: number): void {
    if (lastFirst.length < 2 * this.size + minCapacity) lastFirst.push(-key, -sequence, slot)
    else this.lastFirst = this.makeLastFirst()
  }

  private sequencesBySlot(): Array<number> {
    const { keys, length, slots } = this.heap
    const sequences = this.entries.map(() => 0)
    for (let node = 0; node < length; node++) sequences[slots[node]!] = keys[2 * node + 1]!
    return sequences
  }

  private makeLastFirst(): Heap {
    const { keys, slots } = this.heap
    const lastFirst = new Heap()
    for (const node of this.liveNodes()) lastFirst.push(-keys[2 * node]!, -keys[2 * node + 1]!, slots[node]!)
    return lastFirst
  }

  /** The slots of the waiting entries, in the order of their nodes. */
  protected liveSlots(): Array<number> {
    return this.liveNodes().map((node) => this.heap.slots[node]!)
  }

  /** The nodes whose entry still waits. */
  private liveNodes(): Array<number> {
    const { entries, heap } = this
    const nodes: Array<number> = []
    for (let node = 0; node < heap.length; node++) if (entries[heap.slots[node]!] !== undefined) nodes.push(node)
    return nodes
  }

  /** Rebuilds the heap without empty slots, and releases the memory that a burst took. The n-th node gets slot n. */
  protected rebuild(): void {
    const { byArrival, entries, heap } = this
    this.byArrival = undefined
    const { keys, length, slots } = heap
    let capacity = slots.length
    while (capacity > minCapacity && 4 * this.size < capacity) capacity /= 2
    heap.reset(capacity)
    this.entries = []
    this.size = 0
    if (this.sequences !== undefined) this.sequences = []
    if (this.lastFirst !== undefined) this.lastFirst = new Heap()
    for (let node = 0; node < length; node++) {
      const entry = entries[slots[node]!]
      if (entry === undefined) continue
      this.put(entry, keys[2 * node]!, keys[2 * node + 1]!)
    }
    this.byArrival = byArrival?.rebuilt(entries)
  }
}
