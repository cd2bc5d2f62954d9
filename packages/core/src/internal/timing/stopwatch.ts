/**
 * The clock of what observes a pool, and the times that it stamps on tasks.
 *
 * Reading the clock costs more than everything else that an observer does. Observers of one pool share a stopwatch, so
 * one reading serves all of them, and a task that is not timed gets the last reading.
 *
 * The field `since` of a task is the time at which it came to the door, then that at which it came to the queue, and
 * then that of its dispatch, moved on by the time for which it lent its workers.
 */
import type * as Clock from "effect/Clock"
import type { Entry } from "../pool/entry.ts"
import { monotonicMillis } from "../runtime/clock.ts"
import { ticksBetween, ticksOf, unstamped } from "./ticks.ts"

export class Stopwatch {
  private readonly clock: Clock.Clock
  /** The last reading, in milliseconds of the monotonic clock and in ticks. */
  millis = 0
  tick = 0
  /** Whether time may have passed since then. */
  stale = true
  /** The number of readings so far, by which an observer notices that another one has read. */
  readings = 0
  /** When tasks began to lend their workers, for those that do. */
  private lentAt: Map<Entry, number> | undefined = undefined

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** Reads the clock, and returns milliseconds. */
  read(): number {
    this.readings++
    this.stale = false
    // A plain `try`: the clock is user code, and must not interrupt a transition of the pool.
    try {
      this.millis = monotonicMillis(this.clock)
      this.tick = ticksOf(this.millis)
    } catch {
      // The last reading stays.
    }
    return this.millis
  }

  /** Forgets which tasks lend. */
  forgetLoans(): void {
    this.lentAt = undefined
  }

  lent(entry: Entry): void {
    const lentAt = (this.lentAt ??= new Map())
    if (!lentAt.has(entry)) lentAt.set(entry, this.tick)
  }

  /** Moves the time of a task on by the time for which it has lent its workers. Called when it has them back or has ended. */
  tookBack(entry: Entry): void {
    const { lentAt } = this
    if (lentAt === undefined || lentAt.size === 0) return
    const at = lentAt.get(entry)
    if (at === undefined) return
    lentAt.delete(entry)
    // A task that was dispatched before the pool began to measure has no time.
    if (entry.since === unstamped) return
    entry.since = (entry.since + ticksBetween(at, this.tick)) | 0
  }
}
