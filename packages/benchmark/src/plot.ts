/**
 * The ratios of one or more runs as a picture: a dot for each, its interval a line, on a logarithmic scale.
 */
import { type Report, type Row, rows, showNumber } from "./report.ts"

const width = 760
const left = 330
const right = 60
const rowHeight = 18
const top = 46

/** The picture as SVG; it follows the reader's light or dark colours. */
export const plot = (reports: ReadonlyArray<Report>): string => {
  const all = rows(reports)
  const ticks = ticksFor(all)
  const [first, last] = [ticks[0]!, ticks.at(-1)!]
  const x = (ratio: number) => left + ((width - left - right) * Math.log(ratio / first)) / Math.log(last / first)
  const height = top + all.length * rowHeight + 16
  const bottom = height - 12

  const axis = ticks.map(
    (tick) =>
      `<line x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${top - 8}" y2="${bottom}" class="${tick === 1 ? "one" : "grid"}"/>` +
      `<text x="${at(x(tick))}" y="${top - 14}" class="tick">${tick}</text>`
  )
  const lines = all.map((row, index) => {
    const y = top + index * rowHeight + rowHeight / 2
    const heading = row.benchmark === all[index - 1]?.benchmark ? "" : row.benchmark
    const target = row.runs[0]?.target
    const bound = target !== undefined && "ratio" in target ? target.ratio : undefined
    return [
      heading && index > 0 ? `<line x1="0" x2="${width}" y1="${y - 9}" y2="${y - 9}" class="grid"/>` : "",
      `<text x="8" y="${y + 4}" class="name">${escape(heading)}</text>`,
      `<text x="${left - 12}" y="${y + 4}" class="peer">${escape(row.peer)}</text>`,
      bound === undefined ? "" : `<path d="M${at(x(bound))} ${y - 7}v14" class="target"/>`,
      ...row.runs.map(
        ({ high, low, ratio }) =>
          `<g class="${ratio < 1 ? "better" : "worse"}"><title>${escape(row.peer)}: ${showNumber(ratio)}</title>` +
          `<line x1="${at(x(low))}" x2="${at(x(high))}" y1="${y}" y2="${y}"/>` +
          `<circle cx="${at(x(ratio))}" cy="${y}" r="3.5"/></g>`
      ),
      `<text x="${width - 8}" y="${y + 4}" class="value">${row.runs.length === 1 ? showNumber(row.runs[0]!.ratio) : ""}</text>`
    ].join("")
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
<title id="title">Cost of a task, ours / theirs, with 95 % intervals</title>
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .name { font-weight: 600 } .peer, .value { text-anchor: end } .tick { text-anchor: middle; fill: #6e7781 }
  .grid { stroke: #d0d7de } .one { stroke: #57606a } .target { stroke: #8250df; stroke-width: 2 }
  .better { fill: #1a7f37; stroke: #1a7f37 } .worse { fill: #bc4c00; stroke: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9 } .tick { fill: #8b949e }
    .grid { stroke: #30363d } .one { stroke: #8b949e } .target { stroke: #a371f7 }
    .better { fill: #3fb950; stroke: #3fb950 } .worse { fill: #f0883e; stroke: #f0883e }
  }
</style>
<text x="${left}" y="16" class="tick" style="text-anchor: start">ours / theirs: left of 1 is better; the upright bar is the target</text>
${[...axis, ...lines].join("\n")}
</svg>
`
}

/** 1, 2 and 5 of each power of ten, from below the smallest to above the largest number shown. */
const ticksFor = (all: ReadonlyArray<Row>): ReadonlyArray<number> => {
  const values = all.flatMap(({ runs }) =>
    runs.flatMap(({ high, low, target }) => [low, high, target !== undefined && "ratio" in target ? target.ratio : 1])
  )
  const candidates = [-3, -2, -1, 0, 1, 2, 3].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)))
  const below = candidates.findLastIndex((tick) => tick <= Math.min(0.5, ...values))
  const above = candidates.findIndex((tick) => tick >= Math.max(2, ...values))
  return candidates.slice(Math.max(0, below), above === -1 ? undefined : above + 1)
}

const at = (coordinate: number): string => coordinate.toFixed(1)

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
