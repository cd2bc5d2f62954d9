/**
 * A task pool for programs of promises, without Effect in their code.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { Input as DurationInput } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Schedule } from "effect/Schedule"
import * as Scope from "effect/Scope"
import { isInstance } from "./internal/arguments.ts"
import { Call, callsOf, checkLayer, checkTask, promiseOf, reportOf, takeOptions } from "./internal/promises.ts"
import { onAbort, type Signal } from "./internal/signals.ts"
import type {
  ClearOptions,
  CloseOptions,
  ForEachOptions as PoolForEachOptions,
  ResizeOptions,
  RetryOptions,
  SubmitOptions as PoolSubmitOptions
} from "./PoolOptions.ts"
import type { CloseReport, PoolStats } from "./PoolStats.ts"
import type { TaskHandle, TaskState } from "./TaskHandle.ts"
import { TaskPool, type TaskPoolService } from "./TaskPool.ts"
import { TaskCancelled } from "./TaskPoolError.ts"

/**
 * A task pool whose operations take functions and return promises.
 *
 * **When to use**
 *
 * Use it in programs of promises. Programs of effects use `TaskPool`, whose types show what a task can fail with.
 *
 * **Details**
 *
 * A task is a function that returns a value or a promise. What it throws, or what its promise rejects with, rejects the
 * caller's promise with the same object. Two errors come from the pool itself: `NotAvailable` if the pool did not admit
 * the task, and `TaskCancelled` if it cancelled the task. Wrong arguments reject with a `TypeError` or a `RangeError`.
 *
 * When a `signal` aborts, the caller's promise rejects at once with the signal's `reason`. A waiting task never runs.
 * The function of a running task has a `signal` of its own, which aborts too.
 *
 * **Gotchas**
 *
 * A promise cannot be stopped from outside. If a function ignores its `signal`, its worker is released when the task is
 * aborted, but the function continues, beyond the pool's limit. Pass the `signal` to `fetch` and similar functions.
 *
 * **Example** (Limiting requests)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
 *
 * // Simulates `fetch(url, { signal })`.
 * const download = (path: string, _signal: AbortSignal) => Promise.resolve(`body of ${path}`)
 *
 * const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
 * const bodies = await Promise.all(
 *   ["/a", "/b", "/c", "/d"].map((path) => pool.submit(({ signal }) => download(path, signal)))
 * )
 * await pool.close()
 *
 * console.log(bodies[3]) // => "body of /d"
 * ```
 *
 * Guide: docs/guide/promises.md
 *
 * @category models
 * @since 0.1.0
 */
export interface PromisePool {
  /** The pool's name in errors and logs. */
  readonly name: string
  /**
   * Runs `fn` within the pool's limit and returns its result.
   *
   * **Details**
   *
   * When the queue is full, waits for a place or rejects with `NotAvailable`, as the pool's `onFull` says.
   *
   * A function that submits to its own pool lends its worker until the inner promise has settled.
   */
  readonly submit: <A>(fn: (task: PromiseTask) => A | PromiseLike<A>, options?: PromiseSubmitOptions) => Promise<A>
  /**
   * Submits `fn`, waits until the pool has admitted it, and returns a handle.
   *
   * **Details**
   *
   * If the task fails and no caller joins it, the failure is not reported anywhere. An abort also cancels an admitted
   * task.
   */
  readonly fork: <A>(
    fn: (task: PromiseTask) => A | PromiseLike<A>,
    options?: PromiseSubmitOptions
  ) => Promise<PromiseTaskHandle<A>>
  /**
   * Runs `fn` for each item as a task of the pool, and returns the results in the order of the items.
   *
   * **Details**
   *
   * An item is pulled only when the pool can take it, so the source may be infinite, or an async generator. If the pool
   * has no room when all pulled items have ended, one more is pulled, because the source may be at its end. The first
   * failure aborts the rest, and no further item starts.
   *
   * **Example** (Fetching many pages)
   *
   * ```ts
   * import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
   *
   * const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(2))
   * const pages = await pool.forEach([1, 2, 3], async (page) => `page ${page}`)
   * await pool.close()
   *
   * console.log(pages) // => ["page 1", "page 2", "page 3"]
   * ```
   */
  readonly forEach: PromiseForEach
  /** Returns an atomic snapshot of the pool's statistics. */
  readonly stats: () => Promise<PoolStats>
  /** Changes the number of workers by `delta` and returns the new target. */
  readonly scale: (delta: number, options?: ResizeOptions) => Promise<number>
  /** Sets the number of workers and returns the new target. */
  readonly resize: (size: number, options?: ResizeOptions) => Promise<number>
  /**
   * Stops admission, and returns whether the pool is paused now.
   *
   * **Details**
   *
   * New tasks reject with `NotAvailable`. Admitted tasks continue.
   */
  readonly pause: () => Promise<boolean>
  /** Ends the pause of `pause`, and returns whether the pool is paused now. */
  readonly resume: () => Promise<boolean>
  /**
   * Stops dispatch, and returns the function that resumes it.
   *
   * **Details**
   *
   * The pool still admits tasks, which wait. Holds nest: dispatch resumes when the last one is released.
   */
  readonly hold: () => Promise<() => void>
  /**
   * Stops dispatch for a time from now on: milliseconds or another Duration.
   *
   * **Details**
   *
   * A later call may extend the time, and never shortens it.
   */
  readonly holdFor: (duration: DurationInput) => Promise<void>
  /** Cancels the waiting tasks, or those of a `key` or a `label`, and returns how many. */
  readonly clear: (filter?: ClearOptions) => Promise<number>
  /** Waits until no task waits in the queue. */
  readonly awaitEmpty: () => Promise<void>
  /** Waits until no task waits and none runs. */
  readonly awaitIdle: () => Promise<void>
  /**
   * Closes the pool for good, with everything that its layer has acquired, and returns a report on its tasks.
   *
   * **Details**
   *
   * Admitted tasks continue (`mode: "drain"`, the default) or are aborted (`mode: "interrupt"`).
   *
   * **Gotchas**
   *
   * A task that closes its own pool would wait for itself, so the promise rejects.
   */
  readonly close: (options?: CloseOptions) => Promise<CloseReport>
  /** Closes the pool like `close()` when the block of an `await using` ends. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * The parameter that the function of a task gets.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromiseTask {
  /** Aborts when the caller's signal aborts, the handle cancels the task, or the pool interrupts it. */
  readonly signal: Signal
}

