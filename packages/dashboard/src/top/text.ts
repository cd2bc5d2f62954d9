/** Numbers and labels as text for a terminal. */
import stringWidth from "string-width"

// Escape sequences would reach the terminal, and bidirectional controls would reorder the line.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu

/** Returns a text without control and bidirectional characters, well-formed, at most 1,000 units long. */
export const clean = (text: string): string => text.slice(0, 1000).replace(unprintable, "")

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Shortens a text to at most `columns` columns, with an ellipsis at its end. */
export const truncate = (text: string, columns: number): string => {
  if (stringWidth(text) <= columns) return text
  let kept = ""
  let left = columns - 1
  for (const { segment } of graphemes.segment(text)) {
    left -= stringWidth(segment)
    if (left < 0) break
    kept += segment
  }
  return columns < 1 ? "" : `${kept}…`
}

/** The columns that a text takes. */
export const widthOf = (text: string): number => stringWidth(text)

/** Shortens or pads a text to exactly `columns` columns. */
export const fit = (text: string, columns: number, align: "left" | "right" = "left"): string => {
  const cut = truncate(text, columns)
  const space = " ".repeat(Math.max(0, columns - stringWidth(cut)))
  return align === "left" ? cut + space : space + cut
}

/** A limit: `null` stands for "without a limit". */
export const limit = (value: number | null): string => (value === null ? "∞" : `${value}`)

const short = (value: number): string => (value < 9.95 ? value.toFixed(1).replace(".0", "") : `${Math.round(value)}`)

/** Milliseconds as text: "4 ms", "1.9 s", "3 min"; "-" if they are not known. */
export const duration = (millis: number | null): string => {
  if (millis === null) return "-"
  if (millis < 999.5) return `${short(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 99.5) return `${short(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** A number per second as text: "125/s". */
export const rate = (value: number): string => (value > 0 && value < 0.095 ? "<0.1/s" : `${short(value)}/s`)

const levels = "▁▂▃▄▅▆▇█"

/** A curve of one character for each value, from 0 to its own maximum. Unknown values leave a gap. */
export const sparkline = (values: ReadonlyArray<number | null>): string => {
  const most = Math.max(...values.map((value) => value ?? 0))
  return values
    .map((value) => (value === null ? " " : levels[most <= 0 ? 0 : Math.round((7 * Math.max(0, value)) / most)]))
    .join("")
}

/** The last values, averaged in pairs, triples and so on, until there are at most `most`. */
export const shrink = (values: ReadonlyArray<number | null>, most: number): ReadonlyArray<number | null> => {
  const size = Math.max(1, Math.ceil(values.length / Math.max(1, most)))
  const groups: Array<number | null> = []
  for (let end = values.length; end > 0; end -= size) {
    const known = values.slice(Math.max(0, end - size), end).filter((value) => value !== null)
    groups.unshift(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length)
  }
  return groups
}
