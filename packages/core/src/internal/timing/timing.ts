/**
 * Measures how long the tasks of a pool wait and run.
 *
 * The machine reports to one observer: while the pool measures, to the timing. Few pools have an observer of their own.
 * A pool that has one reports to a `Shared` observer, so other pools do not pay for passing reports on.
 *
 * Reading the clock for every task would make small tasks a fifth slower. So in each second all of the first 2,048 tasks
 * are timed, and then 1,024 of each further doubling, weighted by the number of tasks they represent. A task is chosen
 * when it is admitted, and timed until its end. With a quarter of that, a percentile is off by a bucket too often. On
 * another clock than the platform's, such as the test clock, every task is timed.
 */
import type { Entry, TaskObserver } from "../pool/entry.ts"
import type { Exit } from "effect/Exit"
import { Histogram } from "./histogram.ts"
import { sampleOf, withSample } from "./marks.ts"
import type { Stopwatch } from "./stopwatch.ts"
import { ticksBetween, ticksPerMilli } from "./ticks.ts"

const second = 1000 // ms

/** The number of tasks in a second that are all timed. */
const allTimed = 2048

/** Returns how many tasks the next timed task represents: 1 up to 2,048 tasks, 2 up to 4,096, 4 up to 8,192, and so on. */
const weightAfter = (count: number): number => (count < allTimed ? 1 : 1 << (21 - Math.clz32(count)))

/** Calls `f` after a time, and returns the function that cancels the call. */
export type CallAfter = (millis: number, f: () => void) => () => void

export class Timing implements TaskObserver {
  readonly queue = new Histogram()
  readonly run = new Histogram()
  private readonly watch: Stopwatch
  /** Whether the pool's own observer has read the clock in the present report. */
  private isRead = false
  /** When the present second began, in ticks, and the number of tasks in it, up to the last timed one. */
  private secondAt = 0
  private count = 0
  /** How many tasks the next timed task represents, and how many of them have not come yet. */
  private weight = 1
  private toCome = 1
  /** The timer of the platform; `undefined` if every task is timed. */
  private readonly callAfter: CallAfter | undefined
  /**
   * Cancels the timer that ends a second in which tasks are skipped. Without it, a pool that has become slow would skip
   * tasks for minutes before it reads the clock again.
   */
  private cancelTimer: (() => void) | undefined = undefined

  constructor(watch: Stopwatch, callAfter: CallAfter | undefined) {
    this.watch = watch
    this.callAfter = callAfter
  }

  /** Begins to measure, with the next task. */
  begin(): void {
    this.watch.read()
    this.beginSecond()
  }

  /** Stops measuring. */
  end(): void {
    this.beginSecond()
  }

  /** Returns what the machine reports to. Each report goes to the pool's own observer first, if there is one. */
  alongside(own: TaskObserver | undefined): TaskObserver {
    this.isRead = false
    return own === undefined ? this : new Shared(own, this, this.watch)
  }

  /** Prepares for a report before which there were `readings`: a later reading serves this report too. Returns this. */
  after(readings: number): this {
    this.isRead = this.watch.readings !== readings
    return this
  }

  // ---- reports of the machine ------------------------------------------------------------------------------------
  // Most tasks of a busy pool are not timed, and have no mark. For them, each report is a comparison or two.

  arrived(entry: Entry): void {
    if (entry.state !== "AtDoor") this.admitted(entry)
  }

  admitted(entry: Entry): void {
    const weight = this.nextWeight()
    if (weight === 0 && entry.mark === 0) return
    entry.mark = withSample(entry.mark, weight)
    if (weight === 0) return
    this.read()
    entry.since = this.watch.tick
  }

  dispatched(entry: Entry, queued: boolean): void {
    if (!queued) this.countUnqueued(entry)
    if (entry.mark !== 0) this.timeStart(entry, queued, entry.since)
  }

