import { disciplineLaws, fifoOrder, taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

taskPoolLaws("AioFixedTaskPoolSimple", layerOf.fixedSimple)
disciplineLaws("AioFixedTaskPoolSimple", layerOf.fixedSimple, fifoOrder)
