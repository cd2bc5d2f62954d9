/**
 * First in first out, and last in first out: a list in the order of arrival, taken from one end or the other.
 */
import type { Backlog, Weighted } from "./backlog.ts"
import { LinkedList } from "./list.ts"

/** Entries by their sequence, which is in `slot`: the oldest is the head. */
abstract class ListBacklog<T extends Weighted<T>> extends LinkedList<T> {
  private pushed = 0

  get ready(): number {
    return this.size
  }

  override push(entry: T): void {
    entry.slot = this.pushed++
    super.push(entry)
  }

  nextSequence(): number {
    return this.pushed++
  }

  /** Walks from both ends at once: O(1) for the newest and the oldest, else O(distance to the nearer end). */
  insert(entry: T, sequence: number): void {
    entry.slot = sequence
    let after = this.head
    let before = this.tail
    while (after !== undefined && before !== undefined) {
      if (before.slot < sequence) return this.link(entry, before, before.next)
      if (after.slot > sequence) return this.link(entry, after.prev, after)
      before = before.prev
      after = after.next
    }
    this.link(entry, undefined, undefined)
  }

  any(): T | undefined {
    return this.head
  }

  oldest(): T | undefined {
    return this.head
  }

  sequenceOf(entry: T): number {
    return entry.slot
  }

  victim(): T | undefined {
    return this.head
  }

  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }
}

/** First in, first out. */
export class FifoBacklog<T extends Weighted<T>> extends ListBacklog<T> implements Backlog<T> {
  peek(): T | undefined {
    return this.head
  }
  override pop(): T | undefined {
    return this.shift()
  }
  ordered(): Array<T> {
    return this.toArray()
  }
}

/** Last in, first out. */
export class LifoBacklog<T extends Weighted<T>> extends ListBacklog<T> implements Backlog<T> {
  peek(): T | undefined {
    return this.tail
  }
  ordered(): Array<T> {
    return this.toArray().toReversed()
  }
}
