// The other programs of `ownPrograms.test.ts`.
import { assert, describe, it } from "vitest"
import { answered, refused, refusal, start } from "./ownPrograms.ts"

describe("a program that a thread loads", () => {
  for (const [what, file, job, loaded] of [
    ["is CommonJS", "commonJs.cjs", "double"],
    ["exits when it fails", "runMain.ts", "double"],
    ["tries again and again", "stubborn.ts", "double"],
    ["runs the job again and again", "repeated.ts", "double"],
    ["runs the job many times at once", "burst.ts", "double"],
    ["exports the job of another module", "exported.ts", "whereAmI"],
    ["is imported by the module of the job", "imported.ts", "scale", "imported.jobs.ts"]
  ] as const) {
    it(`makes no executor there, and the job fails with the cure, if it ${what}`, async () => {
      const { expected, outcome, runs } = await refused(file, job, loaded)
      assert.deepStrictEqual(outcome, expected)
      assert.isAtMost(runs, 2)
    })
  }

  it("makes no executor there if the threads load it before their first job", async () => {
    const outcome = await start("preloaded.ts")
    const answer = `double: no thread could be started: Error: ${refusal("preloaded.ts")}`
    assert.deepStrictEqual({ ...outcome, runs: 0 }, answered(answer, 0))
    assert.isAtMost(outcome.runs, 2)
  })

  it("makes no executor there long after it was loaded", async () => {
    assert.deepStrictEqual(await start("late.ts"), answered(refusal("late.ts"), 0))
  })

  it("makes no executor if it is given as the worker", async () => {
    const cure = "worker must be the address of @aio-task-pool/node/worker or a copy of it, not of a program"
    const answer = `whereAmI: no thread could be started: Error: NodeExecutor: ${cure}`
    const outcome = await start("worker.ts")
    assert.deepStrictEqual({ ...outcome, runs: 0 }, answered(answer, 0))
    assert.isAtMost(outcome.runs, 2)
  })

  it("does not start threads without end from a job that runs the program", async () => {
    const limit = "NodeExecutor: jobs must not nest executors more than 4 deep"
    const outer = "deep: the job threw TaskThrew: ".repeat(3)
    assert.deepStrictEqual(await start("deep.ts"), answered(`${outer}deep: the job threw Error: ${limit}`, 0))
  })

  it("may have a job that makes its own executor", async () => {
    assert.deepStrictEqual(await start("nested.ts"), answered("42", 0))
  })
})
