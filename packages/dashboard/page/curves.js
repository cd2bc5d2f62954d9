// Curves over time. uPlot draws them; this file says what, and shows the values under the pointer.
import { Component, h, render } from "./preact.js"

/** @import { DecisionRow } from "../src/Protocol.ts" */
/** @import UPlot from "uplot" */

/**
 * @typedef {{ label: string, color: string, step?: boolean, fill?: boolean, own?: boolean }} Line
 * @typedef {{
 *   title: string, lines: ReadonlyArray<Line>, values: ReadonlyArray<ReadonlyArray<number | null>>,
 *   seconds: number, format: (value: number | null) => string, marks?: ReadonlyArray<DecisionRow>, now: number
 * }} Props
 */

/** @param {string} name */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// The largest value of an axis is a round number, so that the axis rarely changes.
/** @param {unknown} _ @param {number | null} __ @param {number | null} max @returns {[number, number]} */
const roundUp = (_, __, max) => {
  const wanted = Math.max(max ?? 0, 2)
  const power = 10 ** Math.floor(Math.log10(wanted))
  const factor = [1, 1.5, 2, 3, 5, 7.5, 10].find((candidate) => candidate * power >= wanted) ?? 10
  return [0, factor * power]
}

/** @param {number} seconds */
const past = (seconds) => {
  if (seconds === 0) return "now"
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}

/** @param {number | null} size */
const sizeText = (size) => size ?? "∞"

/**
 * Decisions that changed the size, over the curve. Those that are too close to be told apart share a mark. Arrow keys
 * move between the marks.
 * @param {{ marks: ReadonlyArray<DecisionRow>, now: number, seconds: number }} props
 */
const Marks = ({ marks, now, seconds }) => {
  /** @type {Array<{ left: number, all: [DecisionRow, ...DecisionRow[]] }>} */
  const groups = []
  for (const mark of marks) {
    const left = 100 * (1 - (now - mark.at) / (1000 * seconds))
    const last = groups.at(-1)
    if (last !== undefined && left - last.left < 3) last.all.push(mark)
    else groups.push({ left, all: [mark] })
  }
  return h(
    "div",
    {
      class: "marks",
      role: "group",
      "aria-label": "Changes of the size",
      onKeyDown: (/** @type {KeyboardEvent} */ event) => {
        const target = /** @type {HTMLElement} */ (event.target)
        const back = event.key === "ArrowLeft" ? target.previousElementSibling : null
        const next = event.key === "ArrowRight" ? target.nextElementSibling : back
        if (next instanceof HTMLElement) next.focus()
      }
    },
    groups.map(({ all, left }, index) => {
      const [first] = all
      const last = all.at(-1) ?? first
      const lines = all
        .slice(-6)
        .map(({ from, reason, sentence, to }) => `${sizeText(from)} → ${sizeText(to)} ${reason}: ${sentence}`)
      const grows = (last.to ?? Infinity) >= (first.from ?? Infinity)
      return h(
        "button",
        {
          key: first.at,
          type: "button",
          class: `mark ${grows ? "up" : "down"} ${left > 50 ? "late" : "early"}`,
          tabIndex: index === groups.length - 1 ? 0 : -1,
          style: { left: `${left}%` },
          "aria-label": lines.join(". ")
        },
        h(
          "span",
          { class: "tip", "aria-hidden": "true" },
          lines.map((line, number) => h("span", { key: number }, line))
        )
      )
    })
  )
}

