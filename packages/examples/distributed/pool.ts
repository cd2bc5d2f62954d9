/** The layer of the pool: in this process, or on the Redis of the environment variable REDIS_URL. */
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { DistributedTaskPool, type WorkerOptions } from "@aio-task-pool/distributed"
import { AioDistributedFixedTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import * as Layer from "effect/Layer"
import { hashFile, Hashes } from "./tasks.ts"

export const redis = process.env["REDIS_URL"]

/** At most 6 files are hashed at once, over all processes. */
const size = 6

const options = { tag: Hashes, name: "example-hashes" }

export const pool =
  redis === undefined
    ? DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(size), options)
    : AioDistributedFixedTaskPoolSimple.layer(size, options).pipe(Layer.provide(BullMq.layer({ url: redis })))

/** A short lease, so that the tasks of a killed worker soon run again. */
const workerOptions: WorkerOptions = { concurrency: 4, lease: "2 seconds", stalledCheck: "1 second" }

export const worker = Hashes.worker([hashFile], workerOptions)
