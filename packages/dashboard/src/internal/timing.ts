/** What the dashboard reads of a pool beyond its service. */
import type { PoolEntry } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"

/** Returns the times of a pool's tasks; `undefined` while it does not measure. */
export const timingOf = (_entry: PoolEntry): Effect.Effect<PoolTiming | undefined> => Effect.undefined

/** Returns the largest size that a pool scales to; `undefined` if it does not scale by itself. */
export const maximumOf = (_entry: PoolEntry): number | undefined => undefined

export interface TimeHistogram {
  minus(o: TimeHistogram): TimeHistogram
  percentile(p: number): number | undefined
}
export interface PoolTiming {
  queue: TimeHistogram
  run: TimeHistogram
}