/**
 * A task that a pool has admitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromiseTaskHandle<out A> {
  /**
   * Waits for the task's result.
   *
   * **Details**
   *
   * Rejects with what the task throws, or with `TaskCancelled` if the task was cancelled.
   */
  readonly join: () => Promise<A>
  /**
   * Removes a waiting task from the queue, or aborts a running one.
   *
   * **Details**
   *
   * Does nothing if the task is done.
   */
  readonly cancel: () => Promise<void>
  /** Returns whether the task waits, runs, is between two attempts or is done. */
  readonly state: () => Promise<TaskState>
}

/**
 * Options of `submit` and `fork`: those of `TaskPool.submit`, and an `AbortSignal`.
 *
 * @category options
 * @since 0.1.0
 */
export interface PromiseSubmitOptions extends Omit<PoolSubmitOptions<unknown>, "retry"> {
  /** Ends the task when it aborts, default none. */
  readonly signal?: Signal | undefined
  /** When the task is tried again after a failure, default never. Between two attempts the task has no worker. */
  readonly retry?: PromiseRetry | Schedule<unknown> | undefined
}

/**
 * Options of `forEach`: those of `TaskPool.forEach`, and an `AbortSignal`.
 *
 * @category options
 * @since 0.1.0
 */
export interface PromiseForEachOptions<A = any> extends Omit<PoolForEachOptions<A, unknown>, "retry"> {
  /** Ends the traversal when it aborts, default none. */
  readonly signal?: Signal | undefined
  /** When the task of an item is tried again, default never. Between two attempts the task has no worker. */
  readonly retry?: PromiseRetry | Schedule<unknown> | undefined
}

/**
 * When a failed task is tried again: `RetryOptions`, or a delay instead of a schedule.
 *
 * Guide: docs/guide/retries.md
 *
 * @category options
 * @since 0.1.0
 */
export interface PromiseRetry extends RetryOptions<unknown> {
  /**
   * The time before the next attempt: milliseconds or another Duration, or a function that returns it, given the number
   * of failed attempts (from 1). Default 0. Excludes `schedule`.
   */
  readonly delay?: DurationInput | ((attempt: number) => DurationInput) | undefined
}

/**
 * The type of `forEach`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromiseForEach {
  <A, B, const Discard extends boolean | undefined = undefined>(
    items: Iterable<A> | AsyncIterable<A>,
    fn: (item: A, index: number, task: PromiseTask) => B | PromiseLike<B>,
    options?: PromiseForEachOptions<NoInfer<A>> & { readonly discard?: Discard }
  ): Promise<Discard extends true ? void : Array<B>>
}

/**
 * The constructor of pools for programs of promises.
 *
 * @category constructors
 * @since 0.1.0
 */
