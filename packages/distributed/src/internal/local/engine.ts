/**
 * The local engine: a driver over one of the core's pools, with workers in the same program.
 *
 * The core's pool decides the limit, the order, the rate and the size. Each attempt is one task of it. An attempt needs a
 * free place in a worker, so dispatch is held while no place is free. The core starts tasks one by one, each in the step
 * that makes it possible: an attempt that takes the last place holds dispatch before the next one starts.
 *
 * State changes are synchronous. Waiters are resumed last in a step, because they may call the pool again.
 */
import { type DistributedPoolWorker, NotWaiting, type TaskPoolService } from "@aio-task-pool/core"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DistributedTaskState } from "../../DistributedTaskHandle.ts"
import { NotAvailable, type NotAvailableReason } from "../../DistributedTaskPoolError.ts"
import type { DistributedPoolEvent } from "../../DistributedTaskPoolService.ts"
import { maxSize } from "../arguments.ts"
import { guarded } from "../callback.ts"
import type { Driver, Entry, Restore, RunResult, WorkerSpec } from "../driver.ts"
import { logWarning } from "../log.ts"
import { isInside } from "../nested.ts"
import { Signal } from "../signal.ts"
import type { Answer, NewTask } from "../wire.ts"
import { Job } from "./job.ts"
import { LocalWorker, Workers } from "./workers.ts"

/** How many events or progress values a slow reader may lag behind before it loses the oldest ones. */
const readerBuffer = 256

/** Milliseconds after which a task looks again for a worker that knows it. */
const unknownDelay = 1000

/** What the engine needs besides the core's pool. */
export interface EngineOptions {
  readonly name: string
  /** The context of the pool's layer, in which attempts run: not that of a submitter. */
  readonly context: Context.Context<never>
  /** Milliseconds for which answers are kept. */
  readonly resultTtl: number
  readonly startPaused: boolean
}

export class LocalEngine implements Driver {
  readonly name: string
  readonly identity: unknown = this
  readonly submitter = "local"
  private readonly core: TaskPoolService
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly resultTtl: number
  private readonly joinedWorkers = new Workers<Job>()
  private joined = 0
  /** The tasks by ID: those that have not settled, and those whose answers are kept. */
  private readonly jobs = new Map<string, Job>()
  /** The settled tasks that are kept, in the order in which they expire. */
  private readonly kept = new Set<Job>()
  private readonly counts: Record<DistributedTaskState, number> = { Waiting: 0, Delayed: 0, Running: 0, Done: 0 }
  private keptSucceeded = 0
  private readonly readers = new Set<Queue.Queue<DistributedPoolEvent, Cause.Done>>()
  private paused: boolean
  private held = false
  /** The scope of the hold on the core's pool. */
  private coreHold: Scope.Closeable | undefined = undefined
  private closed = false
  /** Attempts that the core started without a free place: while it drains, nothing holds it. */
  private readonly placeless = new Set<Signal>()

  constructor(core: TaskPoolService, { context, name, resultTtl, startPaused }: EngineOptions) {
    this.name = name
    this.core = core
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
    this.resultTtl = resultTtl
    this.paused = startPaused
    this.refreshHold()
  }

  // ---- admission -------------------------------------------------------------------------------------------------

  add(task: NewTask): Effect.Effect<Entry, NotAvailable> {
    return this.whileOpen(() => {
      if (this.paused) return this.refuse("Paused")
      this.dropExpired()
      const known = this.jobs.get(task.id)
      if (known !== undefined) return Effect.succeed(this.entryOf(known, false))
      const job = new Job(task)
      this.jobs.set(task.id, job)
      this.counts.Delayed++
      this.queueAfter(job, task.delay)
      return Effect.succeed(this.entryOf(job, true))
    })
  }

  find(id: string): Effect.Effect<Entry | undefined, NotAvailable> {
    return this.whileOpen(() => {
      this.dropExpired()
      const job = this.jobs.get(id)
      return Effect.succeed(job === undefined ? undefined : this.entryOf(job, false))
    })
  }

