import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { frameCosts } from "../src/dashboard/frames.ts"

it.live("the benchmark of the dashboard measures frames of all pools", () =>
  Effect.gen(function* () {
    const costs = yield* frameCosts([1, 4], 1)
    assert.deepStrictEqual(
      costs.map(({ pools }) => pools),
      [1, 4]
    )
    // Rows of pools are alike.
    assert.closeTo(costs[1]!.bytes / costs[0]!.bytes, 4, 1)
  })
)
