/**
 * Bounds how many tasks run at once: the contract that every pool keeps.
 *
 * This module holds the service that the six pools provide, its statics, and the shapes of its options and answers. The
 * pools themselves are `AioFixedTaskPoolSimple`, `AioFixedTaskPoolLifo`, `AioFixedTaskPoolPriority` and
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
 * What a pool can do. `Self` is what a caller must provide: nothing for the service itself, the tag for its statics.
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
   * Waits for room as `onFull` says, then for the result. The task's own success, failure, defect and interruption pass
   * untouched. Interrupting the caller takes a waiting task out of the queue at once, so that it never runs, or
   * interrupts the running task and waits for its finalizers.
   *
   * The task is an Effect, or a function that returns one and is called with `args` when the task's turn comes. It runs
   * in a fiber of its own with the caller's services, references, span and async context.
   *
   * **Gotchas**
   *
   * A task that submits to its own pool and waits holds a worker meanwhile: when every worker does so, all wait for
   * ever. Use a second pool for nested work.
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
   * Hands a task over and waits only for room, as `onFull` says: the answer is a handle to the admitted task.
   *
   * **Details**
   *
   * Interrupting a caller that waits at the door takes its task away; once admitted, the task no longer depends on the
   * caller. A handle nobody looks at never crashes anything.
   */
  readonly fork: Fork<Self>
  /**
   * Hands a task over without waiting at all: it is admitted now, or the answer is `NotAvailable`.
   */
  readonly submitNowait: Fork<Self>
  /**
   * Runs `f` for each item as a task of the pool, and gives the results in the order of the items.
   *
   * **Details**
   *
   * An item is pulled only when the pool can take it, so an infinite iterable or a slow AsyncIterable is fine, and no
   * fiber waits per item. At most one pulled item waits in the queue; the request for the next one is behind all other
   * submitters. Waits at the door when the queue is full, whatever `onFull` says. The first failure interrupts the rest,
   * and no further item starts. When the pool is paused or closes, or the source throws (a defect), no more is pulled, and
   * the effect fails when the tasks already submitted have settled. It does not wait for a source that is silent. An array
   * that is at its end has lost nothing: the effect then succeeds.
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
   * Runs a tuple, an iterable or a record of effects as tasks of the pool, and gives their results in the same shape.
   * Otherwise as `forEach`.
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
   * Maps a stream with effects that run as tasks of the pool: the pool's limit, order and statistics for a stream.
   *
   * **Details**
   *
   * An element is pulled when the pool has taken the one before it and fewer than `bufferSize` results wait downstream.
   * Results come in the order of the elements, or with `unordered` in that of completion. The first failure fails the
   * stream, interrupts its tasks and the upstream.
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
   * Use it for functions that block or compute: on the executor's threads they do not hold up the program, and the pool
   * bounds, orders, pauses and counts them as any other task.
   *
   * **Details**
   *
   * The same as `submit(Executor.run(job, args))`, with the options of both. With a `timeout` the job may take so long from
   * its turn on, then it is interrupted and the effect fails with `TimeoutError`; `Effect.timeout` around `submitBlocking`
   * counts the waiting too.
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
   * Changes the number of workers by `delta`, a safe integer, and answers the new target.
   *
   * **Details**
   *
   * Never waits behind the queue. The target is clamped to 0 or more (fixed pools) or to [minSize, maxSize] (auto-scale
   * pools). `mode: "soft"` (the default) lets surplus workers finish the task in hand. With `mode: "hard"` idle workers
   * go first, then the newest running tasks are interrupted, their submitters get `TaskCancelled`, and the effect
   * returns after their finalizers; a task that ends by itself meanwhile keeps its own result. Dies with `RangeError` on
   * a delta that is no safe integer, and changes nothing.
   */
  readonly scale: (delta: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /** Sets the number of workers, an integer of 0 or more; otherwise as `scale`. */
  readonly resize: (size: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /** Waits until no more tasks run than the target allows. */
  readonly awaitResized: Effect.Effect<void, never, Self>
  /**
   * Stops admission: new tasks, and those at the door, fail with `NotAvailable`; accepted tasks go on. Answers whether
   * the pool is paused now; does nothing when it is paused already or is not open.
   */
  readonly pause: Effect.Effect<boolean, never, Self>
  /** Admits tasks again. Answers whether the pool is paused now: `false`. */
  readonly resume: Effect.Effect<boolean, never, Self>
  /** Pauses an open pool, resumes a paused one. Answers whether the pool is paused now. */
  readonly togglePause: Effect.Effect<boolean, never, Self>
  /** Waits until no task waits in the queue; returns at once if none does. */
  readonly awaitEmpty: Effect.Effect<void, never, Self>
  /** Waits until no task waits and none runs; returns at once if so. */
  readonly awaitIdle: Effect.Effect<void, never, Self>
  /** One atomic snapshot of the pool's numbers. */
  readonly stats: Effect.Effect<PoolStats, never, Self>
  /**
   * The last decisions on an auto-scale pool's size as a table, the oldest first, one a line: when, why, and what was
   * measured. `last`, an integer of 0 or more, default 20, is how many; 256 are kept. A fixed pool answers one sentence.
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
   * What happens to the pool from now on. Each reader has a buffer of 256 events; a slow reader loses the oldest ones
   * and never slows the pool. A reader of a closed pool gets `Closed` first. Ends when the pool's scope has closed.
   */
  readonly events: Stream.Stream<PoolEvent, never, Self>
  /**
   * Closes the pool by hand and answers what became of its tasks.
   *
   * **Details**
   *
   * Admission ends at once. `mode: "drain"` (the default) lets accepted tasks go on for `drainTimeout`; then, or at once
   * with `mode: "interrupt"`, waiting tasks are cancelled and running ones interrupted, and their finalizers awaited for
   * `interruptTimeout`. Any number of fibers may close; all get the same report. A later `interrupt` ends a drain, and its
   * limits shorten those of the closing. So does the end of the pool's scope. Closing goes on when the closer is
   * interrupted.
   *
   * **Gotchas**
   *
   * Closing a pool from inside one of its own tasks would wait for itself: it dies with a clear defect.
   */
  readonly close: (options?: CloseOptions) => Effect.Effect<CloseReport, never, Self>
  /**
   * Reopens a pool that was closed by hand, with its last target; does nothing on an open pool, waits behind a closing
   * one. Fails with `NotAvailable` when the pool's scope has closed.
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
 * The shape of `submit`.
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
 * The shape of `fork` and `submitNowait`.
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
 * The shape of `forEach`.
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
 * The shape of `all`.
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
  /** Whether to throw the results away, default `false`. */
  readonly discard?: boolean | undefined
  /** Whether results come in the order of completion, default `false`: in that of the items. */
  readonly unordered?: boolean | undefined
}

/**
 * Options of `mapEffect`.
 *
 * @category options
 * @since 0.1.0
 */
export interface MapEffectOptions extends SubmitOptions {
  /** Whether results come in the order of completion, default `false`: in that of the elements. */
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
  /** On a priority pool: smaller goes first, equal ones first-in first-out. A safe integer, default 4. */
  readonly weight?: number | undefined
}

/**
 * What `submitBlocking` takes after the job: options, with the job's arguments. Both may be left out if the job has no
 * parameters.
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
  /** How long the job may take from its turn on, a Duration, default no limit. */
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
  /** Whether surplus workers finish the task in hand (`"soft"`, the default) or are interrupted (`"hard"`). */
  readonly mode?: "soft" | "hard" | undefined
}

