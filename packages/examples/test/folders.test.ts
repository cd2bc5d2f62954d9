// The folders that a reader copies: what their manifests say, and what those print that no other test runs.
import { Protocol } from "@aio-task-pool/dashboard"
import { Schema } from "effect"
import { assert, describe, it } from "vitest"
import { once } from "node:events"
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { text } from "node:stream/consumers"
import { examples, fencesIn, printedBy, programOf, root, run, shape, start } from "./cookbook/programs.ts"

const json = (file: string): any => JSON.parse(readFileSync(file, "utf8"))
const readme = (name: string): string => `packages/examples/${name}/README.md`
const main = (name: string): string => `packages/examples/${name}/main.ts`

const folders = globSync("*/package.json", { cwd: examples }).map(dirname).sort()

describe("the folders of examples", () => {
  const published = new Map<string, string>(
    globSync("packages/*/package.json", { cwd: root })
      .map((file) => json(join(root, file)))
      .map(({ name, version }) => [name, version])
  )
  const catalog = new Map(
    Array.from(
      readFileSync(join(root, "pnpm-workspace.yaml"), "utf8").matchAll(/^ {2}"?([@\w/-]+)"?: ([\d.]+)$/gm)
    ).map(([, name, version]) => [name!, version!])
  )

  it("are those that the page of the examples lists", () => {
    assert.isAtLeast(folders.length, 8)
    const page = readFileSync(join(examples, "README.md"), "utf8")
    const listed = Array.from(page.matchAll(/^\| \[[\w-]+\]\(([\w-]+)\) +\|/gm), ([, folder]) => folder!)
    assert.sameMembers(listed, folders)
  })

  it.each(folders)("%s has a manifest with exact versions, those of this repository", (name) => {
    const { dependencies, devDependencies, engines, ...manifest } = json(join(examples, name, "package.json"))
    assert.deepInclude(manifest, {
      name: `example-${name}`,
      private: true,
      type: "module",
      scripts: { start: "node main.ts" }
    })
    assert.deepStrictEqual(engines, json(join(root, "packages/core/package.json")).engines)
    for (const [dependency, version] of Object.entries<string>({ ...dependencies, ...devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/)
      const ours = published.get(dependency) ?? catalog.get(dependency)
      if (ours !== undefined) assert.strictEqual(version, ours, dependency)
      else assert.include(["pngjs", "@types/pngjs"], dependency)
    }
  })

  it.each(folders)("%s imports only its own files and what its manifest names", (name) => {
    const folder = join(examples, name)
    // The pools need `effect` as a peer.
    const used = new Set(["effect"])
    for (const file of globSync("**/*.ts", { cwd: folder, exclude: ["node_modules/**"] })) {
      for (const [, from] of readFileSync(join(folder, file), "utf8").matchAll(
        /^(?:import|\} from)\b[^"]*"([^"]+)"/gm
      )) {
        if (from!.startsWith(".")) {
          const target = relative(folder, join(folder, dirname(file), from!))
          assert.isFalse(target.startsWith(".."), `${name}/${file} imports ${from}`)
        } else if (!from!.startsWith("node:")) used.add(/^(?:@[^/]+\/)?[^/]+/.exec(from!)![0])
      }
    }
    assert.sameMembers([...used], Object.keys(json(join(folder, "package.json")).dependencies))
  })

  it.each(folders)("%s says how to run it, and has the settings of the others for an editor", (name) => {
    const fences = fencesIn(readme(name))
    assert.deepStrictEqual(
      fences.map(({ head }) => head),
      ["sh", "text"]
    )
    assert.strictEqual(fences[0]!.body, "npm install\nnpm start\n")
    assert.deepStrictEqual(
      json(join(examples, name, "tsconfig.json")),
      json(join(examples, "quick-start/tsconfig.json"))
    )
  })

  it.each([
    ["crawler", "crawler"],
    ["http-server", "http-server"],
    ["threads", "images"]
  ])("%s prints what its page of the cookbook shows", (name, page) => {
    assert.strictEqual(programOf(page), main(name))
    assert.strictEqual(printedBy(readme(name)), printedBy(`docs/cookbook/${page}.md`))
  })
})

// Processes and sockets: real time.
describe("the example", () => {
  it("quick-start is the first program of README, and prints what its page shows", async () => {
    assert.strictEqual(
      readFileSync(join(root, main("quick-start")), "utf8"),
      fencesIn("README.md").find(({ head }) => head === "ts")!.body
    )
    assert.strictEqual(await run(main("quick-start")), printedBy(readme("quick-start")))
  })

  it("promises prints what its page shows", async () => {
    assert.strictEqual(shape(await run(main("promises"))), shape(printedBy(readme("promises"))))
  })

  it("auto-scale serves pages before and after the change, and explains its size", async () => {
    const output = await run(main("auto-scale"), ["0.5"])
    const lines = shape(output).split("\n")
    assert.deepStrictEqual(
      lines.slice(0, 4),
      shape(printedBy(readme("auto-scale")))
        .split("\n")
        .slice(0, 4)
    )
    for (const [, pages, workers] of output.matchAll(/: (\d+) pages, .* (\d+) workers$/gm)) {
      assert.isAbove(Number(pages), 0)
      assert.isAtMost(Number(workers), 200)
    }
  })

  it("dashboard shows its two pools until a signal ends it", async () => {
    const child = start(main("dashboard"), [], { PORT: "0" })
    try {
      const errors = text(child.stderr!)
      let output = ""
      const address = await new Promise<string>((resolve) => {
        child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
          output += chunk
          const [, shown] = /^the pools are shown at (\S+)\n/m.exec(output) ?? []
          if (shown !== undefined) resolve(shown)
        })
      })
      const frame = await (await fetch(address + Protocol.paths.pools)).json()
      const { pools } = Schema.decodeUnknownSync(Protocol.Frame)(frame)
      assert.sameMembers(
        pools.map(({ id }) => id),
        ["mail", "thumbnails"]
      )
      child.kill("SIGINT")
      await once(child, "close")
      assert.strictEqual(await errors, "")
      const [log, line] = shape(printedBy(readme("dashboard"))).split("\n")
      const [first, second] = shape(output).split("\n")
      assert.strictEqual(second, line)
      assert.strictEqual(first!.replace(/token=.*/, ""), log!.replace(/token=.*/, ""))
    } finally {
      child.kill("SIGKILL")
    }
  })
})
