/**
 * What an auto-scale pool measures of itself, window by window.
 *
 * The machine calls in here when a task comes, leaves, is dispatched or ends, when the size changes and when a turn ends:
 * each costs O(1), allocates nothing, and looks at the clock at most once, which is what it costs most. So where thousands
 * come within a window, not all are timed: of each further doubling of their number 256, which then stand for the others
 * too. A fixed pool has no meter and pays one comparison per call.
 *
 * A window ends in the step in which its conditions hold, so that no task counts in two or in none. The sizing loop is
 * woken, and meanwhile the next window has begun. A window that ends by overload holds dispatch until the loop has
 * answered: tasks that fail at once would otherwise burn the queue in the meantime.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { AutoScaleSample, AutoScaleWindow } from "../../AutoScaleModel.ts"
import type { TaskOutcome } from "../../TaskPool.ts"
import type { Machine } from "../pool/machine.ts"
import { describe } from "../pool/task.ts"
import type { Entry, MachineObserver } from "../pool/entry.ts"

/**
 * Times of tasks are whole sixteenths of a millisecond: small integers, which cost no allocation. They wrap around after
 * 74 hours, and their differences with them.
 */
const ticksPerMilli = 16
const ticks = (millis: number): number => (ticksPerMilli * millis) | 0
const between = (from: number, to: number): number => (to - from) | 0

const isOverload = (outcome: unknown): outcome is { readonly overload: true; readonly retryAfter: Duration.Input } =>
  typeof outcome === "object" && outcome !== null && (outcome as { overload?: unknown }).overload === true

const millisOf = (input: Duration.Input): number => {
  const duration = Duration.fromInput(input)
  return Option.isSome(duration) ? Duration.toMillis(duration.value) : 0
}

/** A failure that is a timeout is a sign of overload; other failures and interruptions say nothing of the server. */
export const classifyDefault = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
  if (exit._tag === "Success") return "success"
  for (const reason of exit.cause.reasons) {
    const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
    if (Cause.isTimeoutError(error)) return "overload"
  }
  return "ignore"
}

/** `cap` milliseconds after a window's begin it ends, if it needs no samples; else its pool decides by itself. */
export interface MeterWindow extends AutoScaleWindow {
  readonly cap: number
}

/** For how many tasks one stands that is timed, when so many have come in the window: 1 to 512, 2 to 1024, 4 to 2048 ... */
const standsFor = (count: number): number => 1 << Math.max(0, 23 - Math.clz32(count))
const isTimed = (count: number): boolean => (count & (standsFor(count) - 1)) === 0

/** Instead of the moment of its dispatch, for a task that is not timed: a moment that comes once in 74 hours. */
const untimed = -(2 ** 31)

export class Meter implements MachineObserver {
  private readonly machine: Machine
  private readonly clock: Clock.Clock
  private readonly classify: (exit: Exit.Exit<unknown, unknown>) => TaskOutcome

  /** Wakes the sizing loop: a window has ended. */
  wakeUp: (() => void) | undefined = undefined
  /** The window that has ended and was not looked at yet. */
  ended: AutoScaleSample | undefined = undefined
  /** Dispatch nothing before this moment: a server's `Retry-After`. */
  retryAt = 0
  /** Whether a bad answer of `classify` was logged: one line says it all. */
  private logged = false
  /** Whether the sizing loop must be woken at the end of the flush: it runs the policy, which is user code. */
  private wakes = false
  /** Whether the loop sleeps without a timer, because the pool is at rest. */
  private asleep = false
  private sleptAt = 0
  private restCheckScheduled = false
  private detached = false

  private running: number
  private epoch = 0
  /** The conditions for the end of this window; without them it goes on. */
  private window: MeterWindow | undefined = undefined
  /** When the sizing loop looks next, if it is not woken before. */
  private nextLook = Infinity
  /** The last look at the clock, and the same in ticks. */
  private time = 0
  private tick = 0
  /** Whether time may have passed since, for who is dispatched. */
  private stale = true

