import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defectOf } from "../kit.ts"
import { Call, type DistributedLaws, gate } from "./kit.ts"

const equal = [4, 4, 4, 4, 4, 4, 4, 4]

/** The order of a discipline. */
export const orderingLaws = (laws: DistributedLaws, discipline: "fifo" | "lifo" | "priority"): void => {
  const orders = {
    fifo: "tasks start first in, first out, whatever their weights",
    lifo: "tasks start last in, first out, whatever their weights",
    priority: "the smallest weight starts first, equal weights first in, first out"
  }
  const weights = [5, 3, 4, 0, 2_097_150, 3, 0, 4]
  const expected = {
    fifo: [0, 1, 2, 3, 4, 5, 6, 7],
    lifo: [7, 6, 5, 4, 3, 2, 1, 0],
    priority: [3, 6, 1, 5, 2, 7, 0, 4]
  }
  laws.law(orders[discipline], { size: 20 }, (world) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* world.orderOf(weights), expected[discipline])
    })
  )

  laws.law("tasks of equal weight keep the discipline's order", { size: 20 }, (world) =>
    Effect.gen(function* () {
      const order = yield* world.orderOf(equal)
      const inOrder = expected.fifo
      assert.deepStrictEqual(order, discipline === "lifo" ? inOrder.toReversed() : inOrder)
    })
  )

  laws.law("the order is decided when a worker has a place, not before", { size: 20 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker({ concurrency: 1 })
      const busy = gate("busy")
      const handles = [yield* world.fork(busy.body)]
      yield* busy.started
      const order: Array<number> = []
      for (const [index, weight] of weights.entries()) {
        handles.push(
          yield* world.fork(
            Effect.sync(() => `${order.push(index)}`),
            { weight }
          )
        )
      }
      yield* world.until(({ running, waiting }) => running === 1 && waiting === weights.length)
      yield* busy.open
      for (const handle of handles) yield* handle.join
      assert.deepStrictEqual(order, expected[discipline])
    })
  )

  laws.law("a weight that is out of range dies with RangeError on every pool", {}, (world) =>
    Effect.gen(function* () {
      const handle = yield* world.fork(Effect.succeed(""))
      for (const weight of [NaN, -1, 1.5, 2_097_151, 2 ** 53, "1" as unknown as number]) {
        const payload = world.payload(Effect.succeed(""))
        for (const use of [
          world.pool.submit(Call, payload, { weight }),
          world.pool.fork(Call, payload, { weight }),
          world.pool.forEach([1], Call, () => payload, { weight }),
          handle.reprioritize(weight)
        ]) {
          assert.instanceOf(defectOf(yield* Effect.exit<unknown, unknown, never>(use)), RangeError)
        }
      }
      assert.strictEqual((yield* world.pool.stats).waiting, 1)
    })
  )
}
