/**
 * Limits how many tasks run at once: the contract of every pool.
 *
 * This module defines the service that the six pools provide, its statics, and the types of its options and results.
 * The pools themselves are `AioFixedTaskPoolSimple`, `AioFixedTaskPoolLifo`, `AioFixedTaskPoolPriority` and
 * `AioAutoScaleTaskPoolSimple`, `AioAutoScaleTaskPoolLifo`, `AioAutoScaleTaskPoolPriority`.
 *
 * @since 0.1.0
 */
import type { TimeoutError } from "effect/Cause"
import * as Context from "effect/Context"
import type { Input as DurationInput } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type { Exit } from "effect/Exit"
import * as Stream from "effect/Stream"
import type { AutoScaleEvidence, AutoScalePolicy, AutoScaleSample } from "./AutoScalePolicy.ts"
import type { Executor, ExecutorTag, RunOptions } from "./Executor.ts"
import type { ExecutorError } from "./ExecutorError.ts"
import type { Cloneable, Job } from "./Job.ts"
import type { CloseReport, PoolStats } from "./PoolStats.ts"
import type { TaskHandle } from "./TaskHandle.ts"
import type { NotAvailable, NotAvailableReason, TaskCancelled, TaskCancelledReason } from "./TaskPoolError.ts"

export type { CloseReport, PoolStats } from "./PoolStats.ts"

