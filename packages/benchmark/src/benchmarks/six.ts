/**
 * All six pools on the work of `submit`.
 */
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple
} from "@aio-task-pool/core"
import type { Benchmark } from "../benchmark.ts"
import { limit, side, tick } from "../work.ts"
import { submitTo } from "../ways.ts"

const autoScale = { minSize: limit, maxSize: limit }

const pools = {
  AioFixedTaskPoolLifo: AioFixedTaskPoolLifo.layer(limit),
  AioFixedTaskPoolPriority: AioFixedTaskPoolPriority.layer(limit),
  AioAutoScaleTaskPoolSimple: AioAutoScaleTaskPoolSimple.layer(autoScale),
  AioAutoScaleTaskPoolLifo: AioAutoScaleTaskPoolLifo.layer(autoScale),
  AioAutoScaleTaskPoolPriority: AioAutoScaleTaskPoolPriority.layer(autoScale)
}

export const six: Benchmark = {
  name: "six",
  title: "the work of submit: each of the other pools (ours) against AioFixedTaskPoolSimple (theirs)",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 50_000
    const simple = side(tick, tasks, submitTo(AioFixedTaskPoolSimple.layer(limit)))
    return Object.entries(pools).map(([name, layer]) => ({
      peer: name,
      ours: side(tick, tasks, submitTo(layer)),
      theirs: simple,
      target: { ratio: name.endsWith("Priority") ? 1.5 : 1.25 }
    }))
  }
}
