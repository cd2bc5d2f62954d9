/**
 * A bulk: one effect for each item of a source, run as tasks of the pool and pulled on demand.
 *
 * A bulk has its running tasks and one *request*: a task without an item, which asks for a place like a submitter. When
 * it gets a place, it pulls its item from the source. When it starts, the bulk makes the next request. So no item is
 * pulled that the pool cannot take, no fiber waits, and a bulk of a million items shares the queue fairly with other
 * submitters. An asynchronous source cannot be pulled within a step, so its item is fetched before the request.
 *
 *     request ──> place ──> item ──> waiting ──> started ──> settled ──> notified
 *       ↑                    │ none left            │            │ failed: stop, the rest is interrupted
 *       └────────────────────┼──────────────────────┘            │
 *                            └─> ending ─────────────────────────┴─> nothing live: the caller is resumed
 *
 * When the pool is paused or closes, the bulk ends as with an exhausted source: the admitted tasks continue, and then
 * the caller gets `NotAvailable`.
 *
 * A failure stops the bulk in the step in which the task settles, so no further item starts. Running tasks are
 * interrupted when the bulk is notified, because their finalizers are user code.
 */
import * as Context from "effect/Context"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { NotAvailable } from "../../TaskPoolError.ts"
import { noStamp } from "../pool/ages.ts"
import { endByCaller, removeStopped } from "../pool/endingEarly.ts"
import type { Traversal } from "../pool/entry.ts"
import type { AttachedWait } from "../pool/extra.ts"
import { functionOfItem } from "../pool/label.ts"
import { endLaunch } from "../pool/launch.ts"
import type { Machine } from "../pool/machine.ts"
import { waitWithin } from "../pool/nested.ts"
import { checkEffect, Task } from "../pool/task.ts"
import { type AsyncContext, captureAsyncContext, runIsolated } from "../runtime/asyncContext.ts"
import { type Counter, CurrentCounter, uncounted } from "../runtime/counting.ts"
import { unstamped } from "../timing/ticks.ts"
import { endsAdmission, type ItemOptionsOf } from "./itemOptions.ts"
import type { BulkSpan } from "./span.ts"
import { checkResult, isAtEnd, isPlainArray, sizeOf, type Source } from "./source.ts"

/** The options of a bulk, which the operation has checked. */
export interface BulkOptions {
  /** The operation, for messages. */
  readonly where: string
  readonly source: Source
  /** What `source` iterates. */
  readonly items: unknown
  readonly f: (item: unknown, index: number) => unknown
  readonly weight: number
  /** Sets the options of an item on its task; `undefined` if no item has options. Runs user code. */
  readonly itemOptions: ItemOptionsOf | undefined
  /** How the values are returned: in the order of the items, in the order of completion, or not at all. */
  readonly collect: "ordered" | "unordered" | "discard"
  /** The spans of the bulk; `undefined` if its caller has no recorded span. */
  readonly span: BulkSpan | undefined
}

/** Runs a bulk in a pool and waits for its result. Interrupting the caller interrupts all its tasks. */
export const runBulk = (machine: Machine, options: () => BulkOptions): Effect.Effect<any, any> =>
  Effect.withFiber((fiber) =>
    waitWithin(machine, fiber, (wait) =>
      Effect.callback((resume) => {
        const bulk = new Bulk(machine, options(), fiber.context, resume)
        bulk.wait = wait
        bulk.begin()
        machine.flush()
        return bulk.interrupt
      })
    )
  )

// After this many items, a fetch waits for the event loop. An asynchronous source may always have an item ready.
const fetchBudget = 1024

