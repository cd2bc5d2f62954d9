/**
 * A task pool whose number of workers follows the load, smallest weight first. Takes the options of
 * `AioAutoScaleTaskPoolSimple`.
 *
 * @since 0.1.0
 */
import { autoScalePool } from "./internal/constructors.ts"
import { priority } from "./QueueDiscipline.ts"

const pool = autoScalePool("AioAutoScaleTaskPoolPriority", priority)

/**
 * Provides the pool, which closes with the layer's scope.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioAutoScaleTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
 *
 * const program = TaskPool.submit(Effect.succeed("done"), { weight: 1 })
 * await Effect.runPromise(Effect.provide(program, AioAutoScaleTaskPoolPriority.layer({ minSize: 3, maxSize: 8 }))) // => "done"
 * ```
 *
 * Guide: docs/guide/choosing-a-pool.md
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = pool.layer

/**
 * Provides the pool like `layer`, with the options from `Config`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = pool.layerConfig

/**
 * Makes the pool without a layer, which closes with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = pool.make
