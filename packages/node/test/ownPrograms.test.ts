import { assert, describe, it } from "vitest"
import { answered, refused, start } from "./ownPrograms.ts"

describe("a program that a thread loads", () => {
  it("makes no executor there, and the job fails with the cure, if it defines the job", async () => {
    const { expected, outcome, runs } = await refused("awaited.ts", "double")
    assert.deepStrictEqual(outcome, expected)
    assert.isAtMost(runs, 2)
  })

  it("may define jobs if it runs only as the main module", async () => {
    assert.deepStrictEqual(await start("guarded.ts"), answered("42", 0))
  })
})
