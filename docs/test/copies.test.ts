// Some lines exist twice, because two packages need them that do not depend on each other, and because the core, which
// both depend on, has no dependency that measures text. A change of one copy must reach the other.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** The lines that make a text fit for a terminal: from the list of characters to the end of `truncate`. */
const cleaning = (file: string): string => {
  const [lines] = /^\/\/ Escape sequences[^]*?^export const truncate[^]*?^\}$/m.exec(
    readFileSync(join(root, file), "utf8")
  )!
  return lines
}

it("the terminal view and the progress display clean and shorten texts in the same way", () => {
  expect(cleaning("packages/node/src/internal/progress/text.ts")).toBe(cleaning("packages/dashboard/src/top/text.ts"))
})
