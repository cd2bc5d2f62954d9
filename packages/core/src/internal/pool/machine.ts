/**
 * The machine of a task pool: admission, dispatch, sizing, settling.
 *
 *     submit ──> admit ──> door ──> backlog ──> running ──> settled ──> notified
 *                  │  (queue full)  (waits)↑  (its own fiber)  (counted)  (submitter, joiners resumed)
 *                  └─> rejected            └── delayed ┘  (failed, and is tried again)
 *
 * Everything here is synchronous: JavaScript's single thread is the lock. The waiting code (submitters in `submit.ts`,
 * closing in `lifecycle.ts`, the sizing loop in `autoScale/loop.ts`) only calls the machine. Only this file writes the
 * state, and `state.ts` reads it.
 *
 * **Words**
 *
 * - The *door* is where submitters wait while the queue is full, first in first out for every discipline.
 * - The *backlog* holds the waiting tasks in the discipline's order.
 * - A *worker* is the right to run one task. There are `target` workers, and more while surplus tasks finish after a
 *   soft scale-down.
 * - A *request* is what a bulk puts at the door: a task that takes its item from the source when it gets a place.
 * - A *flush* admits tasks from the door, fills free workers, and notifies the waiters of settled tasks.
 * - An *extra* is the data that only some tasks need. A task without an extra, in a pool that is not selective (`Gate`),
 *   takes the shortest path everywhere.
 *
 * **User code** runs at seven places, and every transition is complete there: a source gives an item (`pullFor`), a task
 * begins (`run`), an observer classifies an outcome (`report`), a schedule decides on a retry (`delayForRetry`), a
 * fiber is interrupted (`interrupt`), a waiter is notified (`notifyNext`), a condition is checked (`checkWatchers`).
 * User code may call every operation of the pool. If a flush is running, it does the work that such a call leaves. What
 * user code throws is a defect of its own task, or is logged.
 *
 * Per-task code lives in small functions, rare paths in separate ones. V8 inlines up to a size limit, and a call that it
 * does not inline costs as much as most of these functions.
 *
 * **States of the pool**
 *
 * | phase    | submit   | dispatch | to       | by                          | when                                         |
 * |----------|----------|----------|----------|-----------------------------|----------------------------------------------|
 * | Open     | admitted | yes      | Paused   | `pause`                     | `pause`, `togglePause`                       |
 * |          |          |          | Draining | `beginClosing`              | `close`, scope end                           |
 * | Paused   | rejected | yes      | Open     | `resume`                    | `resume`, `togglePause`                      |
 * |          |          |          | Draining | `beginClosing`              | `close`, scope end                           |
 * | Draining | rejected | yes      | Closed   | `endClosing`                | idle, or interrupted and finalizers awaited  |
 * | Closed   | rejected | no       | Open     | `reopen`                    | `start`, unless the scope has closed         |
 *
 * **States of a task**
 *
 * | from    | to      | by                                       |
 * |---------|---------|------------------------------------------|
 * | New     | Running | `admit`, if a worker is free             |
 * |         | Waiting | `admit`, `request`                       |
 * |         | AtDoor  | `admit`, `request`, if the queue is full |
 * |         | Settled | `reject`, `takeOut`                      |
 * | AtDoor  | Waiting | `moveFromDoor`                           |
 * |         | Running | `dispatchNext`, on a pool without queue  |
 * |         | Settled | `reject`, `takeOut`                      |
 * | Waiting | Running | `dispatchNext`                           |
 * |         | Settled | `takeOut`                                |
 * | Running | Settled | `onExit`, `abandonRunning`               |
 * |         | Delayed | `onExit`, if it may be tried again       |
 * | Delayed | Waiting | `requeue`                                |
 * |         | Settled | `takeOut`, `fail`                        |
 *
 * **Invariants** (tests cite them by number)
 *
 * - I1 The limit is never exceeded: the workers of running tasks, with their finalizers and without those that are
 *   lent, never exceed the target. Exceptions: surplus workers after a soft scale-down, and tasks that are interrupted
 *   while they lend their workers.
 * - I2 Work-conserving: after each flush, the next task cannot start: its workers are not free, its key is at its limit,
 *   the rate does not allow it, or dispatch is held.
 * - I3 Exactly one outcome: every admitted task settles exactly once on every path. No task runs twice. A rejected task
 *   never runs.
 * - I4 The order is the discipline's, decided at dispatch. Equal weights are first in first out. No submitter overtakes
 *   another one at the door.
 * - I5 A cancelled waiting task leaves at once: the count falls, a place becomes free, and no memory is kept.
 * - I6 A closed pool has no fiber, no timer and no reference to a task, except the abandoned ones that the log names.
 * - I7 A task sees the services, references, span and async context of its submitter only. Its children end with it.
 * - I8 `waiting <= capacity`, without tasks that have started before.
 * - I9 No submitter waits at the door while the queue has a free place and the pool is open. (A place is taken while an
 *   item for it is pulled.)
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import { Scheduler, type SchedulerDispatcher } from "effect/Scheduler"
import type { CloseReport, PoolEvent } from "../../TaskPool.ts"
import { NotAvailable, type NotAvailableReason, TaskCancelled, type TaskCancelledReason } from "../../TaskPoolError.ts"
import { type Backlog, permitsOf } from "../backlog/backlog.ts"
import {
  type AsyncContext,
  captureAsyncContext,
  captureAsyncContextLike,
  currentFrame,
  isCurrentContext,
  restoreFrame,
  runInCopy
} from "../runtime/asyncContext.ts"
import { callersAsyncContext } from "../runtime/fiber.ts"
import { Agenda } from "./agenda.ts"
import { type Ages, agesOf, noStamp } from "./ages.ts"
import { Completions, type Notifiable } from "./completions.ts"
import { Deadlines, type Expiring } from "./deadline.ts"
import { type Attempts, Delayed } from "./delayed.ts"
import type { Entry, MachineObserver, TaskObserver, Traversal } from "./entry.ts"
import { Events } from "./events.ts"
import { hasStarted, ownExtra, type TaskExtra } from "./extra.ts"
import { Gate } from "./gate.ts"
import { type Held, Holds } from "./holds.ts"
import { Lending, type Loan, type Wait, type Workers } from "./lending.ts"
import { type PoolLog, UserCode } from "./log.ts"
import { Observers } from "./observers.ts"
import { Pauses } from "./pauses.ts"
import type { Costs } from "./rate.ts"
import { type Outcome, type Tracing } from "./span.ts"
import { type MachineOptions, PoolState } from "./state.ts"
import { PoolNode } from "./waitForGraph.ts"
import { Watchers } from "./watchers.ts"

// A flush yields to the event loop after this many launches and notifications.
const flushBudget = 1024

// A task may submit to its own pool before it first suspends. This limits the number of launches on the stack.
const maxLaunchDepth = 64

// A flush whose end makes work again lets the event loop go after this many rounds.
const maxRounds = 64

export class Machine extends PoolState implements Workers, Held, Attempts, Expiring {
  readonly agenda: Agenda
  readonly clock: Clock.Clock
  readonly ages: Ages

  readonly pauses: Pauses
  /** Tasks are dispatched while fewer than `limit` workers are used: `target`, or 0 while dispatch is held. */
  private limit: number
  readonly waitNode = new PoolNode(this)
  readonly holds: Holds
  /** Counts the falls of the target. */
  shrinks = 0
  /** Whether dispatch stops because tasks wait to take their workers back. */
  private blocked = false
  /** How many calls of user code decide on what follows a task that has ended. No task starts meanwhile. */
  private deciding = 0
  protected backlog: Backlog<Entry>
  protected readonly gate: Gate
  protected readonly delayed: Delayed
  private readonly deadlines: Deadlines

  readonly observers: Observers
  /** Notes the tasks that are cancelled, while closing collects them. */
  collector: { add(entry: Entry): void } | undefined = undefined
  // The fields of `observers`, which each task looks at.
  private observer: TaskObserver | undefined = undefined
  private ownObserver: MachineObserver | undefined = undefined
  readonly watchers = new Watchers()
  /** Notified of the end of each flush; undefined without `warnAfter`. */
  warnings: { flushEnded(): void } | undefined = undefined
  private readonly traversals = new Set<Traversal>()
  readonly events: Events

  private readonly dispatcher: SchedulerDispatcher
  readonly userCode: UserCode
  private readonly completions = new Completions()
  private flushing = false
  private flushScheduled = false
  /** Whether a flush was asked for while one was under way, since it was last set to `false`. */
  private flushAsked = false
  /** How many launches and notifications the present flush may still make, including launches within launches. */
  private budget = 0
  private launchDepth = 0
  /** The async context of the task that was captured last, while any task waits in the queue. */
  private sharedAsyncContext: AsyncContext | undefined = undefined
  /** The tracing of the context that submitted last, while any task waits in the queue. */
  tracing: Tracing | undefined = undefined
  /**
   * The task that is being launched or settled. After a stack overflow there, no code can run to handle it. This field
   * stays set, and the next operation settles the task.
   */
  private inTransition: Entry | undefined = undefined
  /** Dispatched tasks whose fibers start when the stack has unwound. */
  private readonly deferredStarts: Array<Entry> = []
  private readonly onScheduledFlush = (): void => {
    this.flushScheduled = false
    this.ownObserver?.flushEnded()
    this.flush()
  }

  /** `context` is the context of the pool's own fibers. */
  constructor(options: MachineOptions, context: Context.Context<never>, log: PoolLog = () => {}) {
    super(options)
    this.pauses = new Pauses(options.startPaused, (paused) => this.onPaused(paused))
    this.limit = options.initial
    this.clock = Context.get(context, Clock.Clock)
    this.observers = new Observers(this.clock, this.runningTasks, () => this.chooseObservers())
    this.events = new Events(this.clock)
    this.ages = agesOf(this.clock)
    this.dispatcher = Context.get(context, Scheduler).makeDispatcher()
    this.userCode = new UserCode(this.dispatcher, log)
    this.agenda = new Agenda(context, this.userCode.onDefect)
    this.holds = new Holds(this, this.agenda)
    this.delayed = new Delayed(this, this.agenda)
    this.deadlines = new Deadlines(this)
    const { ageing, discipline, perKey, rates } = options
    const makeBacklog = (): Backlog<Entry> => discipline.backlog({ ageing, now: () => this.agenda.nowOrLast() })
    this.backlog = makeBacklog()
    this.gate = new Gate({ rates, perKey, makeBacklog }, this.agenda, this.ages, () => this.flush())
    this.selective = this.gate.selective
  }

  // ---- admission: in the submitter's step ------------------------------------------------------------------------

  /** Admits the task, puts it at the door, or rejects it. The task may have settled when this returns. */
  admit(entry: Entry, mayWait: boolean): void {
    if (this.inTransition !== undefined && this.launchDepth === 0) this.settleAfterOverflow()
    if (!this.isAdmitting) this.reject(entry, this.notAdmitting)
    else if (this.selective || (entry.extra !== undefined && this.gate.isSpecial(entry.extra))) {
      this.admitSelectively(entry, mayWait)
    } else if (this.door.size > 0 || this.backlog.size > 0 || this.used >= this.limit) {
      this.enqueueOrReject(entry, mayWait)
    } else this.launchNew(entry)
    this.flush()
  }

  private admitSelectively(entry: Entry, mayWait: boolean): void {
    if (this.isTooLarge(entry)) return this.reject(entry, "TooLarge")
    this.prepare(entry)
    if (this.door.size > 0 || !this.isDoorNext || !this.mayStart(entry)) this.enqueueOrReject(entry, mayWait)
    else this.launchNew(entry)
  }

  /** Handles a task that cannot start now, because workers are missing or other tasks wait. */
  private enqueueOrReject(entry: Entry, mayWait: boolean): void {
    if (this.door.size === 0 && this.hasPlace) this.admitWaiting(entry)
    else if (mayWait) this.enqueueAtDoor(entry)
    else if (this.onFull === "dropOldest") this.enqueueInstead(entry)
    else this.reject(entry, "QueueFull")
    this.startDeadline(entry)
  }

  /**
   * Cancels a waiting task, and gives its place to the entry. Rejects the entry if it is itself the least urgent one.
   */
  private enqueueInstead(entry: Entry): void {
    const victim = this.victimFor(entry)
    if (victim === undefined) return this.reject(entry, "QueueFull")
    this.counts.dropped++
    this.takeOut(victim)
    this.admitWaiting(entry)
    this.events.emit({ _tag: "Cancelled", reason: "Dropped", started: false })
    this.settle(victim, this.cancellation("Dropped", false))
  }

  /**
   * Returns the task that gives its place to the entry. It has never started: a task that is tried again may wait beyond
   * the capacity, and would give no place.
   */
  private victimFor(entry: Entry): Entry | undefined {
    const { backlog } = this
    const victim = backlog.size === 0 ? undefined : backlog.victim(entry)
    return victim !== undefined && hasStarted(victim) ? backlog.victimExcept(hasStarted, entry) : victim
  }

  /** Returns whether the pool rejects this entry, whatever its queue and its workers are. */
  rejectsAtOnce(entry: Entry): boolean {
    return !this.isAdmitting || this.isTooLarge(entry)
  }

  /** Returns whether a submitter of this entry would have to wait at the door. */
  wouldWaitAtDoor(entry: Entry): boolean {
    if (this.rejectsAtOnce(entry)) return false
    const isFirst = this.door.size === 0 && this.isDoorNext
    return !(isFirst && this.mayStart(entry)) && !(this.door.size === 0 && this.hasPlace)
  }

  /** Prepares the gate and the backlog for a task with an extra. */
  private prepare(entry: Entry): void {
    this.backlog = this.gate.prepare(entry, this.backlog)
    this.selective = this.gate.selective
  }

  private startDeadline(entry: Entry): void {
    if (entry.extra?.options.maxWait !== undefined && !hasStarted(entry)) this.deadlines.start(entry, ownExtra(entry))
  }

  expire(entry: Entry, at: number): void {
    // If a hold ends at the same time, the task may still start.
    this.holds.endDue(at)
    this.flush()
    if (entry.state === "AtDoor") {
      this.door.remove(entry)
      this.reject(entry, "WaitedTooLong")
    } else if (entry.state === "Waiting") {
      this.takeOut(entry)
      this.collector?.add(entry)
      this.countReason("WaitedTooLong")
      const error = this.notAvailable("WaitedTooLong")
      this.traceRejection(entry, error)
      this.settle(entry, Exit.fail(error))
      this.moveFromDoor()
    }
    this.flush()
  }

  /** Whether the queue is full, and its next task will start after the present step. */
  get isAboutToDispatch(): boolean {
    if (this.onFull === "suspend" || this.hasPlace || this.backlog.ready === 0) return false
    return this.used < this.limit && (!this.selective || this.nextMayStart())
  }

  /**
   * Asks for a place for the next item of a bulk. The request may wait at the door, whatever `onFull` says. The item
   * never starts in this step: a flush launches the items one after the other, so items that end at once cannot grow
   * the stack.
   */
  request(entry: Entry): void {
    if (!entry.needsItem && !this.admitsItem(entry)) return
    if (this.door.size > 0 || !this.hasPlace) this.requestAtDoor(entry)
    else if (!this.isAdmitting) this.reject(entry, this.notAdmitting)
    else if (!entry.needsItem) this.admitWaiting(entry)
    else if (this.pullFor(entry)) {
      // Pulling may have paused or closed the pool, or filled its queue.
      if (this.isAdmitting && this.hasPlace) this.admitWaiting(entry)
      else this.requestAtDoor(entry)
    }
  }

  /** Admits an entry to the backlog, which has a place for it. */
  private admitWaiting(entry: Entry): void {
    this.onAdmitted(entry)
    this.enqueue(entry)
    this.counts.submitted++
  }

  /** Admits an entry to a free worker. */
  private launchNew(entry: Entry): void {
    this.onAdmitted(entry)
    this.counts.submitted++
    this.launch(entry)
  }

  /** Prepares a request that has got its item, and so its options. Rejects it and returns `false` if it is too large. */
  admitsItem(entry: Entry): boolean {
    const { extra } = entry
    const isSpecial = extra !== undefined && (extra.options.maxWait !== undefined || this.gate.isSpecial(extra))
    if (!this.selective && !isSpecial) return true
    if (this.isTooLarge(entry)) {
      if (entry.state === "AtDoor") this.door.remove(entry)
      this.reject(entry, "TooLarge")
      return false
    }
    this.prepare(entry)
    // Not a clock of the user's, which must not run code here.
    if (this.ages.shares) this.ages.stamp()
    this.startDeadline(entry)
    return true
  }

  private requestAtDoor(entry: Entry): void {
    if (this.isAdmitting) this.enqueueAtDoor(entry)
    else this.reject(entry, this.notAdmitting)
  }

  /** Stores the async context of a task that was just admitted and waits, because it starts in another fiber's step. */
  captureAsyncContext(entry: Entry): void {
    const startsLater = entry.state === "Waiting" || entry.state === "AtDoor" || entry.extra?.retry !== undefined
    if (!startsLater || entry.state === "Settled") return
    entry.asyncContext = this.sharedAsyncContext = captureAsyncContextLike(this.sharedAsyncContext)
  }

  private rejectDoor(reason: NotAvailableReason): void {
    for (let entry = this.door.shift(); entry !== undefined; entry = this.door.shift()) this.reject(entry, reason)
    for (const traversal of this.traversals) traversal.onAdmissionEnd()
  }

  /** Ends a request whose source has no item left. */
  dropRequest(entry: Entry): void {
    if (entry.state === "AtDoor") this.door.remove(entry)
    this.complete(entry, undefined)
    this.moveFromDoor()
  }

  /** Fails a task that is not admitted. The bulk counts the rejection of a request, if its source had an item left. */
  reject(entry: Entry, reason: NotAvailableReason): void {
    if (!entry.needsItem) this.countRejection(reason)
    const error = this.notAvailable(reason)
    const exit = Exit.fail(error)
    this.traceRejection(entry, error)
    entry.answer = exit
    entry.onRejected(reason)
    this.complete(entry, exit)
  }

  /** Lets the next flush report a rejection on the submitter's span. A bulk reports the rejection of a request. */
  private traceRejection({ needsItem, trace }: Entry, { reason, stats }: NotAvailable): void {
    if (trace !== undefined && !needsItem) this.enqueueCompletion(trace.rejection(reason, stats))
  }

  countRejection(reason: NotAvailableReason): void {
    this.counts.rejected++
    this.countReason(reason)
  }

  private countReason(reason: NotAvailableReason): void {
    this.counts.rejectedBy[reason]++
    this.events.emit({ _tag: "Rejected", reason })
  }

  /**
   * Prepares a task for its place, and notifies a caller at the door that waits for admission only. The task is counted
   * when it has its place, because a clock that is read before may be user code.
   */
  private onAdmitted(entry: Entry): void {
    if (entry.extra?.rest !== undefined) this.onExtraAdmitted(entry.extra)
    if (entry.answer !== undefined && entry.caller !== undefined) this.enqueueCompletion(entry)
  }

  private onExtraAdmitted(extra: TaskExtra): void {
    extra.rest!.trace?.admitted()
    if (extra.retry !== undefined) this.assignPlace(extra)
  }

  /** Ends the wait of a task for the admission of this entry. Called last: the entry takes free workers first. */
  private endWaitAtDoor({ answer, caller, extra }: Entry): void {
    if (extra !== undefined && answer !== undefined && caller !== undefined) extra.endWaits()
  }

  /** Assigns the place in the queue that a task with `retry` takes now and at each retry. */
  private assignPlace(extra: TaskExtra): void {
    extra.retry!.sequence = this.backlog.nextSequence()
    extra.ownRest.arrival ??= this.agenda.nowOrLast()
  }

  private enqueue(entry: Entry): void {
    // A task that arrived at the door has its stamp, and may have waited longer than what is in the queue.
    const isFromDoor = entry.state === "AtDoor"
    if (!isFromDoor) entry.arrivedAt = this.ages.stamp()
    if (this.observer !== undefined) this.reportPlace(entry)
    // Only now: until here a clock, which is user code, has found the task where it was.
    if (entry.state === "Delayed") this.delayed.entries.remove(entry)
    entry.state = "Waiting"
    const retry = entry.extra?.retry
    if (retry !== undefined) this.backlog.insert(entry, retry.sequence)
    else if (isFromDoor) this.backlog.insert(entry, this.backlog.nextSequence())
    else this.backlog.push(entry)
  }

  private reportPlace(entry: Entry): void {
    if (entry.state === "AtDoor") {
      entry.state = "Waiting"
      this.observer!.admitted(entry)
    } else this.observer!.arrived(entry)
  }

  private enqueueAtDoor(entry: Entry): void {
    if (this.hasAgeing && !entry.needsItem) ownExtra(entry).ownRest.arrival ??= this.agenda.nowOrLast()
    entry.state = "AtDoor"
    entry.arrivedAt = this.ages.stamp()
    this.door.push(entry)
    this.observer?.arrived(entry)
  }

  /** Fills free places of the queue from the door. Requests pull their items. */
  private admitFromDoor(): void {
    this.moveFromDoor()
    while (this.door.size > 0 && this.hasPlace) {
      this.pullFirst()
      this.moveFromDoor()
    }
  }

  /** Fills free places of the queue up to the first request without an item. Runs no user code. */
  moveFromDoor(): void {
    while (this.door.size > 0 && !this.door.head!.needsItem && this.hasPlace) {
      const entry = this.door.shift()!
      this.admitWaiting(entry)
      this.endWaitAtDoor(entry)
    }
  }

  /** Lets the request at the head of the door pull its item. */
  private pullFirst(): void {
    const entry = this.door.shift()!
    entry.state = "New"
    if (!this.pullFor(entry)) return
    if (!this.isAdmitting) return this.reject(entry, this.notAdmitting)
    entry.state = "AtDoor"
    this.door.unshift(entry)
  }

  /**
   * Lets a request pull its item, for which a place is reserved. Returns `false` if the request has ended: the source is
   * at its end, or the bulk was stopped. Pulling is user code, so callers must check the state again afterwards.
   */
  private pullFor(entry: Entry): boolean {
    this.reserved++
    try {
      entry.pull()
    } finally {
      this.reserved--
    }
    if (entry.state !== "New") return false
    if (entry.needsItem) this.complete(entry, undefined)
    return !entry.needsItem && this.admitsItem(entry)
  }

  // ---- dispatch: in the step that makes it possible --------------------------------------------------------------

  /**
   * Fills free workers and notifies waiters, until no work is left or the budget is spent. Dispatch comes first, so a
   * notified waiter never sees a free worker while a task waits (I2). A call by a launched task or a resumed submitter
   * only changes state here, and the loop does the rest. So tasks that never suspend cannot grow the stack.
   */
  flush(): void {
    if (this.flushing || this.flushScheduled || this.launchDepth > 0) {
      this.flushAsked = true
      return
    }
    if (this.inTransition !== undefined) this.settleAfterOverflow()
    let rounds = 0
    do {
      if (this.blocked) this.lending!.flush()
      if (this.mayHaveWork()) this.flushLoop()
      if (!this.endFlush() || this.flushScheduled) return
      // The conditions of watchers are user code: one that submits a task at each check must not keep the event loop.
    } while (++rounds < maxRounds)
    this.scheduleFlush()
  }

  /** Settles a launch that overflowed the stack, before a caller reads the state. Otherwise changes nothing. */
  settleOverflowed(): void {
    if (this.inTransition !== undefined) this.flush()
  }

  private flushLoop(): void {
    this.budget = flushBudget
    let thrown = true
    let progress: boolean
    this.flushing = true
    try {
      do {
        progress = false
        for (; this.deferredStarts.length > 0 && this.budget > 0; progress = true) this.startDeferred()
        if (this.door.size > 0) this.admitFromDoor()
        // At most as many launches as workers are free now. Tasks that end at once are notified before more are
        // launched.
        let free = this.limit - this.used
        // A launched task may shrink the pool in this step, so `limit` and `used` are read each time.
        for (; free > 0 && this.budget > 0 && this.used < this.limit && this.dispatchNext(); free--) progress = true
        for (; !this.completions.isEmpty && this.budget > 0; progress = true) this.notifyNext()
        // Tasks that ended in this round have freed workers. Tasks that wait to take theirs back come before dispatch.
        if (this.blocked) this.lending!.flush()
        // Without progress, the backlog counts an entry as ready but does not return it. Another round would not help.
      } while (progress && this.budget > 0 && this.mayHaveWork())
      thrown = false
    } finally {
      this.flushing = false
      // After a stack overflow, the remaining work must not wait for the next operation.
      if (thrown) this.scheduleFlush()
    }
    if (this.budget <= 0 && this.hasWork()) this.scheduleFlush()
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return
    // In this order: the call may overflow the stack, and the pool must not wait for a flush that was never scheduled.
    this.dispatcher.scheduleTask(this.onScheduledFlush, 0)
    this.flushScheduled = true
  }

  /** Returns whether a flush may have work. Whether the gate lets a task start, the flush finds out itself. */
  private mayHaveWork(): boolean {
    return (
      !this.completions.isEmpty ||
      this.deferredStarts.length > 0 ||
      (this.used < this.limit && (this.backlog.ready > 0 || (this.door.size > 0 && this.isDoorNext))) ||
      (this.door.size > 0 && this.hasPlace)
    )
  }

  /** Returns whether a flush has work. */
  private hasWork(): boolean {
    if (!this.mayHaveWork()) return false
    const onlyDispatches = this.completions.isEmpty && this.deferredStarts.length === 0
    return !(this.selective && onlyDispatches) || (this.door.size > 0 && this.hasPlace) || this.nextMayStart()
  }

  /** Launches the next task, or pulls the item of the next request. Returns `false` if there is none. */
  private dispatchNext(): boolean {
    const { backlog, door } = this
    if (this.selective && !this.nextMayStart()) return false
    // Taking a task frees a place, for which the first request pulls its item. It pulls first, outside of a transition.
    if (door.size > 0 && door.head!.needsItem && (backlog.ready > 0 || this.isDoorNext)) {
      this.pullFirst()
      return true
    }
    if (backlog.ready > 0) return this.launchNext()
    // Without a queue (capacity 0) a task moves from the door to a worker.
    if (door.size === 0 || !this.isDoorNext) return false
    const first = door.shift()!
    this.launchNew(first)
    this.endWaitAtDoor(first)
    return true
  }

  /** Returns whether the next task may start. `true` for a request without an item, which must pull it first. */
  private nextMayStart(): boolean {
    if (this.backlog.ready > 0 && this.gate.letsReadyStart) return true
    const next = this.isDoorNext ? this.door.head : this.backlog.peek()
    return next !== undefined && (next.needsItem || this.mayStart(next))
  }

  /** Returns whether an entry may start now: its workers are free, and the gate allows it. */
  private mayStart(entry: Entry): boolean {
    return this.used + permitsOf(entry) <= this.limit && this.gate.allows(entry)
  }

  private launchNext(): boolean {
    const entry = this.backlog.pop()
    if (entry === undefined) return false
    this.inTransition = entry
    if (this.door.size > 0) this.refillFromDoor(entry)
    this.launch(entry)
    return true
  }

  /** Fills the place that an entry leaves. Its workers count as used, so that no task takes them back. */
  private refillFromDoor(entry: Entry): void {
    const permits = permitsOf(entry)
    this.used += permits
    this.moveFromDoor()
    this.used -= permits
  }

  private launch(entry: Entry): void {
    const outer = this.inTransition
    this.inTransition = entry
    this.budget--
    const { state } = entry
    entry.state = "Running"
    this.runningTasks.push(entry)
    if (entry.extra === undefined && !this.selective) this.used++
    else this.takeWorkers(entry)
    this.observer?.dispatched(entry, state === "Waiting")
    if (this.launchDepth < maxLaunchDepth) this.start(entry)
    else {
      entry.asyncContext ??= captureAsyncContext()
      this.deferredStarts.push(entry)
    }
    if (this.inTransition === entry) this.inTransition = outer === entry ? undefined : outer
  }

  private takeWorkers(entry: Entry): void {
    this.used += permitsOf(entry)
    if (this.selective) this.gate.started(entry)
    const { extra } = entry
    if (extra === undefined) return
    if (extra.retry !== undefined) extra.retry.starts++
    if (extra.deadline !== undefined) this.deadlines.end(extra)
  }

  /** Frees the workers of a running task that has ended or is delayed. */
  private leaveWorkers(entry: Entry): void {
    this.runningTasks.remove(entry)
    const lent = this.lending !== undefined && this.lending.leftWorkers(entry)
    if (lent) this.lent -= permitsOf(entry)
    else this.used -= permitsOf(entry)
    if (this.selective) this.gate.ended(entry, lent)
  }

  private startDeferred(): void {
    const entry = this.deferredStarts.shift()!
    this.budget--
    if (!entry.mayStart) return this.onExit(entry, Exit.interrupt())
    if (this.selective) this.gate.startedLate(entry)
    this.start(entry)
  }

  private start(entry: Entry): void {
    const frame = currentFrame()
    // No call may come between this line and `try`: it might overflow the stack.
    const depth = this.launchDepth++
    try {
      const context = entry.asyncContext ?? callersAsyncContext(entry)
      if (isCurrentContext(context, frame)) this.run(entry)
      else runInCopy(context, this.run, this, entry)
    } catch (cause) {
      this.onLaunchThrew(entry, cause)
    } finally {
      // First, because `restoreFrame` may overflow the stack, and a wrong depth would stop every later flush.
      this.launchDepth = depth
      restoreFrame(frame)
    }
  }

  private run(entry: Entry): void {
    const startedAt = this.ages.stamp()
    const exit = entry.fork().pollUnsafe()
    if (exit === undefined) {
      entry.observe()
      // A task that closing has abandoned in its first step has no launch.
      if (entry.launch !== undefined) entry.launch.startedAt = startedAt
    } else this.onExit(entry, exit)
    entry.onStarted()
  }

  /** Handles an error of a launch: an observer of the fiber that has ended threw, or the stack overflowed. */
  private onLaunchThrew(entry: Entry, cause: unknown): void {
    const exit = entry.state === "Running" && this.runningTasks.has(entry) ? entry.fiber?.pollUnsafe() : undefined
    if (exit === undefined) throw cause
    this.userCode.onDefect(cause)
    this.onExit(entry, exit)
    entry.onStarted()
  }

  /** Settles the tasks that a stack overflow has left within a transition. */
  private settleAfterOverflow(): void {
    const lost = this.inTransition!
    const depth = this.launchDepth++
    try {
      this.settleLost(lost)
    } finally {
      this.launchDepth = depth
    }
    // Last, because the stack may overflow here too.
    this.inTransition = undefined
  }

  private settleLost(lost: Entry): void {
    const overflow = Exit.die(new RangeError("Maximum call stack size exceeded"))
    for (const entry of this.runningTasks.toArray()) {
      const { fiber } = entry
      const exit = fiber?.pollUnsafe()
      if (exit !== undefined) this.onExit(entry, exit)
      else if ((entry.startedAt === noStamp && !this.deferredStarts.includes(entry)) || entry === lost) {
        this.onExit(entry, overflow)
        this.userCode.later(() => this.userCode.guard((fiber) => fiber?.interruptUnsafe(), fiber))
      }
    }
    if (lost.state === "Delayed") this.delayed.entries.remove(lost)
    if (lost.state !== "Settled") this.settle(lost, lost.fiber?.pollUnsafe() ?? overflow)
    // A task may be missing from every list, or be counted with a wrong outcome. Derive these counts from the others.
    this.lending?.leftWorkers(lost)
    this.used = this.lent = 0
    for (const entry of this.runningTasks.toArray()) this[this.isLent(entry) ? "lent" : "used"] += permitsOf(entry)
    this.counts.submitted = this.counts.settled + this.backlog.size + this.runningTasks.size + this.delayed.entries.size
  }

  // ---- settling: in the step in which the task's fiber ends ------------------------------------------------------

  /** Handles the end of a task's fiber. */
  onExit(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    // Closing has abandoned the task, or its exit was handled already: without the known runtime it is reported twice.
    if (entry.state !== "Running") return
    const outer = this.inTransition
    this.inTransition = entry
    this.leaveWorkers(entry)
    this.observer?.left(entry, exit)
    if (exit._tag === "Success") {
      this.count(entry, "succeeded")
      this.settle(entry, exit)
    } else if (entry.extra?.retry === undefined || !this.delayForRetry(entry, exit)) this.onFailureExit(entry, exit)
    if (this.ownObserver !== undefined) this.report(entry, exit)
    if (this.inTransition === entry) this.inTransition = outer
    this.flush()
  }

  private onFailureExit(entry: Entry, exit: Exit.Failure<unknown, unknown>): void {
    const interrupted = Cause.hasInterrupts(exit.cause)
    const { cancelReason } = entry
    if (interrupted && cancelReason !== undefined && cancelReason !== "Interrupted") {
      return this.onCancelledExit(entry, cancelReason, exit.cause)
    }
    this.count(entry, interrupted && Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed")
    this.settle(entry, exit)
  }

  private onCancelledExit(entry: Entry, reason: TaskCancelledReason, cause: Cause.Cause<unknown>): void {
    // The defect of a finalizer is added to the cancellation.
    const own = cause.reasons.filter((each) => !Cause.isInterruptReason(each))
    if (Cause.isInterruptReason(cause.reasons[0]!)) return this.cancelRunning(entry, reason, own)
    // The task failed by itself before the interruption reached it, so it keeps its own result.
    this.count(entry, "failed")
    this.settle(entry, Exit.failCause(Cause.fromReasons(own)))
  }

  private cancelRunning(entry: Entry, reason: TaskCancelledReason, others: ReadonlyArray<Cause.Reason<unknown>>): void {
    this.count(entry, "cancelled")
    this.events.emit({ _tag: "Cancelled", reason, started: true })
    const error = new TaskCancelled({ reason, started: true, pool: this.name, stats: this.stats() })
    this.collector?.add(entry)
    this.settle(entry, Exit.failCause(Cause.fromReasons([Cause.makeFailReason(error), ...others])))
  }

  private count(entry: Entry, outcome: Outcome): void {
    this.counts[outcome]++
    const trace = entry.extra?.rest?.trace
    if (trace !== undefined) trace.outcome = outcome
  }

  settle(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    entry.answer ??= exit
    this.complete(entry, exit)
  }

  /** Ends an entry, the last step of every path. No `exit` means a request whose source had no item left. */
  private complete(entry: Entry, exit: Exit.Exit<unknown, unknown> | undefined): void {
    entry.state = "Settled"
    entry.exit = exit
    if (entry.extra !== undefined) this.releaseExtra(entry, exit)
    if (entry.awaited) this.enqueueCompletion(entry)
    entry.onSettled()
  }

  /** Lets the next flush end the span of an attempt, before it notifies the waiters of its task. */
  private endTrace(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    const trace = entry.trace!
    if (trace.finish(exit)) this.enqueueCompletion(trace)
    entry.trace = undefined
  }

  private releaseExtra(entry: Entry, exit: Exit.Exit<unknown, unknown> | undefined): void {
    const extra = entry.extra!
    if (extra.deadline !== undefined) this.deadlines.end(extra)
    if (extra.rest === undefined) return
    const { retry, trace } = extra.rest
    retry?.due?.cancel()
    const planning = retry?.planning
    // The finalizers of the schedule are user code, so a flush runs them.
    if (planning !== undefined) this.enqueueCompletion({ notify: () => planning.interruptUnsafe() })
    extra.endWaits()
    if (trace !== undefined && exit !== undefined) this.endTrace(entry, exit)
  }

  // ---- retries ------------------------------------------------------------------------------------------------

  /** Delays a failed task that may be tried again, and returns `true`. No task is dispatched while user code decides. */
  private delayForRetry(entry: Entry, exit: Exit.Failure<unknown, unknown>): boolean {
    if (entry.cancelReason !== undefined || !entry.mayStart || this.holds.has("Closing")) return false
    const { trace } = entry
    const { limit } = this
    this.launchDepth++
    this.deciding++
    this.limit = 0
    try {
      if (trace !== undefined) {
        this.endTrace(entry, exit)
        entry.trace = trace.next()
      }
      const isDelayed = this.delayed.take(entry, exit)
      if (entry.state === "Delayed") entry.arrivedAt = this.ages.stamp()
      // The failure is final, and decides the outcome in the span.
      if (!isDelayed) entry.trace = trace
      return isDelayed
    } finally {
      // No call before these: it might overflow the stack.
      this.launchDepth--
      this.deciding--
      this.limit = limit
      this.refreshLimit()
    }
  }

  requeue(entry: Entry): void {
    // Such a task would never run, and closing looks for those that wait only when the target falls.
    if (this.phaseName === "Draining" && permitsOf(entry) > this.targetSize) return this.cancel(entry, "Closed")
    entry.trace?.admitted()
    this.enqueue(entry)
  }

  fail(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    this.counts.failed++
    this.settle(entry, exit)
  }

  /** Reports an outcome to the observer. `classify` is user code, and no task is dispatched before it returns. */
  private report(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    const { limit } = this
    this.launchDepth++
    this.deciding++
    this.limit = 0
    try {
      this.ownObserver!.settled(entry, exit)
    } finally {
      // No call before these: it might overflow the stack.
      this.launchDepth--
      this.deciding--
      this.limit = limit
      this.refreshLimit()
    }
  }

  // ---- notifying --------------------------------------------------------------------------------------------------

  /** Lets the present or the next flush notify a waiter. */
  enqueueCompletion(completion: Notifiable): void {
    this.completions.push(completion)
  }

  private notifyNext(): void {
    this.budget--
    // A plain `try`, because this runs for every task. An observer of the resumed fiber may throw.
    try {
      this.completions.shift().notify()
    } catch (defect) {
      this.userCode.onDefect(defect)
    }
  }

  /** Returns whether there is work again. */
  private endFlush(): boolean {
    this.ownObserver?.flushEnded()
    this.warnings?.flushEnded()
    if (this.backlog.size === 0) this.onQueueEmpty()
    return this.watchers.isEmpty ? !this.completions.isEmpty : this.checkWatchers()
  }

  /** Checks what watchers wait for. What user code does there is left to the flush that is under way. */
  private checkWatchers(): boolean {
    this.flushing = true
    this.flushAsked = false
    try {
      this.watchers.check(this.completions)
    } finally {
      this.flushing = false
    }
    // Whatever asked for a flush may have changed what was checked before it.
    return this.flushAsked || this.hasWork()
  }

  private onQueueEmpty(): void {
    this.sharedAsyncContext = undefined
    this.tracing = undefined
    // An idle pool must have no timer.
    if (this.selective && this.door.size === 0) this.gate.cancelPlannedFlush()
  }

  /** Notifies a traversal when admission ends, until the returned function is called. */
  traverse(traversal: Traversal): () => void {
    this.traversals.add(traversal)
    return () => void this.traversals.delete(traversal)
  }

  // ---- ending tasks early ----------------------------------------------------------------------------------------

  /**
   * Takes an entry from the door, the queue or the delayed tasks: the only way out besides admission and dispatch. The
   * caller must settle it, then give the free place to the door, and flush.
   */
  takeOut(entry: Entry): void {
    if (entry.state === "AtDoor") return this.door.remove(entry)
    if (entry.state !== "Waiting" && entry.state !== "Delayed") return
    if (entry.state === "Waiting") this.backlog.remove(entry)
    else this.delayed.entries.remove(entry)
    // The entry is in no list now. If it is ended again before it settles, it must not be removed again.
    entry.state = "New"
    this.counts.cancel(hasStarted(entry))
  }

  /** Cancels a waiting or delayed task. */
  cancel(entry: Entry, reason: TaskCancelledReason): void {
    if (entry.state !== "Waiting" && entry.state !== "Delayed") return
    this.events.emit({ _tag: "Cancelled", reason, started: hasStarted(entry) })
    this.takeOut(entry)
    this.collector?.add(entry)
    this.settle(entry, this.cancellation(reason, hasStarted(entry)))
    this.moveFromDoor()
    this.flush()
  }

  /** Interrupts a running task. The first reason stays. The fiber may end in this step. */
  interrupt(entry: Entry, reason: TaskCancelledReason | "Interrupted", by: number | undefined): void {
    if (entry.state !== "Running") return
    entry.cancelReason ??= reason
    // Finalizers and observers of the fiber are user code.
    this.userCode.guard((fiber) => fiber?.interruptUnsafe(by), entry.fiber)
  }

  /** Abandons the running tasks, which do not end. They settle now, whatever their fibers do later. */
  abandonRunning(reason: TaskCancelledReason): void {
    for (const entry of this.runningTasks.toArray()) {
      this.leaveWorkers(entry)
      this.observer?.left(entry, Exit.interrupt())
      this.cancelRunning(entry, reason, [])
      if (this.ownObserver !== undefined) this.report(entry, Exit.interrupt())
    }
    this.flush()
  }

  /** Changes the weight of a waiting or delayed task. Another task may be the next one then, and may start. */
  reweigh(entry: Entry, weight: number): void {
    if (entry.state === "Waiting") this.backlog.reweigh(entry, weight)
    else entry.weight = weight
    this.flush()
  }

  // ---- sizing ----------------------------------------------------------------------------------------------------

  /** Sets the target, clamped to the pool's bounds. Surplus tasks continue. */
  resize(size: number, why: string): number {
    const from = this.targetSize
    this.targetSize = Math.max(this.min, Math.min(this.max, size))
    if (this.targetSize !== from) {
      if (this.targetSize < from) this.shrinks++
      this.refreshLimit()
      this.ownObserver?.resized(from, this.targetSize)
      this.largestSize = Math.max(this.largestSize, this.targetSize)
      this.events.emit({ _tag: "Scaled", from, to: this.targetSize, why })
      this.flush()
    }
    return this.targetSize
  }

  /** Like `resize`, for a caller instead of the policy. The next sample reports the change to the policy. */
  resizeByHand(size: number, why: string): number {
    const from = this.targetSize
    if (this.resize(size, why) !== from) this.ownObserver?.resizedByHand()
    return this.targetSize
  }

  reportHold(): void {
    this.ownObserver?.holdChanges()
  }

  refreshLimit(): void {
    this.limit = this.holds.isHeld || this.blocked || this.deciding > 0 ? 0 : this.targetSize
  }

  // ---- lending ---------------------------------------------------------------------------------------------------

  /** Lends the workers of a running task, from the next flush on, while one of its fibers waits. */
  lend(entry: Entry): Wait {
    return (this.lending ??= new Lending(this)).begin(entry)
  }

  lendWorkers(loan: Loan): void {
    const permits = permitsOf(loan.entry)
    // No call may come between these writes, here and in `takeBackWorkers`: it might overflow the stack.
    this.used -= permits
    this.lent += permits
    loan.isLent = true
    if (this.selective) this.gate.lent(loan.entry)
    this.observer?.lent(loan.entry)
    loan.entry.trace?.lent()
  }

  takeBackWorkers(loan: Loan, must: boolean): boolean {
    const permits = permitsOf(loan.entry)
    const fits = this.used + permits <= this.targetSize || (permits > this.targetSize && this.used === 0)
    if (!fits && !must) return false
    this.used += permits
    this.lent -= permits
    loan.isLent = false
    if (this.selective) this.gate.tookBack(loan.entry)
    this.observer?.tookBack(loan.entry)
    loan.entry.trace?.tookBack()
    return true
  }

  blockDispatch(blocked: boolean): void {
    this.blocked = blocked
    this.refreshLimit()
  }

  /** Corrects the cost of the last start of a running task. */
  adjustCost(entry: Entry, changes: Costs): void {
    this.gate.adjust(entry, changes)
    this.flush()
  }

  // ---- pausing, closing ------------------------------------------------------------------------------------------

  private onPaused(paused: boolean): void {
    if (this.phaseName !== "Open") return
    this.isAdmitting = !paused
    this.events.emit({ _tag: paused ? "Paused" : "Resumed" })
    if (paused) this.rejectDoor("Paused")
    this.flush()
  }

  /** Ends admission until `reopen`. Rejects the tasks at the door in this step. */
  beginClosing(): void {
    this.phaseName = "Draining"
    this.isAdmitting = false
    this.rejectDoor("Closed")
  }

  /** Closes the pool, when no task waits or runs. */
  endClosing(report: CloseReport): PoolEvent {
    this.phaseName = "Closed"
    this.holds.onClosed()
    const event = this.events.eventOf({ _tag: "Closed", report })
    this.events.publish(event)
    return event
  }

  /** Admits again, after `endClosing`. */
  reopen(paused: boolean): void {
    this.phaseName = "Open"
    this.pauses.reset(paused)
    this.isAdmitting = !this.paused
    this.holds.end("Closing", true)
  }

  private chooseObservers(): void {
    this.ownObserver = this.observers.own
    this.observer = this.observers.ofTasks
  }
}
