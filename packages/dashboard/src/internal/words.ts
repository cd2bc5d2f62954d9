/** Numbers in sentences. */

/** Returns a count; "unlimited" for an infinite one. */
export const numberText = (value: number): string =>
  Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "unlimited"

/** Returns a count and its noun. */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${numberText(value)} ${value === 1 ? one : many}`

const short = (value: number): string => (value < 9.95 ? value.toFixed(1) : numberText(value))

/** Returns a number of milliseconds, such as "640 ms", "1.9 s" or "12 min". */
export const durationText = (millis: number): string => {
  if (millis < 999.5) return `${short(millis)} ms`
  if (millis < 99_500) return `${short(millis / 1000)} s`
  return `${numberText(millis / 60_000)} min`
}

/** Returns a rate, such as "11/s". */
export const rateText = (perSecond: number): string => `${perSecond < 0.095 ? "<0.1" : short(perSecond)}/s`
