/** Turns what the core tells of a pool into the rows that people read. */
import type { InspectedTask, PoolDecision, PoolEvent, PoolInspection } from "@aio-task-pool/core"
import { AutoScalePolicy } from "@aio-task-pool/core"
import type { DecisionRow, EventRow, PoolDetail, TaskRow } from "../Protocol.ts"
import { durationText, numberText, plural } from "./words.ts"

const limit = (value: number): number | null => (Number.isFinite(value) ? value : null)

export const taskRow = (task: InspectedTask): TaskRow => ({
  ...task,
  ran: task.ran ?? null,
  spanId: task.spanId ?? null
})

/** Returns the lists of an inspection. The core sorts the running tasks by their start: oldest first. */
export const taskLists = ({
  omitted,
  tasks
}: Pick<PoolInspection, "omitted" | "tasks">): Pick<PoolDetail, "running" | "waiting" | "omitted"> => {
  const running: Array<TaskRow> = []
  const waiting: Array<TaskRow> = []
  for (const task of tasks) {
    const isRunning = task.state === "Running" || task.state === "Ending"
    ;(isRunning ? running : waiting).push(taskRow(task))
  }
  const shown = waiting.slice(0, 100)
  const cut = waiting.length - shown.length
  return { running, waiting: shown, omitted: { ...omitted, waiting: omitted.waiting + cut } }
}

const evidenceWords: ReadonlyArray<readonly [keyof AutoScalePolicy.AutoScaleEvidence, (value: number) => string]> = [
  ["run", (value) => `run ${durationText(value)}`],
  ["base", (value) => `base ${durationText(value)}`],
  ["elasticity", (value) => `elasticity ${value.toFixed(2)}`],
  ["demand", (value) => `demand ${numberText(value)}`],
  ["ceiling", (value) => `ceiling ${numberText(value)}`],
  ["overloads", (value) => plural(value, "overload")]
]

/** Evidence is an object of the policy, whose getters may throw. */
const valueOf = (evidence: PoolDecision["evidence"], key: keyof AutoScalePolicy.AutoScaleEvidence): unknown => {
  try {
    return evidence?.[key]
  } catch {
    return undefined
  }
}

/** Returns the measurements behind a decision, such as "12 running, 3 waiting, run 64 ms, base 40 ms". */
export const evidenceText = ({ evidence, pause, sample }: PoolDecision): string => {
  // The loop decides some things without a window, and then has measured nothing.
  const parts = sample.duration > 0 ? [`${sample.avgInflight.toFixed(1)} running`] : []
  parts.push(`${numberText(sample.queued)} waiting`)
  for (const [key, words] of evidenceWords) {
    const value = valueOf(evidence, key)
    if (typeof value === "number" && Number.isFinite(value) && (key !== "overloads" || value > 0))
      parts.push(words(value))
  }
  if (pause > 0) parts.push(`dispatch stops for ${durationText(pause)}`)
  return parts.join(", ")
}

/** The last rows, at most `most`. */
class Log<Row> {
  private readonly most: number
  private rows: Array<Row> = []

  constructor(most: number) {
    this.most = most
  }

  protected get last(): Row | undefined {
    return this.rows.at(-1)
  }

  /** Adds a row, or replaces the last one by it. */
  protected put(row: Row, replaces: boolean): void {
    if (replaces) this.rows.pop()
    this.rows.push(row)
    if (this.rows.length > 2 * this.most) this.rows = this.rows.slice(-this.most)
  }

  /** The rows, newest first. */
  list(): ReadonlyArray<Row> {
    return this.rows.slice(-this.most).toReversed()
  }
}

/** The last decisions of a pool. Those in a row that keep the size for one reason count as one. */
export class DecisionLog extends Log<DecisionRow> {
  add(decision: PoolDecision): void {
    const { at } = decision
    const [from, to] = [limit(decision.from), limit(decision.to)]
    // A policy written in JavaScript may give anything.
    const given: unknown = decision.reason
    const reason = typeof given === "string" ? given.slice(0, 40) : "-"
    const sentence = AutoScalePolicy.explainReason(reason) ?? "a reason of the policy's own"
    const { last } = this
    const repeats = last !== undefined && from === to && last.from === to && last.to === to && last.reason === reason
    const row = {
      at,
      times: repeats ? last.times + 1 : 1,
      from,
      to,
      reason,
      sentence,
      evidence: evidenceText(decision)
    }
    this.put(row, repeats)
  }
}

/** Returns an event in words; `undefined` for decisions, which have a list of their own. */
export const eventText = (event: PoolEvent): string | undefined => {
  switch (event._tag) {
    case "Decided":
      return undefined
    case "Scaled":
      return `size ${numberText(event.from)} → ${numberText(event.to)}: ${event.why}`
    case "Paused":
      return "paused"
    case "Resumed":
      return "resumed"
    case "Held":
      return `dispatch held: ${event.reason}`
    case "Released":
      return `dispatch released: ${event.reason}`
    case "Rejected":
      return `rejected: ${event.reason}`
    case "Cancelled":
      return `cancelled a ${event.started ? "running" : "waiting"} task: ${event.reason}`
    case "Closed": {
      const { completed, interrupted, neverRun } = event.report
      return `closed: ${numberText(completed)} completed, ${numberText(interrupted)} interrupted, ${numberText(neverRun)} never ran`
    }
  }
}

/** The last events of a pool. Equal ones in a row count as one. */
export class EventLog extends Log<EventRow> {
  add(event: PoolEvent): void {
    const text = eventText(event)
    if (text === undefined) return
    const times = this.last?.text === text ? this.last.times : 0
    this.put({ at: event.at, times: times + 1, text }, times > 0)
  }
}
