/**
 * Runs fibers under a `StepScheduler` and a `StepClock`, and checks that none of them is left at the end.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import { StepClock } from "../StepClock.ts"
import { StepScheduler, type StepSchedulerOptions } from "../StepScheduler.ts"

/** Forks effects under its own scheduler and clock, and counts the fibers that have not ended. */
export class StepWorld {
  readonly scheduler: StepScheduler
  readonly clock = new StepClock()
  readonly scope = Scope.makeUnsafe()
  /** Starts an effect in this step. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Fiber.Fiber<A, E>
  /** The number of logged lines. */
  logged = 0
  private fibers = 0

  constructor(options: StepSchedulerOptions) {
    this.scheduler = new StepScheduler(options)
    const context = Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this.scheduler),
      Context.add(Clock.Clock, this.clock),
      Context.add(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => void this.fibers++,
        recordFiberEnd: () => void this.fibers--
      }),
      Context.add(Logger.CurrentLoggers, new Set([Logger.make(() => void this.logged++)])),
      Context.add(Scope.Scope, this.scope)
    )
    this.fork = Effect.runForkWith(context)
  }

  /** Describes what is left when the scope has closed; `undefined` if nothing is. */
  get left(): string | undefined {
    if (this.fibers > 0) return `${this.fibers} fibers are left when the scope has closed`
    if (this.clock.sleepers > 0) return `${this.clock.sleepers} sleepers are left when the scope has closed`
    return undefined
  }
}
