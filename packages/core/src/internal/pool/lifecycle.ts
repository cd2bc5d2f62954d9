/**
 * Closing and reopening a pool.
 *
 * Closing runs in its own fiber, so it continues when the caller of `close` (the closer) is interrupted. All closers
 * wait for the same report. A semaphore admits one change at a time: `start` waits there while the pool closes.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type * as Queue from "effect/Queue"
import { PreventSchedulerYield } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { UnfinishedTask } from "../../PoolStats.ts"
import type { CloseReport, PoolEvent } from "../../TaskPool.ts"
import { NotAvailable } from "../../TaskPoolError.ts"
import { captureAsyncContext, runIsolated } from "../runtime/asyncContext.ts"
import type { Entry } from "./entry.ts"
import { hasStarted } from "./extra.ts"
import type { Machine } from "./machine.ts"
import { labelOf } from "./label.ts"
import { cancelAll, cancelUpTo, isStranded, strandedEntries } from "./endingEarly.ts"
import { awaitUntil } from "./waits.ts"

/** How to close. The default of an omitted option is the pool's own, or the one of an earlier closer. */
export interface Closing {
  readonly mode: "drain" | "interrupt"
  readonly drainTimeout?: Duration.Duration | undefined
  readonly interruptTimeout?: Duration.Duration | undefined
  /** Whether the report lists the tasks that did not complete. */
  readonly collect?: boolean | undefined
}

/** The options of a pool for closing. They apply if `close` does not override them. */
export interface ClosingDefaults {
  readonly drainTimeout: Duration.Duration
  /** The `drainTimeout` if an interruption ends its scope. */
  readonly drainOnInterrupt: Duration.Duration
  readonly interruptTimeout: Duration.Duration
  /** Whether the pool drains if an interruption ends its scope. */
  readonly onInterrupt: "interrupt" | "drain"
}

// The number of waiting tasks that one step cancels. A million of them in one step would block the event loop.
const cancelledPerStep = 1024

/** The state of one closing, from `close` to its report. Times are milliseconds of the monotonic clock. */
interface CloseState {
  mode: "drain" | "interrupt"
  /** The time at which the drain ends, and running tasks are interrupted. */
  drainUntil: number
  /** How long closing waits for finalizers after that. */
  interruptMillis: number
  /** The time until which it waits, from the interruption on. */
  abandonAt: number | undefined
  /** The tasks for the report, if a closer has asked for them. */
  collection: Collection | undefined
  /** The number of changes by later closers, so that the closing fiber notices them. */
  changes: number
  report: CloseReport | undefined
  /** The event of the report. */
  closed: PoolEvent | undefined
  readonly isReported: () => boolean
}

export class Lifecycle {
  private readonly machine: Machine
  private readonly context: Context.Context<never>
  private readonly asyncContext = captureAsyncContext()
  private readonly startPaused: boolean
  private readonly defaults: ClosingDefaults
  /** Runs while the pool is open: the sizing loop of an auto-scale pool. */
  private readonly whileOpen: Effect.Effect<void> | undefined
  /** Called when the pool has closed and cannot be reopened. */
  private readonly onEnd: () => void
  private readonly oneChange = Semaphore.makeUnsafe(1)

  /** The scope of `whileOpen`. */
  private openScope: Scope.Closeable | undefined = undefined
  /** Whether the pool's scope is ending or has ended, so that the pool cannot be reopened. */
  private closedForGood = false
  /** The present closing, or the last one. */
  private closing: CloseState | undefined = undefined

  constructor(
    machine: Machine,
    context: Context.Context<never>,
    options: {
      readonly startPaused: boolean
      readonly shutdown: ClosingDefaults
      readonly whileOpen: Effect.Effect<void> | undefined
      readonly onEnd: () => void
    }
  ) {
    this.machine = machine
    this.context = context
    this.startPaused = options.startPaused
    this.defaults = options.shutdown
    this.whileOpen = options.whileOpen
    this.onEnd = options.onEnd
    this.open()
  }

