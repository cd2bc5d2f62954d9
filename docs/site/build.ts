/**
 * Builds the documentation site: `source/` (the pages of the repository, and an API reference made from the doc
 * comments), then `dist/` (the site).
 *
 *     node docs/site/build.ts            builds the site
 *     node docs/site/build.ts --serve    shows it while pages are written
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { fromMarkdown } from "mdast-util-from-markdown"
import { Application, Comment, DeclarationReflection, ReflectionKind } from "typedoc"
import { build, createServer } from "vitepress"
import { checkSite } from "./check.ts"

const site = import.meta.dirname
const root = join(site, "../..")
const source = join(site, "source")

/** Files that become pages, and files that pages show. */
const published = [
  "{README,CHANGELOG,CONTRIBUTING,SECURITY}.md",
  "docs/*.md",
  "docs/{adr,autoscale,benchmarks,cookbook,guide,migration,observability,proof}/**/*.{md,svg,png,json,yml}",
  "packages/*/README.md"
]

/** The page of a file. `source/` has the layout of the repository, and a folder's README is the folder's index. */
const pageOf = (file: string): string => file.replace(/\/README\.md\b/, "/index.md")

/** Makes links lead to pages. Replaces links to files that are no pages by their text. */
const relink = (file: string, text: string, pages: ReadonlySet<string>): string => {
  const edits: Array<readonly [from: number, to: number, text: string]> = []
  const visit = (node: any): void => {
    if (node.type === "link" && !/^([a-z]+:|#)/.test(node.url)) {
      const target = posix.join(posix.dirname(file), node.url.replace(/#.*/, ""))
      const [start, end] = [node.position.start.offset, node.position.end.offset]
      const [first, last] = [node.children[0].position.start.offset, node.children.at(-1).position.end.offset]
      const label = text.slice(first, last)
      if (!pages.has(target)) edits.push([start, end, label])
      else if (!target.endsWith(".md")) {
        // A file to download.
        mkdirSync(join(source, "public", dirname(target)), { recursive: true })
        cpSync(join(root, target), join(source, "public", target))
        edits.push([start, end, `[${label}](/${target})`])
      } else if (target !== pageOf(target)) edits.push([start, end, `[${label}](${pageOf(`./${node.url}`)})`])
    }
    for (const child of node.children ?? []) visit(child)
  }
  visit(fromMarkdown(text))
  for (const [from, to, by] of edits.toReversed()) text = text.slice(0, from) + by + text.slice(to)
  return text
}

const copyPages = (): void => {
  const files = globSync(published, { cwd: root }).map((file) => file.replaceAll("\\", "/"))
  const pages = new Set(files)
  for (const file of files) {
    const to = join(source, pageOf(file))
    mkdirSync(dirname(to), { recursive: true })
    if (file.endsWith(".md")) writeFileSync(to, relink(file, readFileSync(join(root, file), "utf8"), pages))
    else cpSync(join(root, file), to)
  }
  for (const page of globSync("pages/**/*", { cwd: site })) {
    if (!statSync(join(site, page)).isDirectory()) cpSync(join(site, page), join(source, page.slice("pages/".length)))
  }
}

/** Returns the text at the top of a module, which TypeDoc takes for the comment of its first import. */
const leadingComment = (file: string): Comment => {
  const [, text] = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(file, "utf8")) ?? []
  const lines = (text ?? "").split("\n").map((line) => line.replace(/^ \* ?/, ""))
  return new Comment([{ kind: "text", text: lines.filter((line) => !line.startsWith("@since")).join("\n") }])
}

/** Writes the API reference of all published packages. */
const writeReference = async (): Promise<void> => {
  const published = globSync("packages/*/package.json", { cwd: root })
    .filter((file) => JSON.parse(readFileSync(join(root, file), "utf8")).private !== true)
    .map((file) => dirname(file))
  // A public module is a file with a capital, and an entry of its package.
  const modules = published.flatMap((one) => globSync(`${one}/src/{,bullmq/}[A-Z]*.ts`, { cwd: root })).sort()
  const app = await Application.bootstrapWithPlugins({
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"],
    entryPoints: modules.map((file) => join(root, file)),
    outputFileStrategy: "modules",
    tsconfig: join(site, "reference.tsconfig.json"),
    out: join(source, "api"),
    docsRoot: source,
    readme: "none",
    entryFileName: "index",
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    hideBreadcrumbs: false,
    useCodeBlocks: true,
    // Headings with the same text get other anchors from VitePress than from TypeDoc.
    useHTMLAnchors: true,
    parametersFormat: "table",
    excludeTags: ["@since"],
    categoryOrder: ["services", "layers", "constructors", "combinators", "running", "options", "errors", "*", "models"],
    logLevel: "Warn",
    validation: false
  } as never)
  const project = await app.convert()
  if (project === undefined) throw new Error("the API reference could not be made")
  // Inherited members are documented where they are declared.
  for (const member of project.getReflectionsByKind(ReflectionKind.All)) {
    if (member instanceof DeclarationReflection && member.inheritedFrom !== undefined) project.removeReflection(member)
  }
  for (const module of project.children ?? []) {
    module.comment ??= leadingComment(join(root, "packages", `${module.name}.ts`))
    module.name = module.name.replace("/src/", "/")
  }
  await app.generateOutputs(project)
  for (const file of globSync("api/**/*.md", { cwd: source })) {
    const text = readFileSync(join(source, file), "utf8")
    writeFileSync(join(source, file), text.replace(/^Guide: docs\/([\w/-]+)\.md$/gm, "Guide: [$1](/docs/$1)"))
  }
}

rmSync(source, { recursive: true, force: true })
copyPages()
await writeReference()
if (process.argv.includes("--serve")) {
  const server = await createServer(site)
  await server.listen()
  server.printUrls()
} else {
  await build(site)
  checkSite(join(site, "dist"))
}
