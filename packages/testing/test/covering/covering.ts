import { assert, it } from "@effect/vitest"
import { covering, runLoad } from "./load.ts"

/** Registers this number of random loads for each row of the covering array. */
export const anyTwoOptions = (loads: number, seed: number): void =>
  it("any two options together keep the invariants under random load (I1, I2, I3, I8, I9, rates, keys, maxWait)", () => {
    const { pairs, rows } = covering
    for (const [index, row] of rows.entries()) {
      for (let load = 0; load < loads; load++) {
        const at = seed + 1000 * index + load
        const broken = runLoad(row, at)
        assert.isUndefined(broken, `SEED=${at} ${JSON.stringify(row)}`)
      }
    }
    console.log(`covering array: ${rows.length} rows for ${pairs} pairs, ${rows.length * loads} loads, SEED=${seed}`)
  })
