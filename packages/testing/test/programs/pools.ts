import type { ProgramPool, ProgramPoolOptions } from "../../src/index.ts"
import { layerOf } from "../laws/pools.ts"

const fixed = (name: keyof typeof layerOf, order: ProgramPool["order"]): ProgramPool => ({
  name,
  order,
  sizesItself: false,
  layer: ({ capacity, onFull, shutdown, size, startPaused }: ProgramPoolOptions) =>
    layerOf[name]({ size, capacity, onFull, shutdown, startPaused })
})

const autoScale = (name: keyof typeof layerOf, order: ProgramPool["order"]): ProgramPool => ({
  name,
  order,
  sizesItself: true,
  layer: ({ minSize, size, ...options }: ProgramPoolOptions) =>
    layerOf[name]({ ...options, minSize, size: minSize ?? size })
})

/** The pools that programs are drawn for. */
export const pools: ReadonlyArray<ProgramPool> = [
  fixed("fixedSimple", "fifo"),
  fixed("fixedLifo", "lifo"),
  fixed("fixedPriority", "priority"),
  autoScale("autoScaleSimple", "fifo"),
  autoScale("autoScaleLifo", "lifo"),
  autoScale("autoScalePriority", "priority")
]
