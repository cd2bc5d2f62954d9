import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { AutoScalePolicy } from "@aio-task-pool/core"
import { backlog, sharing, simulate } from "@aio-task-pool/testing/Simulator"
import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { plot as plotSizes, type Sizes } from "../src/autoscale/report.ts"
import { figure, timeline } from "../src/figure.ts"
import { plot as plotRatios } from "../src/plot.ts"
import { Report } from "../src/report.ts"
import { plot as plotRun } from "../src/simulator/plot.ts"

const results = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/benchmarks/${name}`, import.meta.url)), "utf8")

it("a figure has a title, a heading with the unit, the labels of its lines, and colors for dark pages", () => {
  const line = {
    label: "size",
    color: "blue",
    points: [
      [0, 1],
      [10, 3]
    ]
  } as const
  const svg = figure("a < b", [timeline("workers", [line]), timeline("tasks per second", [{ ...line, dashed: true }])])
  for (const text of ["a &lt; b", "workers", "— size", "tasks per second", "- - size", "seconds"]) {
    assert.include(svg, `>${text}</`)
  }
  assert.include(svg, "prefers-color-scheme: dark")
})

it("the figure of a simulated run shows its size, the best size, its latency and its throughput", () => {
  const result = simulate({
    policy: AutoScalePolicy.adaptive(),
    server: sharing({ capacity: 10, base: 50 }),
    load: backlog,
    seed: 1,
    duration: "5 seconds",
    oracle: 10
  })
  const svg = plotRun("a run", result)
  for (const text of ["— size", "- - best fixed size", "— mean of the window", "— succeeded"]) {
    assert.include(svg, `>${text}</`)
  }
  assert.lengthOf([...svg.matchAll(/aria-label="line"/g)], 7)
  assert.notInclude(svg, "NaN")
})

it("the sizes in the documents are those of the saved run", () => {
  const sizes: Sizes = JSON.parse(results("autoscale-http.json"))
  assert.strictEqual(plotSizes(sizes), results("autoscale-http.svg"))
})

it("the ratios in the documents are those of the saved runs", () => {
  const decode = Schema.decodeSync(Schema.fromJsonString(Report))
  const reports = ["run-1.json", "run-2.json", "run-3.json"].map((name) => decode(results(name)))
  assert.strictEqual(plotRatios(reports), results("ratios.svg"))
})
