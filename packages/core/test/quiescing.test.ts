import { assert, it } from "@effect/vitest"
import { expectStats, gated, hasEnded, settle, start } from "@aio-task-pool/testing/kit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { AioFixedTaskPoolSimple, TaskPool } from "../src/index.ts"

const shutdown = { drainTimeout: 0, interruptTimeout: 0 }

it.effect("withQuiesced does not wait for tasks that wait for tasks it holds back (load 1, 3)", () =>
  Effect.gen(function* () {
    const outer = gated("outer")
    const submitter = yield* start(
      TaskPool.submit(Effect.flatMap(outer.task, () => TaskPool.submit(Effect.succeed("inner"))))
    )
    const quiesced = yield* start(TaskPool.withQuiesced(TaskPool.stats))
    yield* outer.open
    yield* settle
    const seen = yield* Fiber.join(quiesced)
    assert.deepInclude(seen, { running: 1, busy: 0, lent: 1, phase: "Held" })
    assert.strictEqual(yield* Fiber.join(submitter), "inner")
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { shutdown })))
)

it.effect("a user's hold that begins while the pool drains holds nothing back (load 9)", () =>
  Effect.gen(function* () {
    const task = gated("task")
    yield* TaskPool.fork(task.task)
    yield* TaskPool.fork(Effect.void)
    const closing = yield* start(TaskPool.close())
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* TaskPool.holdDispatch
        yield* task.open
        yield* settle
        assert.isTrue(hasEnded(closing))
        yield* TaskPool.start
        yield* expectStats({ phase: "Open", holds: [] })
      })
    )
    assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 2, interrupted: 0, neverRun: 0 })
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)
