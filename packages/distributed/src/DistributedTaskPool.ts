/**
 * Defines what a distributed pool can do: it limits how many tasks run at once over all processes.
 *
 * This module has the tags of distributed pools, with all operations as statics. It also exports the types of
 * `DistributedTaskPoolOptions` and `DistributedTaskPoolService`.
 *
 * @since 0.1.0
 */
import type { TaskPool } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TaskHandler } from "./DistributedTask.ts"
import type { DistributedPoolOptions, WorkerOptions } from "./DistributedTaskPoolOptions.ts"
import type { DistributedTaskPoolService, Operations } from "./DistributedTaskPoolService.ts"
import { makeLocal } from "./internal/local/layer.ts"
import { checkWorker } from "./internal/runner.ts"

export type * from "./DistributedTaskPoolOptions.ts"
export type * from "./DistributedTaskPoolService.ts"

/**
 * The statics of a tag: the operations of its pool, and the layer of a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statics<in out Self> extends Operations<Self> {
  /**
   * Runs tasks of the pool in this process as long as the layer lives.
   *
   * **Details**
   *
   * When the layer's scope closes, the worker takes no more tasks. Its running tasks continue for `drainTimeout`. After
   * that they are interrupted and handed back to the pool, where they run again: they are not cancelled, and the attempt
   * does not count.
   *
   * If a handler closes the scope of its own worker, the worker ends in the background, and waits for the handler as for
   * the others.
   *
   * The layer needs the pool and the services of the handlers. It does not wait until the broker is reachable.
   *
   * Throws `RangeError` or `TypeError` if an argument is not valid.
   */
  readonly worker: <R = never>(
    handlers: ReadonlyArray<TaskHandler<R>>,
    options: WorkerOptions
  ) => Layer.Layer<never, never, Self | Exclude<R, Scope>>
}

/**
 * A tag for a distributed pool, with all operations as statics.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag<Self, Id extends string> = Context.ServiceClass<Self, Id, DistributedTaskPoolService> & Statics<Self>

/**
 * The tag that a pool's layer provides.
 *
 * @category options
 * @since 0.1.0
 */
export interface TagOption<Self> {
  /** The tag to provide, default `DistributedTaskPool`. */
  readonly tag?: Context.Key<Self, DistributedTaskPoolService> | undefined
}

/**
 * The distributed pool that a program sends its tasks to: a service, with every operation also as a static.
 *
 * **When to use**
 *
 * Use it when work outgrows one machine. It is not a `TaskPool`: functions cannot travel, so a task is a name, a payload
 * and their schemas.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category services
 * @since 0.1.0
 */
export class DistributedTaskPool extends makeTag<DistributedTaskPool>()(
  "@aio-task-pool/distributed/DistributedTaskPool"
) {
  /** Makes a tag for another pool: `class Images extends DistributedTaskPool.Tag<Images>()("app/Images") {}`. */
  static readonly Tag = makeTag

  /**
   * Provides a distributed pool that lives in this process, over one of the six pools of the core.
   *
   * **When to use**
   *
   * Use it in tests, while developing, and until a program needs a second machine. The same program then runs with the
   * layer of a broker.
   *
   * **Details**
   *
   * `pool` is the layer of one of the six pools, without `capacity`. Its other options apply: the size, `rate`, `ageing`,
   * `classify`, `shutdown`. The layer builds the pool for itself alone.
   *
   * Payloads and results are encoded and decoded as for a broker. `worker` in the same program runs the tasks. When the
   * layer's scope closes, the pool drains or interrupts as the core's does. Delayed tasks, and tasks that no worker is
   * left for, are cancelled then.
   *
   * Throws `RangeError` if an option is out of range.
   *
   * **Gotchas**
   *
   * A worker's layer closes before its pool, and takes no more tasks then. To finish the tasks that wait, call `close()` at
   * the end of the program.
   *
   * Tasks and results are lost when the process ends. Kept results take memory for `resultTtl`. The results of `submit`
   * and `forEach` are kept only for tasks with an `id`.
   *
   * **Example** (Running without a broker)
   *
   * ```ts
   * import { AioFixedTaskPoolPriority } from "@aio-task-pool/core"
   * import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
   * import { Effect, Layer, Schema } from "effect"
   *
   * class Numbers extends DistributedTaskPool.Tag<Numbers>()("app/Numbers") {}
   *
   * const Double = DistributedTask.make("double", { payload: Schema.Int, success: Schema.Int })
   *
   * const worker = Numbers.worker([Double.handle((n) => Effect.succeed(n * 2))], { concurrency: 8 })
   * const pool = DistributedTaskPool.layerLocal(AioFixedTaskPoolPriority.layer(20), { tag: Numbers, name: "numbers" })
   *
   * const program = Numbers.submit(Double, 21, { weight: 1 })
   * await Effect.runPromise(Effect.provide(program, Layer.provideMerge(worker, pool))) // => 42
   * ```
   */
  static readonly layerLocal = <E = never, R = never, Self = DistributedTaskPool>(
    pool: Layer.Layer<TaskPool, E, R>,
    options: DistributedPoolOptions & TagOption<Self>
  ): Layer.Layer<Self, E, Exclude<R, Scope>> => {
    const made = makeLocal("DistributedTaskPool.layerLocal", pool, options)
    return Layer.effect((options.tag ?? DistributedTaskPool) as Context.Key<Self, DistributedTaskPoolService>, made)
  }
}

function makeTag<Self>() {
  return <const Id extends string>(id: Id): Tag<Self, Id> => {
    const tag = Context.Service<Self, DistributedTaskPoolService>()(id)
    const value = (key: keyof Operations<never>) =>
      Effect.flatMap(tag, (pool) => pool[key] as Effect.Effect<unknown, unknown>)
    const call =
      (key: keyof Operations<never>) =>
      (...args: ReadonlyArray<unknown>) =>
        Effect.flatMap(tag, (pool) =>
          (pool[key] as (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>)(...args)
        )
    // A missing operation does not compile.
    const statics = {
      submit: call("submit"),
      fork: call("fork"),
      attach: call("attach"),
      forEach: call("forEach"),
      scale: call("scale"),
      resize: call("resize"),
      holdDispatch: value("holdDispatch"),
      releaseDispatch: value("releaseDispatch"),
      pause: value("pause"),
      resume: value("resume"),
      stats: value("stats"),
      events: Stream.unwrap(Effect.map(tag, (pool) => pool.events)),
      close: call("close"),
      worker: (handlers: ReadonlyArray<TaskHandler<any>>, options: WorkerOptions) => {
        // A constructor throws where it is called, not where the layer is built.
        checkWorker(`${id}.worker`, handlers, options)
        return Layer.effectDiscard(Effect.flatMap(tag, (pool) => pool.worker(handlers, options)))
      }
    } satisfies Record<keyof Statics<Self>, unknown>
    return Object.assign(tag, statics) as any
  }
}
