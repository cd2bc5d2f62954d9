import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { type OutputOptions, rolldown } from "rolldown"
import config from "../rolldown.config.ts"
import { add } from "./jobs/basic.ts"

const here = fileURLToPath(new URL(".", import.meta.url))
let scratch: string

beforeAll(async () => {
  scratch = mkdtempSync(join(realpathSync(tmpdir()), "bundles-"))
  const worker = await rolldown({ ...config, cwd: join(here, "..") })
  await worker.write({ ...(config.output as OutputOptions), file: join(scratch, "worker.js") })
}, 120_000)
afterAll(() => rmSync(scratch, { recursive: true }))

describe("the worker as it is published", () => {
  for (const type of ["module", "commonjs"]) {
    it.live(`runs jobs after it was copied to a package of type ${type}`, () => {
      const directory = join(scratch, type)
      mkdirSync(directory)
      writeFileSync(join(directory, "package.json"), JSON.stringify({ type }))
      copyFileSync(join(scratch, "worker.js"), join(directory, "worker.js"))
      const worker = pathToFileURL(join(directory, "worker.js"))
      return Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(add, [1, 2]), 3)
      }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, worker })))
    })
  }
})

// Each starts processes, which takes long on a busy machine.
describe("a program that is bundled into one file", { timeout: 120_000 }, () => {
  const bundle = async (directory: string): Promise<string> => {
    const file = join(scratch, directory, "main.mjs")
    const program = await rolldown({
      input: join(here, "programs/own/awaited.ts"),
      platform: "node",
      logLevel: "silent"
    })
    await program.write({ file, format: "esm" })
    return file
  }
  const run = (file: string) =>
    new Promise<string | undefined>((resolve) => {
      execFile(process.execPath, [file], { timeout: 120_000 }, (_, stdout) => resolve(stdout.trim().split("\n").at(-1)))
    })

  it("fails its jobs with the remedy, if the worker is beside it", async () => {
    const file = await bundle(".")
    const cure = "move its jobs to a module of their own, or guard the program with import.meta.main"
    const refusal = `double: ${pathToFileURL(file).href}, or a module that it imports, makes an executor when a thread loads it: ${cure}`
    assert.strictEqual(await run(file), refusal)
  })

  it("names the missing file, if no worker is beside it", async () => {
    const file = await bundle("alone")
    const answer = await run(file)
    assert.include(answer, "double: no thread could be started: Error: Cannot find module")
    assert.include(answer, join(scratch, "alone", "worker.js"))
  })
})
