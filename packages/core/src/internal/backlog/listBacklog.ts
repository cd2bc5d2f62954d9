/**
 * First in first out, and last in first out: a list in the order of arrival, read from one end or the other.
 */
import { older } from "./arrivals.ts"
import { type Backlog, victimExcept, type Weighted } from "./backlog.ts"
import { LinkedList } from "./list.ts"
import { PriorityBacklog } from "./priority.ts"

/** Orders entries by their sequence: 1 for the oldest first, -1 for the newest first. */
class Returned<T extends Weighted<T>> extends PriorityBacklog<T> {
  private readonly direction: 1 | -1

  constructor(direction: 1 | -1) {
    super()
    this.direction = direction
  }

  override insert(entry: T, sequence: number): void {
    this.put(entry, this.direction * sequence, sequence)
  }
}

/**
 * The list is in the order of its entries' sequences, which are in their slots, and of the times since which they wait.
 * It grows only at its end. An entry that returns to a place within the list, or has waited at the door for longer than
 * the last one, waits in a separate heap: finding its place in the list could take O(n).
 */
abstract class ListBacklog<T extends Weighted<T>> extends LinkedList<T> {
  private pushed = 0
  /** The entries that have returned, which count in `size`; undefined if there are none. */
  protected returned: Returned<T> | undefined = undefined

  protected abstract readonly direction: 1 | -1
  abstract peek(): T | undefined

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

  insert(entry: T, sequence: number): void {
    const { tail } = this
    if (tail === undefined || (tail.slot < sequence && older(tail, entry) === tail)) {
      entry.slot = sequence
      super.push(entry)
    } else {
      this.returned ??= new Returned(this.direction)
      this.returned.insert(entry, sequence)
      this.size++
    }
  }

  pop(): T | undefined {
    const entry = this.peek()
    if (entry !== undefined) this.remove(entry)
    return entry
  }

  any(): T | undefined {
    return this.head ?? this.returned?.any()
  }

  override remove(entry: T): void {
    if (this.returned === undefined || this.has(entry)) return super.remove(entry)
    this.returned.remove(entry)
    this.size--
    if (this.returned.size === 0) this.returned = undefined
  }

  oldest(): T | undefined {
    return this.returned === undefined ? this.head : older(this.returned.oldest(), this.head)
  }

  sequenceOf(entry: T): number {
    return this.returned === undefined || this.has(entry) ? entry.slot : this.returned.sequenceOf(entry)
  }

  victim(): T | undefined {
    if (this.returned === undefined) return this.head
    return this.earlier(this.direction === 1 ? this.returned.peek()! : this.returned.victim()!, this.head)
  }

  victimExcept(this: Backlog<T>, isKept: (entry: T) => boolean): T | undefined {
    return victimExcept(this, isKept, undefined)
  }

  reweigh(entry: T, weight: number): void {
    entry.weight = weight
  }

  override walk(): () => T | undefined {
    const fromReturned = this.returned?.walk()
    const isFirst = (returned: T, linked: T): boolean =>
      this.direction * (this.returned!.sequenceOf(returned) - linked.slot) < 0
    let linked = this.direction === 1 ? this.head : this.tail
    let returned = fromReturned?.()
    return () => {
      if (returned !== undefined && (linked === undefined || isFirst(returned, linked))) {
        const entry = returned
        returned = fromReturned!()
        return entry
      }
      const entry = linked
      linked = this.direction === 1 ? entry?.next : entry?.prev
      return entry
    }
  }

  protected earlier(returned: T, linked: T | undefined): T {
    return linked === undefined || this.sequenceOf(returned) < linked.slot ? returned : linked
  }

  protected later(returned: T, linked: T | undefined): T {
    return linked === undefined || this.sequenceOf(returned) > linked.slot ? returned : linked
  }
}

/** First in, first out. */
export class FifoBacklog<T extends Weighted<T>> extends ListBacklog<T> implements Backlog<T> {
  protected readonly direction = 1

  peek(): T | undefined {
    return this.returned === undefined ? this.head : this.earlier(this.returned.peek()!, this.head)
  }
}

/** Last in, first out. */
export class LifoBacklog<T extends Weighted<T>> extends ListBacklog<T> implements Backlog<T> {
  protected readonly direction = -1

  peek(): T | undefined {
    return this.returned === undefined ? this.tail : this.later(this.returned.peek()!, this.tail)
  }
}
