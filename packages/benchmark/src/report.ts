/**
 * The results of a run, as data and as a table.
 */
import * as Schema from "effect/Schema"
import { markdownTable } from "./markdown.ts"
import { median } from "./statistics.ts"

/** One comparison. `ratio` is ours / theirs, below 1 is better; `low` and `high` are its 95 % interval. */
export const Ratio = Schema.Struct({
  ratio: Schema.Finite,
  low: Schema.Finite,
  high: Schema.Finite,
  /** The cost of one task on each side, in the benchmark's unit. */
  ours: Schema.Finite,
  theirs: Schema.Finite,
  pairs: Schema.Int,
  target: Schema.optionalKey(
    Schema.Union([Schema.Struct({ ratio: Schema.Finite }), Schema.Struct({ ours: Schema.Finite })])
  )
})
export type Ratio = typeof Ratio.Type

/** The result of one benchmark. */
export const Result = Schema.Struct({
  title: Schema.String,
  unit: Schema.Literals(["µs", "bytes"]),
  ratios: Schema.Record(Schema.String, Ratio),
  environment: Schema.Struct({
    date: Schema.String,
    machine: Schema.String,
    /** Version by name. */
    versions: Schema.Record(Schema.String, Schema.String),
    /** The command line flags. */
    flags: Schema.String
  })
})
export type Result = typeof Result.Type

/** One run: its benchmarks by name. */
export const Report = Schema.Record(Schema.String, Result)
export type Report = typeof Report.Type

/** Whether a comparison meets its target, if it has one. */
export const meetsTarget = ({ ours, ratio, target }: Ratio): boolean =>
  target === undefined || ("ratio" in target ? ratio <= target.ratio : ours <= target.ours)

/** One comparison in several runs. */
export interface Row {
  readonly benchmark: string
  readonly peer: string
  readonly unit: Result["unit"]
  readonly runs: ReadonlyArray<Ratio>
}

/** The comparisons of one or more runs, in the order of the first. */
export const rows = (reports: ReadonlyArray<Report>): ReadonlyArray<Row> =>
  Object.entries(reports[0] ?? {}).flatMap(([benchmark, { ratios, unit }]) =>
    Object.keys(ratios).map((peer) => ({
      benchmark,
      peer,
      unit,
      runs: reports.flatMap((report) => report[benchmark]?.ratios[peer] ?? [])
    }))
  )

/** A Markdown table of one or more runs, with a column of ratios for each. Later runs may lack benchmarks of the first. */
export const table = (reports: ReadonlyArray<Report>): string => {
  const runs = reports.length === 1 ? ["ratio"] : reports.map((_, index) => `run ${index + 1}`)
  const header = ["benchmark", "against", ...runs, "ours", "theirs", "target"]
  const body = rows(reports).map(({ benchmark, peer, runs, unit }) => {
    const cost = (side: "ours" | "theirs") => showCost(median(runs.map((run) => run[side])), unit)
    const ratios = reports.map((_, index) => (runs[index] === undefined ? "–" : showRatio(runs[index])))
    return [benchmark, peer, ...ratios, cost("ours"), cost("theirs"), showTarget(runs, unit)]
  })
  return markdownTable([header, ...body], 2)
}

/** Formats a number with two decimals, or with three below 0.1. */
export const showNumber = (value: number): string => value.toFixed(value < 0.1 ? 3 : 2)

const showRatio = ({ high, low, ratio }: Ratio): string =>
  `${showNumber(ratio)} (${showNumber(low)} to ${showNumber(high)})`

const showCost = (cost: number, unit: Result["unit"]): string => `${cost.toFixed(unit === "bytes" ? 0 : 2)} ${unit}`

const showTarget = (runs: ReadonlyArray<Ratio>, unit: Result["unit"]): string => {
  const target = runs[0]?.target
  if (target === undefined) return ""
  const most = "ratio" in target ? `${target.ratio}` : `${target.ours} ${unit}`
  return `${runs.every(meetsTarget) ? "✓" : "✗"} ≤ ${most}`
}

/** The results page of one or more runs. */
export const page = (reports: ReadonlyArray<Report>): string => `# Results

Made by \`bench --markdown\`; [how it is measured](README.md). A ratio is ours / theirs, below 1 is better, with its 95 % interval.

${table(reports)}

${provenance(reports)}
`

/** Date, machine and versions of each run, one line each. */
export const provenance = (reports: ReadonlyArray<Report>): string =>
  reports
    .flatMap((report) => Object.values(report).slice(0, 1))
    .map(({ environment: { date, flags, machine, versions } }) => {
      const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
      return `- ${date}${flags && ` (${flags})`}: ${machine}, ${names.join(", ")}`
    })
    .join("\n")
