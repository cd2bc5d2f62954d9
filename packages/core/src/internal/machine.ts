/**
 * The machine of a task pool: admission, dispatch, sizing, settling.
 *
 *     submit ──> admit ──> door ──> backlog ──> running ──> settled ──> told
 *                  │  (queue full)  (waits)   (its own fiber)  (counted)  (submitter, joiners resumed)
 *                  └─> refused
 *
 * Everything here is synchronous: JavaScript's single thread is the lock, and between two state changes that belong
 * together nobody else runs. What waits (submitters in `service.ts`, closing in `lifecycle.ts`, the sizing loop in
 * `sizing.ts`) only calls in here, and a bulk (`bulk.ts`) is called back from here.
 *
 * **Words.** The *door* is where submitters wait while the queue is full, first-in first-out for every discipline. The
 * *backlog* holds the tasks that wait, in the discipline's order. A *worker* is the right to run one task: there are
 * `target` of them, and while surplus tasks finish after a soft scale-down, more. A *turn* fills the free workers and
 * tells those whose task has settled. A submitter that finds nobody before it and a free worker launches its task itself.
 *
 * What happens for every task stands in small functions, and what seldom happens in others: the engine inlines so much and
 * no more, and a call that it does not inline costs as much as what most of these do.
 *
 * **States of the pool**
 *
 * | phase    | submit   | dispatch | to        | when                                               |
 * |----------|----------|----------|-----------|----------------------------------------------------|
 * | Open     | admitted | yes      | Paused    | `pause`                                            |
 * |          |          |          | Draining  | `close`, scope end                                 |
 * | Paused   | refused  | yes      | Open      | `resume`                                           |
 * |          |          |          | Draining  | `close`, scope end                                 |
 * | Draining | refused  | yes      | Closed    | idle, or cut short and finalizers awaited          |
 * | Closed   | refused  | no       | Open      | `start`, unless the scope has closed               |
 *
 * **Invariants** (tests cite them by number)
 *
 * - I1 The limit is the truth: running tasks, with their finalizers, never exceed the target, except surplus ones right
 *   after a soft scale-down.
 * - I2 Work-conserving: a waiting task beside a free worker is impossible at rest, unless the pool's sizing policy holds
 *   dispatch.
 * - I3 Exactly one outcome: every admitted task settles exactly once on every path; none runs twice; a refused one never
 *   runs.
 * - I4 Order is the discipline's, decided at dispatch; equal weights are first-in first-out; nobody overtakes at the door.
 * - I5 A cancelled waiting task leaves at once: the count falls, a place frees, no memory is kept.
 * - I6 A closed pool has no fiber, no timer, no reference to a task, but those the log named as not ending.
 * - I7 A task sees its submitter's services, references, span and async context, and nobody else's; its children end
 *   with it.
 * - I8 `waiting <= capacity`.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { SchedulerDispatcher } from "effect/Scheduler"
import type { QueueDiscipline } from "../QueueDiscipline.ts"
import type { PoolEvent, PoolStats } from "../TaskPool.ts"
import { NotAvailable, type NotAvailableReason, TaskCancelled, type TaskCancelledReason } from "../TaskPoolError.ts"
import { type Backlog, LinkedList } from "./backlog.ts"
import type { Entry, MachineObserver } from "./entry.ts"
import { type AsyncContext, callersAsyncContext, captureAsyncContext, captureAsyncContextLike } from "./runtime.ts"

/** What a machine is made of, checked by whoever makes it. */
export interface MachineOptions {
  readonly name: string
  readonly discipline: QueueDiscipline
  /** The sizes that `target` is clamped to. */
  readonly min: number
  readonly max: number
  readonly initial: number
  readonly capacity: number
  readonly onFull: "suspend" | "fail"
  readonly startPaused: boolean
}

// A turn lets the event loop go after this many tasks that ended within it.
const turnBudget = 1024

