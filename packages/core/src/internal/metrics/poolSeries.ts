/** The metrics of pools, as a table. */
import type * as Metric from "effect/Metric"
import type { PoolStats } from "../../PoolStats.ts"
import { oldestWait } from "../inspect/inspect.ts"
import { millisBetween } from "../pool/ages.ts"
import type { Counts } from "../pool/counts.ts"
import type { Machine } from "../pool/machine.ts"
import { bucketsUpTo, type Histogram } from "../timing/histogram.ts"
import type { KnownStats } from "./distributed.ts"
import type { MetricInfo } from "./registration.ts"
import { type MeasuredPool, rejectionReasons } from "./totals.ts"

/** The pools of one name, open and closed. */
export interface PoolsOfName {
  readonly open: ReadonlySet<MeasuredPool>
  /** The open distributed pools. */
  readonly distributed: Iterable<{ readonly stats: KnownStats }>
  /** Returns a count of all pools. */
  count(of: (counts: Counts) => number): number
  /** Returns the histograms of the open pools, and that of the closed ones. */
  times(of: (times: { readonly queue: Histogram; readonly run: Histogram }) => Histogram): ReadonlyArray<Histogram>
  /** The reasons of the decisions so far. */
  readonly reasons: Iterable<string>
  decisionCount(reason: string): number
  readonly overloads: number
}

/** A metric of pools, and how its series are read from the pools of one name. */
export interface PoolMetric extends MetricInfo {
  /** The attribute besides the name, if any, and its values. */
  readonly by?: { readonly attribute: string; readonly values: (group: PoolsOfName) => Iterable<string> }
  /** Whether the metric applies to the open local pools of a name, default always. */
  readonly applies?: (group: PoolsOfName) => boolean
  /** Returns the value of a distributed pool; `undefined` if it is not known. Without this, none has a value. */
  readonly known?: (stats: KnownStats, value: string) => number | undefined
  readonly read: (group: PoolsOfName, value: string) => unknown
}

const sum = (group: PoolsOfName, value: (machine: Machine) => number): number => {
  let total = 0
  for (const { machine } of group.open) total += value(machine)
  return total
}

const most = (group: PoolsOfName, value: (machine: Machine) => number): number => {
  let most = 0
  for (const { machine } of group.open) most = Math.max(most, value(machine))
  return most
}

const gauge = (
  id: string,
  unit: string,
  description: string,
  value: (group: PoolsOfName, attribute: string) => number,
  rest: Partial<PoolMetric> = {}
): PoolMetric => ({
  id,
  type: "Gauge",
  unit,
  description,
  read: (group, attribute): Metric.GaugeState<number> => {
    let sum = value(group, attribute)
    if (rest.known !== undefined) for (const { stats } of group.distributed) sum += rest.known(stats, attribute) ?? 0
    return { value: sum }
  },
  ...rest
})

const counter = (
  id: string,
  unit: string,
  description: string,
  count: (group: PoolsOfName, attribute: string) => number,
  rest: Partial<PoolMetric> = {}
): PoolMetric => ({
  id,
  type: "Counter",
  unit,
  description,
  read: (group, attribute): Metric.CounterState<number> => ({ count: count(group, attribute), incremental: true }),
  ...rest
})

// In seconds. Each is a power of two of ticks, and so the bound of a bucket of the pool's histograms.
const bounds = [
  0.001, 0.004, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 16.384, 65.536, 262.144
] as const
const buckets = bucketsUpTo(bounds.map((seconds) => Math.round(seconds * 1000)))

const histogram = (
  id: string,
  description: string,
  times: (group: PoolsOfName) => ReadonlyArray<Histogram>
): PoolMetric => ({
  id,
  type: "Histogram",
  unit: "s",
  description,
  read: (group): Metric.HistogramState => {
    const states: Array<[number, number]> = []
    for (const bound of bounds) states.push([bound, 0])
    let [count, sum, min, max] = [0, 0, Infinity, 0]
    for (const histogram of times(group)) {
      if (histogram.count === 0) continue
      histogram.addCumulative(buckets, states)
      count += histogram.count
      sum += histogram.sum
      min = Math.min(min, histogram.min)
      max = Math.max(max, histogram.max)
    }
    return {
      buckets: states,
      count,
      sum: sum / 1000,
      min: count === 0 ? 0 : min / 1000,
      max: max / 1000
    }
  }
})

const values = (attribute: string, ...values: ReadonlyArray<string>): NonNullable<PoolMetric["by"]> => ({
  attribute,
  values: () => values
})

const isAutoScale = (group: PoolsOfName): boolean =>
  Array.from(group.open).some(({ decisions }) => decisions !== undefined)
const isBounded = (bound: (machine: Machine) => number) => (group: PoolsOfName) => Number.isFinite(sum(group, bound))

const finite = (value: number | undefined): number | undefined => (value === Infinity ? undefined : value)

const phases: Readonly<Record<string, PoolStats["phase"]>> = {
  open: "Open",
  paused: "Paused",
  held: "Held",
  draining: "Draining",
  closed: "Closed"
}

