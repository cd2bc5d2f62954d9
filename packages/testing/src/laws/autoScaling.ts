import {
  type AutoScalePoolOptions,
  AutoScalePolicy,
  type PoolEvent,
  type PoolOptions,
  TaskPool
} from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { statsOf } from "../internal/ledger.ts"
import { StepWorld } from "../internal/stepWorld.ts"
import { expectConserved, expectStats, gated, type Gated, type LayerOf, settle, start } from "./kit.ts"

/** An auto-scale pool as the laws need it; `interval` is in milliseconds. */
export interface AutoScaleLawOptions extends PoolOptions, Pick<AutoScalePoolOptions, "classify" | "policy"> {
  readonly minSize: number
  readonly maxSize: number
  readonly interval: number
}

const interval = 1000

/** How an auto-scale pool follows its load. */
export const sizingLaws = (name: string, layerOf: LayerOf<AutoScaleLawOptions>): void => {
  const bounds = { minSize: 2, maxSize: 8, interval }
  const law = (sentence: string, options: PoolOptions, body: Effect.Effect<unknown, unknown, TaskPool>) =>
    it.effect(sentence, () => Effect.provide(body, layerOf({ ...bounds, ...options })))

  const tick = Effect.gen(function* () {
    yield* TestClock.adjust(interval)
    yield* settle
    const stats = yield* TaskPool.stats
    expectConserved(stats)
    assert.isAtLeast(stats.targetSize, bounds.minSize)
    assert.isAtMost(stats.targetSize, bounds.maxSize)
    return stats
  })

  const ticks = (count: number) => Effect.forEach(Array.from({ length: count }), () => tick)

  describe(`${name}: sizing`, () => {
    law(
      "an idle pool stays at its minimum",
      {},
      Effect.andThen(
        settle,
        Effect.map(ticks(30), (all) => {
          for (const stats of all) assert.strictEqual(stats.targetSize, 2)
        })
      )
    )

    law(
      "a burst on a pool at its minimum grows it within one interval, and new workers take waiting tasks (I2)",
      {},
      Effect.gen(function* () {
        const tasks = yield* burst(40)
        yield* expectStats(yield* TaskPool, { running: 2, waiting: 38 })
        const stats = yield* tick
        assert.isAbove(stats.targetSize, 2)
        assert.strictEqual(stats.running, stats.targetSize)
        yield* finish(tasks)
      })
    )

    law(
      "an unbounded queue does not stop growth: the pool reaches its maximum while the load lasts",
      {},
      Effect.gen(function* () {
        const tasks = yield* burst(200)
        const sizes = (yield* ticks(30)).map((stats) => stats.targetSize)
        assert.strictEqual(sizes.at(-1), 8)
        yield* finish(tasks)
      })
    )

    law(
      "the pool shrinks to its minimum when the load ends, and interrupts no task",
      {},
      Effect.gen(function* () {
        const tasks = yield* burst(100)
        yield* ticks(30)
        yield* finish(tasks)
        const sizes = (yield* ticks(60)).map((stats) => stats.targetSize)
        assert.strictEqual(sizes.at(-1), 2)
        yield* expectStats(yield* TaskPool, { succeeded: 100, cancelled: 0, interrupted: 0, running: 0 })
      })
    )

    law(
      "submitters at the door of a pool without a queue make it grow too",
      { capacity: 0 },
      Effect.gen(function* () {
        const pool = yield* TaskPool
        const tasks = Array.from({ length: 20 }, (_, i) => gated(i))
        const submitters = []
        for (const { task } of tasks) submitters.push(yield* start(pool.submit(task)))
        const stats = yield* tick
        assert.isAbove(stats.targetSize, 2)
        yield* finish(tasks)
        yield* Fiber.joinAll(submitters)
      })
    )

    law(
      "scaling by hand is clamped to the bounds",
      {},
      Effect.gen(function* () {
        assert.strictEqual(yield* TaskPool.scale(100), 8)
        assert.strictEqual(yield* TaskPool.scale(-100), 2)
        assert.strictEqual(yield* TaskPool.resize(0, { mode: "hard" }), 2)
        assert.strictEqual(yield* TaskPool.resize(5), 5)
      })
    )

    law(
      "every change of size is an event with its reason",
      {},
      Effect.gen(function* () {
        const events: Array<PoolEvent> = []
        yield* start(Stream.runForEach(TaskPool.events, (event) => Effect.sync(() => void events.push(event))))
        yield* settle
        const tasks = yield* burst(40)
        const { targetSize } = yield* tick
        yield* settle
        const scaled = events.filter((event) => event._tag === "Scaled")
        assert.strictEqual(scaled[0]!.from, 2)
        assert.strictEqual(scaled.at(-1)!.to, targetSize)
        for (const { why } of scaled) assert.isAbove(why.length, 0)
        yield* finish(tasks)
      })
    )

    it("a pool at rest has no timer, and follows the load again after it (as p-queue)", () => {
      const world = new StepWorld({ budget: 1_000_000 })
      const scope = Scope.makeUnsafe()
      const building = world.fork(Layer.buildWithScope(layerOf({ minSize: 2, maxSize: 8, interval }), scope))
      world.scheduler.runAll()
      const built = building.pollUnsafe()
      if (built?._tag !== "Success") return assert.fail(String(built))
      const pool = Context.get(built.value, TaskPool)
      const pass = (seconds: number): void => {
        for (let i = 0; i < seconds; i++) {
          world.clock.adjustUnsafe(1000)
          world.scheduler.runAll()
        }
      }
      for (let round = 0; round < 2; round++) {
        const gate = Latch.makeUnsafe()
        for (let i = 0; i < 40; i++) world.fork(pool.fork(gate.await))
        pass(20)
        assert.isAbove(statsOf(pool).targetSize, 2)
        gate.openUnsafe()
        pass(600)
        assert.deepInclude(statsOf(pool), { targetSize: 2, running: 0, waiting: 0 })
        assert.strictEqual(world.clock.sleepers, 0)
      }
      world.fork(Scope.close(scope, Exit.void))
      world.scheduler.runAll()
      return assert.isUndefined(world.left)
    })

    for (const [how, failing] of [
      ["at once", Effect.fail("429")],
      ["after a while", Effect.andThen(Effect.yieldNow, Effect.fail("429"))]
    ] as const) {
      it.effect(`at the end of a retryAfter one task that fails ${how} is dispatched, not all`, () =>
        Effect.gen(function* () {
          const pool = yield* TaskPool
          let sent = 0
          const task = Effect.andThen(
            Effect.sync(() => void sent++),
            failing
          )
          for (let i = 0; i < 50; i++) yield* pool.fork(task)
          yield* settle
          for (let turn = 1; turn <= 10; turn++) {
            assert.strictEqual(sent, turn)
            yield* TestClock.adjust(60)
            yield* settle
          }
        }).pipe(
          Effect.provide(
            layerOf({
              minSize: 1,
              maxSize: 1,
              interval,
              shutdown: { drainTimeout: 0 },
              // The policy itself never pauses.
              policy: {
                name: "still",
                initial: () => 1,
                window: () => ({ ...AutoScalePolicy.timed(interval), overloads: 1 }),
                update: (size) => [size, { size, reason: "STILL" }]
              },
              classify: (exit) => (Exit.isSuccess(exit) ? "success" : { overload: true, retryAfter: 60 })
            })
          )
        )
      )
    }

    law(
      "a closed pool is not resized, and a reopened one is (I6)",
      {},
      Effect.gen(function* () {
        yield* TaskPool.close()
        yield* ticks(5)
        yield* TaskPool.start
        yield* expectStats(yield* TaskPool, { targetSize: 2, phase: "Open" })
        const tasks = yield* burst(40)
        assert.isAbove((yield* tick).targetSize, 2)
        yield* finish(tasks)
      })
    )
  })
}

const burst = Effect.fnUntraced(function* (count: number) {
  const tasks = Array.from({ length: count }, (_, i) => gated(i))
  for (const { task } of tasks) yield* TaskPool.fork(task)
  return tasks
})

const finish = Effect.fnUntraced(function* (tasks: ReadonlyArray<Gated<unknown>>) {
  for (const task of tasks) yield* task.open
  yield* TaskPool.awaitIdle
})