// A task may submit to its own pool before it first suspends: so deep may launches lie on the stack.
const maxLaunchDepth = 64

let machines = 0

export class Machine {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly capacity: number
  readonly onFull: "suspend" | "fail"

  phase: "Open" | "Draining" | "Closed" = "Open"
  paused: boolean
  target: number
  /** Below so many running tasks the next one is dispatched: the target, or 0 while dispatch is held. */
  private limit: number
  private held = false
  largestSize: number

  readonly door = new LinkedList<Entry>()
  readonly backlog: Backlog<Entry>
  readonly running = new LinkedList<Entry>()

  submitted = 0
  succeeded = 0
  failed = 0
  interrupted = 0
  cancelledRunning = 0
  cancelledWaiting = 0
  rejected = 0

  /** Tells of which launch a fiber of this pool comes: it is in the context of each task. */
  readonly inside: Context.Service<number, number>
  /** How many launches there were. */
  marks = 0
  /** Measures an auto-scale pool for its policy. */
  meter: MachineObserver | undefined = undefined
  /** Conditions somebody waits for; looked at when a turn ends. */
  readonly watchers = new Set<Watcher>()
  /** Readers of events: sliding queues, so that a slow one loses the oldest and never slows the pool. */
  readonly readers = new Set<Queue.Enqueue<PoolEvent, Cause.Done>>()

  readonly dispatcher: SchedulerDispatcher
  /** Tasks whose submitter, or joiners, must be told: those from `told` to `untold`. */
  private readonly news: Array<Entry | undefined> = []
  private told = 0
  private untold = 0
  private turning = false
  private turnScheduled = false
  private launchDepth = 0
  /** The async context of the task that came last, as long as any waits in the queue. */
  private lastContext: AsyncContext | undefined = undefined
  /** Tasks whose launch threw, to be settled in the next turn. */
  private broken: Broken | undefined = undefined
  /** Tasks that a worker has taken, and whose fibers start when the stack has unwound. */
  private unstarted: Array<Entry> = []
  private readonly onScheduledTurn = (): void => {
    this.turnScheduled = false
    this.meter?.rest()
    this.turn()
  }

  constructor(options: MachineOptions, dispatcher: SchedulerDispatcher) {
    this.name = options.name
    this.min = options.min
    this.max = options.max
    this.capacity = options.capacity
    this.onFull = options.onFull
    this.paused = options.startPaused
    this.target = this.limit = options.initial
    this.largestSize = options.initial
    this.backlog = options.discipline.backlog()
    this.inside = Context.Service(`@aio-task-pool/core/inside/${++machines}`)
    this.dispatcher = dispatcher
  }

  // ---- admission: in the submitter's step ------------------------------------------------------------------------

  /** Lets the task in, leaves it at the door, or refuses it. The caller's answer may be there when this returns. */
  admit(task: Entry, mayWait: boolean): void {
    if (this.phase !== "Open") this.refuse(task, "Closed")
    else if (this.paused) this.refuse(task, "Paused")
    else if (this.door.size > 0 || this.backlog.size > 0 || this.running.size >= this.limit) this.line(task, mayWait)
    else {
      this.enter(task)
      this.launch(task)
    }
    this.turn()
  }

  /** Not all workers are free, or others came before. */
  private line(task: Entry, mayWait: boolean): void {
    if (this.door.size === 0 && this.backlog.size < this.capacity) {
      this.enter(task)
      this.queue(task)
    } else if (mayWait) this.queueAtDoor(task)
    else this.refuse(task, "QueueFull")
  }

  /** Notes the async context of a task that was just let in and must wait: it will be launched in somebody else's step. */
  capture(task: Entry): void {
    if (task.state !== "Waiting" && task.state !== "AtDoor") return
    task.asyncContext = this.lastContext = captureAsyncContextLike(this.lastContext)
  }

