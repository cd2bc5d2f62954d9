import * as Equal from "effect/Equal"
import { inspect } from "node:util"

/** Asserts `actual // => expected` of an example, by Effect's equality. `at` is the line in the document. */
export const assertEquals = <A>(actual: A, expected: NoInfer<A>, at: string): void => {
  if (!Equal.equals(actual, expected)) {
    throw new Error(`${at}: expected ${inspect(expected)}, got ${inspect(actual)}`)
  }
}
