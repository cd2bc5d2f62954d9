import type { SubmitOptions, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { disciplineOf } from "./discipline.ts"
import { recordEvents } from "./events.ts"
import {
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

const dropping = { onFull: "dropOldest", capacity: 3 } as const

/** Forks tasks that do nothing, and returns their handles. */
const forkAll = (pool: TaskPoolService, options: ReadonlyArray<SubmitOptions>) =>
  Effect.forEach(options, (each) => pool.fork(Effect.void, each))

/** Which of the tasks were dropped. */
const droppedOf = Effect.fnUntraced(function* (handles: ReadonlyArray<TaskHandle<unknown>>) {
  const dropped: Array<number> = []
  for (const [i, handle] of handles.entries()) {
    const exit = yield* handle.poll
    if (exit._tag === "None") continue
    expectCancelled(exit.value, { reason: "Dropped", started: false })
    dropped.push(i)
  }
  return dropped
})

/** `onFull: "dropOldest"`: a full queue that takes new tasks. */
export const overflowLaws = (laws: Laws): void => {
  laws.lawOnce(
    "a full queue drops the task that waits longest, or the least urgent one, and takes the new one (load 7)",
    dropping,
    (pool) =>
      Effect.gen(function* () {
        const discipline = yield* disciplineOf(pool)
        const before = yield* pool.stats
        const events = yield* recordEvents(pool)
        const busy = yield* occupy(pool, 1)
        const handles = yield* forkAll(pool, [{ weight: 7 }, { weight: 9 }, { weight: 9 }])
        const urgent = yield* forkAll(pool, [{ weight: 1 }])
        assert.deepStrictEqual(yield* droppedOf(handles), discipline === "priority" ? [2] : [0])
        yield* expectStats(pool, { waiting: 3, dropped: 1, cancelled: 1, rejected: 0, atDoor: 0 })
        const second = yield* forkAll(pool, [{ weight: 1 }])
        assert.deepStrictEqual(yield* droppedOf(handles), discipline === "priority" ? [1, 2] : [0, 1])
        yield* busy.release
        yield* pool.awaitIdle
        for (const handle of [...urgent, ...second]) yield* handle.join
        yield* expectStats(pool, { submitted: before.submitted + 6, cancelled: 2, dropped: 2, waiting: 0 })
        assert.deepStrictEqual(events, [
          { _tag: "Cancelled", reason: "Dropped", started: false },
          { _tag: "Cancelled", reason: "Dropped", started: false }
        ])
      })
  )

  laws.lawOnce(
    "on a priority pool a new task that would be the least urgent is refused, also among equals (load 7)",
    dropping,
    (pool) =>
      Effect.gen(function* () {
        if ((yield* disciplineOf(pool)) !== "priority") return
        const busy = yield* occupy(pool, 1)
        const handles = yield* forkAll(pool, [{ weight: 5 }, { weight: 3 }, { weight: 5 }])
        for (const weight of [6, 5]) {
          expectNotAvailable(yield* Effect.exit(pool.fork(Effect.die("never"), { weight })), "QueueFull")
          expectNotAvailable(yield* Effect.exit(pool.submit(Effect.die("never"), { weight })), "QueueFull")
        }
        yield* expectStats(pool, { dropped: 0, rejected: 4, waiting: 3 })
        assert.deepStrictEqual(yield* droppedOf(handles), [])
        yield* pool.fork(Effect.void, { weight: 4 })
        assert.deepStrictEqual(yield* droppedOf(handles), [2])
        yield* busy.release
      })
  )

  laws.lawOnce(
    "with keys the task goes from the key with the most waiting tasks (load 7)",
    { ...dropping, capacity: 5 },
    (pool) =>
      Effect.gen(function* () {
        const discipline = yield* disciplineOf(pool)
        const busy = yield* occupy(pool, 1)
        const keys = ["quiet", "flood", "flood", "flood", undefined]
        const handles = yield* forkAll(
          pool,
          keys.map((key) => ({ key }))
        )
        yield* pool.fork(Effect.void, { key: "new" })
        assert.deepStrictEqual(yield* droppedOf(handles), discipline === "priority" ? [3] : [1])
        assert.deepStrictEqual(yield* pool.statsOf("flood"), { waiting: 2, running: 0 })
        assert.deepStrictEqual(yield* pool.statsOf("quiet"), { waiting: 1, running: 0 })
        yield* busy.release
      })
  )

  laws.lawOnce(
    "the submitter of a dropped task is told at once, whichever operation it called (load 7)",
    { ...dropping, capacity: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const submitter = yield* start(pool.submit(Effect.die("never"), { weight: 9 }))
        const handle = yield* pool.submitNowait(Effect.die("never"), { weight: 8 })
        expectCancelled(yield* Fiber.await(submitter), { reason: "Dropped", started: false })
        const last = yield* start(pool.submit(Effect.succeed("last"), { weight: 7 }))
        expectCancelled(yield* handle.await, { reason: "Dropped", started: false })
        yield* busy.release
        assert.strictEqual(yield* Fiber.join(last), "last")
      })
  )

  laws.law(
    "a free worker takes a new task, and nothing is dropped (load 7)",
    { onFull: "dropOldest", size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 2)
        yield* busy.release
        yield* pool.awaitIdle
        yield* expectStats(pool, { dropped: 0, succeeded: 2 })
      })
  )

  laws.lawOnce(
    "without a queue there is nothing to drop: a new task is refused as QueueFull (load 7)",
    { onFull: "dropOldest", capacity: 0 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const refused = yield* start(pool.submit(Effect.die("never")))
        expectNotAvailable(yield* Fiber.await(refused), "QueueFull")
        expectNotAvailable(yield* Effect.exit(pool.fork(Effect.die("never"))), "QueueFull")
        expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.die("never"))), "QueueFull")
        yield* expectStats(pool, { rejected: 3, dropped: 0, atDoor: 0 })
        yield* busy.release
      })
  )

  laws.lawOnce(
    "forEach and mapEffect wait at the door and drop nothing (load 7)",
    { ...dropping, capacity: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const waiting = yield* pool.fork(Effect.succeed("stays"))
        const bulk = yield* start(pool.forEach([1, 2, 3], (i) => Effect.succeed(i)))
        const reader = yield* start(Stream.runCollect(pool.mapEffect(Stream.range(1, 3), (i) => Effect.succeed(i))))
        yield* settle
        yield* expectStats(pool, { waiting: 1, atDoor: 2, dropped: 0 })
        yield* busy.release
        assert.strictEqual(yield* waiting.join, "stays")
        assert.deepStrictEqual(yield* Fiber.join(bulk), [1, 2, 3])
        assert.deepStrictEqual(Array.from(yield* Fiber.join(reader)), [1, 2, 3])
        yield* expectStats(pool, { dropped: 0, cancelled: 0 })
      })
  )

  laws.lawOnce(
    "a dropped item of a bulk fails the bulk as any failure does (load 7)",
    { ...dropping, capacity: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const bulk = yield* start(pool.forEach([1, 2, 3], () => Effect.die("never"), { weight: 9 }))
        yield* settle
        yield* expectStats(pool, { waiting: 1 })
        const handle = yield* pool.fork(Effect.succeed("new"), { weight: 1 })
        expectCancelled(yield* Fiber.await(bulk), { reason: "Dropped", started: false })
        yield* busy.release
        assert.strictEqual(yield* handle.join, "new")
        yield* expectStats(pool, { atDoor: 0, waiting: 0, running: 0, dropped: 1 })
      })
  )

  laws.lawOnce("a task between two attempts is not dropped (load 7)", { ...dropping, capacity: 1 }, (pool) =>
    Effect.gen(function* () {
      let attempts = 0
      const flaky = Effect.suspend(() => (++attempts === 1 ? Effect.fail("no") : Effect.succeed("yes")))
      const delayed = yield* pool.fork(flaky, { retry: Schedule.spaced(1000), weight: 9 })
      yield* settle
      assert.strictEqual(yield* delayed.state, "Delayed")
      const busy = yield* occupy(pool, 1)
      const first = yield* pool.fork(Effect.die("never"), { weight: 5 })
      const second = yield* pool.fork(Effect.succeed("second"), { weight: 4 })
      assert.deepStrictEqual(yield* droppedOf([first, second]), [0])
      assert.strictEqual(yield* delayed.state, "Delayed")
      // It comes back beside a full queue, where it may be dropped as any task that waits.
      yield* TestClock.adjust(1000)
      yield* settle
      assert.deepInclude(yield* pool.stats, { waiting: 2, delayed: 0 })
      yield* busy.release
      assert.strictEqual(yield* delayed.join, "yes")
      assert.strictEqual(yield* second.join, "second")
    })
  )

  laws.lawOnce("a paused or closed pool drops nothing (load 7)", { ...dropping, capacity: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const waiting = yield* pool.fork(Effect.succeed("stays"))
      yield* pool.pause
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.die("never"), { weight: 0 })), "Paused")
      yield* expectStats(pool, { dropped: 0, waiting: 1 })
      const closer = yield* start(pool.close())
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.die("never"), { weight: 0 })), "Closed")
      yield* busy.release
      yield* Fiber.join(closer)
      assert.strictEqual(yield* waiting.join, "stays")
    })
  )

  laws.lawOnce(
    "the observer of a dropped task may submit the next one, which drops another (load 7)",
    { ...dropping, capacity: 2 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        let again = 0
        const submitting: Effect.Effect<unknown> = Effect.suspend(() =>
          Effect.matchEffect(pool.submit(Effect.void, { weight: 4 - again }), {
            onFailure: () => (++again < 4 ? submitting : Effect.void),
            onSuccess: () => Effect.void
          })
        )
        const fibers = []
        for (let i = 0; i < 4; i++) fibers.push(yield* start(submitting))
        yield* settle
        const { cancelled, dropped, waiting } = yield* pool.stats
        assert.isAtMost(waiting, 2)
        assert.strictEqual(cancelled, dropped)
        yield* busy.release
        yield* Fiber.joinAll(fibers)
        yield* expectStats(pool, { waiting: 0, running: 0 })
      })
  )

  laws.law("with a place in the queue dropOldest drops nothing (load 7)", { onFull: "dropOldest", needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const task = gated("waits")
      const handle = yield* pool.fork(task.task)
      assert.isFalse(hasEnded(yield* start(handle.join)))
      yield* expectStats(pool, { waiting: 1, dropped: 0 })
      yield* busy.release
      yield* task.open
      assert.strictEqual(yield* handle.join, "waits")
    })
  )
}
