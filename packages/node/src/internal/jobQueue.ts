/**
 * The queue of jobs that wait for a thread, oldest first: a linked list, so that removing any job is O(1).
 */

/** The links of a job, which the queue owns. */
export interface Linked<T> {
  previous: T | undefined
  next: T | undefined
}

export class JobQueue<T extends Linked<T>> {
  first: T | undefined
  last: T | undefined
  length = 0

  push(item: T): void {
    item.previous = this.last
    item.next = undefined
    if (this.last === undefined) this.first = item
    else this.last.next = item
    this.last = item
    this.length++
  }

  unshift(item: T): void {
    item.previous = undefined
    item.next = this.first
    if (this.first === undefined) this.last = item
    else this.first.previous = item
    this.first = item
    this.length++
  }

  remove(item: T): void {
    if (item.previous === undefined) this.first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.last = item.previous
    else item.next.previous = item.previous
    item.previous = undefined
    item.next = undefined
    this.length--
  }
}
