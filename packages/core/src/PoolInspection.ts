/**
 * What `inspect` and `decisions` show of a pool.
 *
 * @since 0.1.0
 */
import type { AutoScaleEvidence, AutoScaleSample } from "./AutoScaleModel.ts"
import type { PoolStats } from "./PoolStats.ts"

/**
 * Options of `inspect`: how many tasks to list.
 *
 * **Details**
 *
 * Each is an integer of 0 or more or `Infinity`, default 100. A larger number counts as 100.
 *
 * @category options
 * @since 0.1.0
 */
export interface InspectOptions {
  /** The most running tasks, including those that are ending. */
  readonly running?: number | undefined
  /** The most tasks in the queue. */
  readonly waiting?: number | undefined
  /** The most tasks between two attempts. */
  readonly delayed?: number | undefined
}

/**
 * A task of a pool, as `inspect` lists it. Times are in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface InspectedTask {
  /** A number that no other task of the pool has. */
  readonly id: number
  /**
   * The name of the task: the option `label`, else the name of the function, else the name of the submitter's nearest
   * span, else `"task"`.
   *
   * At most 80 characters, well-formed, without control and bidirectional characters. Never an argument or a result.
   */
  readonly label: string
  /** The present weight. */
  readonly weight: number
  /**
   * Where the task is: at the door, in the queue, on a worker, on a worker although it was interrupted, or between two
   * attempts.
   */
  readonly state: "AtDoor" | "Waiting" | "Running" | "Ending" | "Delayed"
  /**
   * How long the task has waited for its start, or waited before it started. The wait of a retry begins when it is due,
   * the wait of a delayed task with the end of its last attempt.
   */
  readonly waited: number
  /** How long the task has run since its last start; `undefined` while it does not run. */
  readonly ran: number | undefined
  /** The ID of the nearest span of the task; `undefined` without a span. */
  readonly spanId: string | undefined
  /** Whether the task lends its workers, because it waits for its own pool. */
  readonly lent: boolean
  /** The number of starts so far: 0 before the first one. */
  readonly attempt: number
}

/**
 * A warning about a pool.
 *
 * **Details**
 *
 * - `"OldestWait"`: the oldest waiting task has waited for `warnAfter` or longer.
 * - `"NothingEnded"`: tasks wait, and no task has ended for `warnAfter` or longer.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolWarning {
  /** The rule that applies. */
  readonly rule: "OldestWait" | "NothingEnded"
  /** The warning as a sentence. */
  readonly message: string
}

/**
 * A pool and its tasks at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolInspection {
  /** The time of the snapshot, in milliseconds since 1970. */
  readonly at: number
  /** The statistics at that time. */
  readonly stats: PoolStats
  /** The number of submitters at the door. */
  readonly door: number
  /** How long the oldest task in the queue or at the door has waited, in milliseconds; 0 if none waits. */
  readonly oldestWait: number
  /**
   * The tasks: the running ones in the order of their start, the waiting ones in the order of dispatch, up to 100 at the
   * door, and the delayed ones in the order in which they are due.
   */
  readonly tasks: ReadonlyArray<InspectedTask>
  /** How many tasks are not listed. */
  readonly omitted: {
    readonly running: number
    readonly waiting: number
    readonly door: number
    readonly delayed: number
  }
  /** The warnings that apply now; empty without the pool's option `warnAfter`. */
  readonly warnings: ReadonlyArray<PoolWarning>
}

/**
 * A decision on an auto-scale pool's size, even one that kept it.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolDecision {
  /** The time of the decision, in milliseconds since 1970. */
  readonly at: number
  /** The policy's name. */
  readonly policy: string
  /** The target before. */
  readonly from: number
  /** The target after. */
  readonly to: number
  /** The reason, in one word. `AutoScalePolicy.explainReason` returns its sentence. */
  readonly reason: string
  /** How long dispatch stops, in milliseconds. */
  readonly pause: number
  /** The evidence, if the policy gives any. */
  readonly evidence: AutoScaleEvidence | undefined
  /** The measurements of the window. */
  readonly sample: AutoScaleSample
}
