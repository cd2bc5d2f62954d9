import { AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority, AioAutoScaleTaskPoolSimple } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { env } from "node:process"
import type { Place, PoolOf } from "../src/internal/hostileWorld.ts"
import { casesOf, failuresOf, poolOfLaws, poolOfSizing } from "../src/laws/hostile.ts"
import { places, sizingPlaces } from "../src/laws/hostilePlaces.ts"
import { layerOf } from "./laws/pools.ts"

// One of 37 cases of each place, on each pool and with each capacity: 37,000 runs. PARTS=1 tries all of them.
const parts = Number(env["PARTS"] ?? 37)
const autoScale = { AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority, AioAutoScaleTaskPoolSimple }
let pools = 0

const prove = (name: string, poolOf: PoolOf, all: ReadonlyArray<Place>) => {
  const part = pools++
  describe(`${name}: hostile code`, () => {
    for (const place of all) {
      it.effect(`hostile code in ${place.name} affects only its own call`, () =>
        Effect.gen(function* () {
          const cases = casesOf(place).filter((_, index) => index % parts === part % parts)
          const failures = yield* failuresOf(poolOf, cases)
          assert.deepStrictEqual([failures.length, ...failures.slice(0, 20)], [0])
        })
      )
    }
  })
}

for (const capacity of [undefined, 1, 0]) {
  const queue = `capacity ${capacity ?? "unbounded"}`
  for (const [pool, layer] of Object.entries(layerOf)) prove(`${pool}, ${queue}`, poolOfLaws(layer, capacity), places)
  for (const [pool, { layer }] of Object.entries(autoScale)) {
    prove(`the sizing of ${pool}, ${queue}`, poolOfSizing(layer, capacity), sizingPlaces)
  }
}
