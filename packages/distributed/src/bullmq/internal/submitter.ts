/**
 * The submitter's side of a pool: adds tasks, finds them, and cancels them.
 *
 * Objects of this module may exist a million times, one for each waiting task. So they are small: an entry has its effects
 * as getters, and makes them when they are used.
 */
import { type BulkJobOptions, Job, type Queue } from "bullmq"
import * as Effect from "effect/Effect"
import type { NotAvailable } from "../../DistributedTaskPoolError.ts"
import type { Entry, Restore } from "../../internal/driver.ts"
import type { NewTask } from "../../internal/wire.ts"
import type { Broker } from "./broker.ts"
import { callback } from "../../internal/callback.ts"
import type { Control } from "./control.ts"
import { type EntryHost, interruptTimeout, JobEntry } from "./entry.ts"
import { parseJson } from "./json.ts"
import { jobIdOf, taskIdOf } from "./keys.ts"
import { whenSettled } from "./promises.ts"
import { type JobState, jobStates, runScript } from "./scripts.ts"
import { Sender, type Sending } from "./sender.ts"
import { Waiter, type Waiters } from "./waiters.ts"

const cancelAgain = 1000 // ms after which a cancel message is repeated

export class Submitter implements EntryHost {
  readonly broker: Broker
  readonly control: Control
  readonly queue: Queue
  readonly waiters: Waiters
  readonly sender: Sender
  readonly discipline: string
  /** An age only: a count would delete results before slow submitters have read them. */
  private readonly keep: { readonly age: number }
  private readonly resultTtl: number
  private calls = 0
  /** Whether the pool closes and cancels its tasks: those on their way are cancelled when they arrive. */
  isCancelling = false

  constructor(
    broker: Broker,
    control: Control,
    queue: Queue,
    waiters: Waiters,
    log: (message: string) => void,
    options: { readonly discipline: string; readonly resultTtl: number }
  ) {
    this.broker = broker
    this.control = control
    this.queue = queue
    this.waiters = waiters
    this.resultTtl = options.resultTtl
    this.sender = new Sender(this, queue, log)
    this.discipline = options.discipline
    this.keep = { age: Math.ceil(options.resultTtl / 1000) }
  }

  add(task: NewTask, restore: Restore): Effect.Effect<Entry, NotAvailable> {
    const { broker } = this
    const added = restore(
      callback<Entry, NotAvailable>((resume) => {
        if (this.isCancelling) return resume(Effect.fail(broker.notAvailable("Closed")))
        if (broker.record?.paused === true) return resume(Effect.fail(broker.notAvailable("Paused")))
        const adding = new Adding(this, task, this.calls++, resume)
        this.sender.send(adding)
        return adding.abandon
      })
    )
    return broker.isUp && !broker.isClosed ? added : Effect.andThen(restore(broker.ready), added)
  }

  find(id: string): Effect.Effect<Entry | undefined, NotAvailable> {
    const { broker, waiters } = this
    const jobId = jobIdOf(id)
    return Effect.map(
      broker.command(() =>
        Promise.all([
          waiters.listen(),
          this.expire([jobId]).then(() => broker.client.hmget(`${broker.keys.base}${jobId}`, "name", "ats"))
        ])
      ),
      ([, [name, starts]]) => {
        if (name === null || name === undefined) return undefined
        const waiter = waiters.get(jobId) ?? new Waiter(jobId, 0)
        waiter.admitted = true
        if (Number(starts) > 0) waiter.started = true
        return new JobEntry(this, waiter, id, name, false, true)
      }
    )
  }

  optionsOf(task: NewTask, jobId: string): BulkJobOptions & { readonly jobId: string } {
    const { attempts, backoff, delay, weight } = task
    const options: BulkJobOptions & { readonly jobId: string } = {
      jobId,
      removeOnComplete: this.keep,
      removeOnFail: this.keep,
      stackTraceLimit: 0
    }
    // 0 would run before all other tasks.
    if (this.discipline === "priority") options.priority = weight + 1
    if (this.discipline === "lifo") options.lifo = true
    if (delay > 0) options.delay = delay
    if (attempts > 1) options.attempts = attempts
    if (backoff !== undefined && backoff.delay > 0) options.backoff = backoff
    return options
  }

