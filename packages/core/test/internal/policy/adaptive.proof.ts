/**
 * The adaptive policy on the real pool with a test clock, on what it had to learn: failures that no size avoids, tasks of
 * a minute, and silence. `AUTOSCALE_HOURS` lengthens each of them. The length of a window varies by chance, so each test
 * has a seed: one run in fifty ends its slow start much too early.
 */
import { env } from "node:process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { AioAutoScaleTaskPoolSimple, TaskPool } from "../../../src/index.ts"

const hours = Number(env["AUTOSCALE_HOURS"] ?? 1)

/** A server that works on `capacity` requests at once, queues as many again, and rejects the rest. */
class Server {
  served = 0
  rejected = 0
  private active = 0
  private readonly waiting: Array<() => void> = []
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  request(millis: number): Effect.Effect<void, "Rejected"> {
    return Effect.suspend(() => {
      if (this.waiting.length >= this.capacity) {
        this.rejected++
        return Effect.andThen(Effect.sleep(5), Effect.fail("Rejected" as const))
      }
      const turn = Effect.callback<void>((resume) => {
        const begin = (): void => {
          this.active++
          resume(Effect.void)
        }
        if (this.active < this.capacity) begin()
        else this.waiting.push(begin)
      })
      return Effect.andThen(turn, Effect.sleep(millis)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            this.active--
            this.served++
            this.waiting.shift()?.()
          })
        )
      )
    })
  }
}

/** Keeps the pool supplied: `count` submitters submit one task after the other. */
const supply = (count: number, task: (i: number) => Effect.Effect<unknown, unknown>) => {
  let next = 0
  const submitter = Effect.forever(Effect.suspend(() => Effect.ignoreCause(TaskPool.submit(task(next++)))))
  return Effect.forkChild(
    Effect.all(
      Array.from({ length: count }, () => submitter),
      { concurrency: "unbounded" }
    )
  )
}

const overload = {
  classify: (exit: { readonly _tag: string }) => (exit._tag === "Success" ? "success" : "overload")
} as const

const pass = (seconds: number, step = 1) =>
  Effect.forEach(Array.from({ length: Math.ceil(seconds / step) }), () => TestClock.adjust(step * 1000), {
    discard: true
  })

const size = Effect.map(TaskPool.stats, (stats) => stats.targetSize)

describe("adaptive, on a pool with a test clock", () => {
  it.effect(
    "keeps its size through an hour of failures that no size avoids",
    () =>
      Effect.gen(function* () {
        const server = new Server(8)
        // Every 33rd request fails, whatever the size.
        const busy = yield* supply(40, (i) =>
          i % 33 === 0 ? Effect.andThen(Effect.sleep(2000), Effect.fail("Lost")) : server.request(2000)
        )
        yield* pass(600, 2)
        const before = server.served
        yield* pass(hours * 3600 - 1200, 2)
        // A look at one instant may see an experiment, which takes a window or two.
        const sizes = yield* Effect.replicateEffect(Effect.andThen(pass(10, 2), size), 60)
        const possible = (hours * 3600 - 600) * 4
        assert.isAbove((server.served - before) / possible, 0.8)
        assert.isAtLeast(sizes.toSorted((a, b) => a - b)[30]!, 6)
        yield* Fiber.interrupt(busy)
      }).pipe(
        Effect.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 40, ...overload })),
        Random.withSeed("adaptive")
      ),
    60_000
  )

  it.effect(
    "finds the limit of tasks of a minute, and keeps it for a day",
    () =>
      Effect.gen(function* () {
        const server = new Server(30)
        const busy = yield* supply(80, () => server.request(60_000))
        yield* pass(3600, 10)
        const before = server.served
        yield* pass(hours * 23 * 3600, 10)
        assert.isAbove((server.served - before) / (hours * 23 * 60 * 30), 0.9)
        assert.isBelow(server.rejected / (server.served + server.rejected), 0.01)
        yield* Fiber.interrupt(busy)
      }).pipe(
        Effect.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 200, ...overload })),
        Random.withSeed("adaptive")
      ),
    60_000
  )

  it.effect(
    "returns within six seconds to a proven size after a day with one task per 30 seconds",
    () =>
      Effect.gen(function* () {
        const server = new Server(30)
        const busy = yield* supply(80, () => server.request(100))
        yield* pass(30)
        assert.isAbove(yield* size, 20)
        yield* Fiber.interrupt(busy)
        for (let i = 0; i < hours * 24 * 120; i++) {
          yield* TaskPool.fork(server.request(100))
          yield* pass(30, 10)
        }
        assert.isBelow(yield* size, 5)
        const again = yield* supply(80, () => server.request(100))
        yield* pass(6)
        assert.isAbove(yield* size, 20)
        yield* Fiber.interrupt(again)
      }).pipe(
        Effect.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 200, ...overload })),
        Random.withSeed("adaptive")
      ),
    60_000
  )
})
