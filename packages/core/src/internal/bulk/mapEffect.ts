/**
 * Maps a stream by tasks of a pool.
 *
 * A fiber in the stream's scope, the feeder, submits the elements. It pulls the next element when the task of the one
 * before has started and the buffer of results has room. Settled tasks put their results into a queue, in order. The
 * upstream has a scope of its own that closes after the tasks have ended, because they may use what it holds.
 *
 * A failure stops the mapping in the step in which the task settles, so no further element starts. When the pool is
 * paused or closes, the feeder is interrupted. The admitted tasks continue, and then the stream fails with
 * `NotAvailable`.
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ParentSpan } from "effect/Tracer"
import type { MapEffectOptions } from "../../TaskPool.ts"
import type { NotAvailableReason } from "../../TaskPoolError.ts"
import { checkBoolean, checkFunction, checkPositiveLimit, checkWord, refuseType } from "../arguments.ts"
import { endByCaller, removeStopped } from "../pool/endingEarly.ts"
import type { Traversal } from "../pool/entry.ts"
import type { AttachedWait } from "../pool/extra.ts"
import type { Machine } from "../pool/machine.ts"
import { lendInFinalizer, waitWithin } from "../pool/nested.ts"
import { Fork } from "../pool/submit.ts"
import { Task } from "../pool/task.ts"
import { awaitEnds } from "../pool/waits.ts"
import { type Counter, CurrentCounter } from "../runtime/counting.ts"
import { type BulkSpan, bulkSpanScoped } from "./span.ts"
import { endsAdmission, type ItemOptionsOf, itemOptionsOf } from "./itemOptions.ts"

type Map = (element: any, index: number) => Effect.Effect<any, any, any>

const where = "TaskPool.mapEffect"

export const mapEffect = (
  machine: Machine,
  stream: Stream.Stream<any, any, any>,
  f: Map,
  options: MapEffectOptions = {}
): Stream.Stream<any, any, any> =>
  Stream.unwrap(
    Effect.gen(function* () {
      if (!Stream.isStream(stream)) refuseType(where, "stream", "a Stream", stream)
      const spans = yield* bulkSpanScoped(machine, options?.spans)
      const results = yield* Queue.unbounded<unknown, unknown>()
      const scope = yield* Effect.scope
      // They close in reverse order: the tasks end, then the feeder, then what the upstream holds is released.
      const upstreamScope = yield* Scope.fork(scope)
      const feederScope = yield* Scope.fork(scope)
      // One step: the machine would keep a mapping whose stream was interrupted before it had its finalizer.
      const mapping = yield* Effect.acquireRelease(
        Effect.sync(() => new Mapping(machine, f, options, results, spans?.span)),
        ({ leave }) => leave
      )
      const upstream = Stream.fromPull(Channel.toPullScoped(Stream.toChannel(stream), upstreamScope))
      const start = mapping.start(upstream, feederScope, yield* CurrentCounter)
      const started = spans === undefined ? start : Effect.provideService(start, ParentSpan, spans.parent)
      // Begins with the pull: here the scope of the mapping hides the caller's from the upstream and the tasks.
      return Stream.map(Stream.fromPull(Effect.as(started, mapping.take)), (value) => mapping.taken(value))
    })
  )

class Mapping implements Traversal {
  readonly machine: Machine
  readonly results: Queue.Queue<unknown, unknown>
  private readonly f: Map
  private readonly span: BulkSpan | undefined
  private isReported = false
  private readonly weight: number
  private readonly itemOptions: ItemOptionsOf | undefined
  private counter: Counter | undefined = undefined
  private readonly unordered: boolean
  private readonly bufferSize: number
  /** The context of the feeder, in which the tasks run. */
  private context: Context.Context<never> | undefined = undefined
  /** The wait for the next result, if a task of the pool consumes the stream. */
  private wait: AttachedWait | undefined = undefined
  /** Open while the buffer of results has room. */
  private readonly room = Latch.makeUnsafe(true)
  /** Tasks whose outcome the mapping has not been notified of. */
  private readonly live = new Set<ElementTask>()
  /** Results that wait for the result of an earlier element. */
  private readonly early = new Map<number, unknown>()
  private readonly endTraversal: () => void
  /** The number of results that are not taken: those in the queue and those in `early`. */
  private untaken = 0
  private nextIndex = 0
  private fed = 0
  /** `Ending`: no element is pulled, and the submitted tasks settle. `Stopped`: the submitted tasks are interrupted. */
  private state: "Feeding" | "Ending" | "Stopped" = "Feeding"
  /** Why no more elements are pulled. The stream fails with it when the submitted tasks have settled. */
  private failure: Cause.Cause<unknown> | undefined = undefined
  private feeder: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Whether the stream gets no more results than it has. */
  private hasEnded = false
  /** The failure of the task that stopped the mapping. */
  private stoppedBy: Cause.Cause<unknown> | undefined = undefined

  constructor(
    machine: Machine,
    f: Map,
    options: MapEffectOptions,
    results: Queue.Queue<unknown, unknown>,
    span: BulkSpan | undefined
  ) {
    this.machine = machine
    this.span = span
    this.results = results
    this.f = checkFunction(where, "f", f)
    const { itemOptions, weight } = itemOptionsOf(machine, where, options, ["unordered", "bufferSize", "spans"])
    if (options.spans !== undefined) checkWord(where, "spans", ["each"], options.spans)
    this.weight = weight
    this.itemOptions = itemOptions
    const { bufferSize = 16, unordered = false } = options
    this.unordered = checkBoolean(where, "unordered", unordered)
    this.bufferSize = checkPositiveLimit(where, "bufferSize", bufferSize)
    this.endTraversal = machine.traverse(this)
  }

  start(stream: Stream.Stream<any, any, any>, scope: Scope.Scope, counter: Counter | undefined) {
    this.counter = counter
    counter?.begin(undefined)
    // Pulling an element that the pool would not admit would lose it. A stream cannot be asked whether it has one.
    const { isAdmitting } = this.machine
    const fed = isAdmitting ? stream : Stream.failCause(this.rejectRest())
    if (!isAdmitting) this.machine.flush()
    const feeding = Effect.withFiber((fiber) => {
      this.feeder = fiber
      // An observer, because a handler within the effect might not run if the feeder is interrupted or its upstream
      // dies.
      fiber.addObserver((exit) => this.end(exit._tag === "Success" ? undefined : (this.failure ?? exit.cause)))
      if (this.failure !== undefined) return Effect.failCause(this.failure)
      return Stream.runForEach(Stream.rechunk(fed, 1), (element) => this.feed(element))
    })
    // Elements are counted here, so their tasks have no counter.
    const uncounted = counter === undefined ? feeding : Effect.provideService(feeding, CurrentCounter, undefined)
    return Effect.forkIn(uncounted, scope)
  }

  private feed(element: unknown): Effect.Effect<unknown, unknown, any> {
    return Effect.withFiber((fiber) => {
      this.context = fiber.context
      if (this.state === "Stopped") return Effect.never
      const index = this.fed++
      const started = Latch.makeUnsafe(false)
      const { context } = this
      const task = new ElementTask(this, this.machine, this.f, [element, index], this.weight, context, started)
      this.itemOptions?.(task, element, index)
      task.trace = this.span?.items?.next()
      this.live.add(task)
      const admit = new Fork(() => task, true)
      return Effect.andThen(admit, Effect.andThen(started.await, this.awaitRoom))
    })
  }

  /** Waits for room. The feeder of a stopped mapping pulls no more, until the end of the stream's scope interrupts it. */
  private readonly awaitRoom = Effect.suspend(() => (this.isStopped ? Effect.never : this.room.await))

  /** Handles the end of the feeder: the upstream has ended, or no more elements are pulled. */
  private end(failure: Cause.Cause<unknown> | undefined): void {
    // The feeder may have been interrupted after it made a task and before it submitted the task.
    for (const task of this.live) if (task.state === "New") this.live.delete(task)
    if (this.state !== "Feeding") return
    this.state = "Ending"
    this.failure = failure
    this.endIfSettled()
  }

  private endIfSettled(): void {
    if (this.state === "Ending" && this.live.size === 0) this.endResults(this.failure)
  }

  /** Ends the stream behind the results that it has, or fails it. */
  private endResults(failure: Cause.Cause<unknown> | undefined): void {
    this.hasEnded = true
    if (failure === undefined) Queue.endUnsafe(this.results)
    else Queue.failCauseUnsafe(this.results, failure)
  }

  onAdmissionEnd(): void {
    if (this.state !== "Feeding" || this.failure !== undefined) return
    this.failure = this.rejectRest()
    const { feeder } = this
    if (feeder !== undefined) this.machine.enqueueCompletion({ notify: () => feeder.interruptUnsafe() })
  }

  /** Counts and reports, once, that the pool admits no more elements, and returns the stream's failure. */
  private rejectRest(): Cause.Cause<unknown> {
    const { isReported, machine } = this
    const reason = machine.notAdmitting
    // The pool has counted the rejection of an element at the door.
    if (!isReported) machine.countRejection(reason)
    this.reportRejection(reason)
    return machine.rejection()
  }

  /** Reports a rejection on the caller's span, once. */
  private reportRejection(reason: NotAvailableReason): void {
    const { isReported, machine, span } = this
    this.isReported = true
    if (!isReported && span !== undefined) machine.enqueueCompletion(span.rejected.rejection(reason, machine.stats()))
  }

  /** Handles the rejection of a task. One with a span of its own has reported it. */
  onRejected(task: ElementTask, reason: NotAvailableReason): void {
    if (task.trace !== undefined) this.isReported = true
    this.reportRejection(reason)
  }

  /** Starts no more tasks, from this step on. Runs no user code. */
  stop(failure?: Cause.Cause<unknown>): void {
    if (this.state === "Stopped") return
    this.state = "Stopped"
    this.stoppedBy = failure
    for (const task of this.live) {
      if (task.state === "Waiting" || task.state === "AtDoor" || task.state === "Delayed")
        removeStopped(this.machine, task, undefined)
    }
  }

  get isStopped(): boolean {
    return this.state === "Stopped"
  }

  /** Handles the outcome of a task, which has settled or was rejected. */
  onNotified(task: ElementTask, exit: Exit.Exit<unknown, unknown>): void {
    // A task that settles within its admission may be notified twice: of its admission and of its outcome.
    if (!this.live.delete(task)) return
    if (this.counter !== undefined && !task.rejected) this.count(this.counter, exit)
    if (exit._tag === "Success") this.deliver(task.index, exit.value)
    // Tasks that were stopped because of a failed one may be notified before the failed one.
    else if (!task.rejected) this.failResults(this.stoppedBy ?? exit.cause)
    this.endIfSettled()
  }

  /** Fails the stream behind the results that it has. The tasks need not run until its reader takes the failure. */
  private failResults(failure: Cause.Cause<unknown>): void {
    if (this.hasEnded) return
    this.endResults(failure)
    for (const task of this.live) if (task.state === "Running") endByCaller(this.machine, task, undefined)
  }

  /** Tells the counter of an element whose task has ended. A counter that throws ends the stream. */
  private count(counter: Counter, exit: Exit.Exit<unknown, unknown>): void {
    try {
      counter.ended(exit)
    } catch (cause) {
      this.stop(Cause.die(cause))
      this.failResults(Cause.die(cause))
    }
  }

  private deliver(index: number, value: unknown): void {
    if (++this.untaken >= this.bufferSize) this.room.closeUnsafe()
    if (this.unordered) return void Queue.offerUnsafe(this.results, value)
    this.early.set(index, value)
    for (; this.early.has(this.nextIndex); this.nextIndex++) {
      Queue.offerUnsafe(this.results, this.early.get(this.nextIndex))
      this.early.delete(this.nextIndex)
    }
  }

  /** Takes the next results. A task of the pool that waits for them lends its worker. */
  readonly take = Effect.withFiber((fiber) => {
    const { results } = this
    const next = Queue.takeAll(results)
    if (this.hasEnded || Queue.sizeUnsafe(results) > 0) return next
    return waitWithin(this.machine, fiber, (wait) => {
      this.wait = wait
      return next
    })
  })

  /** Ends the wait for the next result if this outcome gives the stream a result or its failure. */
  onSettled(task: ElementTask, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure" ? !task.rejected : this.unordered || task.index === this.nextIndex) this.wait?.end()
  }

  taken<A>(value: A): A {
    if (--this.untaken < this.bufferSize) this.room.openUnsafe()
    return value
  }

  /** Stops everything when the stream's scope ends. A task of the pool lends its worker until all has ended. */
  readonly leave = Effect.withFiber((fiber) => {
    this.endTraversal()
    this.span?.counted(this.fed)
    this.stop()
    // Now: the end of the feeder may take steps, and a place that a task has left belongs to the door.
    this.machine.flush()
    const end = Effect.suspend(() => {
      const tasks = Array.from(this.live)
      for (const task of tasks) endByCaller(this.machine, task, undefined)
      this.machine.flush()
      const ends = awaitEnds(this.machine, tasks)
      return tasks.length === 0 ? ends : lendInFinalizer(this.machine, fiber, ends)
    })
    // The feeder would submit a new task later. It has that task in hand, so no pull of the upstream is interrupted.
    const isSubmitting = Array.from(this.live).some(({ state }) => state === "New")
    return isSubmitting ? Effect.andThen(Fiber.interrupt(this.feeder!), end) : end
  })
}

