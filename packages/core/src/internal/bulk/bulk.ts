/**
 * A bulk: one effect for each item of a source, run as tasks of the pool and pulled on demand.
 *
 * At any time a bulk has its running tasks and one *request*: a task without an item yet, which asks for a place as a
 * submitter does and takes its item from the source when it gets one. When it starts, the bulk requests again. So no item
 * is pulled that the pool cannot take, no fiber waits, and a bulk of a million items shares the queue fairly with other
 * submitters. An asynchronous source cannot be pulled within a step: there the item is fetched before the request.
 *
 *     request ──> place ──> item ──> waiting ──> started ──> settled ──> notified
 *       ↑                    │ none left            │            │ failed: stop, the rest is interrupted
 *       └────────────────────┼──────────────────────┘            │
 *                            └─> ending ─────────────────────────┴─> nothing live: the caller is resumed
 *
 * The end of admission, because the pool was paused or closes, ends a bulk as an exhausted source does: the tasks that the
 * pool has accepted go on, and then the caller gets `NotAvailable`.
 *
 * A failure stops the bulk in the step in which the task settles, so that no further item starts. The tasks that run are
 * interrupted when the bulk is notified: their finalizers are user code.
 */
import type * as Context from "effect/Context"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { NotAvailable } from "../../TaskPoolError.ts"
import type { Traversal } from "../pool/entry.ts"
import type { Wait } from "../pool/lending.ts"
import { endLaunch } from "../pool/launch.ts"
import type { Machine } from "../pool/machine.ts"
import { waitWithin } from "../pool/nested.ts"
import { checkEffect, Task } from "../pool/task.ts"
import { type AsyncContext, captureAsyncContext, runIsolated } from "../runtime/asyncContext.ts"
import type { ItemOptionsOf } from "./itemOptions.ts"
import { checkResult, isAtEnd, isPlainArray, type Source } from "./source.ts"

/** What a bulk is made of. */
export interface BulkOptions {
  /** The operation, for messages. */
  readonly where: string
  readonly source: Source
  readonly f: (item: unknown, index: number) => unknown
  readonly weight: number
  /** Gives a task the options of its item; `undefined` if no item has any. Runs user code. */
  readonly itemOptions: ItemOptionsOf | undefined
  /** What becomes of the values: an array in the order of the items, or of completion, or nothing. */
  readonly collect: "ordered" | "unordered" | "discard"
}

/** Runs a bulk in a pool and waits for its result; interrupting the caller interrupts all its tasks. */
export const runBulk = (machine: Machine, options: () => BulkOptions): Effect.Effect<any, any> =>
  Effect.withFiber((fiber) =>
    waitWithin(machine, fiber, (wait) =>
      Effect.callback((resume) => {
        const bulk = new Bulk(machine, options(), fiber.context, resume)
        bulk.wait = wait
        bulk.request()
        machine.flush()
        return bulk.interrupt
      })
    )
  )

// An asynchronous source that always has an item ready lets the event loop go after this many.
const fetchBudget = 1024

export class Bulk implements Traversal {
  readonly options: BulkOptions
  readonly context: Context.Context<never>
  readonly asyncContext: AsyncContext | undefined
  readonly machine: Machine
  private readonly isPlain: boolean
  private onDone: (result: Effect.Effect<unknown, unknown>) => void
  private readonly endTraversal: (() => void) | undefined
  /** How many of its requests and tasks it has not been notified of. */
  private live = 0
  /** How many of them have not settled. */
  private unsettled = 0
  /** The wait of a task that runs a bulk in its own pool. */
  wait: Wait | undefined = undefined
  /** The newest of them: every older one runs or has settled. */
  private newest: BulkTask | undefined = undefined
  /** Settled tasks, reused for the next items: nothing else refers to them. */
  private readonly spare: Array<BulkTask> = []
  private readonly values: Array<unknown> = []
  private pulled = 0
  private fetches = 0
  /** `Ending`: nothing more is pulled, and what was submitted settles; `Stopped`: it is interrupted. */
  state: "Pulling" | "Ending" | "Stopped" | "Done" = "Pulling"
  private sourceOpen = true
  /** Whether an asynchronous source was asked for an item that has not arrived. */
  private fetching = false
  /** The first failure: of a task, of admission, or of the source. */
  private failure: Exit.Exit<never, unknown> | undefined = undefined

