/**
 * A pool's numbers.
 *
 * @since 0.1.0
 */

/**
 * A pool's numbers at one moment. Always
 * `submitted = succeeded + failed + interrupted + cancelled + waiting + running`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolStats {
  readonly phase: "Open" | "Paused" | "Draining" | "Closed"
  /** Workers alive: the target, or more while surplus workers finish; 0 when closed. */
  readonly size: number
  /** The number of workers the pool should have. */
  readonly targetSize: number
  /** Tasks on a worker, finalizers included. */
  readonly running: number
  /** Tasks in the queue, without those at the door. */
  readonly waiting: number
  /** Submitters that wait at the door because the queue is full; `forEach` counts as one. */
  readonly atDoor: number
  /** The most tasks that may wait; `Infinity` when unbounded. */
  readonly capacity: number
  /** Tasks admitted so far. */
  readonly submitted: number
  readonly succeeded: number
  /** Tasks that failed or died. */
  readonly failed: number
  /** Running tasks that ended by their own or their submitter's interruption. */
  readonly interrupted: number
  /** Tasks cut by the pool or by a handle, or taken away while they waited. */
  readonly cancelled: number
  /** Tasks refused; not among `submitted`. */
  readonly rejected: number
  /** The largest `size` so far. */
  readonly largestSize: number
}

/**
 * What became of the tasks that a pool held when it began to close.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseReport {
  /** Tasks that succeeded or failed. */
  readonly completed: number
  /** Running tasks that were interrupted or cut short. */
  readonly interrupted: number
  /** Tasks that still waited and never ran. */
  readonly neverRun: number
}
