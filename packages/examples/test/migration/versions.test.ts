import { assert, it } from "vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

it("names the versions that the tests run, and a page for each library", () => {
  const { devDependencies } = JSON.parse(read("packages/examples/package.json")) as {
    readonly devDependencies: Record<string, string>
  }
  const rows = Array.from(read("docs/migration/README.md").matchAll(/^\| .*?\| ([\d.]*) *\| \[.*?\]\((.*?)\.md\)/gm))
  for (const [, version, page] of rows) {
    assert.isTrue(existsSync(join(root, `docs/migration/${page!}.md`)))
    const installed =
      page === "effect" ? /^ {2}effect: (\S+)/m.exec(read("pnpm-workspace.yaml"))?.[1] : devDependencies[page!]
    if (page !== "python") assert.match(installed ?? "", new RegExp(`^${version!.replace(".", "\\.")}\\.`))
  }
  assert.lengthOf(rows, 9)
})