  private entryOf(job: Job, created: boolean): Entry {
    const cancel = Effect.suspend(() => this.cancel(job))
    return {
      id: job.task.id,
      name: job.task.name,
      created,
      answer: Effect.map(job.settled.sent, () => job.readAnswer()),
      poll: Effect.sync(() => (job.state === "Done" ? job.readAnswer() : undefined)),
      cancel,
      abandon: cancel,
      state: Effect.sync(() => job.state),
      reprioritize: (weight) => Effect.suspend(() => this.reprioritize(job, weight)),
      progress: Stream.unwrap(
        Effect.map(
          Effect.acquireRelease(
            Effect.tap(Queue.sliding<unknown, Cause.Done>(readerBuffer), (reader) =>
              Effect.sync(() => job.subscribe(reader))
            ),
            (reader) => Effect.sync(() => job.unsubscribe(reader))
          ),
          Stream.fromQueue
        )
      )
    }
  }

  private reprioritize(job: Job, weight: number): Effect.Effect<void, NotWaiting> {
    if (job.state === "Running" || job.state === "Done") {
      return Effect.fail(new NotWaiting({ pool: this.name, state: job.state }))
    }
    job.weight = weight
    return job.state === "Waiting" && job.handle !== undefined ? job.handle.reprioritize(weight) : Effect.void
  }

  private cancel(job: Job): Effect.Effect<void> {
    if (job.state === "Done") return Effect.void
    job.interruptedBy = "cancel"
    if (job.state !== "Running") {
      const { handle, timer } = job
      timer?.interruptUnsafe()
      // First of all: interrupted before it, this would leave a task that waits and that the core's pool no longer has.
      this.settle(job, { cancelled: "Cancelled", started: job.started })
      return Effect.uninterruptible(handle?.cancel ?? Effect.void)
    }
    const { interruptTimeout } = job.worker!.spec
    // May end the task in this step.
    job.fiber!.interruptUnsafe()
    const settled = Effect.interruptible(job.settled.sent)
    return Effect.asVoid(Effect.timeoutOption(settled, interruptTimeout))
  }

  // ---- the way of a task -----------------------------------------------------------------------------------------

