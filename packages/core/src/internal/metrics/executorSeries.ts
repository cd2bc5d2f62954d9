/** The metrics of the executors of one name. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ExecutorStats } from "../../ExecutorDriver.ts"
import type { RegisteredExecutor } from "../registry.ts"
import { type Attributes, type MetricInfo, register, type SeriesRegistry } from "./registration.ts"

type Total = "settled" | "replaced"

interface ExecutorMetric extends Omit<MetricInfo, "type"> {
  readonly attributes?: Attributes
  readonly value: (stats: ExecutorStats) => number
}

const gauges: ReadonlyArray<ExecutorMetric> = [
  {
    id: "task_executor_threads",
    unit: "{thread}",
    description: "Threads that can take a job, and threads that are starting",
    attributes: { state: "ready" },
    value: ({ threads }) => threads
  },
  {
    id: "task_executor_threads",
    unit: "{thread}",
    description: "Threads that can take a job, and threads that are starting",
    attributes: { state: "starting" },
    value: ({ starting }) => starting
  },
  {
    id: "task_executor_running_jobs",
    unit: "{job}",
    description: "Jobs that have begun and have no result yet",
    value: ({ running }) => running
  },
  {
    id: "task_executor_waiting_jobs",
    unit: "{job}",
    description: "Jobs that have not begun",
    value: ({ waiting }) => waiting
  }
]

const totals: ReadonlyArray<MetricInfo & { readonly total: Total }> = [
  {
    id: "task_executor_settled_jobs_total",
    type: "Counter",
    unit: "{job}",
    description: "Jobs that have succeeded or failed",
    total: "settled"
  },
  {
    id: "task_executor_replaced_threads_total",
    type: "Counter",
    unit: "{thread}",
    description: "Threads replaced after a crash, an interruption, or a number of jobs",
    total: "replaced"
  }
]

export class ExecutorGroup {
  private readonly name: string
  private readonly registry: SeriesRegistry
  private readonly members = new Set<RegisteredExecutor>()
  private readonly closed: Record<Total, number> = { settled: 0, replaced: 0 }
  /** What executors that are hidden have left in `closed`. It goes when they are shown again. */
  private readonly left = new WeakMap<RegisteredExecutor, Record<Total, number>>()
  private readonly gaugeRemovals: Array<() => void> = []
  private readonly totalRemovals: ReadonlyArray<() => void>

  constructor(name: string, registry: SeriesRegistry) {
    this.name = name
    this.registry = registry
    this.totalRemovals = totals.map((metric) =>
      register(registry, metric, { task_executor_name: name }, () => ({
        count: this.closed[metric.total] + this.sum((stats) => stats[metric.total]),
        incremental: true
      }))
    )
  }

  add(executor: RegisteredExecutor): void {
    const left = this.left.get(executor)
    this.closed.settled -= left?.settled ?? 0
    this.closed.replaced -= left?.replaced ?? 0
    this.left.delete(executor)
    this.members.add(executor)
    if (this.gaugeRemovals.length > 0) return
    for (const { attributes, value, ...metric } of gauges) {
      const all = { task_executor_name: this.name, ...attributes }
      const read = () => ({ value: this.sum(value) })
      this.gaugeRemovals.push(register(this.registry, { ...metric, type: "Gauge" }, all, read))
    }
  }

  /** Removes an executor that has closed, or is no longer shown, and keeps its totals. */
  close(executor: RegisteredExecutor): void {
    if (!this.members.delete(executor)) return
    const { replaced, settled } = statsOf(executor) ?? { settled: 0, replaced: 0 }
    this.left.set(executor, { settled, replaced })
    this.closed.settled += settled
    this.closed.replaced += replaced
    if (this.members.size === 0) this.removeGauges()
  }

  removeAll(): void {
    this.removeGauges()
    for (const remove of this.totalRemovals) remove()
  }

  private removeGauges(): void {
    for (const remove of this.gaugeRemovals.splice(0)) remove()
  }

  private sum(value: (stats: ExecutorStats) => number): number {
    let sum = 0
    for (const executor of this.members) {
      const stats = statsOf(executor)
      if (stats !== undefined) sum += value(stats)
    }
    return sum
  }
}

/** Reads the statistics of an executor in this step; `undefined` if it cannot tell them at once. */
const statsOf = ({ stats }: RegisteredExecutor): ExecutorStats | undefined => {
  const exit = Effect.runSyncExit(stats)
  if (exit._tag === "Success") return exit.value
  for (const reason of exit.cause.reasons) {
    // Otherwise each collection would leave a fiber behind.
    if (Cause.isDieReason(reason) && Cause.isAsyncFiberError(reason.defect)) reason.defect.fiber.interruptUnsafe()
  }
  return undefined
}
