/**
 * The six pools: the same program, each time with another pool.
 */
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  TaskPool
} from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

const pools = [
  AioFixedTaskPoolSimple.layer(),
  AioFixedTaskPoolLifo.layer(),
  AioFixedTaskPoolPriority.layer(),
  AioAutoScaleTaskPoolSimple.layer(),
  AioAutoScaleTaskPoolLifo.layer(),
  AioAutoScaleTaskPoolPriority.layer()
]

const useOne = Effect.gen(function* () {
  const { name } = yield* TaskPool
  yield* Console.log(`${name} of size ${(yield* TaskPool.stats).size}`)
  yield* Console.log(yield* TaskPool.submit(test, { args: ["e"] }))
})

export const program = Effect.forEach(pools, (pool) => Effect.provide(useOne, pool), { discard: true })

if (import.meta.main) NodeRuntime.runMain(program)
