/**
 * Measures how long the tasks of a pool wait and run.
 *
 * The machine reports to one observer. A pool that measures reports to this one, which passes each report on to the
 * pool's own observer, if it has one, and shares its readings of the clock.
 *
 * Reading the clock for every task would make small tasks a fifth slower. So in each second all of the first 2,048 tasks
 * are timed, and then 1,024 of each further doubling, weighted by the number of tasks they represent. A task is chosen
 * when it is admitted, and timed until its end. With a quarter of that, a percentile is off by a bucket too often.
 */
import { Alarm } from "../pool/alarm.ts"
import type { Entry, MachineObserver } from "../pool/entry.ts"
import type { Agenda } from "../pool/agenda.ts"
import type { Exit } from "effect/Exit"
import { Histogram } from "./histogram.ts"
import type { Stopwatch } from "./stopwatch.ts"
import { ticksBetween, ticksPerMilli } from "./ticks.ts"

const second = 1000 // ms

/** The number of tasks in a second that are all timed. */
const allTimed = 2048

/** Returns how many tasks one timed task represents: 2 up to 4,096 tasks, 4 up to 8,192, and so on. */
const sampleWeight = (count: number): number => 1 << (21 - Math.clz32(count))

/** The machine, as its timing sees it. */
export interface Measured {
  readonly agenda: Agenda
  readonly isAtRest: boolean
  later(f: () => void): void
}

export class Timing implements MachineObserver {
  readonly queue = new Histogram()
  readonly run = new Histogram()
  /** The pool's own observer. */
  inner: MachineObserver | undefined = undefined
  private readonly machine: Measured
  private readonly watch: Stopwatch
  /** When the pool began to measure, in ticks. Older times say nothing. */
  private startedAt = 0
  /** When the present second began, in ticks, and the number of tasks in it. */
  private secondAt = 0
  private count = 0
  /**
   * Ends a second in which tasks are skipped. Otherwise a pool that has become slow would skip tasks for minutes before
   * it reads the clock again.
   */
  private readonly secondEnd: Alarm
  private restCheckScheduled = false
  /** Whether the second may have ended without the alarm, because the pool was idle. */
  private resting = false

  constructor(machine: Measured, watch: Stopwatch) {
    this.machine = machine
    this.watch = watch
    this.secondEnd = new Alarm(machine.agenda, () => {
      watch.read()
      this.beginSecond()
    })
  }

  /** Begins to measure, with the next task. */
  begin(): void {
    this.watch.read()
    this.startedAt = this.watch.tick
    this.beginSecond()
  }

  /** Stops measuring. */
  end(): void {
    this.secondEnd.cancel()
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
    // Time may have passed since the last reading, in the submitter's step.
    if (weight > 0) this.read(readings)
    entry.sample = weight
    entry.since = this.watch.tick
  }

  dispatched(entry: Entry, queued: boolean): void {
    const { watch } = this
    const { readings, stale } = watch
    this.inner?.dispatched(entry, queued)
    if (!queued) entry.sample = this.nextWeight()
    const weight = entry.sample
    if (weight > 0 && stale) this.read(readings)
    // Known without a reading.
    if (!queued) this.queue.addZero()
    else if (weight > 0 && this.hasMeasured(entry.since)) this.queue.add(ticksBetween(entry.since, watch.tick), weight)
    entry.since = watch.tick
    // The task runs until it first suspends, which takes time.
    watch.stale = true
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
    const { watch } = this
    const { readings } = watch
    this.inner?.left(entry, exit)
    if (entry.sample > 0) this.read(readings)
    watch.tookBack(entry)
    if (entry.sample === 0) return
    if (this.hasMeasured(entry.since)) this.run.add(ticksBetween(entry.since, watch.tick), entry.sample)
    entry.sample = 0
  }

  settled(entry: Entry, exit: Exit<unknown, unknown>): void {
    this.inner?.settled(entry, exit)
  }

  resized(from: number, to: number): void {
    this.inner?.resized(from, to)
  }

  resizedByHand(): void {
    this.inner?.resizedByHand()
  }

  flushEnded(): void {
    this.watch.stale = true
    this.inner?.flushEnded()
    if (this.secondEnd.isPlanned && !this.restCheckScheduled && this.machine.isAtRest) this.checkRestLater()
  }

  // ---- seconds ---------------------------------------------------------------------------------------------------

  /** Counts a task, and returns how many tasks it represents; 0 if it is not timed. */
  private nextWeight(): number {
    if (this.resting) this.wake()
    const count = ++this.count
    if (count <= allTimed) return 1
    const weight = sampleWeight(count)
    if ((count & (weight - 1)) !== 0) return 0
    if (!this.secondEnd.isPlanned) this.secondEnd.plan(this.watch.read() + second)
    return weight
  }

  /** Reads the clock, unless it was read since there were `readings`. */
  private read(readings: number): void {
    const { watch } = this
    if (watch.readings === readings) watch.read()
    const passed = ticksBetween(this.secondAt, watch.tick)
    if (passed >= second * ticksPerMilli || passed < 0) this.beginSecond()
  }

  private beginSecond(): void {
    this.secondEnd.cancel()
    this.secondAt = this.watch.tick
    this.count = 0
  }

  /** Cancels the alarm if the pool is still idle after a turn of the event loop: an idle pool must have no timer. */
  private checkRestLater(): void {
    this.restCheckScheduled = true
    this.machine.later(() => {
      this.restCheckScheduled = false
      if (!this.machine.isAtRest) return
      this.secondEnd.cancel()
      this.resting = true
    })
  }

  private wake(): void {
    this.resting = false
    this.read(this.watch.readings)
  }

  private hasMeasured(tick: number): boolean {
    return ticksBetween(this.startedAt, tick) >= 0
  }
}