export class Bulk implements Traversal {
  readonly options: BulkOptions
  readonly context: Context.Context<never>
  readonly counter: Counter | undefined
  readonly asyncContext: AsyncContext | undefined
  readonly machine: Machine
  private readonly isPlain: boolean
  private onDone: (result: Effect.Effect<unknown, unknown>) => void
  private readonly endTraversal: (() => void) | undefined
  /** The number of requests and tasks whose end the bulk has not been notified of. */
  private live = 0
  /** The number of requests and tasks that have not settled. */
  private unsettled = 0
  /** The wait of a task that runs a bulk in its own pool. */
  wait: AttachedWait | undefined = undefined
  /** The newest request or task. Every older one runs, has settled, or waits for a retry. */
  private newest: BulkTask | undefined = undefined
  /** The tasks that have not ended, and the spare ones. */
  private readonly tasks: Array<BulkTask> = []
  /** Settled tasks, to be reused for the next items. No other code refers to them. */
  private readonly spare: Array<BulkTask> = []
  /** The number of starts so far, retries included. */
  starts = 0
  private readonly values: Array<unknown> = []
  private pulled = 0
  private fetches = 0
  /** `Ending`: no item is pulled, and the submitted tasks settle. `Stopped`: the submitted tasks are interrupted. */
  state: "Pulling" | "Ending" | "Stopped" | "Done" = "Pulling"
  private sourceOpen = true
  /** Whether the running tasks were interrupted. */
  private isInterrupted = false
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
    this.counter = Context.get(context, CurrentCounter)
    this.context = this.counter === undefined ? context : uncounted(context)
    this.asyncContext = captureAsyncContext()
    this.isPlain = isPlainArray(options.source)
    this.onDone = onDone
    this.endTraversal = options.source.isAsync ? machine.traverse(this) : undefined
  }

  /** Tells the counter of the items, and asks for the first place. A counter that throws ends the bulk. */
  begin(): void {
    try {
      this.counter?.begin(sizeOf(this.options.items))
    } catch (cause) {
      this.stop(Exit.die(cause))
      return this.finish()
    }
    this.request()
  }

  /** Asks the pool for a place for the next item. */
  request(): void {
    if (this.state !== "Pulling") return
    // An array at its end needs no further request.
    if (this.isPlain && this.isAtEnd()) {
      this.end()
      return this.live === 0 ? this.finish() : undefined
    }
    const task = this.spare.pop() ?? this.makeTask()
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

  private makeTask(): BulkTask {
    const task = new BulkTask(this)
    task.place = this.tasks.push(task) - 1
    return task
  }

  /** Releases a task that has ended and will not be reused. */
  private dropTask({ place }: BulkTask): void {
    const last = this.tasks.pop()!
    if (last.place === place) return
    this.tasks[place] = last
    last.place = place
  }

  /** Pulls an item of an array before the request, which is cheaper. Returns `false` if the request has ended. */
  private pullBefore(task: BulkTask): boolean {
    this.pull(task)
    // A proxy or a getter may have stopped the bulk, or thrown.
    if (task.state !== "New") return false
    if (task.needsItem) this.machine.dropRequest(task)
    return !task.needsItem
  }

  private requestFetched(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    // An item that the pool would not admit would be lost, so none is fetched.
    if (!this.machine.isAdmitting) this.machine.request(task)
    else if (++this.fetches % fetchBudget > 0) this.fetch(task, iterator)
    else this.machine.userCode.later(() => this.fetch(task, iterator))
  }

  /** Assigns the next item of a synchronous source to a request, if there is one. */
  pull(task: BulkTask): void {
    const iterator = this.options.source.iterator as Iterator<unknown>
    // A plain `try`, because this runs for every item: wrapping each in a Result allocates more than its task does.
    try {
      this.assignItem(
        task,
        this.isPlain ? iterator.next() : runIsolated(this.asyncContext, iterator.next, iterator, undefined as never)
      )
    } catch (cause) {
      this.sourceFailed(cause)
    }
  }

  private fetch(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    // The bulk may have stopped before this later fetch.
    if (task.state !== "New") return
    this.fetching = true
    const arrived = (assign: () => void): void => {
      this.fetching = false
      // The bulk may have stopped meanwhile, and needs no item.
      if (task.state !== "New") return
      assign()
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
            this.assignItem(task, result)
          } catch (cause) {
            this.sourceFailed(cause)
          }
        }),
      (cause) => arrived(() => this.sourceFailed(cause))
    )
  }

  private assignItem(task: BulkTask, result: IteratorResult<unknown>): void {
    if (checkResult(this.options.where, result).done) {
      this.sourceOpen = false
      this.end()
    } else {
      const { value } = result
      const { itemOptions, span } = this.options
      if (itemOptions !== undefined && !this.setOptions(task, value)) return
      if (span !== undefined) task.trace = span.items?.next()
      task.item = value
      task.index = this.pulled++
    }
  }

  /** Sets the options of a request's item. A wrong one ends the bulk, and returns `false`. */
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

  /** Ends the wait of the task that runs this bulk, if no more tasks will settle. */
  private endWait(): void {
    if (this.wait !== undefined && this.state !== "Pulling" && this.unsettled === 0) this.wait.end()
  }

  onSettled(): void {
    this.unsettled--
    this.endWait()
  }

  /** Rejects the request that waits for a fetched item, because the source may never deliver it. */
  onAdmissionEnd(): void {
    const { newest } = this
    if (newest?.state === "New" && newest.needsItem) this.machine.reject(newest, this.machine.notAdmitting)
  }

  /** Handles the end of a task: it has settled, was rejected, or found no item. */
  onNotified(task: BulkTask): void {
    this.live--
    const { exit } = task
    if (this.counter !== undefined && exit !== undefined && !task.rejected) this.count(this.counter, exit)
    if (exit?._tag === "Success") this.collect(task.index, exit.value)
    else if (exit !== undefined) this.onFailure(task, exit)
    if (this.state === "Pulling") {
      this.spare.push(task.renew())
      if (this.live === 1) this.lookAhead()
    } else {
      this.dropTask(task)
      if (this.live === 0) this.finish()
    }
  }

  /** Tells the counter of an item that has ended. A counter that throws ends the bulk. */
  private count(counter: Counter, exit: Exit.Exit<unknown, unknown>): void {
    try {
      counter.ended(exit)
    } catch (cause) {
      this.stop(Exit.die(cause))
      this.interruptRunning()
    }
  }

  private onFailure(task: BulkTask, exit: Exit.Failure<unknown, unknown>): void {
    if (task.rejected !== undefined && endsAdmission(task.rejected)) {
      this.onRejection(task, exit as Exit.Failure<never, NotAvailable>)
    } else {
      if (task.rejected !== undefined && this.options.span?.items === undefined) this.reportRejection(task.rejected)
      this.stop(Exit.failCause(exit.cause))
      this.interruptRunning()
    }
  }

  /** Handles the end of admission. Admitted tasks continue. If the source is at its end, no item is lost. */
  private onRejection(task: BulkTask, rejection: Exit.Failure<never, NotAvailable>): void {
    if (this.state !== "Pulling") return
    if (task.needsItem && this.isAtEnd()) return this.end()
    if (task.needsItem) this.machine.countRejection(task.rejected!)
    // An item with a span of its own has reported its rejection.
    if (task.needsItem || this.options.span?.items === undefined) this.reportRejection(task.rejected!)
    this.failure ??= rejection
    this.end()
  }

  private reportRejection(reason: NotAvailable["reason"]): void {
    const { machine } = this
    const { span } = this.options
    // In this step, which may end the caller's span.
    if (span !== undefined)
      machine.userCode.guard((event) => event.notify(), span.rejected.rejection(reason, machine.stats()))
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

  /** Checks whether the source is at its end, if only a request at the door is left. The door may never move. */
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

  /** Starts no more tasks, from this step on. Runs no user code. */
  stop(failure: Exit.Exit<never, unknown>): void {
    this.failure ??= failure
    if (this.state === "Stopped" || this.state === "Done") return
    this.state = "Stopped"
    const { newest } = this
    if (newest !== undefined && newest.state !== "Running" && newest.state !== "Settled") {
      removeStopped(this.machine, newest, undefined)
    }
    if (this.options.itemOptions !== undefined) this.removeWaiting()
    this.endWait()
  }

  /** Removes the tasks that failed and wait for another attempt. */
  private removeWaiting(): void {
    const waiting = this.tasksIn("Waiting").concat(this.tasksIn("Delayed"))
    for (const task of waiting) removeStopped(this.machine, task, undefined)
  }

  /** Interrupts the running tasks, once. Each of them that has ended would interrupt the others again. */
  private interruptRunning(): void {
    if (this.isInterrupted) return
    this.isInterrupted = true
    for (const task of this.tasksIn("Running")) endByCaller(this.machine, task, undefined)
  }

  /** Returns the tasks in a state, in the order of their last start. Does not look at other tasks of the pool. */
  private tasksIn(state: BulkTask["state"]): Array<BulkTask> {
    return this.tasks.filter((task) => task.state === state).toSorted((a, b) => a.start - b.start)
  }

  private finish(): void {
    if (this.state === "Done") return
    this.state = "Done"
    this.endTraversal?.()
    this.asyncContext?.emitDestroy()
    if (!this.isPlain) this.options.span?.counted(this.pulled)
    const { collect } = this.options
    const result = this.failure ?? Exit.succeed(collect === "discard" ? undefined : this.values)
    // A source that was not exhausted may hold resources, so it is closed first.
    this.onDone(
      this.sourceOpen ? Effect.flatMap(Effect.exit(this.closeSource), (left) => combine(result, left)) : result
    )
  }

  private readonly closeSource: Effect.Effect<void> = Effect.suspend(() => {
    const { iterator } = this.options.source
    if (iterator.return === undefined) return Effect.void
    if (!this.options.source.isAsync) return Effect.sync(() => void iterator.return!())
    const leave = Effect.promise(async () => iterator.return!())
    // An async generator handles `return` only after it has delivered the fetched item, which it may never do. Do not
    // wait.
    return this.fetching
      ? Effect.asVoid(Effect.forkDetach(Effect.ignoreCause(leave), { startImmediately: true }))
      : Effect.asVoid(leave)
  })

  /** Ends the bulk when its caller is interrupted. Waits until its tasks have ended. */
  readonly interrupt = Effect.callback<void>((resume) => {
    const by = Fiber.getCurrent()!.id
    const interrupt = (): void => {
      if (this.state === "Done") return resume(Effect.void)
      this.onDone = (result) => resume(Effect.catchCause(Effect.asVoid(result), defectsOf))
      // The caller gets the interruption, and beside it only the error of a source that throws when it is closed.
      this.failure = undefined
      this.stop(Exit.interrupt(by))
      this.interruptRunning()
      this.machine.flush()
    }
    this.machine.userCode.whenStack(interrupt)
  })
}