  /** Begins to close, or tightens the present closing, in this step. Returns an effect that waits for the report. */
  closeUnsafe(how: Closing): Effect.Effect<CloseReport> {
    const { phase } = this.machine
    if (phase === "Open") this.begin(how)
    else if (phase === "Draining") {
      // A closer that drains does not shorten the drain of another closer.
      this.tighten(this.closing!, how.mode === "interrupt" ? how : { mode: "drain", collect: how.collect })
    }
    this.machine.flush()
    return this.reported(this.closing!)
  }

  /**
   * Like `closeUnsafe`, when the pool's scope ends. The present closing must not outlast the limits of the pool's
   * options.
   */
  closeForGoodUnsafe(mode: "drain" | "interrupt", isInterrupted: boolean): Effect.Effect<CloseReport> {
    const { drainOnInterrupt, drainTimeout, interruptTimeout } = this.defaults
    const how = { mode, interruptTimeout, drainTimeout: isInterrupted ? drainOnInterrupt : drainTimeout }
    this.closedForGood = true
    if (this.machine.phase === "Draining") this.tighten(this.closing!, how)
    const report = this.closeUnsafe(how)
    if (this.machine.phase === "Closed") this.endForGood()
    return report
  }

  /** Handles the end of the pool: it has closed, and cannot be reopened. */
  private endForGood(): void {
    this.machine.events.end(this.machine.userCode.guard)
    // Those who watch the registry must not keep the pool from closing.
    this.machine.userCode.guard(this.onEnd, undefined)
  }

  private begin({
    collect = false,
    drainTimeout = this.defaults.drainTimeout,
    interruptTimeout = this.defaults.interruptTimeout,
    mode
  }: Closing): void {
    const closing: CloseState = {
      mode,
      drainUntil: this.now() + Duration.toMillis(drainTimeout),
      interruptMillis: Duration.toMillis(interruptTimeout),
      abandonAt: undefined,
      collection: collect ? new Collection(this.machine) : undefined,
      changes: 0,
      report: undefined,
      closed: undefined,
      isReported: () => closing.report !== undefined
    }
    this.closing = closing
    // The report compares with the counts at this time, before the door is rejected.
    const run = this.run(closing)
    this.machine.beginClosing()
    // The closing fiber must hold the semaphore when this step ends. Otherwise `start` could take it first.
    const context = Context.add(this.context, PreventSchedulerYield, true)
    this.inOwnContext(() => Effect.runForkWith(context)(Semaphore.withPermit(this.oneChange, run)))
  }

  /** Applies the options of a later closer, which can only make the closing end earlier. */
  private tighten(closing: CloseState, { collect = false, drainTimeout, interruptTimeout, mode }: Closing): void {
    if (mode === "interrupt") closing.mode = mode
    if (collect && closing.collection === undefined) this.collectFromNowOn(closing)
    if (drainTimeout !== undefined) {
      closing.drainUntil = Math.min(closing.drainUntil, this.now() + Duration.toMillis(drainTimeout))
    }
    const limit = interruptTimeout ?? (mode === "interrupt" ? this.defaults.interruptTimeout : undefined)
    if (limit !== undefined) {
      const millis = Duration.toMillis(limit)
      closing.interruptMillis = Math.min(closing.interruptMillis, millis)
      if (closing.abandonAt !== undefined) closing.abandonAt = Math.min(closing.abandonAt, this.now() + millis)
    }
    closing.changes++
  }

  private reported(closing: CloseState): Effect.Effect<CloseReport> {
    return Effect.map(awaitUntil(this.machine, closing.isReported), () => closing.report!)
  }

  readonly start: Effect.Effect<void, NotAvailable> = Effect.suspend(() => {
    const { machine } = this
    if (this.closedForGood) {
      return Effect.fail(new NotAvailable({ reason: "Closed", pool: machine.name, stats: machine.stats() }))
    }
    if (machine.phase === "Open") return Effect.void
    // While this fiber waits for the semaphore, the pool may be closed again, or its scope may end. So check again.
    return Effect.andThen(Semaphore.withPermit(this.oneChange, this.reopen), this.startAgain)
  })

