/** What is in progress, and how it is shown: as lines that are redrawn on a terminal, as plain lines otherwise. */
import type { ItemCounter, PoolStats } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import type { Exit } from "effect/Exit"
import { layout, type Paint, painter, plain, type Reading, type Summary, summaryLine } from "./lines.ts"
import { Pace } from "./pace.ts"
import { canRedraw, type Output, Quiet, Screen } from "./screen.ts"
import { clean, duration, truncate } from "./text.ts"

/** A pool and its statistics, as the display reads them. */
export interface PoolSample {
  /** The same object for each sample of a pool. Names may be used again. */
  readonly key: object
  readonly id: string
  readonly stats: PoolStats
  /** Whether this is the last sample of a pool that has closed. */
  readonly isLast: boolean
}

/** A piece of work that `track` shows. It counts the items of the operations within. */
export class Work implements ItemCounter {
  readonly label: string
  readonly startedAt: number
  readonly pace: Pace
  private readonly givenTotal: number | undefined
  private readonly onEnded: (work: Work) => void
  /** The items of all operations so far; `undefined` if one did not know its own. */
  private foundTotal: number | undefined = 0
  done = 0
  failed = 0
  /** The quarters of which there is a line. */
  quarter = 0

  constructor(label: string, total: number | undefined, now: number, onEnded: (work: Work) => void) {
    this.label = label
    this.givenTotal = total
    this.onEnded = onEnded
    this.startedAt = now
    this.pace = new Pace(now, 0)
  }

  readonly begin = (total: number | undefined): void => {
    this.foundTotal = total === undefined || this.foundTotal === undefined ? undefined : this.foundTotal + total
  }

  readonly ended = (exit: Exit<unknown, unknown>): void => {
    // An interrupted item was not done.
    if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) return
    this.done++
    if (exit._tag === "Failure") this.failed++
    this.onEnded(this)
  }

  get total(): number | undefined {
    return this.givenTotal ?? (this.foundTotal === 0 ? undefined : this.foundTotal)
  }

  get reading(): Reading {
    const { done, failed, label, pace, total } = this
    return { label, done, total, failed, perSecond: pace.perSecond }
  }

  summary(exit: Exit<unknown, unknown>, now: number): Summary {
    const { done, failed, label, total } = this
    const isGood = exit._tag === "Success"
    const took = duration(now - this.startedAt)
    const count = total === undefined ? `${done}` : `${done} of ${total}`
    if (isGood) return { label, isGood, failed, text: `${done === 0 && total !== 0 ? "done" : count} in ${took}` }
    const how = Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "stopped"
    return {
      label,
      isGood,
      failed,
      text: `${how} ${done === 0 && total === undefined ? "" : `at ${count} `}after ${took}`
    }
  }
}

const outcomes = ["succeeded", "interrupted", "cancelled", "rejected", "failed"] as const
type Counts = Pick<PoolStats, (typeof outcomes)[number]>

const none: Counts = { succeeded: 0, interrupted: 0, cancelled: 0, rejected: 0, failed: 0 }

const ended = ({ cancelled, failed, interrupted, succeeded }: Counts): number =>
  succeeded + failed + interrupted + cancelled

const isBusy = (stats: PoolStats): boolean => stats.atDoor > 0 || stats.submitted > ended(stats)

// The line of a pool that is idle for a moment would flicker.
const linger = 1000

/** A pool, as one line while it works. */
class PoolLine {
  private readonly label: string
  private readonly startedAt: number
  /** The counts before the display began. */
  private readonly first: Counts
  /** The counts before the pool was busy without a break. */
  private base: Counts
  private pace: Pace
  private stats: PoolStats
  private busyAt: number
  /** Whether tracked work was shown beside it, whose last line says what was done. */
  isTracked = false
  quarter = 0

  constructor({ id, stats }: PoolSample, first: Counts, base: Counts, now: number) {
    this.label = clean(id)
    this.first = first
    this.base = base
    this.stats = stats
    this.startedAt = this.busyAt = now
    this.pace = new Pace(now, ended(base))
  }

  add(stats: PoolStats, now: number): void {
    const works = isBusy(stats) || ended(stats) > ended(this.stats)
    if (works && !this.isShown(now)) {
      this.base = this.stats
      this.pace = new Pace(now, ended(this.stats))
    }
    if (works) this.busyAt = now
    this.stats = stats
    this.pace.add(now, ended(stats))
  }

  isShown(now: number): boolean {
    return now - this.busyAt < linger
  }

  get done(): number {
    return ended(this.stats) - ended(this.base)
  }

  get total(): number {
    return this.stats.submitted - ended(this.base)
  }

  get reading(): Reading {
    const { delayed, failed, running, size, waiting } = this.stats
    return {
      label: this.label,
      done: this.done,
      total: this.total,
      failed: failed - this.base.failed,
      perSecond: this.pace.perSecond,
      pool: { running, size, waiting: waiting + delayed }
    }
  }

  get summary(): Summary {
    const grown = outcomes.map((name) => [name, this.stats[name] - this.first[name]] as const)
    const counts = grown.filter(([name, count]) => name === "succeeded" || (name !== "failed" && count > 0))
    const left = this.stats.submitted - ended(this.stats)
    const texts = [...counts.map(([name, count]) => `${count} ${name}`), ...(left > 0 ? [`${left} not ended`] : [])]
    return {
      label: this.label,
      text: `${texts.join(", ")} in ${duration(this.busyAt - this.startedAt)}`,
      failed: this.stats.failed - this.first.failed,
      isGood: texts.length === 1
    }
  }
}

