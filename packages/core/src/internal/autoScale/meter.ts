/**
 * Measures an auto-scale pool, window by window.
 *
 * The machine reports arrivals, dispatches, exits, size changes and the ends of flushes. Each report is O(1), allocates
 * nothing and reads the clock at most once. Reading the clock is the largest cost, so when thousands of tasks arrive in
 * a window, only a sample is timed: 256 tasks of each further doubling, weighted by the number of tasks they represent.
 * A fixed pool has no meter and pays one comparison per report.
 *
 * A window ends in the step in which its conditions hold, so each task counts in exactly one window. The next window
 * begins at once, and the sizing loop is woken. A window that ends by overload holds dispatch until the loop has
 * decided: otherwise tasks that fail at once would drain the queue meanwhile.
 */
import type * as Exit from "effect/Exit"
import type { AutoScaleSample, AutoScaleWindow } from "../../AutoScaleModel.ts"
import { oldestWait } from "../inspect/inspect.ts"
import type { Entry, MachineObserver } from "../pool/entry.ts"
import type { Machine } from "../pool/machine.ts"
import { type Classify, classifyDefault, Outcomes } from "../pool/outcome.ts"
import { hasWaited, isOfEpoch, running, timesRun, waiting } from "../timing/marks.ts"
import type { Stopwatch } from "../timing/stopwatch.ts"
import { ticksBetween, ticksPerMilli } from "../timing/ticks.ts"

/** A window with a time limit. */
export interface MeterWindow extends AutoScaleWindow {
  /**
   * Milliseconds after which a window that needs no samples ends. If the window needs samples, the loop decides by
   * demand instead.
   */
  readonly cap: number
}

/**
 * Returns how many tasks one timed task represents, given the number of tasks so far: 1 up to 512, 2 up to 1,024, 4 up
 * to 2,048, and so on.
 */
const sampleWeight = (count: number): number => 1 << Math.max(0, 23 - Math.clz32(count))
const isSampled = (count: number): boolean => (count & (sampleWeight(count) - 1)) === 0

export class Meter implements MachineObserver {
  readonly usesStopwatch = true
  private readonly machine: Machine
  private readonly watch: Stopwatch
  private readonly outcomes: Outcomes
  private readonly classifiesAll: boolean

  /** Wakes the sizing loop after a window has ended. */
  wakeUp: (() => void) | undefined = undefined
  /** The sample of the last window, until the loop takes it. */
  ended: AutoScaleSample | undefined = undefined
  /** The time before which nothing is dispatched, from a server's `Retry-After`. */
  retryAt = 0
  /**
   * Whether to wake the loop at the end of the flush. The loop runs the policy, user code, so it must not run earlier.
   */
  private wakes = false
  /** Whether the loop sleeps without a timer because the pool is idle. */
  private asleep = false
  private sleptAt = 0
  private restCheckScheduled = false
  private detached = false

  /** The workers that running tasks use, without those that are lent. */
  private running: number
  private epoch = 0
  /** The conditions that end this window. It cannot end while they are missing. */
  private window: MeterWindow | undefined = undefined
  /** When the loop next checks the window, if nothing wakes it earlier. */
  private nextCheckAt = Infinity
  private startedAt: number
  /** The time up to which the integrals are summed. */
  private countedUntil: number
  private runningArea = 0
  private saturatedTime = 0
  /** The time in which a hold kept tasks waiting. */
  private heldTime = 0
  /** Whether only the number of workers kept the next task waiting at the end of the last flush. */
  private isSaturated = false
  private maxRunning = 0
  private minWaiting = 0
  private arrivals = 0
  private started = 0
  /** In ticks. */
  private waitSum = 0
  private succeeded = 0
  private failed = 0
  private overloaded = 0
  private overloadedFresh = 0
  /** The sum of the weights of timed successes, and the sum of their squares. */
  private succeededTimed = 0
  private succeededSquares = 0
  private runSum = 0
  private runSquares = 0
  private runMin = Infinity
  private byHand = false
  private byDemand = false
  /** The longest time that rejections in this window asked for, in milliseconds; 0 without any. */
  private retryAsked = 0
  /** The mean run time of the last window with successes, in milliseconds. */
  private lastRunMean = 0
  /** When the window began or a task last ended, and the most tasks that have run at once since the last `takePeak`. */
  private lastProgressAt = 0
  private peak = 0

  constructor(machine: Machine, classify: Classify) {
    this.machine = machine
    this.watch = machine.observers.watch
    this.outcomes = new Outcomes(machine, classify)
    this.classifiesAll = classify !== classifyDefault
    this.running = machine.busy
    this.startedAt = this.countedUntil = this.watch.read()
    this.startWindow()
  }

