/**
 * The options of a pool and of its operations.
 *
 * @since 0.1.0
 */
import type { Input as DurationInput } from "effect/Duration"
import type { Exit } from "effect/Exit"
import type { Schedule } from "effect/Schedule"
import type { AutoScalePolicy } from "./AutoScalePolicy.ts"
import type { Executor, ExecutorTag, RunOptions } from "./Executor.ts"
import type { Cloneable } from "./Job.ts"
import type { Cost, Rate } from "./Rate.ts"

/**
 * Options of `submit`, `fork`, `submitNowait`, `all` and `submitBlocking`.
 *
 * **Details**
 *
 * With a function, `args` are its arguments. `forEach` and `mapEffect` take `ItemOptions`.
 *
 * An option that is out of range, of another type or unknown is a defect of the operation: `RangeError`, `TypeError`, or
 * `UnknownTaskWeight` for the weight.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions<E = any> {
  /**
   * The task's priority on a priority pool, a safe integer, default 4.
   *
   * The smallest weight is dispatched first, equal weights first in, first out. Other pools ignore it.
   */
  readonly weight?: number | undefined
  /** The name by which `clear` selects the task, and `inspect` and a report of `close` list it, default none. */
  readonly label?: string | undefined
  /**
   * The owner of the task, such as a tenant or a host: a string or a number, default none.
   *
   * Keys take turns, and `perKey` limits each of them. Tasks without a key take turns as one more key, without a limit.
   *
   * Guide: docs/guide/fairness-and-keys.md
   */
  readonly key?: string | number | undefined
  /**
   * The number of workers that the task takes, an integer above 0, default 1.
   *
   * The task that is next waits until its workers are free, and no other task overtakes it. The task fails with
   * `NotAvailable` (`"TooLarge"`) if it takes more workers than the pool can ever have.
   */
  readonly permits?: number | undefined
  /**
   * What a start costs at the pool's `rate`, default 1 for each rate without a unit and 0 for the others.
   *
   * Guide: docs/guide/rates.md
   */
  readonly cost?: Cost | undefined
  /**
   * The longest time from submission to the first start, including the wait at the door: a Duration, default no limit.
   *
   * After that the task never starts, and fails with `NotAvailable` (`"WaitedTooLong"`).
   *
   * Guide: docs/guide/waiting-and-time.md
   */
  readonly maxWait?: DurationInput | undefined
  /**
   * When a failed task is tried again: a Schedule, or `RetryOptions`, default never.
   *
   * Between attempts the task has no worker. Only its own failures are tried again, not defects or interruptions.
   *
   * Guide: docs/guide/retries.md
   */
  readonly retry?: RetryOptions<E> | Schedule<unknown, E> | undefined
}

/**
 * When a failed task is tried again, like the options of `Effect.retry`.
 *
 * **Details**
 *
 * Without `schedule` the task is tried again at once.
 *
 * Guide: docs/guide/retries.md
 *
 * @category options
 * @since 0.1.0
 */
export interface RetryOptions<E = any> {
  /** The delays between attempts, and how many there are, default none and unlimited. */
  readonly schedule?: Schedule<unknown, E> | undefined
  /** The most retries, an integer of 0 or more or `Infinity`, default no limit of its own. */
  readonly times?: number | undefined
  /** Returns whether a failure is tried again, default all are. */
  readonly while?: ((error: E) => boolean) | undefined
  /** Returns whether a failure is final, default none is. */
  readonly until?: ((error: E) => boolean) | undefined
}

/**
 * An option of each item: a value, or a function of the item and its index, called once when the item is pulled.
 *
 * @category options
 * @since 0.1.0
 */
export type PerItem<A, T> = T | ((item: A, index: number) => T)

/**
 * Options of the tasks of `forEach` and `mapEffect`: those of `submit`, some of which may depend on the item.
 *
 * **Details**
 *
 * A wrong value for one item, and what a function throws, is a defect of the operation. No further item is pulled, and
 * the submitted tasks settle first.
 *
 * @category options
 * @since 0.1.0
 */
export interface ItemOptions<A = any, E = any> extends Omit<
  SubmitOptions<E>,
  "weight" | "label" | "key" | "permits" | "cost"
> {
  /** As `SubmitOptions.weight`. */
  readonly weight?: PerItem<A, number> | undefined
  /** As `SubmitOptions.label`. */
  readonly label?: PerItem<A, string | undefined> | undefined
  /** As `SubmitOptions.key`. */
  readonly key?: PerItem<A, string | number | undefined> | undefined
  /** As `SubmitOptions.permits`. */
  readonly permits?: PerItem<A, number> | undefined
  /** As `SubmitOptions.cost`. */
  readonly cost?: PerItem<A, Cost> | undefined
}

/**
 * Options of `forEach`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForEachOptions<A = any, E = any> extends ItemOptions<A, E> {
  /** Whether to discard the results, default `false`. */
  readonly discard?: boolean | undefined
  /**
   * Whether each item has a span of its own (`"each"`), default none: only the whole has one, if the caller has a recorded
   * span. The pool's option `spans: "none"` wins.
   */
  readonly spans?: "each" | undefined
  /** Whether results are in the order of completion (`true`) or of the items (`false`, the default). */
  readonly unordered?: boolean | undefined
}