export class Display {
  private readonly quiet: Quiet
  private readonly clock: Clock
  private readonly paint: Paint
  private readonly screen: Screen | undefined
  private readonly works = new Set<Work>()
  private readonly pools = new Map<object, PoolLine>()
  /** What the pools had done before the display began. */
  private readonly before = new WeakMap<object, Counts>()
  /** What the pools that have no line had done when they were last idle. */
  private readonly idle = new WeakMap<object, Counts>()
  private readonly period: number
  private drawnAt = -Infinity
  private isOpen = true

  /**
   * `others` are streams that may show on the same terminal, `period` is the time between two ticks in milliseconds, and
   * `samples` is what the pools have done so far.
   */
  constructor(
    stream: Output,
    others: ReadonlyArray<Output>,
    clock: Clock,
    env: NodeJS.ProcessEnv,
    period: number,
    samples: ReadonlyArray<PoolSample>
  ) {
    this.period = period
    for (const { key, stats } of samples) this.before.set(key, stats)
    this.quiet = new Quiet(stream)
    this.clock = clock
    const isTerminal = canRedraw(stream, env)
    this.screen = isTerminal
      ? new Screen(
          stream,
          others.filter((other) => other.isTTY === true),
          () => this.lines()
        )
      : undefined
    this.paint = painter(isTerminal && stream.hasColors?.() === true)
  }

  private get now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  /** Begins to show a piece of work. */
  begin(label: string, total: number | undefined): Work {
    const work = new Work(clean(label), total, this.now, this.screen === undefined ? this.printQuarter : this.drawLate)
    if (this.isOpen) this.works.add(work)
    return work
  }

  /** Ends a piece of work: its last line stays. */
  end(work: Work, exit: Exit<unknown, unknown>): void {
    if (!this.works.delete(work)) return
    this.print(work.summary(exit, this.now))
    this.screen?.refresh()
  }

  /** Shows what has changed. */
  tick(samples: ReadonlyArray<PoolSample>): void {
    const { now } = this
    for (const work of this.works) work.pace.add(now, work.done)
    this.take(samples, now)
    if (this.screen !== undefined) {
      this.drawnAt = now
      return this.screen.refresh()
    }
    if (this.works.size > 0) return
    for (const pool of this.pools.values()) this.printQuarter(pool)
  }

  /** Removes the lines. What is in progress gets its last line. */
  close(samples: ReadonlyArray<PoolSample>): void {
    this.take(samples, this.now)
    this.isOpen = false
    const pools = [...this.pools.values()]
    this.works.clear()
    this.pools.clear()
    this.screen?.refresh()
    for (const pool of pools) this.printPool(pool)
  }

  private take(samples: ReadonlyArray<PoolSample>, now: number): void {
    for (const sample of samples) {
      const { isLast, key, stats } = sample
      const line = this.pools.get(key)
      if (line !== undefined) line.add(stats, now)
      else if (isBusy(stats)) {
        const first = this.before.get(key) ?? none
        this.pools.set(key, new PoolLine(sample, first, this.idle.get(key) ?? first, now))
      } else this.idle.set(key, stats)
      if (line === undefined || !isLast) continue
      this.pools.delete(key)
      this.printPool(line)
    }
    if (this.works.size > 0) for (const line of this.pools.values()) line.isTracked = true
  }

  private printPool(line: PoolLine): void {
    if (!line.isTracked) this.print(line.summary)
  }

  private lines(): ReadonlyArray<string> {
    if (this.screen === undefined) return []
    const { columns, rows } = this.screen
    const { now } = this
    const pools = [...this.pools.values()].filter((pool) => pool.isShown(now))
    const readings = [...this.works, ...pools].map(({ reading }) => reading)
    if (readings.length <= rows) return layout(readings, columns, this.paint)
    const shown = layout(readings.slice(0, rows - 1), columns, this.paint)
    return [...shown, this.paint("dim", truncate(`and ${readings.length - shown.length} more`, columns))]
  }

  /** Draws if a tick is late, because tasks that block the event loop delay it until they have ended. */
  private readonly drawLate = (work: Work): void => {
    const { now } = this
    if (now - this.drawnAt < 2 * this.period) return
    this.drawnAt = now
    work.pace.add(now, work.done)
    this.screen?.refresh()
  }

  /** Prints a line if a further quarter is done. */
  private readonly printQuarter = (source: Work | PoolLine): void => {
    const { done, total } = source
    if (total === undefined || total <= 0) return
    const quarter = Math.floor((4 * done) / total)
    // The last line is printed at the end.
    if (quarter <= source.quarter || quarter >= 4) return
    source.quarter = quarter
    if (source instanceof Work) source.pace.add(this.now, done)
    this.printLine(plain(source.reading))
  }

  private print(summary: Summary): void {
    this.printLine(summaryLine(summary, this.screen !== undefined, this.paint))
  }

  private printLine(line: string): void {
    if (this.screen !== undefined) this.screen.print(line)
    else this.quiet.write(`${line}\n`)
  }
}
