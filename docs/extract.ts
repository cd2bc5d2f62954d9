// Writes every ```ts fence of README.md, docs/**/*.md, packages/*/README.md and of the JSDoc in packages/*/src to
// docs/generated, where tsc checks it and vitest runs it, each fence as a module of its own.
//
// - A line that ends in `// => value` asserts that its expression equals the value. The expression may stand in
//   `console.log(…)`, or initialize a constant.
// - A fence marked `tests` registers tests of its own (`it`, `disciplineLaws`) and becomes a test file. One marked `proof`
//   registers tests that take long (`taskPoolLaws`), and runs with the proofs.
// - A fence marked `as name.ts` is written to a module of that name, for other fences to import.
// - A fence of any language marked `file path` shows the file of that path: it is not run, but must equal the file.
//   `node docs/extract.ts --update` first copies the files into these fences.
// - A line keeps its number, so `docs/generated/README.md.12.ts(14,3)` is line 14 of README.md.
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import jsTokens from "js-tokens"
import { fromMarkdown } from "mdast-util-from-markdown"

interface Example {
  readonly file: string
  /** Number of the fence's opening line. */
  readonly line: number
  /** What it registers, if it does: tests, or long ones. */
  readonly registers: "test" | "proof" | undefined
  /** The name of the module, where other examples import it. */
  readonly as: string | undefined
  readonly code: ReadonlyArray<string>
}

/** A fence that shows a file of the repository. */
interface Copy {
  readonly line: number
  readonly path: string
  readonly code: ReadonlyArray<string>
}

interface Fence {
  readonly line: number
  readonly language: string
  /** What stands after the language. */
  readonly marks: ReadonlyArray<string>
  readonly code: ReadonlyArray<string>
}

/** The examples of a file. */
export const examplesOf = (file: string, text: string): Array<Example> =>
  fencesOf(file, text).flatMap(({ code, language, line, marks }) =>
    (language === "ts" || language === "typescript") && valueOf(marks, "file") === undefined
      ? [{ file, line, registers: registeredBy(marks), as: valueOf(marks, "as"), code }]
      : []
  )

/** The fences of a file that show other files. */
export const copiesOf = (file: string, text: string): Array<Copy> =>
  fencesOf(file, text).flatMap(({ code, line, marks }) => {
    const path = valueOf(marks, "file")
    return path === undefined ? [] : [{ line, path, code }]
  })

/** Why a fence does not show its file, if so. */
export const problemOfCopy = (at: string, { code, path }: Copy, text: string | undefined): string | undefined => {
  if (text === undefined) return `${at}: there is no file ${path}`
  return text.trimEnd() === code.join("\n").trimEnd() ? undefined : `${at}: must equal ${path}`
}

/** The text of a page in which each fence that shows a file has the text of that file, where `read` finds one. */
export const withCopies = (file: string, text: string, read: (path: string) => string | undefined): string => {
  const lines = text.split("\n")
  // From the last one on, so that the lines of the others stay where they are.
  for (const { code, line, path } of copiesOf(file, text).toReversed()) {
    // An empty fence has one line of code, and none in the page.
    const length = code.length === 1 && code[0] === "" && lines[line]!.startsWith("```") ? 0 : code.length
    const shown = read(path)
    if (shown !== undefined) lines.splice(line, length, ...shown.trimEnd().split("\n"))
  }
  return lines.join("\n")
}

const valueOf = (marks: ReadonlyArray<string>, name: string): string | undefined =>
  marks.includes(name) ? marks[marks.indexOf(name) + 1] : undefined

const registeredBy = (marks: ReadonlyArray<string>): Example["registers"] =>
  marks.includes("tests") ? "test" : marks.includes("proof") ? "proof" : undefined

const fencesOf = (file: string, text: string): Array<Fence> =>
  // In a source file only a doc comment can hold a fence.
  file.endsWith(".ts")
    ? docCommentsOf(text).flatMap(({ before, markdown }) => fencesIn(file, markdown, before))
    : fencesIn(file, text, 0)

/** The doc comments of a source file without their stars, and the number of lines before each. */
const docCommentsOf = (source: string): Array<{ readonly before: number; readonly markdown: string }> => {
  let before = 0
  return Array.from(jsTokens(source)).flatMap(({ type, value }) => {
    const comment = { before, markdown: value.slice(0, -2).replaceAll(/^[ \t]*\/?\*+ ?/gm, "") }
    before += value.split("\n").length - 1
    return type === "MultiLineComment" && value.startsWith("/**") ? [comment] : []
  })
}

const fencesIn = (file: string, markdown: string, before: number): Array<Fence> =>
  codesOf(fromMarkdown(markdown)).flatMap(({ lang, meta, position, value }) => {
    const { end, start } = position!
    const [opening, ...rest] = markdown.slice(start.offset, end.offset).split("\n")
    const line = before + start.line
    // Code that is only indented has no fence.
    if (!/^(?:```|~~~)/.test(opening!)) return []
    if (!/^[\s>]*(?:```+|~~~+)$/.test(rest.at(-1) ?? "")) throw new Error(`${file}:${line}: the fence is never closed`)
    return [{ line, language: lang ?? "", marks: meta?.split(/\s+/) ?? [], code: value.split("\n") }]
  })