/**
 * How long closing a pool may take.
 *
 * @category options
 * @since 0.1.0
 */
export interface ShutdownOptions {
  /** How long accepted tasks may go on after closing began, a Duration, default no limit. */
  readonly drainTimeout?: DurationInput | undefined
  /**
   * How long the finalizers of interrupted tasks are awaited, a Duration, default 3 seconds. Then closing goes on,
   * their submitters get `TaskCancelled`, and the log says which task would not end.
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
  /** Whether accepted tasks go on (`"drain"`, the default) or are cut short (`"interrupt"`). */
  readonly mode?: "drain" | "interrupt" | undefined
}

/**
 * Options of every pool.
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolOptions {
  /** The pool's name in errors and logs, default its kind. */
  readonly name?: string | undefined
  /** The most tasks that may wait, an integer of 0 or more, default unbounded. 0 means no queue at all. */
  readonly capacity?: number | undefined
  /** What happens to a caller when the queue is full: it waits at the door (`"suspend"`, the default) or fails. */
  readonly onFull?: "suspend" | "fail" | undefined
  /** Whether the pool begins paused, default `false`. */
  readonly startPaused?: boolean | undefined
  /** How long closing may take. */
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
  /** The fewest workers, and the number to begin with, an integer of 0 or more, default 3. */
  readonly minSize?: number | undefined
  /** The most workers, an integer of minSize or more, default minSize + 5. */
  readonly maxSize?: number | undefined
  /**
   * The longest that demand goes unanswered, a Duration above 0, default 10 seconds.
   *
   * The policy says how long its windows last, and those of `adaptive`, a quarter of a second or more, wait until enough
   * tasks have ended. When nothing has come of a window for `interval`, because tasks take longer than that or none
   * comes, the pool decides by the demand alone: one worker more where all are busy and tasks wait (`WAITING`), a quarter
   * fewer where workers are left over (`UNUSED`). No window that needs no tasks lasts longer than an `interval` that is
   * given.
   */
  readonly interval?: DurationInput | undefined
  /** What decides the size, default `AutoScalePolicy.adaptive()`. */
  readonly policy?: AutoScalePolicy<any> | undefined
  /**
   * What a task's end says of the server behind it, default: a failure or defect that is Effect's `TimeoutError` means
   * overload, other failures and interruptions say nothing.
   *
   * **Example** (Reading an answer of 429)
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
 * What the end of a task says of the server behind an auto-scale pool.
 *
 * **Details**
 *
 * `"overload"`: it had too much. With `retryAfter`, a Duration, the pool moreover dispatches nothing for that long, at
 * most 5 minutes. `"success"`: it worked, and the run time counts. `"ignore"`: neither.
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
 * Which tag a pool's layer provides.
 *
 * @category options
 * @since 0.1.0
 */
