import { DistributedTaskPool, type DistributedTaskPoolService } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { failureOf, start } from "../kit.ts"
import { Call, type DistributedLaws, gate, until, World } from "./kit.ts"

/** Several layers of one name: here in one process, with a connection each. */
export const sharedLaws = (laws: DistributedLaws): void => {
  /** Opens the pool once more. It closes with the scope. */
  const open = (name: string, size = 4): Effect.Effect<DistributedTaskPoolService, unknown, Scope.Scope> =>
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.map(Layer.buildWithScope(laws.layerOf({ name, size }), scope), (context) =>
        Context.get(context, DistributedTaskPool)
      )
    )

  laws.law(
    "the first layer writes the size, later ones read it, and resize changes it for all",
    { size: 3 },
    (world, name) =>
      Effect.gen(function* () {
        const other = yield* open(name, 9)
        assert.strictEqual((yield* other.stats).targetSize, 3)
        assert.strictEqual(yield* other.scale(4), 7)
        assert.strictEqual((yield* world.pool.stats).targetSize, 7)
      })
  )

  laws.law("one layer submits and another one runs", {}, (world, name) =>
    Effect.gen(function* () {
      const other = yield* open(name)
      yield* other.worker([world.handler], { concurrency: 2 })
      assert.strictEqual(yield* world.submit(Effect.succeed("there")), "there")
    })
  )

  laws.law("one ID from two layers is one task", {}, (world, name) =>
    Effect.gen(function* () {
      yield* world.worker()
      const other = yield* open(name)
      const { body, counts, open: release, started } = gate("once")
      const payload = world.payload(body)
      const fibers = [
        yield* start(world.pool.submit(Call, payload, { id: "one" })),
        yield* start(other.submit(Call, payload, { id: "one" }))
      ]
      yield* started
      yield* release
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["once", "once"])
      assert.strictEqual(yield* other.submit(Call, payload, { id: "one" }), "once")
      assert.strictEqual(counts.begun, 1)
    })
  )

  laws.law("a hold and a pause are for all layers, and outlive the one that made them", {}, (world, name) =>
    Effect.gen(function* () {
      yield* world.worker()
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(open(name), scope)
      yield* other.holdDispatch
      yield* other.pause
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* world.pool.stats).held)
      const payload = world.payload(Effect.succeed("late"))
      yield* until(
        Effect.map(Effect.exit(world.pool.fork(Call, payload)), (exit) => {
          if (Exit.isSuccess(exit)) return false
          assert.strictEqual((failureOf(exit, "NotAvailable") as { reason: string }).reason, "Paused")
          return true
        })
      )
      yield* world.pool.resume
      yield* world.pool.releaseDispatch
      assert.strictEqual(yield* world.pool.submit(Call, payload), "late")
    })
  )

  laws.law("a task outlives the layer that submitted it, and attach finds its result", {}, (world, name) =>
    Effect.gen(function* () {
      yield* world.worker()
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(open(name), scope)
      const { body, open: release, started } = gate("kept")
      const payload = world.payload(body)
      const waiting = yield* start(Effect.exit(other.submit(Call, payload, { id: "one" })))
      yield* started
      yield* Scope.close(scope, Exit.void)
      const error = failureOf(yield* Fiber.join(waiting), "TaskCancelled") as { reason: string; started: boolean }
      assert.deepStrictEqual([error.reason, error.started], ["Closed", true])
      const handle = yield* world.pool.attach(Call, "one")
      yield* release
      assert.strictEqual(yield* handle.join, "kept")
    })
  )

  laws.law("one layer cancels what another one submitted", {}, (world, name) =>
    Effect.gen(function* () {
      yield* world.worker()
      const other = new World(yield* open(name))
      const { body, counts, started } = gate("never")
      yield* world.fork(body, { id: "one" })
      yield* started
      const handle = yield* other.pool.attach(Call, "one")
      yield* handle.cancel
      assert.deepStrictEqual(counts, { begun: 1, ended: 1 })
      failureOf(yield* handle.await, "TaskCancelled")
    })
  )
}