/** The task of one element. */
class ElementTask extends Task {
  readonly index: number
  rejected = false
  private readonly mapping: Mapping
  private readonly started: Latch.Latch

  constructor(
    mapping: Mapping,
    machine: Machine,
    f: Map,
    args: readonly [element: unknown, index: number],
    weight: number,
    context: Task["context"] & {},
    started: Latch.Latch
  ) {
    super(machine, f, args, weight, context)
    this.mapping = mapping
    this.index = args[1]
    this.started = started
  }
  override get unfinished(): Task["unfinished"] {
    const { args, work } = this
    return { task: () => (work as Map)(...(args as Parameters<Map>)), args: [] }
  }
  override onRejected(reason: NotAvailableReason): void {
    this.rejected = endsAdmission(reason)
    this.mapping.onRejected(this, reason)
  }
  override get mayStart(): boolean {
    return super.mayStart && !this.mapping.isStopped
  }
  override onStarted(): void {
    this.machine.enqueueCompletion({ notify: () => void this.started.openUnsafe() })
  }
  override onSettled(): void {
    const { exit } = this
    super.onSettled()
    if (exit === undefined) return
    this.mapping.onSettled(this, exit)
    if (exit._tag === "Failure" && !this.rejected) this.mapping.stop(exit.cause)
  }
  override get awaited(): boolean {
    return true
  }
  override notify(): void {
    super.notify()
    if (this.exit === undefined) return
    this.started.openUnsafe()
    this.mapping.onNotified(this, this.exit)
  }
}
