import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** Words that readers stumble over, and the word to write instead. See "Language" in CONTRIBUTING.md. */
const words: ReadonlyArray<readonly [pattern: RegExp, instead: string]> = [
  [/\bseldom\b/gi, "rarely"],
  [/\bmoreover\b/gi, "also"],
  [/\banew\b/gi, "again"],
  [/\bfor ever\b/gi, "forever"],
  [/\btime-outs?\b/gi, "timeout"],
  [/\b(?:whoever|somebody|nobody|everybody)\b/gi, "the actor: the submitter, the caller, the loop"],
  [/\bbears?\b/gi, "can handle"],
  [/\bso many (?!requests at once)/gi, "the parameter, or the number"],
  [/\buntold\b/gi, "not notified"],
  [
    /\b\w*(?:colour|behaviour|neighbour|favour|(?:util|prior|recogn|optim|serial|initial|summar|organ)is[ei])\w*/gi,
    "the American spelling"
  ],
  [/\blearnt\b/gi, "learned"],
  [/\b(?:goes|going|went) on\b/gi, "continue"]
]

// Generated, or quotes of test names.
const exceptions = ["docs/autoscale/acceptance.md", "docs/benchmarks/results.md", "docs/proof/README.md"]

const pages = globSync(
  [
    "*.md",
    "docs/**/*.md",
    "packages/*/README.md",
    "packages/examples/*/README.md",
    ".changeset/*.md",
    "packages/{core,node,dashboard}/src/**/*.ts",
    "packages/dashboard/page/*.js"
  ],
  { cwd: root, exclude: ["docs/site/**"] }
)
  .map((page) => page.replaceAll("\\", "/"))
  .filter((page) => !exceptions.includes(page))

/** The words of a text that readers stumble over, with their lines. */
const stumbles = (text: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .flatMap((line, index) =>
      words.flatMap(([pattern, instead]) =>
        Array.from(line.matchAll(pattern), ([word]) => `line ${index + 1}: "${word}", write ${instead}`)
      )
    )

it("names each stumbling word with its line and a better one", () => {
  expect(stumbles("A pool\nseldom waits for ever.")).toEqual([
    'line 2: "seldom", write rarely',
    'line 2: "for ever", write forever'
  ])
})

it.each(pages)("%s has no word that readers stumble over", (page) => {
  expect(stumbles(readFileSync(join(root, page), "utf8"))).toEqual([])
})