/**
 * Options of `mapEffect`.
 *
 * @category options
 * @since 0.1.0
 */
export interface MapEffectOptions<A = any, E = any> extends ItemOptions<A, E> {
  /** Whether results are in the order of completion (`true`) or of the elements (`false`, the default). */
  readonly unordered?: boolean | undefined
  /** As `ForEachOptions.spans`, for the elements. */
  readonly spans?: "each" | undefined
  /**
   * No element is pulled while this many results wait to be taken, an integer above 0 or `Infinity`, default 16. The
   * results of submitted tasks come on top. The reader takes all results at once, so as many may wait again while it
   * works on those.
   */
  readonly bufferSize?: number | undefined
}

/**
 * Options of `clear`: which waiting tasks to cancel, default all.
 *
 * **Details**
 *
 * If both are given, both must match.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClearOptions {
  /** Selects only tasks of this key, default any. */
  readonly key?: string | number | undefined
  /** Selects only tasks of this label, default any. */
  readonly label?: string | undefined
}

/**
 * The parameters of `submitBlocking` after the job: options, including the job's arguments.
 *
 * **Details**
 *
 * Both may be omitted if the job has no parameters.
 *
 * @category models
 * @since 0.1.0
 */
export type SubmitBlockingArguments<
  Args extends ReadonlyArray<any>,
  E,
  T extends DurationInput | undefined
> = Args extends readonly []
  ? [options?: SubmitBlockingOptions<E, T> & { readonly args?: Readonly<Args & Cloneable<Args>> }]
  : [options: SubmitBlockingOptions<E, T> & { readonly args: Readonly<Args & Cloneable<Args>> }]

/**
 * Options of `submitBlocking`.
 *
 * **Details**
 *
 * In addition, `args` are the job's arguments.
 *
 * Guide: docs/guide/blocking-work.md
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
 * Guide: docs/guide/shutting-down.md
 *
 * @category options
 * @since 0.1.0
 */
export interface ShutdownOptions {
  /** How long admitted tasks may continue after closing has begun, a Duration, default no limit. */
  readonly drainTimeout?: DurationInput | undefined
  /**
   * How long closing waits for the finalizers of interrupted tasks, a Duration, default 3 seconds.
   *
   * After that, closing continues without these tasks, their submitters get `TaskCancelled`, and a log line names the
   * tasks.
   */
  readonly interruptTimeout?: DurationInput | undefined
}

/**
 * How a pool closes when its scope closes.
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolShutdownOptions extends ShutdownOptions {
  /**
   * Whether the pool interrupts its tasks (`"interrupt"`, the default) or drains (`"drain"`) when an interruption ends
   * its scope, such as SIGTERM.
   *
   * With `"drain"` the pool drains for 10 seconds then, unless `drainTimeout` is given.
   */
  readonly onInterrupt?: "interrupt" | "drain" | undefined
}

/**
 * Options of `close`; the timeouts default to the pool's own.
 *
 * **Details**
 *
 * `close` dies with `RangeError` if a timeout is negative or invalid.
 *
 * @category options
 * @since 0.1.0
 */
export interface CloseOptions extends ShutdownOptions {
  /** Whether admitted tasks continue (`"drain"`, the default) or are interrupted (`"interrupt"`). */
  readonly mode?: "drain" | "interrupt" | undefined
  /** Whether the report lists the tasks that never ran or were interrupted, default `false`. */
  readonly collect?: boolean | undefined
}

