// Plants one forbidden import per boundary of .oxlintrc.json in a copy of the sources and sees that the linter reports
// each, and only those: a boundary that stopped matching its file, or that forbids too much, would go unnoticed else.
import { spawnSync } from "node:child_process"
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")

const forbidden: ReadonlyArray<readonly [file: string, specifier: string]> = [
  // The core: effect's top-level modules by their own path, its own modules but not the barrel; no Node, no sibling.
  ["packages/core/src/TaskHandle.ts", "effect"],
  ["packages/core/src/TaskHandle.ts", "effect/http/HttpServer"],
  ["packages/core/src/TaskHandle.ts", "effect/unstable/rpc"],
  ["packages/core/src/TaskHandle.ts", "node:async_hooks"],
  ["packages/core/src/TaskHandle.ts", "vitest"],
  ["packages/core/src/TaskHandle.ts", "./index.ts"],
  ["packages/core/src/TaskHandle.ts", "@aio-task-pool/testing"],
  ["packages/core/src/TaskHandle.ts", "../../testing/src/index.ts"],
  // The contract knows no implementation.
  ["packages/core/src/TaskPool.ts", "./internal/backlog.ts"],
  ["packages/core/src/TaskPool.ts", "./AioFixedTaskPoolSimple.ts"],
  ["packages/core/src/TaskPool.ts", "node:fs"],
  // Backlog and policies wait for nothing, fork nothing and read no clock.
  ["packages/core/src/internal/backlog.ts", "effect/Effect"],
  ["packages/core/src/internal/backlog.ts", "../TaskPool.ts"],
  ["packages/core/src/QueueDiscipline.ts", "effect/Queue"],
  ["packages/core/src/AutoScalePolicy.ts", "effect/Clock"],
  ["packages/core/src/AutoScalePolicy.ts", "./TaskPool.ts"],
  // Everybody uses another package by its public entry.
  ["packages/testing/src/index.ts", "@aio-task-pool/core/internal/backlog"],
  ["packages/testing/src/index.ts", "../../core/src/TaskPool.ts"],
  ["packages/testing/src/index.ts", "node:fs"],
  ["packages/testing/src/index.ts", "effect"],
  ["packages/testing/src/internal/planted.ts", "../index.ts"],
  ["packages/testing/src/laws/planted.ts", "node:fs"],
  ["packages/testing/src/laws/planted.ts", "../../../core/src/TaskPool.ts"],
  ["packages/testing/src/internal/planted.ts", "../../../core/src/TaskPool.ts"],
  // What a thread loads does not load effect.
  ["packages/node/src/NodeExecutor.ts", "effect"],
  ["packages/node/src/NodeExecutor.ts", "../../core/src/Executor.ts"],
  ["packages/node/src/internal/threads.ts", "../index.ts"],
  ["packages/node/src/internal/threads.ts", "@effect/vitest"],
  ["packages/node/src/worker.ts", "effect/Effect"],
  ["packages/node/src/worker.ts", "@aio-task-pool/core"],
  ["packages/node/src/internal/protocol.ts", "effect/Effect"],
  ["packages/node/src/internal/loading.ts", "./threads.ts"],
  ["packages/testing/src/laws/jobs/plain.ts", "effect/Effect"],
  ["packages/testing/test/planted.test.ts", "../../core/src/internal/backlog.ts"],
  ["packages/examples/src/planted.ts", "@aio-task-pool/core/dist/TaskPool.js"],
  ["docs/test/extract.test.ts", "../../packages/core/src/TaskPool.ts"]
]
// Two modules that import each other.
const circle: ReadonlyArray<readonly [file: string, specifier: string]> = [
  ["packages/core/src/planted1.ts", "./planted2.ts"],
  ["packages/core/src/planted2.ts", "./planted1.ts"]
]

const copy = mkdtempSync(join(tmpdir(), "boundaries-"))
const problems: Array<string> = []
try {
  for (const name of ["packages", "docs", ".oxlintrc.json", "tsconfig.base.json", "tsconfig.json"]) {
    cpSync(join(root, name), join(copy, name), {
      recursive: true,
      filter: (path) => !/[/](?:node_modules|dist|generated)$/.test(path)
    })
  }

  const plant = (file: string, specifier: string): string => {
    const path = join(copy, file)
    if (!existsSync(path) && !file.includes("/planted")) problems.push(`${file}: has gone, and its boundary with it`)
    mkdirSync(dirname(path), { recursive: true })
    appendFileSync(path, `\nexport * from ${JSON.stringify(specifier)}`)
    return `${file}:${readFileSync(path, "utf8").split("\n").length}`
  }
  const imports = new Map(forbidden.map(([file, specifier]) => [plant(file, specifier), specifier]))
  const cycles = new Map(circle.map(([file, specifier]) => [plant(file, specifier), specifier]))

  const { stdout } = spawnSync(join(root, "node_modules/.bin/oxlint"), ["--format", "unix"], {
    cwd: copy,
    encoding: "utf8"
  })
  const reported = (rule: string) =>
    new Set(
      stdout.split("\n").flatMap((line) => (line.includes(rule) ? (/^(.+?:\d+):\d+: /.exec(line)?.[1] ?? []) : []))
    )
  const reportedImports = reported("(no-restricted-imports)")
  const reportedCycles = reported("(no-cycle)")
  for (const [at, specifier] of imports) {
    if (!reportedImports.has(at)) problems.push(`${at}: the linter admits "${specifier}"`)
  }
  for (const at of reportedImports)
    if (!imports.has(at)) problems.push(`${at}: the linter forbids what was not planted`)
  for (const [at, specifier] of cycles) {
    if (!reportedCycles.has(at)) problems.push(`${at}: the linter admits the circle through "${specifier}"`)
  }
  console.log(`boundaries: ${imports.size} forbidden imports and ${cycles.size} of a circle planted`)
} finally {
  rmSync(copy, { recursive: true })
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