  private begun: number
  /** Up to when the integrals are counted. */
  private counted: number
  private runningArea = 0
  private saturatedTime = 0
  private maxRunning = 0
  private minWaiting = 0
  private arrivals = 0
  private started = 0
  /** In ticks, as the times of tasks. */
  private waitSum = 0
  private succeeded = 0
  private failed = 0
  private overloaded = 0
  private overloadedFresh = 0
  /** For how many tasks those stand whose run time was timed, and the sum of the squares. */
  private succeededTimed = 0
  private succeededSquares = 0
  private runSum = 0
  private runSquares = 0
  private runMin = Infinity
  private byHand = false
  private refused = false
  /** When the pool last asked whether anything would come of the window, and the most that ran since. */
  private askedAt = 0
  private peak = 0

  constructor(
    machine: Machine,
    clock: Clock.Clock,
    classify: (exit: Exit.Exit<unknown, unknown>) => TaskOutcome = classifyDefault
  ) {
    this.machine = machine
    this.clock = clock
    this.classify = classify
    this.running = machine.running
    this.begun = this.counted = this.read()
    this.begin()
  }

  /** Milliseconds of a clock that only goes forward, for the loop: time passes before the machine reports again. */
  now(): number {
    const now = this.read()
    this.stale = true
    return now
  }

  private read(): number {
    this.stale = false
    this.time = Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
    this.tick = ticks(this.time)
    return this.time
  }

  // ---- what the machine tells ------------------------------------------------------------------------------------

  /** A task has come, to the queue or to the door. One that is not timed came when the clock was last looked at. */
  arrived(task: Entry): void {
    if (this.asleep) this.awaken()
    if (isTimed(++this.arrivals) || this.queued === 0) this.read()
    task.since = this.tick
    task.epoch = -1
  }

  /** A worker has taken it; its fiber starts next. */
  dispatched(task: Entry): void {
    if (this.asleep) this.awaken()
    const timed = isTimed(++this.started)
    if (timed) this.timeStart(task)
    // What the task does before it first suspends takes time.
    this.stale = true
    if (++this.running > this.maxRunning) this.maxRunning = this.running
    if (this.running > this.peak) this.peak = this.running
    // Who comes to a free worker has not waited.
    if (task.epoch >= 0) this.arrivals++
    task.since = timed ? this.tick : untimed
    task.epoch = this.epoch
  }

  private timeStart(task: Entry): void {
    const now = this.stale ? this.read() : this.time
    if (task.epoch >= 0) return this.count(now, this.running)
    this.waitSum += standsFor(this.started) * between(task.since, this.tick)
    // A worker was free for a moment only, whoever was not timed when he left it.
    this.count(now, this.running + 1)
  }

  /** Its fiber has ended, perhaps in the very step in which it began, or was given up. */
  settled(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    if (task.since !== untimed || exit._tag === "Failure" || this.classify !== classifyDefault) this.look(task, exit)
    else {
      this.running--
      this.succeeded++
    }
  }

  private look(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    const now = this.read()
    this.count(now, this.running)
    this.running--
    const outcome = this.judge(exit)
    if (outcome === "success") this.succeed(task.since)
    else if (outcome === "ignore") this.failed++
    else {
      this.overloaded++
      if (task.epoch === this.epoch) this.overloadedFresh++
      if (outcome !== "overload") this.retryAfter(now, outcome)
    }
    this.endIfDue(now)
  }

  /** The size has changed: a smaller one begins a new epoch. */
  resized(from: number, to: number): void {
    if (this.asleep) this.awaken()
    this.count(this.read(), this.running, from)
    if (to < from) this.epoch++
  }

  /** The size was changed by hand, or by the pool itself: the policy will hear of it. */
  resizedByHand(): void {
    this.byHand = true
  }

  /** A flush has ended: what waits now waits for a worker, and not for its turn in this step. */
  rest(): void {
    this.stale = true
    const { queued } = this
    if (queued < this.minWaiting) this.minWaiting = queued
    if (this.running === 0 && queued === 0 && !this.asleep && !this.restCheckScheduled) this.checkRestLater()
    if (!this.wakes) return
    this.wakes = false
    this.wakeUp?.()
  }