  /** Reads the monotonic clock, in milliseconds. Called by the loop, so time passes before the machine's next report. */
  now(): number {
    const now = this.watch.read()
    this.watch.stale = true
    return now
  }

  // ---- reports of the machine ------------------------------------------------------------------------------------

  /** Counts a task that joined the queue or the door. A task that is not timed gets the last reading of the clock. */
  arrived(task: Entry): void {
    if (this.asleep) this.awaken()
    if (isSampled(++this.arrivals) || this.machine.queued === 0) this.watch.read()
    task.since = this.watch.tick
    task.mark = waiting(task.mark)
  }

  admitted(task: Entry): void {
    task.since = this.watch.tick
  }

  /** Counts a task that is dispatched. Its fiber starts next. */
  dispatched(task: Entry): void {
    if (this.asleep) this.awaken()
    const timed = isSampled(++this.started)
    if (timed) this.timeStart(task)
    // The task runs until it first suspends, which takes time.
    this.watch.stale = true
    this.noteRunning()
    // A task that finds a free worker never waits, so `arrived` was not called for it.
    if (!hasWaited(task.mark)) this.arrivals++
    task.since = this.watch.tick
    task.mark = running(task.mark, this.epoch, timed)
  }

  private timeStart(task: Entry): void {
    const now = this.watch.stale ? this.watch.read() : this.watch.millis
    if (!hasWaited(task.mark)) return this.count(now, this.running)
    this.waitSum += sampleWeight(this.started) * ticksBetween(task.since, this.watch.tick)
    // The task takes over a worker that was free only for a moment. If the worker's last task ended untimed, `running`
    // was one too low since then.
    this.count(now, this.running + 1)
  }

  private noteRunning(): void {
    this.running = this.machine.busy
    if (this.running > this.maxRunning) this.maxRunning = this.running
    if (this.running > this.peak) this.peak = this.running
  }

  lent(task: Entry): void {
    this.count(this.watch.read(), this.running)
    this.watch.lent(task)
    this.noteRunning()
  }

  tookBack(task: Entry): void {
    if (this.asleep) this.awaken()
    this.count(this.watch.read(), this.running)
    this.watch.tookBack(task)
    this.noteRunning()
  }

  /** Handles a task that has left its workers, possibly in the step in which it began, or was abandoned. */
  left(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    if (this.needsTime(task, exit)) this.count(this.watch.read(), this.running)
    this.watch.tookBack(task)
    this.running = this.machine.busy
  }

  private needsTime({ mark }: Entry, { _tag }: Exit.Exit<unknown, unknown>): boolean {
    return timesRun(mark) || _tag === "Failure" || this.classifiesAll
  }

  settled(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    if (!this.needsTime(task, exit)) {
      this.succeeded++
      return
    }
    const now = this.watch.millis
    this.lastProgressAt = now
    const outcome = this.outcomes.of(task, exit)
    if (outcome === "success") this.succeed(task)
    else if (outcome === "ignore") this.failed++
    else {
      this.overloaded++
      if (isOfEpoch(task.mark, this.epoch)) this.overloadedFresh++
      if (outcome !== "overload") this.retryAfter(now, outcome)
    }
    this.endIfDue(now)
  }

  holdChanges(): void {
    this.count(this.watch.read(), this.running)
  }

  /** Notes a new size. A smaller one begins a new epoch. */
  resized(from: number, to: number): void {
    if (this.asleep) this.awaken()
    this.count(this.watch.read(), this.running, from)
    if (to < from) this.epoch++
  }

  /** Notes that the user changed the size. The next sample reports it to the policy. */
  resizedByHand(): void {
    this.byHand = true
  }

  /** Notes that the loop changed the size by demand, without the policy. The next sample reports it to the policy. */
  resizedByDemand(): void {
    this.byDemand = true
  }

  /** Handles the end of a flush. Tasks still queued now wait for a worker, not for the rest of this step. */
  flushEnded(): void {
    this.watch.stale = true
    this.isSaturated = this.machine.isSelective ? this.machine.isSaturated : this.running >= this.machine.target
    const { wanting } = this
    if (wanting < this.minWaiting) this.minWaiting = wanting
    if (this.machine.isAtRest && !this.asleep && !this.restCheckScheduled) this.checkRestLater()
    if (!this.wakes) return
    this.wakes = false
    this.wakeUp?.()
  }

