/**
 * The state of a pool, and what can be read from it. The machine is the one subclass, and writes it.
 */
import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import * as Exit from "effect/Exit"
import type { KeyStats, PoolStats } from "../../PoolStats.ts"
import type { QueueDiscipline } from "../../QueueDiscipline.ts"
import { NotAvailable, type NotAvailableReason, TaskCancelled, type TaskCancelledReason } from "../../TaskPoolError.ts"
import { older } from "../backlog/arrivals.ts"
import { type Backlog, entriesOf, permitsOf } from "../backlog/backlog.ts"
import { LinkedList } from "../backlog/list.ts"
import { Counts } from "./counts.ts"
import type { Delayed } from "./delayed.ts"
import type { Entry } from "./entry.ts"
import type { ExtraOwner, TaskExtra } from "./extra.ts"
import type { Gate } from "./gate.ts"
import type { Holds } from "./holds.ts"
import type { Lending } from "./lending.ts"
import type { Pauses } from "./pauses.ts"
import type { CheckedRate } from "./rate.ts"

/** The options of a machine, which the pool's constructor has checked. */
export interface MachineOptions {
  readonly name: string
  /** The name of the module that makes the pool. */
  readonly kind: string
  /** Whether tasks have spans. */
  readonly spans: "auto" | "none"
  readonly discipline: QueueDiscipline
  /** The sizes that `target` is clamped to. */
  readonly min: number
  readonly max: number
  readonly initial: number
  /** Whether the size changes by hand only, without bounds. */
  readonly isFixed: boolean
  readonly capacity: number
  readonly onFull: "suspend" | "fail" | "dropOldest"
  readonly startPaused: boolean
  readonly nested: "lend" | "fail" | "queue"
  readonly rates: ReadonlyArray<CheckedRate>
  readonly perKey: number
  /** The milliseconds of waiting that count as one weight less; undefined for none. */
  readonly ageing: number | undefined
}

export abstract class PoolState implements ExtraOwner {
  abstract readonly clock: Clock
  readonly name: string
  readonly kind: string
  readonly min: number
  readonly max: number
  readonly capacity: number
  readonly onFull: "suspend" | "fail" | "dropOldest"
  readonly nested: "lend" | "fail" | "queue"
  readonly rates: ReadonlyArray<CheckedRate>
  readonly hasAgeing: boolean
  lastExtra: TaskExtra | undefined = undefined
  /** Whether a task has a span, if its submitter has a recorded one. */
  readonly traces: boolean
  protected readonly isFixed: boolean

  protected phaseName: "Open" | "Draining" | "Closed" = "Open"
  abstract readonly pauses: Pauses
  /** Whether the pool is open and not paused. A field: each item of a bulk asks for it several times. */
  isAdmitting: boolean
  abstract readonly holds: Holds
  protected targetSize: number
  protected largestSize: number
  /** The number of workers that running tasks use. */
  protected used = 0
  /** The number of workers that running tasks lend. */
  protected lent = 0
  protected lending: Lending | undefined = undefined

  protected readonly door = new LinkedList<Entry>()
  protected abstract backlog: Backlog<Entry>
  protected abstract readonly gate: Gate
  /** Whether the next task may have to wait although a worker is free. */
  protected selective = false
  protected readonly runningTasks = new LinkedList<Entry>()
  protected abstract readonly delayed: Delayed
  /** The number of places in the queue for which an item is being pulled. */
  protected reserved = 0
  readonly counts = new Counts()

  constructor(options: MachineOptions) {
    this.name = options.name
    this.kind = options.kind
    this.min = options.min
    this.max = options.max
    this.capacity = options.capacity
    this.onFull = options.onFull
    this.nested = options.nested
    this.rates = options.rates
    this.hasAgeing = options.ageing !== undefined
    this.traces = options.spans === "auto"
    this.isFixed = options.isFixed
    this.isAdmitting = !options.startPaused
    this.targetSize = this.largestSize = options.initial
  }

