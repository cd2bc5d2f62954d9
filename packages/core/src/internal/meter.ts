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
import type { AutoScaleSample, AutoScaleWindow } from "../AutoScalePolicy.ts"
import type { TaskOutcome } from "../TaskPool.ts"
import type { Machine } from "./machine.ts"
import type { Entry, MachineObserver } from "./entry.ts"

/**
 * Times of tasks are whole sixteenths of a millisecond: small integers, which cost no allocation. They wrap around after
 * 74 hours, and their differences with them.
 */
const ticksPerMilli = 16
const ticks = (millis: number): number => (ticksPerMilli * millis) | 0
const between = (from: number, to: number): number => (to - from) | 0

/** A failure that is a time-out is a sign of overload; other failures and interruptions say nothing of the server. */
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
  /** What `classify` threw, if anything, until it was logged. */
  defect: unknown = undefined

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
    this.running = machine.running.size
    this.begun = this.counted = this.read()
    this.begin()
  }

  /** Milliseconds of a clock that only goes forward. */
  read(): number {
    this.stale = false
    this.time = Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
    this.tick = ticks(this.time)
    return this.time
  }

  // ---- what the machine tells ------------------------------------------------------------------------------------

  /** A task has come, to the queue or to the door. One that is not timed came when the clock was last looked at. */
  arrived(task: Entry): void {
    if (isTimed(++this.arrivals) || this.queued === 0) this.read()
    task.since = this.tick
    task.epoch = -1
  }

  /** A worker has taken it; its fiber starts next. */
  dispatched(task: Entry): void {
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
      if (outcome !== "overload") this.retryAfter(now, outcome.retryAfter)
    }
    this.endIfDue(now)
  }

  /** The size has changed: a smaller one begins a new epoch. */
  resized(from: number, to: number): void {
    this.count(this.read(), this.running, from)
    if (to < from) this.epoch++
  }

  /** The size was changed by hand, or by the pool itself: the policy will hear of it. */
  resizedByHand(): void {
    this.byHand = true
  }

  /** A turn has ended: what waits now waits for a worker, and not for its turn in this step. */
  rest(): void {
    this.stale = true
    const { queued } = this
    if (queued < this.minWaiting) this.minWaiting = queued
  }

  // ---- what the sizing loop asks ---------------------------------------------------------------------------------

  /** Begins a window now; it has no conditions yet. */
  begin(): void {
    this.ended = this.window = undefined
    this.reset(this.read())
  }

  /** Begins the present window anew. */
  beginAgain(): void {
    this.reset(this.read())
  }

  /** Gives the present window its conditions; it may have met them already. */
  arm(window: MeterWindow): void {
    this.window = window
    this.endIfDue(this.read())
  }

  /** Ends the window if its time has come. */
  lookNow(): void {
    if (this.window !== undefined) this.endIfDue(this.read())
  }

  /** Milliseconds until time alone may change something. */
  untilNextLook(): number {
    const { window } = this
    if (window === undefined) return Infinity
    const now = this.read()
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
    return this.machine.backlog.size + this.machine.door.size
  }

  get resizedSince(): boolean {
    return this.byHand
  }

  // ---- counting --------------------------------------------------------------------------------------------------

  private judge(exit: Exit.Exit<unknown, unknown>): TaskOutcome {
    if (exit._tag === "Success" && this.classify === classifyDefault) return "success"
    // A plain `try`, because this runs within a step of the machine, which must not be left half done.
    try {
      return this.classify(exit)
    } catch (defect) {
      this.defect ??= defect
      return "ignore"
    }
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

  private retryAfter(now: number, input: Duration.Input): void {
    const duration = Duration.fromInput(input)
    const millis = Option.isSome(duration) ? Duration.toMillis(duration.value) : 0
    if (!(millis > 0)) return
    this.retryAt = Math.max(this.retryAt, now + millis)
    this.refused = true
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
    if (window === undefined) return
    if (this.refused || this.overloadedFresh >= window.overloads) {
      this.machine.holdDispatch()
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
    if (earliest > now && earliest < this.nextLook - 1 && settled >= window.minSamples) this.wakeUp?.()
  }

  private end(now: number, reason: AutoScaleSample["reason"]): void {
    this.count(now, this.running)
    this.ended = this.sample(now, reason)
    this.window = undefined
    this.byHand = false
    this.reset(now)
    this.wakeUp?.()
  }

  private sample(now: number, reason: AutoScaleSample["reason"]): AutoScaleSample {
    const duration = now - this.begun
    const { queued } = this
    // Who waits in the queue came before those at the door.
    const oldest = this.machine.backlog.oldest() ?? this.machine.door.head
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
