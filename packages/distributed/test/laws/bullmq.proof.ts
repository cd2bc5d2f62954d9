/** The laws of all six pools over Redis. */
import { isAvailable } from "@aio-task-pool/testing/RedisServer"
import { describe } from "@effect/vitest"
import { bullMqLaws, pools } from "./bullmq.ts"

describe.skipIf(!isAvailable("the laws of distributed pools on Redis"))("on Redis", () => {
  bullMqLaws(...(Object.keys(pools) as ReadonlyArray<keyof typeof pools>))
})
