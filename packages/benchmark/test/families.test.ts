// The pages about the families of servers: they agree with each other, and with the families.
import { readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { families } from "@aio-task-pool/testing/Simulator"
import { assert, it } from "@effect/vitest"
import { type Figures, figuresOf, rowsOf, verdictOf, withFigures } from "../src/simulator/figures.ts"

const pathOf = (name: string): string => fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url))
const read = (name: string): string => readFileSync(pathOf(name), "utf8")

const guide = read("guide/how-many-at-once.md")
const figures = figuresOf(read("autoscale/families.md"))
const ids = families.map(({ id }) => id)
const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...names].toSorted()

it("the guide has the figures of families.md", () => {
  assert.strictEqual(withFigures(guide, figures), guide)
})

it("other figures change the guide", () => {
  const other = { goodput: "0.500", p10: "0.400", failures: "7.00 %", overDrive: "0.10" }
  const changed = withFigures(guide, new Map(figures).set("mixed", other))
  assert.match(changed, /servers\.md#mixed\) +\| weak +\| 0\.500 +\| 0\.400 +\| 7\.00 % +\| 0\.10 +\| nothing/)
  assert.strictEqual(withFigures(changed, figures), guide)
})

it("the guide, families.md and references.md have a row for each family, and servers.md a section", () => {
  assert.deepStrictEqual(sorted(rowsOf(guide)), sorted(ids))
  assert.deepStrictEqual(sorted(figures.keys()), sorted(ids))
  const references = Array.from(read("autoscale/references.md").matchAll(/^\| (\w+): /gm), ([, id]) => id!)
  assert.deepStrictEqual(sorted(new Set(references)), sorted(ids))
  const sections = Array.from(read("autoscale/servers.md").matchAll(/^## (\w+)$/gm), ([, id]) => id!)
  assert.deepStrictEqual(sections, ids)
})

it("the guide explains each family on which the policy is not good", () => {
  const [, reasons = ""] = guide.split("## Why it is not good everywhere")
  const short = [...figures].filter(([, own]) => verdictOf(own) !== "good").map(([id]) => id)
  const explained = short.filter((id) => reasons.includes(`\`${id}\``) || reasons.includes(`autoscale/${id}.svg`))
  assert.deepStrictEqual(explained, short)
})

it("a verdict is as bad as the worst of its figures", () => {
  const good: Figures = { goodput: "0.930", p10: "0.100", failures: "1.00 %", overDrive: "1.00" }
  assert.strictEqual(verdictOf(good), "good")
  assert.strictEqual(verdictOf({ ...good, goodput: "0.929" }), "usable")
  assert.strictEqual(verdictOf({ ...good, failures: "1.01 %" }), "usable")
  assert.strictEqual(verdictOf({ ...good, overDrive: "1.01" }), "usable")
  assert.strictEqual(verdictOf({ ...good, goodput: "0.799" }), "weak")
  assert.strictEqual(verdictOf({ ...good, failures: "2.01 %" }), "weak")
  assert.strictEqual(verdictOf({ ...good, overDrive: "2.01" }), "weak")
})

it.each(ids)("the picture of %s is small, and follows light and dark pages", (id) => {
  assert.isBelow(statSync(pathOf(`autoscale/${id}.svg`)).size, 40_000)
  const picture = read(`autoscale/${id}.svg`)
  assert.include(picture, "prefers-color-scheme: dark")
  for (const text of ["— size", "- - best size", "— succeeded", "run time, milliseconds"]) {
    assert.include(picture, `>${text}</`)
  }
  assert.notInclude(picture, "NaN")
})