  /** Removes those of some jobs whose results are older than `resultTtl`. */
  expire(jobIds: ReadonlyArray<string>): Promise<unknown> {
    const { client, keys } = this.broker
    return runScript(client, "expire", [keys.base], [this.resultTtl, ...jobIds])
  }

  stateOf(jobId: string): Promise<JobState> {
    const { client, keys } = this.broker
    return runScript(client, "states", [keys.base], [jobId]).then(([, code]) => jobStates[code as number] ?? "gone")
  }

  changeWeight(jobId: string, weight: number): Promise<void> {
    const priority = weight + 1
    // The engine would move a task behind its equals, also if it keeps its weight.
    return Job.fromId(this.queue, jobId).then((job) =>
      job === undefined || job.priority === priority ? undefined : job.changePriority({ priority })
    )
  }

  /** Has a waiter settled by events and sweeps. One of `find` is not, until somebody waits. */
  watch(waiter: Waiter): void {
    if (waiter.answer !== undefined || this.broker.isClosed) return
    if (this.broker.mismatch !== undefined) return this.waiters.vanish(waiter)
    const known = this.waiters.get(waiter.jobId)
    if (known === waiter) return
    if (known === undefined) this.waiters.adopt(waiter)
    else known.onAnswer((answer) => waiter.settle(answer))
    whenSettled(this.waiters.ask([waiter]), () => {})
  }

  /** Stops watching a waiter of `find` that nobody waits for. */
  unwatch(waiter: Waiter): void {
    if (!waiter.created && !waiter.isWatched) this.waiters.forget(waiter)
  }

  /** Asks for a task's end again and again, until it has settled: a message may be lost while a worker reconnects. */
  cancelling(waiter: Waiter): void {
    const { broker, control, waiters } = this
    if (waiter.answer !== undefined || broker.isClosed) return
    // Does not keep the process alive: an open pool does, and a closed one asks no more.
    const again = () => void setTimeout(() => this.cancelling(waiter), cancelAgain).unref()
    if (!broker.isUp) return again()
    this.watch(waiter)
    whenSettled(
      waiters.ask([waiter]),
      ([state]) => {
        if (waiter.answer !== undefined) return
        if (state === "active") control.tell("Cancel", { id: waiter.jobId })
        else if (state === "waiting" || state === "delayed") this.remove(waiter)
        again()
      },
      again
    )
  }

  /** Admits no more tasks, cancels those that this process has added, and waits until they have settled. */
  readonly cancelAll: Effect.Effect<void> = Effect.suspend(() => {
    this.isCancelling = true
    this.sender.refuseAll("Closed")
    for (const waiter of this.created) this.cancelling(waiter)
    const arrived = callback<void>((resume) => {
      const stop = this.sender.whenIdle(() => resume(Effect.void))
      return Effect.sync(stop)
    })
    const settled = Effect.suspend(() =>
      Effect.forEach(
        this.created,
        (waiter) => callback<void>((resume) => void waiter.onAnswer(() => resume(Effect.void))),
        { discard: true }
      )
    )
    return Effect.andThen(arrived, settled)
  })

  private get created(): ReadonlyArray<Waiter> {
    return [...this.waiters].filter((waiter) => waiter.created)
  }

  private remove(waiter: Waiter): void {
    const { broker, control } = this
    whenSettled(runScript(broker.client, "removeWaiting", [broker.keys.base], [waiter.jobId]), ([count]) => {
      const { jobId, started } = waiter
      // The job may have started meanwhile.
      if (count === 0) control.tell("Cancel", { id: jobId })
      else control.tell("Cancelled", { id: taskIdOf(jobId) ?? jobId, reason: "Cancelled", started })
    })
  }
}

type Resume = (effect: Effect.Effect<Entry, NotAvailable>) => void

