// The pages that answer questions: their tables follow the code, the packages and what CI runs.
import { AioFixedTaskPoolSimple, AutoScalePolicy, TaskPool } from "@aio-task-pool/core"
import { Effect } from "effect"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const manifest = (path: string): any => JSON.parse(read(path))

/** The cells of the rows of a page whose first cell matches, without the spaces around them. */
const rowsOf = (page: string, first: RegExp): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from(read(page).matchAll(/^\| (.*) \|$/gm), ([, row]) => row!.split("|").map((cell) => cell.trim())).filter(
    ([cell]) => first.test(cell!)
  )

const published = globSync("packages/*/package.json", { cwd: root })
  .map((path) => manifest(path))
  .filter((each) => each.private !== true)

describe("docs/guide/reasons.md", () => {
  it("has the sentence of each reason", () => {
    const rows = rowsOf("docs/guide/reasons.md", /^`[A-Z]+`$/)
    expect(rows.map(([reason, sentence]) => [reason!.replaceAll("`", ""), sentence])).toEqual(
      Object.entries(AutoScalePolicy.reasons)
    )
  })

  it("has each column of explain", () => {
    const source = read("packages/core/src/internal/autoScale/decisionLog.ts")
    const columns = Array.from(source.matchAll(/^ {2}\["([\w ]+)", /gm), ([, column]) => `\`${column!}\``)
    expect(columns.length).toBeGreaterThan(10)
    expect(rowsOf("docs/guide/reasons.md", /^`[a-z ]+`$/).map(([column]) => column)).toEqual(columns)
  })
})

describe("docs/guide/looking.md", () => {
  const page = "docs/guide/looking.md"
  const firstCells = (first: RegExp) =>
    rowsOf(page, first).flatMap(([cell]) => Array.from(cell!.matchAll(/`(\w+)`/g), ([, name]) => name!))

  it("has each number of stats", () => {
    const [, stats] = /^export interface PoolStats \{$([^]*?)^\}$/m.exec(read("packages/core/src/PoolStats.ts"))!
    const names = Array.from(stats!.matchAll(/readonly (\w+):/g), ([, name]) => name!)
    expect(names.length).toBeGreaterThan(15)
    expect(firstCells(/^`[a-z]\w+`$/)).toEqual(expect.arrayContaining(names))
  })

  it("has each event", () => {
    const tags = Array.from(read("packages/core/src/PoolEvent.ts").matchAll(/_tag: "(\w+)"/g), ([, tag]) => tag!)
    expect(tags.length).toBeGreaterThan(5)
    expect(firstCells(/^`[A-Z]\w+`(, `\w+`)?$/)).toEqual(tags)
  })
})

describe("docs/guide/supported-platforms.md", () => {
  const page = "docs/guide/supported-platforms.md"

  it("names the Node versions that the packages promise and CI runs", () => {
    const [[, versions, , , tested]] = rowsOf(page, /^Node$/) as [ReadonlyArray<string>]
    const pinned = manifest("package.json").devDependencies.node
    const [, onEach] = /^for node in (.*); do$/m.exec(read(".ci/run"))!
    expect(published.map(({ engines }) => engines.node)).toEqual(published.map(() => `>=${versions!.split(" ")[0]!}`))
    expect(tested).toBe(
      `all tests on ${pinned}, those of the packages on ${onEach!.replace(" ", " and ")}; the packed packages on ${onEach!.split(" ")[0]!} and ${pinned}`
    )
  })

  it("names the versions of tools that the recipes install", () => {
    for (const tool of ["bun", "deno", "esbuild", "jest", "tsx", "vite", "vitest", "webpack"]) {
      const { devDependencies } = manifest(`packages/examples/platforms/${tool}/package.json`)
      const [[, version]] = rowsOf(page, new RegExp(`^${tool}$`, "i")) as [ReadonlyArray<string>]
      expect(`${tool} ${devDependencies[tool]}`).toMatch(new RegExp(`^${tool} ${version!.replace(".", "\\.")}\\.`))
    }
    const [[, , tested]] = rowsOf(page, /^TypeScript$/) as [ReadonlyArray<string>]
    expect(tested).toContain(` ${manifest("package.json").devDependencies.typescript},`)
  })

  it("names the versions of effect that the packages accept", () => {
    const [[, versions, tested]] = rowsOf(page, /^`effect`$/) as [ReadonlyArray<string>]
    expect(versions).toBe("4.1 or newer, before 5")
    for (const { peerDependencies } of published) expect(peerDependencies.effect).toBe("^4.1.0")
    expect(tested).toBe(`all tests on ${/^ {2}effect: (\S+)/m.exec(read("pnpm-workspace.yaml"))![1]!}`)
  })
})

describe("SECURITY.md", () => {
  it("names each dependency of the published packages, which have no install scripts", () => {
    const text = read("SECURITY.md")
    for (const { dependencies = {}, name, peerDependencies, scripts = {} } of published) {
      const needs = Object.keys({ ...dependencies, ...peerDependencies })
      const unnamed = needs.filter((each) => !each.startsWith("@aio-task-pool/") && !text.includes(`\`${each}\``))
      expect({ name, unnamed }).toEqual({ name, unnamed: [] })
      expect(Object.keys(scripts).filter((script) => /install|prepare/.test(script))).toEqual([])
    }
  })

  it.each(["__proto__", "constructor", "toString", ""])("is right that a key and a label may be %j", async (word) => {
    const program = Effect.gen(function* () {
      const running = yield* TaskPool.fork(Effect.never, { key: word, label: word })
      yield* TaskPool.fork(Effect.void, { key: word, label: word })
      yield* TaskPool.fork(Effect.void, { key: "other", label: "other" })
      const before = yield* TaskPool.statsOf(word)
      const cleared = yield* TaskPool.clear({ key: word, label: word })
      yield* running.cancel
      return { before, cleared, after: yield* TaskPool.statsOf(word) }
    })
    expect(await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(1, { name: word })))).toEqual({
      before: { waiting: 1, running: 1 },
      cleared: 1,
      after: { waiting: 0, running: 0 }
    })
  })
})
