import { assert, it } from "@effect/vitest"
import { anyTwoOptions } from "./covering.ts"
import { countPairs, covering, factors } from "./load.ts"

anyTwoOptions(2, 1)

it("the rows cover every pair of levels that may occur together", () => {
  const levels = Object.values(factors).map(({ length }) => length)
  const all = levels.flatMap((count, index) => levels.slice(index + 1).map((other) => count * other))
  // The four pools without `ageing`, and a cost in units without its rate.
  assert.strictEqual(countPairs(), all.reduce((sum, count) => sum + count, 0) - 4 - 2)
  assert.strictEqual(countPairs(), covering.pairs)
})
