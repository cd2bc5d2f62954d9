/**
 * The waiting tasks in the order of a queue discipline: pure data that knows no Effect.
 *
 * Entries carry their own links, or their slot in the heap, so that one in the middle is removed in O(1) (FIFO, LIFO) or
 * O(log n) (priority) without a search. An entry is in at most one list at a time.
 */

/** What an entry of a list must have; the list owns the links. */
export interface Linked<T> {
  prev: T | undefined
  next: T | undefined
}

/** A doubly linked list whose links live in its entries. */
export class LinkedList<T extends Linked<T>> {
  head: T | undefined = undefined
  tail: T | undefined = undefined
  size = 0

  push(entry: T): void {
    entry.prev = this.tail
    if (this.tail === undefined) this.head = entry
    else this.tail.next = entry
    this.tail = entry
    this.size++
  }

  unshift(entry: T): void {
    entry.next = this.head
    if (this.head === undefined) this.tail = entry
    else this.head.prev = entry
    this.head = entry
    this.size++
  }

  shift(): T | undefined {
    const entry = this.head
    if (entry !== undefined) this.remove(entry)
    return entry
  }

  pop(): T | undefined {
    const entry = this.tail
    if (entry !== undefined) this.remove(entry)
    return entry
  }

  toArray(): Array<T> {
    const entries: Array<T> = []
    for (let entry = this.head; entry !== undefined; entry = entry.next) entries.push(entry)
    return entries
  }

  /** The entry must be in this list. */
  remove(entry: T): void {
    const { next, prev } = entry
    if (prev === undefined) this.head = next
    else prev.next = next
    if (next === undefined) this.tail = prev
    else next.prev = prev
    // A settled task that is kept by its handle must not keep its former neighbours.
    entry.prev = undefined
    entry.next = undefined
    this.size--
  }
}

/** What an entry of a backlog must have. */
export interface Weighted<T> extends Linked<T> {
  weight: number
  /** Its slot in a heap; the heap owns it. */
  slot: number
}

/** Waiting tasks in a discipline's order. `remove` and `reweigh` take an entry that is in this backlog. */
export interface Backlog<T> {
  readonly size: number
  /** How many of them may be dispatched now. `pop` gives nothing while it is 0. */
  readonly ready: number
  readonly push: (entry: T) => void
  readonly pop: () => T | undefined
  /** Any entry that is cheap to remove, for emptying the backlog without its order. */
  readonly any: () => T | undefined
  readonly remove: (entry: T) => void
  readonly reweigh: (entry: T, weight: number) => void
  /** The entry that was pushed first. */
  readonly oldest: () => T | undefined
}

/** First in, first out. */
export class FifoBacklog<T extends Weighted<T>> extends LinkedList<T> implements Backlog<T> {
  get ready(): number {
    return this.size
  }
  any(): T | undefined {
    return this.head
  }
  oldest(): T | undefined {
    return this.head
  }
  override pop(): T | undefined {
    return this.shift()
  }
  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/** Last in, first out. */
export class LifoBacklog<T extends Weighted<T>> extends LinkedList<T> implements Backlog<T> {
  get ready(): number {
    return this.size
  }
  any(): T | undefined {
    return this.head
  }
  oldest(): T | undefined {
    return this.head
  }
  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/** The fewest slots that a heap keeps: a power of two. */
const minCapacity = 16

/**
 * Smallest weight first, equal weights first in, first out: a heap with four children per node (D. B. Johnson, "Priority
 * queues with update and finding minimum spanning trees", 1975), which is half as deep as a binary one. A pop leaves a hole
 * that sifts down to a leaf, and the last entry sifts up from there (I. Wegener, "Bottom-up heapsort", 1993).
 *
 * An entry keeps a *slot* of its own while it waits; the heap orders numbers in flat arrays. So neither comparing nor moving
 * touches an entry, and a million of them are spread all over the memory. A removed entry leaves its slot at once, in O(1).
 * Its numbers leave when they reach the top, or when they outnumber those of the waiting entries.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  size = 0
  private pushed = 0
  /** The entry in each slot. Slots are first taken in order, so that the array has no holes. */
  private entries: Array<T | undefined> = []
  /** Nodes of the heap, those of empty slots among them. */
  private length = 0
  /** Weight and sequence of each node, side by side; the sequence decides between equal weights. */
  private keys = new Float64Array(0)
  /** The slot of each node; from `length` on the free slots. */
  private slots = new Int32Array(0)

