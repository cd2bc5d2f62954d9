/** Numbers and labels as text for a terminal. */
import stringWidth from "string-width"

export { stringWidth }

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

/** Appends spaces up to a number of columns. */
export const padEnd = (text: string, columns: number): string =>
  text + " ".repeat(Math.max(0, columns - stringWidth(text)))

/** Milliseconds as text: "0.4 s", "12 s", "1 min 5 s", "2 h 3 min". */
export const duration = (millis: number): string => {
  if (millis < 9_950) return `${(millis / 1000).toFixed(1)} s`
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A rate as text: "125/s", "2.5/s", or "12/min" if it is below 1 a second. */
export const rate = (perSecond: number): string => {
  if (perSecond >= 9.95) return `${Math.round(perSecond)}/s`
  return perSecond >= 1 || perSecond === 0 ? `${perSecond.toFixed(1)}/s` : `${Math.round(perSecond * 60)}/min`
}
