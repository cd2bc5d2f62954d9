import * as Equal from "effect/Equal"
import * as assert from "node:assert"

/** Equality as Effect defines it; deepStrictEqual only makes the message. */
export const assertEquals = <A>(actual: A, expected: A): void => {
  if (!Equal.equals(actual, expected)) {
    assert.deepStrictEqual(actual, expected)
    assert.fail("not Equal.equals")
  }
}
