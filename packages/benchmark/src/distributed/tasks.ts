/** What both sides of the benchmark do: a no-op that returns its number. */
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import { AioDistributedFixedTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import { Layer, Schema } from "effect"

export const Noop = DistributedTask.make("noop", {
  payload: Schema.Struct({ i: Schema.Int }),
  success: Schema.Int
})

/** A task that runs until it is cancelled. */
export const Hang = DistributedTask.make("hang", { payload: Schema.Struct({ key: Schema.String }) })

/** A task that blocks until the benchmark kills its worker, and that returns at once in any other worker. */
export const Victim = DistributedTask.make("victim")

export class Pool extends DistributedTaskPool.Tag<Pool>()("benchmark/Pool") {}

export const size = 16
export const perWorker = 8
export const plainQueue = "plain"

export const poolOf = (url: string, name = "typed", initial = size) =>
  Layer.provide(AioDistributedFixedTaskPoolSimple.layer(initial, { tag: Pool, name }), BullMq.layer({ url }))