/** @extends {Component<Props, { index: number | null }>} */
export class Curve extends Component {
  /** @type {HTMLElement | null} */
  place = null
  /** @type {UPlot | undefined} */
  plot
  /** @type {HTMLElement | undefined} */
  layer
  /** @type {unknown} */
  drawn
  drawnSeconds = 0
  resize = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0)
    if (width > 0) this.plot?.setSize({ width, height: 150 })
  })
  /** @type {{ index: number | null }} */
  state = { index: null }

  /** The values of the span shown, oldest first, and how long before now each one was. @returns {UPlot.AlignedData} */
  data() {
    const { seconds, values } = this.props
    const parts = values.map((all) => all.slice(-(seconds + 1)))
    const length = parts[0]?.length ?? 0
    return [Array.from({ length }, (_, index) => index - length + 1), ...parts.map((part) => [...part])]
  }

  componentDidMount() {
    const place = /** @type {HTMLElement} */ (this.place)
    const { format, lines, seconds } = this.props
    const grid = { stroke: css("--grid"), width: 1 }
    /** @type {UPlot.Axis} */
    const axis = { stroke: css("--quiet"), font: "11px system-ui", grid, ticks: { show: false } }
    const own = lines.find((line) => line.own)
    /** @type {UPlot.Axis.DynamicValues} */
    const labels = (_, splits) => splits.map((value) => format(value))
    this.plot = new uPlot(
      {
        width: Math.max(100, place.clientWidth),
        height: 150,
        padding: [8, own === undefined ? 16 : 4, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 6 },
          sync: { key: "curves" }
        },
        hooks: {
          setCursor: [
            (plot) => {
              const index = plot.cursor.idx ?? null
              if (index !== this.state.index) this.setState({ index })
            }
          ]
        },
        scales: {
          x: { time: false, range: () => [-this.props.seconds, 0] },
          y: { range: roundUp },
          own: { range: roundUp }
        },
        axes: [
          {
            ...axis,
            size: 22,
            splits: ({ width }) =>
              (width < 380 ? [-1, -0.5, 0] : [-1, -0.8, -0.6, -0.4, -0.2, 0]).map((part) => part * this.props.seconds),
            values: (_, splits) => splits.map((value) => past(Math.round(Math.abs(value))))
          },
          { ...axis, size: 52, values: labels, space: 36 },
          ...(own === undefined
            ? []
            : [
                {
                  ...axis,
                  scale: "own",
                  side: /** @type {const} */ (1),
                  size: 40,
                  values: labels,
                  space: 36,
                  stroke: css(own.color),
                  grid: { show: false }
                }
              ])
        ],
        series: [
          {},
          ...lines.map((line) => ({
            scale: line.own === true ? "own" : "y",
            stroke: css(line.color),
            width: 1.5,
            ...(line.fill === true ? { fill: css(line.color).replace(")", " / 0.16)").replaceAll(",", "") } : {}),
            ...(line.step === true ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}),
            points: { show: false },
            spanGaps: false
          }))
        ]
      },
      this.data(),
      place
    )
    this.layer = document.createElement("div")
    this.plot.over.append(this.layer)
    this.resize.observe(place)
    this.drawn = this.props.values
    this.drawnSeconds = seconds
    this.mark()
  }

  componentDidUpdate() {
    const { seconds, values } = this.props
    if (this.drawn !== values || this.drawnSeconds !== seconds) {
      this.drawn = values
      this.drawnSeconds = seconds
      this.plot?.setData(this.data())
    }
    this.mark()
  }

  componentWillUnmount() {
    this.resize.disconnect()
    if (this.layer !== undefined) render(null, this.layer)
    this.plot?.destroy()
  }

  mark() {
    const { marks, now, seconds } = this.props
    if (marks === undefined || this.layer === undefined) return
    const shown = marks.filter(({ at, from, to }) => from !== to && now - at < 1000 * seconds && at <= now)
    // Oldest first, as on the axis.
    render(h(Marks, { marks: shown.toReversed(), now, seconds }), this.layer)
  }

  render() {
    const { format, lines, title, values } = this.props
    const data = this.data()
    const last = (data[0]?.length ?? 0) - 1
    const index = this.state.index === null ? last : Math.min(this.state.index, last)
    const at = index === last || index < 0 ? "" : ` ${past(last - index)} ago`
    const valueOf = (/** @type {number} */ line) => format(data[line + 1]?.[index] ?? null)
    return h(
      "figure",
      { class: "curve card" },
      h(
        "figcaption",
        null,
        h("h2", null, title),
        lines.map((line, number) =>
          h(
            "span",
            { key: line.label, class: "key" },
            h("i", { style: { background: `var(${line.color})` } }),
            `${line.label} `,
            h("b", null, values[number]?.length === 0 ? "–" : valueOf(number))
          )
        ),
        h("span", { class: "quiet at" }, at)
      ),
      h("div", {
        class: "plot",
        ref: (/** @type {HTMLElement | null} */ element) => {
          this.place = element
        }
      })
    )
  }
}
