import { AioAutoScaleTaskPoolLifo } from "@aio-task-pool/core"
import { autoScaleLaws, disciplineLaws, lifoOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioAutoScaleTaskPoolLifo", layerOf.autoScaleLifo, { capacities: [undefined] })
disciplineLaws("AioAutoScaleTaskPoolLifo", layerOf.autoScaleLifo, lifoOrder)
autoScaleLaws("AioAutoScaleTaskPoolLifo", (options) => AioAutoScaleTaskPoolLifo.layer(options))
