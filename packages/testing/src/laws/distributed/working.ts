import { DistributedTask, type TaskLost } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { failureOf, start } from "../kit.ts"
import { type DistributedLaws, gate, Refused } from "./kit.ts"

/** How workers take tasks and leave. */
export const workerLaws = (laws: DistributedLaws): void => {
  laws.law("a worker that closes takes no more tasks, and waits for those it has", {}, (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(world.worker({ shutdown: {} }), scope)
      const running = gate("running")
      const fiber = yield* start(world.submit(running.body))
      yield* running.started
      const closing = yield* start(Scope.close(scope, Exit.void))
      const waiting = gate("waiting")
      const second = yield* start(world.submit(waiting.body))
      yield* world.until((stats) => stats.waiting === 1)
      assert.strictEqual(running.counts.ended, 0)
      assert.isUndefined(closing.pollUnsafe())
      yield* running.open
      yield* Fiber.join(closing)
      assert.strictEqual(yield* Fiber.join(fiber), "running")
      assert.strictEqual(waiting.counts.begun, 0)
      yield* world.until((stats) => stats.workers === 0)
      yield* waiting.open
      yield* world.worker()
      assert.strictEqual(yield* Fiber.join(second), "waiting")
    })
  )

  laws.law("a worker hands back what outlasts its drain, and the task runs again elsewhere", {}, (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(world.worker({ shutdown: { drainTimeout: "20 millis" } }), scope)
      const seen: Array<readonly [attempt: number, stalls: number]> = []
      const first = yield* Deferred.make<void>()
      let finalized = 0
      const handle = yield* world.fork(({ attempt, stalls }) =>
        Effect.gen(function* () {
          seen.push([attempt, stalls])
          if (seen.length > 1) return "second"
          yield* Deferred.succeed(first, undefined)
          return yield* Effect.never
        }).pipe(Effect.ensuring(Effect.sync(() => finalized++)))
      )
      yield* Deferred.await(first)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(finalized, 1)
      yield* world.until(({ running }) => running === 0)
      assert.notStrictEqual(yield* handle.state, "Done")
      yield* world.worker()
      assert.strictEqual(yield* handle.join, "second")
      assert.deepStrictEqual(seen, [
        [1, 0],
        [1, 0]
      ])
    })
  )

  laws.law("a task that is handed back has all its attempts left", {}, (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(world.worker({ shutdown: { drainTimeout: 0 } }), scope)
      const started = yield* Deferred.make<void>()
      const seen: Array<number> = []
      const handle = yield* world.fork(
        ({ attempt }) => {
          seen.push(attempt)
          if (seen.length === 1) return Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
          return attempt < 2 ? Effect.fail(new Refused({ why: "first attempt" })) : Effect.succeed("done")
        },
        { attempts: 2 }
      )
      yield* Deferred.await(started)
      yield* Scope.close(scope, Exit.void)
      yield* world.worker()
      assert.strictEqual(yield* handle.join, "done")
      assert.deepStrictEqual(seen, [1, 1, 2])
    })
  )

  laws.law("tasks reach the workers that know them", { size: 20 }, ({ pool }) =>
    Effect.gen(function* () {
      const A = DistributedTask.make("a", { success: Schema.String })
      const B = DistributedTask.make("b", { success: Schema.String })
      yield* pool.worker([A.handle(() => Effect.succeed("a"))], { concurrency: 2 })
      yield* pool.worker([B.handle(() => Effect.succeed("b"))], { concurrency: 2 })
      const results = yield* Effect.all(
        [pool.submit(A, undefined), pool.submit(B, undefined), pool.submit(A, undefined)],
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual(results, ["a", "b", "a"])
    })
  )

  laws.law("a task that no worker knows is lost after a time, and blocks no others", {}, (world) =>
    Effect.gen(function* () {
      const Unknown = DistributedTask.make("unknown")
      yield* world.worker({ unknownFor: "200 millis" })
      const handle = yield* world.pool.fork(Unknown, undefined, { attempts: 3 })
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      const lost = failureOf(yield* handle.await, "TaskLost") as TaskLost
      assert.deepStrictEqual([lost.id, lost.reason], [handle.id, "UnknownTask"])
    })
  )

  laws.law("a task that no worker knows yet runs when one joins that does", {}, (world) =>
    Effect.gen(function* () {
      const Late = DistributedTask.make("late", { success: Schema.String })
      yield* world.worker()
      const handle = yield* world.pool.fork(Late, undefined)
      yield* world.until(({ delayed }) => delayed === 1)
      yield* world.pool.worker([Late.handle(() => Effect.succeed("known"))], { concurrency: 1 })
      assert.strictEqual(yield* handle.join, "known")
    })
  )

  laws.law("workers join and leave at random, and every task has one outcome", { size: 6 }, (world) =>
    Effect.gen(function* () {
      const outcomes = new Map<number, number>()
      const bodies = Array.from({ length: 60 }, (_, n) => Effect.as(Effect.sleep(n % 7), `${n}`))
      const submits = bodies.map((body, n) =>
        Effect.map(world.submit(body), (result) => {
          assert.strictEqual(result, `${n}`)
          outcomes.set(n, (outcomes.get(n) ?? 0) + 1)
        })
      )
      const churn = Effect.gen(function* () {
        for (let i = 0; i < 8; i++) {
          yield* Effect.scoped(
            Effect.andThen(world.worker({ concurrency: 2, shutdown: { drainTimeout: i % 2 } }), Effect.sleep(5))
          )
        }
        yield* world.worker()
      })
      yield* Effect.all([churn, ...submits], { concurrency: "unbounded", discard: true })
      assert.strictEqual(outcomes.size, 60)
      assert.isTrue(Array.from(outcomes.values()).every((count) => count === 1))
    })
  )

  laws.law(
    "a handler that closes its own worker is not waited for by itself, and the worker leaves after it",
    {},
    (world) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Scope.provide(world.worker({ shutdown: {} }), scope)
        const beside = gate("beside")
        const other = yield* world.fork(beside.body)
        yield* beside.started
        const closing = yield* world.fork(Effect.as(Scope.close(scope, Exit.void), "closed"))
        assert.strictEqual(yield* closing.join, "closed")
        assert.strictEqual(beside.counts.ended, 0)
        yield* beside.open
        assert.strictEqual(yield* other.join, "beside")
        yield* world.until(({ running, workers }) => running === 0 && workers === 0)
        yield* world.worker()
        assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      })
  )

  laws.law("a worker leaves although the fiber that closes it is interrupted", {}, (world) =>
    Effect.gen(function* () {
      const left = yield* start(
        world.pool.events.pipe(
          Stream.filter(({ _tag }) => _tag === "WorkerLeft"),
          Stream.take(1),
          Stream.runDrain
        )
      )
      const scope = yield* Scope.make()
      yield* Scope.provide(world.worker({ shutdown: {} }), scope)
      const { body, open, started } = gate("done")
      const handle = yield* world.fork(body)
      yield* started
      const closer = yield* start(Scope.close(scope, Exit.void))
      const interrupting = yield* start(Fiber.interrupt(closer))
      yield* open
      assert.strictEqual(yield* handle.join, "done")
      yield* Fiber.join(interrupting)
      yield* world.until(({ running, workers }) => running === 0 && workers === 0)
      yield* Fiber.join(left)
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )
}
