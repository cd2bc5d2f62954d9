import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { AioFixedTaskPoolSimple, TaskPool } from "../src/index.ts"

const conserved = Effect.map(TaskPool.stats, (stats) => {
  const ended = stats.succeeded + stats.failed + stats.interrupted + stats.cancelled
  assert.strictEqual(stats.submitted, ended + stats.waiting + stats.running)
  return stats
})

/** A source that tells how much was pulled and whether it was left properly. */
const counting = (items: number) => {
  const seen = { pulled: 0, left: false }
  function* source() {
    try {
      for (; seen.pulled < items;) yield seen.pulled++
    } finally {
      seen.left = true
    }
  }
  return { seen, source: source() }
}

for (const capacity of [0, 1, Infinity]) {
  describe(`forEach, capacity ${capacity}`, () => {
    const layer = AioFixedTaskPoolSimple.layer(2, { capacity })

    it.effect("pulls an item only when it gets a place", () =>
      Effect.gen(function* () {
        const gate = yield* Latch.make()
        const { seen, source } = counting(Infinity)
        const fiber = yield* Effect.forkChild(
          TaskPool.forEach(source, () => gate.await),
          { startImmediately: true }
        )
        assert.strictEqual(seen.pulled, capacity === 0 ? 2 : 3)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(seen.left)
        assert.strictEqual((yield* conserved).running, 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lets accepted items go on when the pool is paused, then fails", () =>
      Effect.gen(function* () {
        const gate = yield* Latch.make()
        const { seen, source } = counting(10)
        const fiber = yield* Effect.forkChild(Effect.flip(TaskPool.forEach(source, () => gate.await)), {
          startImmediately: true
        })
        yield* TaskPool.pause
        yield* gate.open
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, "NotAvailable")
        const stats = yield* conserved
        assert.strictEqual(stats.succeeded, capacity === 0 ? 2 : 3)
        assert.strictEqual(stats.interrupted, 0)
        assert.isTrue(seen.left)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stops when an item fails after the source was exhausted", () =>
      Effect.gen(function* () {
        const gate = yield* Latch.make()
        const first = (item: number) => (item === 0 ? Effect.andThen(gate.await, Effect.fail("first")) : Effect.never)
        const fiber = yield* Effect.forkChild(Effect.flip(TaskPool.forEach([0, 1], first)), { startImmediately: true })
        yield* gate.open
        assert.strictEqual(yield* Fiber.join(fiber), "first")
        yield* TaskPool.submit(Effect.void)
        yield* TaskPool.submitNowait(Effect.void)
        assert.strictEqual((yield* conserved).running, 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("stops an asynchronous source that never answers", () =>
      Effect.gen(function* () {
        let left = false
        const silent: AsyncIterable<number> = {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise(() => {}),
            return: () => Promise.resolve({ done: true, value: void (left = true) })
          })
        }
        const fiber = yield* Effect.forkChild(
          TaskPool.forEach(silent, () => Effect.void),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(fiber)
        assert.isTrue(left)
        assert.strictEqual((yield* conserved).submitted, 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports a source that throws after what was submitted has settled", () =>
      Effect.gen(function* () {
        const gate = yield* Latch.make()
        function* broken() {
          yield 1
          throw new Error("broken source")
        }
        const fiber = yield* Effect.forkChild(
          TaskPool.forEach(broken(), () => gate.await),
          { startImmediately: true }
        )
        assert.strictEqual((yield* conserved).running, 1)
        yield* gate.open
        const exit = yield* Fiber.await(fiber)
        assert.include(String(exit), "broken source")
        assert.isTrue(Exit.hasDies(exit))
        assert.strictEqual((yield* conserved).succeeded, 1)
      }).pipe(Effect.provide(layer))
    )
  })
}
