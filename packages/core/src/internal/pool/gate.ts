/**
 * The conditions besides a free worker under which a task may start: its permits, its key, the rate.
 *
 * A pool is *selective* if it has a rate, or has had a task with several permits, or with a key that has a limit. Other
 * pools skip these checks.
 */
import { type Backlog, permitsOf } from "../backlog/backlog.ts"
import { KeyedBacklog } from "../backlog/keyed.ts"
import type { Agenda } from "./agenda.ts"
import type { Ages, SharedReading } from "./ages.ts"
import type { Entry } from "./entry.ts"
import { ownExtra, TaskExtra } from "./extra.ts"
import { Alarm } from "./alarm.ts"
import { type CheckedRate, type Costs, RateGate } from "./rate.ts"

export interface GateOptions {
  readonly rates: ReadonlyArray<CheckedRate>
  readonly perKey: number
  readonly makeBacklog: () => Backlog<Entry>
}

export class Gate {
  /** Whether the next task may have to wait although a worker is free. */
  selective: boolean
  /** The most permits of a task so far. */
  maxPermits = 1
  private readonly options: GateOptions
  private readonly agenda: Agenda
  private readonly ages: Ages
  /** The last reading of the clock that starts share, if its end is not known yet. */
  private reading: SharedReading | undefined = undefined
  private readonly rate: RateGate | undefined
  /** The backlog, once a task has had a key. */
  keyed: KeyedBacklog<Entry> | undefined = undefined
  /** Whether starts share readings of the clock. */
  private readonly sharesStarts: boolean
  /** The extra that tasks share whose start the rate counts at the time of the last one, and their extra before it. */
  private startedExtra: TaskExtra | undefined = undefined
  private startedFrom: TaskExtra | undefined = undefined
  /** When the rate allows the next start, while a task waits for it. */
  private readonly nextStart: Alarm

  constructor(options: GateOptions, agenda: Agenda, ages: Ages, flush: () => void) {
    this.options = options
    this.agenda = agenda
    this.ages = ages
    this.rate = options.rates.length === 0 ? undefined : new RateGate(options.rates)
    this.selective = this.rate !== undefined
    this.sharesStarts = this.rate !== undefined && this.rate.mayShare && ages.shares
    this.nextStart = new Alarm(agenda, flush)
  }

  /** Returns whether an entry can never start. A task of one worker is never too large for the size, which may be 0. */
  isTooLarge(entry: Entry, size: number): boolean {
    const permits = permitsOf(entry)
    if (permits > 1 && permits > size) return true
    if (entry.extra?.key !== undefined && permits > this.options.perKey) return true
    return this.rate !== undefined && this.rate.isTooLarge(this.costsOf(entry, this.rate))
  }

  /** Returns whether a task with this extra needs `prepare`. */
  isSpecial({ key, permits }: TaskExtra): boolean {
    return permits > 1 || (key !== undefined && this.keyed === undefined)
  }

  /** Prepares for an entry that will be admitted, and returns the backlog to use: a keyed one from the first key on. */
  prepare({ extra }: Entry, backlog: Backlog<Entry>): Backlog<Entry> {
    if (extra === undefined) return backlog
    if (extra.permits > 1) {
      this.selective = true
      this.maxPermits = Math.max(this.maxPermits, extra.permits)
    }
    if (extra.key !== undefined && this.keyed === undefined) {
      if (this.options.perKey < Infinity) this.selective = true
      this.keyed = new KeyedBacklog(this.options.makeBacklog, this.options.perKey, backlog)
    }
    return this.keyed ?? backlog
  }

  /** Returns whether an entry stays within the limit of its key if it starts now. */
  hasFreeKey(entry: Entry): boolean {
    return this.keyed === undefined || this.keyed.mayStart(entry)
  }

  /** Returns whether the key and the rate let an entry start now. If only the rate does not, plans a flush. */
  allows(entry: Entry): boolean {
    if (!this.hasFreeKey(entry)) return false
    const { rate } = this
    if (rate === undefined || rate.isAllowed(this.costsOf(entry, rate))) return true
    const millis = this.untilStart(entry)
    if (millis > 0) this.nextStart.plan(this.agenda.nowOrLast() + millis)
    return millis <= 0
  }

