import { distributedTaskPoolLaws } from "@aio-task-pool/testing"
import { localOf } from "./pools.ts"

distributedTaskPoolLaws("layerLocal over AioFixedTaskPoolSimple", localOf.fixedSimple, { discipline: "fifo" })
distributedTaskPoolLaws("layerLocal over AioFixedTaskPoolLifo", localOf.fixedLifo, { discipline: "lifo" })
distributedTaskPoolLaws("layerLocal over AioFixedTaskPoolPriority", localOf.fixedPriority, { discipline: "priority" })
distributedTaskPoolLaws("layerLocal over AioAutoScaleTaskPoolSimple", localOf.autoScaleSimple, { discipline: "fifo" })
distributedTaskPoolLaws("layerLocal over AioAutoScaleTaskPoolLifo", localOf.autoScaleLifo, { discipline: "lifo" })
distributedTaskPoolLaws("layerLocal over AioAutoScaleTaskPoolPriority", localOf.autoScalePriority, {
  discipline: "priority"
})
