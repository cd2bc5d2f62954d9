/**
 * A doubly linked list whose links are in its entries, so that any entry is removed in O(1), without a search. An entry
 * is in at most one list at a time.
 */

/** The members that an entry of a list must have. The list owns the links. */
export interface Linked<T> {
  prev: T | undefined
  next: T | undefined
}

/** Returns all that a walk gives. */
export const walked = <T>(next: () => T | undefined): Array<T> => {
  const entries: Array<T> = []
  for (let entry = next(); entry !== undefined; entry = next()) entries.push(entry)
  return entries
}

/** A doubly linked list whose links are in its entries. */
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

  /** Returns whether an entry that is in no other list is in this one. */
  has(entry: T): boolean {
    return entry.prev !== undefined || entry === this.head
  }

  toArray(): Array<T> {
    return walked(this.walk())
  }

  /** Returns a function that returns one entry after the other, until the list changes. */
  walk(): () => T | undefined {
    let next = this.head
    return () => {
      const entry = next
      next = entry?.next
      return entry
    }
  }

  /** Removes an entry, which must be in this list. */
  remove(entry: T): void {
    const { next, prev } = entry
    if (prev === undefined) this.head = next
    else prev.next = next
    if (next === undefined) this.tail = prev
    else next.prev = prev
    // Otherwise the handle of a settled task would keep the task's former neighbors in memory.
    entry.prev = undefined
    entry.next = undefined
    this.size--
  }
}