  /** Whether a task that the backlog counts as ready needs only a free worker to start. */
  get letsReadyStart(): boolean {
    return this.rate === undefined && this.maxPermits === 1
  }

  /** Returns the milliseconds until the rate allows a start of the entry, or of a task with the default cost. */
  untilStart(entry: Entry | undefined): number {
    const { rate } = this
    if (rate === undefined) return 0
    return rate.untilStart(entry === undefined ? rate.defaultCosts : this.costsOf(entry, rate), this.now())
  }

  started(entry: Entry): void {
    this.keyed?.started(entry)
    const { rate } = this
    if (rate === undefined) return
    const { lastStart } = rate
    if (this.sharesStarts) this.startShared(this.costsOf(entry, rate), rate)
    else rate.start(this.costsOf(entry, rate), this.agenda.nowOrLast())
    if (rate.lastStart !== lastStart) this.startedExtra = undefined
    this.noteStart(entry, rate)
  }

  /** Counts a start now that was counted when the entry was dispatched, some time ago. */
  startedLate(entry: Entry): void {
    const { rate } = this
    const at = entry.extra?.rest?.startedAt
    if (rate === undefined || at === undefined) return
    const now = this.now()
    const costs = this.costsOf(entry, rate)
    rate.adjust(
      at,
      costs,
      costs.map((cost) => -cost),
      now
    )
    rate.start(costs, now)
    this.startedExtra = undefined
    this.noteStart(entry, rate)
  }

  /** Reads the clock less often than once per start. Reading it would cost as much as a tenth of the task. */
  private startShared(costs: Costs, rate: RateGate): void {
    const { ages } = this
    ages.stamp()
    this.reading = ages.shared
    rate.start(costs, ages.time, ages.shared)
  }

  /** Keeps the time of a start: `adjust` needs it. Tasks with the same extra that start at the same time share one. */
  private noteStart(entry: Entry, rate: RateGate): void {
    const { extra } = entry
    const last = this.startedExtra
    if (extra !== undefined && !extra.shared) extra.started(rate.lastStart)
    else if (last !== undefined && extra === this.startedFrom) entry.extra = last
    else entry.extra = this.makeStarted(extra, rate.lastStart)
  }

  private makeStarted(extra: TaskExtra | undefined, start: number): TaskExtra {
    const started = new TaskExtra(extra?.options)
    started.started(start)
    started.shared = true
    this.startedFrom = extra
    return (this.startedExtra = started)
  }

  /** Returns the present time. Ends the sharing of readings, because what follows needs the times of all starts. */
  private now(): number {
    if (this.reading?.until === Infinity) this.ages.endSharing()
    this.reading = undefined
    return this.agenda.nowOrLast()
  }

  ended(entry: Entry, lent: boolean): void {
    if (!lent) this.keyed?.stopped(entry)
  }

  lent(entry: Entry): void {
    this.keyed?.stopped(entry)
  }

  tookBack(entry: Entry): void {
    this.keyed?.started(entry)
  }

  /** Corrects the cost of the last start of an entry. */
  adjust(entry: Entry, changes: Costs): void {
    const { rate } = this
    if (rate === undefined) return
    // First, because a clock may be user code that ends the task.
    const now = this.now()
    const rest = entry.extra?.rest
    if (rest?.startedAt === undefined) return
    // Apart from the cost that the next attempt needs.
    const costs = rest.corrected ?? this.costsOf(entry, rate)
    ownExtra(entry).ownRest.corrected = rate.adjust(rest.startedAt, costs, changes, now)
  }

  /** Cancels the planned flush, because no task waits. An idle pool must have no timer. */
  cancelPlannedFlush(): void {
    this.nextStart.cancel()
  }

  private costsOf({ extra }: Entry, rate: RateGate): Costs {
    return extra?.options.costs ?? rate.defaultCosts
  }
}
