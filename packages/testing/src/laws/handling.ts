import { NotWaiting, UnknownTaskWeight } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
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
  start,
  stubborn,
  failureOf
} from "./kit.ts"

/** Registers the laws of handles, in each state of their task. */
export const handlingLaws = (laws: Laws): void => {
  laws.law("join returns the result to any number of joiners, now and later", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* pool.fork(task.task)
      const joiners = []
      for (let i = 0; i < 5; i++) joiners.push(yield* start(handle.join))
      yield* task.open
      assert.deepStrictEqual(
        yield* Fiber.joinAll(joiners),
        Array.from({ length: 5 }, () => "result")
      )
      assert.strictEqual(yield* handle.join, "result")
    })
  )

  laws.law("await waits for the exit, and poll returns it once there is one", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("cause")
      const handle = yield* pool.fork(Effect.flatMap(task.task, Effect.fail))
      assert.isTrue(Option.isNone(yield* handle.poll))
      yield* task.open
      assert.deepStrictEqual(yield* handle.await, Exit.fail("cause"))
      assert.deepStrictEqual(yield* handle.poll, Option.some(Exit.fail("cause")))
    })
  )

  laws.law("the state of a task is Waiting, then Running, then Done", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const task = gated("result")
      const handle = yield* pool.fork(task.task)
      assert.strictEqual(yield* handle.state, "Waiting")
      yield* busy.release
      yield* task.started
      assert.strictEqual(yield* handle.state, "Running")
      yield* task.open
      yield* handle.join
      assert.strictEqual(yield* handle.state, "Done")
    })
  )

  laws.law("a task whose finalizers run is still running (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const cancelling = yield* start(handle.cancel)
      yield* settle
      assert.strictEqual(yield* handle.state, "Running")
      assert.isTrue(Option.isNone(yield* handle.poll))
      assert.isFalse(hasEnded(cancelling))
      yield* task.openFinalizer
      yield* Fiber.join(cancelling)
      assert.strictEqual(yield* handle.state, "Done")
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      yield* expectStats(pool, { running: 0, cancelled: 1 })
    })
  )

  laws.law("cancelling a waiting task removes it at once: it never runs (I5)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const task = gated("never")
      const handle = yield* pool.fork(task.task)
      const joiner = yield* start(handle.join)
      const cancelling = yield* start(handle.cancel)
      assert.isTrue(hasEnded(cancelling))
      yield* expectStats(pool, { waiting: 0, cancelled: 1 })
      expectCancelled(yield* Fiber.await(joiner), { reason: "Cancelled", started: false })
      assert.strictEqual(yield* handle.state, "Done")
      yield* busy.release
      yield* pool.awaitIdle
      assert.strictEqual(task.counts.begun, 0)
    })
  )

  laws.law("cancel may be called repeatedly, concurrently and after the end", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const cancelling = [yield* start(handle.cancel), yield* start(handle.cancel), yield* start(handle.cancel)]
      yield* settle
      yield* task.openFinalizer
      yield* Fiber.joinAll(cancelling)
      yield* handle.cancel
      yield* expectStats(pool, { cancelled: 1, running: 0, submitted: 1 })
      assert.strictEqual(task.counts.ended, 1)
    })
  )

  laws.law("cancelling a task that has ended does not change its result (I3)", {}, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(Effect.succeed("result"))
      yield* handle.join
      yield* handle.cancel
      assert.strictEqual(yield* handle.join, "result")
      yield* expectStats(pool, { succeeded: 1, cancelled: 0 })
    })
  )

  laws.law("a canceller waits for a task that cannot be interrupted yet (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const task = stubborn("lost")
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const cancelling = yield* start(handle.cancel)
      yield* settle
      assert.isFalse(hasEnded(cancelling))
      yield* task.open
      yield* Fiber.join(cancelling)
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      yield* expectStats(pool, { cancelled: 1, running: 0 })
    })
  )

  laws.law("interrupting a joiner does not interrupt the task", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* pool.fork(task.task)
      yield* task.started
      yield* Fiber.interrupt(yield* start(handle.join))
      yield* Fiber.interrupt(yield* start(handle.await))
      yield* expectStats(pool, { running: 1 })
      yield* task.open
      assert.strictEqual(yield* handle.join, "result")
    })
  )

  laws.law("interrupting a canceller does not revoke the cancellation", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const cancelling = yield* start(handle.cancel)
      cancelling.interruptUnsafe()
      yield* task.openFinalizer
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
    })
  )

  laws.law("cancelling one task starts the next one (I2)", {}, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(Effect.never)
      const submitter = yield* start(pool.submit(Effect.succeed("next")))
      yield* handle.cancel
      assert.strictEqual(yield* Fiber.join(submitter), "next")
    })
  )

  laws.law("the message of TaskCancelled names the pool in one sentence", { name: "db" }, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(Effect.never)
      yield* handle.cancel
      const error = failureOf(yield* handle.await, "TaskCancelled")
      assert.strictEqual(error.pool, "db")
      assert.match(error.message, /^db: /)
    })
  )

  laws.law("reprioritize fails with NotWaiting once the task runs, and when it is done", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const running = yield* Effect.flip(handle.reprioritize(1))
      assert.instanceOf(running, NotWaiting)
      assert.strictEqual(running.state, "Running")
      yield* task.open
      yield* handle.join
      assert.strictEqual((yield* Effect.flip(handle.reprioritize(1))).state, "Done")
    })
  )

  laws.law("reprioritize dies with UnknownTaskWeight on a weight that is no safe integer", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const handle = yield* pool.fork(Effect.succeed("result"))
      for (const weight of [1.5, Number.NaN, Infinity, 2 ** 53, "1" as never]) {
        assert.instanceOf(defectOf(yield* Effect.exit(handle.reprioritize(weight))), UnknownTaskWeight)
      }
      assert.strictEqual(yield* handle.state, "Waiting")
      yield* handle.reprioritize(1)
      assert.strictEqual(yield* handle.state, "Waiting")
      yield* busy.release
      assert.strictEqual(yield* handle.join, "result")
    })
  )
}