  constructor(
    machine: Machine,
    options: BulkOptions,
    context: Context.Context<never>,
    onDone: (result: Effect.Effect<unknown, unknown>) => void
  ) {
    this.machine = machine
    this.options = options
    this.context = context
    this.asyncContext = captureAsyncContext()
    this.isPlain = isPlainArray(options.source)
    this.onDone = onDone
    this.endTraversal = options.source.isAsync ? machine.traverse(this) : undefined
  }

  /** Asks the pool for a place for the next item. */
  request(): void {
    if (this.state !== "Pulling") return
    // An array that is at its end needs no place to say so.
    if (this.isPlain && this.isAtEnd()) {
      this.end()
      return this.live === 0 ? this.finish() : undefined
    }
    const task = this.spare.pop() ?? new BulkTask(this)
    this.newest = task
    this.live++
    this.unsettled++
    const { source } = this.options
    if (source.isAsync) this.requestFetched(task, source.iterator)
    else {
      if (this.isPlain && this.machine.hasPlaceForRequest && !this.pullBefore(task)) return
      this.machine.request(task)
    }
  }

  /** Takes an item of an array before the request: that is cheaper. Returns `false` if the request is over. */
  private pullBefore(task: BulkTask): boolean {
    this.pull(task)
    // A proxy or a getter may have stopped the bulk, or thrown.
    if (task.state !== "New") return false
    if (task.needsItem) this.machine.dropRequest(task)
    return !task.needsItem
  }

  private requestFetched(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    // The source is not asked for an item that the pool would not admit.
    if (!this.machine.isAdmitting) this.machine.request(task)
    else if (++this.fetches % fetchBudget > 0) this.fetch(task, iterator)
    else this.machine.later(() => this.fetch(task, iterator))
  }

  /** Gives a request the next item of a synchronous source, if there is one. */
  pull(task: BulkTask): void {
    const iterator = this.options.source.iterator as Iterator<unknown>
    // A plain `try`, because this runs for every item: wrapping each in a Result allocates more than its task does.
    try {
      this.give(
        task,
        this.isPlain ? iterator.next() : runIsolated(this.asyncContext, iterator.next, iterator, undefined as never)
      )
    } catch (cause) {
      this.sourceFailed(cause)
    }
  }

  private fetch(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    // The bulk may have stopped since it was told to fetch later.
    if (task.state !== "New") return
    this.fetching = true
    const arrived = (give: () => void): void => {
      this.fetching = false
      // The bulk may have stopped meanwhile, and its caller no longer waits for this item.
      if (task.state !== "New") return
      give()
      // Reading the result runs the source's code, too.
      if (task.state === "New") {
        if (task.needsItem) this.machine.dropRequest(task)
        else this.machine.request(task)
      }
      this.machine.flush()
    }
    const fetchNext = async (): Promise<IteratorResult<unknown>> => iterator.next()
    runIsolated(this.asyncContext, fetchNext, undefined, undefined).then(
      (result) =>
        arrived(() => {
          try {
            this.give(task, result)
          } catch (cause) {
            this.sourceFailed(cause)
          }
        }),
      (cause) => arrived(() => this.sourceFailed(cause))
    )
  }

  private give(task: BulkTask, result: IteratorResult<unknown>): void {
    if (checkResult(this.options.where, result).done) {
      this.sourceOpen = false
      this.end()
    } else {
      const { value } = result
      if (this.options.itemOptions !== undefined && !this.setOptions(task, value)) return
      task.item = value
      task.index = this.pulled++
    }
  }

  /** Gives a request the options of its item. A bad one ends the bulk. */
  private setOptions(task: BulkTask, item: unknown): boolean {
    try {
      this.options.itemOptions!(task, item, this.pulled)
      return true
    } catch (cause) {
      this.failure ??= Exit.die(cause)
      this.end()
      return false
    }
  }

  private sourceFailed(cause: unknown): void {
    this.sourceOpen = false
    this.failure ??= Exit.die(cause)
    this.end()
  }

