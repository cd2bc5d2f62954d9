/**
 * The ratios of one or more runs as a figure: a dot for each, its interval a line, on a logarithmic scale.
 */
import * as Plot from "@observablehq/plot"
import { color, figure } from "./figure.ts"
import { type Report, type Row, rows, showNumber } from "./report.ts"
import { median } from "./statistics.ts"

const marginLeft = 206
const ticks = [0.01, 0.03, 0.1, 0.3, 1, 3]

/** Draws the ratios. */
export const plot = (reports: ReadonlyArray<Report>): string => {
  const keyed = rows(reports).map((row) => ({ ...row, key: `${row.benchmark}: ${row.peer}` }))
  const dots = keyed.flatMap(({ key, runs }) => runs.map((run) => ({ ...run, key })))
  const stroke = ({ ratio }: { readonly ratio: number }) => color(ratio < 1 ? "green" : "orange")
  // Each benchmark's name has a line of its own.
  const peers = new Map(keyed.map(({ key, peer }) => [key, peer]))
  const lines = [...new Set(keyed.flatMap(({ benchmark, key }) => [benchmark, key]))]
  const names = lines.filter((line) => !peers.has(line))
  return figure("Cost per task, ours / theirs", [
    {
      heading: "Left of 1: ours costs less. Purple: the target.",
      height: 30 * lines.length + 90,
      marginLeft,
      marginRight: 50,
      x: {
        type: "log",
        inset: 6,
        ticks,
        tickFormat: String,
        label: "time or memory, ours / theirs",
        labelArrow: "none"
      },
      y: { type: "band", domain: lines, padding: 0.2, label: null },
      marks: [
        Plot.gridX(ticks, { stroke: color("faint"), strokeOpacity: 1 }),
        Plot.ruleX([1], { stroke: "currentColor" }),
        Plot.axisY([...peers.keys()], { tickSize: 0, lineWidth: 13, tickFormat: (key: string) => peers.get(key)! }),
        Plot.text(names, { y: names, text: names, frameAnchor: "left", dx: 8 - marginLeft, fontWeight: "bold" }),
        Plot.tickX(keyed, { x: targetOf, y: "key", stroke: color("purple"), strokeWidth: 2 }),
        Plot.ruleY(dots, { x1: "low", x2: "high", y: "key", stroke }),
        Plot.dot(dots, { x: "ratio", y: "key", r: 3.5, fill: stroke }),
        Plot.text(keyed, { y: "key", text: medianOf, frameAnchor: "right", textAnchor: "end", dx: 44 })
      ]
    }
  ])
}

const targetOf = ({ runs }: Row): number => {
  const target = runs[0]?.target
  return target !== undefined && "ratio" in target ? target.ratio : NaN
}

const medianOf = ({ runs }: Row): string => showNumber(median(runs.map(({ ratio }) => ratio)))
