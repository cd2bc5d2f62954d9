/**
 * Figures for the documents: SVG that follows the reader's light or dark colors and is legible from 320 pixels on.
 */
import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"

/** Width in pixels. Text of 13 pixels is 10 pixels high when a narrow page shrinks the figure to 320. */
const width = 440

const left = 8
const marginTop = 48

/** Colors by name, as `[light, dark]`. `color` refers to them. */
const colors = {
  ink: ["#1f2328", "#f0f6fc"],
  faint: ["#d1d9e0", "#3d444d"],
  blue: ["#0969da", "#4493f8"],
  gray: ["#8c959f", "#9198a1"],
  orange: ["#bc4c00", "#f0883e"],
  purple: ["#8250df", "#ab7df8"],
  green: ["#1a7f37", "#3fb950"],
  red: ["#cf222e", "#f85149"]
} as const

/** A color that differs between light and dark pages. */
export const color = (name: keyof typeof colors): string => `var(--${name})`

const variables = (theme: 0 | 1): string =>
  Object.entries(colors)
    .map(([name, themes]) => `--${name}: ${themes[theme]}`)
    .join("; ")

/** One plot of a figure. */
export interface Panel extends Plot.PlotOptions {
  /** What is shown, with its unit. */
  readonly heading: string
}

/** Draws plots below each other. */
export const figure = (title: string, panels: ReadonlyArray<Panel>): string => {
  const { document } = parseHTML("<html></html>")
  let height = 24
  const plots = panels.map(({ heading, marginLeft = 40, ...options }) => {
    const named = Plot.text([heading], {
      frameAnchor: "top-left",
      dx: left - marginLeft,
      dy: 16 - marginTop,
      fontWeight: "bold"
    })
    const plot = Plot.plot({
      document,
      width,
      height: 200,
      marginTop,
      marginLeft,
      marginRight: 14,
      marginBottom: 38,
      ...options,
      marks: [...(options.marks ?? []), named]
    })
    plot.setAttribute("y", String(height))
    height += Number(plot.getAttribute("height"))
    return plot.outerHTML
  })
  // Coordinates need one decimal, which halves the size of the file.
  const body = plots
    .join("\n")
    .replaceAll(/<[^>]+>/g, (tag) =>
      tag.replaceAll(/\d+\.\d{2,}/g, (number) => String(Number(Number(number).toFixed(1))))
    )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">
<title id="title">${escape(title)}</title>
<style>
  :root { ${variables(0)}; color: var(--ink); font-family: system-ui, sans-serif }
  @media (prefers-color-scheme: dark) { :root { ${variables(1)} } }
  svg svg { font-size: 13px; --plot-background: transparent }
</style>
<text x="${left}" y="20" font-size="15" font-weight="bold" fill="currentColor">${escape(title)}</text>
${body}
</svg>
`
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** A line of a panel. It has a gap where `y` is NaN. */
export interface Line {
  readonly label: string
  readonly color: keyof typeof colors
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  readonly dashed?: boolean
  readonly stepped?: boolean
}

/** A plot of lines over time with their labels above. Times are in `unit`, default seconds. */
export const timeline = (heading: string, lines: ReadonlyArray<Line>, unit = "seconds"): Panel => {
  // One slow window must not flatten all others, so the axis ends above the other 98.5 % of each line. Lines of a few points
  // are limits, and stay whole.
  const top = Math.max(...lines.map(({ points }) => highest(points)))
  const end = Math.max(...lines.flatMap(({ points }) => points.map(([x]) => x)))
  const marginLeft = Math.max(48, 16 + widthOf(Math.round(top).toLocaleString("en-US")))
  let dx = 0
  return {
    heading,
    marginLeft,
    x: { label: unit, labelArrow: "none", domain: [0, end], ticks: 6 },
    y: { label: null, domain: [0, top > 0 ? 1.1 * top : 1], nice: true, clamp: true, ticks: 4 },
    marks: [
      Plot.gridY({ stroke: color("faint"), strokeOpacity: 1, ticks: 4 }),
      ...lines.flatMap(({ color: name, dashed = false, label, points, stepped = false }) => {
        const text = `${dashed ? "- -" : "—"} ${label}`
        const marks = [
          Plot.line(points as Array<[number, number]>, {
            stroke: color(name),
            strokeWidth: 1.5,
            curve: stepped ? "step-after" : "linear",
            ...(dashed && { strokeDasharray: "6 4" })
          }),
          Plot.text([text], { frameAnchor: "top-left", dx, dy: 34 - marginTop, fill: color(name) })
        ]
        dx += widthOf(text) + 14
        return marks
      })
    ]
  }
}

const highest = (points: Line["points"]): number => {
  const values = points
    .map(([, y]) => y)
    .filter((y) => !Number.isNaN(y))
    .toSorted((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor((values.length < 20 ? 1 : 0.985) * values.length))] ?? 0
}

/** Returns the width of a label in pixels, or a little more. */
const widthOf = (text: string): number =>
  Array.from(text).reduce((sum, letter) => sum + (letter === "—" ? 13 : /[ \-ijlt]/.test(letter) ? 4.5 : 7.8), 0)
