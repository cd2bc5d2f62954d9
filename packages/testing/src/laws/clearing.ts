import type { SubmitOptions, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { recordEvents } from "./events.ts"
import { defectOf, expectCancelled, expectStats, gated, hasEnded, type Laws, occupy, settle, start } from "./kit.ts"

const forkAll = (pool: TaskPoolService, options: ReadonlyArray<SubmitOptions>) =>
  Effect.forEach(options, (each) => pool.fork(Effect.void, each))

const clearedOf = Effect.fnUntraced(function* (handles: ReadonlyArray<TaskHandle<unknown>>) {
  const cleared: Array<number> = []
  for (const [i, handle] of handles.entries()) {
    const exit = yield* handle.poll
    if (exit._tag === "None") continue
    expectCancelled(exit.value, { reason: "Cleared", started: false })
    cleared.push(i)
  }
  return cleared
})

/** Fails, and is tried again a minute later. */
const flaky = { retry: Schedule.spaced("1 minute") }

/** `clear`: cancelling what waits. */
export const clearingLaws = (laws: Laws): void => {
  laws.law("clear cancels what waits, says how many, and leaves what runs (load 7)", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.clear(), 0)
      const events = yield* recordEvents(pool)
      const busy = yield* occupy(pool, 1)
      const places = laws.capacity ?? 3
      const handles = yield* forkAll(
        pool,
        Array.from({ length: places }, () => ({}))
      )
      assert.strictEqual(yield* pool.clear(), places)
      assert.strictEqual((yield* clearedOf(handles)).length, places)
      yield* expectStats(pool, { waiting: 0, running: 1, cancelled: places, dropped: 0 })
      assert.strictEqual(yield* pool.clear(), 0)
      yield* busy.release
      assert.strictEqual(yield* busy.handles[0]!.join, 0)
      yield* settle
      assert.deepStrictEqual(
        events,
        handles.map(() => ({ _tag: "Cancelled", reason: "Cleared", started: false }))
      )
      assert.strictEqual(yield* pool.submit(Effect.succeed("works")), "works")
    })
  )

  laws.law("clear does not touch the door, which then moves in (load 7)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const busy = yield* occupy(pool, 1)
      const waiting = yield* forkAll(
        pool,
        Array.from({ length: laws.capacity }, () => ({}))
      )
      const atDoor = []
      for (let i = 0; i < 3; i++) atDoor.push(yield* start(pool.submit(Effect.succeed(i))))
      yield* settle
      yield* expectStats(pool, { atDoor: 3 })
      assert.strictEqual(yield* pool.clear(), waiting.length)
      const movedIn = Math.min(3, waiting.length)
      yield* expectStats(pool, { atDoor: 3 - movedIn, waiting: movedIn })
      yield* busy.release
      assert.deepStrictEqual(yield* Effect.forEach(atDoor, Fiber.join), [0, 1, 2])
    })
  )

  laws.lawOnce("a filter is a key, a label, or both, which must match then (load 7)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const options = [
        { key: "a", label: "x" },
        { key: "a", label: "y" },
        { key: "b", label: "x" },
        { label: "x" },
        { key: "a" },
        {},
        { key: 1 },
        { key: "1" }
      ]
      const handles = yield* forkAll(pool, options)
      assert.strictEqual(yield* pool.clear({ key: "a", label: "x" }), 1)
      assert.deepStrictEqual(yield* clearedOf(handles), [0])
      assert.strictEqual(yield* pool.clear({ label: "x" }), 2)
      assert.deepStrictEqual(yield* clearedOf(handles), [0, 2, 3])
      assert.strictEqual(yield* pool.clear({ key: 1 }), 1)
      assert.deepStrictEqual(yield* clearedOf(handles), [0, 2, 3, 6])
      assert.strictEqual(yield* pool.clear({ key: "nobody's" }), 0)
      assert.strictEqual(yield* pool.clear({ key: "a" }), 2)
      assert.deepStrictEqual(yield* clearedOf(handles), [0, 1, 2, 3, 4, 6])
      // A field that is undefined is absent.
      assert.strictEqual(yield* pool.clear({ key: undefined, label: undefined }), 2)
      yield* busy.release
    })
  )

  laws.law("clear ends tasks between two attempts too, which had started (load 7)", {}, (pool) =>
    Effect.gen(function* () {
      const events = yield* recordEvents(pool)
      const submitter = yield* start(pool.submit(Effect.fail("no"), { ...flaky, label: "flaky" }))
      const bulk = yield* start(pool.forEach([1, 2, 3], () => Effect.fail("no"), flaky))
      yield* settle
      yield* expectStats(pool, { waiting: 0, running: 0, delayed: 4 })
      assert.strictEqual(yield* pool.clear({ label: "flaky" }), 1)
      expectCancelled(yield* Fiber.await(submitter), { reason: "Cleared", started: true })
      assert.strictEqual(yield* pool.clear(), 3)
      expectCancelled(yield* Fiber.await(bulk), { reason: "Cleared", started: true })
      yield* expectStats(pool, { waiting: 0, delayed: 0, running: 0, cancelled: 4 })
      yield* settle
      assert.deepStrictEqual(
        events,
        [1, 2, 3, 4].map(() => ({ _tag: "Cancelled", reason: "Cleared", started: true }))
      )
      assert.strictEqual(yield* pool.submit(Effect.succeed("works")), "works")
    })
  )

  laws.law(
    "clear of a bulk that has items in the queue and between attempts ends each of them once (load 7)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        for (const unordered of [false, true]) {
          const work = gated("stays")
          const f = (i: number) => (i < 3 ? Effect.fail("no") : work.task)
          const bulk = yield* start(pool.forEach([1, 2, 3, 4, 5], f, { ...flaky, unordered }))
          const reader = yield* start(Stream.runDrain(pool.mapEffect(Stream.range(1, 5), f, { ...flaky, unordered })))
          yield* settle
          yield* pool.clear()
          yield* settle
          assert.isTrue(hasEnded(bulk))
          yield* work.open
          yield* settle
          yield* pool.clear()
          yield* settle
          assert.isTrue(hasEnded(reader))
          const { delayed, running, waiting } = yield* pool.stats
          assert.deepStrictEqual({ delayed, running, waiting }, { delayed: 0, running: 0, waiting: 0 })
          yield* expectStats(pool, { atDoor: 0 })
          assert.strictEqual(yield* pool.submit(Effect.fail("works").pipe(Effect.flip)), "works")
        }
      })
  )

  laws.law("a task may clear its pool, which does not touch that task (load 7)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(
        Effect.gen(function* () {
          const waiting = yield* pool.fork(Effect.die("never"))
          const cleared = yield* pool.clear()
          expectCancelled(yield* waiting.await, { reason: "Cleared", started: false })
          return cleared
        }),
        { key: "own" }
      )
      assert.strictEqual(yield* handle.join, 1)
      assert.strictEqual(yield* pool.submit(pool.clear({ key: "own" }), { key: "own" }), 0)
    })
  )

  laws.law(
    "a cleared task has taken no tokens, and frees no worker twice (load 7)",
    { size: 2, needs: 1, rate: { limit: 1, window: "1 minute" } },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.submit(Effect.void)
        const waiting = yield* pool.fork(Effect.die("never"))
        assert.strictEqual(yield* pool.clear(), 1)
        expectCancelled(yield* waiting.await, { reason: "Cleared", started: false })
        assert.strictEqual((yield* pool.stats).nextStart, 60_000)
        yield* expectStats(pool, { busy: 0, running: 0 })
      })
  )

  laws.law("a submitter that is told of it may submit again, and waits anew (load 7)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const submitter = yield* start(Effect.retry(pool.submit(Effect.succeed("again")), { times: 1 }))
      yield* settle
      assert.strictEqual(yield* pool.clear(), 1)
      yield* settle
      yield* expectStats(pool, { waiting: 1, cancelled: 1 })
      yield* busy.release
      assert.strictEqual(yield* Fiber.join(submitter), "again")
    })
  )

  laws.law("a filter that is no filter is refused (load 7)", {}, (pool) =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [unknown, string]> = [
        [{ kee: 1 }, 'TaskPool.clear: unknown option "kee" (known: key, label)'],
        [{ key: Number.NaN }, "TaskPool.clear: key must be a string or a number, got NaN"],
        [{ label: 5 }, "TaskPool.clear: label must be a string, got 5"]
      ]
      for (const [options, message] of wrong) {
        const defect = defectOf(yield* Effect.exit(pool.clear(options as {})))
        assert.instanceOf(defect, TypeError)
        assert.strictEqual(defect.message, message)
      }
    })
  )
}