  /** Has the loop look, once the pool has been idle for a turn of the event loop, whether it still needs a timer. */
  private checkRestLater(): void {
    this.restCheckScheduled = true
    this.machine.later(() => {
      this.restCheckScheduled = false
      if (!this.asleep && this.isIdle) this.wakeUp?.()
    })
  }

  private awaken(): void {
    this.asleep = false
    this.wakes = true
    const now = this.read()
    // Demand that comes now has not gone unanswered yet.
    this.askedAt = now
    this.peak = this.running
    // What was measured before a long silence says little of what comes after it.
    if (this.window === undefined || now - this.sleptAt >= this.window.cap) this.reset(now)
  }

  // ---- what the sizing loop asks ---------------------------------------------------------------------------------

  /** The sizing loop has ended, perhaps in the middle of `classify`. */
  detach(): void {
    this.detached = true
    this.wakeUp = undefined
  }

  /** Begins a window now; it has no conditions yet. */
  begin(): void {
    this.ended = this.window = undefined
    this.reset(this.now())
  }

  /** Begins the present window anew. */
  beginAgain(): void {
    this.reset(this.now())
  }

  /** Gives the present window its conditions; it may have met them already. */
  arm(window: MeterWindow): void {
    this.window = window
    this.endIfDue(this.now())
  }

  /** Ends the window if its time has come. */
  lookNow(): void {
    if (this.window !== undefined) this.endIfDue(this.now())
  }

  get isIdle(): boolean {
    return this.running === 0 && this.queued === 0
  }

  /** Whether the pool is idle, and the window cannot end before another task comes. */
  get needsTask(): boolean {
    const { window } = this
    if (window === undefined || !this.isIdle || this.refused) return false
    return this.succeeded + this.failed + this.overloaded < Math.min(10, window.minSamples)
  }

  /** Needs no timer any more: the next task that comes wakes the loop. */
  sleep(): void {
    this.asleep = true
    this.sleptAt = this.now()
  }

  /** Milliseconds until time alone may change something. */
  untilNextLook(): number {
    const { window } = this
    if (window === undefined) return Infinity
    const now = this.now()
    let next = Math.max(0, this.askedAt + window.cap - now)
    for (const threshold of [window.interval, window.runFactor * this.runMean, window.maxInterval]) {
      const left = this.begun + threshold - now
      if (left > 0) next = Math.min(next, left)
    }
    this.nextLook = now + next
    return next
  }

  /** Whether the window has been without an answer for as long as the pool bears; it counts from here again. */
  askedInVain(): boolean {
    if (this.window === undefined || this.time - this.askedAt < this.window.cap) return false
    this.askedAt = this.time
    return true
  }

  /** What ran at most since the last call. */
  takePeak(): number {
    const { peak } = this
    this.peak = this.running
    return peak
  }

  get queued(): number {
    return this.machine.queued
  }

  get resizedSince(): boolean {
    return this.byHand
  }

  // ---- counting --------------------------------------------------------------------------------------------------

  /** What `classify` says of an outcome; a server's `retryAfter` in milliseconds. */
  private judge(exit: Exit.Exit<unknown, unknown>): "success" | "overload" | "ignore" | number {
    if (exit._tag === "Success" && this.classify === classifyDefault) return "success"
    // A plain `try`: user code decides, over errors whose getters are user code, too.
    try {
      const outcome: unknown = this.classify(exit)
      if (outcome === "success" || outcome === "overload" || outcome === "ignore") return outcome
      if (isOverload(outcome)) return millisOf(outcome.retryAfter)
      this.logOnce('classify returned an unknown outcome, which counts as "ignore"', describe(outcome))
    } catch (defect) {
      this.logOnce('classify threw, the outcome counts as "ignore"', defect)
    }
    return "ignore"
  }

  private logOnce(message: string, defect: unknown): void {
    if (!this.logged) this.machine.onDefect(defect, message)
    this.logged = true
  }

