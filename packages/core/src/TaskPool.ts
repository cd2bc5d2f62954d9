/**
 * Defines what every pool can do: it limits how many tasks run at once.
 *
 * This module has the service that the six pools provide, and its statics. It also exports the types of `PoolOptions`,
 * `PoolEvent`, `PoolStats` and `Rate`.
 *
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
import type { Fiber } from "effect/Fiber"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Executor } from "./Executor.ts"
import type { ExecutorError } from "./ExecutorError.ts"
import { isTask, pipeable, type TaskOperation } from "./internal/pipeable.ts"
import { evaluateNow } from "./internal/runtime/evaluate.ts"
import type { Job } from "./Job.ts"
import type { PoolEvent } from "./PoolEvent.ts"
import type {
  ClearOptions,
  CloseOptions,
  ForEachOptions,
  MapEffectOptions,
  ResizeOptions,
  SubmitBlockingArguments,
  SubmitOptions
} from "./PoolOptions.ts"
import type { InspectOptions, PoolDecision, PoolInspection } from "./PoolInspection.ts"
import type { CloseReport, KeyStats, PoolStats } from "./PoolStats.ts"
import type { Cost } from "./Rate.ts"
import type { TaskHandle } from "./TaskHandle.ts"
import type { NotAvailable, TaskCancelled } from "./TaskPoolError.ts"

export type * from "./PoolEvent.ts"
export type * from "./PoolInspection.ts"
export type * from "./PoolOptions.ts"
export type * from "./PoolStats.ts"
export type * from "./Rate.ts"

/**
 * The operations of a pool.
 *
 * **Details**
 *
 * `Self` is what a caller must provide: nothing for the service itself, the tag for its statics.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operations<in out Self> extends PoolClosures<Self>, PoolJobs<Self>, PoolControl<Self> {}

/**
 * The operations that run effects and functions of this process as tasks of a pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolClosures<in out Self> {
  /**
   * Runs a task within the pool's limit and waits for its result.
   *
   * **Details**
   *
   * When the queue is full, waits for a place or fails, as `onFull` says. The task's own success, failure, defect or
   * interruption becomes the result unchanged. Fails with `NotAvailable` if the pool does not admit the task, and with
   * `TaskCancelled` if it cancels the task.
   *
   * Interrupting the caller removes a waiting task from the queue at once, so that it never runs. A running task is
   * interrupted, and its finalizers are awaited.
   *
   * The task is an Effect, or a function that returns one. The pool calls the function with `args` when it dispatches
   * the task. The task runs in its own fiber with the caller's services, references, span and async context.
   *
   * A task that submits to its own pool lends its worker while it waits, so that nested work continues even on one
   * worker (the pool's option `nested`).
   *
   * In a pipe, `submit(options?)` takes the effect. So do `fork` and `submitNowait`.
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
   *   const three = yield* double(3).pipe(TaskPool.submit({ weight: 1 }))
   *   return [one, two, three]
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))) // => [2, 4, 6]
   * ```
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly submit: Submit<Self>
  /**
   * Submits a task, waits until it is admitted, and returns its handle.
   *
   * **Details**
   *
   * When the queue is full, waits for a place or fails with `NotAvailable`, as `onFull` says. Interrupting a caller that
   * waits at the door removes its task. An admitted task no longer depends on the caller. A failure that no caller joins
   * is not reported anywhere.
   *
   * **Example** (Starting now and joining later)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = Effect.gen(function* () {
   *   const handle = yield* TaskPool.fork(Effect.succeed("done"))
   *   return yield* handle.join
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))) // => "done"
   * ```
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly fork: Fork<Self>
  /**
   * Submits a task without waiting, and returns its handle.
   *
   * **Details**
   *
   * Fails with `NotAvailable` if the pool cannot admit the task now.
   *
   * **Example** (Dropping a task when the queue is full)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = Effect.gen(function* () {
   *   const running = yield* TaskPool.submitNowait(Effect.never)
   *   const dropped = yield* Effect.flip(TaskPool.submitNowait(Effect.succeed("too much")))
   *   yield* running.cancel
   *   return dropped.reason
   * })
   *
   * const layer = AioFixedTaskPoolSimple.layer(1, { capacity: 0 })
   * await Effect.runPromise(Effect.provide(program, layer)) // => "QueueFull"
   * ```
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly submitNowait: Fork<Self>
  /**
   * Runs `f` for each item as a task of the pool, and returns the results in the order of the items.
   *
   * **Details**
   *
   * An item is pulled only when the pool can take it, so infinite iterables and slow AsyncIterables work, and no fiber
   * waits per item. At most one pulled item waits in the queue. If the pool has no room when all pulled items have
   * ended, one more is pulled, because the source may be at its end. The request for the next item queues behind all other
   * submitters. If the queue is full, the request waits at the door, whatever `onFull` says. The first failure
   * interrupts the rest, and no further item starts.
   *
   * When the pool is paused or closes, or the source throws (a defect), no more items are pulled. The effect fails when
   * the submitted tasks have settled. It does not wait for an item that the source has not delivered. If all items of an
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
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly forEach: ForEach<Self>
  /**
   * Runs a tuple, an iterable or a record of effects as tasks of the pool, and returns their results in the same shape.
   *
   * **Details**
   *
   * Behaves like `forEach` in all other respects.
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
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly all: All<Self>
  /**
   * Maps a stream with effects that run as tasks of the pool, within its limit, order and statistics.
   *
   * **Details**
   *
   * An element is pulled when the task of the one before has started and fewer than `bufferSize` results wait to be
   * taken. Results are emitted in the order of the elements, or with `unordered` in the order of completion. The first
   * failure interrupts the other tasks, and fails the stream behind the results that it has. What the upstream holds in
   * its scope is released after the tasks have ended.
   *
   * Takes the stream first, or last in a pipe.
   *
   * **Example** (Mapping a stream)
   *
   * ```ts
   * import { Effect, Stream } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const doubled = Stream.range(1, 3).pipe(TaskPool.mapEffect((n) => Effect.succeed(n * 2)))
   * const program = Stream.runCollect(doubled)
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(2))) // => [2, 4, 6]
   * ```
   *
   * Guide: docs/guide/getting-started.md
   */
  readonly mapEffect: MapEffect<Self>
  /**
   * Changes the cost of the task that runs this effect by differences of either sign: `{ tokens: actual - estimated }`.
   *
   * **Details**
   *
   * The corrected cost is at least 0. A larger cost may push the window above the limit: then no task starts until the
   * window is below it. A smaller cost may let the next task start in the same step. If the window has passed since the
   * task's start, nothing changes.
   *
   * Dies if it does not run in a task of the pool. Dies with `RangeError` if a number is not finite or if no rate has
   * the unit.
   *
   * **Example** (Correcting an estimate)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * // Simulates a request that was estimated at 100 tokens and took 40.
   * const request = Effect.gen(function* () {
   *   yield* TaskPool.adjustCost({ tokens: 40 - 100 })
   *   return "answer"
   * })
   *
   * const program = TaskPool.submit(request, { cost: { tokens: 100 } })
   * const rate = { limit: 1000, window: "1 minute", unit: "tokens" } as const
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3, { rate }))) // => "answer"
   * ```
   *
   * Guide: docs/guide/rates.md
   */
  readonly adjustCost: (cost: Cost) => Effect.Effect<void, never, Self>
}

