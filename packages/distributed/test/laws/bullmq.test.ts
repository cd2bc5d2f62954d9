/** The laws of distributed pools over Redis: two of the six pools here, all six in `bullmq.proof.ts`. */
import { isAvailable } from "@aio-task-pool/testing/RedisServer"
import { describe } from "@effect/vitest"
import { bullMqLaws } from "./bullmq.ts"

describe.skipIf(!isAvailable("the laws of distributed pools on Redis"))("on Redis", () => {
  bullMqLaws("AioDistributedFixedTaskPoolSimple", "AioDistributedAutoScaleTaskPoolPriority")
})
