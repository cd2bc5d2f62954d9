/** Publishes the events of a pool to any number of readers. */
import type * as Cause from "effect/Cause"
import * as Queue from "effect/Queue"
import type { PoolEvent } from "../../PoolEvent.ts"

type Reader = Queue.Enqueue<PoolEvent, Cause.Done>

export class Events {
  /** Sliding queues, so that a slow reader loses the oldest events and never slows the pool. */
  private readonly readers = new Set<Reader>()

  emit(event: PoolEvent): void {
    if (this.readers.size > 0) for (const reader of this.readers) Queue.offerUnsafe(reader, event)
  }

  subscribe(reader: Reader): void {
    this.readers.add(reader)
  }

  unsubscribe(reader: Reader): void {
    this.readers.delete(reader)
  }

  /** Ends every reader's stream. This resumes readers, whose observers may throw, so it goes through `guard`. */
  end(guard: (end: (reader: Reader) => void, reader: Reader) => void): void {
    const readers = Array.from(this.readers)
    this.readers.clear()
    for (const reader of readers) guard(endReader, reader)
  }
}

const endReader = (reader: Reader): void => void Queue.endUnsafe(reader)
