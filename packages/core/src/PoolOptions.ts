/**
 * The options of a pool and of its operations.
 *
 * @since 0.2.0
 */
import type { Input as DurationInput } from "effect/Duration"
import type { Exit } from "effect/Exit"
import type { AutoScalePolicy } from "./AutoScalePolicy.ts"
import type { Executor, ExecutorTag, RunOptions } from "./Executor.ts"
import type { Cloneable } from "./Job.ts"

/**
 * Options of `submit`, `fork` and `submitNowait`; beside these, `args` are the arguments of a submitted function.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions {
  /**
   * The task's priority on a priority pool: the smallest weight is dispatched first, equal weights first in, first out.
   * A safe integer, default 4. Other pools ignore it.
   */
  readonly weight?: number | undefined
}

/**
 * Options of `forEach`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForEachOptions extends SubmitOptions {
  /** Whether to discard the results, default `false`. */
  readonly discard?: boolean | undefined
  /** Whether results are in the order of completion, default `false`: in the order of the items. */
  readonly unordered?: boolean | undefined
}

/**
 * Options of `mapEffect`.
 *
 * @category options
 * @since 0.1.0
 */
export interface MapEffectOptions extends SubmitOptions {
  /** Whether results are in the order of completion, default `false`: in the order of the elements. */
  readonly unordered?: boolean | undefined
  /** The most results that wait downstream, an integer above 0, default 16. */
  readonly bufferSize?: number | undefined
}

/**
 * The parameters of `submitBlocking` after the job: options, including the job's arguments. Both may be omitted if the
 * job has no parameters.
 *
 * @category models
 * @since 0.1.0
 */
export type SubmitBlockingArguments<
  Args extends ReadonlyArray<any>,
  E,
  T extends DurationInput | undefined
> = Args extends readonly []
  ? [options?: SubmitBlockingOptions<E, T> & { readonly args?: Args & Cloneable<Args> }]
  : [options: SubmitBlockingOptions<E, T> & { readonly args: Args & Cloneable<Args> }]

/**
 * Options of `submitBlocking`; beside these, `args` are the job's arguments.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitBlockingOptions<E = Executor, T extends DurationInput | undefined = DurationInput | undefined>
  extends SubmitOptions, RunOptions {
  /** How long the job may take after it is dispatched, a Duration, default no limit. */
  readonly timeout?: T | undefined
  /** The tag of the executor to run on, default `Executor`. */
  readonly executor?: ExecutorTag<E, string> | undefined
}

/**
 * Options of `scale` and `resize`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResizeOptions {
  /** Whether surplus workers finish their current task (`"soft"`, the default) or are interrupted (`"hard"`). */
  readonly mode?: "soft" | "hard" | undefined
}

/**
 * Time limits of closing a pool.
 *
 * @category options
 * @since 0.1.0
 */
export interface ShutdownOptions {
  /** How long admitted tasks may continue after closing has begun, a Duration, default no limit. */
  readonly drainTimeout?: DurationInput | undefined
  /**
   * How long the finalizers of interrupted tasks are awaited, a Duration, default 3 seconds. After that, closing
   * continues without these tasks, their submitters get `TaskCancelled`, and a log line names the tasks.
   */
  readonly interruptTimeout?: DurationInput | undefined
}

/**
 * Options of `close`; the timeouts default to the pool's own.
 *
 * @category options
 * @since 0.1.0
 */
export interface CloseOptions extends ShutdownOptions {
  /** Whether admitted tasks continue (`"drain"`, the default) or are interrupted (`"interrupt"`). */
  readonly mode?: "drain" | "interrupt" | undefined
}

/**
 * Options of every pool.
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolOptions {
  /** The pool's name in errors and logs, default the name of its module, such as `"AioFixedTaskPoolSimple"`. */
  readonly name?: string | undefined
  /** The most tasks that may wait in the queue, an integer of 0 or more, default unbounded. 0 means no queue. */
  readonly capacity?: number | undefined
  /** Whether a caller waits at the door when the queue is full (`"suspend"`, the default) or fails (`"fail"`). */
  readonly onFull?: "suspend" | "fail" | undefined
  /** Whether the pool starts paused, default `false`. */
  readonly startPaused?: boolean | undefined
  /** Time limits of closing. */
  readonly shutdown?: ShutdownOptions | undefined
}

/**
 * Options of the fixed pools.
 *
 * @category options
 * @since 0.1.0
 */
export interface FixedPoolOptions extends PoolOptions {
  /** The number of workers, an integer of 0 or more, default 3. */
  readonly size?: number | undefined
}

/**
 * Options of the auto-scale pools.
 *
 * @category options
 * @since 0.1.0
 */
export interface AutoScalePoolOptions extends PoolOptions {
  /** The fewest workers, and the initial number, an integer of 0 or more, default 3. */
  readonly minSize?: number | undefined
  /** The most workers, an integer of `minSize` or more, default `minSize + 5`. */
  readonly maxSize?: number | undefined
  /**
   * The longest time without a decision on the size, a Duration above 0, default 10 seconds.
   *
   * The policy determines how long its windows last. Those of `adaptive` last a quarter of a second or more, until
   * enough tasks have ended. If a window has not ended within `interval`, because tasks take longer or none arrive, the
   * pool decides by demand alone. It adds one worker if all are busy and tasks wait (`WAITING`), and removes up to a
   * quarter of those above `minSize` if some are unused (`UNUSED`). A window that needs no tasks ends after `interval`,
   * if given.
   */
  readonly interval?: DurationInput | undefined
  /** The policy that decides the size, default `AutoScalePolicy.adaptive()`. */
  readonly policy?: AutoScalePolicy<any> | undefined
  /**
   * Returns what a task's exit says about the server behind it. By default a failure or defect that is Effect's
   * `TimeoutError` means overload, and other failures and interruptions are ignored.
   *
   * **Example** (Handling a response of 429)
   *
   * ```ts
   * import { AioAutoScaleTaskPoolSimple, type TaskOutcome, TaskPool } from "@aio-task-pool/core"
   * import { Cause, Effect, Exit } from "effect"
   *
   * class TooMany {
   *   readonly seconds = 2
   * }
   *
   * const classify = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
   *   if (exit._tag === "Success") return "success"
   *   const error = Cause.squash(exit.cause)
   *   return error instanceof TooMany ? { overload: true, retryAfter: `${error.seconds} seconds` } : "ignore"
   * }
   * const pool = AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 200, classify })
   *
   * const program = Effect.exit(TaskPool.submit(Effect.fail(new TooMany())))
   * Exit.isFailure(await Effect.runPromise(Effect.provide(program, pool))) // => true
   * ```
   */
  readonly classify?: ((exit: Exit<unknown, unknown>) => TaskOutcome) | undefined
}

/**
 * What the exit of a task says about the server behind an auto-scale pool.
 *
 * **Details**
 *
 * - `"success"`: the task succeeded, and its run time counts.
 * - `"overload"`: the server is overloaded. `retryAfter`, a Duration, also stops dispatch for that long, at most 5
 *   minutes.
 * - `"ignore"`: neither.
 *
 * @category models
 * @since 0.2.0
 */
export type TaskOutcome =
  | "success"
  | "overload"
  | "ignore"
  | { readonly overload: true; readonly retryAfter: DurationInput }