  /** Fails everybody at the door. */
  shutDoor(reason: NotAvailableReason): void {
    for (let task = this.door.shift(); task !== undefined; task = this.door.shift()) this.refuse(task, reason)
  }

  private refuse(task: Entry, reason: NotAvailableReason): void {
    this.rejected++
    this.emit({ _tag: "Rejected", reason })
    const exit = Exit.fail(new NotAvailable({ reason, pool: this.name, stats: this.stats() }))
    task.answer = exit
    this.release(task, exit)
  }

  /**
   * Asks for a place for the next item of a bulk, which waits at the door whatever `onFull` says. It never starts in this
   * step: a turn launches one item after the other, so that items that end at once cannot grow the stack.
   */
  apply(task: Entry): void {
    if (this.phase !== "Open") this.refuse(task, "Closed")
    else if (this.paused) this.refuse(task, "Paused")
    else if (this.door.size > 0 || this.backlog.size >= this.capacity) this.queueAtDoor(task)
    else if (this.enter(task)) this.queue(task)
  }

  /**
   * From here on the task is the pool's, and counted; a caller at the door that asked for no more is told. Answers
   * `false` for a bulk that turns out to have no item left.
   */
  private enter(task: Entry): boolean {
    if (!task.enter()) {
      task.state = "Settled"
      this.announce(task)
      return false
    }
    this.submitted++
    if (task.answer !== undefined && task.caller !== undefined) this.announce(task)
    return true
  }

  private queue(task: Entry): void {
    if (this.meter !== undefined && task.state === "New") this.meter.arrived(task)
    task.state = "Waiting"
    this.backlog.push(task)
  }

  private queueAtDoor(task: Entry): void {
    task.state = "AtDoor"
    this.door.push(task)
    this.meter?.arrived(task)
  }

  /** Fills free places of the queue from the door. */
  private letIn(): void {
    while (this.door.size > 0 && this.backlog.size < this.capacity) {
      const task = this.door.shift()!
      if (this.enter(task)) this.queue(task)
    }
  }

  // ---- dispatch: in the step that makes it possible --------------------------------------------------------------

  /**
   * Fills free workers and tells who waits for news, until nothing is left to do or the budget is spent. Dispatch comes
   * first, so that whoever is told sees no free worker beside a waiting task (I2). What a launched task or a resumed
   * submitter does here only changes state: the loop picks it up, so tasks that never suspend cannot grow the stack.
   */
  turn(): void {
    if (this.turning || this.turnScheduled || this.launchDepth > 0) return
    if (this.hasWork()) this.work()
    else this.watch()
  }

  private work(): void {
    let budget = turnBudget
    let thrown = true
    this.turning = true
    try {
      do {
        if (this.broken !== undefined) this.mend()
        for (; this.unstarted.length > 0 && budget > 0; budget--) this.startLate(this.unstarted.shift()!)
        // No more than the workers that are free now: tasks that end at once are told between two fillings.
        let free = this.limit - this.running.size
        // A task that is launched here may shrink the pool in this very step.
        for (; free > 0 && budget > 0 && this.running.size < this.limit; free--) {
          const task = this.takeNext()
          if (task === undefined) break
          budget--
          this.launch(task)
        }
        for (; this.told < this.untold && budget > 0; budget--) this.tellNext()
      } while (budget > 0 && this.hasWork())
      thrown = false
    } finally {
      this.turning = false
      // Somebody's observer of a fiber that was told, or the end of the stack: what is left must not wait for a task.
      if (thrown) this.turnLater()
    }
    this.watch()
    if (this.hasWork()) this.turnLater()
  }

  private turnLater(): void {
    if (this.turnScheduled) return
    this.turnScheduled = true
    this.dispatcher.scheduleTask(this.onScheduledTurn, 0)
  }

  private hasWork(): boolean {
    return (
      this.told < this.untold ||
      this.broken !== undefined ||
      this.unstarted.length > 0 ||
      (this.running.size < this.limit && (this.backlog.size > 0 || this.door.size > 0))
    )
  }