  private readonly startAgain: Effect.Effect<void, NotAvailable> = Effect.suspend(() =>
    this.machine.phase === "Open" ? Effect.void : Effect.andThen(Effect.yieldNow, this.start)
  )

  private readonly reopen = Effect.sync(() => {
    if (this.machine.phase !== "Closed" || this.closedForGood) return
    this.machine.reopen(this.startPaused)
    this.open()
  })

  private open(): void {
    const { whileOpen } = this
    if (whileOpen === undefined) return
    const openScope = (this.openScope = Scope.makeUnsafe())
    this.inOwnContext(() =>
      Effect.runForkWith(this.context)(Effect.forkIn(whileOpen, openScope, { startImmediately: true }))
    )
  }

  /** Starts a fiber of the pool in the pool's own async context, not in that of the caller of `close` or `start`. */
  private inOwnContext(fork: () => Fiber<unknown, unknown>): void {
    runIsolated(this.asyncContext, fork, undefined, undefined)
  }

  /** Subscribes a reader. A reader of a closed pool gets `Closed` at once. */
  subscribe(reader: Queue.Queue<PoolEvent, any>, offer: (event: PoolEvent) => void): void {
    const { closing, machine } = this
    if (machine.phase === "Closed" && closing?.closed !== undefined) offer(closing.closed)
    machine.events.subscribe(reader)
    if (this.closedForGood && machine.phase === "Closed") machine.events.end(machine.userCode.guard)
  }

  private run(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    const held = machine.running + machine.waiting + machine.delayedCount
    const completedBefore = completedBy(machine)
    const neverRunBefore = machine.neverRun
    return Effect.gen({ self: this }, function* () {
      // Ending the users' holds may start waiting tasks in this step. If closing interrupts, no task must start.
      if (closing.mode === "interrupt") machine.holds.begin("Closing")
      machine.holds.onClosing()
      yield* this.drain(closing)
      yield* this.interruptRest(closing)
      if (this.openScope !== undefined) yield* Scope.close(this.openScope, Exit.void)
      const completed = completedBy(machine) - completedBefore
      const neverRun = machine.neverRun - neverRunBefore
      const report = { completed, neverRun, interrupted: held - completed - neverRun }
      closing.report = closing.collection === undefined ? report : { ...report, tasks: closing.collection.end() }
      closing.closed = machine.endClosing(closing.report)
      if (this.closedForGood) this.endForGood()
      machine.flush()
    })
  }

  /** Waits until the pool is idle, the drain times out, or a closer interrupts. */
  private drain(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    const isOver = (): boolean => machine.isIdle() || closing.mode === "interrupt"
    if (isOver()) return Effect.void
    // Looking for stranded tasks is O(waiting), so a flush must not do it.
    let shrinks = -1
    const mayStrand = (): boolean =>
      machine.target === 0 ? machine.waiting + machine.delayedCount > 0 : machine.shrinks !== shrinks
    return Effect.gen({ self: this }, function* () {
      while (!isOver()) {
        if (mayStrand()) {
          shrinks = machine.shrinks
          yield* this.cancelStranded(isOver)
        } else if (!(yield* this.changed(closing, () => isOver() || mayStrand(), closing.drainUntil))) return
      }
    })
  }

  /** Cancels the tasks that take more workers than the target, because they would never run. */
  private cancelStranded(isOver: () => boolean): Effect.Effect<void> {
    const { machine } = this
    const stranded = strandedEntries(machine)
    return Effect.gen(function* () {
      for (let at = 0; at < stranded.length && !isOver(); at += cancelledPerStep) {
        // The target may have grown since the step before.
        const next = stranded.slice(at, at + cancelledPerStep).filter((entry) => isStranded(machine, entry))
        cancelAll(machine, next, "Closed")
        yield* Effect.yieldNow
      }
    })
  }

