/**
 * A pool over all processes whose number of tasks at once follows the load, last in, first out. Takes the options of
 * `AioDistributedAutoScaleTaskPoolSimple`.
 *
 * **Gotchas**
 *
 * A task with a `delay` goes behind all waiting tasks when the delay has passed.
 *
 * @since 0.1.0
 */
import { autoScalePool } from "./internal/constructors.ts"

const pool = autoScalePool("AioDistributedAutoScaleTaskPoolLifo", "lifo")

/**
 * Provides the pool.
 *
 * **Details**
 *
 * Waits at most `connectTimeout` for the server, and then succeeds all the same: operations fail with `NotAvailable`
 * (`"Unreachable"`) until the server is there. Fails with `PoolMismatch` if the pool exists with another discipline or
 * kind. If the layer could not read that, the mismatch becomes a defect of each operation.
 *
 * Throws `RangeError` or `TypeError` if an option is not valid.
 *
 * **Example** (Providing the pool)
 *
 * ```ts
 * import { DistributedTaskPool } from "@aio-task-pool/distributed"
 * import { AioDistributedAutoScaleTaskPoolLifo, BullMq } from "@aio-task-pool/distributed/bullmq"
 * import { Layer } from "effect"
 *
 * class Images extends DistributedTaskPool.Tag<Images>()("app/Images") {}
 *
 * // 3 to 50 tasks at once over all processes. The layer connects when it is built.
 * const pool = AioDistributedAutoScaleTaskPoolLifo.layer({ tag: Images, name: "images", minSize: 3, maxSize: 50 })
 * export const connected = Layer.provide(pool, BullMq.layer({ url: "redis://localhost:6379" }))
 * ```
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
 * Makes the pool without a layer, until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = pool.make