  // The array keeps its length: emptying it would allocate it anew for every task.
  private announce(task: Entry): void {
    this.news[this.untold++] = task
  }

  private tellNext(): void {
    const task = this.news[this.told]!
    this.news[this.told++] = undefined
    if (this.told === this.untold) this.told = this.untold = 0
    task.tell()
  }

  private takeNext(): Entry | undefined {
    const task = this.backlog.pop()
    if (task !== undefined) {
      this.letIn()
      return task
    }
    // Without a queue (capacity 0) a task steps from the door to the worker.
    for (let first = this.door.shift(); first !== undefined; first = this.door.shift()) {
      if (this.enter(first)) return first
    }
    return undefined
  }

  private launch(task: Entry): void {
    task.state = "Running"
    this.running.push(task)
    this.meter?.dispatched(task)
    if (this.launchDepth < maxLaunchDepth) this.start(task)
    else {
      task.asyncContext ??= captureAsyncContext()
      this.unstarted.push(task)
    }
  }

  private startLate(task: Entry): void {
    // It may have been ended before its fiber begins.
    if (task.ending === undefined) this.start(task)
    else this.ended(task, Exit.interrupt())
  }

  private start(task: Entry): void {
    const depth = this.launchDepth++
    try {
      if (task.takesOver()) return
      const asyncContext = task.asyncContext ?? callersAsyncContext(task)
      if (asyncContext === undefined) this.run(task)
      else asyncContext.runInAsyncScope(this.run, this, task)
    } catch (cause) {
      // The stack came to its end between here and the task's own code: there is none left to settle the task now.
      this.broken = { task, cause, rest: this.broken }
      throw cause
    } finally {
      this.launchDepth = depth
    }
  }

  /** Settles the tasks whose launch the stack was too short for, wherever between two calls it came to its end. */
  private mend(): void {
    const listed = new Set(this.running.toArray())
    for (let broken = this.broken; broken !== undefined; broken = broken.rest) {
      const { cause, task } = broken
      const { fiber } = task
      if (listed.has(task)) this.ended(task, Exit.die(cause))
      else if (task.state === "Running") this.settle(task, Exit.die(cause))
      else if (task.awaited) this.announce(task)
      fiber?.interruptUnsafe()
    }
    this.broken = undefined
    // One may have been lost before it was anywhere, or was counted as what it did not become.
    const { cancelledRunning, cancelledWaiting, failed, interrupted, succeeded } = this
    const settled = succeeded + failed + interrupted + cancelledRunning + cancelledWaiting
    this.submitted = settled + this.backlog.size + this.running.size
  }

  private run(task: Entry): void {
    const fiber = task.fork()
    task.launched()
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.ended(task, exit)
    task.fiber = fiber
    fiber.addObserver(task.observer())
  }

  // ---- settling: in the step in which the task's fiber ends ------------------------------------------------------

  ended(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    // Closing gave it up: its submitter was told already.
    if (task.state === "Settled") return
    this.running.remove(task)
    this.meter?.settled(task, exit)
    if (exit._tag === "Success") {
      this.succeeded++
      this.settle(task, exit)
    } else this.endedBadly(task, exit)
    this.turn()
  }

  private endedBadly(task: Entry, exit: Exit.Failure<unknown, unknown>): void {
    const interrupted = Cause.hasInterrupts(exit.cause)
    if (interrupted && task.ending !== undefined && task.ending !== "Interrupted") {
      return this.endedWhileCut(task, task.ending, exit.cause)
    }
    if (interrupted && Cause.hasInterruptsOnly(exit.cause)) this.interrupted++
    else this.failed++
    this.settle(task, exit)
  }

