/**
 * The options of a distributed pool, of its operations and of its workers.
 *
 * @since 0.1.0
 */
import type { Input as DurationInput } from "effect/Duration"

/**
 * When a failed task is tried again.
 *
 * **Details**
 *
 * `fixed` is the time between attempts. `exponential` is the time before the second attempt, and doubles for each further
 * attempt.
 *
 * @category options
 * @since 0.1.0
 */
export type Backoff = { readonly fixed: DurationInput } | { readonly exponential: DurationInput }

/**
 * Options of the tasks of `forEach`.
 *
 * @category options
 * @since 0.1.0
 */
export interface TaskOptions {
  /**
   * The task's priority on a priority pool, an integer from 0 to 2,097,150, default 4.
   *
   * The smallest weight starts first, equal weights first in, first out. Other pools ignore it.
   */
  readonly weight?: number | undefined
  /** How long the task waits before it may start, a finite Duration, default 0. */
  readonly delay?: DurationInput | undefined
  /**
   * How often the task is started until it succeeds, an integer above 0, default 1.
   *
   * Only its typed failures are tried again, not defects, interruptions and timeouts.
   */
  readonly attempts?: number | undefined
  /** The time between attempts, default none. */
  readonly backoff?: Backoff | undefined
  /**
   * How long an attempt may run in its worker, a finite Duration above 0, default no limit.
   *
   * After that the task is interrupted and fails with `TaskCancelled` (`"TimedOut"`).
   */
  readonly timeout?: DurationInput | undefined
}

/**
 * Options of `submit` and `fork`.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions extends TaskOptions {
  /**
   * The ID of the task, 1 to 256 characters, default a random one.
   *
   * While a task of this ID waits or runs, and for `resultTtl` after it has settled, the same ID never makes a second
   * task: the caller gets the first one's result. Its own payload and options are ignored. A task that is cancelled while
   * it waits or is delayed is removed, and its ID is free at once.
   */
  readonly id?: string | undefined
}

/**
 * Options of `forEach`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForEachOptions extends TaskOptions {
  /** The most tasks that are outstanding at a time, an integer above 0, default 64. */
  readonly window?: number | undefined
}

/**
 * Options of `close`.
 *
 * @category options
 * @since 0.1.0
 */
export interface CloseOptions {
  /**
   * Whether the tasks that this process submitted go on (`"keep"`, the default) or are cancelled (`"cancel"`).
   *
   * Over `layerLocal`, `"keep"` drains, because no other process could go on.
   */
  readonly mode?: "keep" | "cancel" | undefined
}

/**
 * How a worker ends when its scope closes.
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkerShutdownOptions {
  /** How long running tasks may continue, a Duration, default no limit. After that they are handed back to the pool. */
  readonly drainTimeout?: DurationInput | undefined
  /** How long the worker waits for the finalizers of interrupted tasks, a Duration, default 3 seconds. */
  readonly interruptTimeout?: DurationInput | undefined
}

/**
 * Options of a worker.
 *
 * **Details**
 *
 * `lease`, `stalledCheck` and `maxDeaths` have no effect over `layerLocal`, where a worker dies with the whole program.
 *
 * Guide: docs/guide/operating-a-distributed-pool.md
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkerOptions {
  /** The most tasks that this worker runs at a time, an integer above 0. */
  readonly concurrency: number
  /** How the worker ends. */
  readonly shutdown?: WorkerShutdownOptions | undefined
  /**
   * How long a task belongs to this worker without a sign of life, a finite Duration above 0, default 15 seconds.
   *
   * The worker renews the lease after half of it. A task whose lease has ended runs again in another worker.
   */
  readonly lease?: DurationInput | undefined
  /** How often this worker looks for tasks whose lease has ended, a finite Duration above 0, default 5 seconds. */
  readonly stalledCheck?: DurationInput | undefined
  /**
   * How long a task may wait while no connected worker has a handler for it, a finite Duration above 0, default 60 seconds.
   *
   * A task that a worker without a handler meets after that fails with `TaskLost` (`"UnknownTask"`).
   */
  readonly unknownFor?: DurationInput | undefined
  /**
   * How many workers may lose a task before it fails with `TaskLost` (`"Poisoned"`), an integer above 0, default 3.
   *
   * A worker loses a task if its process dies, or is blocked for longer than the lease.
   */
  readonly maxDeaths?: number | undefined
}

/**
 * Options of every distributed pool.
 *
 * @category options
 * @since 0.1.0
 */
export interface DistributedPoolOptions {
  /** The pool's name, the same in all processes: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  readonly name: string
  /**
   * How long the result of a settled task is kept, a finite Duration above 0, default 1 hour.
   *
   * Until then, `attach` finds it, and a submit of its ID returns it.
   */
  readonly resultTtl?: DurationInput | undefined
  /** The most bytes of an encoded payload, and of an encoded result, an integer above 0, default 1,000,000. */
  readonly sizeLimit?: number | undefined
}