  private end(): void {
    if (this.state === "Pulling") this.state = "Ending"
    this.endWait()
  }

  /** Nothing more will settle: the task that waits for this bulk takes its worker back. */
  private endWait(): void {
    if (this.wait !== undefined && this.state !== "Pulling" && this.unsettled === 0) this.wait.end()
  }

  onSettled(): void {
    this.unsettled--
    this.endWait()
  }

  /** Admission has ended while the source may be silent: the caller must not wait for it. */
  onAdmissionEnd(): void {
    const { newest } = this
    if (newest?.state === "New" && newest.needsItem) this.machine.rejectUnadmitted(newest)
  }

  /** One of its tasks has settled, was rejected, or found no item. */
  onNotified(task: BulkTask): void {
    this.live--
    const { exit } = task
    if (exit?._tag === "Success") this.collect(task.index, exit.value)
    else if (exit !== undefined) this.onFailure(task, exit)
    if (this.state === "Pulling") {
      this.spare.push(task.renew())
      if (this.live === 1) this.lookAhead()
    } else if (this.live === 0) this.finish()
  }

  private onFailure(task: BulkTask, exit: Exit.Failure<unknown, unknown>): void {
    if (task.rejected) this.onRejection(task, exit as Exit.Failure<never, NotAvailable>)
    else {
      this.stop(Exit.failCause(exit.cause))
      this.interruptRunning()
    }
  }

  /** The pool admits no more: what it has accepted goes on. A source that is known to be at its end has lost nothing. */
  private onRejection(task: BulkTask, rejection: Exit.Failure<never, NotAvailable>): void {
    if (this.state !== "Pulling") return
    if (task.needsItem && this.isAtEnd()) return this.end()
    if (task.needsItem) this.machine.countRejection(task.rejected!)
    this.failure ??= rejection
    this.end()
  }

  private isAtEnd(): boolean {
    // A plain `try`: an array may be a proxy.
    try {
      const atEnd = isAtEnd(this.options.source)
      if (atEnd) this.sourceOpen = false
      return atEnd
    } catch (cause) {
      this.sourceFailed(cause)
      return false
    }
  }

  /** If only the request is left, at a door that may not move, it looks whether the source is at its end. */
  private lookAhead(): void {
    const request = this.newest!
    if (request.state !== "AtDoor" || !request.needsItem) return
    if (this.isAtEnd()) this.end()
    else {
      this.pull(request)
      if (!request.needsItem && request.state === "AtDoor" && !this.machine.admitsItem(request)) return
    }
    if (this.state !== "Pulling" && request.needsItem && request.state === "AtDoor") this.machine.dropRequest(request)
  }

  private collect(index: number, value: unknown): void {
    const { collect } = this.options
    if (collect === "ordered" && index !== this.values.length) this.values[index] = value
    else if (collect !== "discard") this.values.push(value)
  }

  /** Starts nothing more, from this step on. Runs no user code. */
  stop(failure: Exit.Exit<never, unknown>): void {
    this.failure ??= failure
    if (this.state === "Stopped" || this.state === "Done") return
    this.state = "Stopped"
    const { newest } = this
    if (newest !== undefined && newest.state !== "Running" && newest.state !== "Settled") {
      this.machine.remove(newest, Exit.interrupt())
    }
    if (this.options.itemOptions !== undefined) this.removeWaiting()
    this.endWait()
  }

  /** Ends the items that failed and wait for another attempt. */
  private removeWaiting(): void {
    for (const entry of this.machine.unstartedEntries) {
      if (entry instanceof BulkTask && entry.bulk === this) this.machine.remove(entry, Exit.interrupt())
    }
  }

  private interruptRunning(): void {
    for (const entry of this.machine.runningEntries) {
      if (entry instanceof BulkTask && entry.bulk === this) this.machine.cancelByCaller(entry, undefined)
    }
  }

  private finish(): void {
    if (this.state === "Done") return
    this.state = "Done"
    this.endTraversal?.()
    this.asyncContext?.emitDestroy()
    const { collect } = this.options
    const result = this.failure ?? Exit.succeed(collect === "discard" ? undefined : this.values)
    // A source that was left early may hold something: it is told, and waited for.
    this.onDone(this.sourceOpen ? Effect.flatMap(Effect.exit(this.leaveSource), (left) => both(result, left)) : result)
  }