export const PromisePool: {
  /**
   * Makes a pool from the layer of one of the six pools.
   *
   * **Details**
   *
   * Rejects if the layer cannot be built.
   *
   * **Gotchas**
   *
   * Close the pool when the program no longer needs it, with `close` or `await using`.
   */
  readonly make: (layer: Layer.Layer<TaskPool, unknown>) => Promise<PromisePool>
} = {
  make: (layer) => promiseOf(Context.empty(), () => ({ effect: makePool(layer) }))
}

const makePool = (layer: Layer.Layer<TaskPool, unknown>): Effect.Effect<PromisePool, unknown> => {
  const where = "PromisePool.make"
  checkLayer(where, layer)
  const scope = Scope.makeUnsafe()
  // Not the memo map of a task that makes a pool: the same layer would be that task's own pool.
  return Effect.map(Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope), (context) => {
    const pool = Context.getOrUndefined(context, TaskPool)
    if (pool !== undefined) return poolOf(pool, context, scope)
    throw new TypeError(`${where}: the layer must provide TaskPool, and no other tag`)
  }).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
}

const poolOf = (pool: TaskPoolService, context: Context.Context<never>, scope: Scope.Closeable): PromisePool => {
  const promise = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => promiseOf(context, () => ({ effect }))

  // Not within the task that calls: it does not wait for these effects, so it must not lend its worker.
  const inBackground = (effect: Effect.Effect<unknown, unknown>, onEnd = (): void => {}): void => {
    Effect.runForkWith(context)(effect).addObserver(onEnd)
  }

  // All closers wait until everything is released.
  const released = Effect.runSync(Effect.cached(Scope.close(scope, Exit.void)))
  const close = (options?: CloseOptions) =>
    Effect.map(
      Effect.tap(pool.close(options), () => released),
      reportOf
    )

  const handleOf = (handle: TaskHandle<any, unknown>, signal: Signal | undefined): PromiseTaskHandle<any> => {
    let aborted = false
    // A plain `try`: a signal is user code. If the call fails, its task must not continue.
    try {
      const forget = onAbort(signal, () => {
        aborted = true
        inBackground(handle.cancel)
      })
      if (signal !== undefined) inBackground(handle.await, forget)
    } catch (error) {
      inBackground(handle.cancel)
      throw error
    }
    return {
      join: () =>
        promise(Effect.mapError(handle.join, (error) => (aborted && isCancelled(error) ? signal!.reason : error))),
      cancel: () => promise(handle.cancel),
      state: () => promise(handle.state)
    }
  }

  return {
    name: pool.name,
    submit: (fn, given) =>
      promiseOf(context, () => {
        const where = "PromisePool.submit"
        const { options, signal } = takeOptions(where, given)
        return { effect: pool.submit(new Call(where, checkTask(where, fn), [], signal), options), signal }
      }),
    fork: (fn, given) =>
      promiseOf(context, () => {
        const where = "PromisePool.fork"
        const { options, signal } = takeOptions(where, given)
        const forked = pool.fork(new Call(where, checkTask(where, fn), [], signal), options)
        return { effect: Effect.map(forked, (handle) => handleOf(handle, signal)), signal }
      }),
    forEach: (
      items: Iterable<unknown> | AsyncIterable<unknown>,
      fn: (item: any, index: number, task: PromiseTask) => unknown,
      given?: PromiseForEachOptions
    ): Promise<any> =>
      promiseOf(context, () => {
        const where = "PromisePool.forEach"
        const { options, signal } = takeOptions(where, given, true)
        return {
          effect: pool.forEach(items, callsOf(where, checkTask(where, fn), signal), options),
          signal
        }
      }),
    stats: () => promise(pool.stats),
    scale: (delta, options) => promise(pool.scale(delta, options)),
    resize: (size, options) => promise(pool.resize(size, options)),
    pause: () => promise(pool.pause),
    resume: () => promise(pool.resume),
    hold: () => {
      const held = Scope.makeUnsafe()
      const release = () => void promise(Scope.close(held, Exit.void))
      return promise(Effect.as(Scope.provide(pool.holdDispatch, held), release))
    },
    holdFor: (duration) => promise(pool.holdFor(duration)),
    clear: (filter) => promise(pool.clear(filter)),
    awaitEmpty: () => promise(pool.awaitEmpty),
    awaitIdle: () => promise(pool.awaitIdle),
    close: (options) => promise(close(options)),
    [Symbol.asyncDispose]: () => promise(Effect.asVoid(close()))
  }
}

const isCancelled = (error: unknown): boolean => isInstance(error, TaskCancelled) && error.reason === "Cancelled"
