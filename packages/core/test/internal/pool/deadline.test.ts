import { settle } from "@aio-task-pool/testing/kit"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"

it.effect("a task that failed in the step of its submission, and waits for its next attempt, has no deadline", () =>
  Effect.gen(function* () {
    let attempts = 0
    const task = Effect.suspend(() => (++attempts === 1 ? Effect.fail("own") : Effect.succeed(attempts)))
    // The hold begins while the task runs, so that it waits for its next attempt.
    const holding = Effect.tapError(task, () => TaskPool.holdFor("2 seconds"))
    const handle = yield* TaskPool.fork(holding, { maxWait: "1 second", retry: { times: 1 } })
    yield* settle
    assert.strictEqual(yield* handle.state, "Waiting")
    yield* TestClock.adjust("3 seconds")
    assert.strictEqual(yield* handle.join, 2)
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

it.effect("a task that starts at its deadline and waits for its next attempt has met it", () =>
  Effect.gen(function* () {
    let attempts = 0
    const task = Effect.suspend(() => (++attempts === 1 ? Effect.fail("own") : Effect.succeed(attempts)))
    const holding = Effect.tapError(task, () => TaskPool.holdFor("1 second"))
    yield* TaskPool.holdFor("1 second")
    const handle = yield* TaskPool.fork(holding, { maxWait: "1 second", retry: { times: 1 } })
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* handle.state, "Waiting")
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(yield* handle.join, 2)
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)
