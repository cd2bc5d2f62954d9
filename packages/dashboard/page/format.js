// Numbers as people read them. Every text has few digits, so that it stays calm while the number moves.

const grouped = new Intl.NumberFormat("en")
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })

/** A count; `null` stands for "without a limit". @param {number | null} value */
export const count = (value) =>
  value === null ? "∞" : value < 10_000 ? grouped.format(Math.round(value)) : compact.format(value)

/** Two digits that matter. @param {number} value */
const short = (value) => (value < 9.95 ? value.toFixed(1) : grouped.format(Math.round(value)))

/** A number of milliseconds; `null` stands for "unknown". @param {number | null | undefined} millis */
export const duration = (millis) => {
  if (millis === null || millis === undefined || Number.isNaN(millis)) return "–"
  if (millis < 0.05) return "0 ms"
  if (millis < 999.5) return `${short(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 99.5) return `${short(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`
}

/** A number per second. @param {number | null | undefined} value */
export const rate = (value) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–"
  return value === 0 ? "0/s" : value < 0.095 ? "<0.1/s" : `${value < 10_000 ? short(value) : compact.format(value)}/s`
}

/** How long ago something was, in whole seconds, minutes or hours. @param {number} millis */
export const ago = (millis) => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 1) return "now"
  if (seconds < 60) return `${seconds} s ago`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`
}

/** A noun with its number. @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`
