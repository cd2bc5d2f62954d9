/** The metrics of pools, as a test reads them. */
import type { PoolStats } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/** The series of one name by metric and attribute, such as `task_pool_phase{phase=open}`. */
export type Series = ReadonlyMap<string, Metric.Metric.Snapshot>

const key = ({ attributes, id }: Metric.Metric.Snapshot): string => {
  const { task_executor_name: _, task_pool_name: __, unit: ___, ...rest } = attributes ?? {}
  const [entry] = Object.entries(rest)
  return entry === undefined ? id : `${id}{${entry.join("=")}}`
}

/** Reads the series of pools, or of one name. */
export const seriesOf = (registry: Metric.MetricRegistry, name?: string): Series => {
  const all = Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry))
  const own = all.filter(({ attributes }) => name === undefined || attributes?.["task_pool_name"] === name)
  return new Map(own.map((snapshot) => [key(snapshot), snapshot]))
}

/** Returns the number of a gauge or a counter. */
export const valueOf = (series: Series, of: string): number | undefined => {
  const state: any = series.get(of)?.state
  return state === undefined ? undefined : (state.value ?? state.count)
}

/** Returns the counters and gauges that `stats` show, by the names of their series. */
export const expectedOf = (stats: PoolStats): ReadonlyMap<string, number> => {
  const phases = ["Open", "Paused", "Held", "Draining", "Closed"]
  return new Map([
    ["task_pool_open_pools", stats.phase === "Closed" ? 0 : 1],
    ["task_pool_size", stats.size],
    ["task_pool_target_size", stats.targetSize],
    ["task_pool_running_tasks", stats.running],
    ["task_pool_waiting_tasks{place=queue}", stats.waiting],
    ["task_pool_waiting_tasks{place=door}", stats.atDoor],
    ["task_pool_delayed_tasks", stats.delayed],
    ...phases.map((phase) => [`task_pool_phase{phase=${phase.toLowerCase()}}`, phase === stats.phase ? 1 : 0] as const),
    ["task_pool_submitted_tasks_total", stats.submitted],
    ...(["succeeded", "failed", "interrupted", "cancelled"] as const).map(
      (outcome) => [`task_pool_ended_tasks_total{outcome=${outcome}}`, stats[outcome]] as const
    ),
    ...Object.entries(stats.rejectedBy).map(
      ([reason, count]) => [`task_pool_rejected_tasks_total{reason=${reason}}`, count] as const
    )
  ])
}

/**
 * Returns the first difference between the series of a pool and its statistics, or the equation that does not hold. A
 * pool that has left the registry has no gauges.
 */
export const differenceOf = (series: Series, stats: PoolStats): string | undefined => {
  const hasLeft = !series.has("task_pool_open_pools")
  for (const [of, expected] of expectedOf(stats)) {
    if (hasLeft && !of.includes("_total")) continue
    const value = valueOf(series, of)
    if (value !== expected) return `${of} is ${value}, and stats say ${expected}`
  }
  if (hasLeft) return stats.phase === "Closed" ? undefined : "an open pool has no gauges"
  const value = (of: string): number => valueOf(series, of)!
  const ended = ["succeeded", "failed", "interrupted", "cancelled"].map((outcome) =>
    value(`task_pool_ended_tasks_total{outcome=${outcome}}`)
  )
  const sum =
    ended.reduce((sum, count) => sum + count, 0) +
    value("task_pool_waiting_tasks{place=queue}") +
    value("task_pool_delayed_tasks") +
    value("task_pool_running_tasks")
  return sum === value("task_pool_submitted_tasks_total")
    ? undefined
    : "submitted is not the sum of what became of them"
}
