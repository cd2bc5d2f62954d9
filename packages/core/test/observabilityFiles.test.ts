// The files for Prometheus and Grafana, and the table of metrics, name the metrics that there are.
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gauges, totals } from "../src/internal/metrics/poolSeries.ts"
import { promtool } from "./promtool.ts"

const docs = join(import.meta.dirname, "../../../docs")
const read = (file: string): string => readFileSync(join(docs, file), "utf8")

const executorMetrics = [
  "task_executor_replaced_threads_total",
  "task_executor_running_jobs",
  "task_executor_settled_jobs_total",
  "task_executor_threads",
  "task_executor_waiting_jobs"
]
const metrics = new Set([...gauges, ...totals].map(({ id }) => id).concat(executorMetrics))

const named = (text: string): ReadonlyArray<string> =>
  Array.from(new Set(text.match(/\btask_(?:pool|executor)_[a-z_]+/g)))
    .map((name) => name.replace(/_(?:sum|count|bucket)$/, ""))
    .filter((name) => name !== "task_pool_name" && name !== "task_executor_name")

interface Panel {
  readonly targets: ReadonlyArray<{ readonly expr: string }>
  readonly title: string
}

const panels: ReadonlyArray<Panel> = JSON.parse(read("observability/grafana.json")).panels
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

describe("the files of docs/observability", () => {
  it("name only metrics that there are", () => {
    for (const file of ["observability/alerts.yml", "observability/alerts.test.yml", "observability/grafana.json"]) {
      assert.deepStrictEqual(
        named(read(file)).filter((name) => !metrics.has(name)),
        [],
        file
      )
    }
  })

  it("show every metric: the table in the guide, and the panels all but those that others contain", () => {
    const table = read("observability.md").split("### What to look at")[0]!
    assert.deepStrictEqual(
      Array.from(metrics).filter((name) => !table.includes(name)),
      []
    )
    const shown = new Set(named(expressions.join("\n")))
    assert.deepStrictEqual(
      Array.from(metrics).filter((name) => !shown.has(name)),
      ["task_pool_size", "task_pool_queue_capacity"]
    )
  })

  it.skipIf(promtool.isMissing)("pass promtool: the alerts fire when they should, and every panel can be read", () => {
    const directory = join(docs, "observability")
    const rules = promtool.run(["check", "rules", "alerts.yml"], "", directory)
    assert.strictEqual(rules.status, 0, rules.stderr)
    const tests = promtool.run(["test", "rules", "alerts.test.yml"], "", directory)
    assert.strictEqual(tests.status, 0, tests.stdout + tests.stderr)

    const temporary = mkdtempSync(join(tmpdir(), "panels-"))
    try {
      const written = expressions.map((expr) => expr.replaceAll("$__rate_interval", "1m").replaceAll("$pool", ".*"))
      const recorded = written.map((expr, index) => ({ record: `panel:${index}`, expr }))
      writeFileSync(join(temporary, "panels.yml"), JSON.stringify({ groups: [{ name: "panels", rules: recorded }] }))
      const checked = promtool.run(["check", "rules", "panels.yml"], "", temporary)
      assert.strictEqual(checked.status, 0, checked.stderr)
      assert.isAbove(written.length, 20)
    } finally {
      rmSync(temporary, { recursive: true })
    }
  })
})