  /** Counts a task that was not queued. Its time of zero is known without a reading. */
  countUnqueued(entry: Entry): void {
    this.queue.addZero()
    const weight = this.nextWeight()
    if (weight > 0) entry.mark = withSample(entry.mark, weight)
  }

  timeStart(entry: Entry, queued: boolean, queuedAt: number): void {
    const { watch } = this
    const weight = sampleOf(entry.mark)
    if (weight === 0) return
    this.read()
    if (queued) this.queue.add(ticksBetween(queuedAt, watch.tick), weight)
    entry.since = watch.tick
  }

  lent(entry: Entry): void {
    if (sampleOf(entry.mark) === 0) return
    this.read()
    this.watch.lent(entry)
  }

  tookBack(entry: Entry): void {
    if (sampleOf(entry.mark) === 0) return
    this.read()
    this.watch.tookBack(entry)
  }

  left(entry: Entry): void {
    if (entry.mark !== 0) this.timeEnd(entry)
  }

  private timeEnd(entry: Entry): void {
    const { watch } = this
    const weight = sampleOf(entry.mark)
    if (weight === 0) return
    this.read()
    watch.tookBack(entry)
    this.run.add(ticksBetween(entry.since, watch.tick), weight)
    entry.mark = withSample(entry.mark, 0)
  }

  // ---- seconds ---------------------------------------------------------------------------------------------------

  /** Counts a task, and returns how many tasks it represents; 0 if it is not timed. */
  private nextWeight(): number {
    return --this.toCome > 0 ? 0 : this.timedWeight()
  }

  private timedWeight(): number {
    const { callAfter, weight } = this
    this.count += weight
    this.weight = this.toCome = callAfter === undefined ? 1 : weightAfter(this.count)
    if (this.weight > 1 && this.cancelTimer === undefined) this.cancelTimer = callAfter!(second, this.onTimer)
    return weight
  }

  private readonly onTimer = (): void => {
    this.watch.read()
    this.beginSecond()
  }

  private read(): void {
    const { watch } = this
    if (!this.isRead) watch.read()
    const passed = ticksBetween(this.secondAt, watch.tick)
    if (passed >= second * ticksPerMilli || passed < 0) this.beginSecond()
  }

  private beginSecond(): void {
    this.cancelTimer?.()
    this.cancelTimer = undefined
    this.secondAt = this.watch.tick
    this.count = 0
    this.weight = this.toCome = 1
  }
}

/** Reports to a pool's own observer, and then to the timing, which shares its readings of the clock. */
class Shared implements TaskObserver {
  private readonly own: TaskObserver
  private readonly timing: Timing
  private readonly watch: Stopwatch

  constructor(own: TaskObserver, timing: Timing, watch: Stopwatch) {
    this.own = own
    this.timing = timing
    this.watch = watch
  }

  arrived(entry: Entry): void {
    const { readings } = this.watch
    this.own.arrived(entry)
    this.timing.after(readings).arrived(entry)
  }

  admitted(entry: Entry): void {
    const { readings } = this.watch
    this.own.admitted(entry)
    this.timing.after(readings).admitted(entry)
  }

  dispatched(entry: Entry, queued: boolean): void {
    const { readings } = this.watch
    // The pool's own observer sets the time of the dispatch.
    const { since } = entry
    this.own.dispatched(entry, queued)
    const timing = this.timing.after(readings)
    if (!queued) timing.countUnqueued(entry)
    timing.timeStart(entry, queued, since)
  }

  lent(entry: Entry): void {
    const { readings } = this.watch
    this.own.lent(entry)
    this.timing.after(readings).lent(entry)
  }

  tookBack(entry: Entry): void {
    const { readings } = this.watch
    this.own.tookBack(entry)
    this.timing.after(readings).tookBack(entry)
  }

  left(entry: Entry, exit: Exit<unknown, unknown>): void {
    const { readings } = this.watch
    this.own.left(entry, exit)
    this.timing.after(readings).left(entry)
  }
}
