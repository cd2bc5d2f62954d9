/**
 * Measures how long the tasks of a pool wait and run.
 *
 * The machine reports to one observer. A pool that measures reports to this one, which passes each report on to the
 * pool's own observer, if it has one, and shares its readings of the clock.
 *
 * Reading the clock for every task would make small tasks a fifth slower. So in each second all of the first 2,048 tasks
 * are timed, and then 1,024 of each further doubling, weighted by the number of tasks they represent. A task is chosen
 * when it is admitted, and timed until its end. With a quarter of that, a percentile is off by a bucket too often. On
 * another clock than the platform's, such as the test clock, every task is timed.
 */
import type { Entry, MachineObserver } from "../pool/entry.ts"
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

export class Timing implements MachineObserver {
  readonly queue = new Histogram()
  readonly run = new Histogram()
  /** The pool's own observer. */
  inner: MachineObserver | undefined = undefined
  private readonly watch: Stopwatch
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
    this.watch.forgetLoans()
  }

  // ---- reports of the machine ------------------------------------------------------------------------------------

  arrived(entry: Entry): void {
    const { readings } = this.watch
    this.inner?.arrived(entry)
    if (entry.state !== "AtDoor") this.admit(entry, readings)
  }

  admitted(entry: Entry): void {
    const { readings } = this.watch
    this.inner?.admitted(entry)
    this.admit(entry, readings)
  }

  private admit(entry: Entry, readings: number): void {
    const weight = this.nextWeight()
    // Most tasks of a busy pool are not timed, and have no mark.
    if (weight === 0 && entry.mark === 0) return
    entry.mark = withSample(entry.mark, weight)
    if (weight === 0) return
    this.read(readings)
    entry.since = this.watch.tick
  }

  dispatched(entry: Entry, queued: boolean): void {
    const { readings } = this.watch
    // The pool's own observer sets the time of the dispatch.
    const { since } = entry
    this.inner?.dispatched(entry, queued)
    if (!queued) {
      // A time of zero is known without a reading.
      this.queue.addZero()
      const weight = this.nextWeight()
      if (weight > 0) entry.mark = withSample(entry.mark, weight)
    }
    if (sampleOf(entry.mark) > 0) this.timeStart(entry, queued ? since : undefined, readings)
  }

  private timeStart(entry: Entry, queuedAt: number | undefined, readings: number): void {
    const { watch } = this
    this.read(readings)
    if (queuedAt !== undefined) this.queue.add(ticksBetween(queuedAt, watch.tick), sampleOf(entry.mark))
    entry.since = watch.tick
  }

  lent(entry: Entry): void {
    const { readings } = this.watch
    this.inner?.lent(entry)
    this.read(readings)
    this.watch.lent(entry)
  }

  tookBack(entry: Entry): void {
    const { readings } = this.watch
    this.inner?.tookBack(entry)
    this.read(readings)
    this.watch.tookBack(entry)
  }

  left(entry: Entry, exit: Exit<unknown, unknown>): void {
    const { readings } = this.watch
    this.inner?.left(entry, exit)
    if (sampleOf(entry.mark) > 0) this.timeEnd(entry, readings)
    else this.watch.tookBack(entry)
  }

  private timeEnd(entry: Entry, readings: number): void {
    const { watch } = this
    this.read(readings)
    watch.tookBack(entry)
    this.run.add(ticksBetween(entry.since, watch.tick), sampleOf(entry.mark))
    entry.mark = withSample(entry.mark, 0)
  }

  /** The machine calls the pool's own observer, which is the only one that needs to know. */
  settled(): void {}

  resized(from: number, to: number): void {
    this.inner?.resized(from, to)
  }

  resizedByHand(): void {
    this.inner?.resizedByHand()
  }

  flushEnded(): void {
    this.inner?.flushEnded()
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

  /** Reads the clock, unless it was read since there were `readings`. */
  private read(readings: number): void {
    const { watch } = this
    if (watch.readings === readings) watch.read()
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