  /** Wakes the loop if the pool is still idle after a turn of the event loop, so that the loop can drop its timer. */
  private checkRestLater(): void {
    this.restCheckScheduled = true
    this.machine.userCode.later(() => {
      this.restCheckScheduled = false
      if (!this.asleep && this.machine.isAtRest) this.wakeUp?.()
    })
  }

  private awaken(): void {
    this.asleep = false
    this.wakes = true
    const now = this.watch.read()
    // The demand is new, so none of it is overdue.
    this.lastProgressAt = now
    this.peak = this.running
    // Measurements from before a long silence say little about what follows it.
    if (this.window === undefined || now - this.sleptAt >= this.window.cap) this.reset(now)
  }

  // ---- calls of the sizing loop ----------------------------------------------------------------------------------

  /** Disconnects from the sizing loop, which has ended, possibly during a call of `classify`. */
  detach(): void {
    this.detached = true
    this.wakeUp = undefined
  }

  /** Starts a window without conditions. `arm` sets them. */
  startWindow(): void {
    this.ended = this.window = undefined
    this.reset(this.now())
  }

  /** Restarts the current window with the same conditions. */
  restartWindow(): void {
    this.reset(this.now())
  }

  /** Sets the conditions of the current window, and ends the window if it already meets them. */
  arm(window: MeterWindow): void {
    this.window = window
    this.endIfDue(this.now())
  }

  /** Ends the window if its conditions hold now. */
  checkNow(): void {
    if (this.window !== undefined) this.endIfDue(this.now())
  }

  /** Whether the pool is idle, and the window cannot end before another task comes. */
  get needsTask(): boolean {
    const { window } = this
    if (window === undefined || !this.machine.isAtRest || this.retryAsked > 0) return false
    return this.succeeded + this.failed + this.overloaded < Math.min(10, window.minSamples)
  }

  /** Notes that the loop sleeps without a timer. The next task wakes it. */
  sleep(): void {
    this.asleep = true
    this.sleptAt = this.now()
  }

  /** Returns the milliseconds until the passing of time alone may end the window or make it overdue. */
  millisUntilCheck(): number {
    const { window } = this
    if (window === undefined) return Infinity
    const now = this.now()
    let next = Math.max(0, this.lastProgressAt + this.capOf(window) - now)
    const run = window.runFactor * this.runMean
    for (const threshold of [window.interval, run, 0.75 * run, window.maxInterval]) {
      const left = this.startedAt + threshold - now
      if (left > 0) next = Math.min(next, left)
    }
    this.nextCheckAt = now + next
    return next
  }

  /**
   * Returns how long no task may end before the loop decides by demand. When tasks take a minute, a window without an
   * exit is normal.
   */
  private capOf(window: MeterWindow): number {
    return Math.max(window.cap, 3 * this.lastRunMean)
  }

  /** Returns whether no task has ended for so long that the loop decides by demand. If so, restarts the time. */
  isOverdue(): boolean {
    if (this.window === undefined || this.watch.millis - this.lastProgressAt < this.capOf(this.window)) return false
    this.lastProgressAt = this.watch.millis
    return true
  }

  /** Returns the most tasks that ran at once since the last call. */
  takePeak(): number {
    const { peak } = this
    this.peak = this.running
    return peak
  }

  /** Tasks that more workers would help. A hold, the rate or a key's limit keeps the others waiting. */
  get wanting(): number {
    const { machine } = this
    return this.isHeld || (machine.isSelective && !machine.isSaturated) ? 0 : machine.queued
  }

  /** Whether a hold keeps tasks waiting, other than by the loop, or by a rejection that ends the window in this step. */
  get isHeld(): boolean {
    const { holds } = this.machine
    return holds.has("User") || (holds.has("RetryAfter") && this.retryAsked === 0)
  }

  get resizedSince(): boolean {
    return this.byHand
  }

  // ---- counting --------------------------------------------------------------------------------------------------

  // The sums are of integers, so they are exact below 2 ** 53.
  private succeed({ mark, since }: Entry): void {
    this.succeeded++
    if (!timesRun(mark)) return
    const run = ticksBetween(since, this.watch.tick)
    const weight = sampleWeight(this.started)
    this.succeededTimed += weight
    this.succeededSquares += weight * weight
    this.runSum += weight * run
    this.runSquares += weight * run * run
    if (run < this.runMin) this.runMin = run
  }

  /** The mean run time of this window's successes, in milliseconds; 0 without any. */
  private get runMean(): number {
    return this.succeededTimed === 0 ? 0 : this.runSum / this.succeededTimed / ticksPerMilli
  }

