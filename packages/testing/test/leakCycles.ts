import { PoolRegistry, TaskPool } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { getActiveResourcesInfo, memoryUsage } from "node:process"
import type { LawOptions, LayerOf } from "../src/index.ts"
import { layerOf } from "./laws/pools.ts"
import { collectUntil, cycle, expectForgotten } from "./leaks.ts"

const pools: ReadonlyArray<readonly [string, LayerOf<LawOptions>]> = [
  ["AioFixedTaskPoolSimple", layerOf.fixedSimple],
  ["AioFixedTaskPoolLifo", layerOf.fixedLifo],
  ["AioAutoScaleTaskPoolPriority", layerOf.autoScalePriority]
]

/** Registers the opening and closing of this number of pools, after which nothing of them is left. */
export const closedPoolsLeaveNothing = (count: number): void => {
  it(`${count} pools that were opened and closed leave no entry in the registry and no memory`, async () => {
    const layers = pools.map(([, layer]) => layer({ size: 2, minSize: 1, maxSize: 2 }))
    const openAndClose = (times: number) =>
      Effect.gen(function* () {
        for (let i = 0; i < times; i++) {
          const layer = Layer.fresh(layers[i % layers.length]!)
          const use = TaskPool.use((pool) => Effect.andThen(pool.submit(Effect.void), pool.inspect()))
          const { tasks } = yield* Effect.provide(use, layer)
          if (tasks.length > 0) assert.fail(`${tasks.length} tasks`)
        }
      })
    const program = Effect.gen(function* () {
      yield* openAndClose(Math.min(count, 3000))
      yield* Effect.promise(() => collectUntil(() => true))
      const before = memoryUsage().heapUsed
      yield* openAndClose(count)
      assert.deepStrictEqual(yield* PoolRegistry.pools, [])
      const grown = () => memoryUsage().heapUsed - before
      assert.isTrue(yield* Effect.promise(() => collectUntil(() => grown() < 1e6)), `${grown()} bytes are kept`)
    })
    const registry = Effect.runSync(PoolRegistry.make)
    await Effect.runPromise(Effect.provideService(program, PoolRegistry, registry))
  })
}

/** Registers this number of cycles on three pools, after which nothing of them is left. */
export const cyclesLeaveNothing = (cycles: number): void =>
  describe.each(pools)("%s", (_, layer) => {
    it(`${cycles} cycles of submit, cancel, close and start leave no fiber, timer, task or memory behind (I5, I6)`, async () => {
      let fibers = 0
      const kept: Array<WeakRef<object>> = []
      const before = { heap: 0, resources: getActiveResourcesInfo() }
      const after = { fibers: 0 }
      const program = Effect.gen(function* () {
        const pool = yield* TaskPool
        const round = (count: number, refs?: Array<WeakRef<object>>) =>
          Effect.forEach(Array.from({ length: count }), () => Effect.scoped(cycle(pool, refs)), { discard: true })
        yield* round(500)
        yield* Effect.promise(() => collectUntil(() => true))
        before.heap = memoryUsage().heapUsed
        const fibersBefore = fibers
        yield* round(20, kept)
        yield* round(cycles - 20)
        after.fibers = fibers - fibersBefore
        // The pool is still open: nothing of what it did may be reachable from it.
        yield* Effect.promise(() => expectForgotten(kept, "tasks and handles"))
        const grown = () => memoryUsage().heapUsed - before.heap
        // Compiled code comes and goes. What each cycle keeps adds up: many cycles show a leak of some 60 bytes.
        const most = 500_000 + 50 * cycles
        assert.isTrue(yield* Effect.promise(() => collectUntil(() => grown() < most)), `${grown()} bytes are kept`)
      })
      const counted = Effect.provideService(
        Effect.provide(program, layer({ size: 2, shutdown: { drainTimeout: "1 hour" } })),
        Metric.FiberRuntimeMetrics,
        { recordFiberStart: () => void fibers++, recordFiberEnd: () => void fibers-- }
      )
      await Effect.runPromise(counted)
      await collectUntil(() => true)
      const resources = [...getActiveResourcesInfo()]
      for (const kind of before.resources) if (resources.includes(kind)) resources.splice(resources.indexOf(kind), 1)
      assert.strictEqual(after.fibers, 0, "fibers of the cycles")
      assert.strictEqual(fibers, 0, "fibers of the pool")
      assert.deepStrictEqual(resources, [], "timers and handles that were not there before")
    })
  })
