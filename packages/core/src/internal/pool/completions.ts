/** What a pool has to notify, in order. */
import type { Notifiable } from "./entry.ts"

// The array is released after a burst, and kept otherwise: a new one for each task would cost as much as the task.
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

  /** Takes the first one; there must be one. */
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
