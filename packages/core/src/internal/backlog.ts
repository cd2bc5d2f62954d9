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
 * queues with update and finding minimum spanning trees", 1975), which is half as deep as a binary one. What is taken out
 * leaves a hole that goes down to a leaf, and the last entry rises from there (I. Wegener, "Bottom-up heapsort", 1993).
 *
 * An entry sits in a *seat* of its own as long as it waits; the heap orders numbers in flat arrays. So neither comparing
 * nor moving touches an entry: a million of them lie all over the memory.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  size = 0
  private pushed = 0
  private readonly entries: Array<T | undefined> = []
  /** Weight and turn of each place in the heap, side by side; the turn decides between equal weights. */
  private keys = new Float64Array(0)
  /** The seat of each place in the heap; from `size` on the free seats. */
  private seats = new Int32Array(0)
  /** The place of each seat that is taken. */
  private places = new Int32Array(0)

  push(entry: T): void {
    if (this.size === this.seats.length) this.grow()
    const place = this.size++
    const seat = this.seats[place]!
    this.entries[seat] = entry
    entry.place = seat
    this.rise(place, entry.weight, this.pushed++, seat)
  }

  pop(): T | undefined {
    if (this.size === 0) return undefined
    const first = this.entries[this.seats[0]!]!
    this.remove(first)
    return first
  }

  remove(entry: T): void {
    const { keys, seats } = this
    const seat = entry.place
    const last = --this.size
    const lastSeat = seats[last]!
    seats[last] = seat
    this.entries[seat] = undefined
    // The hole may be below a larger entry than the last one: that rises as far as it must.
    if (seat !== lastSeat) this.rise(this.sink(this.places[seat]!), keys[2 * last]!, keys[2 * last + 1]!, lastSeat)
    if (4 * last < seats.length && seats.length > fewestSeats) this.shrink()
  }

  /** O(n), over numbers that lie side by side: for who looks now and then. */
  oldest(): T | undefined {
    const { keys, size } = this
    if (size === 0) return undefined
    let first = 0
    for (let place = 1; place < size; place++) if (keys[2 * place + 1]! < keys[2 * first + 1]!) first = place
    return this.entries[this.seats[first]!]
  }

  reweigh(entry: T, weight: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.push(entry)
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
    this.places[seat] = at
  }

  /** Moves a hole down to a place without children, and answers which. */
  private sink(from: number): number {
    const { keys, size } = this
    let at = from
    for (let child = 4 * at + 1; child < size; child = 4 * at + 1) {
      let least = child
      let weight = keys[2 * child]!
      for (const end = Math.min(child + 4, size); ++child < end;) {
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
    const seat = seats[from]!
    keys[2 * to] = keys[2 * from]!
    keys[2 * to + 1] = keys[2 * from + 1]!
    seats[to] = seat
    this.places[seat] = to
  }

  private grow(): void {
    const taken = this.seats.length
    this.reserve(Math.max(fewestSeats, 2 * taken))
    for (let seat = taken; seat < this.seats.length; seat++) {
      this.entries.push(undefined)
      this.seats[seat] = seat
    }
  }

  /** Gives back what a burst took: the entries get the first seats, in the order of the heap. */
  private shrink(): void {
    const seated = Array.from(this.seats.subarray(0, this.size), (seat) => this.entries[seat]!)
    this.reserve(this.seats.length / 2)
    this.entries.length = this.seats.length
    for (let seat = 0; seat < this.seats.length; seat++) {
      const entry = seated[seat]
      this.entries[seat] = entry
      this.seats[seat] = this.places[seat] = seat
      if (entry !== undefined) entry.place = seat
    }
  }

  private reserve(seats: number): void {
    const resized = <A extends Float64Array | Int32Array>(from: A, to: A): A => {
      to.set(from.subarray(0, to.length))
      return to
    }
    this.keys = resized(this.keys, new Float64Array(2 * seats))
    this.seats = resized(this.seats, new Int32Array(seats))
    this.places = resized(this.places, new Int32Array(seats))
  }
}
