/** Decides whether and when a failed task is tried again: the option `retry` of a submission. */
import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Exit, Failure } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type { RetryOptions } from "../../PoolOptions.ts"
import type { Alarm } from "./alarm.ts"
import { NotAvailable, TaskCancelled } from "../../TaskPoolError.ts"
import { checkAnswer, checkFunction, checkKnown, checkLimit, isInstance, show } from "../arguments.ts"

type Planned = Exit<number | undefined>

/** The retries of one task. */
export class Retry {
  private readonly clock: Clock
  /** The operation that submitted the task, for messages. */
  private readonly where: string
  private readonly options: RetryOptions
  private attempts = 0
  private step: ((now: number, error: unknown) => Pull.Pull<[unknown, Duration.Duration], never, unknown>) | undefined

  /** The number of starts so far. */
  starts = 0
  /** The task's place in the queue, which it keeps: its sequence. */
  sequence = -1
  /** The next attempt, while the task is delayed. */
  due: Alarm | undefined = undefined
  /** The fiber of a schedule that suspends. */
  planning: Fiber<unknown, unknown> | undefined = undefined

  constructor(clock: Clock, where: string, options: RetryOptions) {
    this.clock = clock
    this.where = where
    this.options = options
  }

  /**
   * Returns an `Exit` with the milliseconds before the next attempt, or with `undefined` if there is none. If the
   * schedule suspends, returns no `Exit`, and calls `onPlanned` with it later. Runs user code, in the submitter's
   * context.
   */
  plan(error: unknown, context: Context.Context<never>, onPlanned: (planned: Planned) => void): Planned | undefined {
    const fiber = Effect.runForkWith(context)(this.next(error))
    const planned = fiber.pollUnsafe()
    if (planned === undefined) {
      this.planning = fiber
      fiber.addObserver(onPlanned)
    }
    return planned
  }

  private next(error: unknown): Effect.Effect<number | undefined> {
    const { schedule, times = Infinity, until, while: whileTrue } = this.options
    const where = `${this.where}: retry`
    return Effect.suspend(() => {
      if (++this.attempts > times) return Effect.undefined
      if (whileTrue !== undefined && !checkAnswer(where, "while", whileTrue(error))) return Effect.undefined
      if (until !== undefined && checkAnswer(where, "until", until(error))) return Effect.undefined
      return schedule === undefined ? Effect.succeed(0) : this.delay(schedule, error)
    })
  }

  private delay(schedule: Schedule.Schedule<unknown, any>, error: unknown): Effect.Effect<number | undefined> {
    const first =
      this.step === undefined
        ? Effect.map(Schedule.toStep(schedule), (step) => (this.step = step))
        : Effect.succeed(this.step)
    return Effect.flatMap(first, (step) =>
      Pull.matchEffect(step(this.clock.currentTimeMillisUnsafe(), error), {
        onSuccess: ([, delay]) => Effect.succeed(Duration.toMillis(delay)),
        onFailure: Effect.failCause,
        onDone: () => Effect.undefined
      })
    )
  }
}

/** Checks the option `retry`. */
export const retryOf = (clock: Clock, where: string, retry: RetryOptions | Schedule.Schedule<unknown, any>): Retry => {
  if (Schedule.isSchedule(retry)) return new Retry(clock, where, { schedule: retry })
  const { schedule, times, until, while: whileTrue } = checkKnown(`${where}: retry`, retry, retryOptions)
  if (schedule !== undefined && !Schedule.isSchedule(schedule)) {
    throw new TypeError(`${where}: retry.schedule must be a Schedule, got ${show(schedule)}`)
  }
  if (whileTrue !== undefined) checkFunction(`${where}: retry`, "while", whileTrue)
  if (until !== undefined) checkFunction(`${where}: retry`, "until", until)
  if (times !== undefined) checkLimit(`${where}: retry`, "times", times)
  return new Retry(clock, where, { schedule, times, until, while: whileTrue })
}

const retryOptions = ["schedule", "times", "while", "until"]

/** Returns the task's first failure if it may be tried again: no defect, no interruption, and no error of a pool. */
export const failureToRetry = ({ cause }: Failure<unknown, unknown>): { readonly error: unknown } | undefined => {
  const [first] = cause.reasons
  if (first === undefined || !Cause.isFailReason(first) || !cause.reasons.every(Cause.isFailReason)) return undefined
  return isInstance(first.error, NotAvailable) || isInstance(first.error, TaskCancelled) ? undefined : first
}
