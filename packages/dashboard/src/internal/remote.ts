/** The statistics of distributed pools, as far as they are known. */
import type { PoolStats } from "@aio-task-pool/core"

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

const phases: ReadonlyArray<unknown> = ["Open", "Held", "Paused", "Draining", "Closed"] satisfies Array<
  PoolStats["phase"]
>
const limits: ReadonlyArray<string> = ["size", "targetSize", "capacity", "nextStart", "largestSize"]

/** Whether a value of another package is what the protocol has for this name. */
const isKnown = (name: string, value: unknown): boolean => {
  if (name === "phase") return phases.includes(value)
  if (name === "holds") return Array.isArray(value) && value.every((reason) => typeof reason === "string")
  if (name === "rejectedBy") {
    return typeof value === "object" && value !== null && Object.values(value).every(Number.isFinite)
  }
  return Number.isFinite(value) || (value === Infinity && limits.includes(name))
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
