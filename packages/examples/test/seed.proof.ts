import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { examples, printedByHand } from "./seed/programs.ts"

describe("the programs of the source document", () => {
  for (const [name, { lines }] of Object.entries(examples)) {
    // A process of its own: real time.
    it.live(`${name} prints what its page says when it is run by hand`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* printedByHand(name), lines)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )
  }
})
