import * as Equal from "effect/Equal"
import { inspect } from "node:util"

/** What `actual // => expected` in an example becomes: equality as Effect defines it. `at` is the line in the document. */
export const assertEquals = <A>(actual: A, expected: NoInfer<A>, at: string): void => {
  if (!Equal.equals(actual, expected)) {
    throw new Error(`${at}: expected ${inspect(expected)}, got ${inspect(actual)}`)
  }
}
