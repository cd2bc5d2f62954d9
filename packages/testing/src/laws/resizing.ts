import type { ResizeOptions } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  chained,
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
  until
} from "./kit.ts"

const range = { minSize: 0, maxSize: 10 }

/** Registers the laws of soft and hard resizing, and of rejected sizes. */
export const resizingLaws = (laws: Laws): void => {
  laws.law("scale changes the target by a delta and resize sets it; both return it", { size: 3, ...range }, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.scale(2), 5)
      assert.strictEqual(yield* pool.scale(-4), 1)
      assert.strictEqual(yield* pool.scale(0), 1)
      assert.strictEqual(yield* pool.resize(7), 7)
      assert.strictEqual(yield* pool.resize(7), 7)
      yield* expectStats(pool, { size: 7, targetSize: 7, largestSize: 7 })
    })
  )

  laws.law("two resizes at once both count", { size: 1, ...range }, (pool) =>
    Effect.gen(function* () {
      yield* Effect.all([pool.scale(1), pool.scale(2, { mode: "hard" }), pool.scale(3)], { concurrency: "unbounded" })
      yield* expectStats(pool, { targetSize: 7 })
    })
  )

  for (const mode of ["soft", "hard"] as const) {
    laws.law(`the target is clamped (${mode})`, { size: 3, minSize: 0, maxSize: 3 }, (pool) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* pool.scale(-100, { mode }), 0)
        yield* expectStats(pool, { size: 0, targetSize: 0 })
        assert.strictEqual(yield* pool.scale(2, { mode }), 2)
      })
    )

    laws.law(`a new worker takes a waiting task in the step that makes it (${mode}) (I2)`, range, (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const tasks = [gated("a"), gated("b")]
        const submitters = []
        for (const { task } of tasks) submitters.push(yield* start(pool.submit(task)))
        yield* pool.scale(2, { mode })
        assert.deepStrictEqual(
          tasks.map((task) => task.counts.begun),
          [1, 1]
        )
        for (const task of tasks) yield* task.open
        yield* Fiber.joinAll(submitters)
        yield* busy.release
      })
    )

    laws.law(`scaling does not wait behind a full queue (${mode})`, range, (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const submitters = []
        for (let i = 0; i < 5; i++) submitters.push(yield* start(pool.submit(Effect.succeed(i))))
        const scaling = yield* start(pool.scale(1, { mode }))
        assert.isTrue(hasEnded(scaling))
        yield* busy.release
        assert.deepStrictEqual(yield* Fiber.joinAll(submitters), [0, 1, 2, 3, 4])
      })
    )
  }

  laws.law("a pool at 0 runs nothing until it is scaled up (I1)", range, (pool) =>
    Effect.gen(function* () {
      yield* pool.resize(0)
      const task = gated("result")
      const submitter = yield* start(pool.submit(task.task))
      yield* settle
      assert.strictEqual(task.counts.begun, 0)
      yield* pool.scale(1)
      assert.strictEqual(task.counts.begun, 1)
      yield* task.open
      assert.strictEqual(yield* Fiber.join(submitter), "result")
    })
  )

  laws.law(
    "a soft scale-down lets surplus workers finish, and awaitResized waits for them",
    { size: 3, ...range },
    (pool) =>
      Effect.gen(function* () {
        const { handles, tasks } = yield* occupy(pool, 3)
        yield* pool.awaitResized
        assert.strictEqual(yield* pool.resize(1), 1)
        yield* expectStats(pool, { size: 3, targetSize: 1, running: 3 })
        const waiter = yield* start(pool.awaitResized)
        yield* tasks[0]!.open
        yield* handles[0]!.join
        yield* expectStats(pool, { size: 2, running: 2 })
        assert.isFalse(hasEnded(waiter))
        yield* tasks[1]!.open
        assert.strictEqual(yield* handles[1]!.join, 1)
        yield* Fiber.join(waiter)
        yield* expectStats(pool, { size: 1, running: 1, cancelled: 0 })
        yield* tasks[2]!.open
        assert.strictEqual(yield* handles[2]!.join, 2)
      })
  )

  laws.law("a surplus worker takes no further task (I1)", { size: 2, needs: 1, ...range }, (pool) =>
    Effect.gen(function* () {
      const { tasks, handles } = yield* occupy(pool, 2)
      const waiting = gated("waiting")
      const handle = yield* pool.fork(waiting.task)
      yield* pool.resize(1)
      yield* tasks[0]!.open
      yield* handles[0]!.join
      yield* settle
      assert.strictEqual(waiting.counts.begun, 0)
      yield* tasks[1]!.open
      yield* waiting.started
      yield* waiting.open
      assert.strictEqual(yield* handle.join, "waiting")
    })
  )

  laws.law("growing again makes surplus workers regular ones", { size: 2, ...range }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 2)
      yield* pool.resize(0)
      yield* pool.resize(2)
      yield* pool.awaitResized
      yield* expectStats(pool, { size: 2, targetSize: 2, running: 2 })
      yield* busy.release
      for (const handle of busy.handles) yield* handle.join
    })
  )

  laws.law("a hard scale-down takes idle workers first", { size: 3, ...range }, (pool) =>
    Effect.gen(function* () {
      const { handles, release } = yield* occupy(pool, 1)
      assert.strictEqual(yield* pool.resize(1, { mode: "hard" }), 1)
      yield* expectStats(pool, { size: 1, running: 1, cancelled: 0 })
      yield* release
      assert.strictEqual(yield* handles[0]!.join, 0)
    })
  )

  laws.law("a hard scale-down interrupts the newest running tasks first", { size: 3, ...range }, (pool) =>
    Effect.gen(function* () {
      const { handles, tasks } = yield* occupy(pool, 3)
      assert.strictEqual(yield* pool.scale(-1, { mode: "hard" }), 2)
      expectCancelled(yield* handles[2]!.await, { reason: "ScaledDown", started: true })
      yield* expectStats(pool, { size: 2, running: 2, cancelled: 1 })
      assert.strictEqual(yield* pool.scale(-1, { mode: "hard" }), 1)
      expectCancelled(yield* handles[1]!.await, { reason: "ScaledDown", started: true })
      yield* tasks[0]!.open
      assert.strictEqual(yield* handles[0]!.join, 0)
    })
  )

  laws.law(
    "a hard scale-down fails the submitters of interrupted tasks, and keeps waiting tasks",
    { ...range, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const running = gated("running")
        const submitter = yield* start(pool.submit(running.task))
        yield* running.started
        const waiting = yield* pool.fork(Effect.succeed("waiting"))
        yield* pool.resize(0, { mode: "hard" })
        expectCancelled(yield* Fiber.await(submitter), { reason: "ScaledDown", started: true })
        yield* expectStats(pool, { running: 0, waiting: 1, size: 0 })
        yield* pool.scale(1)
        assert.strictEqual(yield* waiting.join, "waiting")
      })
  )

  laws.law(
    "a hard scale-down returns after the finalizers of the tasks that it interrupts (I1)",
    { size: 2, ...range },
    (pool) =>
      Effect.gen(function* () {
        const tasks = [gatedFinalizer(), gatedFinalizer()]
        for (const { started, task } of tasks) {
          yield* pool.fork(task)
          yield* started
        }
        const scaling = yield* start(pool.resize(0, { mode: "hard" }))
        yield* settle
        yield* tasks[0]!.openFinalizer
        yield* settle
        assert.isFalse(hasEnded(scaling))
        yield* expectStats(pool, { targetSize: 0, running: 1 })
        yield* tasks[1]!.openFinalizer
        assert.strictEqual(yield* Fiber.join(scaling), 0)
        yield* expectStats(pool, { running: 0, size: 0, cancelled: 2 })
      })
  )

  laws.law(
    "a task that succeeds while it is being interrupted keeps its own result (I3)",
    { size: 2, ...range },
    (pool) =>
      Effect.gen(function* () {
        const { own, trigger } = chained("own")
        const submitter = yield* start(pool.submit(own))
        const cut = yield* pool.fork(trigger)
        yield* until(pool, (stats) => stats.running === 2)
        yield* pool.resize(0, { mode: "hard" })
        assert.strictEqual(yield* Fiber.join(submitter), "own")
        expectCancelled(yield* cut.await, { reason: "ScaledDown", started: true })
        yield* expectStats(pool, { succeeded: 1, cancelled: 1, running: 0 })
      })
  )

  laws.law("a hard scale-down waits for a task that cannot be interrupted yet (I1)", range, (pool) =>
    Effect.gen(function* () {
      const task = stubborn("lost")
      const submitter = yield* start(pool.submit(task.task))
      yield* task.started
      const scaling = yield* start(pool.resize(0, { mode: "hard" }))
      yield* settle
      assert.isFalse(hasEnded(scaling))
      yield* expectStats(pool, { targetSize: 0, running: 1 })
      yield* task.open
      yield* Fiber.join(scaling)
      expectCancelled(yield* Fiber.await(submitter), { reason: "ScaledDown", started: true })
      yield* expectStats(pool, { cancelled: 1, running: 0, size: 0 })
    })
  )

  laws.law("a task that fails while it is being interrupted keeps its own failure (I3)", range, (pool) =>
    Effect.gen(function* () {
      const task = stubborn("own")
      const submitter = yield* start(pool.submit(Effect.uninterruptible(Effect.flatMap(task.task, Effect.fail))))
      yield* task.started
      const scaling = yield* start(pool.resize(0, { mode: "hard" }))
      yield* settle
      yield* task.open
      yield* Fiber.join(scaling)
      assert.strictEqual(yield* Effect.flip(Fiber.join(submitter)), "own")
      yield* expectStats(pool, { failed: 1, cancelled: 0, running: 0 })
    })
  )

  laws.law("a hard resize interrupts the surplus tasks of a soft one", { size: 3, ...range }, (pool) =>
    Effect.gen(function* () {
      const { handles, tasks } = yield* occupy(pool, 3)
      yield* pool.resize(1)
      yield* pool.resize(1, { mode: "hard" })
      yield* expectStats(pool, { size: 1, running: 1, cancelled: 2 })
      yield* tasks[0]!.open
      assert.strictEqual(yield* handles[0]!.join, 0)
    })
  )

  laws.law("interrupting the caller of a hard scale-down does not undo it", { size: 1, ...range }, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      const handle = yield* pool.fork(task.task)
      yield* task.started
      const scaling = yield* start(pool.resize(0, { mode: "hard" }))
      scaling.interruptUnsafe()
      yield* task.openFinalizer
      expectCancelled(yield* handle.await, { reason: "ScaledDown", started: true })
      yield* expectStats(pool, { targetSize: 0, running: 0 })
    })
  )

  laws.law(
    "a delta or a size that is not an integer of its range dies with RangeError and changes nothing",
    range,
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const before = yield* pool.stats
        const wrongDeltas = [1.5, Number.NaN, Infinity, -Infinity, 2 ** 53, "1" as never]
        const wrongSizes = [1.5, Number.NaN, -1, -Infinity, 2 ** 53, "1" as never]
        for (const options of [{}, { mode: "hard" }] satisfies Array<ResizeOptions>) {
          for (const delta of wrongDeltas) {
            const defect = defectOf(yield* Effect.exit(pool.scale(delta, options)))
            assert.instanceOf(defect, RangeError)
            assert.include(String(defect), "scale")
            assert.include(String(defect), String(delta))
          }
          for (const size of wrongSizes) {
            const defect = defectOf(yield* Effect.exit(pool.resize(size, options)))
            assert.instanceOf(defect, RangeError)
            assert.include(String(defect), "resize")
            assert.include(String(defect), String(size))
          }
        }
        assert.deepStrictEqual(yield* pool.stats, before)
        yield* busy.release
      })
  )

  laws.law("explain names the number of workers and changes nothing; a bad count dies with RangeError", range, (pool) =>
    Effect.gen(function* () {
      yield* pool.resize(3)
      const before = yield* pool.stats
      for (const last of [undefined, 0, 1]) assert.include(yield* pool.explain(last), "3 workers")
      for (const last of [-1, 1.5, Number.NaN, "1" as never]) {
        assert.instanceOf(defectOf(yield* Effect.exit(pool.explain(last))), RangeError)
        assert.instanceOf(defectOf(yield* Effect.exit(pool.decisions(last))), RangeError)
      }
      for (const last of [undefined, 0, 1]) assert.deepStrictEqual(yield* pool.decisions(last), [])
      assert.deepStrictEqual(yield* pool.stats, before)
    })
  )
}