/**
 * The operations of a pool. `Self` is what a caller must provide: nothing for the service itself, the tag for its
 * statics.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operations<in out Self> {
  /**
   * Runs a task within the pool's limit and waits for its result.
   *
   * **Details**
   *
   * When the queue is full, waits for a place or fails, as `onFull` says. Then waits for the result. The task's own
   * success, failure, defect or interruption becomes the result unchanged. Interrupting the caller removes a waiting
   * task from the queue at once, so that it never runs, or interrupts a running task and waits for its finalizers.
   *
   * The task is an Effect, or a function that returns one. The pool calls the function with `args` when it dispatches
   * the task. The task runs in its own fiber with the caller's services, references, span and async context.
   *
   * **Gotchas**
   *
   * A task that submits to its own pool and waits keeps its worker meanwhile. If every worker does so, all wait
   * forever. Use a second pool for nested work.
   *
   * **Example** (Submitting an effect and a function)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const double = (n: number) => Effect.succeed(n * 2)
   *
   * const program = Effect.gen(function* () {
   *   const one = yield* TaskPool.submit(double(1))
   *   const two = yield* TaskPool.submit(double, { args: [2] })
   *   return [one, two]
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))) // => [2, 4]
   * ```
   */
  readonly submit: Submit<Self>
  /**
   * Submits a task, waits until it is admitted, and returns its handle.
   *
   * **Details**
   *
   * When the queue is full, waits for a place or fails, as `onFull` says. Interrupting a caller that waits at the door
   * removes its task. An admitted task no longer depends on the caller. A failure that no caller joins is not reported
   * anywhere.
   */
  readonly fork: Fork<Self>
  /**
   * Submits a task without waiting, and returns its handle. Fails with `NotAvailable` if the pool cannot admit it now.
   */
  readonly submitNowait: Fork<Self>
  /**
   * Runs `f` for each item as a task of the pool, and returns the results in the order of the items.
   *
   * **Details**
   *
   * An item is pulled only when the pool can take it, so infinite iterables and slow AsyncIterables work, and no fiber
   * waits per item. At most one pulled item waits in the queue. The request for the next item queues behind all other
   * submitters. If the queue is full, it waits at the door, whatever `onFull` says. The first failure interrupts the
   * rest, and no further item starts.
   *
   * When the pool is paused or closes, or the source throws (a defect), no more items are pulled. The effect fails once
   * the tasks already submitted have settled, and does not wait for a source that has yet to answer. If all items of an
   * array had been pulled by then, the effect succeeds.
   *
   * **Example** (Fetching many pages)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const fetchPage = (page: number) => Effect.as(Effect.yieldNow, `page ${page}`)
   *
   * const program = TaskPool.forEach([1, 2, 3], fetchPage)
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(2))) // => ["page 1", "page 2", "page 3"]
   * ```
   */
  readonly forEach: ForEach<Self>
  /**
   * Runs a tuple, an iterable or a record of effects as tasks of the pool, and returns their results in the same shape.
   * Behaves like `forEach` in all else.
   *
   * **Example** (Gathering a record)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = TaskPool.all({ user: Effect.succeed("ada"), visits: Effect.succeed(3) })
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(2))) // => { user: "ada", visits: 3 }
   * ```
   */
  readonly all: All<Self>
  /**
   * Maps a stream with effects that run as tasks of the pool, within its limit, order and statistics.
   *
   * **Details**
   *
   * An element is pulled when the pool has taken the one before it and fewer than `bufferSize` results wait downstream.
   * Results are emitted in the order of the elements, or with `unordered` in the order of completion. The first failure
   * fails the stream and interrupts its tasks and the upstream.
   *
   * **Example** (Mapping a stream)
   *
   * ```ts
   * import { Effect, Stream } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const doubled = TaskPool.mapEffect(Stream.range(1, 3), (n) => Effect.succeed(n * 2))
   * const program = Stream.runCollect(doubled)
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(2))) // => [2, 4, 6]
   * ```
   */
  readonly mapEffect: <A, E, R, B, E2, R2>(
    stream: Stream.Stream<A, E, R>,
    f: (element: A, index: number) => Effect.Effect<B, E2, R2>,
    options?: MapEffectOptions
  ) => Stream.Stream<B, E | E2 | NotAvailable | TaskCancelled, R | R2 | Self>
  /**
   * Runs a job on the executor within the pool's limit and waits for its result.
   *
   * **When to use**
   *
   * Use it for functions that block or compute. On the executor's threads they do not block the program, and the pool
   * limits, orders, pauses and counts them like any other task.
   *
   * **Details**
   *
   * Equals `submit(Executor.run(job, args))`, with the options of both. `timeout` limits the time from dispatch to
   * result: then the job is interrupted and the effect fails with `TimeoutError`. `Effect.timeout` around
   * `submitBlocking` also counts the time in the queue.
   *
   * **Example** (Hashing within a limit)
   *
   * ```ts
   * import { AioFixedTaskPoolSimple, Executor, Job, TaskPool } from "@aio-task-pool/core"
   * import { Effect } from "effect"
   *
   * const crypto = Job.module<typeof import("node:crypto")>("node:crypto")
   *
   * const program = Effect.map(
   *   TaskPool.submitBlocking(crypto.pbkdf2Sync, { args: ["secret", "salt", 1000, 4, "sha256"], weight: 1 }),
   *   (key) => key.byteLength
   * )
   *
   * const both = Effect.provide(program, [AioFixedTaskPoolSimple.layer(8), Executor.layerInline])
   * await Effect.runPromise(both) // => 4
   * ```
   */
  readonly submitBlocking: <
    Args extends ReadonlyArray<any>,
    A,
    E = Executor,
    T extends DurationInput | undefined = undefined
  >(
    job: Job<Args, A>,
    ...rest: SubmitBlockingArguments<NoInfer<Args>, E, T>
  ) => Effect.Effect<
    Awaited<A>,
    ExecutorError | NotAvailable | TaskCancelled | (T extends undefined ? never : TimeoutError),
    Self | NoInfer<E>
  >
  /**
   * Changes the number of workers by `delta`, a safe integer, and returns the new target.
   *
   * **Details**
   *
   * Never waits behind the queue. The target is clamped to 0 or more (fixed pools) or to [minSize, maxSize] (auto-scale
   * pools). With `mode: "soft"`, the default, surplus workers finish their current task. With `mode: "hard"` idle
   * workers go first, then the newest running tasks are interrupted and their submitters get `TaskCancelled`. The
   * effect returns after their finalizers. A task that ends by itself meanwhile keeps its own result. Dies with
   * `RangeError`, and changes nothing, if `delta` is not a safe integer.
   */
  readonly scale: (delta: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /** Sets the number of workers, an integer of 0 or more, and returns the new target. Behaves like `scale` in all else. */
  readonly resize: (size: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /** Waits until no more tasks run than the target allows. */
  readonly awaitResized: Effect.Effect<void, never, Self>
  /**
   * Stops admission: new tasks, and those at the door, fail with `NotAvailable`. Admitted tasks continue. Returns
   * whether the pool is paused now. Does nothing if the pool is already paused or is not open.
   */
  readonly pause: Effect.Effect<boolean, never, Self>
  /** Admits tasks again. Returns whether the pool is paused now: `false`. */
  readonly resume: Effect.Effect<boolean, never, Self>
  /** Pauses an open pool, or resumes a paused one. Returns whether the pool is paused now. */
  readonly togglePause: Effect.Effect<boolean, never, Self>
  /** Waits until no task waits in the queue. Returns at once if none does. */
  readonly awaitEmpty: Effect.Effect<void, never, Self>
  /** Waits until no task waits and none runs. Returns at once if the pool is idle. */
  readonly awaitIdle: Effect.Effect<void, never, Self>
  /** Returns an atomic snapshot of the pool's statistics. */
  readonly stats: Effect.Effect<PoolStats, never, Self>
  /**
   * Returns the last decisions on an auto-scale pool's size as a table, oldest first, one per line: the time, the
   * reason and the measurements. `last` is the number of decisions, an integer of 0 or more, default 20. The pool keeps
   * 256. A fixed pool returns one sentence.
   *
   * **Example** (Asking why)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = Effect.provide(TaskPool.explain(), AioFixedTaskPoolSimple.layer(3))
   * await Effect.runPromise(program) // => "AioFixedTaskPoolSimple: a fixed pool, 3 workers, which decides nothing"
   * ```
   */
  readonly explain: (last?: number) => Effect.Effect<string, never, Self>
  /**
   * Emits the pool's events from now on. Each reader has a buffer of 256 events. A slow reader loses the oldest ones
   * and never slows the pool. A reader of a closed pool gets `Closed` first. Ends when the pool's scope has closed.
   */
  readonly events: Stream.Stream<PoolEvent, never, Self>
  /**
   * Closes the pool and returns a report on the tasks it held.
   *
   * **Details**
   *
   * Admission ends at once. With `mode: "drain"`, the default, admitted tasks continue for up to `drainTimeout`. After
   * that, or at once with `mode: "interrupt"`, waiting tasks are cancelled and running ones interrupted. Their
   * finalizers are awaited for `interruptTimeout`.
   *
   * Several fibers may close the pool, and all get the same report. A later `close` may end a drain (`mode:
   * "interrupt"`) or shorten the timeouts. So does the end of the pool's scope. Closing continues if its caller is
   * interrupted.
   *
   * **Gotchas**
   *
   * A task that closes its own pool would wait for itself, so the effect dies.
   */
  readonly close: (options?: CloseOptions) => Effect.Effect<CloseReport, never, Self>
  /**
   * Reopens a pool that `close` closed, with its last target. Does nothing on an open pool. If the pool is closing,
   * waits until it has closed. Fails with `NotAvailable` if the pool's scope has closed.
   */
  readonly start: Effect.Effect<void, NotAvailable, Self>
}

/**
 * The service behind a pool's tag: `TaskPool["Service"]`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskPoolService extends Operations<never> {
  /** The pool's name in errors and logs. */
  readonly name: string
}

