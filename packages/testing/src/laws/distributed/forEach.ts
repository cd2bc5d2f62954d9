import { DistributedTask } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { defectOf, isInterrupted, start } from "../kit.ts"
import { type DistributedLaws, Refused, until } from "./kit.ts"

const Visit = DistributedTask.make("visit", { payload: Schema.Int, success: Schema.Int, error: Refused })

/** Counts how many items were pulled, and whether the source was ended. */
const counted = (limit: number) => {
  const source = { pulled: 0, ended: false }
  function* items() {
    try {
      for (let i = 0; i < limit; i++) {
        source.pulled++
        yield i
      }
    } finally {
      source.ended = true
    }
  }
  return { source, items: items() }
}

/** Many tasks of one kind. */
export const forEachLaws = (laws: DistributedLaws): void => {
  laws.law("forEach returns the results in the order of the items", {}, ({ pool }) =>
    Effect.gen(function* () {
      // The first tasks end last.
      const visit = Visit.handle((n) => Effect.as(Effect.sleep(Math.max(0, 30 - n * 10)), n * 2))
      yield* pool.worker([visit], { concurrency: 4 })
      const items = Array.from({ length: 12 }, (_, n) => n)
      const expected = items.map((n) => n * 2)
      assert.deepStrictEqual(yield* pool.forEach(items, Visit, (n) => n), expected)
      assert.deepStrictEqual(yield* pool.forEach(items, Visit, (_, index) => index, { window: 3, weight: 1 }), expected)
      const async = (async function* () {
        yield* items
      })()
      assert.deepStrictEqual(yield* pool.forEach(async, Visit, (n) => n), expected)
      assert.deepStrictEqual(yield* pool.forEach([], Visit, (n) => n), [])
      assert.deepStrictEqual(yield* pool.forEach("abc", Visit, (letter) => letter.charCodeAt(0) - 96), [2, 4, 6])
    })
  )

  laws.law("forEach keeps at most a window of tasks outstanding, and pulls no item before", { size: 10 }, ({ pool }) =>
    Effect.gen(function* () {
      const { items, source } = counted(Infinity)
      const fiber = yield* start(pool.forEach(items, Visit, (n) => n, { window: 3 }))
      yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 3))
      assert.isAtMost(source.pulled, 4)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      yield* until(Effect.map(pool.stats, ({ waiting }) => waiting === 0))
      assert.isTrue(source.ended)
    })
  )

  laws.law("the first failure of a forEach cancels the rest and ends the source", { size: 10 }, ({ pool }) =>
    Effect.gen(function* () {
      let interrupted = 0
      const visit = Visit.handle((n) =>
        n === 3
          ? Effect.andThen(
              until(Effect.map(Effect.orDie(pool.stats), ({ running }) => running >= 4)),
              Effect.fail(new Refused({ why: "third" }))
            )
          : Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      )
      yield* pool.worker([visit], { concurrency: 10 })
      const { items, source } = counted(Infinity)
      const error = yield* Effect.flip(pool.forEach(items, Visit, (n) => n, { window: 4 }))
      assert.strictEqual((error as Refused).why, "third")
      assert.isTrue(source.ended)
      assert.strictEqual(interrupted, 3)
      yield* until(Effect.map(pool.stats, ({ running, waiting }) => running === 0 && waiting === 0))
    })
  )

  laws.law("a source that has ended or thrown by itself is not ended again", {}, ({ pool }) =>
    Effect.gen(function* () {
      yield* pool.worker([Visit.handle(Effect.succeed)], { concurrency: 4 })
      const ended: Array<string> = []
      const source = (name: string, last: () => IteratorResult<number>): Iterable<number> => ({
        [Symbol.iterator]: () => {
          let pulled = 0
          return {
            next: () => (pulled++ < 3 ? { done: false, value: pulled } : last()),
            return: () => {
              ended.push(name)
              return { done: true, value: undefined }
            }
          }
        }
      })
      const whole = source("whole", () => ({ done: true, value: undefined }))
      assert.deepStrictEqual(yield* pool.forEach(whole, Visit, (n) => n), [1, 2, 3])
      const broken = source("broken", () => {
        throw new Error("source")
      })
      yield* Effect.exit(pool.forEach(broken, Visit, (n) => n))
      assert.deepStrictEqual(ended, [])
    })
  )

  laws.law("what the source or the function throws is a defect of the forEach", {}, ({ pool }) =>
    Effect.gen(function* () {
      yield* pool.worker([Visit.handle(Effect.succeed)], { concurrency: 4 })
      function* broken() {
        yield 1
        throw new Error("source")
      }
      const thrown = pool.forEach([1, 2], Visit, () => {
        throw new Error("function")
      })
      assert.include(String(defectOf(yield* Effect.exit(thrown))), "function")
      const source = pool.forEach(broken(), Visit, (n) => n)
      assert.include(String(defectOf(yield* Effect.exit(source))), "source")
      yield* until(Effect.map(pool.stats, ({ running, waiting }) => running === 0 && waiting === 0))
    })
  )
}