type Node = ReturnType<typeof fromMarkdown> | ReturnType<typeof fromMarkdown>["children"][number]

const codesOf = (node: Node): Array<Extract<Node, { type: "code" }>> =>
  node.type === "code" ? [node] : "children" in node ? node.children.flatMap(codesOf) : []

const assertion =
  /^(?<declare>\s*(?:export )?const (?<name>\w+)(?:: [^=]+)? = )?(?<indent>\s*)(?<actual>.+?);?\s*\/\/ => (?<expected>.+?);?$/

/** The line with its `// => value` made an assertion. */
export const assertLine = (line: string, at: string): string => {
  if (!/\/\/\s*=>/.test(line)) return line
  const { actual, declare, expected, indent, name } = assertion.exec(line)?.groups ?? {}
  if (actual === undefined) throw new Error(`${at}: an assertion is written 'expression // => value'`)
  // Strings may hold any bracket; what is left must open and close on this line, and not begin in the middle.
  const bare = actual.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/g, "_")
  const balanced = ["()", "[]", "{}"].every(
    ([opening, closing]) => bare.split(opening!).length === bare.split(closing!).length
  )
  if (!balanced || /^[.?:)\]},|&]/.test(bare) || /^(?:return|if|for|while|let|var|throw)\b/.test(bare)) {
    throw new Error(`${at}: '// =>' must follow an expression or a const declaration that is written on one line`)
  }
  const value = /^console\.log\((?<logged>.+)\)$/.exec(actual)?.groups?.["logged"] ?? actual
  return declare === undefined
    ? `${indent}assertEquals(${value}, ${expected}, ${JSON.stringify(at)})`
    : `${declare}${actual}; assertEquals(${name}, ${expected}, ${JSON.stringify(at)})`
}

const nameOf = ({ as, file, line, registers }: Example): string =>
  as ?? `${file.replaceAll("/", ".")}.${line}.${registers === undefined ? "ts" : `${registers}.ts`}`

const moduleOf = ({ code, file, line }: Example): string => {
  const lines = code.map((text, index) => assertLine(text, `${file}:${line + 1 + index}`))
  const head = code.some((text) => text.includes("// =>")) ? `import { assertEquals } from "../assertEquals.ts"` : ""
  // The head shares the line of the fence, or comes before it; `export {}` makes an example without imports a module.
  return `${head}${"\n".repeat(line)}${lines.join("\n")}\nexport {}\n`
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..")
  const out = join(import.meta.dirname, "generated")
  const sources = ["README.md", "docs/**/*.md", "packages/*/README.md", "packages/*/src/**/*.ts"]
  const files = globSync(sources, { cwd: root, exclude: ["**/node_modules/**", "docs/site/**"] })
    .map((path) => path.replaceAll("\\", "/"))
    .sort()

  const read = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined)
  const update = (page: string) => {
    const text = readFileSync(page, "utf8")
    const updated = withCopies(page, text, read)
    if (updated !== text) writeFileSync(page, updated)
  }

  const examples: Array<Example> = []
  const problems: Array<unknown> = []
  const modules = new Map<string, string>()
  for (const file of files) {
    try {
      if (process.argv.includes("--update") && file.endsWith(".md")) update(join(root, file))
      const text = readFileSync(join(root, file), "utf8")
      for (const copy of copiesOf(file, text)) {
        const problem = problemOfCopy(`${file}:${copy.line}`, copy, read(copy.path))
        if (problem !== undefined) problems.push(problem)
      }
      for (const example of examplesOf(file, text)) {
        const name = nameOf(example)
        if (modules.has(name)) throw new Error(`${file}:${example.line}: another example is called ${name}`)
        examples.push(example)
        modules.set(name, moduleOf(example))
      }
    } catch (problem) {
      problems.push(problem)
    }
  }
  if (problems.length > 0) {
    for (const problem of problems) console.error(problem instanceof Error ? problem.message : problem)
    process.exit(1)
  }

  const tests = examples
    .filter((example) => example.registers === undefined)
    .map((example) => `it("${example.file}:${example.line}", () => import("./${nameOf(example)}"))`)
  modules.set("examples.test.ts", `import { it } from "vitest"\n\n${tests.join("\n")}\n`)

  // Only what changed is written, so that `tsc -b` has nothing to do when nothing did.
  mkdirSync(out, { recursive: true })
  for (const name of readdirSync(out)) if (!modules.has(name)) rmSync(join(out, name), { recursive: true })
  for (const [name, text] of modules) {
    const path = join(out, name)
    if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text)
  }
  console.log(`docs/generated: ${examples.length} examples of ${files.length} files`)
}
