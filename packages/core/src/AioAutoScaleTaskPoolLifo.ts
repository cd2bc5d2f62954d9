/**
 * A task pool whose number of workers follows the load, last in, first out. Takes the options of
 * `AioAutoScaleTaskPoolSimple`.
 *
 * @since 0.1.0
 */
import { autoScalePool } from "./internal/constructors.ts"
import { lifo } from "./QueueDiscipline.ts"

const pool = autoScalePool("AioAutoScaleTaskPoolLifo", lifo)

/**
 * Provides the pool, which closes with the layer's scope.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioAutoScaleTaskPoolLifo, TaskPool } from "@aio-task-pool/core"
 *
 * const program = TaskPool.submit(Effect.succeed("done"))
 * await Effect.runPromise(Effect.provide(program, AioAutoScaleTaskPoolLifo.layer({ minSize: 3, maxSize: 8 }))) // => "done"
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
