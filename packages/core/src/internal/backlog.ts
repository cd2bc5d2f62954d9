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

/**
 * Smallest weight first, equal weights first in, first out: a heap with four children per node (D. B. Johnson, "Priority
 * queues with update and finding minimum spanning trees", 1975), which is half as deep as a binary one. Weights and turns
 * stand in arrays of their own, beside the entries: comparing touches no entry.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  private readonly entries: Array<T> = []
  private readonly weights: Array<number> = []
  /** When each was pushed: it decides between equal weights. */
  private readonly turns: Array<number> = []
  private pushed = 0

  get size(): number {
    return this.entries.length
  }

  push(entry: T): void {
    const place = this.entries.length
    this.put(place, entry, entry.weight, this.pushed++)
    this.rise(place)
  }

  pop(): T | undefined {
    const first = this.entries[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  remove(entry: T): void {
    const { place } = entry
    const last = this.entries.pop()!
    const weight = this.weights.pop()!
    const turn = this.turns.pop()!
    if (last === entry) return
    // What fills the hole may be too small for the place, or too large.
    this.put(place, last, weight, turn)
    this.rise(place)
    this.sink(last.place)
  }

  /** O(n), over numbers that lie side by side: for who looks now and then. */
  oldest(): T | undefined {
    const { turns } = this
    let first = 0
    for (let place = 1; place < turns.length; place++) if (turns[place]! < turns[first]!) first = place
    return this.entries[first]
  }

  reweigh(entry: T, weight: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.push(entry)
  }

  private put(place: number, entry: T, weight: number, turn: number): void {
    this.entries[place] = entry
    this.weights[place] = weight
    this.turns[place] = turn
    entry.place = place
  }

  private copy(from: number, to: number): void {
    this.put(to, this.entries[from]!, this.weights[from]!, this.turns[from]!)
  }

  private precedes(a: number, weight: number, turn: number): boolean {
    const other = this.weights[a]!
    return other < weight || (other === weight && this.turns[a]! < turn)
  }

  private rise(place: number): void {
    const entry = this.entries[place]!
    const weight = this.weights[place]!
    const turn = this.turns[place]!
    let at = place
    while (at > 0) {
      const parent = (at - 1) >> 2
      if (this.precedes(parent, weight, turn)) break
      this.copy(parent, at)
      at = parent
    }
    if (at !== place) this.put(at, entry, weight, turn)
  }

  private sink(place: number): void {
    const entry = this.entries[place]!
    const weight = this.weights[place]!
    const turn = this.turns[place]!
    const { length } = this.entries
    let at = place
    while (true) {
      const firstChild = 4 * at + 1
      if (firstChild >= length) break
      let least = firstChild
      for (let child = firstChild + 1; child < Math.min(firstChild + 4, length); child++) {
        if (this.precedes(child, this.weights[least]!, this.turns[least]!)) least = child
      }
      if (!this.precedes(least, weight, turn)) break
      this.copy(least, at)
      at = least
    }
    if (at !== place) this.put(at, entry, weight, turn)
  }
}
