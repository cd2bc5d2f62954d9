import { defectOf, expectStats, failureOf, gated, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"

const { layer } = AioFixedTaskPoolSimple

/** The numbers from 0 on; counts what is pulled, and whether the stream was left. */
const counted = () => {
  const counts = { pulled: 0, left: 0 }
  const stream = Stream.fromIterable(
    (function* () {
      while (true) yield counts.pulled++
    })(),
    { chunkSize: 1 }
  ).pipe(Stream.ensuring(Effect.sync(() => void counts.left++)))
  return { stream, counts }
}

describe("mapEffect", () => {
  it.effect("gives results in the order of the elements, whatever the order of their ends", () =>
    Effect.gen(function* () {
      const tasks = [gated("a"), gated("b"), gated("c")]
      const mapped = TaskPool.mapEffect(Stream.fromIterable(tasks), ({ task }, index) =>
        Effect.map(task, (a) => `${a}${index}`)
      )
      const fiber = yield* start(Stream.runCollect(mapped))
      for (const { open, started } of tasks.toReversed()) {
        yield* started
        yield* open
        yield* settle
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["a0", "b1", "c2"])
      yield* expectStats({ submitted: 3, succeeded: 3 })
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("gives them in the order of their ends with `unordered`", () =>
    Effect.gen(function* () {
      const tasks = [gated("a"), gated("b"), gated("c")]
      const mapped = TaskPool.mapEffect(Stream.fromIterable(tasks), ({ task }) => task, { unordered: true })
      const fiber = yield* start(Stream.runCollect(mapped))
      for (const { open, started } of tasks.toReversed()) {
        yield* started
        yield* open
        yield* settle
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["c", "b", "a"])
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("takes an empty stream, and one of many elements", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Stream.runCollect(TaskPool.mapEffect(Stream.empty, Effect.succeed)), [])
      const many = TaskPool.mapEffect(Stream.range(1, 5000), (n) => Effect.succeed(n * 2))
      assert.strictEqual(
        yield* Stream.runFold(
          many,
          () => 0,
          (sum, n) => sum + n
        ),
        5000 * 5001
      )
      yield* expectStats({ succeeded: 5000, largestSize: 2, running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("pulls an element only when the pool has taken the one before it", () =>
    Effect.gen(function* () {
      const { counts, stream } = counted()
      const fiber = yield* start(Stream.runDrain(TaskPool.mapEffect(stream, () => Effect.never)))
      yield* settle
      assert.isAtMost(counts.pulled, 4)
      yield* expectStats({ running: 2 })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(counts.left, 1)
      yield* expectStats({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("stops pulling while `bufferSize` results wait to be taken", () =>
    Effect.gen(function* () {
      const { counts, stream } = counted()
      const first = yield* Latch.make()
      const second = yield* Latch.make()
      const mapped = TaskPool.mapEffect(stream, Effect.succeed, { bufferSize: 4 })
      const fiber = yield* start(Stream.runForEach(mapped, (n) => (n < 5 ? first : second).await))
      yield* settle
      yield* settle
      const { pulled } = counts
      // The result in hand, those in the buffer, those that ran when it became full, and the element in the feeder's hand.
      assert.isAtMost(pulled, 1 + 4 + 2 + 2)
      yield* settle
      assert.strictEqual(counts.pulled, pulled)
      // The reader takes all results, holds those behind the fifth, and as many wait again.
      yield* first.open
      yield* settle
      yield* settle
      assert.isAbove(counts.pulled, pulled)
      assert.isAtMost(counts.pulled, 5 + 4 + 4 + 2 + 2)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("ends early with its reader: its tasks are interrupted, the upstream is left", () =>
    Effect.gen(function* () {
      const { counts, stream } = counted()
      const mapped = TaskPool.mapEffect(stream, (n) => (n === 0 ? Effect.succeed(n) : Effect.never))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(mapped, 1)), [0])
      assert.strictEqual(counts.left, 1)
      yield* settle
      yield* expectStats({ running: 0, waiting: 0, succeeded: 1 })
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("fails with the first failure, after the finalizers of its tasks, and leaves the upstream", () =>
    Effect.gen(function* () {
      const { counts, stream } = counted()
      const finalizer = yield* Latch.make()
      const mapped = TaskPool.mapEffect(stream, (n) =>
        n === 1 ? Effect.andThen(Effect.yieldNow, Effect.fail("own")) : Effect.ensuring(Effect.never, finalizer.await)
      )
      const fiber = yield* start(Stream.runDrain(mapped))
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      yield* finalizer.open
      assert.strictEqual(failureOf(yield* Fiber.await(fiber)), "own")
      assert.strictEqual(counts.left, 1)
      yield* expectStats({ running: 0, waiting: 0, failed: 1 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect(
    "interrupts its tasks when the first one fails, although its reader has not taken the results before it",
    () =>
      Effect.gen(function* () {
        const { stream } = counted()
        const reading = yield* Latch.make()
        const failing = yield* Latch.make()
        const mapped = TaskPool.mapEffect(stream, (n) =>
          n === 0 ? Effect.void : n === 1 ? Effect.andThen(failing.await, Effect.fail("own")) : Effect.never
        )
        const fiber = yield* start(Stream.runForEach(mapped, () => reading.await))
        yield* settle
        yield* expectStats({ running: 3, succeeded: 1 })
        yield* failing.open
        yield* settle
        yield* expectStats({ running: 0, waiting: 0, succeeded: 1, failed: 1, interrupted: 2 })
        yield* reading.open
        assert.strictEqual(failureOf(yield* Fiber.await(fiber)), "own")
      }).pipe(Effect.provide(layer(3)))
  )

  it.effect("fails with the upstream's own failure", () =>
    Effect.gen(function* () {
      const upstream = Stream.concat(Stream.make(1), Stream.fail("upstream" as const))
      const exit = yield* Effect.exit(Stream.runDrain(TaskPool.mapEffect(upstream, Effect.succeed)))
      assert.strictEqual(failureOf(exit), "upstream")
      yield* expectStats({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("of a paused pool fails with NotAvailable", () =>
    Effect.gen(function* () {
      yield* TaskPool.pause
      const exit = yield* Effect.exit(Stream.runDrain(TaskPool.mapEffect(Stream.make(1), Effect.succeed)))
      assert.deepInclude(failureOf(exit), { _tag: "NotAvailable", reason: "Paused" })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("waits at the door where there is no queue", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const fiber = yield* start(Stream.runCollect(TaskPool.mapEffect(Stream.make(1, 2, 3), Effect.succeed)))
      yield* settle
      yield* expectStats({ submitted: 1 })
      yield* busy.open
      assert.deepStrictEqual(yield* Fiber.join(fiber), [1, 2, 3])
    }).pipe(Effect.provide(layer(1, { capacity: 0, onFull: "fail" })))
  )

  for (const operation of ["mapEffect", "forEach"] as const) {
    it.effect(`dies of what an option's function throws when its accepted tasks have settled, as ${operation}`, () =>
      Effect.gen(function* () {
        const task = gated("first")
        const error = new Error("no label")
        const label = (n: number) => {
          if (n === 2) throw error
          return undefined
        }
        const work = () => task.task
        const bulk =
          operation === "forEach"
            ? TaskPool.forEach([1, 2, 3], work, { label })
            : Stream.runCollect(TaskPool.mapEffect(Stream.make(1, 2, 3), work, { label }))
        const fiber = yield* start(Effect.exit(bulk))
        yield* task.started
        yield* settle
        assert.isUndefined(fiber.pollUnsafe())
        yield* task.open
        assert.strictEqual(defectOf(yield* Fiber.join(fiber)), error)
        yield* expectStats({ submitted: 1, succeeded: 1, interrupted: 0 })
      }).pipe(Effect.provide(layer(1)))
    )
  }

  it.effect("with a wrong buffer dies with RangeError", () =>
    Effect.gen(function* () {
      for (const bufferSize of [0, -1, 1.5, Number.NaN]) {
        const mapped = TaskPool.mapEffect(Stream.make(1), Effect.succeed, { bufferSize })
        const defect = defectOf(yield* Effect.exit(Stream.runDrain(mapped)))
        assert.instanceOf(defect, RangeError)
        assert.include(
          String(defect),
          `TaskPool.mapEffect: bufferSize must be an integer > 0 or Infinity, got ${bufferSize}`
        )
      }
    }).pipe(Effect.provide(layer(1)))
  )
})