/** Combines the result of a bulk with the error of a source that throws when it is closed. */
const combine = (result: Exit.Exit<unknown, unknown>, left: Exit.Exit<void>): Exit.Exit<unknown, unknown> => {
  if (left._tag === "Success") return result
  if (result._tag === "Success") return left
  return Exit.failCause(Cause.combine(result.cause, left.cause))
}

const defectsOf = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const defects = cause.reasons.filter(Cause.isDieReason)
  return defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects))
}

// A bulk task calls `f` with its item instead. Arguments of any kind mark the work as a function.
const noArguments: ReadonlyArray<unknown> = []

/** A request, which becomes a task when it has its item. */
export class BulkTask extends Task {
  readonly bulk: Bulk
  index = -1
  /** The index in the bulk's `tasks`. */
  place = 0
  /** Orders the tasks of the bulk by their last start. */
  start = 0
  item: unknown = undefined
  /** Counts the items that the object has stood for. */
  private renewals = 0
  /** Why the pool did not admit the task. */
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
    this.renewals++
    this.arrivedAt = noStamp
    this.since = unstamped
    this.mark = 0
    this.rejected = undefined
    this.extra = undefined
    this.weight = this.bulk.options.weight
    this.exit = this.answer = this.cancelReason = undefined
    return this
  }
  override begin(): Effect.Effect<unknown, unknown> {
    const { bulk } = this
    this.start = bulk.starts++
    return checkEffect(bulk.options.f(this.item, this.index), bulk.options)
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
    // A retry makes no further request: its first attempt has made one.
    if (this.extra?.retry === undefined || this.extra.retry.starts <= 1) this.bulk.request()
  }
  override get submission(): number {
    return this.renewals
  }
  override get functionName(): unknown {
    return (this.bulk.options.f as { readonly name?: unknown }).name
  }
  override get unfinished(): Task["unfinished"] {
    const { index, item } = this
    const { f } = this.bulk.options
    const task = () => f(item, index)
    functionOfItem.set(task, f)
    return { task, args: [] }
  }
  override onSettled(): void {
    const { exit } = this
    endLaunch(this)
    // The other fields belong to the bulk, and are reused for the next item.
    this.item = this.fiber = undefined
    this.bulk.onSettled()
    const ends = this.rejected !== undefined && endsAdmission(this.rejected)
    if (exit?._tag === "Failure" && !ends && this.bulk.state !== "Stopped") {
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
