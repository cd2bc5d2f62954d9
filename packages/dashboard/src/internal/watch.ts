/** What the dashboard keeps of one pool: its history, its counters of a moment ago, its events. */
import type { LocalPoolEntry, PoolEntry, PoolEvent, PoolStats, PoolTiming, PoolWarning } from "@aio-task-pool/core"
import type { PoolRow, Warning } from "../Protocol.ts"
import { History } from "./history.ts"
import { DecisionLog, EventLog } from "./rows.ts"
import { nothing } from "./remote.ts"
import { poolWarnings, silence, StickyWarnings, unreadable } from "./warnings.ts"

/** The seconds over which rates are means, and whose tasks the percentiles are of. */
const rateSpan = 2
const timingSpan = 10

/** A pool at one moment, as far as it is known. */
export interface Look {
  readonly at: number
  readonly stats: PoolStats
  readonly oldestWait: number
  readonly oldestRun: { readonly label: string; readonly ran: number } | undefined
  readonly warnings: ReadonlyArray<PoolWarning>
  /** Whether the pool is a distributed one, which no action applies to. */
  readonly isDistributed?: boolean
  /** Only of a distributed pool with a broker: how long ago it answered, or how long it has been asked for its first answer. */
  readonly remote?: { readonly hasAnswered: boolean; readonly age: number }
}

interface Counters {
  readonly at: number
  readonly ended: number
  readonly failed: number
  readonly rejected: number
  readonly rejectedBy: Readonly<Record<string, number>>
}

const unknown = { p50: null, p95: null }

const unknownLook: Look = { at: 0, stats: nothing, oldestWait: 0, oldestRun: undefined, warnings: [] }

const percentilesOf = (times: PoolTiming["run"]): PoolRow["run"] => ({
  p50: times.percentile(50) ?? null,
  p95: times.percentile(95) ?? null
})

export class PoolWatch {
  readonly entry: PoolEntry
  readonly history: History
  readonly events = new EventLog(50)
  readonly decisions = new DecisionLog(100)
  private readonly counters: Array<Counters> = []
  private readonly timings: Array<PoolTiming> = []
  private readonly sticky = new StickyWarnings()
  private rates: PoolRow["rates"] = { ended: 0, failed: 0, rejected: 0 }
  private queue: PoolRow["queue"] = unknown
  private run: PoolRow["run"] = unknown
  private runTime: number | undefined
  private fullFor = 0
  private warnings: ReadonlyArray<Warning> = []
  private lastRow: PoolRow | undefined = undefined

  constructor(entry: PoolEntry, length: number) {
    this.entry = entry
    this.history = new History(length)
  }

  addEvents(events: Iterable<PoolEvent>): void {
    for (const event of events) {
      if (event._tag === "Decided") this.decisions.add(event)
      else this.events.add(event)
    }
  }

  /** Takes the sample of a second. `maximum` is the largest size that the pool scales to, if it scales by itself. */
  sample(look: Look, timing: PoolTiming | undefined, maximum: number | undefined, sameName: number): void {
    const { at, stats } = look
    const ended = stats.succeeded + stats.failed + stats.interrupted + stats.cancelled
    const { failed, rejected, rejectedBy } = stats
    this.counters.push({ at, ended, failed, rejected, rejectedBy })
    if (this.counters.length > rateSpan + 1) this.counters.shift()
    const before = this.counters[0]!
    const seconds = Math.max(0.001, (at - before.at) / 1000)
    const per = (now: number, then: number): number => Math.max(0, now - then) / seconds
    this.rates = {
      ended: per(ended, before.ended),
      failed: per(failed, before.failed),
      rejected: per(rejected, before.rejected)
    }
    this.measure(timing)

    const queued = stats.waiting + stats.delayed
    const isFull = maximum !== undefined && stats.targetSize >= maximum && stats.waiting + stats.atDoor > 0
    this.fullFor = isFull ? this.fullFor + 1 : 0
    const reading = {
      name: this.entry.name,
      phase: stats.phase,
      targetSize: stats.targetSize,
      waiting: stats.waiting,
      atDoor: stats.atDoor,
      capacity: stats.capacity,
      oldestWait: look.oldestWait,
      runTime: this.runTime,
      oldestRun: look.oldestRun,
      rejected: Object.fromEntries(
        Object.entries(rejectedBy).map(([reason, times]) => [reason, per(times, before.rejectedBy[reason] ?? 0)])
      ),
      fullFor: this.fullFor,
      sameName,
      silentFor: look.remote?.age ?? 0,
      own: look.warnings
    }
    this.warnings = this.sticky.update(poolWarnings(reading), at)
    const isKnown = look.remote === undefined || (look.remote.hasAnswered && look.remote.age <= silence)
    this.history.add({
      size: isKnown ? stats.targetSize : Number.NaN,
      running: isKnown ? stats.running : Number.NaN,
      waiting: isKnown ? queued : Number.NaN,
      ended: look.remote === undefined ? this.rates.ended : Number.NaN,
      bad: look.remote === undefined ? this.rates.failed + this.rates.rejected : Number.NaN,
      queue95: this.queue.p95 ?? Number.NaN,
      run50: this.run.p50 ?? Number.NaN,
      run95: this.run.p95 ?? Number.NaN
    })
  }

  private measure(timing: PoolTiming | undefined): void {
    if (timing === undefined) return
    this.timings.push(timing)
    if (this.timings.length > timingSpan + 1) this.timings.shift()
    const before = this.timings[0]!
    // The first reading has no older one: it tells all that was measured so far.
    const first = this.timings.length === 1
    // An idle pool gives the same object again.
    const isIdle = !first && timing === before
    this.queue = isIdle ? unknown : percentilesOf(first ? timing.queue : timing.queue.minus(before.queue))
    this.run = isIdle ? unknown : percentilesOf(first ? timing.run : timing.run.minus(before.run))
    this.runTime = this.run.p95 ?? this.runTime
  }

  /** Returns the pool's row of a frame. A pool that cannot be looked at has its last row, with a warning. */
  row(look: Look | undefined): PoolRow {
    if (look !== undefined) return (this.lastRow = this.rowOf(look))
    const last = this.lastRow ?? { ...this.rowOf(unknownLook), state: "Unknown" }
    return { ...last, warnings: [...last.warnings, unreadable] }
  }

  private rowOf({ isDistributed = false, oldestWait, remote, stats }: Look): PoolRow {
    const { id, kind, name } = this.entry
    const { queue, rates, run, warnings } = this
    const known = { id, name, kind, state: stats.phase, stats, oldestWait, queue, run, rates, warnings }
    const row = isDistributed ? { ...known, distributed: true } : known
    if (remote === undefined) return row
    return remote.hasAnswered
      ? { ...row, remote: { age: remote.age } }
      : { ...row, state: "Unknown", remote: { age: null } }
  }
}

export const isLocal = (entry: PoolEntry): entry is LocalPoolEntry => entry._tag === "Local"
