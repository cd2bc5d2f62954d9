import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { TaskPoolService } from "@aio-task-pool/core"
import { expectNotAvailable, expectStats, gated, hasEnded, type Laws, occupy, settle, start } from "./kit.ts"

/** Registers the laws of admission: free places, the door, and rejected tasks. */
export const admittingLaws = (laws: Laws): void => {
  laws.law(
    "a submitter that finds the queue full waits at the door, and counts neither as waiting nor as submitted",
    {},
    (pool) =>
      Effect.gen(function* () {
        if (laws.capacity === undefined) return
        const full = yield* fill(pool)
        const before = yield* pool.stats
        const task = gated("late")
        const submitter = yield* start(pool.submit(task.task))
        const forker = yield* start(pool.fork(Effect.succeed("later")))
        yield* settle
        assert.deepStrictEqual(yield* pool.stats, { ...before, atDoor: 2 })
        assert.isFalse(hasEnded(forker))
        yield* full.release
        yield* task.started
        yield* task.open
        assert.strictEqual(yield* Fiber.join(submitter), "late")
        assert.strictEqual(yield* (yield* Fiber.join(forker)).join, "later")
      })
  )

  laws.law("the door is first-in first-out whatever the discipline and the weights (I4)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const admitted: Array<number> = []
      const task = gated("done")
      const forkers = []
      for (let i = 0; i < 6; i++) {
        const fork = Effect.tap(pool.fork(task.task, { weight: 10 - i }), () => Effect.sync(() => admitted.push(i)))
        forkers.push(yield* start(fork))
      }
      yield* settle
      assert.deepStrictEqual(admitted, [])
      yield* full.release
      yield* task.open
      yield* Fiber.joinAll(forkers)
      assert.deepStrictEqual(admitted, [0, 1, 2, 3, 4, 5])
      yield* pool.awaitIdle
    })
  )

  laws.law("no submitter overtakes the door while the pool yields to the event loop (I4)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const begun: Array<number> = []
      const submitters = []
      // More tasks than end in one step, so that some wait at the door when others arrive.
      for (let i = 0; i < 3000; i++) submitters.push(yield* start(pool.submit(Effect.sync(() => begun.push(i)))))
      yield* full.release
      while (begun.length === 0) yield* Effect.yieldNow
      assert.isBelow(begun.length, 3000)
      yield* pool.submit(Effect.sync(() => begun.push(3000)))
      yield* Fiber.joinAll(submitters)
      assert.deepStrictEqual(
        begun,
        Array.from({ length: 3001 }, (_, i) => i)
      )
    })
  )

  laws.law("a freed place goes to the head of the door, not to a later submitter (I4)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const head = yield* start(pool.fork(Effect.succeed("head")))
      yield* full.waiting.at(-1)!.cancel
      expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "QueueFull")
      const handle = yield* Fiber.join(head)
      yield* full.release
      assert.strictEqual(yield* handle.join, "head")
    })
  )

  laws.law(
    "interrupting a submitter at the door removes its task, which never counts and never runs (I3)",
    {},
    (pool) =>
      Effect.gen(function* () {
        if (laws.capacity === undefined) return
        const full = yield* fill(pool)
        const before = yield* pool.stats
        const tasks = [gated("a"), gated("b"), gated("c")]
        const submitters = []
        for (const { task } of tasks) submitters.push(yield* start(pool.submit(task)))
        yield* Fiber.interrupt(submitters[1]!)
        yield* Fiber.interrupt(yield* start(pool.fork(Effect.die("never"))))
        assert.deepStrictEqual(yield* pool.stats, { ...before, atDoor: 2 })
        yield* full.release
        for (const i of [0, 2]) {
          yield* tasks[i]!.open
          yield* Fiber.join(submitters[i]!)
        }
        assert.strictEqual(tasks[1]!.counts.begun, 0)
        yield* expectStats(pool, { submitted: before.submitted + 2, cancelled: before.cancelled, running: 0 })
      })
  )

  laws.law("a new worker admits the head of the door", { minSize: 0, maxSize: 5 }, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const task = gated("late")
      const submitter = yield* start(pool.submit(task.task))
      yield* pool.scale(3)
      yield* task.started
      yield* task.open
      yield* Fiber.join(submitter)
      yield* full.release
    })
  )

  laws.law("pausing fails the door at once with NotAvailable", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const submitter = yield* start(pool.submit(Effect.die("never")))
      const forker = yield* start(pool.fork(Effect.die("never")))
      yield* pool.pause
      expectNotAvailable(yield* Fiber.await(submitter), "Paused")
      expectNotAvailable(yield* Fiber.await(forker), "Paused")
      yield* expectStats(pool, { rejected: 2, submitted: 1 + full.waiting.length })
      yield* full.release
    })
  )

  laws.law("closing fails the door at once with NotAvailable", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      const submitter = yield* start(pool.submit(Effect.die("never")))
      const forker = yield* start(pool.fork(Effect.die("never")))
      const closer = yield* start(pool.close())
      expectNotAvailable(yield* Fiber.await(submitter), "Closed")
      expectNotAvailable(yield* Fiber.await(forker), "Closed")
      yield* full.release
      assert.deepStrictEqual(yield* Fiber.join(closer), {
        completed: 1 + full.waiting.length,
        interrupted: 0,
        neverRun: 0
      })
    })
  )

  laws.law("submitNowait never waits: it admits the task or fails with NotAvailable", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("running")
      const handle = yield* pool.submitNowait(task.task)
      assert.strictEqual(task.counts.begun, 1)
      const places = laws.capacity ?? 3
      const waiting = []
      for (let i = 0; i < places; i++) waiting.push(yield* pool.submitNowait(Effect.succeed(i)))
      if (laws.capacity !== undefined) {
        const refused = yield* start(pool.submitNowait(Effect.die("never")))
        assert.isTrue(hasEnded(refused))
        expectNotAvailable(yield* Fiber.await(refused), "QueueFull")
        yield* expectStats(pool, { rejected: 1 })
      }
      yield* expectStats(pool, { running: 1, waiting: places, submitted: 1 + places })
      yield* task.open
      assert.strictEqual(yield* handle.join, "running")
      for (const [i, other] of waiting.entries()) assert.strictEqual(yield* other.join, i)
    })
  )

  laws.law("with onFull: fail, a full queue rejects submit and fork at once", { onFull: "fail" }, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      for (const refused of [pool.submit(Effect.die("never")), pool.fork(Effect.die("never"))]) {
        const fiber = yield* start(Effect.asVoid(refused))
        assert.isTrue(hasEnded(fiber))
        expectNotAvailable(yield* Fiber.await(fiber), "QueueFull")
      }
      yield* expectStats(pool, { rejected: 2, waiting: laws.capacity, running: 1 })
      yield* full.release
      yield* pool.awaitIdle
      assert.strictEqual(yield* pool.submit(Effect.succeed("room again")), "room again")
    })
  )

  laws.law("a cancelled waiting task frees its place (I5, I8)", { needs: 1, onFull: "fail" }, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const full = yield* fill(pool)
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.void)), "QueueFull")
      yield* full.waiting[0]!.cancel
      const handle = yield* pool.fork(Effect.succeed("in its place"))
      yield* expectStats(pool, { waiting: laws.capacity })
      yield* full.release
      assert.strictEqual(yield* handle.join, "in its place")
    })
  )

  laws.law("NotAvailable has the pool's name and statistics, and its message is one sentence", { name: "db" }, (pool) =>
    Effect.gen(function* () {
      yield* pool.pause
      const error = yield* Effect.flip(pool.submit(Effect.void))
      assert.strictEqual(error._tag, "NotAvailable")
      assert.strictEqual(error.pool, "db")
      assert.deepStrictEqual(error.stats, yield* pool.stats)
      assert.match(error.message, /^db: .*paused/)
      assert.notInclude(error.message, "\n")
      assert.strictEqual(pool.name, "db")
    })
  )

  laws.law("the function of a rejected task is never called (I3)", { onFull: "fail" }, (pool) =>
    Effect.gen(function* () {
      let calls = 0
      const task = () => Effect.sync(() => ++calls)
      const full = yield* fill(pool)
      if (laws.capacity !== undefined) yield* Effect.exit(pool.submit(task))
      yield* pool.pause
      yield* Effect.exit(pool.submit(task))
      yield* Effect.exit(pool.fork(task))
      yield* Effect.exit(pool.submitNowait(task))
      yield* full.release
      yield* pool.close()
      yield* Effect.exit(pool.submit(task))
      assert.strictEqual(calls, 0)
    })
  )
}

// One task runs, and the queue is full.
const fill = Effect.fnUntraced(function* (pool: TaskPoolService) {
  const busy = yield* occupy(pool, 1)
  const { capacity } = yield* pool.stats
  const waiting = []
  for (let i = 0; i < capacity && Number.isFinite(capacity); i++) waiting.push(yield* pool.fork(Effect.void))
  return { waiting, release: busy.release }
})
