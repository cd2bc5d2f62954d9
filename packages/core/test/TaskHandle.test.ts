import { defectOf, expectStats, failureOf, gated, isInterrupted, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import {
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  NotWaiting,
  TaskCancelled,
  type TaskHandle,
  TaskPool
} from "../src/index.ts"

const { layer } = AioFixedTaskPoolSimple

/** Keeps the one worker busy; what is forked then waits. */
const occupied = Effect.gen(function* () {
  const busy = gated("busy")
  yield* TaskPool.fork(busy.task)
  return busy
})

describe("join", () => {
  it.effect("dies in the task itself, which would wait for itself (load 1)", () =>
    Effect.gen(function* () {
      const own = yield* Deferred.make<TaskHandle<unknown>>()
      const handle = yield* TaskPool.fork(Effect.flatMap(Deferred.await(own), (handle) => Effect.exit(handle.join)))
      yield* Deferred.succeed(own, handle)
      assert.include(String(defectOf(yield* handle.join)), "would wait for itself")
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("state and poll", () => {
  it.effect("follow the task through the queue and its finalizers", () =>
    Effect.gen(function* () {
      const busy = yield* occupied
      const finalizer = yield* Latch.make()
      const task = gated("result")
      const handle = yield* TaskPool.fork(Effect.ensuring(task.task, finalizer.await))
      assert.strictEqual(yield* handle.state, "Waiting")
      assert.isTrue(Option.isNone(yield* handle.poll))
      yield* busy.open
      yield* task.started
      assert.strictEqual(yield* handle.state, "Running")
      yield* task.open
      yield* settle
      assert.strictEqual(yield* handle.state, "Running")
      assert.isTrue(Option.isNone(yield* handle.poll))
      yield* finalizer.open
      yield* handle.await
      assert.strictEqual(yield* handle.state, "Done")
      assert.deepStrictEqual(yield* handle.poll, Option.some(Exit.succeed("result")))
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("give what is then, each time they are run", () =>
    Effect.gen(function* () {
      yield* TaskPool.resize(0)
      const { poll, state } = yield* TaskPool.fork(Effect.succeed(1))
      assert.deepStrictEqual([yield* state, Option.isSome(yield* poll)], ["Waiting", false])
      yield* TaskPool.resize(1)
      assert.deepStrictEqual([yield* state, Option.isSome(yield* poll)], ["Done", true])
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("join and await", () => {
  it.effect("give the outcome to any number of fibers, before and after the task has settled", () =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* TaskPool.fork(task.task)
      const joiners = yield* Effect.forEach([1, 2, 3], () => start(handle.join))
      const awaiter = yield* start(handle.await)
      yield* task.open
      assert.deepStrictEqual(yield* Effect.forEach(joiners, Fiber.join), ["result", "result", "result"])
      assert.deepStrictEqual(yield* Fiber.join(awaiter), Exit.succeed("result"))
      assert.strictEqual(yield* handle.join, "result")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed("result"))
      assert.strictEqual(task.counts.begun, 1)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("give the task's own failure, defect and interruption", () =>
    Effect.gen(function* () {
      const failed = yield* TaskPool.fork(Effect.fail("own" as const))
      assert.strictEqual(yield* Effect.flip(failed.join), "own")
      const died = yield* TaskPool.fork(Effect.die("own"))
      assert.deepStrictEqual(yield* died.await, Exit.die("own"))
      const interrupted = yield* TaskPool.fork(Effect.interrupt)
      assert.isTrue(isInterrupted(yield* interrupted.await))
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("an interrupted joiner touches neither the task nor the other joiners", () =>
    Effect.gen(function* () {
      const task = gated("result")
      const handle = yield* TaskPool.fork(task.task)
      const gone = yield* start(handle.join)
      const stays = yield* start(handle.join)
      yield* Fiber.interrupt(gone)
      assert.strictEqual(yield* handle.state, "Running")
      yield* task.open
      assert.strictEqual(yield* Fiber.join(stays), "result")
      yield* expectStats({ succeeded: 1, interrupted: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("a task may join the one before it", () =>
    Effect.gen(function* () {
      const first = gated(20)
      const one = yield* TaskPool.fork(first.task)
      const two = yield* TaskPool.fork(Effect.map(one.join, (n) => n + 1))
      yield* first.open
      assert.strictEqual(yield* two.join, 21)
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("a handle keeps its outcome when the pool has closed", () =>
    Effect.gen(function* () {
      const handle = yield* Effect.provide(TaskPool.fork(Effect.succeed("result")), layer(1))
      assert.strictEqual(yield* handle.join, "result")
      assert.strictEqual(yield* handle.state, "Done")
      yield* handle.cancel
      assert.strictEqual(yield* handle.join, "result")
    })
  )
})

describe("cancel", () => {
  it.effect("removes a waiting task at once: its place is free, and it never runs (I5)", () =>
    Effect.gen(function* () {
      const busy = yield* occupied
      const task = gated("never")
      const handle = yield* TaskPool.fork(task.task)
      const joiner = yield* start(handle.join)
      yield* expectStats({ waiting: 1, capacity: 1 })
      yield* handle.cancel
      yield* expectStats({ waiting: 0, cancelled: 1 })
      const error = failureOf(yield* Fiber.await(joiner))
      assert.instanceOf(error, TaskCancelled)
      assert.deepInclude(error, { reason: "Cancelled", started: false })
      const next = yield* TaskPool.submitNowait(Effect.succeed("next"))
      yield* busy.open
      assert.strictEqual(yield* next.join, "next")
      assert.strictEqual(task.counts.begun, 0)
    }).pipe(Effect.provide(layer(1, { capacity: 1 })))
  )

  it.effect("of a waiting task lets the first at the door in", () =>
    Effect.gen(function* () {
      const busy = yield* occupied
      const handle = yield* TaskPool.fork(Effect.void)
      const atDoor = yield* start(TaskPool.fork(Effect.succeed("let in")))
      assert.isUndefined(atDoor.pollUnsafe())
      yield* handle.cancel
      const next = yield* Fiber.join(atDoor)
      assert.strictEqual(yield* next.state, "Waiting")
      yield* busy.open
      assert.strictEqual(yield* next.join, "let in")
    }).pipe(Effect.provide(layer(1, { capacity: 1 })))
  )

  it.effect("interrupts a running task and waits for its finalizers", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const handle = yield* TaskPool.fork(Effect.ensuring(Effect.never, finalizer.await))
      const canceller = yield* start(handle.cancel)
      const another = yield* start(handle.cancel)
      yield* settle
      assert.isUndefined(canceller.pollUnsafe())
      assert.strictEqual(yield* handle.state, "Running")
      yield* finalizer.open
      yield* Fiber.join(canceller)
      yield* Fiber.join(another)
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Cancelled", started: true })
      yield* expectStats({ running: 0, cancelled: 1, interrupted: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("continues when the canceller is interrupted", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const handle = yield* TaskPool.fork(Effect.ensuring(Effect.never, finalizer.await))
      const canceller = yield* start(handle.cancel)
      yield* Fiber.interrupt(canceller)
      assert.strictEqual(yield* handle.state, "Running")
      yield* finalizer.open
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Cancelled", started: true })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("does nothing when the task has settled, and when it is repeated", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(Effect.succeed("result"))
      yield* handle.cancel
      yield* handle.cancel
      assert.strictEqual(yield* handle.join, "result")
      yield* TaskPool.resize(0)
      const waiting = yield* TaskPool.fork(Effect.void)
      yield* waiting.cancel
      yield* waiting.cancel
      yield* expectStats({ succeeded: 1, cancelled: 1, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("of each of 1,000 waiting tasks, in any order, leaves the queue empty", () =>
    Effect.gen(function* () {
      yield* TaskPool.resize(0)
      const handles = yield* Effect.forEach(
        Array.from({ length: 1000 }, (_, i) => i),
        (i) => TaskPool.fork(Effect.die("ran"), { weight: i % 7 })
      )
      const inSomeOrder = handles.map((_, i) => handles[(i * 389) % 1000]!)
      for (const handle of inSomeOrder) yield* handle.cancel
      yield* expectStats({ waiting: 0, cancelled: 1000 })
      yield* TaskPool.resize(1)
      yield* expectStats({ failed: 0, running: 0 })
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )
})

describe("reprioritize", () => {
  const orderAfter = Effect.fnUntraced(function* (
    change: (handles: ReadonlyArray<TaskHandle<void>>) => Effect.Effect<unknown, unknown>
  ) {
    const busy = yield* occupied
    const seen: Array<number> = []
    const handles = yield* Effect.forEach([0, 1, 2], (i) => TaskPool.fork(Effect.sync(() => void seen.push(i))))
    yield* change(handles)
    yield* busy.open
    yield* TaskPool.awaitIdle
    return seen
  })

  it.effect("to the same weight keeps the place", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* orderAfter(([first]) => first!.reprioritize(4)), [0, 1, 2])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  it.effect("to another weight goes to the back of it", () =>
    Effect.gen(function* () {
      const change = ([first, second]: ReadonlyArray<TaskHandle<void>>) =>
        Effect.andThen(second!.reprioritize(1), first!.reprioritize(1))
      assert.deepStrictEqual(yield* orderAfter(change), [1, 0, 2])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  it.effect("away and back goes to the back of the old weight", () =>
    Effect.gen(function* () {
      const change = ([first]: ReadonlyArray<TaskHandle<void>>) =>
        Effect.andThen(first!.reprioritize(9), first!.reprioritize(4))
      assert.deepStrictEqual(yield* orderAfter(change), [1, 2, 0])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  it.effect("changes no order in first in, first out", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* orderAfter(([, , last]) => last!.reprioritize(-1)), [0, 1, 2])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("changes no order in last in, first out", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* orderAfter(([first]) => first!.reprioritize(-1)), [2, 1, 0])
    }).pipe(Effect.provide(AioFixedTaskPoolLifo.layer(1)))
  )

  it.effect("is a function that can be handed on without its handle", () =>
    Effect.gen(function* () {
      const change = ([first]: ReadonlyArray<TaskHandle<void>>) => {
        const { reprioritize } = first!
        return Effect.forEach([5, 6], reprioritize)
      }
      assert.deepStrictEqual(yield* orderAfter(change), [1, 2, 0])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  it.effect("fails with NotWaiting once the task runs, and when it is done", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const handle = yield* TaskPool.fork(busy.task)
      const running = yield* Effect.flip(handle.reprioritize(1))
      assert.instanceOf(running, NotWaiting)
      assert.deepInclude(running, { pool: "AioFixedTaskPoolPriority", state: "Running" })
      yield* busy.open
      yield* handle.join
      assert.strictEqual((yield* Effect.flip(handle.reprioritize(1))).state, "Done")
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )
})
