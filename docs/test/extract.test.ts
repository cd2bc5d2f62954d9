import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { assertEquals } from "../assertEquals.ts"
import { assertLine, copiesOf, examplesOf, problemOfCopy, withCopies } from "../extract.ts"

const fence = "```"

describe("examplesOf", () => {
  it("finds the ts fences of a markdown file and the lines they open on", () => {
    const text = ["# Title", `${fence}ts`, "const a = 1", fence, `${fence}sh`, "ls", fence, `${fence}ts`, "b()", fence]
    expect(examplesOf("a.md", text.join("\n"))).toEqual([
      { file: "a.md", line: 2, registers: undefined, as: undefined, code: ["const a = 1"] },
      { file: "a.md", line: 8, registers: undefined, as: undefined, code: ["b()"] }
    ])
  })

  it("gives a fence marked `as` the name by which others import it", () => {
    const [example] = examplesOf("a.md", `${fence}ts as b.ts\nexport const b = 1\n${fence}`)
    expect(example).toEqual({ file: "a.md", line: 1, registers: undefined, as: "b.ts", code: ["export const b = 1"] })
  })

  it("recognizes an example that registers its own tests", () => {
    expect(examplesOf("a.md", `${fence}ts tests\nit("a", b)\n${fence}`)[0]?.registers).toBe("test")
    expect(examplesOf("a.md", `${fence}ts proof\nit("a", b)\n${fence}`)[0]?.registers).toBe("proof")
  })

  it("removes the indentation of a list from the code, but not the code's own", () => {
    const text = ["- item", `  ${fence}ts`, "  if (a) {", "    b()", "  }", `  ${fence}`]
    expect(examplesOf("a.md", text.join("\n"))[0]?.code).toEqual(["if (a) {", "  b()", "}"])
  })

  it("does not look inside a longer fence, which shows how an example is written", () => {
    const text = [`${fence}\`md`, `${fence}ts`, "a()", fence, `${fence}\``]
    expect(examplesOf("a.md", text.join("\n"))).toEqual([])
  })

  it("finds the examples of doc comments and nothing else in a source file", () => {
    const text = [
      "/**",
      " * Adds.",
      " *",
      ` * ${fence}ts`,
      " * add(1, 2)",
      " *",
      " *   indented()",
      ` * ${fence}`,
      " */",
      `const text = "${fence}ts"`
    ]
    expect(examplesOf("a.ts", text.join("\n"))).toEqual([
      { file: "a.ts", line: 4, registers: undefined, code: ["add(1, 2)", "", "  indented()"] }
    ])
  })

  it("finds a fence in a quotation, one of tildes, and none in code that is only indented", () => {
    const text = ["> ```ts", "> a()", "> ```", "", "~~~ts", "b()", "~~~", "", "    ```ts", "    c()", "    ```"]
    expect(examplesOf("a.md", text.join("\n")).map(({ code, line }) => [line, code])).toEqual([
      [1, ["a()"]],
      [5, ["b()"]]
    ])
  })

  it("names the line of a fence that is never closed", () => {
    expect(() => examplesOf("a.md", `text\n${fence}ts\na()`)).toThrow("a.md:2: the fence is never closed")
    expect(() => examplesOf("a.ts", `/**\n * ${fence}ts\n * a()\n */\n`)).toThrow("a.ts:2: the fence is never closed")
  })
})

describe("copiesOf", () => {
  const text = [`${fence}ts file src/a.ts`, "a()", "", "b()", fence, `${fence}js file b.js`, "c()", fence].join("\n")

  it("finds the fences of any language that show a file, which are not examples", () => {
    expect(copiesOf("a.md", text)).toEqual([
      { line: 1, path: "src/a.ts", code: ["a()", "", "b()"] },
      { line: 6, path: "b.js", code: ["c()"] }
    ])
    expect(examplesOf("a.md", text)).toEqual([])
  })

  it("says which fence differs from its file, or shows none", () => {
    const [copy] = copiesOf("a.md", text)
    expect(problemOfCopy("a.md:1", copy!, "a()\n\nb()\n")).toBeUndefined()
    expect(problemOfCopy("a.md:1", copy!, "a()\nb()\n")).toBe("a.md:1: must equal src/a.ts")
    expect(problemOfCopy("a.md:1", copy!, undefined)).toBe("a.md:1: there is no file src/a.ts")
  })

  it("copies the files into their fences, also into an empty one, and leaves the rest of the page", () => {
    const empty = ["before", `${fence}ts file b.js`, fence, "between", text, "after"].join("\n")
    const files: Record<string, string> = { "src/a.ts": "new()\n", "b.js": "d()\n\ne()\n" }
    const [a, b] = [`${fence}ts file src/a.ts\nnew()\n${fence}`, `file b.js\nd()\n\ne()\n${fence}`]
    expect(withCopies("a.md", empty, (path) => files[path])).toBe(
      `before\n${fence}ts ${b}\nbetween\n${a}\n${fence}js ${b}\nafter`
    )
    expect(withCopies("a.md", text, () => undefined)).toBe(text)
  })
})

