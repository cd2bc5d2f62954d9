/**
 * The tasks that wait, in the order of a queue discipline: pure data that knows no Effect.
 *
 * Entries carry their own links, or their place in the heap, so that one in the middle is taken out in O(1) (FIFO, LIFO)
 * or O(log n) (priority) and nothing is searched. An entry is in at most one list at a time.
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
  /** Where it is in a heap; the heap owns it. */
  place: number
}

/** Waiting tasks in a discipline's order. `remove` and `reweigh` take an entry that is in this backlog. */
export interface Backlog<T> {
  readonly size: number
  readonly push: (entry: T) => void
  readonly pop: () => T | undefined
  readonly remove: (entry: T) => void
  readonly reweigh: (entry: T, weight: number) => void
  /** The entry that was pushed first. */
  readonly oldest: () => T | undefined
}

/** First in, first out. */
export class FifoBacklog<T extends Weighted<T>> extends LinkedList<T> implements Backlog<T> {
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
  oldest(): T | undefined {
    return this.head
  }
  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/** The fewest seats that a heap keeps: a power of two. */
const fewestSeats = 16

/**
 * Smallest weight first, equal weights first in, first out: a heap with four children per node (D. B. Johnson, "Priority
 * queues with update and finding minimum spanning trees", 1975), which is half as deep as a binary one. What is popped
 * leaves a hole that goes down to a leaf, and the last entry rises from there (I. Wegener, "Bottom-up heapsort", 1993).
 *
 * An entry sits in a *seat* of its own as long as it waits; the heap orders numbers in flat arrays. So neither comparing
 * nor moving touches an entry: a million of them lie all over the memory. One that is removed leaves its seat at once, in
 * O(1); its numbers go when they come up, or when they are more than those of the entries that wait.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  size = 0
  private pushed = 0
  /** Who sits where. Seats are taken in their order at first, so that the array has no holes. */
  private entries: Array<T | undefined> = []
  /** Places in the heap, those of empty seats among them. */
  private length = 0
  /** Weight and turn of each place, side by side; the turn decides between equal weights. */
  private keys = new Float64Array(0)
  /** The seat of each place; from `length` on the seats that are free. */
  private seats = new Int32Array(0)

  push(entry: T): void {
    if (this.length === this.seats.length) this.grow()
    this.put(entry, entry.weight, this.pushed++)
  }

  pop(): T | undefined {
    while (this.length > 0) {
      const entry = this.popSeat()
      if (entry === undefined) continue
      this.size--
      if (4 * this.length < this.seats.length && this.seats.length > fewestSeats) this.rebuild()
      return entry
    }
    return undefined
  }

  remove(entry: T): void {
    this.entries[entry.place] = undefined
    this.size--
    if (2 * this.size < this.length) this.rebuild()
  }

  /** O(n), over numbers that lie side by side: for who looks now and then. */
  oldest(): T | undefined {
    let first: T | undefined
    let least = Infinity
    for (let place = 0; place < this.length; place++) {
      if (this.keys[2 * place + 1]! >= least) continue
      const entry = this.entries[this.seats[place]!]
      if (entry === undefined) continue
      first = entry
      least = this.keys[2 * place + 1]!
    }
    return first
  }

  reweigh(entry: T, weight: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.push(entry)
  }

  private put(entry: T, weight: number, turn: number): void {
    const place = this.length++
    const seat = this.seats[place]!
    this.entries[seat] = entry
    entry.place = seat
    this.size++
    this.rise(place, weight, turn, seat)
  }

  /** Frees the first seat of the heap; answers who sat there. */
  private popSeat(): T | undefined {
    const { entries, keys, seats } = this
    const seat = seats[0]!
    const entry = entries[seat]
    const last = --this.length
    const lastSeat = seats[last]!
    seats[last] = seat
    entries[seat] = undefined
    if (last > 0) this.rise(this.sink(), keys[2 * last]!, keys[2 * last + 1]!, lastSeat)
    return entry
  }

  /** Puts a seat into the heap, at a place without children or above it. */
  private rise(from: number, weight: number, turn: number, seat: number): void {
    const { keys } = this
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 2
      const other = keys[2 * parent]!
      if (other < weight || (other === weight && keys[2 * parent + 1]! < turn)) break
      this.move(parent, at)
      at = parent
    }
    keys[2 * at] = weight
    keys[2 * at + 1] = turn
    this.seats[at] = seat
  }

  /** Moves the hole at the first place down to one without children, and answers which. */
  private sink(): number {
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
    const { keys, seats } = this
    keys[2 * to] = keys[2 * from]!
    keys[2 * to + 1] = keys[2 * from + 1]!
    seats[to] = seats[from]!
  }

  private grow(): void {
    const { keys, seats } = this
    this.reserve(Math.max(fewestSeats, 2 * seats.length))
    this.keys.set(keys)
    this.seats.set(seats)
  }

  /** Builds the heap anew without empty seats, and gives back what a burst took. */
  private rebuild(): void {
    const { entries, keys, length, seats } = this
    let capacity = seats.length
    while (capacity > fewestSeats && 4 * this.size < capacity) capacity /= 2
    this.reserve(capacity)
    this.entries = []
    this.length = this.size = 0
    for (let place = 0; place < length; place++) {
      const entry = entries[seats[place]!]
      if (entry !== undefined) this.put(entry, keys[2 * place]!, keys[2 * place + 1]!)
    }
  }

  private reserve(capacity: number): void {
    this.keys = new Float64Array(2 * capacity)
    this.seats = new Int32Array(capacity)
    for (let seat = 0; seat < capacity; seat++) this.seats[seat] = seat
  }
}
