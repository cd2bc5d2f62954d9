import type { TaskCancelled } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defectOf, failureOf } from "../kit.ts"
import { type DistributedLaws, gate, now, Refused, until } from "./kit.ts"

/** When a task starts, and starts again. */
export const retryingLaws = (laws: DistributedLaws): void => {
  laws.law("a delayed task is Delayed, and starts when its delay has passed", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const begun = yield* now
      const handle = yield* world.fork(Effect.map(now, String), { delay: "150 millis" })
      yield* until(Effect.map(handle.state, (state) => state === "Delayed" || state === "Done"))
      // A broker counts whole milliseconds.
      assert.isAtLeast(Number(yield* handle.join) - begun, 148)
    })
  )

  laws.law("a typed failure is tried again until it succeeds", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const seen: Array<readonly [number, number]> = []
      const body = world.submit(
        ({ attempt, stalls }) => {
          seen.push([attempt, stalls])
          return attempt < 3 ? Effect.fail(new Refused({ why: `attempt ${attempt}` })) : Effect.succeed("third")
        },
        { attempts: 5 }
      )
      assert.strictEqual(yield* body, "third")
      assert.deepStrictEqual(seen, [
        [1, 0],
        [2, 0],
        [3, 0]
      ])
    })
  )

  laws.law("the last failure is the result when all attempts fail, and the time between them grows", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const at: Array<number> = []
      const failing = world.submit(
        ({ attempt }) =>
          Effect.flatMap(now, (millis) => {
            at.push(millis)
            return Effect.fail(new Refused({ why: `attempt ${attempt}` }))
          }),
        { attempts: 3, backoff: { exponential: "40 millis" } }
      )
      const error = yield* Effect.flip(failing)
      assert.strictEqual((error as Refused).why, "attempt 3")
      assert.strictEqual(at.length, 3)
      assert.isAtLeast(at[2]! - at[0]!, 40 + 80 - 4)
    })
  )

  laws.law("between two attempts a task is Delayed and takes no place", { size: 1 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const handle = yield* world.fork(Effect.fail(new Refused({ why: "full" })), {
        attempts: 2,
        backoff: { fixed: 600_000 }
      })
      yield* until(Effect.map(handle.state, (state) => state === "Delayed"))
      yield* world.until(({ delayed, running }) => delayed === 1 && running === 0)
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      yield* handle.cancel
      const { started } = failureOf(yield* handle.await, "TaskCancelled") as TaskCancelled
      assert.isTrue(started)
    })
  )

  laws.law("a defect and an interruption are not tried again", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      let runs = 0
      const run = Effect.sync(() => runs++)
      const dying = world.submit(Effect.andThen(run, Effect.die(new Error("boom"))), { attempts: 3 })
      assert.include(String(defectOf(yield* Effect.exit(dying))), "boom")
      const handle = yield* world.fork(Effect.andThen(run, Effect.interrupt), { attempts: 3 })
      yield* handle.await
      assert.strictEqual(runs, 2)
    })
  )

  laws.law("a timeout interrupts the task, waits for its finalizers, and is not tried again", { size: 1 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts } = gate("never")
      const exit = yield* Effect.exit(world.submit(body, { attempts: 3, timeout: "30 millis" }))
      const { reason, started } = failureOf(exit, "TaskCancelled") as TaskCancelled
      assert.deepStrictEqual([reason, started], ["TimedOut", true])
      assert.deepStrictEqual(counts, { begun: 1, ended: 1 })
      assert.strictEqual(yield* world.submit(Effect.succeed("next"), { timeout: "1 minute" }), "next")
    })
  )
}
