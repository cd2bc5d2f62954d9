/**
 * A task pool with a fixed number of workers, last in, first out.
 *
 * @since 0.1.0
 */
import { fixedPool } from "./internal/constructors.ts"
import { lifo } from "./QueueDiscipline.ts"

const pool = fixedPool("AioFixedTaskPoolLifo", lifo)

/**
 * A layer with the pool, which closes with the layer's scope: drains when it ends well, interrupts when it ends by
 * failure or interruption.
 *
 * **Details**
 *
 * `layer(size = 3, options)` or `layer(options)`. `options.tag` says which tag to provide, default `TaskPool`. Throws
 * `RangeError` when an option is out of its range.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolLifo, TaskPool } from "@aio-task-pool/core"
 *
 * const program = TaskPool.submit(Effect.succeed("done"))
 * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolLifo.layer(3))) // => "done"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = pool.layer

/**
 * As `layer`, with the size or the options from `Config`. Fails with `ConfigError` when a value is missing or out of its range.
 *
 * **Example** (Reading the size from the configuration)
 *
 * ```ts
 * import { Config, Effect } from "effect"
 * import { AioFixedTaskPoolLifo, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.map(TaskPool.stats, (stats) => stats.targetSize)
 * const layer = AioFixedTaskPoolLifo.layerConfig({ size: Config.succeed(2) })
 * await Effect.runPromise(Effect.provide(program, layer)) // => 2
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = pool.layerConfig

/**
 * The pool without a layer: it lives as long as the scope.
 *
 * **Example** (Making a pool in a scope)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolLifo } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   const pool = yield* AioFixedTaskPoolLifo.make({ size: 2 })
 *   return yield* pool.submit(Effect.succeed("done"))
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "done"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = pool.make
