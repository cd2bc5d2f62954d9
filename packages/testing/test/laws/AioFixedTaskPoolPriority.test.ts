import { disciplineLaws, priorityOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioFixedTaskPoolPriority", layerOf.fixedPriority, { ageing: true, capacities: [undefined] })
disciplineLaws("AioFixedTaskPoolPriority", layerOf.fixedPriority, priorityOrder)
