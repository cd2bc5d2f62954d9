import { TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import { AsyncLocalStorage } from "node:async_hooks"
import { getActiveResourcesInfo, memoryUsage } from "node:process"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { layerOf } from "./laws/pools.ts"

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

// A weak reference lives on until the turn of the event loop ends, and its target until a collection after that; what the
// engine's compiler looks at in another thread lives until it is done.
const collect = async () => {
  for (let i = 0; i < 10; i++) {
    await setImmediate()
    gc()
  }
}

const cycles = 10_000

// One round of everything that keeps something: a result, two cancellations, a queue cut by closing, a fresh start.
const cycle = Effect.fnUntraced(function* (pool: TaskPoolService, kept: Array<WeakRef<object>> | undefined) {
  const payload = { bytes: new Uint8Array(64) }
  const keep = (value: object) => void kept?.push(new WeakRef(value))
  keep(payload)
  yield* pool.submit(Effect.sync(() => payload.bytes.length))
  const handles: Array<TaskHandle<unknown>> = []
  for (let i = 0; i < 5; i++)
    handles.push(
      yield* pool.fork(
        Effect.andThen(
          Effect.sync(() => payload),
          Effect.never
        )
      )
    )
  handles.forEach(keep)
  yield* handles[3]!.cancel
  yield* handles[0]!.cancel
  yield* Effect.forkChild(
    pool.submit(
      Effect.andThen(
        Effect.sync(() => payload),
        Effect.never
      )
    )
  )
  yield* Effect.yieldNow
  yield* pool.close({ mode: "interrupt" })
  yield* pool.start
})

describe.each([
  ["AioFixedTaskPoolSimple", layerOf.fixedSimple],
  ["AioFixedTaskPoolLifo", layerOf.fixedLifo],
  ["AioAutoScaleTaskPoolPriority", layerOf.autoScalePriority]
] as const)("%s", (_, layer) => {
  it(`${cycles} cycles of submit, cancel, close and start leave no fiber, timer, task or memory behind (I5, I6)`, async () => {
    let fibers = 0
    const kept: Array<WeakRef<object>> = []
    const before = { heap: 0, resources: getActiveResourcesInfo() }
    const after = { heap: 0, fibers: 0 }
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      const round = (count: number, refs?: Array<WeakRef<object>>) =>
        Effect.forEach(Array.from({ length: count }), () => Effect.scoped(cycle(pool, refs)), { discard: true })
      yield* round(500)
      yield* Effect.promise(collect)
      before.heap = memoryUsage().heapUsed
      const fibersBefore = fibers
      yield* round(20, kept)
      yield* round(cycles - 20)
      yield* Effect.promise(collect)
      after.heap = memoryUsage().heapUsed
      after.fibers = fibers - fibersBefore
      // The pool is still open: nothing of what it did may be reachable from it.
      assert.deepStrictEqual(
        kept.filter((ref) => ref.deref() !== undefined).length,
        0,
        "tasks and handles are retained"
      )
    })
    const counted = Effect.provideService(
      Effect.provide(program, layer({ size: 2, shutdown: { drainTimeout: "1 hour" } })),
      Metric.FiberRuntimeMetrics,
      { recordFiberStart: () => void fibers++, recordFiberEnd: () => void fibers-- }
    )
    await Effect.runPromise(counted)
    await collect()
    const resources = [...getActiveResourcesInfo()]
    for (const kind of before.resources) if (resources.includes(kind)) resources.splice(resources.indexOf(kind), 1)
    assert.strictEqual(after.fibers, 0, "fibers of the cycles")
    assert.strictEqual(fibers, 0, "fibers of the pool")
    assert.deepStrictEqual(resources, [], "timers and handles that were not there before")
    assert.isBelow(after.heap - before.heap, 500_000, `${cycles} cycles kept memory`)
  }, 60_000)

  it("a closed pool that is held keeps none of its tasks (I6)", async () => {
    const kept: Array<WeakRef<object>> = []
    const pools: Array<TaskPoolService> = []
    const program = Effect.gen(function* () {
      const pool = yield* TaskPool
      pools.push(pool)
      yield* cycle(pool, kept)
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 2 })))
    await collect()
    assert.strictEqual(pools.length, 1)
    assert.strictEqual(kept.filter((ref) => ref.deref() !== undefined).length, 0)
  })

  it("who waited for a busy pool and was interrupted is forgotten while the pool goes on (I6)", async () => {
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
      for (const wait of waits) {
        for (let i = 0; i < 20; i++) {
          const fiber = yield* Effect.forkDetach(wait, { startImmediately: true })
          assert.isUndefined(fiber.pollUnsafe())
          kept.push(new WeakRef(fiber))
          yield* Fiber.interrupt(fiber)
        }
      }
      yield* Effect.promise(collect)
      const count = kept.filter((ref) => ref.deref() !== undefined).length
      // The last fiber may still be on the stack.
      assert.isAtMost(count, 1, "fibers are retained")
      yield* gate.open
    })
    await Effect.runPromise(Effect.provide(program, layer({ size: 2, minSize: 0 })))
  })

  it("a pool in which nothing waits any more keeps the async context of nobody (I5)", async () => {
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
      yield* Effect.promise(collect)
      assert.strictEqual(kept.filter((ref) => ref.deref() !== undefined).length, 0)
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
    await collect()
    assert.strictEqual(tasks.filter((ref) => ref.deref() !== undefined).length, 0)
    const results = await Effect.runPromise(Effect.forEach(handles.slice(0, 4), (handle) => handle.join))
    assert.deepStrictEqual(results, ["result 0", "result 1", "result 2", "result 3"])
  })
})
