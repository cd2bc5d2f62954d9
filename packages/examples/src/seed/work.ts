/**
 * The task of all these examples.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

/** Prints that it starts, sleeps five times, prints that it is done. */
export const test = Effect.fnUntraced(function* (name: string) {
  yield* Console.log(`${name} start`)
  for (let i = 0; i < 5; i++) yield* Effect.sleep("20 millis")
  const result = `${name} done`
  yield* Console.log(result)
  return `ok:${result}`
})
