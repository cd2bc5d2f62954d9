import { assert, it } from "@effect/vitest"
import type { LawOptions, LayerOf } from "./kit.ts"

/** Registers the laws of constructors with wrong options. */
export const refusingLaws = (layerOf: LayerOf<LawOptions>): void => {
  const wrong: ReadonlyArray<readonly [string, unknown, LawOptions]> = [
    ...[-1, 1.5, Number.NaN, -Infinity, "3" as never].map((size) => ["size", size, { size }] as const),
    ...[-1, 1.5, Number.NaN, "3" as never].map((capacity) => ["capacity", capacity, { size: 1, capacity }] as const)
  ]
  for (const [name, value, options] of wrong) {
    it(`a pool with a ${name} of ${typeof value === "string" ? JSON.stringify(value) : String(value)} throws RangeError`, () => {
      assert.throws(() => layerOf(options), RangeError, String(value))
    })
  }

  it("a pool with a timeout that is not a Duration throws RangeError", () => {
    const timeouts = [Number.NaN, -1, "soon" as never]
    for (const timeout of timeouts) {
      assert.throws(() => layerOf({ size: 1, shutdown: { drainTimeout: timeout } }), RangeError)
      assert.throws(() => layerOf({ size: 1, shutdown: { interruptTimeout: timeout } }), RangeError)
    }
  })

  it("a pool with an unknown word for onFull throws", () => {
    assert.throws(() => layerOf({ size: 1, onFull: "drop" as never }))
  })
}
