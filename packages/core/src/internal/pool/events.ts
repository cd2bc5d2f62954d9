/** Publishes the events of a pool to any number of readers. */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Queue from "effect/Queue"
import type { PoolEvent } from "../../PoolEvent.ts"
import { epochMillis } from "../runtime/clock.ts"

/** An event without its time. */
export type EventBody = PoolEvent extends infer Event ? (Event extends unknown ? Omit<Event, "at"> : never) : never

type Reader = Queue.Enqueue<PoolEvent, Cause.Done>

export class Events {
  /** Sliding queues, so that a slow reader loses the oldest events and never slows the pool. */
  private readonly readers = new Set<Reader>()
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  emit(body: EventBody): void {
    if (this.readers.size > 0) this.publish(this.eventOf(body))
  }

  publish(event: PoolEvent): void {
    for (const reader of this.readers) Queue.offerUnsafe(reader, event)
  }

  /** Returns the event with the present time. */
  eventOf(body: EventBody): PoolEvent {
    return { ...body, at: epochMillis(this.clock) }
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
