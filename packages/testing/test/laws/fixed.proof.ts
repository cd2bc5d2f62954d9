// The laws with a bounded queue. The tests run them with an unbounded one.
import { taskPoolLaws } from "../../src/index.ts"
import { layerOf } from "./pools.ts"

const capacities = [1, 0]

taskPoolLaws("AioFixedTaskPoolSimple", layerOf.fixedSimple, { capacities })
taskPoolLaws("AioFixedTaskPoolLifo", layerOf.fixedLifo, { capacities })
taskPoolLaws("AioFixedTaskPoolPriority", layerOf.fixedPriority, { capacities })