export interface TagOption<Self> {
  /** The tag to provide, default `TaskPool`. */
  readonly tag?: Context.Key<Self, TaskPoolService> | undefined
}

/**
 * Something that happened to a pool.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent =
  | { readonly _tag: "Scaled"; readonly from: number; readonly to: number; readonly why: string }
  /** Each decision on an auto-scale pool's size, also one to leave it as it is; after the `Scaled` it brought about. */
  | {
      readonly _tag: "Decided"
      /** The policy's name. */
      readonly policy: string
      readonly from: number
      readonly to: number
      readonly reason: string
      /** For how long nothing is dispatched, in milliseconds. */
      readonly pause: number
      readonly evidence: AutoScaleEvidence | undefined
      readonly sample: AutoScaleSample
    }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Resumed" }
  /** A policy's decision, or a server's `retryAfter`, holds dispatch; `Released` when the pause is over. */
  | { readonly _tag: "Held" }
  | { readonly _tag: "Released" }
  | { readonly _tag: "Rejected"; readonly reason: NotAvailableReason }
  | { readonly _tag: "Cancelled"; readonly reason: TaskCancelledReason; readonly started: boolean }
  | { readonly _tag: "Closed"; readonly report: CloseReport }

/**
 * A tag for a pool of one's own, with all operations as statics.
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
 * Use the statics inside services and programs that need a pool; provide one of the six pools' layers at the edge. A
 * program with several pools makes a tag for each with `TaskPool.Tag`.
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
  /** Makes a tag for a pool of one's own: `class DbPool extends TaskPool.Tag<DbPool>()("app/DbPool") {}`. */
  static readonly Tag = makeTag
}

function makeTag<Self>() {
  return <const Id extends string>(id: Id): Tag<Self, Id> => {
    const tag = Context.Service<Self, TaskPoolService>()(id)
    const value = (key: keyof TaskPoolService) => Effect.flatMap(tag, (pool) => pool[key] as Effect.Effect<unknown>)
    const call = (operation: Operation) => (first: unknown, second: unknown, third: unknown) =>
      new Call(tag, operation, first, second, third)
    return Object.assign(tag, {
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
    }) as any
  }
}

type Operation = (pool: TaskPoolService, first: any, second: any, third: any) => unknown

// A call of the pool in the context, as an effect without closures: `submit` passes here for every task.
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
// To extend `Effectable.Class` would cost a chain of constructors for each call.
Object.setPrototypeOf(
  Call.prototype,
  Effectable.Prototype<any>({
    label: "TaskPool",
    evaluate({ context }) {
      return this.operation(Context.getUnsafe(context, this.tag), this.first, this.second, this.third)
    }
  })
)
