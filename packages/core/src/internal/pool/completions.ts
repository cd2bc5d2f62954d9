/** The waiters that a pool must notify, in order. */

/** A waiter that a flush notifies. What `notify` throws is logged. */
export interface Notifiable {
  notify(): void
}

// After a burst longer than this, the array is released. Otherwise it is kept: a new array costs as much as a task.
const keptLength = 1024

export class Completions {
  /** The range [head, tail) has not been notified yet. */
  private items: Array<Notifiable | undefined> = []
  private head = 0
  private tail = 0

  get isEmpty(): boolean {
    return this.head === this.tail
  }

  push(completion: Notifiable): void {
    this.items[this.tail++] = completion
  }

  /** Removes and returns the first waiter. There must be one. */
  shift(): Notifiable {
    const completion = this.items[this.head]!
    this.items[this.head++] = undefined
    if (this.head === this.tail) {
      if (this.tail > keptLength) this.items = []
      this.head = this.tail = 0
    }
    return completion
  }
}
