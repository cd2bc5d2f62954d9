import { AioAutoScaleTaskPoolSimple } from "@aio-task-pool/core"
import { autoScaleLaws, disciplineLaws, fifoOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioAutoScaleTaskPoolSimple", layerOf.autoScaleSimple, { capacities: [undefined] })
disciplineLaws("AioAutoScaleTaskPoolSimple", layerOf.autoScaleSimple, fifoOrder)
autoScaleLaws("AioAutoScaleTaskPoolSimple", (options) => AioAutoScaleTaskPoolSimple.layer(options))
