import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  TaskPool
} from "@aio-task-pool/core"
import * as Layer from "effect/Layer"
import type { LawOptions, LayerOf } from "../../src/index.ts"

type FixedPool = typeof AioFixedTaskPoolSimple | typeof AioFixedTaskPoolLifo | typeof AioFixedTaskPoolPriority

type AutoScalePool =
  | typeof AioAutoScaleTaskPoolSimple
  | typeof AioAutoScaleTaskPoolLifo
  | typeof AioAutoScaleTaskPoolPriority

const fixed =
  (pool: FixedPool): LayerOf<LawOptions> =>
  ({ maxSize: _max, minSize: _min, size, ...options }) =>
    pool.layer(size, options)

// An auto-scale pool begins at its minimum: where a law wants bounds around the size, it is resized by hand.
const autoScale =
  (pool: AutoScalePool): LayerOf<LawOptions> =>
  ({ size, ...options }) => {
    const { maxSize = size, minSize = size } = options
    const layer = pool.layer({ ...options, minSize, maxSize })
    return minSize === size ? layer : Layer.provideMerge(Layer.effectDiscard(TaskPool.resize(size)), layer)
  }

/** The pools that the laws are held against. */
export const layerOf = {
  fixedSimple: fixed(AioFixedTaskPoolSimple),
  fixedLifo: fixed(AioFixedTaskPoolLifo),
  fixedPriority: fixed(AioFixedTaskPoolPriority),
  autoScaleSimple: autoScale(AioAutoScaleTaskPoolSimple),
  autoScaleLifo: autoScale(AioAutoScaleTaskPoolLifo),
  autoScalePriority: autoScale(AioAutoScaleTaskPoolPriority)
}
