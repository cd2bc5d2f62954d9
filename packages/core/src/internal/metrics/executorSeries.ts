/**
 * The metrics of the executors of one name.
 *
 * The statistics come from other packages. An executor that does not answer at once, or answers wrongly, counts with its
 * last good answer.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { RegisteredExecutor } from "../registry.ts"
import { type Attributes, type MetricInfo, register, type SeriesRegistry } from "./registration.ts"

const numbers = ["threads", "starting", "running", "waiting", "settled", "replaced"] as const

type Stats = Readonly<Record<(typeof numbers)[number], number>>

type Total = "settled" | "replaced"

interface ExecutorMetric extends Omit<MetricInfo, "type"> {
  readonly attributes?: Attributes
  readonly value: (stats: Stats) => number
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
  private readonly members = new Map<RegisteredExecutor, Member>()
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
    this.members.set(executor, new Member(executor, left))
    if (this.gaugeRemovals.length > 0) return
    for (const { attributes, value, ...metric } of gauges) {
      const all = { task_executor_name: this.name, ...attributes }
      const read = () => ({ value: this.sum(value) })
      this.gaugeRemovals.push(register(this.registry, { ...metric, type: "Gauge" }, all, read))
    }
  }

  /** Removes an executor that has closed, or is no longer shown, and keeps its totals. */
  close(executor: RegisteredExecutor): void {
    const member = this.members.get(executor)
    if (member === undefined) return
    this.members.delete(executor)
    const { replaced, settled } = member.read()
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

  private sum(value: (stats: Stats) => number): number {
    let sum = 0
    for (const member of this.members.values()) sum += value(member.read())
    return sum
  }
}

const zero: Stats = { threads: 0, starting: 0, running: 0, waiting: 0, settled: 0, replaced: 0 }

/** An executor and its last good answer. */
class Member {
  private readonly answer: Effect.Effect<Stats | undefined>
  private last: Stats
  /** The question that had no answer at once. */
  private asking: Fiber.Fiber<unknown, unknown> | undefined = undefined

  /** `left` is what the executor has counted before. */
  constructor({ stats }: RegisteredExecutor, left: Partial<Stats> | undefined) {
    this.answer = Effect.map(
      Effect.suspend(() => stats),
      goodStats
    )
    this.last = { ...zero, ...left }
  }

  /** Reads the statistics in this step. */
  read(): Stats {
    // A question that cannot be interrupted continues. Another one with each collection would pile up.
    if (this.asking !== undefined && this.asking.pollUnsafe() === undefined) return this.last
    const exit = Effect.runSyncExit(this.answer)
    if (exit._tag === "Success") {
      this.last = exit.value ?? this.last
      return this.last
    }
    for (const reason of exit.cause.reasons) {
      if (!Cause.isDieReason(reason) || !Cause.isAsyncFiberError(reason.defect)) continue
      this.asking = reason.defect.fiber
      // Otherwise each collection would leave a fiber behind.
      this.asking.interruptUnsafe()
    }
    return this.last
  }
}

/** Returns a copy of the numbers; `undefined` if one of them is missing or is no number. */
const goodStats = (given: Stats | null | undefined): Stats | undefined => {
  const stats = Object.fromEntries(numbers.map((name) => [name, given?.[name]])) as Stats
  return Object.values(stats).every(Number.isFinite) ? stats : undefined
}