  /** Cancels waiting tasks, interrupts running ones, waits for finalizers, and abandons the tasks that do not end. */
  private interruptRest(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    return Effect.gen({ self: this }, function* () {
      machine.holds.begin("Closing")
      closing.collection?.note()
      closing.abandonAt = this.now() + closing.interruptMillis
      let cancelled = cancelUpTo(machine, cancelledPerStep, "Closed")
      for (const entry of machine.runningEntries) machine.interrupt(entry, "Closed", undefined)
      while (cancelled === cancelledPerStep) {
        yield* Effect.yieldNow
        cancelled = cancelUpTo(machine, cancelledPerStep, "Closed")
      }
      while (!machine.isIdle()) if (!(yield* this.changed(closing, machine.isIdle, closing.abandonAt))) break
      this.abandon()
    })
  }

  /** Collects for a later closer. If closing interrupts already, only the tasks that have not ended. */
  private collectFromNowOn(closing: CloseState): void {
    closing.collection = new Collection(this.machine)
    if (closing.abandonAt !== undefined) closing.collection.note()
  }

  /** Waits until `ready()`, or until a closer has changed the limits. Returns `false` if `until` has passed first. */
  private changed(closing: CloseState, ready: () => boolean, until: number): Effect.Effect<boolean> {
    const { changes } = closing
    const wait = Effect.as(
      awaitUntil(this.machine, () => ready() || closing.changes !== changes),
      true
    )
    // Differences of clock readings carry rounding errors far below a microsecond.
    const left = Math.ceil(until - this.now() - 0.001)
    if (left === Infinity) return wait
    return left <= 0
      ? Effect.succeed(false)
      : Effect.timeoutOrElse(wait, { duration: left, orElse: () => Effect.succeed(false) })
  }

  private abandon(): void {
    const { machine } = this
    const abandoned = machine.runningEntries.map((entry) => ({ fiber: entry.fiber?.id, label: labelOf(entry) }))
    machine.abandonRunning("Closed")
    for (const task of abandoned) machine.userCode.log("Warn", "gave up a task", task)
  }

  private now(): number {
    return this.machine.agenda.nowOrLast()
  }
}

/** The tasks of a report. Settling releases the work of a task, so it is noted before. */
class Collection {
  private readonly machine: Machine
  /** The tasks that were cancelled. */
  private readonly cancelled = new Map<Entry, UnfinishedTask>()
  /** The tasks that were cancelled before the last note, then the others in the order of dispatch. */
  private noted = new Map<Entry, UnfinishedTask>()

  constructor(machine: Machine) {
    this.machine = machine
    machine.collector = this
  }

  /** Called before a cancelled task settles. */
  add(entry: Entry): void {
    this.cancelled.set(entry, unfinishedOf(entry))
  }

  /** Notes the tasks that may end from here on because closing interrupts, or because their submitters then do. */
  note(): void {
    const { runningEntries, unstartedEntries } = this.machine
    const live = runningEntries.concat(unstartedEntries)
    this.noted = new Map([...this.cancelled, ...live.map((entry) => [entry, unfinishedOf(entry)] as const)])
  }

  /** Returns the tasks that did not end by themselves: they were cancelled, or their submitters were interrupted. */
  end(): ReadonlyArray<UnfinishedTask> {
    this.machine.collector = undefined
    const { cancelled, noted } = this
    return Array.from(new Map([...noted, ...cancelled]))
      .filter(([entry]) => cancelled.has(entry) || wasInterrupted(entry))
      .map(([, task]) => task)
  }
}

/** Returns the number of tasks that have ended by themselves. */
const completedBy = ({ counts }: Machine): number => counts.succeeded + counts.failed

const unfinishedOf = (entry: Entry): UnfinishedTask => {
  const { extra, state, unfinished, weight } = entry
  const started = state === "Running" || hasStarted(entry)
  return { label: extra?.options.label, key: extra?.key, weight, started, ...unfinished }
}

const wasInterrupted = ({ exit }: Entry): boolean => exit?._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
