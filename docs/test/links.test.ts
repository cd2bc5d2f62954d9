import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md", "packages/examples/*/README.md"], {
  cwd: root,
  exclude: ["docs/site/**"]
}).map((page) => page.replaceAll("\\", "/"))

const prose = (text: string): string => text.replaceAll(/^```.*?^```/gms, "")

/** The anchors that GitHub gives to the headings of a page. */
const anchorsOf = (text: string): ReadonlyArray<string> =>
  Array.from(prose(text).matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-")
  )

/** The links of a page to files or headings that do not exist. */
const deadLinks = (page: string, text: string): ReadonlyArray<string> =>
  Array.from(prose(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false
    const [path = "", anchor] = link.split("#")
    const target = path === "" ? page : normalize(join(dirname(page), path)).replaceAll("\\", "/")
    if (!existsSync(join(root, target))) return true
    if (anchor === undefined || !target.endsWith(".md")) return false
    return !anchorsOf(target === page ? text : readFileSync(join(root, target), "utf8")).includes(anchor)
  })

it("finds links to missing files and headings", () => {
  const text = ["# A `b` of c?", "[a](#a-b-of-c) [b](#missing) [c](../LICENSE) [d](none.md) [e](README.md#none)"]
  expect(deadLinks("docs/README.md", text.join("\n"))).toEqual(["#missing", "none.md", "README.md#none"])
})

it.each(pages)("%s links only to what exists", (page) => {
  expect(deadLinks(page, readFileSync(join(root, page), "utf8"))).toEqual([])
})
