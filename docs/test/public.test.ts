import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** An exported declaration, or a member of one. */
interface Member {
  readonly line: number
  readonly name: string
  /** The lines of its doc comment, without stars; `undefined` if it has none. */
  readonly doc: ReadonlyArray<string> | undefined
  /** Whether a caller runs it, so that its summary starts with a verb. */
  readonly isOperation: boolean
}

const declaration = /^export (?:abstract )?(?<kind>class|const|function|interface|type) (?<name>\w+)/
// The formatter indents the members of a declaration by two spaces, and what is inside them by more.
const member = /^ {2}(?:(?:static )?readonly |get )?(?<name>\[?[\w.]+\]?)\??(?<type>[:(<=].*)/
const data = /^: (?:readonly )?(?:"|string|number|boolean|false|\(\()/

/** The public members of a source file, in the order of their lines. */
const membersOf = (source: string): ReadonlyArray<Member> => {
  const lines = source.split("\n")
  const members: Array<Member> = []
  let within = ""
  let isContract = false
  for (const [index, line] of lines.entries()) {
    const { kind, name } = declaration.exec(line)?.groups ?? {}
    if (name !== undefined) {
      const isOverload = members.some((known) => known.name === name)
      const isFunction = kind === "function" || (kind === "const" && /^[a-z]/.test(name))
      if (!isOverload) members.push({ line: index + 1, name, doc: docBefore(lines, index), isOperation: isFunction })
      isContract = contracts.includes(name)
    }
    if (/^export (?:interface .*\{|class .*\{|const [A-Z]\w*.* [={]+)$/.test(line)) within = name!
    else if (line.startsWith("}")) within = /^\}> extends|^\}> \{/.test(line) ? within : ""
    if (within === "" || name !== undefined) continue
    const inner = member.exec(line)?.groups
    // A class inherits the documentation of what it overrides; its constructor and tag say no more than their types.
    if (inner === undefined || /^(?:constructor|_tag|make)$/.test(inner["name"]!)) continue
    members.push({
      line: index + 1,
      name: `${within}.${inner["name"]!}`,
      doc: docBefore(lines, index),
      isOperation: isContract && !data.test(inner["type"]!)
    })
  }
  return members
}

/** The interfaces and objects whose members are operations. */
const contracts = [
  "Executor",
  "ExecutorOperations",
  "Job",
  "PoolClosures",
  "PoolControl",
  "PoolJobs",
  "PromisePool",
  "PromiseTaskHandle",
  "TaskHandle",
  "TaskPool"
]

const docBefore = (lines: ReadonlyArray<string>, index: number): ReadonlyArray<string> | undefined => {
  if (lines[index - 1]?.endsWith("*/") !== true) return undefined
  const first = lines.slice(0, index).findLastIndex((line) => /^\s*\/\*\*/.test(line))
  return lines.slice(first, index).map((line) => line.replace(/^\s*(?:\/\*\*|\*\/|\*)? ?/, "").replace(/ ?\*\/$/, ""))
}

/** The first paragraph of a doc comment. */
const summaryOf = (doc: ReadonlyArray<string>): string => {
  const lines = doc[0] === "" ? doc.slice(1) : doc
  const end = lines.findIndex((line) => line === "" || line.startsWith("@") || line.startsWith("**"))
  return lines.slice(0, end < 0 ? undefined : end).join(" ")
}

/** What is wrong with the summary of a member, if anything is. */
const problemOf = ({ doc, isOperation }: Member): string | undefined => {
  const summary = summaryOf(doc ?? [])
  if (summary === "") return "has no summary"
  if (!/[.:]$/.test(summary)) return "has a summary that does not end with a period"
  if (isOperation && !/^[A-Z][a-z]+s\b/.test(summary)) return "has a summary that does not start with a verb"
  if (isOperation && /[.;] /.test(summary)) return "has a summary of more than one sentence"
  return undefined
}

describe("membersOf", () => {
  it("finds exported declarations and their members, with their doc comments", () => {
    const source = [
      "/** Adds. */",
      "export const add = (): void => {",
      "  const inner: number = 1",
      "}",
      "/** A pool. */",
      "export interface PoolControl<in out Self> {",
      "  /**",
      "   * Stops it.",
      "   *",
      "   * More.",
      "   */",
      "  readonly stop: Effect<void>",
      "  readonly name: string",
      "}",
      "const hidden = 1"
    ]
    expect(membersOf(source.join("\n")).map(({ isOperation, line, name }) => [line, name, isOperation])).toEqual([
      [2, "add", true],
      [6, "PoolControl", false],
      [12, "PoolControl.stop", true],
      [13, "PoolControl.name", false]
    ])
    expect(membersOf(source.join("\n")).map(({ doc }) => doc && summaryOf(doc))).toEqual([
      "Adds.",
      "A pool.",
      "Stops it.",
      undefined
    ])
  })

  it.each([
    [undefined, "has no summary"],
    ["", "has no summary"],
    ["Returns it", "has a summary that does not end with a period"],
    ["The size.", "has a summary that does not start with a verb"],
    ["Returns it. Throws.", "has a summary of more than one sentence"],
    ["Returns it.", undefined]
  ])("finds what is wrong with the summary %j of an operation", (summary, problem) => {
    const doc = summary === undefined ? undefined : [summary]
    expect(problemOf({ line: 1, name: "f", doc, isOperation: true })).toBe(problem)
  })
})

const sources = globSync(
  [
    "packages/core/src/*.ts",
    "packages/node/src/NodeExecutor.ts",
    "packages/dashboard/src/*.ts",
    "packages/distributed/src/{,bullmq/}*.ts"
  ],
  { cwd: root }
)
  .map((path) => path.replaceAll("\\", "/"))
  .sort()

describe.each(sources)("%s", (path) => {
  const source = readFileSync(join(root, path), "utf8")

  it("has a summary for each public member", () => {
    const problems = membersOf(source).flatMap((each) => {
      const problem = problemOf(each)
      return problem === undefined ? [] : [`${path}:${each.line}: ${each.name} ${problem}`]
    })
    expect(problems).toEqual([])
  })

  it("refers to pages of the guide that exist", () => {
    const pages = Array.from(source.matchAll(/\bdocs\/[\w/.-]+\.md/g), ([page]) => page)
    expect(pages.filter((page) => !existsSync(join(root, page)))).toEqual([])
  })
})
