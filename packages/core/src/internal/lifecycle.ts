/**
 * Closing and reopening a pool.
 *
 * Closing runs in a fiber of the pool's own, so it goes on when the closer is interrupted, and every closer waits for the
 * same report. The lifecycle semaphore admits one change at a time: `start` waits there behind a pool that is closing.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { PreventSchedulerYield } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { CloseReport } from "../TaskPool.ts"
import { NotAvailable } from "../TaskPoolError.ts"
import type { Machine } from "./machine.ts"
import { awaitUntil } from "./waits.ts"

/** How to close, with every default filled in. */
export interface Closing {
  readonly mode: "drain" | "interrupt"
  readonly drainTimeout: Duration.Duration
  readonly interruptTimeout: Duration.Duration
}

export class Lifecycle {
  private readonly machine: Machine
  private readonly context: Context.Context<never>
  private readonly startPaused: boolean
  /** Runs while the pool is open: the sizing loop of an auto-scale pool. */
  private readonly whileOpen: Effect.Effect<void> | undefined
  private readonly oneChange = Semaphore.makeUnsafe(1)

  private openScope = Scope.makeUnsafe()
  /** The pool's scope has ended, or is ending: nothing can reopen it. */
  closedForGood = false
  private closing: Closing | undefined = undefined
  private report = Deferred.makeUnsafe<CloseReport>()

  constructor(
    machine: Machine,
    context: Context.Context<never>,
    options: { readonly startPaused: boolean; readonly whileOpen: Effect.Effect<void> | undefined }
  ) {
    this.machine = machine
    this.context = context
    this.startPaused = options.startPaused
    this.whileOpen = options.whileOpen
    this.open()
  }

  /** Begins to close, or escalates a drain, in this step; the answer waits for the report. */
  closeUnsafe(how: Closing): Effect.Effect<CloseReport> {
    const { machine, report } = this
    if (machine.phase === "Open") {
      this.closing = how
      machine.phase = "Draining"
      machine.shutDoor("Closed")
      // The closing fiber must hold the semaphore when this step ends, or `start` could come in between.
      const context = Context.add(this.context, PreventSchedulerYield, true)
      Effect.runForkWith(context)(Semaphore.withPermit(this.oneChange, this.runClosing))
    } else if (machine.phase === "Draining" && how.mode === "interrupt" && this.closing?.mode === "drain") {
      this.closing = how
    }
    machine.turn()
    return Deferred.await(report)
  }

  /** As `closeUnsafe`, and for good: the pool's scope ends. */
  closeForGoodUnsafe(how: Closing): Effect.Effect<CloseReport> {
    const drainsAlready = this.machine.phase === "Draining"
    this.closedForGood = true
    const report = this.closeUnsafe(how)
    if (this.machine.phase === "Closed") this.endEvents()
    if (!drainsAlready || !Duration.isFinite(how.drainTimeout)) return report
    // A drain that was begun by hand, with a limit of its own, must not outlast the scope's.
    return Effect.flatMap(Effect.timeoutOption(Effect.interruptible(report), how.drainTimeout), (ended) =>
      Option.isSome(ended) ? Effect.succeed(ended.value) : this.closeUnsafe({ ...how, mode: "interrupt" })
    )
  }

  private endEvents(): void {
    for (const reader of this.machine.readers) Queue.endUnsafe(reader)
    this.machine.readers.clear()
  }

  readonly start: Effect.Effect<void, NotAvailable> = Effect.suspend(() => {
    const { machine } = this
    if (this.closedForGood) {
      return Effect.fail(new NotAvailable({ reason: "Closed", pool: machine.name, stats: machine.stats() }))
    }
    if (machine.phase === "Open") return Effect.void
    // While this fiber waited its turn the pool may have been closed again, or for good: look once more.
    return Effect.andThen(Semaphore.withPermit(this.oneChange, this.reopen), this.startAgain)
  })

  private readonly startAgain: Effect.Effect<void, NotAvailable> = Effect.suspend(() =>
    this.machine.phase === "Open" ? Effect.void : Effect.andThen(Effect.yieldNow, this.start)
  )

  private readonly reopen = Effect.sync(() => {
    if (this.machine.phase !== "Closed" || this.closedForGood) return
    this.machine.phase = "Open"
    this.machine.paused = this.startPaused
    this.report = Deferred.makeUnsafe()
    this.openScope = Scope.makeUnsafe()
    this.open()
  })

  private open(): void {
    if (this.whileOpen !== undefined)
      Effect.runForkWith(this.context)(Effect.forkIn(this.whileOpen, this.openScope, { startImmediately: true }))
  }

  private readonly runClosing = Effect.gen({ self: this }, function* () {
    const { machine } = this
    const before = machine.stats()
    const neverRunBefore = machine.cancelledWaiting
    // Without a worker nothing that waits would ever run.
    if (machine.target === 0) machine.cancelAllWaiting("Closed")
    yield* this.within(
      () => machine.idle || this.closing?.mode === "interrupt",
      () => (this.closing?.mode === "drain" ? this.closing.drainTimeout : Duration.zero)
    )
    machine.cutAll("Closed")
    yield* this.within(
      () => machine.idle,
      () => this.closing?.interruptTimeout ?? Duration.zero
    )
    yield* this.giveUp
    yield* Scope.close(this.openScope, Exit.void)
    const after = machine.stats()
    const completed = after.succeeded + after.failed - before.succeeded - before.failed
    const neverRun = machine.cancelledWaiting - neverRunBefore
    const report = { completed, neverRun, interrupted: before.running + before.waiting - completed - neverRun }
    machine.phase = "Closed"
    this.closing = undefined
    machine.emit({ _tag: "Closed", report })
    if (this.closedForGood) this.endEvents()
    Deferred.doneUnsafe(this.report, Effect.succeed(report))
    machine.turn()
  })

  private within(ready: () => boolean, limit: () => Duration.Duration): Effect.Effect<void> {
    if (ready()) return Effect.void
    const wait = awaitUntil(this.machine, ready)
    const timeout = limit()
    return Duration.isFinite(timeout) ? Effect.asVoid(Effect.timeoutOption(wait, timeout)) : wait
  }

  private readonly giveUp = Effect.suspend(() => {
    const { machine } = this
    const fibers = machine.running.toArray().map((task) => task.fiber?.id)
    machine.abandonAll("Closed")
    return Effect.forEach(
      fibers,
      (id) =>
        Effect.logWarning(`${machine.name}: a task did not end after its interruption and was given up (fiber #${id})`),
      { discard: true }
    )
  })
}
