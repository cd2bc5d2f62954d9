/**
 * Closing and reopening a pool.
 *
 * Closing runs in a fiber of the pool's own, so it goes on when the closer is interrupted, and every closer waits for the
 * same report. The lifecycle semaphore admits one change at a time: `start` waits there behind a pool that is closing.
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
import { NotAvailable, TaskCancelled } from "../../TaskPoolError.ts"
import { captureAsyncContext, runIsolated } from "../runtime/asyncContext.ts"
import type { Entry } from "./entry.ts"
import type { Machine } from "./machine.ts"
import { awaitUntil } from "./waits.ts"

/** How to close. What is left out is as the pool's options say, or as an earlier closer asked. */
export interface Closing {
  readonly mode: "drain" | "interrupt"
  readonly drainTimeout?: Duration.Duration | undefined
  readonly interruptTimeout?: Duration.Duration | undefined
  /** Whether the report lists the tasks that did not complete. */
  readonly collect?: boolean | undefined
}

/** The limits of a pool that names none when it is closed. */
export interface ClosingDefaults {
  readonly drainTimeout: Duration.Duration
  readonly interruptTimeout: Duration.Duration
  /** What an interruption of the scope does. */
  readonly onInterrupt: "interrupt" | "drain"
}

// Waiting tasks that are cancelled in one step: a million of them must not keep the event loop.
const cancelledPerStep = 1024

/** One closing, from `close` to its report. Times are milliseconds of the monotonic clock. */
interface CloseState {
  mode: "drain" | "interrupt"
  /** When running tasks are interrupted, if they still run. */
  drainUntil: number
  /** How long finalizers are awaited after that; once they are, until when. */
  interruptMillis: number
  abandonAt: number | undefined
  collect: boolean
  /** What closing may cancel, in the order of dispatch, with what the report says of it if it does. */
  candidates: ReadonlyArray<readonly [Entry, UnfinishedTask]>
  /** Counts the changes above, so that the closing fiber looks again. */
  changes: number
  report: CloseReport | undefined
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
  private readonly oneChange = Semaphore.makeUnsafe(1)

  private openScope = Scope.makeUnsafe()
  /** The pool's scope has ended, or is ending: nothing can reopen it. */
  private closedForGood = false
  /** The closing that is under way, or the last one. */
  private closing: CloseState | undefined = undefined

  constructor(
    machine: Machine,
    context: Context.Context<never>,
    options: {
      readonly startPaused: boolean
      readonly shutdown: ClosingDefaults
      readonly whileOpen: Effect.Effect<void> | undefined
    }
  ) {
    this.machine = machine
    this.context = context
    this.startPaused = options.startPaused
    this.defaults = options.shutdown
    this.whileOpen = options.whileOpen
    this.open()
  }

  /** Begins to close, or tightens a closing that is under way, in this step. Waits for the report. */
  closeUnsafe(how: Closing): Effect.Effect<CloseReport> {
    if (this.machine.phase === "Open") this.begin(how)
    // A drain does not shorten another closer's drain.
    else if (this.machine.phase === "Draining")
      this.tighten(this.closing!, how.mode === "interrupt" ? how : { mode: "drain", collect: how.collect })
    this.machine.flush()
    return this.reported(this.closing!)
  }