/** A task on its way into the queue. */
class Adding implements Sending {
  private readonly submitter: Submitter
  private readonly task: NewTask
  private readonly waiter: Waiter
  private readonly isShared: boolean
  private readonly resume: Resume
  private isAbandoned = false
  /** Whether the caller was told that the broker does not answer. */
  private isUnknown = false
  private whenDone: (() => void) | undefined = undefined
  /** What the caller was resumed with. */
  private entry: JobEntry | undefined = undefined
  readonly name: string
  readonly isNamed: boolean
  readonly data: { readonly r: string }
  readonly opts: BulkJobOptions & { readonly jobId: string }
  state: "Queued" | "Sent" | "Done" = "Queued"

  constructor(submitter: Submitter, task: NewTask, call: number, resume: Resume) {
    const jobId = jobIdOf(task.id)
    this.submitter = submitter
    this.task = task
    this.isShared = submitter.waiters.get(jobId) !== undefined
    this.waiter = submitter.waiters.register(jobId)
    this.resume = resume
    this.name = task.name
    this.isNamed = task.isNamed
    // Distinguishes the calls of one process, so that only one of them is the creator of a named task.
    this.data = task.isNamed ? { ...task.data, r: `${task.data.r}.${call}` } : task.data
    this.opts = submitter.optionsOf(task, jobId)
  }

  onAdmitted(): void {
    this.waiter.admitted = true
    if (this.task.isNamed) this.look()
    else this.done(this.name, true)
  }

  onRefused(reason: "Unreachable" | "Closed"): void {
    this.submitter.sender.forget(this)
    if (!this.isShared) this.submitter.waiters.forget(this.waiter)
    this.whenDone?.()
    this.resume(Effect.fail(this.submitter.broker.notAvailable(reason)))
  }

  onUnknown(reason: "Unreachable" | "Closed"): void {
    // An interrupted caller is told nothing, and its task must go.
    if (!this.isAbandoned) this.isUnknown = true
    this.isAbandoned = true
    this.whenDone?.()
    this.resume(Effect.fail(this.submitter.broker.notAvailable(reason)))
  }

  owns(data: string | null | undefined): boolean {
    const stored = parseJson(data ?? "null")
    return typeof stored === "object" && stored !== null && "r" in stored && stored.r === this.data.r
  }

  /** Finds out whose task has the ID: an existing task keeps its name and its submitter. */
  private look(): void {
    const { broker, waiters } = this.submitter
    whenSettled(
      broker.client.hmget(`${broker.keys.base}${this.waiter.jobId}`, "name", "data"),
      ([name, data]) => {
        const created = this.owns(data)
        this.done(name ?? this.name, created)
        // A task that has settled already sends no event.
        if (!created) whenSettled(waiters.ask([this.waiter]), () => {})
      },
      () => {
        if (broker.isClosed) this.done(this.name, false)
        else setTimeout(() => this.look(), 100)
      }
    )
  }

  private done(name: string, created: boolean): void {
    const { submitter, task, waiter } = this
    if (created) waiter.created = true
    if (created && submitter.isCancelling) submitter.cancelling(waiter)
    submitter.sender.forget(this)
    if (!this.isAbandoned) {
      this.entry = new JobEntry(submitter, waiter, task.id, name, created, task.isKnown)
      return this.resume(Effect.succeed(this.entry))
    }
    // Its caller may have sent a named task again meanwhile, and wait for the same job.
    if (this.isUnknown && this.task.isNamed) return submitter.unwatch(waiter)
    // Removing the task is all that is left to do.
    if (!created) return this.whenDone?.()
    waiter.onAnswer(() => this.whenDone?.())
    submitter.cancelling(waiter)
  }

  /** The caller is interrupted: takes the task back, or removes it after it has arrived. */
  readonly abandon: Effect.Effect<void> = Effect.suspend(() => {
    const { sender, waiters } = this.submitter
    // The caller was resumed, and interrupted before its next operation.
    if (this.entry?.created === true) return this.entry.abandon
    if (this.entry !== undefined) return Effect.sync(() => this.submitter.unwatch(this.waiter))
    this.isAbandoned = true
    if (sender.takeBack(this)) {
      if (!this.isShared) waiters.forget(this.waiter)
      return Effect.void
    }
    const ended = callback<void>((resume) => {
      this.whenDone = () => resume(Effect.void)
    })
    return Effect.timeoutOption(ended, interruptTimeout)
  })
}
