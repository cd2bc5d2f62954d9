/**
 * The statistics of a pool.
 *
 * @since 0.1.0
 */

/**
 * The statistics of a pool at one moment. Always
 * `submitted = succeeded + failed + interrupted + cancelled + waiting + running`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolStats {
  readonly phase: "Open" | "Paused" | "Draining" | "Closed"
  /** Workers alive: the target, or more while surplus workers finish; 0 when closed. */
  readonly size: number
  /** The number of workers that the pool should have. */
  readonly targetSize: number
  /** Tasks on a worker, including their finalizers. */
  readonly running: number
  /** Tasks in the queue, without those at the door. */
  readonly waiting: number
  /** Submitters at the door because the queue is full. A `forEach` counts as one. */
  readonly atDoor: number
  /** The most tasks that may wait in the queue; `Infinity` when unbounded. */
  readonly capacity: number
  /** Tasks admitted so far. */
  readonly submitted: number
  readonly succeeded: number
  /** Tasks that failed or died. */
  readonly failed: number
  /** Running tasks that were interrupted by themselves or by their submitter. */
  readonly interrupted: number
  /** Tasks that the pool or a handle cancelled, and waiting tasks whose submitter was interrupted. */
  readonly cancelled: number
  /** Tasks that were not admitted. They are not among `submitted`. */
  readonly rejected: number
  /** The largest `size` so far. */
  readonly largestSize: number
}

/**
 * The outcome of the tasks that a pool held when it began to close.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseReport {
  /** Tasks that succeeded or failed. */
  readonly completed: number
  /** Running tasks that were interrupted or abandoned. */
  readonly interrupted: number
  /** Waiting tasks that never ran. */
  readonly neverRun: number
}
