/** What the dashboard reads of a pool beyond its service. */
import type { PoolEntry } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"

/** Returns the times of a pool's tasks; `undefined` while it does not measure. */
export const timingOf = (entry: PoolEntry) => (entry._tag === "Local" ? entry.timing : Effect.undefined)

/** Returns the largest size that a pool scales to; `undefined` if it does not scale by itself. */
export const maximumOf = (_entry: PoolEntry): number | undefined => undefined
