// Runs a distributed pool of the packed packages in one process, and loads its driver.
import { deepStrictEqual } from "node:assert"
import { AioFixedTaskPoolPriority } from "@aio-task-pool/core"
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import { AioDistributedFixedTaskPoolPriority, BullMq } from "@aio-task-pool/distributed/bullmq"
import { Effect, Layer, Schema } from "effect"

const Double = DistributedTask.make("double", { payload: Schema.Int, success: Schema.Int })
const worker = DistributedTaskPool.worker([Double.handle((n) => Effect.succeed(n * 2))], { concurrency: 2 })
const pool = DistributedTaskPool.layerLocal(AioFixedTaskPoolPriority.layer(2), { name: "numbers" })

const program = DistributedTaskPool.forEach([1, 2, 3], Double, (n) => n)
deepStrictEqual(await Effect.runPromise(Effect.provide(program, Layer.provideMerge(worker, pool))), [2, 4, 6])

// Without a server, the layer is only made.
const onRedis = AioDistributedFixedTaskPoolPriority.layer(2, { name: "numbers" })
deepStrictEqual(Layer.isLayer(Layer.provide(onRedis, BullMq.layer({ url: "redis://localhost:6379" }))), true)
console.log(`Node ${process.version}: three tasks of a distributed pool`)