/**
 * The operations that run jobs as tasks of a pool.
 *
 * **Details**
 *
 * A job has a name and plain arguments, so that it can run on a thread or in another process.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolJobs<in out Self> {
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
   * result. When it has passed, the job is interrupted and the effect fails with `TimeoutError`. `Effect.timeout` around
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
   *
   * Guide: docs/guide/blocking-work.md
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
}

/**
 * The operations that control and observe a pool: its size, admission, dispatch, statistics and end.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolControl<in out Self> {
  /**
   * Changes the number of workers by `delta`, a safe integer, and returns the new target.
   *
   * **Details**
   *
   * The change does not wait for queued tasks. The target is clamped to 0 or more (fixed pools) or to [minSize, maxSize]
   * (auto-scale pools). With `mode: "soft"`, the default, surplus workers finish their current task.
   *
   * With `mode: "hard"`, idle workers retire first. If that is not enough, the newest running tasks are interrupted, and
   * their submitters get `TaskCancelled` (`"ScaledDown"`). The effect returns after their finalizers. A task that ends
   * by itself meanwhile keeps its own result.
   *
   * Dies with `RangeError`, and changes nothing, if `delta` is not a safe integer.
   *
   * Guide: docs/guide/scaling.md
   */
  readonly scale: (delta: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /**
   * Sets the number of workers, an integer of 0 or more or `Infinity`, and returns the new target.
   *
   * **Details**
   *
   * Behaves like `scale` in all other respects.
   *
   * Guide: docs/guide/scaling.md
   */
  readonly resize: (size: number, options?: ResizeOptions) => Effect.Effect<number, never, Self>
  /**
   * Waits until at most as many workers are busy as the target allows.
   *
   * Guide: docs/guide/scaling.md
   */
  readonly awaitResized: Effect.Effect<void, never, Self>
  /**
   * Stops admission, and returns whether the pool is paused now.
   *
   * **Details**
   *
   * New tasks, and those at the door, fail with `NotAvailable` (`"Paused"`). Admitted tasks continue. Does nothing if
   * the pool is already paused or is not open.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly pause: Effect.Effect<boolean, never, Self>
  /**
   * Ends the pause of `pause`, and returns whether the pool is paused now.
   *
   * **Details**
   *
   * A pool stays paused while an effect in `withPaused` runs.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly resume: Effect.Effect<boolean, never, Self>
  /**
   * Pauses an open pool or resumes a paused one, and returns whether the pool is paused now.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly togglePause: Effect.Effect<boolean, never, Self>
  /**
   * Runs an effect while the pool is paused.
   *
   * **Details**
   *
   * The pool stays paused until the last of these effects has ended. `resume` does not end their pauses.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly withPaused: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Self>
  /**
   * Stops dispatch until the scope closes.
   *
   * **Details**
   *
   * The pool still admits tasks, which wait. Running tasks continue. Holds nest: dispatch resumes when the last one has
   * ended. Closing the pool ends them all.
   *
   * **Example** (Collecting tasks before the first one starts)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
   *
   * const order: Array<string> = []
   * const task = (name: string) => Effect.sync(() => order.push(name))
   *
   * const program = Effect.gen(function* () {
   *   yield* Effect.scoped(
   *     Effect.gen(function* () {
   *       yield* TaskPool.holdDispatch
   *       yield* TaskPool.fork(task("later"), { weight: 2 })
   *       yield* TaskPool.fork(task("first"), { weight: 1 })
   *     })
   *   )
   *   yield* TaskPool.awaitIdle
   *   return order
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolPriority.layer(1))) // => ["first", "later"]
   * ```
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly holdDispatch: Effect.Effect<void, never, Scope | Self>
  /**
   * Runs an effect while dispatch is stopped, as by `holdDispatch`.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly withDispatchHeld: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Self>
  /**
   * Stops dispatch for a Duration from now on, such as a server's `Retry-After`.
   *
   * **Details**
   *
   * A later call may extend the time, and never shortens it. The hold continues while the pool drains. Dies with
   * `RangeError` if the Duration is negative or invalid.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly holdFor: (duration: DurationInput) => Effect.Effect<void, never, Self>
  /**
   * Stops dispatch, waits until no worker is busy, runs an effect, and resumes dispatch.
   *
   * **Details**
   *
   * Does not wait for tasks that lend their workers: these wait for other tasks, which the hold may keep waiting. Dies in
   * a task of the pool, because the task would wait for itself.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly withQuiesced: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Self>
  /**
   * Cancels waiting tasks, and returns how many.
   *
   * **Details**
   *
   * `options` select the tasks, default all, including those between two attempts. Their submitters get `TaskCancelled`
   * (`"Cleared"`). Running tasks continue. Submitters at the door take the free places.
   *
   * **Example** (Cancelling the waiting tasks of a label)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = Effect.gen(function* () {
   *   const running = yield* TaskPool.fork(Effect.never)
   *   yield* TaskPool.fork(Effect.void, { label: "preview" })
   *   yield* TaskPool.fork(Effect.void, { label: "report" })
   *   const cancelled = yield* TaskPool.clear({ label: "preview" })
   *   yield* running.cancel
   *   return cancelled
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(1))) // => 1
   * ```
   *
   * Guide: docs/guide/overflow.md
   */
  readonly clear: (options?: ClearOptions) => Effect.Effect<number, never, Self>
  /** Waits until no task waits in the queue. */
  readonly awaitEmpty: Effect.Effect<void, never, Self>
  /**
   * Waits until no task waits, none runs and none is between two attempts.
   *
   * **Details**
   *
   * Dies in a task of the pool, because the task would wait for itself. So it does, like `awaitEmpty`, `awaitResized` and
   * `withQuiesced`, in a task of another pool for which this pool's tasks wait, if one of the pools has `nested: "fail"`.
   *
   * Guide: docs/guide/holding-and-pausing.md
   */
  readonly awaitIdle: Effect.Effect<void, never, Self>
  /**
   * Waits until the statistics satisfy a predicate.
   *
   * **Details**
   *
   * The predicate is checked now and after each change. Dies with what the predicate throws.
   *
   * **Gotchas**
   *
   * A task that waits until its own pool is idle waits forever.
   *
   * **Example** (Waiting for a short queue)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   *
   * const program = Effect.gen(function* () {
   *   for (let page = 0; page < 10; page++) yield* TaskPool.fork(Effect.yieldNow)
   *   yield* TaskPool.awaitStats((stats) => stats.waiting < 5)
   *   return (yield* TaskPool.stats).waiting
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(1))) // => 4
   * ```
   */
  readonly awaitStats: (predicate: (stats: PoolStats) => boolean) => Effect.Effect<void, never, Self>
  /** Returns an atomic snapshot of the pool's statistics. */
  readonly stats: Effect.Effect<PoolStats, never, Self>
  /**
   * Returns an atomic snapshot of the pool and of its tasks.
   *
   * **Details**
   *
   * Lists up to 100 running, 100 waiting and 100 delayed tasks, or as many as `options` say, and up to 100 at the door.
   * The time it takes depends on the number of listed tasks, not on the number of waiting ones.
   *
   * Dies with `RangeError` if a number is negative or not an integer.
   *
   * **Example** (Listing the tasks)
   *
   * ```ts
   * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
   * import { Effect } from "effect"
   *
   * const program = Effect.gen(function* () {
   *   const running = yield* TaskPool.fork(Effect.never, { label: "first" })
   *   yield* TaskPool.fork(Effect.void, { label: "second" })
   *   const { tasks } = yield* TaskPool.inspect()
   *   yield* running.cancel
   *   return tasks.map((task) => `${task.label}: ${task.state}`)
   * })
   *
   * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(1))) // => ["first: Running", "second: Waiting"]
   * ```
   *
   * Guide: docs/guide/looking.md
   */
  readonly inspect: (options?: InspectOptions) => Effect.Effect<PoolInspection, never, Self>
  /**
   * Returns how many tasks of a key wait and how many run.
   *
   * **Details**
   *
   * Visits the running tasks. Dies with `TypeError` if the key is neither a string nor a number.
   *
   * Guide: docs/guide/fairness-and-keys.md
   */
  readonly statsOf: (key: string | number) => Effect.Effect<KeyStats, never, Self>
  /**
   * Returns the last decisions on an auto-scale pool's size as a table, oldest first, one per line.
   *
   * **Details**
   *
   * A line has the time, the reason and the measurements. `last` is the number of decisions, an integer of 0 or more,
   * default 20. Dies with `RangeError` for another number. The pool keeps 256. A fixed pool returns one sentence.
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
   *
   * Guide: docs/guide/scaling.md
   */
  readonly explain: (last?: number) => Effect.Effect<string, never, Self>
  /**
   * Returns the last decisions on an auto-scale pool's size, oldest first.
   *
   * **Details**
   *
   * `last` is the number of decisions, an integer of 0 or more, default 20. Dies with `RangeError` for another number.
   * The pool keeps 256. A fixed pool decides nothing, so its list is empty.
   *
   * Guide: docs/guide/looking.md
   */
  readonly decisions: (last?: number) => Effect.Effect<ReadonlyArray<PoolDecision>, never, Self>
  /**
   * Emits the pool's events from now on, until the pool's scope has closed.
   *
   * **Details**
   *
   * Each reader has a buffer of 256 events. A slow reader loses the oldest events and never slows the pool. A reader of
   * a closed pool gets `Closed` first.
   *
   * Guide: docs/guide/scaling.md
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
   * Several fibers may close the pool, and all get the same report. A later `close` with `mode: "interrupt"` ends a
   * drain, and may shorten `interruptTimeout`. One that drains changes nothing. The end of the pool's scope may shorten
   * both timeouts. Closing continues if its caller is interrupted.
   *
   * **Gotchas**
   *
   * A task that closes its own pool would wait for itself, so the effect dies.
   *
   * `holdFor` and `rate` still delay tasks while the pool drains. If a task's `retry` never ends, a drain without
   * `drainTimeout` never ends either.
   *
   * Guide: docs/guide/shutting-down.md
   */
  readonly close: Close<Self>
  /**
   * Reopens a pool that `close` closed, with its last target.
   *
   * **Details**
   *
   * Does nothing on an open pool. If the pool is closing, waits until it has closed. Fails with `NotAvailable`
   * (`"Closed"`) if the pool's scope has closed.
   *
   * Guide: docs/guide/shutting-down.md
   */
  readonly start: Effect.Effect<void, NotAvailable, Self>
}

