/**
 * A clock that stands still until a test advances it, within the calling step.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * A clock for runs under a `StepScheduler`. It uses no real timer, and `adjust` wakes sleepers without an extra step.
 *
 * **When to use**
 *
 * `everyStep` and `randomSteps` provide one to each scenario. Without a `StepScheduler`, use Effect's `TestClock`.
 *
 * **Example** (Advancing the time by hand)
 *
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { StepClock } from "@aio-task-pool/testing"
 *
 * const clock = new StepClock()
 * const sleeping = Effect.runFork(Effect.provideService(Effect.sleep("1 hour"), Clock.Clock, clock))
 * const asleep = clock.sleepers // => 1
 *
 * clock.adjustUnsafe("1 hour")
 * const ended = sleeping.pollUnsafe()?._tag // => "Success"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class StepClock implements Clock.Clock {
  private now = 0
  private sleeping: Array<Sleeper> = []

  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.now)
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())

  /** The number of sleeping fibers. */
  get sleepers(): number {
    return this.sleeping.length
  }

  /** The time at which the next fiber wakes, in milliseconds; `Infinity` if none sleeps. */
  get nextWake(): number {
    return this.sleeping.reduce((first, { until }) => Math.min(first, until), Infinity)
  }

  /** Advances the time and wakes, in order, the fibers that sleep until then. */
  adjustUnsafe(duration: Duration.Input): void {
    this.setTimeUnsafe(this.now + Duration.toMillis(duration))
  }

  /** Advances to a time in milliseconds and wakes sleepers, like `adjustUnsafe`, without rounding the time. */
  setTimeUnsafe(end: number): void {
    while (true) {
      const next = this.sleeping.reduce<Sleeper | undefined>(
        (first, sleeper) => (sleeper.until <= end && !(first && first.until <= sleeper.until) ? sleeper : first),
        undefined
      )
      if (next === undefined) break
      this.sleeping.splice(this.sleeping.indexOf(next), 1)
      this.now = next.until
      next.wake()
    }
    this.now = end
  }

  /** Advances the time and wakes sleepers, like `adjustUnsafe`. */
  adjust(duration: Duration.Input): Effect.Effect<void> {
    return Effect.sync(() => this.adjustUnsafe(duration))
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    return Effect.callback((resume) => {
      const sleeper: Sleeper = { until: this.now + millis, wake: () => resume(Effect.void) }
      this.sleeping.push(sleeper)
      return Effect.sync(() => {
        this.sleeping = this.sleeping.filter((other) => other !== sleeper)
      })
    })
  }

  currentTimeMillisUnsafe(): number {
    return this.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.now * 1_000_000))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }
}

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}
