import { AioAutoScaleTaskPoolPriority } from "@aio-task-pool/core"
import { autoScaleLaws, disciplineLaws, priorityOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioAutoScaleTaskPoolPriority", layerOf.autoScalePriority, { ageing: true, capacities: [undefined] })
disciplineLaws("AioAutoScaleTaskPoolPriority", layerOf.autoScalePriority, priorityOrder)
autoScaleLaws("AioAutoScaleTaskPoolPriority", (options) => AioAutoScaleTaskPoolPriority.layer(options))