/** Exists while a pool of the name is open. */
export const gauges: ReadonlyArray<PoolMetric> = [
  gauge(
    "task_pool_open_pools",
    "{pool}",
    "Pools that are not closed",
    (group) => sum(group, (machine) => (machine.phase === "Closed" ? 0 : 1)),
    // Known without the broker.
    { known: ({ phase }) => (phase === "Closed" ? 0 : 1) }
  ),
  gauge(
    "task_pool_size",
    "{worker}",
    "Workers, including surplus ones that finish their task",
    (group) => sum(group, (machine) => machine.size),
    { applies: isBounded(({ size }) => size), known: ({ size }) => finite(size) }
  ),
  gauge(
    "task_pool_target_size",
    "{worker}",
    "Workers that the pool should have",
    (group) => sum(group, (machine) => machine.target),
    { applies: isBounded(({ target }) => target), known: ({ targetSize }) => finite(targetSize) }
  ),
  gauge(
    "task_pool_size_limit",
    "{worker}",
    "The fewest and the most workers of an auto-scale pool",
    (group) => sum(group, ({ min }) => min),
    { by: values("bound", "min"), applies: isAutoScale }
  ),
  gauge(
    "task_pool_size_limit",
    "{worker}",
    "The fewest and the most workers of an auto-scale pool",
    (group) => sum(group, ({ max }) => max),
    { by: values("bound", "max"), applies: (group) => isAutoScale(group) && isBounded(({ max }) => max)(group) }
  ),
  gauge(
    "task_pool_running_tasks",
    "{task}",
    "Tasks that run, including their finalizers",
    (group) => sum(group, ({ running }) => running),
    { known: ({ running }) => running }
  ),
  gauge(
    "task_pool_waiting_tasks",
    "{task}",
    "Tasks in the queue, and submitters at the door because the queue is full",
    (group, place) => sum(group, ({ atDoor, waiting }) => (place === "queue" ? waiting : atDoor)),
    {
      by: values("place", "queue", "door"),
      known: ({ atDoor, waiting }, place) => (place === "queue" ? waiting : atDoor)
    }
  ),
  gauge(
    "task_pool_delayed_tasks",
    "{task}",
    "Tasks that wait for their next attempt",
    (group) => sum(group, (machine) => machine.delayedCount),
    { known: ({ delayed }) => delayed }
  ),
  gauge(
    "task_pool_queue_capacity",
    "{task}",
    "The most tasks that may wait in the queue",
    (group) => sum(group, ({ capacity }) => capacity),
    { applies: isBounded(({ capacity }) => capacity), known: ({ capacity }) => finite(capacity) }
  ),
  gauge("task_pool_oldest_wait_seconds", "s", "How long the oldest waiting task has waited", (group) =>
    most(group, (machine) => oldestWait(machine, machine.ages.now()) / 1000)
  ),
  gauge("task_pool_oldest_run_seconds", "s", "How long the oldest running task has run", (group) =>
    most(group, oldestRun)
  ),
  gauge(
    "task_pool_phase",
    "{pool}",
    "Pools by phase",
    (group, phase) => sum(group, (machine) => (machine.phaseNow === phases[phase] ? 1 : 0)),
    {
      by: values("phase", ...Object.keys(phases)),
      known: (stats, phase) => stats.phase && (stats.phase === phases[phase] ? 1 : 0)
    }
  ),
  gauge(
    "task_pool_base_time_seconds",
    "s",
    "Run time without congestion, as the policy estimates it",
    (group) => Math.max(0, ...Array.from(group.open, ({ decisions }) => decisions?.baseTime ?? 0)) / 1000,
    { applies: isAutoScale }
  )
]

const oldestRun = (machine: Machine): number => {
  const oldest = machine.oldestRunning
  return oldest === undefined ? 0 : millisBetween(oldest.startedAt, machine.ages.now()) / 1000
}

/** Exists from the first pool of the name on, and never falls. */
export const totals: ReadonlyArray<PoolMetric> = [
  counter("task_pool_submitted_tasks_total", "{task}", "Tasks that were admitted", (group) =>
    group.count(({ submitted }) => submitted)
  ),
  counter(
    "task_pool_ended_tasks_total",
    "{task}",
    "Tasks that have settled, by outcome",
    (group, outcome) => group.count((counts) => counts[outcome as "succeeded"]),
    { by: values("outcome", "succeeded", "failed", "interrupted", "cancelled") }
  ),
  counter(
    "task_pool_rejected_tasks_total",
    "{task}",
    "Tasks that were rejected, by reason",
    (group, reason) => group.count(({ rejectedBy }) => rejectedBy[reason as "Closed"]),
    { by: values("reason", ...rejectionReasons) }
  ),
  histogram("task_pool_queue_time_seconds", "Time from admission to dispatch, zero waits included", (group) =>
    group.times(({ queue }) => queue)
  ),
  histogram("task_pool_run_time_seconds", "Time from dispatch to the end of the finalizers, of each attempt", (group) =>
    group.times(({ run }) => run)
  ),
  counter(
    "task_pool_decisions_total",
    "{decision}",
    "Decisions of the sizing policy, by reason",
    (group, reason) => group.decisionCount(reason),
    { by: { attribute: "reason", values: (group) => group.reasons }, applies: isAutoScale }
  ),
  counter(
    "task_pool_overloads_total",
    "{task}",
    "Tasks whose exit was a sign of overload",
    (group) => group.overloads,
    { applies: isAutoScale }
  )
]
