/** Reads clocks, which are user code. */
import type * as Clock from "effect/Clock"

/** Returns the time in milliseconds since 1970; 0 if the clock has no answer, which must not interrupt a transition. */
export const epochMillis = (clock: Clock.Clock): number => {
  try {
    const millis: unknown = clock.currentTimeMillisUnsafe()
    return typeof millis === "number" ? millis : 0
  } catch {
    return 0
  }
}

/**
 * Returns the time of the monotonic clock in milliseconds. `Number(nanos)` alone would be exact for 104 days only.
 * Throws if the clock does, or if its answer is no time.
 */
export const monotonicMillis = (clock: Clock.Clock): number => {
  const nanos = clock.monotonicTimeNanosUnsafe()
  const value = Number(nanos)
  return value < Number.MAX_SAFE_INTEGER ? value / 1e6 : Number(nanos / 1_000_000n) + Number(nanos % 1_000_000n) / 1e6
}
