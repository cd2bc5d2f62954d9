import { disciplineLaws, lifoOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioFixedTaskPoolLifo", layerOf.fixedLifo, { capacities: [undefined] })
disciplineLaws("AioFixedTaskPoolLifo", layerOf.fixedLifo, lifoOrder)
