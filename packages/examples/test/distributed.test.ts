import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { printedBy, shape } from "./cookbook/programs.ts"
import { run } from "./distributed/run.ts"

it.live("hashes files in one process without Redis", () =>
  Effect.gen(function* () {
    const lines = yield* run(20, undefined)
    assert.strictEqual(lines[0], "20 files, in this process")
    assert.match(lines.at(-1)!, /^20 of 20 files in .* s, by 1 process, 0 ran again, 0 wrong or lost$/)
    const shown = shape(printedBy("packages/examples/distributed/README.md")).split("\n")
    assert.deepStrictEqual(
      [lines[0], lines.at(-1)].map((line) => shape(line!)),
      [shown[0], shown.at(-1)]
    )
  })
)