describe("assertLine", () => {
  it("leaves a line without an assertion as it is", () => {
    expect(assertLine("const f = () => 1 // one", "a.md:1")).toBe("const f = () => 1 // one")
  })

  it.each([
    ["add(1, 2) // => 3", `assertEquals(add(1, 2), 3, "a.md:1")`],
    ["await run(x); // => [2, 4]", `assertEquals(await run(x), [2, 4], "a.md:1")`],
    ["  yield* pool.stats // => { size: 1 }", `  assertEquals(yield* pool.stats, { size: 1 }, "a.md:1")`],
    ["const n: number = f() // => 1", `const n: number = f(); assertEquals(n, 1, "a.md:1")`],
    ["  const n = yield* f // => 1", `  const n = yield* f; assertEquals(n, 1, "a.md:1")`],
    [`f("(") // => ")"`, `assertEquals(f("("), ")", "a.md:1")`],
    [`console.log(f("(")) // => ")"`, `assertEquals(f("("), ")", "a.md:1")`],
    ["  console.log(await run(x)) // => [2, 4]", `  assertEquals(await run(x), [2, 4], "a.md:1")`],
    ["xs.map((x) => x + 1) // => [1]", `assertEquals(xs.map((x) => x + 1), [1], "a.md:1")`]
  ])("turns %s into an assertion", (line, expected) => {
    expect(assertLine(line, "a.md:1")).toBe(expected)
  })

  it.each([") // => 1", "  .pipe(f) // => 1", "return 1 // => 1", "let x = 1 // => 1", "f({ // => 1"])(
    "rejects %s, whose value it cannot name, and says where it is",
    (line) => {
      expect(() => assertLine(line, "a.md:7")).toThrow("a.md:7: '// =>' must follow")
    }
  )

  it("rejects an arrow without a space or a value", () => {
    expect(() => assertLine("f() //=> 1", "a.md:7")).toThrow("a.md:7: an assertion is written")
    expect(() => assertLine("// => 1", "a.md:7")).toThrow("a.md:7: an assertion is written")
  })
})

describe("an example that a newcomer copies", () => {
  const root = join(import.meta.dirname, "../..")
  const pages = [
    "README.md",
    "docs/guide/getting-started.md",
    ...globSync("packages/*/README.md", { cwd: root })
  ].filter(
    // The folders of examples have their own tests.
    (page) => page !== "packages/examples/README.md"
  )

  it.each(pages)("prints what it shows: the first one of %s", (page) => {
    const [example] = examplesOf(page, readFileSync(join(root, page), "utf8"))
    // A folder that git, the type checker and the linter ignore, and where `@aio-task-pool` resolves.
    mkdirSync(join(root, ".vitest"), { recursive: true })
    const folder = mkdtempSync(join(root, ".vitest/copied-"))
    try {
      const file = join(folder, "example.ts")
      writeFileSync(file, example!.code.join("\n"))
      const { status, stderr, stdout } = spawnSync(process.execPath, ["--no-warnings", file], { encoding: "utf8" })
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
      expect(stdout).not.toBe("")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("assertEquals", () => {
  it("passes if Effect considers the values equal, and otherwise names the line and both values", () => {
    assertEquals([1, { a: 2 }], [1, { a: 2 }], "a.md:1")
    expect(() => assertEquals([1], [2], "a.md:3")).toThrow("a.md:3: expected [ 2 ], got [ 1 ]")
  })
})
