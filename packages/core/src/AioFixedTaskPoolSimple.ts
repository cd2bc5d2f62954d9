/**
 * A task pool with a fixed number of workers, first in, first out.
 *
 * @since 0.1.0
 */
import { fixedPool } from "./internal/constructors.ts"
import { fifo } from "./QueueDiscipline.ts"

const pool = fixedPool("AioFixedTaskPoolSimple", fifo)

/**
 * Provides the pool, which closes with the layer's scope.
 *
 * **Details**
 *
 * The pool drains if the scope ends with a success. It interrupts its tasks if the scope ends with a failure or an
 * interruption (the option `shutdown.onInterrupt`).
 *
 * Call it as `layer(size, options)`, with size 3 by default, or as `layer(options)`. `options.tag` is the tag to
 * provide, default `TaskPool`. Throws `RangeError` if an option is out of range.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * const program = TaskPool.submit(Effect.succeed("done"))
 * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))) // => "done"
 * ```
 *
 * Guide: docs/guide/choosing-a-pool.md
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = pool.layer

/**
 * Provides the pool like `layer`, with the size or the options from `Config`.
 *
 * **Details**
 *
 * Fails with `ConfigError` if a value is missing or out of range.
 *
 * **Example** (Reading the size from the configuration)
 *
 * ```ts
 * import { Config, Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.map(TaskPool.stats, (stats) => stats.targetSize)
 * const layer = AioFixedTaskPoolSimple.layerConfig({ size: Config.succeed(2) })
 * await Effect.runPromise(Effect.provide(program, layer)) // => 2
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = pool.layerConfig

/**
 * Makes the pool without a layer, which closes with the scope.
 *
 * **Details**
 *
 * Takes the options of `layer`. Throws `RangeError` if an option is out of range.
 *
 * **Example** (Making a pool in a scope)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   const pool = yield* AioFixedTaskPoolSimple.make({ size: 2 })
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
