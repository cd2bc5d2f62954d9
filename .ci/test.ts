// Runs the tests. The last line on stdout is always `N passed, N failed, N skipped`.
//
//   node .ci/test.ts               extracts the examples, checks the types, runs all tests
//   node .ci/test.ts --all         runs all tests; with --coverage, as in CI on one Node, it also checks the coverage
//   node .ci/test.ts --quick       runs the tests that uncommitted changes can affect
//   node .ci/test.ts --proof       runs the long versions, `*.proof.ts`
//   node .ci/test.ts --browsers    runs the tests in Chromium, `*.browser.ts`; installs it if it is missing
//
// Other arguments go to vitest. With `--quick` they replace the selection by changes: `--quick --project node`.
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { installChromium } from "./chromium.ts"

const root = join(import.meta.dirname, "..")
const modes = ["--all", "--quick", "--proof", "--browsers"]
const mode = process.argv.slice(2).find((argument) => modes.includes(argument))
const rest = process.argv.slice(2).filter((argument) => argument !== mode && argument !== "--")

const scratch = mkdtempSync(join(tmpdir(), "test-"))
const totals = join(scratch, "totals")
const env: NodeJS.ProcessEnv = { ...process.env, TEST_TOTALS: totals }
// Workers and the programs that tests start load the same modules, hundreds of times. Code from this cache has no exact
// coverage.
if (!rest.includes("--coverage")) env["NODE_COMPILE_CACHE"] ??= join(root, "node_modules/.cache/node")
if (!process.stdout.isTTY) {
  // Vitest and the demo color their output even in a file, unless NO_COLOR is set. Node warns if both variables are set.
  env["NO_COLOR"] = "1"
  delete env["FORCE_COLOR"]
}

/** Runs a program and returns whether it succeeded. */
const run = (...command: ReadonlyArray<string>): boolean =>
  spawnSync(process.execPath, command, { cwd: root, env, stdio: "inherit" }).status === 0

const vitest = (...flags: ReadonlyArray<string>): boolean =>
  run("node_modules/vitest/vitest.mjs", "run", "--config", "vitest.workspace.ts", ...flags, ...rest)

if (mode === "--browsers") installChromium()
const passed =
  mode === "--proof" || mode === "--browsers"
    ? vitest("--mode", mode.slice(2))
    : mode === "--quick"
      ? vitest(...(rest.length === 0 ? ["--changed", "--passWithNoTests"] : []))
      : mode === "--all"
        ? vitest()
        : run("--run", "check") && vitest()

// Without totals, the type check failed or vitest did not start.
let line = existsSync(totals) ? readFileSync(totals, "utf8") : `0 passed, ${passed ? 0 : 1} failed, 0 skipped`
// The coverage can be too low although every test passed.
if (!passed) line = line.replace(", 0 failed", ", 1 failed")
rmSync(scratch, { recursive: true })
console.log(line)
process.exitCode = passed ? 0 : 1