  /** Queues a task after some milliseconds. */
  private queueAfter(job: Job, millis: number): void {
    if (millis === 0) return this.queue(job)
    if (this.closed) return this.settle(job, { closed: true, started: job.started })
    this.setState(job, "Delayed")
    job.timer = this.fork(
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => this.queue(job))
      )
    )
  }

  /** Submits the next attempt to the core's pool, which may run it in this step. */
  private queue(job: Job): void {
    job.timer = undefined
    job.interruptedBy = undefined
    this.setState(job, "Waiting")
    const turn = ++job.turn
    const exit = this.fork(this.core.fork(this.attempt(job), { weight: job.weight, label: job.task.name })).pollUnsafe()
    if (exit === undefined || Exit.isFailure(exit)) {
      return this.settle(job, { closed: true, started: job.started })
    }
    // The task may have run, and have been queued again, in this step.
    if (job.turn === turn && job.state === "Waiting") job.handle = exit.value
  }

  private attempt(job: Job): Effect.Effect<unknown, unknown> {
    return Effect.uninterruptibleMask((restore) => Effect.withFiber((fiber) => this.takePlace(job, fiber, restore)))
  }

  private takePlace(job: Job, fiber: Fiber<unknown, unknown>, restore: Restore): Effect.Effect<unknown, unknown> {
    // Cancelled in the step between its removal and its return to the queue.
    if (job.state === "Done") return Effect.void
    const worker = this.joinedWorkers.pick(job.task.name)
    if (worker !== undefined) return this.runIn(worker, job, fiber, restore)
    if (this.closed && this.joinedWorkers.open.size === 0) {
      this.settle(job, { closed: true, started: job.started })
      return Effect.void
    }
    const place = new Signal()
    this.placeless.add(place)
    return Effect.flatMap(Effect.exit(restore(place.sent)), (exit) => {
      this.placeless.delete(place)
      if (Exit.isSuccess(exit)) return this.takePlace(job, fiber, restore)
      this.onInterrupted(job)
      return exit
    })
  }

  private runIn(
    worker: LocalWorker<Job>,
    job: Job,
    fiber: Fiber<unknown, unknown>,
    restore: Restore
  ): Effect.Effect<unknown, unknown> {
    const { id, name } = job.task
    job.worker = worker
    job.fiber = fiber
    job.started ||= worker.spec.knows(name)
    worker.begin(job)
    this.setState(job, "Running")
    this.refreshHold()
    const run = worker.spec.run({
      id,
      name,
      data: JSON.parse(job.data),
      attempt: job.attempt,
      stalls: 0,
      progress: (value) => Effect.sync(() => job.report(value))
    })
    return Effect.flatMap(Effect.exit(restore(run)), (exit) => {
      // The task leaves its place before it can be queued again, and its state changes before user code runs.
      job.worker = job.fiber = undefined
      worker.end(job)
      try {
        if (Exit.isFailure(exit)) this.onInterrupted(job)
        else this.onResult(job, worker, exit.value)
      } finally {
        worker.notifyIdle()
        this.refreshHold()
      }
      if (Exit.isFailure(exit)) return exit
      // The core's pool classifies and counts the handler's own exit.
      return exit.value._tag === "Settled" ? exit.value.exit : Effect.void
    })
  }

  private onResult(job: Job, worker: LocalWorker<Job>, result: RunResult): void {
    if (result._tag === "Unknown") return this.onUnknown(job, worker, result.detail)
    job.unknownSince = undefined
    const { attempts, backoff } = job.task
    const again = result.retry && job.attempt < attempts && job.interruptedBy !== "cancel" && !this.closed
    if (!again) return this.settle(job, result.answer, Exit.isSuccess(result.exit))
    const factor = backoff?.type === "exponential" ? 2 ** Math.min(job.attempt - 1, 50) : 1
    job.attempt++
    this.queueAfter(job, backoff === undefined ? 0 : Math.min(backoff.delay * factor, Number.MAX_SAFE_INTEGER))
  }

  private onUnknown(job: Job, worker: LocalWorker<Job>, detail: string): void {
    const now = this.clock.currentTimeMillisUnsafe()
    // The workers that know the task may all be busy.
    if (this.joinedWorkers.know(job.task.name)) job.unknownSince = undefined
    else job.unknownSince ??= now
    const left = worker.spec.unknownFor - (now - (job.unknownSince ?? now))
    if (job.interruptedBy === "cancel") this.settle(job, { cancelled: "Cancelled", started: job.started })
    else if (left <= 0) this.settle(job, { lost: "UnknownTask", attempts: job.attempt - 1, detail })
    else this.queueAfter(job, Math.min(unknownDelay, left))
  }

  private onInterrupted(job: Job): void {
    if (job.interruptedBy === "cancel") this.settle(job, { cancelled: "Cancelled", started: job.started })
    // Handed back by a worker that closes. The attempt does not count.
    else if (job.interruptedBy === "worker") this.queue(job)
    else this.settle(job, { closed: true, started: job.started })
  }

  private settle(job: Job, answer: Answer, succeeded = false): void {
    if (job.state === "Done") return
    // As on a broker, a task that is cancelled outside a worker is removed, and its ID is free.
    const isRemoved = "cancelled" in answer && job.state !== "Running"
    this.setState(job, "Done")
    job.answer = JSON.stringify(answer)
    job.succeeded = succeeded
    job.data = ""
    job.handle = job.timer = undefined
    // Nobody else knows the ID of a task whose submitter waits for it.
    if (job.task.isKnown && !this.closed && !isRemoved) this.keep(job)
    else this.jobs.delete(job.task.id)
    const { id } = job.task
    if ("cancelled" in answer) {
      this.emit({ _tag: "Cancelled", id, reason: answer.cancelled, started: answer.started })
    } else if ("closed" in answer) this.emit({ _tag: "Cancelled", id, reason: "Closed", started: answer.started })
    else if ("lost" in answer) this.emit({ _tag: "TaskLost", id, reason: answer.lost })
    job.endReaders(this.context)
    job.settled.send()
  }

  private setState(job: Job, state: DistributedTaskState): void {
    // A task that closing has given up may still end.
    if (job.state === "Done") return
    this.counts[job.state]--
    this.counts[state]++
    job.state = state
  }

  private keep(job: Job): void {
    this.dropExpired()
    job.expiresAt = this.clock.currentTimeMillisUnsafe() + this.resultTtl
    this.kept.add(job)
    if (job.succeeded) this.keptSucceeded++
  }

  private dropExpired(): void {
    const now = this.clock.currentTimeMillisUnsafe()
    for (const job of this.kept) {
      if (job.expiresAt > now) return
      this.kept.delete(job)
      this.jobs.delete(job.task.id)
      if (job.succeeded) this.keptSucceeded--
    }
  }

  // ---- workers ---------------------------------------------------------------------------------------------------

  work(spec: WorkerSpec): Effect.Effect<void, never, Scope.Scope> {
    const join = Effect.sync(() => {
      const worker = new LocalWorker<Job>(`local-${++this.joined}`, spec)
      this.joinedWorkers.open.add(worker)
      this.emit({ _tag: "WorkerJoined", worker: worker.name })
      this.refreshHold()
      return worker
    })
    return Effect.asVoid(Effect.acquireRelease(join, (worker) => this.leave(worker)))
  }

  /** Lets the worker's tasks run on for a time, and hands back the others. */
  private leave(worker: LocalWorker<Job>): Effect.Effect<void> {
    const { drainTimeout, interruptTimeout } = worker.spec
    return Effect.gen({ self: this }, function* () {
      this.joinedWorkers.open.delete(worker)
      this.refreshHold()
      yield* worker.awaitIdle(drainTimeout)
      for (const job of worker.running) {
        job.interruptedBy ??= "worker"
        job.fiber?.interruptUnsafe()
      }
      yield* worker.awaitIdle(interruptTimeout)
      for (const job of worker.running) {
        yield* logWarning(`${this.name}: task ${JSON.stringify(job.task.id)} did not end after its interruption`)
      }
      this.emit({ _tag: "WorkerLeft", worker: worker.name })
    })
  }

  /** Holds the core's pool while the user holds it or no worker has a free place, and gives places that are free. */
  private refreshHold(): void {
    const hasFree = this.joinedWorkers.hasFree
    const mustHold = this.held || !hasFree
    const { coreHold } = this
    if (mustHold && coreHold === undefined) {
      this.coreHold = Scope.makeUnsafe()
      this.fork(Scope.provide(this.core.holdDispatch, this.coreHold))
    } else if (!mustHold && coreHold !== undefined) {
      // Releasing may start attempts in this step, which hold again.
      this.coreHold = undefined
      this.fork(Scope.close(coreHold, Exit.void))
    }
    if (hasFree || (this.closed && this.joinedWorkers.open.size === 0)) {
      for (const place of Array.from(this.placeless)) place.send()
    }
  }

  // ---- control ---------------------------------------------------------------------------------------------------

  resize(change: { readonly delta: number } | { readonly size: number }): Effect.Effect<number, NotAvailable> {
    return this.whileOpen(() =>
      "size" in change
        ? this.core.resize(change.size)
        : Effect.flatMap(this.core.stats, ({ targetSize }) =>
            this.core.scale(Math.min(change.delta, maxSize - targetSize))
          )
    )
  }

  readonly hold = this.setFlag(() => this.setHeld(true))
  readonly release = this.setFlag(() => this.setHeld(false))
  readonly pause = this.setFlag(() => this.setPaused(true))
  readonly resume = this.setFlag(() => this.setPaused(false))

  private setFlag(set: () => void): Effect.Effect<void, NotAvailable> {
    return this.whileOpen(() => Effect.sync(set))
  }

  private setHeld(held: boolean): void {
    if (this.held === held) return
    this.held = held
    this.emit({ _tag: held ? "Held" : "Released" })
    this.refreshHold()
  }

  private setPaused(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    this.emit({ _tag: paused ? "Paused" : "Resumed" })
  }

  readonly stats = this.whileOpen(() => {
    this.dropExpired()
    return Effect.map(this.core.stats, ({ holds, targetSize }) => ({
      targetSize,
      held: this.held || holds.some((reason) => reason !== "User"),
      running: this.counts.Running,
      waiting: this.counts.Waiting,
      delayed: this.counts.Delayed,
      workers: this.joinedWorkers.open.size,
      keptSucceeded: this.keptSucceeded,
      keptFailed: this.kept.size - this.keptSucceeded
    }))
  })

  readonly workers = this.whileOpen(() => Effect.sync(() => Array.from(this.joinedWorkers.open, workerView)))

  admission(): "Open" | "Paused" | "Closed" {
    if (this.closed) return "Closed"
    return this.paused ? "Paused" : "Open"
  }

  readonly events: Stream.Stream<DistributedPoolEvent> = Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.tap(Queue.sliding<DistributedPoolEvent, Cause.Done>(readerBuffer), (reader) =>
          Effect.sync(() => {
            if (this.closed) Queue.endUnsafe(reader)
            else this.readers.add(reader)
          })
        ),
        (reader) => Effect.sync(() => void this.readers.delete(reader))
      ),
      Stream.fromQueue
    )
  )

  /** Publishes an event. The layer publishes what happens in the core's pool. */
  emit(event: DistributedPoolEvent): void {
    for (const reader of Array.from(this.readers)) Queue.offerUnsafe(reader, event)
  }

  // ---- closing ---------------------------------------------------------------------------------------------------

  close(mode: "keep" | "cancel"): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      if (isInside(fiber, this.identity)) {
        const where = "DistributedTaskPool.close"
        return Effect.die(new Error(`${where}: a handler of ${this.name} would wait for itself`))
      }
      const ended = Effect.sync(() => this.endAdmission())
      const closed = Effect.andThen(
        this.core.close({ mode: mode === "cancel" ? "interrupt" : "drain" }),
        Effect.sync(() => this.finish())
      )
      if (mode === "keep") return Effect.andThen(ended, closed)
      this.closed = true
      const open = Array.from(this.jobs.values())
      const cancelled = Effect.forEach(open, (job) => this.cancel(job), { concurrency: "unbounded", discard: true })
      return cancelled.pipe(Effect.andThen(ended), Effect.andThen(closed))
    })
  }

  /** Admits no more tasks, and settles those that would come back to the core's pool later. */
  endAdmission(): void {
    this.closed = true
    for (const job of Array.from(this.jobs.values())) {
      if (job.state !== "Delayed") continue
      job.timer?.interruptUnsafe()
      this.settle(job, { closed: true, started: job.started })
    }
    this.refreshHold()
  }

  /** Settles what the core's pool has cancelled or given up, when it has closed. */
  finish(): void {
    for (const job of Array.from(this.jobs.values())) this.settle(job, { closed: true, started: job.started })
    const readers = Array.from(this.readers)
    this.readers.clear()
    for (const reader of readers) guarded(this.context, () => Queue.endUnsafe(reader))
  }

  // ---- helpers ---------------------------------------------------------------------------------------------------

  private whileOpen<A>(effect: () => Effect.Effect<A, NotAvailable>): Effect.Effect<A, NotAvailable> {
    return Effect.suspend(() => (this.closed ? this.refuse("Closed") : effect()))
  }

  private refuse(reason: NotAvailableReason): Effect.Effect<never, NotAvailable> {
    return Effect.fail(new NotAvailable({ reason, pool: this.name }))
  }

  /** Runs an effect in the pool's own context, its first steps at once. */
  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber<A, E> {
    return Effect.runForkWith(this.context)(effect)
  }
}

/** This module knows no Node: a program without processes has the number 0. */
const pid = (globalThis as { readonly process?: { readonly pid?: number } }).process?.pid ?? 0

const workerView = ({ running, spec }: LocalWorker<Job>): DistributedPoolWorker => ({
  host: "localhost",
  pid,
  concurrency: spec.concurrency,
  running: running.length
})
