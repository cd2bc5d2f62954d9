import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitepress"

const source = join(import.meta.dirname, "../source")

const titleOf = (file: string): string =>
  /^# (.*)$/m.exec(readFileSync(join(source, file), "utf8"))?.[1]?.replaceAll("`", "") ?? file

/** The pages of a folder, in the order of `first`, then by name. */
const pagesOf = (folder: string, first: ReadonlyArray<string> = []) => {
  if (!existsSync(join(source, folder))) return []
  const names = readdirSync(join(source, folder)).filter((name) => name.endsWith(".md") && name !== "index.md")
  const place = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length)
  names.sort((a, b) => place(a) - place(b) || a.localeCompare(b))
  return names.map((name) => ({ text: titleOf(`${folder}/${name}`), link: `/${folder}/${name.slice(0, -3)}` }))
}

/** The guide's pages, in the order in which the index of the documentation names them. */
const guideOrder = [...readFileSync(join(source, "docs/index.md"), "utf8").matchAll(/\(guide\/([\w-]+\.md)/g)].map(
  ([, file = ""]) => file
)

const page = (text: string, file: string) =>
  existsSync(join(source, `${file}.md`)) ? [{ text, link: `/${file.replace(/index$/, "")}` }] : []

const guide = [
  { text: "Guide", items: [...page("All topics", "docs/index"), ...pagesOf("docs/guide", guideOrder)] },
  { text: "Cookbook", items: [...page("All recipes", "docs/cookbook/index"), ...pagesOf("docs/cookbook")] },
  { text: "Migration", items: [...page("Overview", "docs/migration/index"), ...pagesOf("docs/migration")] },
  {
    text: "More",
    items: [
      ...page("Observability", "docs/observability"),
      ...page("Glossary", "docs/glossary"),
      ...page("Benchmarks", "docs/benchmarks/index"),
      ...page("Results", "docs/benchmarks/results"),
      ...page("The executor", "docs/benchmarks/executor"),
      ...page("Distributed pools", "docs/benchmarks/distributed"),
      ...page("How adaptive was chosen", "docs/autoscale/index"),
      ...page("What the tests catch", "docs/proof/index"),
      ...page("Changes", "CHANGELOG"),
      ...page("Security", "SECURITY"),
      ...page("Contributing", "CONTRIBUTING")
    ]
  },
  { text: "Decisions", collapsed: true, items: pagesOf("docs/adr") }
].filter(({ items }) => items.length > 0)

const sidebarFile = join(source, "api/typedoc-sidebar.json")
const reference = existsSync(sidebarFile) ? JSON.parse(readFileSync(sidebarFile, "utf8")) : []

export default defineConfig({
  title: "aio-task-pool",
  description: "Task pools for Effect: limit how many tasks run at once",
  srcDir: "source",
  outDir: "dist",
  cacheDir: "cache",
  cleanUrls: true,
  head: [["link", { rel: "icon", href: "/favicon.svg" }]],
  lastUpdated: false,
  themeConfig: {
    // Readers search for words of the guide, which the API reference repeats in every doc comment.
    search: {
      provider: "local",
      options: {
        miniSearch: { searchOptions: { boostDocument: (id: string) => (id.startsWith("/api/") ? 0.2 : 1) } }
      }
    },
    outline: [2, 3],
    nav: [
      { text: "Guide", link: "/docs/guide/getting-started" },
      ...page("Cookbook", "docs/cookbook/index"),
      ...page("Playground", "playground"),
      { text: "API", link: "/api/" },
      { text: "Benchmarks", link: "/docs/benchmarks/" }
    ],
    sidebar: { "/api/": [{ text: "API reference", items: reference }], "/": guide }
  },
  // The API reference names type parameters such as <A>.
  markdown: { html: true }
})
