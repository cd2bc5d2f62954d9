/** The lines of progress: pure functions from counts to text. */
import { styleText } from "node:util"
import { duration, padEnd, rate, stringWidth, truncate } from "./text.ts"

/** What a line shows. */
export interface Reading {
  readonly label: string
  /** Items that have ended, the failed ones among them. */
  readonly done: number
  /** `undefined` if it is not known. */
  readonly total: number | undefined
  readonly failed: number
  readonly perSecond: number | undefined
  /** Of a pool: its running tasks, workers, and waiting tasks. */
  readonly pool?: { readonly running: number; readonly size: number; readonly waiting: number } | undefined
}

/** The last line of a piece of work. */
export interface Summary {
  readonly label: string
  /** What was done, in words. */
  readonly text: string
  readonly failed: number
  readonly isGood: boolean
}

type Color = "red" | "green" | "cyan" | "dim"

/** Applies a color, or nothing if the terminal shows no colors. */
export type Paint = (color: Color, text: string) => string

/** Returns how to paint. */
export const painter =
  (hasColors: boolean): Paint =>
  (color, text) =>
    hasColors && text !== "" ? styleText(color, text, { validateStream: false }) : text

const most = { label: 30, bar: 30 }
const leastBar = 8

type Part = "bar" | "percent" | "count" | "rate" | "left" | "running" | "waiting" | "failed"
const parts: ReadonlyArray<Part> = ["bar", "percent", "count", "rate", "left", "running", "waiting", "failed"]

/** What a narrow terminal lacks, first to last. */
const expendable: ReadonlyArray<Part> = ["waiting", "running", "rate", "left", "bar", "percent", "failed"]

const percentOf = ({ done, total }: Reading): number | undefined =>
  total === undefined || total <= 0 ? undefined : Math.min(100, Math.floor((100 * done) / total))

const textOf = (reading: Reading, part: Exclude<Part, "bar">): string => {
  const { done, failed, perSecond, pool, total } = reading
  switch (part) {
    case "percent": {
      const percent = percentOf(reading)
      return percent === undefined ? "" : `${percent} %`.padStart(5)
    }
    case "count":
      return total === undefined ? `${done} done` : `${`${done}`.padStart(`${total}`.length)} of ${total}`
    case "rate":
      return perSecond === undefined ? "" : rate(perSecond).padStart(6)
    case "left":
      return total === undefined || perSecond === undefined || perSecond === 0 || total <= done
        ? ""
        : `${duration((1000 * (total - done)) / perSecond)} left`
    case "running":
      if (pool === undefined) return ""
      return Number.isFinite(pool.size) ? `${pool.running}/${pool.size} running` : `${pool.running} running`
    case "waiting":
      return pool === undefined || pool.waiting === 0 ? "" : `${pool.waiting} waiting`
    case "failed":
      return failed === 0 ? "" : `${failed} failed`
  }
}

const gap = "  "

/** Lays out one line for each reading, below each other, each at most `columns` wide. */
export const layout = (readings: ReadonlyArray<Reading>, columns: number, paint: Paint): ReadonlyArray<string> => {
  const labelWidth = Math.min(
    most.label,
    Math.max(1, Math.floor(columns / 4)),
    Math.max(0, ...readings.map(({ label }) => stringWidth(label)))
  )
  const widthOf = (shown: ReadonlyArray<Part>, barWidth: number): number =>
    Math.max(
      ...readings.map((reading) =>
        shown
          .map((part) => (part === "bar" ? barWidth : textOf(reading, part).length))
          .reduce((sum, width) => (width === 0 ? sum : sum + gap.length + width), labelWidth)
      )
    )
  let shown = parts
  for (const part of expendable) {
    if (widthOf(shown, leastBar) <= columns) break
    shown = shown.filter((other) => other !== part)
  }
  const barWidth = Math.max(0, Math.min(most.bar, leastBar + columns - widthOf(shown, leastBar)))
  return readings.map((reading) => {
    const texts = shown.map((part) =>
      part === "bar" ? bar(reading, barWidth, paint) : painted(textOf(reading, part), part, paint)
    )
    const label = padEnd(truncate(reading.label, labelWidth), labelWidth)
    const line = [label, ...texts.filter((text) => text !== "")].join(gap)
    // Only the label and the count are left.
    return stringWidth(line) <= columns
      ? line
      : truncate(`${truncate(reading.label, labelWidth)} ${textOf(reading, "count")}`, columns)
  })
}

const painted = (text: string, part: Part, paint: Paint): string =>
  part === "failed" ? paint("red", text) : part === "count" || part === "percent" ? text : paint("dim", text)

const bar = (reading: Reading, width: number, paint: Paint): string => {
  const filled = Math.floor((width * (percentOf(reading) ?? 0)) / 100)
  return paint("cyan", "█".repeat(filled)) + paint("dim", "░".repeat(width - filled))
}

/** A line without a terminal: "fetch: 100 of 400 (25 %), 125/s, 2 failed". */
export const plain = (reading: Reading): string => {
  const percent = textOf(reading, "percent").trim()
  const texts = [
    `${textOf(reading, "count").trim()}${percent === "" ? "" : ` (${percent})`}`,
    textOf(reading, "rate").trim(),
    textOf(reading, "failed")
  ]
  return `${reading.label}: ${texts.filter((text) => text !== "").join(", ")}`
}

/** The last line of a piece of work, which stays. */
export const summaryLine = ({ failed, isGood, label, text }: Summary, isTerminal: boolean, paint: Paint): string => {
  const failures = failed === 0 ? "" : `, ${paint("red", `${failed} failed`)}`
  const mark = isTerminal ? `${isGood ? paint("green", "✓") : paint("red", "✗")} ` : ""
  return `${mark}${label}: ${text}${failures}`
}
