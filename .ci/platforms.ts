// Runs every recipe of docs/guide/bundlers-and-platforms.md as a user would: installs the packed packages with npm, then
// runs `npm start`, on the pinned Node and on the oldest one that `engines` allows. Prints one line per recipe, and
// fails if a recipe fails.
//
//   node .ci/platforms.ts [directory of tarballs] [--only name]
import { execFile } from "node:child_process"
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { parseArgs } from "node:util"
import { installChromium } from "./chromium.ts"

const root = join(import.meta.dirname, "..")
const bin = join(root, "node_modules/.bin")
const { engines } = JSON.parse(readFileSync(join(root, "packages/node/package.json"), "utf8"))
const oldest = engines.node.replace(">=", "")
const recipes = join(root, "packages/examples/platforms")

interface Recipe {
  /** Its output on success. */
  readonly prints: RegExp
  /** Whether it needs no second run on the oldest Node. */
  readonly once?: true
  /** The command that runs a file. A program with a job in its own file must fail with it as on Node. */
  readonly runs?: ReadonlyArray<string>
}

const job = /^ba7816bf on thread [1-9]/m
const expected: Record<string, Recipe> = {
  browser: { prints: /^the core in Chromium (?<version>[\d.]+)$/m, once: true },
  bun: { prints: job, once: true, runs: ["bun"] },
  commonjs: { prints: job },
  deno: { prints: job, once: true, runs: ["deno", "run", "--allow-all"] },
  esbuild: { prints: job },
  "esbuild-commonjs": { prints: job },
  jest: { prints: /1 passed, 1 total/ },
  "node-test": { prints: /pass 1\b/ },
  tsx: { prints: job },
  vite: { prints: job },
  vitest: { prints: /Tests {2}1 passed/ },
  webpack: { prints: job }
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { only: { type: "string" } } })

const scratch = mkdtempSync(join(tmpdir(), "platforms-"))
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"]}`, NO_COLOR: "1", CI: "true" }

/** Runs a command. Resolves with its output; if it fails, rejects with the command and its output. */
const run = (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { cwd, env, maxBuffer: 2 ** 26, timeout: 600_000 }, (error, stdout, stderr) => {
      const output = stdout + stderr
      if (error === null) resolve(output)
      else
        reject(
          new Error(`${[command, ...args].join(" ")}: ${error.killed === true ? "timeout" : error.code}\n${output}`)
        )
    })
  })

const pack = async (): Promise<string> => {
  await run("node", ["--run", "build"], root)
  const pnpm = /npx --yes (pnpm@\S+)/.exec(readFileSync(join(root, "README.md"), "utf8"))![1]!
  for (const name of ["core", "node"]) {
    const args = ["--yes", pnpm, "pack", "--pack-destination", scratch]
    await run("npx", args, join(root, "packages", name))
  }
  return scratch
}

const versionOf = (directory: string, name: string): string =>
  JSON.parse(readFileSync(join(directory, "node_modules", name, "package.json"), "utf8")).version

/** Runs one recipe. Resolves with the version of its tool. */
const runRecipe = async (name: string, tarballs: ReadonlyArray<string>): Promise<string> => {
  const { once, prints, runs } = expected[name]!
  const directory = join(scratch, name)
  cpSync(join(recipes, name), directory, {
    recursive: true,
    filter: (path) => !/[/\\](?:node_modules|dist)$/.test(path)
  })
  if (name === "browser") installChromium()
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
  await run("npm", [...install, ...tarballs, `effect@${versionOf(root, "effect")}`], directory)
  const start = ["start", "--silent"]
  const outputs = [await run("npm", start, directory)]
  if (once === undefined) {
    outputs.push(await run("npx", ["--yes", `--package=node@${oldest}`, "--", "npm", ...start], directory))
  }
  if (runs !== undefined) {
    cpSync(join(root, "packages/node/test/programs/own/awaited.ts"), join(directory, "awaited.ts"))
    const output = await run("npx", ["--no-install", ...runs, "awaited.ts"], directory)
    if (!output.includes("move its jobs to a module of their own"))
      throw new Error(`a job in the program's own file did not fail:\n${output}`)
  }
  for (const output of outputs)
    if (!prints.test(output)) throw new Error(`the output does not match ${prints}:\n${output}`)
  const tool = Object.keys(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).devDependencies ?? {})[0]
  const version = prints.exec(outputs[0]!)!.groups?.["version"]
  return version ?? (tool === undefined ? process.versions.node : versionOf(directory, tool))
}

let failed = 0
try {
  const names = Object.keys(expected)
  for (const { name } of globSync("*", { cwd: recipes, withFileTypes: true })) {
    if (!names.includes(name)) throw new Error(`.ci/platforms.ts has no entry for the recipe ${name}`)
  }
  const chosen = names.filter((name) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`--only must be one of ${names.join(", ")}, got ${values.only}`)

  const packed = positionals[0] ?? (await pack())
  const tarballs = globSync("aio-task-pool-{core,node}-*.tgz", { cwd: packed }).map((file) => join(packed, file))
  if (tarballs.length !== 2)
    throw new Error(`${packed} must contain one tarball of core and one of node, got ${tarballs.length}`)

  const work = async (): Promise<void> => {
    for (let name = chosen.shift(); name !== undefined; name = chosen.shift()) {
      const begin = performance.now()
      let line: string
      try {
        line = `ok ${name} ${await runRecipe(name, tarballs)}`
      } catch (error) {
        failed++
        line = `failed ${name}: ${error instanceof Error ? error.message : String(error)}\n`
      }
      console.log(`${line} ${((performance.now() - begin) / 1000).toFixed(1)}`)
    }
  }
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0
