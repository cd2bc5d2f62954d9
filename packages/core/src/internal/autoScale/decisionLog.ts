/**
 * Records why an auto-scale pool has its size: publishes each decision as an event and as metrics, and keeps the last
 * ones for `explain`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { AutoScaleBounds, AutoScaleDecision, AutoScaleEvidence, AutoScaleSample } from "../../AutoScaleModel.ts"
import type { Machine } from "../pool/machine.ts"
import { workers } from "../words.ts"

const kept = 256

interface Entry {
  /** Milliseconds since the pool was made. */
  readonly at: number
  readonly from: number
  readonly to: number
  readonly sample: AutoScaleSample
  readonly decision: AutoScaleDecision
}

const targetSize = Metric.gauge("task_pool_target_size", { description: "Workers the pool should have" })
const runTime = Metric.gauge("task_pool_run_time", {
  description: "Mean run time of the last window's successes, in milliseconds"
})
const baseTime = Metric.gauge("task_pool_base_time", {
  description: "Run time without congestion, as the policy estimates it, in milliseconds"
})
const decisions = Metric.counter("task_pool_decisions", {
  description: "Decisions of the sizing policy",
  incremental: true
})
const overloads = Metric.counter("task_pool_overloads", {
  description: "Tasks whose exit was a sign of overload",
  incremental: true
})

export class DecisionLog {
  private readonly machine: Machine
  private readonly policy: string
  private readonly bounds: AutoScaleBounds
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly startedAt: bigint
  private readonly entries: Array<Entry> = []

  constructor(machine: Machine, policy: string, bounds: AutoScaleBounds, context: Context.Context<never>) {
    this.machine = machine
    this.policy = policy
    this.bounds = bounds
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
    this.startedAt = this.clock.monotonicTimeNanosUnsafe()
    this.gauge(targetSize, machine.target)
  }

  /** Records a decision that was applied. */
  add(sample: AutoScaleSample, decision: AutoScaleDecision, from: number, to: number): void {
    const at = Number(this.clock.monotonicTimeNanosUnsafe() - this.startedAt) / 1e6
    this.entries.push({ at, from, to, sample, decision })
    // Removing entries in batches: removing the oldest one with each decision would copy the array each time.
    if (this.entries.length >= 2 * kept) this.entries.splice(0, kept)
    const { evidence, pause = 0, reason } = decision
    this.machine.emit({ _tag: "Decided", policy: this.policy, from, to, reason, pause, evidence, sample })
    this.measure(sample, decision, to)
  }

  private measure(sample: AutoScaleSample, { evidence, reason }: AutoScaleDecision, to: number): void {
    this.gauge(targetSize, to)
    if (sample.runMean > 0) this.gauge(runTime, sample.runMean)
    if (evidence?.base !== undefined) this.gauge(baseTime, evidence.base)
    const pool = this.machine.name
    Metric.withAttributes(decisions, { pool, reason }).updateUnsafe(1, this.context)
    if (sample.overloaded > 0) Metric.withAttributes(overloads, { pool }).updateUnsafe(sample.overloaded, this.context)
  }

  private gauge(gauge: Metric.Gauge<number>, value: number): void {
    Metric.withAttributes(gauge, { pool: this.machine.name }).updateUnsafe(value, this.context)
  }

  /** Returns the last decisions as a table, oldest first, one per line. */
  table(last: number): string {
    const { max, min } = this.bounds
    const { name, target } = this.machine
    const head = `${name}: ${this.policy}, ${workers(target)} (${min} to ${max})`
    const entries = last > 0 ? this.entries.slice(-Math.min(last, kept)) : []
    if (entries.length === 0) return `${head}, no decision yet`
    const rows = entries.map((entry) => columns.map(([, cell]) => cell(entry)))
    const lines = [columns.map(([title]) => title), ...rows]
    const widths = columns.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)))
    const text = lines.map((cells) =>
      cells
        .map((cell, column) => cell.padStart(widths[column]!))
        .join("  ")
        .trimEnd()
    )
    return [head, ...text].join("\n")
  }
}

// A policy written in JavaScript may omit the reason.
const text = (value: unknown): string => (typeof value === "string" ? value : "-")

const digits = (value: number | undefined, decimals: number): string =>
  value === undefined || !Number.isFinite(value) ? "-" : value.toFixed(decimals)

const evidence =
  (key: keyof AutoScaleEvidence, decimals: number) =>
  ({ decision }: Entry): string =>
    digits(decision.evidence?.[key], decimals)

const columns: ReadonlyArray<readonly [string, (entry: Entry) => string]> = [
  ["time s", ({ at }) => digits(at / 1000, 2)],
  ["size", ({ from, to }) => (from === to ? `${to}` : `${from} -> ${to}`)],
  ["why", ({ decision }) => text(decision.reason)],
  ["window ms", ({ sample }) => digits(sample.duration, 0)],
  ["running", ({ sample }) => digits(sample.avgInflight, 1)],
  ["queued", ({ sample }) => digits(sample.queued, 0)],
  ["ok", ({ sample }) => digits(sample.succeeded, 0)],
  ["failed", ({ sample }) => digits(sample.failed, 0)],
  ["overload", ({ sample }) => `${sample.overloadedFresh}/${sample.overloaded}`],
  ["run ms", ({ sample }) => (sample.runMean === 0 ? "-" : digits(sample.runMean, 1))],
  ["base ms", evidence("base", 1)],
  ["elasticity", evidence("elasticity", 2)],
  ["ceiling", evidence("ceiling", 1)],
  ["demand", evidence("demand", 0)],
  ["pause ms", ({ decision }) => digits(decision.pause, 0)]
]