  get phase(): "Open" | "Draining" | "Closed" {
    return this.phaseName
  }
  get paused(): boolean {
    return this.pauses.isPaused
  }
  get target(): number {
    return this.targetSize
  }
  get running(): number {
    return this.runningTasks.size
  }
  /** The running task that started first. */
  get oldestRunning(): Entry | undefined {
    return this.runningTasks.head
  }
  get delayedCount(): number {
    return this.delayed.entries.size
  }
  /** The workers alive: the target, or more while surplus workers finish. */
  get size(): number {
    return this.phaseName === "Closed" ? 0 : Math.max(this.targetSize, this.used)
  }
  /** The number of workers that running tasks use. */
  get busy(): number {
    return this.used
  }
  /** Whether a running task lends its workers. */
  isLent(entry: Entry): boolean {
    return this.lending !== undefined && this.lending.isLent(entry)
  }
  /** Whether no task runs, waits in the queue or at the door. */
  get isAtRest(): boolean {
    return this.runningTasks.size === 0 && this.backlog.size === 0 && this.door.size === 0
  }
  get waiting(): number {
    return this.backlog.size
  }
  /** The most permits of a task so far. */
  get maxPermits(): number {
    return this.gate.maxPermits
  }
  /** Tasks in the queue and at the door. */
  get queued(): number {
    return this.backlog.size + this.door.size
  }
  /** The task that has waited longest. A retry that waits in the queue may have come after those at the door. */
  get oldestQueued(): Entry | undefined {
    return older(this.backlog.oldest(), this.door.head)
  }
  /** The number of tasks that have ended, without those that were cancelled before they started. */
  get ended(): number {
    return this.counts.settled - this.counts.neverStarted
  }
  /** The number of tasks that were cancelled before they started. */
  get neverRun(): number {
    return this.counts.neverStarted
  }
  /** The running tasks, the oldest first. */
  get runningEntries(): ReadonlyArray<Entry> {
    return this.runningTasks.toArray()
  }
  /** Whether the next task may have to wait although a worker is free. */
  get isSelective(): boolean {
    return this.selective
  }
  /** Whether only the number of workers keeps the next task waiting. */
  get isSaturated(): boolean {
    const next = this.isDoorNext ? this.door.head : this.backlog.peek()
    if (next === undefined || next.needsItem) return this.isDoorNext && this.used >= this.targetSize
    if (!this.gate.hasFreeKey(next) || this.gate.untilStart(next) > 0) return false
    return this.used + permitsOf(next) > this.targetSize
  }
  /**
   * Whether no waiting task is ahead of those at the door. On a pool without a queue only tasks that are tried again
   * wait, and they are passed over while their keys are at their limits.
   */
  protected get isDoorNext(): boolean {
    return this.backlog.size === 0 || (this.capacity === 0 && this.backlog.ready === 0)
  }
  readonly isIdle = (): boolean => this.isEmpty() && this.runningTasks.size === 0 && this.delayed.entries.size === 0
  readonly isEmpty = (): boolean => this.backlog.size === 0
  readonly isResized = (): boolean => this.used <= this.targetSize
  /** Whether no task computes. Tasks that lend their workers wait for others, which a hold may keep from starting. */
  readonly isQuiet = (): boolean => this.used === 0

  /** The number of submitters at the door. */
  get atDoor(): number {
    return this.door.size
  }
  /** Returns functions that return one task after the other, until the machine changes. */
  walkTasks(): Record<"running" | "waiting" | "door" | "delayed", () => Entry | undefined> {
    return {
      running: this.runningTasks.walk(),
      waiting: this.backlog.walk(),
      door: this.door.walk(),
      delayed: this.delayed.entries.walk()
    }
  }

  /** The waiting tasks in the order of dispatch, and the delayed ones in the order in which they are due. */
  get unstartedEntries(): ReadonlyArray<Entry> {
    return entriesOf(this.backlog).concat(entriesOf(this.delayed.entries))
  }

  /** A waiting or delayed task, whichever is found first. */
  get unstartedEntry(): Entry | undefined {
    return this.backlog.any() ?? this.delayed.entries.any()
  }

  /** Whether a request would get a place now. */
  get hasPlaceForRequest(): boolean {
    return this.door.size === 0 && this.hasPlace && this.isAdmitting
  }

  protected get hasPlace(): boolean {
    return this.backlog.size + this.reserved < this.capacity
  }

  /** Returns whether an entry takes more workers, or costs more, than the pool ever allows. */
  protected isTooLarge(entry: Entry): boolean {
    return this.gate.isTooLarge(entry, this.isFixed ? this.largestSize : this.max)
  }

  statsOf(key: string | number): KeyStats {
    const running = this.runningEntries.filter(({ extra }) => extra?.key === key).length
    return { waiting: this.gate.keyed?.waiting(key) ?? 0, running }
  }

  get phaseNow(): PoolStats["phase"] {
    if (this.phaseName !== "Open") return this.phaseName
    return this.paused ? "Paused" : this.holds.isHeld ? "Held" : "Open"
  }

  stats(): PoolStats {
    const { counts } = this
    return {
      phase: this.phaseNow,
      holds: this.holds.reasons,
      size: this.size,
      targetSize: this.targetSize,
      running: this.runningTasks.size,
      busy: this.used,
      lent: this.lent,
      waiting: this.backlog.size,
      delayed: this.delayed.entries.size,
      atDoor: this.door.size,
      capacity: this.capacity,
      nextStart: this.gate.untilStart(this.backlog.peek() ?? this.door.head),
      submitted: counts.submitted,
      succeeded: counts.succeeded,
      failed: counts.failed,
      interrupted: counts.interrupted,
      cancelled: counts.cancelled,
      dropped: counts.dropped,
      rejected: counts.rejected,
      rejectedBy: { ...counts.rejectedBy },
      largestSize: this.largestSize
    }
  }

  /** Returns the failure for callers after admission has ended. */
  rejection(): Cause.Cause<NotAvailable> {
    return Cause.fail(this.notAvailable(this.notAdmitting))
  }

  notAvailable(reason: NotAvailableReason): NotAvailable {
    return new NotAvailable({ reason, pool: this.name, stats: this.stats() })
  }

  get notAdmitting(): NotAvailableReason {
    return this.phaseName === "Open" ? "Paused" : "Closed"
  }

  cancellation(reason: TaskCancelledReason, started: boolean): Exit.Exit<never, TaskCancelled> {
    return Exit.fail(new TaskCancelled({ reason, started, pool: this.name, stats: this.stats() }))
  }
}