  private get runVariance(): number {
    const { runSquares, runSum, succeededTimed: count } = this
    if (count < 2) return 0
    return Math.max(0, runSquares - (runSum * runSum) / count) / (count - 1) / ticksPerMilli ** 2
  }

  /** Holds dispatch at once: the server asked for no requests for `millis`, and no other task may start in between. */
  private retryAfter(now: number, millis: number): void {
    if (!(millis > 0) || this.detached) return
    this.retryAt = Math.max(this.retryAt, now + millis)
    this.retryAsked = Math.max(this.retryAsked, millis)
    this.machine.holds.beginFor(millis)
  }

  /** Advances the integrals to `now`. */
  private count(now: number, running: number, size = this.machine.target): void {
    const passed = now - this.countedUntil
    if (passed <= 0) return
    this.countedUntil = now
    this.runningArea += running * passed
    if (this.isHeld) this.heldTime += passed
    else if (this.machine.isSelective ? this.isSaturated : running >= size) this.saturatedTime += passed
  }

  private endIfDue(now: number): void {
    const { window } = this
    if (window === undefined || this.detached) return
    if (this.retryAsked > 0 || this.overloadedFresh >= window.overloads) {
      this.machine.holds.begin("Overload")
      return this.end(now, "overload")
    }
    const elapsed = now - this.startedAt
    if (elapsed < window.interval) return
    const settled = this.succeeded + this.failed + this.overloaded
    const late = elapsed >= window.maxInterval
    const enough = late ? Math.min(10, window.minSamples) : window.minSamples
    const ends = elapsed >= (late ? 0.75 : 1) * window.runFactor * this.runMean && settled >= enough
    if (ends || (elapsed >= window.cap && window.minSamples === 0)) return this.endElapsed(now)
    // The first successes determine when the window may end. The loop may have gone to sleep for longer than that.
    const earliest = this.startedAt + window.runFactor * this.runMean
    if (earliest > now && earliest < this.nextCheckAt - 1 && settled >= window.minSamples) this.wakes = true
  }

  /** Ends the window, or begins it again if dispatch was held for most of its time: then it says nothing of the size. */
  private endElapsed(now: number): void {
    this.count(now, this.running)
    if (2 * this.heldTime > now - this.startedAt) this.reset(now)
    else this.end(now, "elapsed")
  }

  private end(now: number, reason: AutoScaleSample["reason"]): void {
    this.count(now, this.running)
    if (this.succeededTimed > 0) this.lastRunMean = this.runMean
    this.ended = this.sample(now, reason)
    this.window = undefined
    this.byHand = this.byDemand = false
    this.reset(now)
    this.wakes = true
  }

  private sample(now: number, reason: AutoScaleSample["reason"]): AutoScaleSample {
    const duration = now - this.startedAt
    const queued = this.wanting
    return {
      duration,
      reason,
      size: this.machine.target,
      resized: this.byHand || this.byDemand,
      inflight: this.running,
      maxInflight: this.maxRunning,
      avgInflight: duration > 0 ? this.runningArea / duration : this.running,
      saturated: duration > 0 ? this.saturatedTime / duration : this.running >= this.machine.target ? 1 : 0,
      queued,
      queuedMin: Math.min(this.minWaiting, queued),
      oldestWait: oldestWait(this.machine, this.machine.ages.now()),
      waitMean: this.started === 0 ? 0 : this.waitSum / this.started / ticksPerMilli,
      arrivals: this.arrivals,
      started: this.started,
      succeeded: this.succeeded,
      failed: this.failed,
      overloaded: this.overloaded,
      overloadedFresh: this.overloadedFresh,
      runMean: this.runMean,
      runVariance: this.runVariance,
      runMin: this.succeededTimed === 0 ? 0 : this.runMin / ticksPerMilli,
      timed: this.succeededTimed === 0 ? 0 : this.succeededTimed ** 2 / this.succeededSquares,
      ...(this.byDemand && !this.byHand ? { byDemand: true } : undefined),
      ...(this.retryAsked > 0 ? { retryAfter: this.retryAsked } : undefined)
    }
  }

  private reset(now: number): void {
    this.startedAt = this.countedUntil = this.lastProgressAt = now
    this.maxRunning = this.peak = this.running
    this.minWaiting = this.wanting
    this.runningArea = this.saturatedTime = this.heldTime = 0
    this.arrivals = this.started = this.waitSum = 0
    this.succeeded = this.failed = this.overloaded = this.overloadedFresh = 0
    this.succeededTimed = this.succeededSquares = 0
    this.runSum = this.runSquares = 0
    this.runMin = Infinity
    this.retryAsked = 0
  }
}
