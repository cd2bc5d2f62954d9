import { assert, describe, it } from "vitest"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)
const program = new URL("./programs/stackEnd.ts", import.meta.url).pathname

const left = async (what: "submits" | "items", size: number): Promise<unknown> => {
  const flags = ["--no-opt", "--no-warnings", `--stack-size=${size}`]
  return JSON.parse((await run(process.execPath, [...flags, program, what])).stdout)
}

// Kilobytes. The default is 984.
describe.each([400, 600, 984])("at the end of a stack of %i KB", (size) => {
  it.concurrent("a submit costs tasks that were being launched, and never the pool or a worker (I2, I3)", async () => {
    assert.deepStrictEqual(await left("submits", size), {
      thrown: true,
      busy: 0,
      running: 0,
      waiting: 0,
      runningThen: 3,
      results: [1, 2, 3]
    })
  })

  it.concurrent("an agenda adds an item as a whole, or not at all", async () => {
    assert.deepStrictEqual(await left("items", size), { thrown: true, isConsistent: true, allFired: true })
  })
})
