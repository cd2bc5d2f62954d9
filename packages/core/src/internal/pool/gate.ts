/**
 * What may keep a task waiting beside a free worker: its permits, its key, the rate.
 *
 * A pool without a rate, whose tasks have neither keys nor several permits, is not `selective`, and asks nothing here.
 */
import type { KeyStats } from "../../PoolStats.ts"
import { type Backlog, permitsOf } from "../backlog/backlog.ts"
import { KeyedBacklog } from "../backlog/keyed.ts"
import type { Agenda } from "./agenda.ts"
import type { Entry } from "./entry.ts"
import { TaskExtra } from "./extra.ts"
import { Moment } from "./moment.ts"
import { type CheckedRate, type Costs, RateGate } from "./rate.ts"

export interface GateOptions {
  readonly rates: ReadonlyArray<CheckedRate>
  readonly perKey: number
  readonly makeBacklog: () => Backlog<Entry>
}

export class Gate {
  /** Whether a free worker may not be enough for the next task. */
  selective: boolean
  /** The most permits of a task so far. */
  maxPermits = 1
  private readonly options: GateOptions
  private readonly agenda: Agenda
  private readonly rate: RateGate | undefined
  private keyed: KeyedBacklog<Entry> | undefined = undefined
  /** When the rate allows the next start, while a task waits for it. */
  private readonly nextStart: Moment

  constructor(options: GateOptions, agenda: Agenda, flush: () => void) {
    this.options = options
    this.agenda = agenda
    this.rate = options.rates.length === 0 ? undefined : new RateGate(options.rates)
    this.selective = this.rate !== undefined
    this.nextStart = new Moment(agenda, flush)
  }

  /** Whether the pool never has what an entry takes. A task of one worker is never too large for its size. */
  isTooLarge(entry: Entry, size: number): boolean {
    const permits = permitsOf(entry)
    if (permits > 1 && permits > size) return true
    if (entry.extra?.key !== undefined && permits > this.options.perKey) return true
    return this.rate !== undefined && this.rate.isTooLarge(this.costsOf(entry, this.rate))
  }

  /** Prepares for an entry that will be admitted, and returns the backlog for it: with the first key, a keyed one. */
  prepare({ extra }: Entry, backlog: Backlog<Entry>): Backlog<Entry> {
    if (extra === undefined) return backlog
    if (extra.permits > 1) {
      this.selective = true
      this.maxPermits = Math.max(this.maxPermits, extra.permits)
    }
    if (extra.key !== undefined && this.keyed === undefined) {
      this.selective = true
      this.keyed = new KeyedBacklog(this.options.makeBacklog, this.options.perKey, backlog)
    }
    return this.keyed ?? backlog
  }

  /** Whether its key and the rate let an entry start now. If only the rate does not, asks for a flush when it does. */
  allows(entry: Entry): boolean {
    if (this.keyed !== undefined && !this.keyed.mayStart(entry)) return false
    const { rate } = this
    if (rate === undefined || rate.isAllowed(this.costsOf(entry, rate))) return true
    const millis = this.untilStart(entry)
    if (millis > 0) this.nextStart.plan(this.agenda.now() + millis)
    return millis <= 0
  }

  /** Whether a free worker is enough for a task that the backlog counts as ready. */
  get letsReadyStart(): boolean {
    return this.rate === undefined && this.maxPermits === 1
  }

  /** Milliseconds until the rate allows an entry to start, or a task of the default cost. */
  untilStart(entry: Entry | undefined): number {
    const { rate } = this
    if (rate === undefined) return 0
    return rate.untilStart(entry === undefined ? rate.defaultCosts : this.costsOf(entry, rate), this.agenda.now())
  }

  started(entry: Entry): void {
    this.keyed?.started(entry)
    const { rate } = this
    if (rate === undefined) return
    // A correction of its cost finds the entry there.
    entry.extra ??= new TaskExtra()
    entry.extra.start = rate.start(this.costsOf(entry, rate), this.agenda.now())
  }

  ended(entry: Entry, lent: boolean): void {
    this.keyed?.ended(entry, lent)
  }

  lent(entry: Entry): void {
    this.keyed?.lent(entry)
  }

  tookBack(entry: Entry): void {
    this.keyed?.tookBack(entry)
  }

  /** Corrects what the last start of an entry has cost. */
  adjust({ extra }: Entry, changes: Costs): void {
    if (extra?.start !== undefined) this.rate!.adjust(extra.start, changes, this.agenda.now())
  }

  /** No task waits: a pool at rest has no timer. */
  rest(): void {
    this.nextStart.cancel()
  }

  statsOf(key: string | number): KeyStats {
    return this.keyed?.statsOf(key) ?? { waiting: 0, running: 0 }
  }

  private costsOf({ extra }: Entry, rate: RateGate): Costs {
    return extra?.costs ?? rate.defaultCosts
  }
}