  // Sums of whole numbers: they lose nothing to rounding below 2 ** 53, and little above.
  private succeed(since: number): void {
    this.succeeded++
    if (since === untimed) return
    const run = between(since, this.tick)
    const weight = standsFor(this.started)
    this.succeededTimed += weight
    this.succeededSquares += weight * weight
    this.runSum += weight * run
    this.runSquares += weight * run * run
    if (run < this.runMin) this.runMin = run
  }

  /** The mean run time of this window's successes, in milliseconds. */
  private get runMean(): number {
    return this.succeededTimed === 0 ? 0 : this.runSum / this.succeededTimed / ticksPerMilli
  }

  private get runVariance(): number {
    const { runSquares, runSum, succeededTimed: count } = this
    if (count < 2) return 0
    return Math.max(0, runSquares - (runSum * runSum) / count) / (count - 1) / ticksPerMilli ** 2
  }

  /** The server wants to be left alone: no other task goes out in between. */
  private retryAfter(now: number, millis: number): void {
    if (!(millis > 0) || this.detached) return
    this.retryAt = Math.max(this.retryAt, now + millis)
    this.refused = true
    this.machine.hold("RetryAfter")
  }

  /** Brings the integrals up to now. */
  private count(now: number, running: number, size = this.machine.target): void {
    const passed = now - this.counted
    if (passed <= 0) return
    this.counted = now
    this.runningArea += running * passed
    if (running >= size) this.saturatedTime += passed
  }

  private endIfDue(now: number): void {
    const { window } = this
    if (window === undefined || this.detached) return
    if (this.refused || this.overloadedFresh >= window.overloads) {
      this.machine.hold("Overload")
      return this.end(now, "overload")
    }
    const elapsed = now - this.begun
    if (elapsed < window.interval) return
    const settled = this.succeeded + this.failed + this.overloaded
    const ends =
      elapsed >= window.maxInterval
        ? settled >= Math.min(10, window.minSamples)
        : elapsed >= window.interval && elapsed >= window.runFactor * this.runMean && settled >= window.minSamples
    if (ends || (elapsed >= window.cap && window.minSamples === 0)) return this.end(now, "elapsed")
    // The first successes tell when it may end, which the loop could not know when it began to wait.
    const earliest = this.begun + window.runFactor * this.runMean
    if (earliest > now && earliest < this.nextLook - 1 && settled >= window.minSamples) this.wakes = true
  }

  private end(now: number, reason: AutoScaleSample["reason"]): void {
    this.count(now, this.running)
    this.ended = this.sample(now, reason)
    this.window = undefined
    this.byHand = false
    this.reset(now)
    this.wakes = true
  }

  private sample(now: number, reason: AutoScaleSample["reason"]): AutoScaleSample {
    const duration = now - this.begun
    const { queued } = this
    const oldest = this.machine.oldestQueued
    return {
      duration,
      reason,
      size: this.machine.target,
      resized: this.byHand,
      inflight: this.running,
      maxInflight: this.maxRunning,
      avgInflight: duration > 0 ? this.runningArea / duration : this.running,
      saturated: duration > 0 ? this.saturatedTime / duration : this.running >= this.machine.target ? 1 : 0,
      queued,
      queuedMin: Math.min(this.minWaiting, queued),
      oldestWait: oldest === undefined ? 0 : between(oldest.since, ticks(now)) / ticksPerMilli,
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
      timed: this.succeededTimed === 0 ? 0 : this.succeededTimed ** 2 / this.succeededSquares
    }
  }

  private reset(now: number): void {
    this.begun = this.counted = this.askedAt = now
    this.maxRunning = this.peak = this.running
    this.minWaiting = this.queued
    this.runningArea = this.saturatedTime = 0
    this.arrivals = this.started = this.waitSum = 0
    this.succeeded = this.failed = this.overloaded = this.overloadedFresh = 0
    this.succeededTimed = this.succeededSquares = 0
    this.runSum = this.runSquares = 0
    this.runMin = Infinity
    this.refused = false
  }
}
