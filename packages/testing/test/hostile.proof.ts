import { AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority, AioAutoScaleTaskPoolSimple } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { casesOf, failuresOf, poolOfLaws, poolOfSizing } from "../src/laws/hostile.ts"
import { places, sizingPlaces } from "../src/laws/hostilePlaces.ts"
import { layerOf } from "./laws/pools.ts"

// Every case of every place, on each pool and with each capacity: 930,000 runs in about four minutes of one core.
const autoScale = { AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority, AioAutoScaleTaskPoolSimple }

const prove = (name: string, failures: Effect.Effect<ReadonlyArray<string>>) =>
  it.effect(
    name,
    () => Effect.map(failures, (all) => assert.deepStrictEqual([all.length, ...all.slice(0, 20)], [0])),
    3_600_000
  )

for (const capacity of [undefined, 1, 0]) {
  for (const [pool, layer] of Object.entries(layerOf)) {
    describe(`${pool}, capacity ${capacity ?? "unbounded"}`, () => {
      for (const place of places) {
        prove(`whatever ${place.name} does`, failuresOf(poolOfLaws(layer, capacity), casesOf(place)))
      }
    })
  }
  for (const [pool, { layer }] of Object.entries(autoScale)) {
    describe(`the sizing of ${pool}, capacity ${capacity ?? "unbounded"}`, () => {
      for (const place of sizingPlaces) {
        prove(`whatever ${place.name} does`, failuresOf(poolOfSizing(layer, capacity), casesOf(place)))
      }
    })
  }
}
