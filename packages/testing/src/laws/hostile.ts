/**
 * Laws of hostile user code: the code of one call affects no other call, whatever it does and wherever a pool calls it.
 *
 * The cases are the product of tables: the places where pools call user code, the deeds, and the states of the pool.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Deed, type HostileCase, nameOf, type Place, type PoolOf, runCase } from "../internal/hostileWorld.ts"
import { collectingUncaught } from "../internal/uncaught.ts"
import type { AutoScaleLawOptions } from "./autoScaling.ts"
import { deeds, places, sizingPlaces } from "./hostilePlaces.ts"
import type { LawOptions, Laws, LayerOf } from "./kit.ts"

const fits = (place: Place, { kind }: Deed): boolean =>
  kind === "never" ? place.never === true : kind !== "returns" || place.returned !== undefined

const endings = ["interrupt", "close", "close, interrupting", "scope"] as const

/** Returns every case of a place. */
export const casesOf = (place: Place): ReadonlyArray<HostileCase> =>
  deeds
    .filter((deed) => fits(place, deed))
    .flatMap((deed) =>
      [1, 2].flatMap((size) =>
        [false, true].flatMap((busy) =>
          (place.often === true ? [0, 1] : [0]).flatMap((after) =>
            [1_000_000, 3, 4, 5, 7].flatMap((budget) =>
              (deed.kind === "never" ? endings : endings.slice(0, 1)).map((ending): HostileCase => ({
                place,
                deed,
                size,
                busy,
                after,
                budget,
                ending
              }))
            )
          )
        )
      )
    )

/** Runs cases. Returns the violated rule of each that fails. */
export const failuresOf = (poolOf: PoolOf, cases: ReadonlyArray<HostileCase>): Effect.Effect<ReadonlyArray<string>> =>
  collectingUncaught((uncaught) =>
    Effect.gen(function* () {
      const failures: Array<string> = []
      for (const each of cases) {
        const reason = yield* runCase(poolOf, each)
        if (reason !== undefined) failures.push(`${nameOf(each)}: ${reason}`)
        // The process reports a rejection when the microtasks have run.
        yield* Effect.yieldNow
        for (const cause of uncaught.splice(0)) {
          // No call catches the error of an observer, so it reaches the process.
          if (each.place.observes === true && cause instanceof Error && cause.message === "hostile") continue
          failures.push(`${nameOf(each)}: uncaught ${String(cause)}`)
        }
      }
      return failures
    })
  )

const law = (place: Place, poolOf: PoolOf, part: number): void =>
  it.effect(
    `hostile code in ${place.name} affects only its own call (I1, I2, I3, I8)`,
    () =>
      Effect.gen(function* () {
        const all = casesOf(place)
        // A prime number of parts, so that each pool runs other combinations of deeds and states. The proof runs the rest.
        const some = all.filter((_, index) => index % 61 === part % 61)
        const failures = yield* failuresOf(poolOf, some)
        if (failures.length > 0) {
          assert.fail(`${failures.length} of ${some.length} cases:\n${failures.slice(0, 8).join("\n")}`)
        }
      }),
    600_000
  )

/** Returns a number that differs from pool to pool, so that each runs a different part of the cases. */
const partOf = (name: string, capacity: number | undefined): number =>
  Array.from(name).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1009, capacity ?? 7)

/** Registers the laws of hostile code at the places of every pool. Each pool runs a part of the cases. */
export const hostileLaws = (name: string, laws: Laws): void => {
  for (const place of places) law(place, poolOfLaws(laws.layerOf, laws.capacity), partOf(name, laws.capacity))
}

/** Returns the pool of the cases, which can be resized from 0 to 3. */
export const poolOfLaws =
  (layerOf: LayerOf<LawOptions>, capacity: number | undefined): PoolOf =>
  (size, options) =>
    layerOf({ size, minSize: 0, maxSize: 3, capacity, ...options })

/** Registers the laws of hostile code that sizes a pool. Each pool runs a part of the cases. */
export const hostileSizingLaws = (name: string, layerOf: LayerOf<AutoScaleLawOptions>): void => {
  for (const capacity of [undefined, 1, 0]) {
    for (const place of sizingPlaces) {
      describe(`capacity ${capacity ?? "unbounded"}`, () =>
        law(place, poolOfSizing(layerOf, capacity), partOf(name, capacity)))
    }
  }
}

/** Returns the pool of the cases, which scales from its size to 3. */
export const poolOfSizing =
  (layerOf: LayerOf<AutoScaleLawOptions>, capacity: number | undefined): PoolOf =>
  (size, options) =>
    layerOf({ minSize: size, maxSize: 3, interval: 10_000, capacity, ...options })