/**
 * The type of `submit`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submit<Self> {
  <Args extends ReadonlyArray<any>, A, E, R>(
    task: (...args: Args) => Effect.Effect<A, E, R>,
    options: SubmitOptions & { readonly args: NoInfer<Args> }
  ): Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
  <A, E, R>(
    task: () => Effect.Effect<A, E, R>,
    options?: SubmitOptions
  ): Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
  <A, E, R>(
    task: Effect.Effect<A, E, R>,
    options?: SubmitOptions
  ): Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
}

/**
 * The type of `fork` and `submitNowait`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fork<Self> {
  <Args extends ReadonlyArray<any>, A, E, R>(
    task: (...args: Args) => Effect.Effect<A, E, R>,
    options: SubmitOptions & { readonly args: NoInfer<Args> }
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
  <A, E, R>(
    task: () => Effect.Effect<A, E, R>,
    options?: SubmitOptions
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
  <A, E, R>(
    task: Effect.Effect<A, E, R>,
    options?: SubmitOptions
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
}

/**
 * The type of `forEach`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForEach<Self> {
  <A, B, E, R>(
    items: Iterable<A> | AsyncIterable<A>,
    f: (item: A, index: number) => Effect.Effect<B, E, R>,
    options: ForEachOptions & { readonly discard: true }
  ): Effect.Effect<void, E | NotAvailable | TaskCancelled, R | Self>
  <A, B, E, R>(
    items: Iterable<A> | AsyncIterable<A>,
    f: (item: A, index: number) => Effect.Effect<B, E, R>,
    options?: ForEachOptions
  ): Effect.Effect<Array<B>, E | NotAvailable | TaskCancelled, R | Self>
}

/**
 * The type of `all`.
 *
 * @category models
 * @since 0.1.0
 */