  private readonly leaveSource: Effect.Effect<void> = Effect.suspend(() => {
    const { iterator } = this.options.source
    if (iterator.return === undefined) return Effect.void
    if (!this.options.source.isAsync) return Effect.sync(() => void iterator.return!())
    const leave = Effect.promise(async () => iterator.return!())
    // An async generator takes `return` only after the item it was asked for, which may never come: do not wait for it.
    return this.fetching
      ? Effect.asVoid(Effect.forkDetach(Effect.ignoreCause(leave), { startImmediately: true }))
      : Effect.asVoid(leave)
  })

  /** The caller was interrupted. */
  readonly interrupt = Effect.callback<void>((resume) => {
    if (this.state === "Done") return resume(Effect.void)
    this.onDone = (result) => resume(Effect.catchCause(Effect.asVoid(result), defectsOf))
    // The caller gets the interruption; of what comes from now on, only a source that throws when it is left.
    this.failure = undefined
    this.stop(Exit.interrupt(Fiber.getCurrent()!.id))
    this.interruptRunning()
    this.machine.flush()
  })
}

/** The first failure stays; a source that throws when it is left is a defect beside it. */
const both = (result: Exit.Exit<unknown, unknown>, left: Exit.Exit<void>): Exit.Exit<unknown, unknown> => {
  if (left._tag === "Success") return result
  if (result._tag === "Success") return left
  return Exit.failCause(Cause.combine(result.cause, left.cause))
}

const defectsOf = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const defects = cause.reasons.filter(Cause.isDieReason)
  return defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects))
}

// The item takes their place: a task with arguments is no plain effect.
const noArguments: ReadonlyArray<unknown> = []

/** One request, and once it has its item, one task. */
export class BulkTask extends Task {
  readonly bulk: Bulk
  index = -1
  item: unknown = undefined
  // One for all its items: a task of a bulk is used again.
  private readonly onExit = (exit: Exit.Exit<unknown, unknown>): void => this.machine.onExit(this, exit)
  /** Why the pool did not admit it. */
  rejected: NotAvailable["reason"] | undefined = undefined

  constructor(bulk: Bulk) {
    super(bulk.machine, bulk.options.f, noArguments, bulk.options.weight, bulk.context)
    this.bulk = bulk
    this.asyncContext = bulk.asyncContext
  }
  /** Makes a settled task a request again. */
  renew(): this {
    this.state = "New"
    this.index = -1
    this.epoch = 0
    this.rejected = undefined
    this.extra = undefined
    this.weight = this.bulk.options.weight
    this.exit = this.answer = this.cancelReason = undefined
    return this
  }
  override begin(): Effect.Effect<unknown, unknown> {
    return checkEffect(this.bulk.options.f(this.item, this.index))
  }
  protected override observer(): (exit: Exit.Exit<unknown, unknown>) => void {
    return this.onExit
  }
  override get needsItem(): boolean {
    return this.index < 0
  }
  override pull(): void {
    this.bulk.pull(this)
  }
  override onRejected(reason: NotAvailable["reason"]): void {
    this.rejected = reason
  }
  override get mayStart(): boolean {
    return this.cancelReason === undefined && this.bulk.state !== "Stopped"
  }
  override onStarted(): void {
    // An item that is tried again has had its successor.
    if (this.extra === undefined || this.extra.attempts <= 1) this.bulk.request()
  }
  override get unfinished(): Task["unfinished"] {
    const { index, item } = this
    const { f } = this.bulk.options
    return { task: () => f(item, index), args: [] }
  }
  override onSettled(): void {
    const { exit } = this
    endLaunch(this)
    // All else is the bulk's, and serves for its next item.
    this.item = this.fiber = undefined
    this.bulk.onSettled()
    if (exit?._tag === "Failure" && this.rejected === undefined && this.bulk.state !== "Stopped") {
      this.bulk.stop(Exit.failCause(exit.cause))
    }
  }
  override get awaited(): boolean {
    return true
  }
  override notify(): void {
    if (this.observers !== undefined) super.notify()
    this.bulk.onNotified(this)
  }
}
