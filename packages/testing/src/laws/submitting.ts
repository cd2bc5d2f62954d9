import { UnknownTaskType, UnknownTaskWeight, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import {
  defectOf,
  expectCancelled,
  expectStats,
  gated,
  gatedFinalizer,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

class Broken {
  readonly _tag = "Broken"
}

/** What a submitter gets, and what becomes of the task when the submitter goes away. */
export const submittingLaws = (laws: Laws): void => {
  laws.law("submit returns the result of its effect (I3)", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.submit(Effect.succeed("result")), "result")
      yield* expectStats(pool, { submitted: 1, succeeded: 1, running: 0, waiting: 0 })
    })
  )

  laws.law("a submitted function is called with its arguments, once, when it is dispatched (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const calls: Array<ReadonlyArray<number>> = []
      const add = (...args: [number, number]) => {
        calls.push(args)
        return Effect.succeed(args[0] + args[1])
      }
      const fiber = yield* start(pool.submit(add, { args: [1, 2] }))
      yield* settle
      assert.deepStrictEqual(calls, [])
      yield* busy.release
      assert.strictEqual(yield* Fiber.join(fiber), 3)
      assert.deepStrictEqual(calls, [[1, 2]])
    })
  )

  laws.law("a function without arguments is a task too", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.submit(() => Effect.succeed(7)), 7)
      assert.strictEqual(
        yield* Effect.flatMap(
          pool.fork(() => Effect.succeed(8)),
          (handle) => handle.join
        ),
        8
      )
      assert.strictEqual(
        yield* Effect.flatMap(
          pool.submitNowait(() => Effect.succeed(9)),
          (handle) => handle.join
        ),
        9
      )
    })
  )

  laws.law("a failure passes untouched and frees the worker (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const error = new Broken()
      assert.strictEqual(yield* Effect.flip(pool.submit(Effect.fail(error))), error)
      yield* expectStats(pool, { submitted: 1, failed: 1, running: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a defect passes untouched and frees the worker (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const defect = new Broken()
      assert.strictEqual(defectOf(yield* Effect.exit(pool.submit(Effect.die(defect)))), defect)
      yield* expectStats(pool, { submitted: 1, failed: 1, running: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a task that interrupts itself passes as an interruption and frees the worker (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(Effect.interrupt)
      const exit = yield* handle.await
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      const submitted = yield* Effect.exit(Effect.sandbox(pool.submit(Effect.interrupt)))
      assert.isTrue(Exit.isFailure(submitted) && !Cause.hasDies(submitted.cause))
      yield* expectStats(pool, { submitted: 2, interrupted: 2, running: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("an error that a function throws is the defect of its submit, and frees the worker (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const defect = new Broken()
      const thrower = (): Effect.Effect<never> => {
        // oxlint-disable-next-line no-throw-literal
        throw defect
      }
      assert.strictEqual(defectOf(yield* Effect.exit(pool.submit(thrower))), defect)
      yield* expectStats(pool, { submitted: 1, failed: 1, running: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a function that returns no Effect dies with UnknownTaskType and frees the worker", {}, (pool) =>
    Effect.gen(function* () {
      const wrong = (() => 42) as unknown as () => Effect.Effect<number>
      for (const use of usesOf(pool)) {
        assert.instanceOf(defectOf(yield* Effect.exit(use(wrong))), UnknownTaskType)
        yield* expectStats(pool, { running: 0, waiting: 0 })
      }
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law(
    "a value that is neither an Effect nor a function dies with UnknownTaskType and frees the worker",
    {},
    (pool) =>
      Effect.gen(function* () {
        for (const wrong of [42, "task", null, undefined, {}, Promise.resolve(1)]) {
          for (const use of usesOf(pool)) {
            const defect = defectOf(yield* Effect.exit(use(wrong as never)))
            assert.instanceOf(defect, UnknownTaskType)
          }
        }
        yield* expectStats(pool, { running: 0, waiting: 0 })
        assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
      })
  )

  laws.law("a weight that is not a safe integer dies with UnknownTaskWeight and changes nothing", {}, (pool) =>
    Effect.gen(function* () {
      const before = yield* pool.stats
      for (const weight of [1.5, Number.NaN, Infinity, 2 ** 53, "4" as never]) {
        for (const use of usesOf(pool)) {
          const defect = defectOf(yield* Effect.exit(use(Effect.void, { weight })))
          assert.instanceOf(defect, UnknownTaskWeight)
          assert.include(String(defect), String(weight))
        }
      }
      assert.deepStrictEqual(yield* pool.stats, before)
    })
  )

  laws.law("1,000 submitters each get their own result, once (I3)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      const ids = Array.from({ length: 1000 }, (_, i) => i)
      let runs = 0
      const task = (id: number) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => {
            runs++
            return id * 2
          })
        )
      const results = yield* Effect.forEach(ids, (id) => pool.submit(task(id)), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        results,
        ids.map((id) => id * 2)
      )
      assert.strictEqual(runs, 1000)
      yield* expectStats(pool, { submitted: 1000, succeeded: 1000, running: 0, waiting: 0 })
    })
  )

  laws.law(
    "interrupting the submitter of a task that has not begun removes it at once: it never runs (I5)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const before = yield* pool.stats
        const task = gated("never")
        const fiber = yield* start(pool.submit(task.task))
        const during = yield* pool.stats
        fiber.interruptUnsafe()
        const after = yield* pool.stats
        assert.strictEqual(after.waiting, before.waiting)
        assert.strictEqual(after.cancelled, during.submitted - before.submitted)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.hasInterrupts(exit))
        yield* busy.release
        yield* pool.awaitIdle
        assert.strictEqual(task.counts.begun, 0)
      })
  )

  laws.law("interrupting the submitter of a running task interrupts it and waits for its finalizers (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const fiber = yield* start(pool.submit(task.task))
      yield* task.started
      const interrupting = yield* start(Fiber.interrupt(fiber))
      yield* settle
      assert.isFalse(hasEnded(interrupting))
      yield* expectStats(pool, { running: 1 })
      yield* task.openFinalizer
      yield* Fiber.join(interrupting)
      assert.strictEqual(task.counts.ended, 1)
      yield* expectStats(pool, { running: 0, interrupted: 1 })
    })
  )

  laws.law("a worker is not free while a timed-out task's finalizers run (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const outside = yield* start(Effect.timeoutOption(pool.submit(task.task), "1 second"))
      yield* task.started
      const next = gated("next")
      const waiting = yield* start(pool.submit(next.task))
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.strictEqual(next.counts.begun, 0)
      yield* expectStats(pool, { running: 1 })
      yield* task.openFinalizer
      yield* Fiber.await(outside)
      yield* next.open
      assert.strictEqual(yield* Fiber.join(waiting), "next")
    })
  )

  laws.law("a worker is not free while the finalizers of a timeout inside the task run (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gatedFinalizer()
      const fiber = yield* start(pool.submit(Effect.timeoutOption(inner.task, "1 second")))
      yield* inner.started
      const next = gated("next")
      const waiting = yield* start(pool.submit(next.task))
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.strictEqual(next.counts.begun, 0)
      yield* inner.openFinalizer
      yield* Fiber.join(fiber)
      yield* next.open
      assert.strictEqual(yield* Fiber.join(waiting), "next")
    })
  )

  laws.law("a task is interruptible even where its submitter is not", { minSize: 0 }, (pool) =>
    Effect.gen(function* () {
      const task = gated("never")
      const fiber = yield* start(Effect.uninterruptible(pool.submit(task.task)))
      yield* task.started
      yield* pool.resize(0, { mode: "hard" })
      expectCancelled(yield* Fiber.await(fiber), { reason: "ScaledDown", started: true })
      assert.strictEqual(task.counts.ended, 1)
    })
  )

  laws.law("a task that was forked in an uninterruptible region can be cancelled", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("never")
      const handle = yield* Effect.uninterruptible(pool.fork(task.task))
      yield* task.started
      yield* handle.cancel
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
    })
  )

  laws.law("a fork outlives the fiber that forked it", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* Fiber.join(yield* start(pool.fork(task.task)))
      yield* task.started
      yield* task.open
      assert.strictEqual(yield* handle.join, "result")
    })
  )

  laws.law("a failed fork whose handle is not used is counted and affects no other task", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.fork(Effect.fail(new Broken()))
      yield* pool.awaitIdle
      yield* pool.submitNowait(Effect.die(new Broken()))
      yield* pool.awaitIdle
      yield* expectStats(pool, { submitted: 2, failed: 2, running: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("one effect submitted twice runs twice", {}, (pool) =>
    Effect.gen(function* () {
      let runs = 0
      const submit = pool.submit(Effect.sync(() => ++runs))
      assert.deepStrictEqual([yield* submit, yield* submit], [1, 2])
      yield* expectStats(pool, { submitted: 2, succeeded: 2 })
    })
  )
}

/** All ways to hand a task over, each waited for. */
const usesOf = (pool: TaskPoolService) => [
  (task: Effect.Effect<unknown, unknown> | (() => Effect.Effect<unknown, unknown>), options?: { weight: number }) =>
    pool.submit(task as Effect.Effect<unknown, unknown>, options),
  (task: Effect.Effect<unknown, unknown> | (() => Effect.Effect<unknown, unknown>), options?: { weight: number }) =>
    Effect.flatMap(pool.fork(task as Effect.Effect<unknown, unknown>, options), (handle) => handle.join),
  (task: Effect.Effect<unknown, unknown> | (() => Effect.Effect<unknown, unknown>), options?: { weight: number }) =>
    Effect.flatMap(pool.submitNowait(task as Effect.Effect<unknown, unknown>, options), (handle) => handle.join)
]
