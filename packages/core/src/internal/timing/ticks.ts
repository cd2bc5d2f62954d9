/**
 * Times of tasks, in ticks of 1/16 millisecond: small integers, which need no allocation. Ticks wrap around after 74
 * hours, and differences wrap with them.
 */
export const ticksPerMilli = 16
export const ticksOf = (millis: number): number => (ticksPerMilli * millis) | 0
export const ticksBetween = (from: number, to: number): number => (to - from) | 0

/** The time of a task that no observer has seen. A real time has this value for one tick in 74 hours. */
export const unstamped = -(2 ** 31)
