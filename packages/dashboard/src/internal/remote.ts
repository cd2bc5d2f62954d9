/** The statistics of distributed pools, as far as they are known. */
import type { PoolStats } from "@aio-task-pool/core"
import * as Schema from "effect/Schema"
import { Stats } from "../Protocol.ts"

/** The statistics of a pool that has not answered yet. */
export const nothing: PoolStats = {
  phase: "Open",
  holds: [],
  size: 0,
  targetSize: 0,
  running: 0,
  busy: 0,
  lent: 0,
  waiting: 0,
  delayed: 0,
  atDoor: 0,
  capacity: Infinity,
  nextStart: 0,
  submitted: 0,
  succeeded: 0,
  failed: 0,
  interrupted: 0,
  cancelled: 0,
  dropped: 0,
  rejected: 0,
  rejectedBy: { Paused: 0, Closed: 0, QueueFull: 0, TooLarge: 0, WaitedTooLong: 0, Nested: 0 },
  largestSize: 0
}

/** Whether a value of another package is what the protocol has for this name. */
const isKnown = (name: string, value: unknown): boolean => {
  const isField = Schema.is(Stats.fields[name as keyof typeof Stats.fields])
  if (value === null || !isField(value)) return false
  // The protocol has `null` for an infinite limit.
  return typeof value !== "number" || Number.isFinite(value) || (value === Infinity && isField(null))
}

/** Returns the statistics that another package gives, as far as they have the right types. */
export const knownStats = (given: Readonly<Record<string, unknown>>): PoolStats => {
  const known = Object.fromEntries(
    Object.entries(nothing).map(([name, value]) => [name, isKnown(name, given[name]) ? given[name] : value])
  ) as unknown as PoolStats
  // Workers that finish surplus tasks are not known, but the size is.
  return given["size"] === undefined ? { ...known, size: known.targetSize } : known
}

/**
 * Returns the statistics of a distributed pool whose tasks run in a local one. Only the distributed pool knows that it is
 * paused or held, and which tasks are delayed.
 */
export const withRemote = (local: PoolStats, { delayed, phase }: PoolStats): PoolStats => ({
  ...local,
  phase: local.phase === "Draining" || local.phase === "Closed" ? local.phase : phase,
  holds: phase === "Held" ? local.holds : [],
  delayed
})
