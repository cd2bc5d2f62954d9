import { TaskPool, type TaskHandle } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { expectStats, type LawOptions, type LayerOf, occupy, start } from "./kit.ts"
import { promptly } from "./nesting.ts"

const ageing = 1000

/** Ageing of priority pools: each span of waiting counts as one weight less. */
export const ageingLaws = (layerOf: LayerOf<LawOptions>): void => {
  const law = (sentence: string, body: Effect.Effect<unknown, unknown, TaskPool | Scope.Scope>) =>
    it.effect(sentence, () => Effect.provide(Effect.scoped(body), layerOf({ size: 1, ageing })), 20_000)

  for (const [millis, weight, first] of [
    [1999, 3, "newer"],
    [2000, 3, "older"],
    [2000, 2, "newer"],
    [2999, 2, "newer"],
    [3000, 2, "older"],
    [1, 5, "older"],
    [0, 6, "older"],
    [86_400_000, -86_000, "older"]
  ] as const) {
    law(
      `of a task of weight 5 and one of weight ${weight} that comes ${millis} ms later, the ${first} one is first (load 6)`,
      Effect.gen(function* () {
        const line = yield* makeLine
        yield* line.fork("older", 5)
        yield* TestClock.adjust(millis)
        yield* line.fork("newer", weight)
        const [started] = yield* line.run
        assert.strictEqual(started, first)
      })
    )
  }

  law(
    "equal weights are first-in first-out, whenever they come (load 6)",
    Effect.gen(function* () {
      const line = yield* makeLine
      for (const name of ["a", "b", "c", "d"]) {
        yield* line.fork(name, 4)
        if (name !== "b") yield* TestClock.adjust(700)
      }
      assert.deepStrictEqual(yield* line.run, ["a", "b", "c", "d"])
    })
  )

  law(
    "a changed weight keeps the age of its task (load 6)",
    Effect.gen(function* () {
      const line = yield* makeLine
      const old = yield* line.fork("old", 9)
      yield* TestClock.adjust(5000)
      yield* line.fork("new", 5)
      // The old task would be behind one of weight 4; with its age of 5 it is as one of weight 0.
      yield* line.fork("urgent", 1)
      yield* old.reprioritize(5)
      assert.deepStrictEqual(yield* line.run, ["old", "urgent", "new"])
    })
  )

  law(
    "within a key tasks age, across keys only turns decide (load 6, load 11a, Keys)",
    Effect.gen(function* () {
      const line = yield* makeLine
      yield* line.fork("a old", 5, "a")
      yield* TestClock.adjust(3000)
      yield* line.fork("a new", 3, "a")
      yield* line.fork("b", 9, "b")
      yield* line.fork("a urgent", 1, "a")
      assert.deepStrictEqual(yield* line.run, ["a urgent", "b", "a old", "a new"])
    })
  )

  law(
    "300 random submissions over time agree with a list sorted by weight x ageing + arrival (load 6)",
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const line = yield* makeLine
      const expected: Array<{ readonly name: string; readonly key: number; readonly handle: TaskHandle<unknown> }> = []
      let now = 0
      for (let i = 0; i < 300; i++) {
        const millis = below(3) === 0 ? below(2500) : 0
        now += millis
        yield* TestClock.adjust(millis)
        const weight = below(12) - 4
        const name = String(i)
        const handle = yield* line.fork(name, weight)
        expected.push({ name, key: weight * ageing + now, handle })
        if (below(6) === 0) {
          const [cancelled] = expected.splice(below(expected.length), 1)
          yield* cancelled!.handle.cancel
        }
      }
      const started = yield* line.run
      assert.deepStrictEqual(
        started,
        expected.sort((a, b) => a.key - b.key || Number(a.name) - Number(b.name)).map(({ name }) => name)
      )
    }).pipe(Random.withSeed("ageing"))
  )

  law(
    "a task is overtaken only by tasks that come within ageing x the difference of weights after it (load 6)",
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const pool = yield* TaskPool
      const started: Array<{ readonly weight: number; readonly arrival: number }> = []
      let now = 0
      // Each task takes 100 ms, and more come than go.
      for (let i = 0; i < 400; i++) {
        const task = { weight: below(10), arrival: now }
        const work = Effect.andThen(
          Effect.sync(() => started.push(task)),
          Effect.sleep(100)
        )
        yield* pool.fork(work, { weight: task.weight })
        const millis = below(150)
        now += millis
        yield* TestClock.adjust(millis)
      }
      yield* TestClock.adjust("1 hour")
      yield* promptly(pool, pool.awaitIdle)
      assert.strictEqual(started.length, 400)
      let overtakings = 0
      for (const [place, later] of started.entries()) {
        for (const earlier of started.slice(place + 1)) {
          if (earlier.arrival >= later.arrival) continue
          overtakings++
          assert.isAtMost(later.arrival - earlier.arrival, ageing * (earlier.weight - later.weight))
        }
      }
      assert.isAbove(overtakings, 100)
    }).pipe(Random.withSeed("bound"))
  )

  law(
    "a stream of urgent tasks does not starve an old one (load 6)",
    Effect.gen(function* () {
      const pool = yield* TaskPool
      let ended = false
      const urgent = pool.submit(Effect.sleep(100), { weight: 0 })
      const streams = [yield* start(Effect.forever(urgent)), yield* start(Effect.forever(urgent))]
      yield* pool.fork(
        Effect.sync(() => {
          ended = true
        }),
        { weight: 10 }
      )
      yield* TestClock.adjust(9 * ageing)
      assert.isFalse(ended)
      yield* TestClock.adjust(2 * ageing)
      assert.isTrue(ended)
      for (const fiber of streams) fiber.interruptUnsafe()
      yield* promptly(pool, pool.awaitIdle)
      yield* expectStats(pool, { running: 0, waiting: 0 })
    })
  )
}

// A busy pool of one worker, and the names of waiting tasks in the order in which they start.
const makeLine = Effect.gen(function* () {
  const pool = yield* TaskPool
  const busy = yield* occupy(pool, 1)
  const started: Array<string> = []
  return {
    fork: (name: string, weight: number, key?: string) =>
      pool.fork(
        Effect.sync(() => void started.push(name)),
        { weight, key }
      ),
    run: Effect.gen(function* () {
      yield* busy.release
      yield* promptly(pool, pool.awaitIdle)
      return started
    })
  }
})