  private endedWhileCut(task: Entry, reason: TaskCancelledReason, cause: Cause.Cause<unknown>): void {
    // A finalizer that died stays visible beside the cancellation.
    const own = cause.reasons.filter((each) => !Cause.isInterruptReason(each))
    if (Cause.isInterruptReason(cause.reasons[0]!)) return this.cancelRunning(task, reason, own)
    // It had failed by itself before the interruption reached it: its own result stands.
    this.failed++
    this.settle(task, Exit.failCause(Cause.fromReasons(own)))
  }

  private cancelRunning(task: Entry, reason: TaskCancelledReason, others: ReadonlyArray<Cause.Reason<unknown>>): void {
    this.cancelledRunning++
    this.emit({ _tag: "Cancelled", reason, started: true })
    const error = new TaskCancelled({ reason, started: true, pool: this.name, stats: this.stats() })
    this.settle(task, Exit.failCause(Cause.fromReasons([Cause.makeFailReason(error), ...others])))
  }

  private settle(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    task.answer ??= exit
    this.release(task, exit)
  }

  private release(task: Entry, exit: Exit.Exit<unknown, unknown>): void {
    task.state = "Settled"
    task.exit = exit
    task.forget()
    if (task.awaited) this.announce(task)
  }

  // ---- ending tasks early ----------------------------------------------------------------------------------------

  /** Takes a waiting task out of the queue; it settles with `exit` or, by default, as `TaskCancelled`. */
  cancelWaiting(task: Entry, reason: TaskCancelledReason, exit?: Exit.Exit<never, unknown>): void {
    this.backlog.remove(task)
    this.cancelledWaiting++
    this.emit({ _tag: "Cancelled", reason, started: false })
    this.settle(task, exit ?? this.neverRan(reason))
    this.letIn()
    this.turn()
  }

  /** Takes out everything that waits. One error serves all: a million tasks may wait. */
  cancelAllWaiting(reason: TaskCancelledReason): void {
    const waiting = this.backlog.size
    if (waiting === 0) return
    this.cancelledWaiting += waiting
    const cancelled: Array<Entry> = []
    for (let task = this.backlog.pop(); task !== undefined; task = this.backlog.pop()) cancelled.push(task)
    const exit = this.neverRan(reason)
    for (const task of cancelled) {
      this.emit({ _tag: "Cancelled", reason, started: false })
      this.settle(task, exit)
    }
    this.turn()
  }

  private neverRan(reason: TaskCancelledReason): Exit.Exit<never, TaskCancelled> {
    return Exit.fail(new TaskCancelled({ reason, started: false, pool: this.name, stats: this.stats() }))
  }

  /** Interrupts a running task; the first reason stands. Its fiber may end in this very step. */
  end(task: Entry, reason: TaskCancelledReason | "Interrupted", by: number | undefined): void {
    if (task.state !== "Running") return
    task.ending ??= reason
    task.fiber?.interruptUnsafe(by)
  }

  /** The caller of `submit` or `fork` went away before it had an answer. */
  withdraw(task: Entry, by: number | undefined): void {
    task.caller = undefined
    switch (task.state) {
      case "New":
        return this.release(task, Exit.interrupt(by))
      case "AtDoor":
        this.door.remove(task)
        return this.release(task, Exit.interrupt(by))
      case "Waiting":
        return this.cancelWaiting(task, "Cancelled", Exit.interrupt(by))
      case "Running":
        return this.end(task, "Interrupted", by)
      case "Settled":
        return
    }
  }

  /** Gives up the running tasks, which would not end: they settle now, whatever their fibers do later. */
  abandonAll(reason: TaskCancelledReason): void {
    for (const task of this.running.toArray()) {
      this.running.remove(task)
      this.meter?.settled(task, Exit.interrupt())
      this.cancelRunning(task, reason, [])
    }
    this.turn()
  }

  // ---- sizing ----------------------------------------------------------------------------------------------------

