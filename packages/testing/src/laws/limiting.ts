import { TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { setImmediate } from "node:timers"
import { expectConserved, expectStats, gated, type Laws, occupy, start, until } from "./kit.ts"

/** The limit, work conservation, the numbers, and the cost of many tasks. */
export const limitingLaws = (laws: Laws): void => {
  laws.law("never more tasks run than there are workers, their finalizers included (I1)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const enter = Effect.sync(() => {
        most = Math.max(most, ++running)
      })
      const leave = Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => running--)
      )
      const task = (i: number) =>
        Effect.acquireUseRelease(
          enter,
          () => (i % 3 === 0 ? Effect.fail("odd one out") : Effect.yieldNow),
          () => leave
        )
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, i) => i),
        (i) => Effect.exit(pool.submit(task(i))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(most, 3)
      yield* expectStats(pool, { running: 0, succeeded: 40, failed: 20 })
    })
  )

  laws.law("as many tasks run as there are workers, while tasks wait (I2)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      // No task passes the barrier unless three run at once.
      let arrived = 0
      const all = Latch.makeUnsafe()
      const task = Effect.suspend(() => {
        if (++arrived % 3 === 0) all.openUnsafe()
        return all.await
      })
      yield* Effect.forEach(Array.from({ length: 9 }), () => pool.submit(task), { concurrency: "unbounded" })
      assert.strictEqual(arrived, 9)
    })
  )

  laws.law("a caller notified of a task's end finds the next one begun (I2)", {}, (pool) =>
    Effect.gen(function* () {
      const first = gated("first")
      const second = gated("second")
      const one = yield* start(pool.submit(first.task))
      yield* first.started
      const two = yield* start(pool.submit(second.task))
      yield* first.open
      yield* Fiber.join(one)
      assert.strictEqual(second.counts.begun, 1)
      yield* second.open
      yield* Fiber.join(two)
    })
  )

  laws.law("an idle pool starts a task in the step that submits it (I2)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const task = gated("result")
      const fiber = yield* start(pool.submit(task.task))
      assert.strictEqual(task.counts.begun, 1)
      yield* task.open
      assert.strictEqual(yield* Fiber.join(fiber), "result")
    })
  )

  laws.law("no more tasks wait than the capacity allows, however many are submitted (I8)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const { capacity } = yield* pool.stats
      const seen: Array<number> = []
      const task = Effect.flatMap(pool.stats, (stats) =>
        Effect.sync(() => {
          expectConserved(stats)
          seen.push(stats.waiting)
        })
      )
      yield* Effect.forEach(Array.from({ length: 50 }), () => pool.submit(Effect.andThen(Effect.yieldNow, task)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(seen.length, 50)
      assert.isAtMost(Math.max(...seen), capacity)
    })
  )

  laws.law("the stats add up after every kind of end", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.submit(Effect.void)
      yield* Effect.exit(pool.submit(Effect.fail("failure")))
      yield* Effect.exit(pool.submit(Effect.die("defect")))
      yield* Effect.flatMap(pool.fork(Effect.interrupt), (handle) => handle.await)
      const submitter = yield* start(pool.submit(Effect.never))
      yield* until(pool, (stats) => stats.running === 1)
      yield* Fiber.interrupt(submitter)
      const cut = yield* pool.fork(Effect.never)
      yield* cut.cancel
      yield* pool.pause
      yield* Effect.exit(pool.submit(Effect.void))
      yield* expectStats(pool, {
        phase: "Paused",
        submitted: 6,
        succeeded: 1,
        failed: 2,
        interrupted: 2,
        cancelled: 1,
        rejected: 1,
        running: 0,
        waiting: 0,
        size: 2,
        targetSize: 2,
        largestSize: 2
      })
    })
  )

  laws.law("a fresh pool is open and empty", { size: 3 }, (pool) =>
    expectStats(pool, {
      phase: "Open",
      size: 3,
      targetSize: 3,
      running: 0,
      waiting: 0,
      submitted: 0,
      rejected: 0,
      capacity: laws.capacity ?? Infinity,
      largestSize: 3
    })
  )

  laws.law("awaitEmpty returns when no task waits, at once if none does", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.awaitEmpty
      const busy = yield* occupy(pool, 1)
      yield* pool.awaitEmpty
      const next = gated("next")
      const handle = yield* pool.fork(next.task)
      const waiter = yield* start(pool.awaitEmpty)
      yield* Effect.yieldNow
      assert.isUndefined(waiter.pollUnsafe())
      yield* busy.release
      yield* Fiber.join(waiter)
      yield* expectStats(pool, { waiting: 0, running: 1 })
      yield* next.open
      yield* handle.join
    })
  )

  laws.law("awaitIdle returns when no task waits or runs, at once if none does", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.awaitIdle
      const busy = yield* occupy(pool, 1)
      const next = gated("next")
      const fiber = yield* start(pool.submit(next.task))
      const waiter = yield* start(pool.awaitIdle)
      yield* busy.release
      yield* next.started
      assert.isUndefined(waiter.pollUnsafe())
      yield* next.open
      yield* Fiber.join(waiter)
      yield* expectStats(pool, { running: 0, waiting: 0 })
      yield* Fiber.join(fiber)
      yield* pool.awaitIdle
    })
  )

  laws.law("interrupting a fiber that waits for the pool to be idle changes nothing", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      yield* Fiber.interrupt(yield* start(pool.awaitIdle))
      yield* Fiber.interrupt(yield* start(pool.awaitResized))
      yield* busy.release
      yield* pool.awaitIdle
    })
  )

  laws.lawOnce("10,000 tasks that never suspend yield to the event loop at least once in 1,024 ends", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      let ended = 0
      const task = Effect.sync(() => void ended++)
      for (let i = 0; i < 10_000; i++) yield* pool.fork(task)
      const gaps: Array<number> = []
      const done = Deferred.makeUnsafe<void>()
      let last = 0
      const look = () => {
        gaps.push(ended - last)
        last = ended
        if (ended < 10_000) setImmediate(look)
        else Deferred.doneUnsafe(done, Effect.void)
      }
      setImmediate(look)
      yield* busy.release
      yield* Deferred.await(done)
      yield* pool.awaitIdle
      assert.isAtMost(Math.max(...gaps), 1024)
    })
  )

  laws.lawOnce("30,000 tasks that never suspend do not overflow the stack", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 2)
      let ended = 0
      const task = Effect.sync(() => void ended++)
      for (let i = 0; i < 30_000; i++) yield* pool.fork(task)
      yield* expectStats(pool, { waiting: 30_000, running: 2 })
      yield* busy.release
      yield* pool.awaitIdle
      assert.strictEqual(ended, 30_000)
      yield* expectStats(pool, { succeeded: 30_002, running: 0, waiting: 0 })
    })
  )

  for (const [how, take] of ways) {
    laws.liveOnce(`a pool that is taken ${how} yields to the event loop`, async (layer) => {
      const runtime = ManagedRuntime.make(layer)
      const pool = await take(runtime)
      const tasks = 30_000
      let [ran, turns] = [0, 0]
      const work = (): void => {
        const task = Effect.sync(() => {
          if (++ran < tasks) work()
        })
        Effect.runFork(pool.submit(task))
      }
      const tick = (): void => {
        turns++
        if (ran < tasks) setImmediate(tick)
      }
      setImmediate(tick)
      work()
      work()
      await Effect.runPromise(pool.awaitIdle)
      await runtime.dispose()
      assert.isAtLeast(turns, Math.floor(tasks / 1100))
    })
  }

  laws.law("2,000 submits in sequence, none of which suspends, all succeed", {}, (pool) =>
    Effect.gen(function* () {
      for (let i = 0; i < 2000; i++) assert.strictEqual(yield* pool.submit(Effect.succeed(i)), i)
      yield* expectStats(pool, { succeeded: 2000, largestSize: 1 })
    })
  )
}

// Ways to take a pool out of a layer.
const ways: ReadonlyArray<
  readonly [
    string,
    (runtime: ManagedRuntime.ManagedRuntime<TaskPool, never>) => TaskPoolService | Promise<TaskPoolService>
  ]
> = [
  ["by a promise", (runtime) => runtime.runPromise(TaskPool)],
  ["synchronously", (runtime) => runtime.runSync(TaskPool)],
  ["by a callback", (runtime) => new Promise((resolve) => runtime.runFork(Effect.map(TaskPool, resolve)))]
]
