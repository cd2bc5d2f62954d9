import { TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { AsyncLocalStorage } from "node:async_hooks"
import { cycle, expectForgotten } from "./leaks.ts"
import { closedPoolsLeaveNothing, cyclesLeaveNothing } from "./leakCycles.ts"
import { layerOf } from "./laws/pools.ts"

cyclesLeaveNothing(1_000)
closedPoolsLeaveNothing(1_000)

/** Starts fibers that wait, and interrupts them. */
const interruptEach = Effect.fnUntraced(function* (
  waits: ReadonlyArray<Effect.Effect<unknown, unknown>>,
  kept: Array<WeakRef<object>>
) {
  for (const wait of waits) {
    for (let i = 0; i < 20; i++) {
      const fiber = yield* Effect.forkDetach(wait, { startImmediately: true })
      assert.isUndefined(fiber.pollUnsafe())
      kept.push(new WeakRef(fiber))
      yield* Fiber.interrupt(fiber)
    }
  }
})

describe.each([
  ["AioFixedTaskPoolSimple", layerOf.fixedSimple],
  ["AioFixedTaskPoolLifo", layerOf.fixedLifo],
  ["AioAutoScaleTaskPoolPriority", layerOf.autoScalePriority]
] as const)("%s", (_, layer) => {
  it("a closed pool that is held keeps none of its tasks (I6)", async () => {
    const kept: Array<WeakRef<object>> = []
    const pools: Array<TaskPoolService> = []
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      pools.push(pool)
      yield* cycle(pool, kept)
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 2 })))
    await expectForgotten(kept, "tasks and handles")
    assert.strictEqual(pools.length, 1)
  })

  it("a busy pool keeps no reference to an interrupted fiber that waited for it (I6)", async () => {
    const kept: Array<WeakRef<object>> = []
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      const gate = Latch.makeUnsafe()
      const handle = yield* pool.fork(gate.await)
      yield* pool.fork(gate.await)
      const waiting = yield* pool.fork(Effect.void)
      yield* pool.resize(1)
      const waits = [
        pool.awaitIdle,
        pool.awaitEmpty,
        pool.awaitResized,
        handle.join,
        waiting.await,
        pool.submit(Effect.void)
      ]
      // In a separate generator, because values in the registers of this one are not collected.
      yield* interruptEach(waits, kept)
      assert.strictEqual(kept.length, 120)
      // The last fiber may still be on the stack.
      yield* Effect.promise(() => expectForgotten(kept, "fibers", 1))
      yield* gate.open
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 2, minSize: 0 })))
  })

  it("a pool in which nothing waits keeps no async context (I5)", async () => {
    const storage = new AsyncLocalStorage<object>()
    const kept: Array<WeakRef<object>> = []
    const forkInContextOfItsOwn = (pool: TaskPoolService) => {
      const store = {}
      kept.push(new WeakRef(store))
      storage.run(store, () => Effect.runFork(pool.fork(Effect.void)))
    }
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      const gate = Latch.makeUnsafe()
      yield* pool.fork(gate.await)
      for (let i = 0; i < 5; i++) forkInContextOfItsOwn(pool)
      assert.strictEqual((yield* pool.stats).waiting, 5)
      yield* gate.open
      yield* pool.awaitIdle
      yield* Effect.promise(() => expectForgotten(kept, "async contexts"))
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 1 })))
  })

  it("a handle that is held keeps its result and nothing of its task (I5)", async () => {
    const tasks: Array<WeakRef<object>> = []
    const handles: Array<TaskHandle<string>> = []
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      for (let i = 0; i < 5; i++) {
        const task = Effect.suspend(() => Effect.as(Effect.yieldNow, `result ${i}`))
        tasks.push(new WeakRef(task))
        handles.push(yield* pool.fork(task))
      }
      yield* handles[4]!.cancel
      yield* pool.awaitIdle
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 2 })))
    await expectForgotten(tasks, "tasks")
    const results = await Effect.runPromise(Effect.forEach(handles.slice(0, 4), (handle) => handle.join))
    assert.deepStrictEqual(results, ["result 0", "result 1", "result 2", "result 3"])
  })
})
