/**
 * A task pool whose number of workers follows the load, smallest weight first.
 *
 * @since 0.1.0
 */
import { autoScalePool } from "./internal/constructors.ts"
import { priority } from "./QueueDiscipline.ts"

const pool = autoScalePool("AioAutoScaleTaskPoolPriority", priority)

/**
 * Provides the pool, which closes with the layer's scope: it drains if the scope ends with a success, and interrupts
 * its tasks if the scope ends with a failure or an interruption.
 *
 * **Details**
 *
 * `options` are `minSize` (default 3), `maxSize` (default minSize + 5), `interval` (default 10 seconds), `policy`
 * (default `AutoScalePolicy.adaptive()`), `classify`, those of every pool, and `tag`, the tag to provide, default
 * `TaskPool`. Throws `RangeError` if an option is out of range.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioAutoScaleTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
 *
 * const program = TaskPool.submit(Effect.succeed("done"))
 * await Effect.runPromise(Effect.provide(program, AioAutoScaleTaskPoolPriority.layer({ minSize: 3, maxSize: 8 }))) // => "done"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = pool.layer

/**
 * Provides the pool like `layer`, with options from `Config`. Fails with `ConfigError` if a value is missing or out of
 * range.
 *
 * **Example** (Reading the size from the configuration)
 *
 * ```ts
 * import { Config, Effect } from "effect"
 * import { AioAutoScaleTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.map(TaskPool.stats, (stats) => stats.targetSize)
 * const layer = AioAutoScaleTaskPoolPriority.layerConfig({ minSize: Config.succeed(1), maxSize: Config.succeed(2) })
 * await Effect.runPromise(Effect.provide(program, layer)) // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = pool.layerConfig

/**
 * Makes the pool without a layer. It closes with the scope.
 *
 * **Example** (Making a pool in a scope)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioAutoScaleTaskPoolPriority } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   const pool = yield* AioAutoScaleTaskPoolPriority.make({ minSize: 2 })
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
