/** The longest timer of Node in milliseconds, 24 days. A longer one fires at once. */
const longestTimer = 2 ** 31 - 1

/** Returns the milliseconds, or those of the longest timer. */
export const timerMillis = (millis: number): number => Math.min(millis, longestTimer)
