import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple
} from "@aio-task-pool/core"
import { DistributedTaskPool } from "@aio-task-pool/distributed"
import type { DistributedLawOptions } from "@aio-task-pool/testing"
import * as Layer from "effect/Layer"
import { steady } from "./steady.ts"

type FixedPool = typeof AioFixedTaskPoolSimple | typeof AioFixedTaskPoolLifo | typeof AioFixedTaskPoolPriority

type AutoScalePool =
  | typeof AioAutoScaleTaskPoolSimple
  | typeof AioAutoScaleTaskPoolLifo
  | typeof AioAutoScaleTaskPoolPriority

const fixed =
  (pool: FixedPool) =>
  ({ rate, size, ...options }: DistributedLawOptions) =>
    DistributedTaskPool.layerLocal(pool.layer(size, { rate }), options)

const autoScale =
  (pool: AutoScalePool) =>
  ({ rate, size, ...options }: DistributedLawOptions) => {
    const layer = DistributedTaskPool.layerLocal(
      pool.layer({ minSize: 0, maxSize: 100, interval: "1 hour", policy: steady, rate }),
      options
    )
    return Layer.provideMerge(Layer.effectDiscard(DistributedTaskPool.resize(size)), layer)
  }

/** Local pools over the six pools of the core. */
export const localOf = {
  fixedSimple: fixed(AioFixedTaskPoolSimple),
  fixedLifo: fixed(AioFixedTaskPoolLifo),
  fixedPriority: fixed(AioFixedTaskPoolPriority),
  autoScaleSimple: autoScale(AioAutoScaleTaskPoolSimple),
  autoScaleLifo: autoScale(AioAutoScaleTaskPoolLifo),
  autoScalePriority: autoScale(AioAutoScaleTaskPoolPriority)
}