/**
 * Options of every pool.
 *
 * Guide: docs/guide/choosing-a-pool.md
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolOptions {
  /** The pool's name in errors and logs, default the name of its module, such as `"AioFixedTaskPoolSimple"`. */
  readonly name?: string | undefined
  /** The most tasks that may wait in the queue, an integer of 0 or more, default unbounded. 0 means no queue. */
  readonly capacity?: number | undefined
  /**
   * What happens to a new task when the queue is full, default `"suspend"`:
   *
   * - `"suspend"`: the caller waits at the door.
   * - `"fail"`: the task is rejected with `NotAvailable` (`"QueueFull"`).
   * - `"dropOldest"`: the task that has waited longest is cancelled (`"Dropped"`), and the new one takes its place. A
   *   priority pool drops the least urgent task, which may be the new one. With keys, the pool drops a task of the key
   *   with the most waiting tasks.
   *
   * `forEach` and `mapEffect` always wait at the door.
   *
   * Guide: docs/guide/overflow.md
   */
  readonly onFull?: "suspend" | "fail" | "dropOldest" | undefined
  /**
   * How many tasks may start within a time, default no limit: one rate, or several that all apply.
   *
   * A task that waits for the rate has no worker.
   *
   * Guide: docs/guide/rates.md
   */
  readonly rate?: Rate | ReadonlyArray<Rate> | undefined
  /**
   * The waiting time that counts as one weight less, a Duration above 0, default never.
   *
   * A task is overtaken only by tasks that arrive within `ageing` times the difference of their weights after it. Only
   * the priority pools have this option. The others throw `TypeError`.
   *
   * Guide: docs/guide/waiting-and-time.md
   */
  readonly ageing?: DurationInput | undefined
  /**
   * The most workers that the tasks of one `key` take at a time, an integer above 0, default no limit.
   *
   * Guide: docs/guide/fairness-and-keys.md
   */
  readonly perKey?: number | undefined
  /**
   * What happens when a task of the pool waits for its own pool, default `"lend"`:
   *
   * - `"lend"`: the task lends its worker while it waits. Before it continues, it takes the worker back, ahead of the
   *   queue.
   * - `"fail"`: the operation fails with `NotAvailable` (`"Nested"`).
   * - `"queue"`: the task keeps its worker. If the tasks of all workers wait, all wait forever.
   *
   * A task waits for its own pool in `submit`, `forEach`, `all`, `mapEffect`, at the door, or for a handle. In `awaitEmpty`,
   * `awaitResized`, `cancel` and a hard resize it lends too, but cannot fail: with `"fail"` it keeps its worker. A task
   * that waits for another pool keeps its worker, unless that pool waits for its own, directly or through others. Then
   * the same applies to it.
   *
   * Guide: docs/guide/nested-work.md
   */
  readonly nested?: "lend" | "fail" | "queue" | undefined
  /**
   * Whether tasks have spans, default `"auto"`: a task has one if its submitter has a recorded span and the tracer is
   * enabled. With `"none"` no task has one.
   *
   * Guide: docs/observability.md
   */
  readonly spans?: "auto" | "none" | undefined
  /**
   * Whether the pool always measures how long its tasks wait and run, default `false`: only while a metrics or dashboard
   * layer needs it.
   *
   * Guide: docs/observability.md
   */
  readonly timing?: boolean | undefined
  /** Whether the pool starts paused, default `false`. */
  readonly startPaused?: boolean | undefined
  /**
   * The time after which the pool warns that its oldest task still waits, or that tasks wait and none has ended: a
   * Duration above 0, default never.
   *
   * Each warning is one log line when it begins to apply. `inspect` returns those that apply.
   *
   * Guide: docs/guide/looking.md
   */
  readonly warnAfter?: DurationInput | undefined
  /** How the pool closes, default as each option says. */
  readonly shutdown?: PoolShutdownOptions | undefined
  /**
   * Returns what a task's exit says about the server behind the pool.
   *
   * By default a failure or defect with the name `TimeoutError` means overload: that of `Effect.timeout`, or that of
   * `AbortSignal.timeout`, also as the cause of another error. Other failures are ignored. The pool does not call the
   * function for tasks that it or their submitters interrupted. A fixed pool uses only `retryAfter`.
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
   *
   * Guide: docs/guide/how-many-at-once.md
   */
  readonly classify?: ((exit: Exit<unknown, unknown>) => TaskOutcome) | undefined
}

/**
 * Options of the fixed pools.
 *
 * @category options
 * @since 0.1.0
 */
export interface FixedPoolOptions extends PoolOptions {
  /** The number of workers, an integer of 0 or more or `Infinity`, default 3. */
  readonly size?: number | undefined
}

/**
 * Options of the auto-scale pools.
 *
 * Guide: docs/guide/scaling.md
 *
 * @category options
 * @since 0.1.0
 */
export interface AutoScalePoolOptions extends PoolOptions {
  /** The fewest workers, and the initial number, an integer of 0 or more, default 3. */
  readonly minSize?: number | undefined
  /** The most workers, an integer of `minSize` or more or `Infinity`, default `minSize + 5`. */
  readonly maxSize?: number | undefined
  /**
   * The longest time without a decision on the size, a Duration above 0, default 10 seconds; three mean run times if
   * these are longer.
   *
   * The policy determines how long its windows last. A window of `adaptive` lasts at least a quarter of a second and
   * until enough tasks have ended. If a window has not ended within `interval`, because tasks take longer or none
   * arrive, the pool decides by demand alone. It adds one worker if all are busy and tasks wait (`WAITING`). It removes
   * up to a quarter of the workers above `minSize` if some are unused (`UNUSED`). A window that needs no tasks ends
   * after `interval`, if given.
   */
  readonly interval?: DurationInput | undefined
  /** The policy that decides the size, default `AutoScalePolicy.adaptive()`. */
  readonly policy?: AutoScalePolicy<any> | undefined
}

/**
 * What the exit of a task says about the server behind a pool.
 *
 * **Details**
 *
 * - `"success"`: the task succeeded, and its run time counts.
 * - `"overload"`: the server is overloaded. `retryAfter`, a Duration, also stops dispatch for that long, at most 5
 *   minutes.
 * - `"ignore"`: neither.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskOutcome =
  | "success"
  | "overload"
  | "ignore"
  | { readonly overload: true; readonly retryAfter: DurationInput }
