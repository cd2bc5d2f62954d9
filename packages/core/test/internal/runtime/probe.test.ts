// ADR 0004 promises "slower, not wrong" on a runtime that differs: each private field that the core uses is renamed in turn.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)
const program = new URL("../../programs/renamed.mjs", import.meta.url).pathname
// What `check` has built: a copy of effect can only be changed outside the test runner.
const core = new URL("../../../dist/", import.meta.url).href

const probed = async (field: string): Promise<unknown> =>
  JSON.parse((await run(process.execPath, [program, field, core])).stdout)

const works = { submitted: [1, 2, 3], mapped: [4, 5], interrupted: 1, running: 0, succeeded: 5, ranAfterCancel: false }

describe("a runtime in which a private field has another name (A16)", () => {
  it.concurrent("is known if that field is none of ours", async () => {
    assert.deepStrictEqual(await probed("_notAField"), { hasKnownRuntime: true, ...works })
  })

  for (const field of [
    "_stack",
    "_observers",
    "_parent",
    "_children",
    "_interruptedCause",
    "_asyncContext",
    "interruptible",
    "yieldWith",
    "cacheRoot",
    "_fiberCache",
    "base",
    "overlay",
    "depth",
    "maxDepth"
  ]) {
    it.concurrent(`is not taken for the one that is known: ${field}`, async () => {
      assert.deepStrictEqual(await probed(field), { hasKnownRuntime: false, ...works })
    })
  }
})
