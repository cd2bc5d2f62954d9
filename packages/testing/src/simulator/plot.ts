/**
 * Draws a run as an SVG: size, tasks in flight and the best size; the latency; what got done.
 *
 * @since 0.2.0
 */
import type { SimulateResult } from "./simulate.ts"
import { valueAt } from "./ServerModel.ts"

type Point = readonly [x: number, y: number]

interface Line {
  readonly label: string
  readonly colour: string
  readonly points: ReadonlyArray<Point>
  readonly dashed?: boolean
  readonly stepped?: boolean
}

const width = 960
const height = 200
const left = 64
const right = 16
const top = 34
const bottom = 26

/**
 * The picture of a run.
 *
 * @category running
 * @since 0.2.0
 */
export const plot = (title: string, result: SimulateResult): string => {
  const windows = result.sizes.filter((window) => window.pool === 0)
  const end = result.elapsed / 1000
  const every = (of: (window: (typeof windows)[number]) => number): ReadonlyArray<Point> =>
    windows.map((window) => [window.time / 1000, of(window)])
  const seconds = (values: ReadonlyArray<number>): ReadonlyArray<Point> => values.map((value, i) => [i + 0.5, value])
  const best = Array.from({ length: 481 }, (_, i): Point => {
    const time = (i / 480) * end
    return [time, valueAt(result.oracleSizes, time * 1000)]
  })
  const panels = [
    panel("workers", end, 0, [
      { label: "in flight", colour: "#9ecae1", points: every((window) => window.sample.avgInflight) },
      { label: "size", colour: "#08519c", points: every((window) => window.decision.size), stepped: true },
      { label: "best fixed size", colour: "#d94801", points: best, dashed: true, stepped: true }
    ]),
    panel("run time, ms", end, 1, [
      { label: "mean of the window", colour: "#6a51a3", points: every((window) => window.sample.runMean) },
      { label: "base", colour: "#31a354", points: every((window) => window.decision.evidence?.base ?? 0) }
    ]),
    panel("tasks per second", end, 2, [
      { label: "succeeded", colour: "#238b45", points: seconds(result.goodPerSecond) },
      { label: "at the best fixed size", colour: "#d94801", points: seconds(result.oraclePerSecond), dashed: true }
    ])
  ]
  const all = 28 + 3 * height
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${all}" fill="white"/>
<text x="${left}" y="20" font-size="15" font-weight="bold">${title}</text>
${panels.join("\n")}
</svg>
`
}

const panel = (unit: string, end: number, index: number, lines: ReadonlyArray<Line>): string => {
  const values = lines.flatMap((line) => line.points.map(([, y]) => y)).filter(Number.isFinite)
  // One slow window must not flatten all others.
  const high = nice(1.15 * quantile(values, 0.995))
  const begin = 28 + index * height
  const x = (value: number): string => (left + (value / end) * (width - left - right)).toFixed(1)
  const y = (value: number): string =>
    (begin + height - bottom - (Math.min(value, high) / high) * (height - top - bottom)).toFixed(1)
  const path = ({ points, stepped }: Line): string =>
    points
      .map(([px, py], i) => (i === 0 ? `M${x(px)} ${y(py)}` : stepped ? `H${x(px)}V${y(py)}` : `L${x(px)} ${y(py)}`))
      .join("")
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) => `<path d="M${left} ${y(share * high)}H${width - right}" stroke="#eee"/>
<text x="${left - 8}" y="${Number(y(share * high)) + 4}" text-anchor="end" fill="#555">${label(share * high)}</text>`
  )
  const times = Array.from({ length: 7 }, (_, i) => (i * end) / 6).map(
    (time) => `<text x="${x(time)}" y="${begin + height - 8}" text-anchor="middle" fill="#555">${label(time)} s</text>`
  )
  const legend = lines.map(
    ({ colour, dashed, label }, i) =>
      `<path d="M${left + 170 + i * 190} ${begin + 16}h24" stroke="${colour}" stroke-width="2"${
        dashed ? ' stroke-dasharray="6 4"' : ""
      }/><text x="${left + 200 + i * 190}" y="${begin + 20}">${label}</text>`
  )
  const drawn = lines.map(
    (line) =>
      `<path d="${path(line)}" fill="none" stroke="${line.colour}" stroke-width="1.5"${
        line.dashed ? ' stroke-dasharray="6 4"' : ""
      }/>`
  )
  return [
    `<text x="${left}" y="${begin + 20}" font-weight="bold">${unit}</text>`,
    ...legend,
    ...grid,
    ...times,
    ...drawn
  ].join("\n")
}

const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 1
}

const label = (value: number): string => String(value >= 100 ? Math.round(value) : Number(value.toPrecision(3)))

/** The next round number. */
const nice = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)))
  return power * ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10].find((step) => step * power >= value) ?? 10)
}