  /** As `closeUnsafe`, and for good: the pool's scope ends. A closing by hand must not outlast the scope's limits. */
  closeForGoodUnsafe(mode: "drain" | "interrupt"): Effect.Effect<CloseReport> {
    this.closedForGood = true
    if (this.machine.phase === "Draining") this.tighten(this.closing!, { mode, ...this.defaults })
    const report = this.closeUnsafe({ mode, ...this.defaults })
    if (this.machine.phase === "Closed") this.machine.events.end(this.machine.guard)
    return report
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
      collect,
      candidates: [],
      changes: 0,
      report: undefined,
      isReported: () => closing.report !== undefined
    }
    this.closing = closing
    // The report counts from here on.
    const run = this.run(closing)
    this.machine.beginClosing()
    // The closing fiber must hold the semaphore when this step ends, or `start` could come in between.
    const context = Context.add(this.context, PreventSchedulerYield, true)
    this.inOwnContext(() => Effect.runForkWith(context)(Semaphore.withPermit(this.oneChange, run)))
  }

  /** A later closer can only make a closing end sooner. */
  private tighten(closing: CloseState, { collect = false, drainTimeout, interruptTimeout, mode }: Closing): void {
    if (mode === "interrupt") closing.mode = mode
    if (collect) closing.collect = collect
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
    // While this fiber waits its turn the pool may be closed again, or for good: look once more.
    return Effect.andThen(Semaphore.withPermit(this.oneChange, this.reopen), this.startAgain)
  })

  private readonly startAgain: Effect.Effect<void, NotAvailable> = Effect.suspend(() =>
    this.machine.phase === "Open" ? Effect.void : Effect.andThen(Effect.yieldNow, this.start)
  )

  private readonly reopen = Effect.sync(() => {
    if (this.machine.phase !== "Closed" || this.closedForGood) return
    this.machine.reopen(this.startPaused)
    this.openScope = Scope.makeUnsafe()
    this.open()
  })

  private open(): void {
    const { openScope, whileOpen } = this
    if (whileOpen === undefined) return
    this.inOwnContext(() =>
      Effect.runForkWith(this.context)(Effect.forkIn(whileOpen, openScope, { startImmediately: true }))
    )
  }

  /** Starts a fiber of the pool, which must not keep the async context of whoever closes or reopens it. */
  private inOwnContext(fork: () => Fiber<unknown, unknown>): void {
    runIsolated(this.asyncContext, fork, undefined, undefined)
  }

  /** A reader that subscribes now: one that is late still gets `Closed`. */
  subscribe(reader: Queue.Queue<PoolEvent, any>, offer: (event: PoolEvent) => void): void {
    const { closing, machine } = this
    if (machine.phase === "Closed" && closing?.report !== undefined) offer({ _tag: "Closed", report: closing.report })
    machine.events.subscribe(reader)
    if (this.closedForGood && machine.phase === "Closed") machine.events.end(machine.guard)
  }

  private run(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    const before = machine.stats()
    const neverRunBefore = machine.neverRun
    return Effect.gen({ self: this }, function* () {
      // Without users' holds what waits may start in this step, but for an interrupting close it must not start at all.
      if (closing.mode === "interrupt") machine.holds.begin("Closing")
      machine.holds.onClosing()
      yield* this.drain(closing)
      yield* this.interruptRest(closing)
      yield* Scope.close(this.openScope, Exit.void)
      const after = machine.stats()
      const completed = after.succeeded + after.failed - before.succeeded - before.failed
      const neverRun = machine.neverRun - neverRunBefore
      const held = before.running + before.waiting + before.delayed
      const tasks = closing.candidates.filter(([entry]) => !hasCompleted(machine, entry)).map(([, task]) => task)
      const report = { completed, neverRun, interrupted: held - completed - neverRun }
      closing.report = closing.collect ? { ...report, tasks } : report
      closing.candidates = []
      machine.endClosing(closing.report)
      if (this.closedForGood) machine.events.end(machine.guard)
      machine.flush()
    })
  }

  /** Lets accepted tasks go on, until none is left, the time is over, or a closer wants an end. */
  private drain(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    const isOver = (): boolean => machine.isIdle() || closing.mode === "interrupt"
    return Effect.gen({ self: this }, function* () {
      while (!isOver()) {
        // A task that takes more workers than there are would never run.
        if (machine.isStranded()) {
          this.collect(closing)
          machine.cancelStranded(cancelledPerStep)
          yield* Effect.yieldNow
        } else if (!(yield* this.changed(closing, () => isOver() || machine.isStranded(), closing.drainUntil))) return
      }
    })
  }

  /** Cancels what waits, interrupts what runs, awaits finalizers, and abandons the tasks that do not end. */
  private interruptRest(closing: CloseState): Effect.Effect<void> {
    const { machine } = this
    return Effect.gen({ self: this }, function* () {
      machine.holds.begin("Closing")
      this.collect(closing)
      closing.abandonAt = this.now() + closing.interruptMillis
      let cancelled = machine.cancelWaiting("Closed", cancelledPerStep)
      machine.interruptAll("Closed")
      while (cancelled === cancelledPerStep) {
        yield* Effect.yieldNow
        cancelled = machine.cancelWaiting("Closed", cancelledPerStep)
      }
      while (!machine.isIdle()) if (!(yield* this.changed(closing, machine.isIdle, closing.abandonAt))) break
      yield* this.abandon
    })
  }

  /** Notes what may be cancelled from here on, before it loses its work. */
  private collect(closing: CloseState): void {
    if (!closing.collect) return
    const { machine } = this
    // A submitter may have withdrawn a task since it was noted.
    const cancelled = closing.candidates.filter(([entry]) => wasCancelled(machine, entry)).map(([entry]) => entry)
    const entries = Array.from(new Set([...cancelled, ...machine.runningEntries, ...machine.unstartedEntries]))
    const known = new Map(closing.candidates)
    closing.candidates = entries.map((entry) => [entry, known.get(entry) ?? unfinishedOf(entry)] as const)
  }

  /** Waits until `ready()`, or until a closer has changed the limits; `false` if neither comes before `until`. */
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

  private readonly abandon = Effect.suspend(() => {
    const { machine } = this
    const fibers = machine.runningEntries.map((entry) => entry.fiber?.id)
    machine.abandonRunning("Closed")
    return Effect.forEach(
      fibers,
      (id) =>
        Effect.logWarning(
          `${machine.name}: a task did not end after its interruption and was abandoned (fiber #${id})`
        ),
      { discard: true }
    )
  })

  private now(): number {
    return this.machine.agenda.now()
  }
}

const unfinishedOf = (entry: Entry): UnfinishedTask => {
  const { extra, state, unfinished, weight } = entry
  const started = state === "Running" || (extra !== undefined && extra.attempts > 0)
  return { label: extra?.label, key: extra?.key, weight, started, ...unfinished }
}

/** Whether closing has cancelled a task, which may itself have failed with the cancellation of another pool. */
const wasCancelled = (machine: Machine, { exit }: Entry): boolean =>
  exit?._tag === "Failure" &&
  exit.cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" &&
      reason.error instanceof TaskCancelled &&
      reason.error.reason === "Closed" &&
      reason.error.pool === machine.name
  )

/** Whether a task has ended by itself, and not because closing has cut it or a call that it was a part of. */
const hasCompleted = (machine: Machine, entry: Entry): boolean =>
  entry.exit?._tag !== "Failure" || !(Cause.hasInterruptsOnly(entry.exit.cause) || wasCancelled(machine, entry))
