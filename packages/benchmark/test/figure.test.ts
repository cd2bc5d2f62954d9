import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { AutoScalePolicy } from "@aio-task-pool/core"
import { backlog, open, sharing, simulate, type SimulateOptions } from "@aio-task-pool/testing/Simulator"
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

const server = sharing({ capacity: 10, base: 50, limit: 20 })
const run = (options: Partial<SimulateOptions> = {}) =>
  simulate({
    policy: AutoScalePolicy.adaptive(),
    server,
    load: backlog,
    seed: 1,
    duration: "5 seconds",
    oracle: 10,
    ...options
  })

it("the figure of a simulated run shows the sizes, the server's limit, its latency and its tasks", () => {
  const svg = plotRun("a run", { server, load: backlog }, run())
  for (const text of [
    "— size",
    "- - best size",
    "- - rejects beyond",
    "— mean of the window",
    "— succeeded",
    "— failed",
    "seconds"
  ]) {
    assert.include(svg, `>${text}</`)
  }
  assert.lengthOf([...svg.matchAll(/aria-label="line"/g)], 9)
  assert.notInclude(svg, "NaN")
})

it("the figure of an open load shows what was offered, and several pools together", () => {
  const load = open(50)
  const result = run({ load, pools: 2 })
  const svg = plotRun("two pools", { server, load }, result)
  assert.include(svg, ">workers of all 2 pools</")
  assert.include(svg, ">— offered</")
  assert.deepStrictEqual((result.totalSizes as ReadonlyArray<readonly [number, number]>)[0], [0, 20])
})

it("the figure of a long run is in minutes, and has no more points than can be seen", () => {
  const result = run({ duration: "16 minutes" })
  assert.isAbove(result.sizes.length, 500)
  const svg = plotRun("a long run", { server, load: backlog }, result)
  assert.include(svg, ">minutes</")
  assert.isBelow(svg.length, 40_000)
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
