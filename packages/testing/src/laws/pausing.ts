import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expectNotAvailable, expectStats, gated, type Laws, occupy, start } from "./kit.ts"

/** Pausing stops admission and nothing else. */
export const pausingLaws = (laws: Laws): void => {
  laws.law("a paused pool rejects new tasks and continues the admitted ones", {}, (pool) =>
    Effect.gen(function* () {
      const running = gated("running")
      const submitter = yield* start(pool.submit(running.task))
      yield* running.started
      assert.isTrue(yield* pool.pause)
      yield* expectStats(pool, { phase: "Paused", running: 1 })
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Paused")
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.void)), "Paused")
      expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "Paused")
      yield* expectStats(pool, { rejected: 3, submitted: 1 })
      yield* running.open
      assert.strictEqual(yield* Fiber.join(submitter), "running")
    })
  )

  laws.law("a paused pool dispatches waiting tasks", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const handle = yield* pool.fork(Effect.succeed("waited"))
      yield* pool.pause
      yield* expectStats(pool, { waiting: 1 })
      yield* busy.release
      assert.strictEqual(yield* handle.join, "waited")
    })
  )

  laws.law("resume admits again", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.pause
      assert.isFalse(yield* pool.resume)
      yield* expectStats(pool, { phase: "Open" })
      assert.strictEqual(yield* pool.submit(Effect.succeed("again")), "again")
    })
  )

  laws.law("pause and resume are idempotent, and togglePause toggles", {}, (pool) =>
    Effect.gen(function* () {
      const answers = [
        yield* pool.pause,
        yield* pool.pause,
        yield* pool.togglePause,
        yield* pool.togglePause,
        yield* pool.resume,
        yield* pool.resume,
        yield* pool.togglePause
      ]
      assert.deepStrictEqual(answers, [true, true, false, true, false, false, true])
      yield* expectStats(pool, { phase: "Paused" })
    })
  )

  laws.law("a pool can start paused", { startPaused: true }, (pool) =>
    Effect.gen(function* () {
      yield* expectStats(pool, { phase: "Paused" })
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Paused")
      yield* pool.resume
      assert.strictEqual(yield* pool.submit(Effect.succeed("open")), "open")
    })
  )

  laws.law("pausing a closed pool does nothing", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.close()
      assert.isFalse(yield* pool.pause)
      assert.isFalse(yield* pool.togglePause)
      yield* expectStats(pool, { phase: "Closed" })
      yield* pool.start
      yield* expectStats(pool, { phase: "Open" })
    })
  )

  laws.law("a paused pool can be resized", { minSize: 0, maxSize: 5 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.pause
      assert.strictEqual(yield* pool.scale(1), 2)
      yield* expectStats(pool, { phase: "Paused", targetSize: 2 })
      yield* pool.resume
    })
  )

  laws.law("closing a paused pool drains its admitted tasks", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      yield* pool.pause
      const closer = yield* start(pool.close())
      yield* expectStats(pool, { phase: "Draining" })
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0 })
    })
  )
}
