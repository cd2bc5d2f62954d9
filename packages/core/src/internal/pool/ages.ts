/**
 * The times of arrivals and starts, so that the age of every task is always known.
 *
 * A stamp is a whole number of milliseconds of the monotonic clock in 32 bits, which needs no allocation. It wraps
 * around after 49 days, and differences wrap with it.
 *
 * Reading the clock for each task would cost as much as a tenth of the task. So when tasks come faster than the clock
 * ticks, several of them share a reading: at first each reads the clock, then every second one, and so on, as long as
 * two readings are less than `closeMillis` apart. A timer ends the sharing after `sharedMillis`, so a task that comes
 * after a burst has its own reading. All pools on the platform's clock share its readings. Another clock, such as the
 * test clock, is read for each task.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { monotonicMillis } from "../runtime/clock.ts"
import { callAfter } from "../runtime/timer.ts"

// Milliseconds between readings, below which more tasks share a reading, and above which fewer do.
const closeMillis = 0.25
const farMillis = 1
// The most tasks that share a reading.
const mostShared = 1024
// The longest time for which tasks share a reading, in milliseconds.
const sharedMillis = 5

/** The stamp of a time that is not known. A real time has this value for one millisecond in 49 days. */
export const noStamp = -1

/** Returns the milliseconds between two stamps; 0 if the first is `noStamp`. */
export const millisBetween = (from: number, to: number): number => (from === noStamp ? 0 : (to - from) >>> 0)

/** A reading that several tasks share. */
export interface SharedReading {
  /** A time at which all of these tasks had come, in milliseconds; `Infinity` while others may still share it. */
  until: number
}

export class Ages {
  private readonly clock: Clock.Clock
  /** Whether tasks share readings. */
  readonly shares: boolean
  /** How many tasks may still share the last reading. */
  private left = 0
  private stride = 1
  /** The last reading, in milliseconds. */
  time = -Infinity
  private reading = 0
  /** The last reading, while tasks share it. */
  shared: SharedReading | undefined = undefined
  private expiring = false

  constructor(clock: Clock.Clock, shares: boolean) {
    this.clock = clock
    this.shares = shares
  }

  /** Returns a stamp of the present time, or of the last reading. */
  stamp(): number {
    if (--this.left < 0) this.read()
    return this.reading
  }

  /** Returns a stamp of the present time. */
  now(): number {
    this.read()
    return this.reading
  }

  /** Ends the sharing of the last reading. */
  endSharing(): void {
    this.left = 0
    this.time = Math.max(this.time, this.millis())
    if (this.shared !== undefined) this.shared.until = this.time
    this.shared = undefined
  }

  private read(): void {
    const last = this.time
    this.endSharing()
    this.reading = this.time | 0
    if (this.shares) this.share(this.time - last)
  }

  /** The clock is user code, and must not interrupt a transition of the pool. */
  private millis(): number {
    try {
      return monotonicMillis(this.clock)
    } catch {
      return this.time
    }
  }

  private share(passed: number): void {
    if (passed > farMillis) this.stride = 1
    else if (passed < closeMillis && this.stride < mostShared) this.stride *= 2
    if (this.stride === 1) return
    this.left = this.stride - 1
    this.shared = { until: Infinity }
    if (this.expiring) return
    this.expiring = true
    callAfter(sharedMillis, this.expire)
  }

  private readonly expire = (): void => {
    this.expiring = false
    this.stride = 1
    if (this.shared !== undefined) this.endSharing()
  }
}

let shared: Ages | undefined

/** Returns the ages for a clock. */
export const agesOf = (clock: Clock.Clock): Ages => {
  if (clock !== Context.get(Context.empty(), Clock.Clock)) return new Ages(clock, false)
  return (shared ??= new Ages(clock, true))
}
