/**
 * What an implementation of the executor brings.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { ExecutorError } from "./ExecutorError.ts"
import type { Job } from "./Job.ts"

/**
 * An executor's numbers at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorStats {
  /** Threads that can take a job, spare ones included. */
  readonly threads: number
  /** Threads that are being started. */
  readonly starting: number
  /**
   * Threads that were told to end and have not: after an interruption, a thread in native code runs until that returns.
   */
  readonly ending: number
  /** Jobs that have begun and have no answer yet. */
  readonly running: number
  /** Jobs that have not begun. */
  readonly waiting: number
  /** Jobs answered so far, well or badly. */
  readonly settled: number
  /** Threads that were replaced so far: after a crash, an interruption, or `recycleAfter` jobs. */
  readonly replaced: number
}

/**
 * What an implementation of the executor brings; `Executor.make` turns it into the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorDriver {
  /** How many jobs can run at the same time. */
  readonly parallelism: number
  /** Runs one call. Interrupting the effect cancels the call as `onInterrupt` says. */
  readonly call: (call: ExecutorCall) => Effect.Effect<any, ExecutorError>
  readonly stats: Effect.Effect<ExecutorStats>
}

/**
 * One call of a job, as a driver gets it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorCall {
  readonly job: Job<any, any>
  /** The arguments, or, with `each`, the items. */
  readonly args: ReadonlyArray<unknown>
  /** Whether the job is called once for each item, and the answer is the array of results. */
  readonly each: boolean
  readonly transfer: ReadonlyArray<object> | undefined
  readonly onInterrupt: "terminate" | "abandon"
  /** Told before the call settles, where its times are asked for, in milliseconds. */
  readonly onTimes: ((queueTime: number, runTime: number) => void) | undefined
}
