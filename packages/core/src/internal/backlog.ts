/**
 * The tasks that wait, in the order of a queue discipline: pure data that knows no Effect.
 *
 * Entries carry their own links, so nothing is allocated per waiting task and taking one out of the middle is O(1)
 * (FIFO, LIFO) or, where it empties a weight, O(log w) with w the number of different weights (priority). An entry is in
 * at most one list at a time.
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
}

/** Waiting tasks in a discipline's order. `remove` and `reweigh` take an entry that is in this backlog. */
export interface Backlog<T> {
  readonly size: number
  readonly push: (entry: T) => void
  readonly pop: () => T | undefined
  readonly remove: (entry: T) => void
  readonly reweigh: (entry: T, weight: number) => void
}

/** First in, first out. */
export class FifoBacklog<T extends Weighted<T>> extends LinkedList<T> implements Backlog<T> {
  override pop(): T | undefined {
    return this.shift()
  }
  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/** Last in, first out. */
export class LifoBacklog<T extends Weighted<T>> extends LinkedList<T> implements Backlog<T> {
  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/**
 * Smallest weight first, equal weights first in, first out: a list for each weight that waits, and a binary heap of those
 * lists. Programs use few weights, so most operations touch one list only; with n different weights it is a heap of n.
 */
export class PriorityBacklog<T extends Weighted<T>> implements Backlog<T> {
  size = 0
  private readonly lists = new Map<number, WeightList<T>>()
  private readonly heap: Array<WeightList<T>> = []

  push(entry: T): void {
    let list = this.lists.get(entry.weight)
    if (list === undefined) {
      list = new WeightList(entry.weight)
      this.lists.set(entry.weight, list)
      this.heap.push(list)
      this.siftUp(list, this.heap.length - 1)
    }
    list.push(entry)
    this.size++
  }

  pop(): T | undefined {
    const list = this.heap[0]
    if (list === undefined) return undefined
    const entry = list.head!
    this.take(list, entry)
    return entry
  }

  remove(entry: T): void {
    this.take(this.lists.get(entry.weight)!, entry)
  }

  reweigh(entry: T, weight: number): void {
    if (entry.weight === weight) return
    this.remove(entry)
    entry.weight = weight
    this.push(entry)
  }

  private take(list: WeightList<T>, entry: T): void {
    list.remove(entry)
    this.size--
    if (list.size > 0) return
    this.lists.delete(list.weight)
    const last = this.heap.pop()!
    if (last === list) return
    // The hole may be anywhere in the heap: what fills it can be too small for its place, or too large.
    this.siftUp(last, list.index)
    this.siftDown(last, last.index)
  }

  private siftUp(list: WeightList<T>, index: number): void {
    const { heap } = this
    while (index > 0) {
      const above = heap[(index - 1) >> 1]!
      if (above.weight <= list.weight) break
      heap[index] = above
      above.index = index
      index = (index - 1) >> 1
    }
    heap[index] = list
    list.index = index
  }

  private siftDown(list: WeightList<T>, index: number): void {
    const { heap } = this
    while (true) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.weight < heap[child]!.weight) child++
      const below = heap[child]!
      if (below.weight >= list.weight) break
      heap[index] = below
      below.index = index
      index = child
    }
    heap[index] = list
    list.index = index
  }
}

class WeightList<T extends Linked<T>> extends LinkedList<T> {
  readonly weight: number
  /** Its place in the heap. */
  index = 0
  constructor(weight: number) {
    super()
    this.weight = weight
  }
}
