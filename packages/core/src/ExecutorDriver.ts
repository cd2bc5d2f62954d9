/**
 * The interface between the executor and its implementations.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { ExecutorError } from "./ExecutorError.ts"
import type { Job } from "./Job.ts"

/**
 * The statistics of an executor at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorStats {
  /** Threads that can take a job, including spare ones. */
  readonly threads: number
  /** Threads that are starting. */
  readonly starting: number
  /** Threads that have been stopped and still run. A terminated thread in native code runs until that code returns. */
  readonly ending: number
  /** Jobs that have begun and have no result yet. */
  readonly running: number
  /** Jobs that have not begun. */
  readonly waiting: number
  /** Jobs that have succeeded or failed so far. */
  readonly settled: number
  /** Threads replaced so far: after a crash, an interruption, or `recycleAfter` jobs. */
  readonly replaced: number
}

/**
 * An implementation of the executor. `Executor.make` turns it into the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorDriver {
  /** The number of jobs that can run at the same time. */
  readonly parallelism: number
  /** Runs one call. Interrupting the effect cancels the call as `onInterrupt` says. */
  readonly call: (call: ExecutorCall) => Effect.Effect<any, ExecutorError>
  /** Returns an atomic snapshot of the statistics. */
  readonly stats: Effect.Effect<ExecutorStats>
}

/**
 * A call of a job, as a driver receives it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorCall {
  /** The job to run. */
  readonly job: Job<any, any>
  /** The arguments, or, with `each`, the items. */
  readonly args: ReadonlyArray<unknown>
  /** Whether the job is called once for each item, and the result is the array of results. */
  readonly each: boolean
  /** Objects in the arguments to move instead of copy. */
  readonly transfer: ReadonlyArray<object> | undefined
  /** Whether an interruption terminates the thread of a running job, or drops its result. */
  readonly onInterrupt: "terminate" | "abandon"
  /** Reports the times in milliseconds before the call settles; `undefined` if no caller needs them. */
  readonly onTimes: ((queueTime: number, runTime: number) => void) | undefined
}