/**
 * The service of a pool's tag: `TaskPool["Service"]`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskPoolService extends Operations<never> {
  /** The pool's name in errors and logs. */
  readonly name: string
}

/**
 * The type of `close`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Close<Self> {
  (options: CloseOptions & { readonly collect: true }): Effect.Effect<Required<CloseReport>, never, Self>
  (options?: CloseOptions): Effect.Effect<CloseReport, never, Self>
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
    options: SubmitOptions<NoInfer<E>> & { readonly args: Readonly<NoInfer<Args>> }
  ): Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
  <A, E, R>(
    task: () => Effect.Effect<A, E, R>,
    options?: SubmitOptions<NoInfer<E>>
  ): Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
  (
    options?: SubmitOptions
  ): <A, E, R>(task: Effect.Effect<A, E, R>) => Effect.Effect<A, E | NotAvailable | TaskCancelled, R | Self>
  <A, E, R>(
    task: Effect.Effect<A, E, R>,
    options?: SubmitOptions<NoInfer<E>>
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
    options: SubmitOptions<NoInfer<E>> & { readonly args: Readonly<NoInfer<Args>> }
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
  <A, E, R>(
    task: () => Effect.Effect<A, E, R>,
    options?: SubmitOptions<NoInfer<E>>
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
  (
    options?: SubmitOptions
  ): <A, E, R>(task: Effect.Effect<A, E, R>) => Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
  <A, E, R>(
    task: Effect.Effect<A, E, R>,
    options?: SubmitOptions<NoInfer<E>>
  ): Effect.Effect<TaskHandle<A, E>, NotAvailable, R | Self>
}

/**
 * The type of `forEach`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForEach<Self> {
  <A, B, E, R, const Discard extends boolean | undefined = undefined>(
    items: Iterable<A> | AsyncIterable<A>,
    f: (item: A, index: number) => Effect.Effect<B, E, R>,
    options?: ForEachOptions<NoInfer<A>, NoInfer<E>> & { readonly discard?: Discard }
  ): Effect.Effect<Discard extends true ? void : Array<B>, E | NotAvailable | TaskCancelled, R | Self>
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
 * The type of `mapEffect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MapEffect<Self> {
  <A, E, R, B, E2, R2>(
    stream: Stream.Stream<A, E, R>,
    f: (element: A, index: number) => Effect.Effect<B, E2, R2>,
    options?: MapEffectOptions<NoInfer<A>, NoInfer<E2>>
  ): Stream.Stream<B, E | E2 | NotAvailable | TaskCancelled, R | R2 | Self>
  <A, B, E2, R2>(
    f: (element: A, index: number) => Effect.Effect<B, E2, R2>,
    options?: MapEffectOptions<NoInfer<A>, NoInfer<E2>>
  ): <E, R>(stream: Stream.Stream<A, E, R>) => Stream.Stream<B, E | E2 | NotAvailable | TaskCancelled, R | R2 | Self>
}

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
 * of the program. If the program needs several pools, make a tag for each with `TaskPool.Tag`.
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
 * Guide: docs/guide/getting-started.md
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
    const taskCall = (operationOf: (pool: TaskPoolService) => TaskOperation) => {
      const operation: Operation = (pool, task, options, _, fiber) => {
        const own = operationOf(pool)
        return own.inFiber === undefined ? own(task, options) : own.inFiber(fiber, task, options)
      }
      // The service knows its options.
      const piped: Operation = (pool, options, task) => operationOf(pool)(options)(task)
      const taskLast = (options: unknown, refusal: Call) =>
        pipeable(refusal, (task) => new Call(tag, piped, options, task, undefined))
      return (task: unknown, options?: unknown) => {
        const submission = new Call(tag, operation, task, options, undefined)
        return options !== undefined || isTask(task) ? submission : taskLast(task, submission)
      }
    }
    // A missing operation does not compile.
    const statics = {
      submit: taskCall((pool) => pool.submit),
      fork: taskCall((pool) => pool.fork),
      submitNowait: taskCall((pool) => pool.submitNowait),
      forEach: call((pool, items, f, options) => pool.forEach(items, f, options)),
      all: call((pool, effects, options) => pool.all(effects, options)),
      mapEffect: (first: any, second?: any, third?: any) => {
        const map = (stream: Stream.Stream<any>, f: any, options: any) =>
          Stream.unwrap(Effect.map(tag, (pool) => pool.mapEffect(stream, f, options)))
        return typeof first === "function"
          ? (stream: Stream.Stream<any>) => map(stream, first, second)
          : map(first, second, third)
      },
      explain: call((pool, last) => pool.explain(last)),
      inspect: call((pool, options) => pool.inspect(options)),
      decisions: call((pool, last) => pool.decisions(last)),
      submitBlocking: call((pool, job, options) => pool.submitBlocking(job, options)),
      scale: call((pool, delta, options) => pool.scale(delta, options)),
      resize: call((pool, size, options) => pool.resize(size, options)),
      close: call((pool, options) => pool.close(options)),
      withPaused: call((pool, effect) => pool.withPaused(effect)),
      holdDispatch: value("holdDispatch"),
      withDispatchHeld: call((pool, effect) => pool.withDispatchHeld(effect)),
      holdFor: call((pool, duration) => pool.holdFor(duration)),
      withQuiesced: call((pool, effect) => pool.withQuiesced(effect)),
      clear: call((pool, options) => pool.clear(options)),
      awaitStats: call((pool, predicate) => pool.awaitStats(predicate)),
      statsOf: call((pool, key) => pool.statsOf(key)),
      adjustCost: call((pool, cost) => pool.adjustCost(cost)),
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

type Operation = (pool: TaskPoolService, first: any, second: any, third: any, fiber: Fiber<any, any>) => unknown

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
    evaluate(fiber) {
      const pool = Context.getUnsafe(fiber.context, this.tag)
      return evaluateNow(this.operation(pool, this.first, this.second, this.third, fiber), fiber)
    }
  })
)
