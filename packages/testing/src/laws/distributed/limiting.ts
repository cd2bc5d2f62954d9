import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { defectOf, start } from "../kit.ts"
import { type DistributedLaws, gate, now, type World } from "./kit.ts"

/** A body that counts how many run at once. */
const counting = () => {
  const seen = { now: 0, most: 0, runs: 0 }
  const body = Effect.gen(function* () {
    seen.now++
    seen.runs++
    seen.most = Math.max(seen.most, seen.now)
    yield* Effect.sleep(5)
    seen.now--
    return ""
  })
  return { body, seen }
}

const submitMany = (world: World, count: number, body: Effect.Effect<string>) =>
  Effect.forEach(Array.from({ length: count }), () => world.submit(body), { concurrency: "unbounded", discard: true })

/** How many tasks run at once, and how that changes. */
export const limitingLaws = (laws: DistributedLaws): void => {
  laws.law("never more tasks run than the size, over all workers", { size: 3 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker({ concurrency: 2 })
      yield* world.worker({ concurrency: 2 })
      const { body, seen } = counting()
      yield* submitMany(world, 24, body)
      assert.isAtMost(seen.most, 3)
      assert.strictEqual(seen.runs, 24)
    })
  )

  laws.law("never more tasks run in a worker than its concurrency", { size: 50 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker({ concurrency: 2 })
      const { body, seen } = counting()
      yield* submitMany(world, 12, body)
      assert.isAtMost(seen.most, 2)
      assert.strictEqual(seen.runs, 12)
    })
  )

  laws.law("a pool of size 0 runs nothing, and raising the size starts what waits", { size: 0 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const gates = [gate("a"), gate("b"), gate("c")]
      const fibers = yield* Effect.forEach(gates, ({ body }) => start(world.submit(body)))
      yield* world.until(({ waiting }) => waiting === 3)
      assert.strictEqual((yield* world.pool.stats).running, 0)
      assert.strictEqual(yield* world.pool.resize(2), 2)
      yield* world.until(({ running, waiting }) => running === 2 && waiting === 1)
      for (const { open } of gates) yield* open
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(results, ["a", "b", "c"])
    })
  )

  laws.law("raising the size while all places are taken starts the next task at once", { size: 1 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const first = gate("first")
      const second = gate("second")
      const fibers = [yield* start(world.submit(first.body))]
      yield* first.started
      fibers.push(yield* start(world.submit(second.body)))
      yield* world.until(({ waiting }) => waiting === 1)
      assert.strictEqual(yield* world.pool.scale(1), 2)
      yield* second.started
      yield* first.open
      yield* second.open
      yield* Effect.forEach(fibers, Fiber.join)
    })
  )

  laws.law("lowering the size lets running tasks finish, and starts no others", { size: 2 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const gates = [gate("a"), gate("b"), gate("c")]
      const fibers = yield* Effect.forEach(gates.slice(0, 2), ({ body }) => start(world.submit(body)))
      yield* gates[0]!.started
      yield* gates[1]!.started
      assert.strictEqual(yield* world.pool.resize(1), 1)
      fibers.push(yield* start(world.submit(gates[2]!.body)))
      yield* world.until(({ waiting }) => waiting === 1)
      yield* gates[0]!.open
      assert.strictEqual(yield* Fiber.join(fibers[0]!), "a")
      yield* world.until(({ running }) => running === 1)
      assert.strictEqual(gates[2]!.counts.begun, 0)
      yield* gates[1]!.open
      yield* gates[2]!.open
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["a", "b", "c"])
    })
  )

  laws.law("scale changes the size by a delta, and stops at 0", { size: 5 }, ({ pool }) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.scale(2), 7)
      assert.strictEqual(yield* pool.scale(-3), 4)
      assert.strictEqual((yield* pool.stats).targetSize, 4)
      assert.strictEqual(yield* pool.scale(-100), 0)
      assert.strictEqual(yield* pool.scale(5), 5)
    })
  )

  laws.law("a size or a delta that is out of range dies with RangeError and changes nothing", { size: 5 }, ({ pool }) =>
    Effect.gen(function* () {
      const wrong = [NaN, -1, 1.5, 2 ** 53, Infinity, 1_000_001, "5" as unknown as number]
      for (const size of wrong) assert.instanceOf(defectOf(yield* Effect.exit(pool.resize(size))), RangeError)
      for (const delta of [NaN, 1.5, 2 ** 53, -Infinity, "1" as unknown as number]) {
        assert.instanceOf(defectOf(yield* Effect.exit(pool.scale(delta))), RangeError)
      }
      assert.strictEqual((yield* pool.stats).targetSize, 5)
    })
  )

  laws.law("a rate spreads the starts", { size: 10, rate: { limit: 1, window: 60 } }, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const begun = yield* now
      yield* submitMany(world, 5, Effect.succeed(""))
      // In fixed windows the first start may be late in its window, and the second early in the next one.
      assert.isAtLeast((yield* now) - begun, 3 * 60 - 2)
    })
  )
}
