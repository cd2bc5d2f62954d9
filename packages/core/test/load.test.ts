// What a user tried on the pools, promise by promise, and found no other test for. The names end with the section.
import { assert, describe, it } from "@effect/vitest"
import { hasEnded, settle, start } from "@aio-task-pool/testing/kit"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Scope } from "effect/Scope"
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type PoolOptions,
  type PoolStats,
  type TaskPoolService
} from "../src/index.ts"

type Make = (size: number, options?: PoolOptions) => Effect.Effect<TaskPoolService, never, Scope>

const priorityPools: Record<string, Make> = {
  AioFixedTaskPoolPriority: (size, options) => AioFixedTaskPoolPriority.make({ ...options, size }),
  AioAutoScaleTaskPoolPriority: (size, options) =>
    AioAutoScaleTaskPoolPriority.make({ ...options, minSize: size, maxSize: size })
}
const pools: Record<string, Make> = {
  AioFixedTaskPoolSimple: (size, options) => AioFixedTaskPoolSimple.make({ ...options, size }),
  AioFixedTaskPoolLifo: (size, options) => AioFixedTaskPoolLifo.make({ ...options, size }),
  AioAutoScaleTaskPoolSimple: (size, options) =>
    AioAutoScaleTaskPoolSimple.make({ ...options, minSize: size, maxSize: size }),
  AioAutoScaleTaskPoolLifo: (size, options) =>
    AioAutoScaleTaskPoolLifo.make({ ...options, minSize: size, maxSize: size }),
  ...priorityPools
}

describe.each(Object.entries(priorityPools))("%s", (_, make) => {
  it.effect("with an infinite ageing no task ages, and the weights decide (load 6)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1, { ageing: Infinity })
      const latch = Latch.makeUnsafe()
      const order: Array<number> = []
      yield* pool.fork(latch.await)
      for (const weight of [0, 5, -3, 1, 4]) {
        yield* pool.fork(
          Effect.sync(() => order.push(weight)),
          { weight }
        )
      }
      yield* latch.open
      yield* pool.awaitIdle
      assert.deepStrictEqual(order, [-3, 0, 1, 4, 5])
    })
  )
})

describe.each(Object.entries(pools))("%s", (_, make) => {
  it.effect("awaitStats sees what its predicate changes when it is first asked (load 10)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      let asked = 0
      const predicate = ({ succeeded }: PoolStats): boolean => {
        if (asked++ === 0) Effect.runSync(pool.submitNowait(Effect.void))
        return succeeded >= 1
      }
      const waiter = yield* start(pool.awaitStats(predicate))
      yield* settle
      assert.isTrue(hasEnded(waiter))
    })
  )
})
