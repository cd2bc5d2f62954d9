/** Registers the laws of distributed pools for pools on a Redis server, which the laws of a file share. */
import * as Redis from "@aio-task-pool/distributed/bullmq"
import { DistributedTaskPool } from "@aio-task-pool/distributed"
import { type DistributedFeatures, type DistributedLawOptions, distributedTaskPoolLaws } from "@aio-task-pool/testing"
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { afterAll, beforeAll } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { steady } from "./steady.ts"

type FixedPool = typeof Redis.AioDistributedFixedTaskPoolSimple
type AutoScalePool = typeof Redis.AioDistributedAutoScaleTaskPoolSimple

/** A fast sweep, because a law must not wait for the default one. */
const sweep = "500 millis"

const fixed =
  (pool: FixedPool) =>
  ({ size, ...options }: DistributedLawOptions) =>
    pool.layer(size, { ...options, sweep })

const autoScale =
  (pool: AutoScalePool) =>
  ({ size, ...options }: DistributedLawOptions) => {
    const layer = pool.layer({ ...options, sweep, minSize: 0, maxSize: 100, interval: "1 hour", policy: steady })
    const resized = Effect.flatMap(DistributedTaskPool, (service) =>
      // Only the layer that makes the pool sets its size.
      Effect.flatMap(service.stats, ({ targetSize }) => (targetSize === 0 ? service.resize(size) : Effect.void))
    )
    return Layer.provideMerge(Layer.effectDiscard(resized), layer)
  }

export const pools = {
  AioDistributedFixedTaskPoolSimple: [fixed(Redis.AioDistributedFixedTaskPoolSimple), "fifo"],
  AioDistributedFixedTaskPoolLifo: [fixed(Redis.AioDistributedFixedTaskPoolLifo), "lifo"],
  AioDistributedFixedTaskPoolPriority: [fixed(Redis.AioDistributedFixedTaskPoolPriority), "priority"],
  AioDistributedAutoScaleTaskPoolSimple: [autoScale(Redis.AioDistributedAutoScaleTaskPoolSimple), "fifo"],
  AioDistributedAutoScaleTaskPoolLifo: [autoScale(Redis.AioDistributedAutoScaleTaskPoolLifo), "lifo"],
  AioDistributedAutoScaleTaskPoolPriority: [autoScale(Redis.AioDistributedAutoScaleTaskPoolPriority), "priority"]
} as const satisfies Record<
  string,
  readonly [
    (options: DistributedLawOptions) => Layer.Layer<DistributedTaskPool, unknown, Redis.BullMq>,
    DistributedFeatures["discipline"]
  ]
>

/** Registers the laws of some of the pools, on one server. */
export const bullMqLaws = (...names: ReadonlyArray<keyof typeof pools>): void => {
  const scope = Scope.makeUnsafe()
  let url = ""
  beforeAll(async () => {
    const context = await Effect.runPromise(Layer.buildWithScope(RedisServer.layer, scope))
    url = Context.get(context, RedisServer).url
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  for (const name of names) {
    const [layerOf, discipline] = pools[name]
    const connected = (options: DistributedLawOptions) =>
      Layer.unwrap(Effect.sync(() => Layer.provide(layerOf(options), Redis.BullMq.layer({ url }))))
    distributedTaskPoolLaws(name, connected, { discipline, shared: true })
  }
}
