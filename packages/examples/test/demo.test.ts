import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { demoTest, row, run } from "./demo/run.ts"

describe("demo", () => {
  demoTest("urgent requests overtake on the priority pool", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("--files", "40", "--limit", "2", "--cost", "20", "--only", "priority")
      const [urgent, , urgentP50] = row(stdout, "  urgent")
      const [others, , othersP50] = row(stdout, "  others")
      assert.deepStrictEqual([urgent, others], ["4", "36"])
      assert.isBelow(Number(urgentP50), Number(othersP50))
      // Two were on the workers before the first urgent one came.
      assert.match(
        stdout,
        /4 urgent requests were submitted last\. Their median place in the order of completion was [345] of 40/
      )
    })
  )

  demoTest("--help says what it does and which flags there are", () =>
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* run("--help")
      assert.deepStrictEqual([exitCode, stderr], [0, ""])
      for (const word of [
        "Fetches the source files",
        "--files",
        "--limit",
        "--size",
        "--cost",
        "--rate",
        "--only",
        "--dashboard",
        "EXAMPLES"
      ]) {
        assert.include(stdout, word)
      }
    })
  )

  demoTest("a wrong flag gets a helpful message", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* run("--flies", "40")
      assert.match(stderr, /Unrecognized flag: --flies[^]*Did you mean this\?\s*--files/)
      assert.strictEqual(exitCode, 1)
    })
  )
})
