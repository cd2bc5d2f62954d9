/**
 * The statistics of a pool.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { NotAvailableReason } from "./TaskPoolReason.ts"

/**
 * Why a pool dispatches no task.
 *
 * - `"User"`: `holdDispatch`, `withDispatchHeld` or `withQuiesced`.
 * - `"RetryAfter"`: `holdFor`, or a `retryAfter` of `classify`.
 * - `"Overload"`: the server was overloaded, and the auto-scale pool has not decided yet.
 * - `"Policy"`: an auto-scale policy asked for a pause.
 *
 * @category models
 * @since 0.1.0
 */
export type HoldReason = "User" | "RetryAfter" | "Overload" | "Policy"

/**
 * The statistics of a pool at one moment.
 *
 * **Details**
 *
 * Always `submitted = succeeded + failed + interrupted + cancelled + waiting + delayed + running`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolStats {
  /** The state of the pool: the first that applies of `"Closed"`, `"Draining"`, `"Paused"`, `"Held"` and `"Open"`. */
  readonly phase: "Open" | "Held" | "Paused" | "Draining" | "Closed"
  /** Why no task is dispatched; empty if dispatch is not held. */
  readonly holds: ReadonlyArray<HoldReason>
  /** Workers alive: the target, or more while surplus workers finish; 0 when closed. */
  readonly size: number
  /** The number of workers that the pool should have. */
  readonly targetSize: number
  /** Tasks that have started and not ended, including their finalizers. */
  readonly running: number
  /** Workers that running tasks take, without those that are lent. */
  readonly busy: number
  /** Workers that running tasks lend while they wait for their own pool. */
  readonly lent: number
  /** Tasks in the queue, without those at the door. */
  readonly waiting: number
  /** Tasks that wait for their next attempt. */
  readonly delayed: number
  /** Submitters at the door because the queue is full. A `forEach` counts as one. */
  readonly atDoor: number
  /** The most tasks that may wait in the queue; `Infinity` when unbounded. */
  readonly capacity: number
  /** Milliseconds until the rate allows the next task to start; 0 if it does now. */
  readonly nextStart: number
  /** Tasks admitted so far. */
  readonly submitted: number
  /** Tasks that succeeded. */
  readonly succeeded: number
  /** Tasks that failed or died. */
  readonly failed: number
  /** Running tasks that interrupted themselves or were interrupted by their submitter. */
  readonly interrupted: number
  /** Tasks that the pool or a handle cancelled, and waiting tasks whose submitter was interrupted. */
  readonly cancelled: number
  /** Tasks that were cancelled because a new task took their place in the full queue. They are among `cancelled`. */
  readonly dropped: number
  /** Tasks that were not admitted. They are not among `submitted`. */
  readonly rejected: number
  /**
   * How many callers got `NotAvailable`, by its reason. Tasks that waited too long in the queue are also among
   * `cancelled`.
   */
  readonly rejectedBy: Readonly<Record<NotAvailableReason, number>>
  /** The largest target so far. */
  readonly largestSize: number
}

/**
 * The tasks of one key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyStats {
  /** Tasks in the queue. */
  readonly waiting: number
  /** Tasks that have started and not ended. */
  readonly running: number
}

/**
 * A task that closing has cancelled, for example to run it elsewhere.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnfinishedTask {
  /** The label of the submission. */
  readonly label: string | undefined
  /** The key of the submission. */
  readonly key: string | number | undefined
  /** The weight when the task was cancelled. */
  readonly weight: number
  /** Whether the task had started, and may have had effects. */
  readonly started: boolean
  /**
   * The effect or the function that was submitted; for an item of `forEach`, `all` or `mapEffect`, a function without
   * parameters.
   */
  readonly task: Effect<unknown, unknown, any> | ((...args: ReadonlyArray<any>) => unknown)
  /** The arguments of a submitted function. */
  readonly args: ReadonlyArray<unknown>
}

/**
 * The outcomes of the tasks that a pool had when it began to close.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseReport {
  /** Tasks that succeeded or failed. */
  readonly completed: number
  /** Tasks that had started and were interrupted or abandoned. */
  readonly interrupted: number
  /** Waiting tasks that never ran. */
  readonly neverRun: number
  /**
   * The tasks that were interrupted or never ran, in the order in which they would have run; only with `collect`.
   *
   * Their services are not included.
   */
  readonly tasks?: ReadonlyArray<UnfinishedTask>
}