export interface All<Self> {
  <const Arg extends Iterable<Effect.Effect<any, any, any>> | Record<string, Effect.Effect<any, any, any>>>(
    effects: Arg,
    options?: SubmitOptions
  ): Effect.All.Return<Arg, {}> extends Effect.Effect<infer A, infer E, infer R>
    ? Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
    : never
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

/**
 * The tag that a pool's layer provides.
 *
 * @category options
 * @since 0.1.0
 */
export interface TagOption<Self> {
  /** The tag to provide, default `TaskPool`. */
  readonly tag?: Context.Key<Self, TaskPoolService> | undefined
}

/**
 * An event of a pool.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent =
  | { readonly _tag: "Scaled"; readonly from: number; readonly to: number; readonly why: string }
  /** A decision on an auto-scale pool's size, even one that keeps it. Follows the `Scaled` event that it caused, if any. */
  | {
      readonly _tag: "Decided"
      /** The policy's name. */
      readonly policy: string
      readonly from: number
      readonly to: number
      readonly reason: string
      /** How long nothing is dispatched, in milliseconds. */
      readonly pause: number
      readonly evidence: AutoScaleEvidence | undefined
      readonly sample: AutoScaleSample
    }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Resumed" }
  /** A policy's decision, or a server's `retryAfter`, holds dispatch until `Released`. */
  | { readonly _tag: "Held" }
  | { readonly _tag: "Released" }
  | { readonly _tag: "Rejected"; readonly reason: NotAvailableReason }
  | { readonly _tag: "Cancelled"; readonly reason: TaskCancelledReason; readonly started: boolean }
  | { readonly _tag: "Closed"; readonly report: CloseReport }

/**
 * A tag for another pool, with all operations as statics.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag<Self, Id extends string> = Context.ServiceClass<Self, Id, TaskPoolService> & Operations<Self>

/**
 * The task pool that a program runs its tasks in: a service, with every operation also as a static.
 *
 * **When to use**
 *
 * Use the statics in services and programs that need a pool, and provide the layer of one of the six pools at the edge
 * of the program. If it needs several pools, make a tag for each with `TaskPool.Tag`.
 *
 * **Example** (A program with two pools)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * class DbPool extends TaskPool.Tag<DbPool>()("app/DbPool") {}
 *
 * const program = Effect.gen(function* () {
 *   const row = yield* DbPool.submit(Effect.succeed("row"), { weight: 1 })
 *   const page = yield* TaskPool.submit(Effect.succeed("page"))
 *   return [row, page]
 * })
 *
 * const db = AioFixedTaskPoolPriority.layer(8, { tag: DbPool })
 * const both = Effect.provide(program, [AioFixedTaskPoolSimple.layer(3), db])
 * await Effect.runPromise(both) // => ["row", "page"]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class TaskPool extends makeTag<TaskPool>()("@aio-task-pool/core/TaskPool") {
  /** Makes a tag for another pool: `class DbPool extends TaskPool.Tag<DbPool>()("app/DbPool") {}`. */
  static readonly Tag = makeTag
}

function makeTag<Self>() {
  return <const Id extends string>(id: Id): Tag<Self, Id> => {
    const tag = Context.Service<Self, TaskPoolService>()(id)
    const value = (key: keyof TaskPoolService) => Effect.flatMap(tag, (pool) => pool[key] as Effect.Effect<unknown>)
    const call = (operation: Operation) => (first: unknown, second: unknown, third: unknown) =>
      new Call(tag, operation, first, second, third)
    // A missing operation does not compile.
    const statics = {
      submit: call((pool, task, options) => pool.submit(task, options)),
      fork: call((pool, task, options) => pool.fork(task, options)),
      submitNowait: call((pool, task, options) => pool.submitNowait(task, options)),
      forEach: call((pool, items, f, options) => pool.forEach(items, f, options)),
      all: call((pool, effects, options) => pool.all(effects, options)),
      mapEffect: (stream: Stream.Stream<any>, f: any, options: any) =>
        Stream.unwrap(Effect.map(tag, (pool) => pool.mapEffect(stream, f, options))),
      explain: call((pool, last) => pool.explain(last)),
      submitBlocking: call((pool, job, options) => pool.submitBlocking(job, options)),
      scale: call((pool, delta, options) => pool.scale(delta, options)),
      resize: call((pool, size, options) => pool.resize(size, options)),
      close: call((pool, options) => pool.close(options)),
      awaitResized: value("awaitResized"),
      pause: value("pause"),
      resume: value("resume"),
      togglePause: value("togglePause"),
      awaitEmpty: value("awaitEmpty"),
      awaitIdle: value("awaitIdle"),
      stats: value("stats"),
      start: value("start"),
      events: Stream.unwrap(Effect.map(tag, (pool) => pool.events))
    } satisfies Record<keyof Operations<Self>, unknown>
    return Object.assign(tag, statics) as any
  }
}

type Operation = (pool: TaskPoolService, first: any, second: any, third: any) => unknown

// A call of the pool in the context, as an effect without closures, because each `submit` makes one.
class Call {
  readonly tag: Context.Key<any, TaskPoolService>
  readonly operation: Operation
  readonly first: unknown
  readonly second: unknown
  readonly third: unknown
  constructor(
    tag: Context.Key<any, TaskPoolService>,
    operation: Operation,
    first: unknown,
    second: unknown,
    third: unknown
  ) {
    this.tag = tag
    this.operation = operation
    this.first = first
    this.second = second
    this.third = third
  }
}
// Extending `Effectable.Class` would run a chain of constructors for each call.
Object.setPrototypeOf(
  Call.prototype,
  Effectable.Prototype<any>({
    label: "TaskPool",
    evaluate({ context }) {
      return this.operation(Context.getUnsafe(context, this.tag), this.first, this.second, this.third)
    }
  })
)