  get ready(): number {
    return this.size
  }

  any(): T | undefined {
    while (this.length > 0) {
      const entry = this.entries[this.slots[this.length - 1]!]
      if (entry !== undefined) return entry
      this.length--
    }
    if (this.slots.length > minCapacity) this.rebuild()
    return undefined
  }

  push(entry: T): void {
    if (this.length === this.slots.length) this.grow()
    this.put(entry, entry.weight, this.pushed++)
  }

  pop(): T | undefined {
    while (this.length > 0) {
      const entry = this.popSlot()
      if (entry === undefined) continue
      this.size--
      if (4 * this.length < this.slots.length && this.slots.length > minCapacity) this.rebuild()
      return entry
    }
    return undefined
  }

  remove(entry: T): void {
    this.entries[entry.slot] = undefined
    this.size--
    if (2 * this.size < this.length) this.rebuild()
  }

  /** O(n) over contiguous memory. Meant for occasional use. */
  oldest(): T | undefined {
    let first: T | undefined
    let least = Infinity
    for (let node = 0; node < this.length; node++) {
      if (this.keys[2 * node + 1]! >= least) continue
      const entry = this.entries[this.slots[node]!]
      if (entry === undefined) continue
      first = entry
      least = this.keys[2 * node + 1]!
    }
    return first
  }

  reweigh(entry: T, weight: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.push(entry)
  }

  private put(entry: T, weight: number, sequence: number): void {
    const node = this.length++
    const slot = this.slots[node]!
    this.entries[slot] = entry
    entry.slot = slot
    this.size++
    this.siftUp(node, weight, sequence, slot)
  }

  /** Frees the first slot of the heap and returns its entry. */
  private popSlot(): T | undefined {
    const { entries, keys, slots } = this
    const slot = slots[0]!
    const entry = entries[slot]
    const last = --this.length
    const lastSlot = slots[last]!
    slots[last] = slot
    entries[slot] = undefined
    if (last > 0) this.siftUp(this.siftDown(), keys[2 * last]!, keys[2 * last + 1]!, lastSlot)
    return entry
  }

  /** Puts a slot into the heap, at a leaf or above it. */
  private siftUp(from: number, weight: number, sequence: number, slot: number): void {
    const { keys } = this
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 2
      const other = keys[2 * parent]!
      if (other < weight || (other === weight && keys[2 * parent + 1]! < sequence)) break
      this.move(parent, at)
      at = parent
    }
    keys[2 * at] = weight
    keys[2 * at + 1] = sequence
    this.slots[at] = slot
  }

  /** Moves the hole at the first node down to a leaf, and returns that. */
  private siftDown(): number {
    const { keys, length } = this
    let at = 0
    for (let child = 1; child < length; child = 4 * at + 1) {
      let least = child
      let weight = keys[2 * child]!
      for (const end = Math.min(child + 4, length); ++child < end;) {
        const other = keys[2 * child]!
        if (other > weight || (other === weight && keys[2 * child + 1]! > keys[2 * least + 1]!)) continue
        least = child
        weight = other
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
    const { keys, slots } = this
    this.reserve(Math.max(minCapacity, 2 * slots.length))
    this.keys.set(keys)
    this.slots.set(slots)
  }

  /** Rebuilds the heap without empty slots, and releases the memory that a burst took. */
  private rebuild(): void {
    const { entries, keys, length, slots } = this
    let capacity = slots.length
    while (capacity > minCapacity && 4 * this.size < capacity) capacity /= 2
    this.reserve(capacity)
    this.entries = []
    this.length = this.size = 0
    for (let node = 0; node < length; node++) {
      const entry = entries[slots[node]!]
      if (entry !== undefined) this.put(entry, keys[2 * node]!, keys[2 * node + 1]!)
    }
  }

  private reserve(capacity: number): void {
    this.keys = new Float64Array(2 * capacity)
    this.slots = new Int32Array(capacity)
    for (let slot = 0; slot < capacity; slot++) this.slots[slot] = slot
  }
}
