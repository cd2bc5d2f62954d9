// What a user tried on the pools, promise by promise, and found no other test for. The names end with the section.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Scope } from "effect/Scope"
import {
  AioAutoScaleTaskPoolPriority,
  AioFixedTaskPoolPriority,
  type PoolOptions,
  type TaskPoolService
} from "../src/index.ts"

type Make = (size: number, options?: PoolOptions) => Effect.Effect<TaskPoolService, never, Scope>

const priorityPools: Record<string, Make> = {
  AioFixedTaskPoolPriority: (size, options) => AioFixedTaskPoolPriority.make({ ...options, size }),
  AioAutoScaleTaskPoolPriority: (size, options) =>
    AioAutoScaleTaskPoolPriority.make({ ...options, minSize: size, maxSize: size })
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
