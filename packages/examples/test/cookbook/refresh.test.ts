import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { keepFresh } from "../../src/cookbook/refresh.ts"

const symbols = ["A", "B", "C", "D", "E", "F"]

it.effect("fetches three prices at a time, and all of them again after a minute", () =>
  Effect.gen(function* () {
    const prices = new Map<string, number>()
    let requests = 0
    const fetchPrice = () => Effect.sync(() => ++requests).pipe(Effect.delay("1 second"))
    const fiber = yield* Effect.forkChild(keepFresh(symbols, fetchPrice, prices), { startImmediately: true })

    assert.strictEqual((yield* TaskPool.stats).running, 3)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(prices.size, 3)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(prices.size, 6)
    yield* TestClock.adjust("1 minute")
    assert.deepInclude(yield* TaskPool.stats, { running: 3, succeeded: 6 })
    // The clock stands still now: without this, the pool would wait for its tasks forever.
    yield* Fiber.interrupt(fiber)
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))
)

it.effect("tries a failed request again, while the others continue", () =>
  Effect.gen(function* () {
    const prices = new Map<string, number>()
    let failures = 2
    const fetchPrice = (symbol: string) =>
      symbol === "A" && failures-- > 0 ? Effect.fail("status 503") : Effect.succeed(1)
    const fiber = yield* Effect.forkChild(keepFresh(symbols, fetchPrice, prices), { startImmediately: true })

    yield* TestClock.adjust("19 seconds")
    assert.strictEqual(prices.has("A"), false)
    assert.strictEqual(prices.size, 5)
    assert.strictEqual((yield* TaskPool.stats).delayed, 1)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(prices.size, 6)
    yield* Fiber.interrupt(fiber)
    assert.deepInclude(yield* TaskPool.stats, { running: 0, waiting: 0, delayed: 0 })
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))
)
