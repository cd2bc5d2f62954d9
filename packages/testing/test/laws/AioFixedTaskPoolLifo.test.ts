import { disciplineLaws, lifoOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioFixedTaskPoolLifo", layerOf.fixedLifo)
disciplineLaws("AioFixedTaskPoolLifo", layerOf.fixedLifo, lifoOrder)