  /** Sets the target, clamped to the pool's bounds; surplus tasks run on. */
  resize(size: number, why: string): number {
    const from = this.target
    this.target = Math.max(this.min, Math.min(this.max, size))
    if (this.target !== from) {
      if (!this.held) this.limit = this.target
      this.meter?.resized(from, this.target)
      this.largestSize = Math.max(this.largestSize, this.target)
      this.emit({ _tag: "Scaled", from, to: this.target, why })
      // Without a worker nothing that waits would ever run, and draining would wait for it for ever.
      if (this.target === 0 && this.phase === "Draining") this.cancelAllWaiting("Closed")
      this.turn()
    }
    return this.target
  }

  /** Dispatches nothing until the release; admission and running tasks go on. */
  holdDispatch(): void {
    this.held = true
    this.limit = 0
  }

  releaseDispatch(): void {
    if (!this.held) return
    this.held = false
    this.limit = this.target
    this.turn()
  }

  /**
   * Interrupts the newest running tasks until no more go on than there are workers, and answers all that are on their
   * way out: once these have ended, the limit holds.
   */
  cutSurplus(by: number): ReadonlyArray<Entry> {
    if (this.running.size <= this.target) return []
    const running = this.running.toArray()
    const leaving = running.filter((task) => task.ending !== undefined)
    const staying = running.filter((task) => task.ending === undefined)
    const cut = staying.slice(this.target)
    for (const task of cut.toReversed()) this.end(task, "ScaledDown", by)
    return leaving.concat(cut)
  }

  /** Cancels everything that waits and interrupts everything that runs. */
  cutAll(reason: TaskCancelledReason): void {
    this.cancelAllWaiting(reason)
    for (const task of this.running.toArray()) this.end(task, reason, undefined)
  }

  // ---- looking ---------------------------------------------------------------------------------------------------

  /** The mark of the task that a fiber is part of, or has been part of. */
  markOf(fiber: Fiber<unknown, unknown>): number | undefined {
    return Context.getOrUndefined(fiber.context, this.inside)
  }

  /** Whether a fiber is part of a task that still runs. */
  isInside(fiber: Fiber<unknown, unknown>): boolean {
    const mark = this.markOf(fiber)
    return mark !== undefined && this.running.toArray().some((task) => task.mark === mark)
  }

  get idle(): boolean {
    return this.backlog.size === 0 && this.running.size === 0
  }

  stats(): PoolStats {
    return {
      phase: this.phase === "Open" && this.paused ? "Paused" : this.phase,
      size: this.phase === "Closed" ? 0 : Math.max(this.target, this.running.size),
      targetSize: this.target,
      running: this.running.size,
      waiting: this.backlog.size,
      capacity: this.capacity,
      submitted: this.submitted,
      succeeded: this.succeeded,
      failed: this.failed,
      interrupted: this.interrupted,
      cancelled: this.cancelledRunning + this.cancelledWaiting,
      rejected: this.rejected,
      largestSize: this.largestSize
    }
  }

  emit(event: PoolEvent): void {
    if (this.readers.size > 0) for (const reader of this.readers) Queue.offerUnsafe(reader, event)
  }

  private watch(): void {
    this.meter?.rest()
    if (this.backlog.size === 0) this.lastContext = undefined
    if (this.watchers.size > 0) this.tellWatchers()
  }

  private tellWatchers(): void {
    // Who is resumed may change what the others wait for: those whose condition holds now are told all the same.
    const ready = Array.from(this.watchers).filter((watcher) => watcher.ready())
    for (const watcher of ready) this.watchers.delete(watcher)
    for (const watcher of ready) watcher.resume(Effect.void)
  }
}

/** A task whose launch threw. */
interface Broken {
  readonly task: Entry
  readonly cause: unknown
  readonly rest: Broken | undefined
}

/** A condition on the machine that a fiber waits for. */
export interface Watcher {
  readonly ready: () => boolean
  readonly resume: (effect: Effect.Effect<void>) => void
}
