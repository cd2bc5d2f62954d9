import { Executor } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as jobs from "./jobs/plain.ts"
import { defectOf, expectStats, hasEnded, type Laws, occupy, settle, start, failureOf } from "./kit.ts"

/** Registers the laws of jobs that are submitted to a pool. The executor runs them on the calling thread. */
export const blockingLaws = (laws: Laws): void => {
  laws.law("submitBlocking waits for a worker as submit does, and returns the job's result", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const { release } = yield* occupy(pool, 1)
      const caller = yield* start(pool.submitBlocking(jobs.add, { args: [1, 2] }))
      yield* settle
      assert.isFalse(hasEnded(caller))
      yield* expectStats(pool, { running: 1, waiting: 1 })
      yield* release
      assert.strictEqual(yield* Fiber.join(caller), 3)
      yield* expectStats(pool, { running: 0, waiting: 0, submitted: 2, succeeded: 2 })
    }).pipe(Effect.provide(Executor.layerInline))
  )

  laws.law("interrupting the caller of submitBlocking removes a waiting job: it never runs", {}, (pool) =>
    Effect.gen(function* () {
      const { release } = yield* occupy(pool, 1)
      const cells = new Int32Array(new SharedArrayBuffer(4))
      const caller = yield* start(pool.submitBlocking(jobs.count, { args: [cells, 0] }))
      yield* settle
      yield* Fiber.interrupt(caller)
      yield* expectStats(pool, { running: 1, waiting: 0, atDoor: 0 })
      yield* release
      yield* settle
      assert.strictEqual(cells[0], 0)
      yield* pool.submitBlocking(jobs.count, { args: [cells, 0] })
      assert.strictEqual(cells[0], 1)
    }).pipe(Effect.provide(Executor.layerInline))
  )

  laws.law("submitBlocking fails with TaskThrew if the job throws, and the task counts as failed", {}, (pool) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(pool.submitBlocking(jobs.fail, { args: [5] }))
      failureOf(exit, "TaskThrew")
      yield* expectStats(pool, { submitted: 1, failed: 1 })
    }).pipe(Effect.provide(Executor.layerInline))
  )

  laws.law("wrong arguments of submitBlocking are its defect, and nothing is submitted", {}, (pool) =>
    Effect.gen(function* () {
      for (const options of [
        { args: [1, 2], wieght: 1 },
        { args: [1, 2], timeout: -1 }
      ]) {
        const exit = yield* Effect.exit(pool.submitBlocking(jobs.add, options as never))
        assert.instanceOf(defectOf(exit), Error)
      }
      yield* expectStats(pool, { submitted: 0, rejected: 0 })
    }).pipe(Effect.provide(Executor.layerInline))
  )
}
