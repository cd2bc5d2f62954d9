import { DistributedTask, type TaskCancelled, type TaskLost } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { defectOf, failureOf, isInterrupted, start } from "../kit.ts"
import { Call, type DistributedLaws, gate } from "./kit.ts"

/** One ID is one task. */
export const identityLaws = (laws: DistributedLaws): void => {
  laws.law("an ID that waits or runs makes no second task, and its payload is ignored", {}, (world) =>
    Effect.gen(function* () {
      const first = gate("first")
      const second = gate("second")
      const fibers = [yield* start(world.submit(first.body, { id: "one" }))]
      yield* world.until(({ waiting }) => waiting === 1)
      fibers.push(yield* start(world.submit(second.body, { id: "one" })))
      const handle = yield* world.fork(second.body, { id: "one" })
      assert.strictEqual(handle.id, "one")
      assert.strictEqual((yield* world.pool.stats).waiting, 1)
      yield* world.worker()
      yield* first.started
      fibers.push(yield* start(world.submit(second.body, { id: "one" })))
      yield* first.open
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["first", "first", "first"])
      assert.strictEqual(yield* handle.join, "first")
      assert.deepStrictEqual([first.counts.begun, second.counts.begun], [1, 0])
    })
  )

  laws.law("an ID that has settled returns the kept result, and its task does not run again", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      let runs = 0
      const count = Effect.sync(() => `run ${++runs}`)
      assert.strictEqual(yield* world.submit(count, { id: "one" }), "run 1")
      assert.strictEqual(yield* world.submit(count, { id: "one" }), "run 1")
      const handle = yield* world.fork(count, { id: "one" })
      assert.strictEqual(yield* handle.join, "run 1")
      assert.strictEqual(runs, 1)
    })
  )

  laws.law("an ID is free again when its task was cancelled before it ran", {}, (world) =>
    Effect.gen(function* () {
      const { body, counts } = gate("never")
      const waiting = yield* world.fork(body, { id: "one" })
      yield* waiting.cancel
      failureOf(yield* Effect.exit(world.pool.attach(Call, "one")), "TaskLost")
      const delayed = yield* world.fork(body, { id: "one", delay: 600_000 })
      yield* delayed.cancel
      const submitter = yield* start(world.submit(body, { id: "one" }))
      yield* world.until(({ waiting }) => waiting === 1)
      yield* Fiber.interrupt(submitter)
      assert.strictEqual((yield* world.pool.stats).keptFailed, 0)
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("ran"), { id: "one" }), "ran")
      assert.strictEqual(counts.begun, 0)
      for (const handle of [waiting, delayed]) {
        const error = failureOf(yield* handle.await, "TaskCancelled") as unknown as TaskCancelled
        assert.strictEqual(error.started, false)
      }
    })
  )

  laws.law("many submits of one ID at once are one task", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      let runs = 0
      const count = Effect.andThen(
        Effect.sleep(20),
        Effect.sync(() => `run ${++runs}`)
      )
      const submits = Array.from({ length: 10 }, () => world.submit(count, { id: "one" }))
      const results = yield* Effect.all(submits, { concurrency: "unbounded" })
      assert.deepStrictEqual(Array.from(new Set(results)), ["run 1"])
      assert.strictEqual(runs, 1)
    })
  )

  laws.law("only the submitter that created a task cancels it when it is interrupted", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts, started } = gate("never")
      const creator = yield* start(world.submit(body, { id: "one" }))
      yield* started
      const other = yield* start(world.submit(body, { id: "one" }))
      const handle = yield* world.pool.attach(Call, "one")
      yield* Fiber.interrupt(other)
      assert.isTrue(isInterrupted(yield* Fiber.await(other)))
      assert.strictEqual(counts.ended, 0)
      assert.strictEqual(yield* handle.state, "Running")
      yield* Fiber.interrupt(creator)
      assert.strictEqual(counts.ended, 1)
      failureOf(yield* handle.await, "TaskCancelled")
    })
  )

  laws.law("attach finds a running task and a settled one, and tells that there is none", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, open, started } = gate("done")
      const { id } = yield* world.fork(body)
      yield* started
      const running = yield* world.pool.attach(Call, id)
      const joiner = yield* start(running.join)
      yield* open
      assert.strictEqual(yield* Fiber.join(joiner), "done")
      const settled = yield* world.pool.attach(Call, id)
      assert.strictEqual(yield* settled.join, "done")
      const none = failureOf(yield* Effect.exit(world.pool.attach(Call, "none")), "TaskLost") as TaskLost
      assert.deepStrictEqual([none.id, none.reason], ["none", "Vanished"])
    })
  )

  laws.law("the ID of a task of another name is refused", {}, (world) =>
    Effect.gen(function* () {
      const Other = DistributedTask.make("other", { success: Schema.String })
      yield* world.worker()
      yield* world.submit(Effect.succeed("mine"), { id: "one" })
      for (const use of [
        world.pool.attach(Other, "one"),
        world.pool.submit(Other, undefined, { id: "one" }),
        world.pool.fork(Other, undefined, { id: "one" })
      ]) {
        const lost = failureOf(yield* Effect.exit<unknown, unknown, never>(use), "TaskLost") as TaskLost
        assert.deepStrictEqual([lost.id, lost.reason], ["one", "UnknownTask"])
      }
    })
  )

  laws.law("any string of 1 to 256 characters is an ID of its own", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const ids = ["42", ":", "a:b", "a:b:c", "u.x", "dS54", "__proto__", "0", " ", "\0", "💡", "\ud800", "\ud801"]
      ids.push("ä", "a\u0308", "*", "{x}", "x".repeat(256), `${"x".repeat(255)}y`)
      for (const id of ids) {
        const handle = yield* world.fork(Effect.succeed(`result of ${id}`), { id })
        assert.strictEqual(handle.id, id)
      }
      for (const id of ids) {
        const handle = yield* world.pool.attach(Call, id)
        assert.deepStrictEqual([handle.id, yield* handle.join], [id, `result of ${id}`])
      }
      for (const id of ["", "x".repeat(257), 42 as unknown as string, null as unknown as string]) {
        const payload = world.payload(Effect.succeed(""))
        for (const use of [world.pool.submit(Call, payload, { id }), world.pool.attach(Call, id)]) {
          assert.instanceOf(defectOf(yield* Effect.exit<unknown, unknown, never>(use)), RangeError)
        }
      }
    })
  )
}
