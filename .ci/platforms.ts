// Runs every recipe of docs/guide/bundlers-and-platforms.md, and every example that readers copy, as a user would: copies
// the folder, installs the packed packages with npm, then runs `npm start`, on the pinned Node and on the oldest one that
// `engines` allows. Checks the types of the examples. Prints one line per recipe, and fails if a recipe fails.
//
//   node .ci/platforms.ts [directory of tarballs] [--only name]
import { execFile } from "node:child_process"
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { installChromium } from "./chromium.ts"

const root = join(import.meta.dirname, "..")
const bin = join(root, "node_modules/.bin")
const { engines } = JSON.parse(readFileSync(join(root, "packages/node/package.json"), "utf8"))
const oldest = engines.node.replace(">=", "")
const examples = join(root, "packages/examples")
const recipes = join(examples, "platforms")

interface Recipe {
  /** Its output on success; without it, the program does not end by itself, and only its types are checked. */
  readonly prints?: RegExp
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

/** The folders of `packages/examples` with a manifest. */
const toCopy: Record<string, Recipe> = {
  "auto-scale": { prints: /^limit 8: \d+ pages/m, once: true },
  crawler: { prints: /^165 pages, 0 failed$/m, once: true },
  dashboard: {},
  distributed: { prints: /^200 of 200 files in .* 0 wrong or lost$/m, once: true },
  "http-server": {},
  promises: { prints: /^100 pages, /m },
  "quick-start": { prints: /^user 99\n3$/m },
  threads: { prints: /^23 thumbnails of 200 x 150, 0 made in the main thread$/m }
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

/** Returns the path of the tarball of a package, such as `core`. */
type Tarballs = (name: string) => string

const pack = async (): Promise<string> => {
  await run("node", ["--run", "build"], root)
  const pnpm = /npx --yes (pnpm@\S+)/.exec(readFileSync(join(root, "README.md"), "utf8"))![1]!
  for (const name of ["core", "node", "dashboard", "distributed"]) {
    const args = ["--yes", pnpm, "pack", "--pack-destination", scratch]
    await run("npx", args, join(root, "packages", name))
  }
  return scratch
}

const versionOf = (directory: string, name: string): string =>
  JSON.parse(readFileSync(join(directory, "node_modules", name, "package.json"), "utf8")).version

const install = (directory: string, ...packages: ReadonlyArray<string>): Promise<string> =>
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", ...packages], directory)

/** Runs the program of a folder on both versions of Node, and returns what it printed on the pinned one. */
const startIn = async (directory: string, { once, prints }: Recipe): Promise<string> => {
  if (prints === undefined) return ""
  const start = ["start", "--silent"]
  const outputs = [await run("npm", start, directory)]
  if (once === undefined) {
    outputs.push(await run("npx", ["--yes", `--package=node@${oldest}`, "--", "npm", ...start], directory))
  }
  for (const output of outputs)
    if (!prints.test(output)) throw new Error(`the output does not match ${prints}:\n${output}`)
  return outputs[0]!
}

const copy = (from: string, name: string): string => {
  const directory = join(scratch, name)
  cpSync(from, directory, { recursive: true, filter: (path) => !/[/\\](?:node_modules|dist)$/.test(path) })
  return directory
}

/** Runs one recipe. Resolves with the version of its tool. */
const runRecipe = async (name: string, tarballs: Tarballs): Promise<string> => {
  const recipe = expected[name]!
  const directory = copy(join(recipes, name), name)
  if (name === "browser") installChromium()
  await install(directory, tarballs("core"), tarballs("node"), `effect@${versionOf(root, "effect")}`)
  const output = await startIn(directory, recipe)
  if (recipe.runs !== undefined) {
    cpSync(join(root, "packages/node/test/programs/own/awaited.ts"), join(directory, "awaited.ts"))
    const failure = await run("npx", ["--no-install", ...recipe.runs, "awaited.ts"], directory)
    if (!failure.includes("move its jobs to a module of their own"))
      throw new Error(`a job in the program's own file did not fail:\n${failure}`)
  }
  const tool = Object.keys(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).devDependencies ?? {})[0]
  const version = recipe.prints!.exec(output)!.groups?.["version"]
  return version ?? (tool === undefined ? process.versions.node : versionOf(directory, tool))
}

/** Runs an example, with the exact versions that its manifest names. Resolves with what was done. */
const runExample = async (name: string, tarballs: Tarballs): Promise<string> => {
  const recipe = toCopy[name]!
  const directory = copy(join(examples, name), name)
  const { dependencies } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
  const ours = Object.keys(dependencies).flatMap((each) => /^@aio-task-pool\/(.*)/.exec(each)?.[1] ?? [])
  await install(directory, ...ours.map(tarballs))
  // The declarations of the packages too.
  await run("tsc", ["--project", directory, "--skipLibCheck", "false"], directory)
  await startIn(directory, recipe)
  return recipe.prints === undefined ? "types" : "types, output"
}

let failed = 0
try {
  const folders = globSync("*/package.json", { cwd: examples }).map(dirname)
  for (const name of [...readdirSync(recipes), ...folders]) {
    if (!(name in expected || name in toCopy)) throw new Error(`.ci/platforms.ts has no entry for ${name}`)
  }
  const names = [...Object.keys(expected), ...Object.keys(toCopy)]
  const chosen = names.filter((name) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`--only must be one of ${names.join(", ")}, got ${values.only}`)

  const packed = positionals[0] ?? (await pack())
  const tarballs: Tarballs = (name) => {
    const [file, ...others] = globSync(`aio-task-pool-${name}-*.tgz`, { cwd: packed })
    if (file === undefined || others.length > 0) throw new Error(`${packed} must contain one tarball of ${name}`)
    return join(packed, file)
  }

  const work = async (): Promise<void> => {
    for (let name = chosen.shift(); name !== undefined; name = chosen.shift()) {
      const begin = performance.now()
      let line: string
      try {
        line = `ok ${name} ${await (name in expected ? runRecipe : runExample)(name, tarballs)}`
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
