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
  /** The replaced threads by the reason. */
  readonly replacedBy: Readonly<Record<ThreadReplacement, number>>
}

/**
 * Why a thread was replaced.
 *
 * - `"Crashed"`: it ended by itself, because of a crash, an exit or too little memory.
 * - `"Interrupted"`: it was terminated, because the caller of its job was interrupted.
 * - `"Recycled"`: it had run `recycleAfter` jobs.
 * - `"Module"`: it could not load the module of a job, or must not.
 * - `"Closed"`: the executor has closed.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadReplacement = "Crashed" | "Interrupted" | "Recycled" | "Module" | "Closed"

/**
 * A thread of an executor at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorThread {
  /** A number that no other thread of the executor has. */
  readonly id: number
  /**
   * What the thread does:
   *
   * - `"Starting"`: it starts.
   * - `"Idle"`: it waits for a job.
   * - `"Running"`: it runs a job.
   * - `"Retiring"`: it runs its last jobs, because it was replaced.
   * - `"Ending"`: it was stopped and still runs.
   */
  readonly state: "Starting" | "Idle" | "Running" | "Retiring" | "Ending"
  /** Jobs on the thread that have begun. */
  readonly running: number
  /** Jobs on the thread that have not begun. */
  readonly waiting: number
  /** The name of the job that runs; `undefined` if none runs. */
  readonly job: string | undefined
  /** How long that job has been on the thread, in milliseconds; `undefined` if none runs or the time is unknown. */
  readonly ran: number | undefined
  /** Jobs that the thread has answered. */
  readonly settled: number
  /** Why the thread is being replaced; `undefined` if it is not. */
  readonly replacedBy: ThreadReplacement | undefined
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
  /** Returns the threads. */
  readonly threads: Effect.Effect<ReadonlyArray<ExecutorThread>>
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
