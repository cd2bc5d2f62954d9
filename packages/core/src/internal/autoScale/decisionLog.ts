/**
 * Records why an auto-scale pool has its size: publishes each decision as an event, and keeps the last ones for `explain`
 * and `decisions`.
 */
import type { AutoScaleBounds, AutoScaleDecision, AutoScaleEvidence, AutoScaleSample } from "../../AutoScaleModel.ts"
import { explainReason } from "../../AutoScalePolicy.ts"
import type { PoolDecision } from "../../PoolInspection.ts"
import type { Machine } from "../pool/machine.ts"
import { epochMillis } from "../runtime/clock.ts"
import { DecisionCounts, evidenceOf } from "./decisionCounts.ts"
import { workers } from "../words.ts"

const kept = 256

interface Entry {
  /** Milliseconds since the pool was made. */
  readonly sinceStart: number
  readonly decision: PoolDecision
}

export class DecisionLog {
  private readonly machine: Machine
  private readonly policy: string
  private readonly bounds: AutoScaleBounds
  private readonly startedAt: number
  private readonly entries: Array<Entry> = []
  readonly counts = new DecisionCounts()

  constructor(machine: Machine, policy: string, bounds: AutoScaleBounds) {
    this.machine = machine
    this.policy = policy
    this.bounds = bounds
    this.startedAt = machine.agenda.nowOrLast()
  }

  /** Records a decision that was applied. */
  add(sample: AutoScaleSample, applied: AutoScaleDecision, from: number, to: number): void {
    const { evidence, pause = 0, reason } = applied
    this.counts.add(sample, applied)
    const at = epochMillis(this.machine.clock)
    const decision: PoolDecision = { at, policy: this.policy, from, to, reason, pause, evidence, sample }
    this.entries.push({ sinceStart: this.machine.agenda.nowOrLast() - this.startedAt, decision })
    // Removing entries in batches: removing the oldest one with each decision would copy the array each time.
    if (this.entries.length >= 2 * kept) this.entries.splice(0, kept)
    this.machine.events.publish({ _tag: "Decided", ...decision })
    if (from !== to) this.logLater(`scaled from ${from} to ${to}: ${text(reason)}`, { from, to, reason })
  }

  /** The logger is user code, so it runs after the present step. */
  private logLater(message: string, annotations: Readonly<Record<string, unknown>>): void {
    this.machine.userCode.later(() => this.machine.userCode.log("Debug", message, annotations))
  }

  /** Returns the last decisions, oldest first. */
  last(count: number): ReadonlyArray<PoolDecision> {
    return this.lastEntries(count).map(({ decision }) => decision)
  }

  private lastEntries(count: number): ReadonlyArray<Entry> {
    return count > 0 ? this.entries.slice(-Math.min(count, kept)) : []
  }

  /** Returns the last decisions as a table, oldest first, one per line. */
  table(last: number): string {
    const { max, min } = this.bounds
    const { name, target } = this.machine
    const head = `${name}: ${this.policy}, ${workers(target)} (${min} to ${max})`
    const entries = this.lastEntries(last)
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
    return [head, ...text, ...legendOf(entries)].join("\n")
  }
}

/** Explains the reasons that the table has, each in one line. */
const legendOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> => {
  const lines = new Set<string>()
  for (const { decision } of entries) {
    const sentence = explainReason(decision.reason)
    if (sentence !== undefined) lines.add(`${decision.reason}: ${sentence}`)
  }
  return Array.from(lines)
}

// A policy written in JavaScript may omit the reason.
const text = (value: unknown): string => (typeof value === "string" ? value : "-")

const digits = (value: number | undefined, decimals: number): string =>
  value === undefined || !Number.isFinite(value) ? "-" : value.toFixed(decimals)

const evidence =
  (key: keyof AutoScaleEvidence, decimals: number) =>
  ({ decision }: Entry): string =>
    digits(evidenceOf(decision.evidence, key), decimals)

const sampled =
  (cell: (sample: AutoScaleSample) => string) =>
  ({ decision }: Entry): string =>
    cell(decision.sample)

const columns: ReadonlyArray<readonly [string, (entry: Entry) => string]> = [
  ["time s", ({ sinceStart }) => digits(sinceStart / 1000, 2)],
  ["size", ({ decision: { from, to } }) => (from === to ? `${to}` : `${from} -> ${to}`)],
  ["why", ({ decision }) => text(decision.reason)],
  ["window ms", sampled((sample) => digits(sample.duration, 0))],
  ["running", sampled((sample) => digits(sample.avgInflight, 1))],
  ["queued", sampled((sample) => digits(sample.queued, 0))],
  ["ok", sampled((sample) => digits(sample.succeeded, 0))],
  ["failed", sampled((sample) => digits(sample.failed, 0))],
  ["overload", sampled((sample) => `${sample.overloadedFresh}/${sample.overloaded}`)],
  ["run ms", sampled((sample) => (sample.runMean === 0 ? "-" : digits(sample.runMean, 1)))],
  ["base ms", evidence("base", 1)],
  ["elasticity", evidence("elasticity", 2)],
  ["ceiling", evidence("ceiling", 1)],
  ["demand", evidence("demand", 0)],
  ["pause ms", ({ decision }) => digits(decision.pause, 0)]
]
