/**
 * A naive model of a task pool: arrays, sorted when needed, and one event after the other.
 *
 * For a sequential program it predicts exactly what every pool must do: which tasks run, wait and stand at the door, the
 * result of each submitter, and every statistic.
 */
import type { PoolStats } from "@aio-task-pool/core"

/** A task, or an item of a bulk. */
export interface ModelTask {
  readonly id: string
  weight: number
  /** When it received its weight, as a count of admissions and new weights. */
  since: number
  readonly bulk: ModelBulk | undefined
}

/** A bulk. It stands at the door without an item, or one of its items waits, or neither. */
export interface ModelBulk {
  readonly id: string
  readonly length: number
  pulled: number
  state: "pulling" | "ending" | "stopped"
  /** The result that its caller will receive, unless it succeeds. */
  failure: string | undefined
  live: number
}

export interface ModelOptions {
  readonly order: "fifo" | "lifo" | "priority"
  readonly min: number
  readonly max: number
  readonly size: number
  readonly capacity: number
  readonly onFull: "suspend" | "fail"
  readonly startPaused: boolean
}

type Count = "succeeded" | "failed" | "interrupted" | "cancelled"

/** What the model knows of the statistics. */
export type ModelStats = Omit<
  PoolStats,
  "capacity" | "holds" | "busy" | "lent" | "delayed" | "nextStart" | "dropped" | "rejectedBy"
>

type Finish = "succeeds" | "fails" | "dies" | "interrupts"

export class ModelPool {
  phase: "Open" | "Draining" | "Closed" = "Open"
  paused: boolean
  target: number
  door: Array<ModelTask | ModelBulk> = []
  waiting: Array<ModelTask> = []
  /** The running tasks, in the order of their start. */
  running: Array<ModelTask> = []
  /** All tasks that have started, in order. */
  readonly started: Array<string> = []
  /** The result of each submitter. */
  readonly results = new Map<string, string>()
  private readonly options: ModelOptions
  private counts = { submitted: 0, succeeded: 0, failed: 0, interrupted: 0, cancelled: 0, rejected: 0 }
  private largestSize: number
  private reopens = false
  private clock = 0

  constructor(options: ModelOptions) {
    this.options = options
    this.paused = options.startPaused
    this.target = this.largestSize = options.size
  }

  get stats(): ModelStats {
    return {
      phase: this.phase === "Open" && this.paused ? "Paused" : this.phase,
      size: this.phase === "Closed" ? 0 : Math.max(this.target, this.running.length),
      targetSize: this.target,
      running: this.running.length,
      waiting: this.waiting.length,
      atDoor: this.door.length,
      ...this.counts,
      largestSize: this.largestSize
    }
  }

  // ---- admission --------------------------------------------------------------------------------------------------

  submit(id: string, weight: number, mayWait: boolean): void {
    const task: ModelTask = { id, weight, since: 0, bulk: undefined }
    const closed = this.closedFor
    if (closed !== undefined) this.reject(id, closed)
    else if (this.door.length === 0 && this.waiting.length === 0 && this.running.length < this.target) {
      this.admitted(task)
      this.launch(task)
    } else if (this.door.length === 0 && this.waiting.length < this.options.capacity) {
      this.admitted(task)
      this.waiting.push(task)
    } else if (mayWait && this.options.onFull === "suspend") this.door.push(task)
    else this.reject(id, "QueueFull")
    this.turn()
  }

  forEach(id: string, length: number): void {
    const bulk: ModelBulk = { id, length, pulled: 0, state: "pulling", failure: undefined, live: 0 }
    this.requestNext(bulk)
    this.turn()
    this.settleBulk(bulk)
  }

  private get closedFor(): string | undefined {
    return this.phase !== "Open" ? "Closed" : this.paused ? "Paused" : undefined
  }

  private reject(id: string, reason: string): void {
    this.counts.rejected++
    this.results.set(id, `NotAvailable ${reason}`)
  }

  private admitted(task: ModelTask): void {
    this.counts.submitted++
    task.since = this.clock++
  }

  // Requests the next item of a bulk, if it has one.
  private requestNext(bulk: ModelBulk): void {
    if (bulk.state !== "pulling") return
    if (bulk.pulled === bulk.length) {
      bulk.state = "ending"
      return
    }
    const closed = this.closedFor
    if (closed !== undefined) this.rejectBulk(bulk, closed)
    else if (this.door.length > 0 || this.waiting.length >= this.options.capacity) this.door.push(bulk)
    else this.waiting.push(this.pull(bulk))
  }

  private rejectBulk(bulk: ModelBulk, reason: string): void {
    this.counts.rejected++
    bulk.state = "ending"
    bulk.failure ??= `NotAvailable ${reason}`
    this.settleBulk(bulk)
  }

  private pull(bulk: ModelBulk): ModelTask {
    const task: ModelTask = { id: `${bulk.id}.${bulk.pulled++}`, weight: 4, since: 0, bulk }
    bulk.live++
    this.admitted(task)
    return task
  }

  private letIn(): void {
    while (this.door.length > 0 && this.waiting.length < this.options.capacity) this.waiting.push(this.fromDoor())
  }

  private fromDoor(): ModelTask {
    const first = this.door.shift()!
    if ("length" in first) return this.pull(first)
    this.admitted(first)
    return first
  }

  private shutDoor(reason: string): void {
    for (const each of this.door.splice(0)) {
      if ("length" in each) this.rejectBulk(each, reason)
      else this.reject(each.id, reason)
    }
  }

  // ---- dispatch ---------------------------------------------------------------------------------------------------

  private turn(): void {
    this.letIn()
    while (this.running.length < this.target && this.waiting.length + this.door.length > 0) {
      if (this.waiting.length === 0) this.launch(this.fromDoor())
      else {
        const next = this.waiting.toSorted((a, b) => this.compare(a, b))[0]!
        this.waiting = this.waiting.filter((task) => task !== next)
        this.letIn()
        this.launch(next)
      }
    }
    if (this.phase === "Draining" && this.running.length + this.waiting.length === 0) this.endClosing()
  }

  private compare(a: ModelTask, b: ModelTask): number {
    const { order } = this.options
    if (order === "priority" && a.weight !== b.weight) return a.weight - b.weight
    return order === "lifo" ? b.since - a.since : a.since - b.since
  }

  private launch(task: ModelTask): void {
    this.running.push(task)
    this.started.push(task.id)
    if (task.bulk !== undefined) this.requestNext(task.bulk)
  }

  // ---- settling ---------------------------------------------------------------------------------------------------

  /** A running task ends. */
  finish(task: ModelTask, how: Finish): void {
    const count = how === "succeeds" ? "succeeded" : how === "interrupts" ? "interrupted" : "failed"
    this.settle(task, count, how)
    this.turn()
  }

  private settle(task: ModelTask, count: Count, result: string): void {
    this.settleAll([task], count, result)
  }

  // All tasks settle before any bulk is notified.
  private settleAll(tasks: ReadonlyArray<ModelTask>, count: Count, result: string): void {
    this.running = this.running.filter((other) => !tasks.includes(other))
    this.waiting = this.waiting.filter((other) => !tasks.includes(other))
    this.counts[count] += tasks.length
    for (const { bulk, id } of tasks) {
      if (bulk === undefined) this.results.set(id, result)
      else bulk.live--
    }
    for (const { bulk } of tasks) {
      if (bulk === undefined) continue
      if (result !== "succeeds") this.stop(bulk, result)
      this.settleBulk(bulk)
    }
  }

  // The first failure of a bulk removes its waiting tasks and interrupts its running ones, before another task begins.
  private stop(bulk: ModelBulk, failure: string): void {
    bulk.failure ??= failure
    if (bulk.state === "stopped") return
    bulk.state = "stopped"
    this.door = this.door.filter((each) => each !== bulk)
    for (const task of this.waiting.filter((each) => each.bulk === bulk)) this.settle(task, "cancelled", "interrupts")
    for (const task of this.running.filter((each) => each.bulk === bulk)) this.settle(task, "interrupted", "interrupts")
  }

  private settleBulk(bulk: ModelBulk): void {
    if (bulk.state === "pulling" || bulk.live > 0 || this.results.has(bulk.id)) return
    this.results.set(bulk.id, bulk.failure ?? "succeeds")
  }

  // ---- ending tasks early -----------------------------------------------------------------------------------------

  cancel(id: string): void {
    const waiting = this.waiting.find((task) => task.id === id)
    const running = this.running.find((task) => task.id === id)
    if (waiting !== undefined) this.settle(waiting, "cancelled", "TaskCancelled Cancelled")
    else if (running !== undefined) this.settle(running, "cancelled", "TaskCancelled Cancelled, started")
    this.turn()
  }

  /** The caller of a submit or of a bulk is interrupted. */
  interrupt(id: string): void {
    if (this.results.has(id)) return
    const isBulk = (each: ModelTask | ModelBulk): each is ModelBulk => "length" in each
    const bulk =
      this.door.find((each): each is ModelBulk => isBulk(each) && each.id === id) ??
      [...this.waiting, ...this.running].find((task) => task.bulk?.id === id)?.bulk
    const waiting = this.waiting.find((task) => task.id === id)
    const running = this.running.find((task) => task.id === id)
    if (bulk !== undefined) {
      bulk.failure = undefined
      this.stop(bulk, "interrupts")
      bulk.failure = "interrupts"
      this.results.set(id, "interrupts")
    } else if (waiting !== undefined) this.settle(waiting, "cancelled", "interrupts")
    else if (running !== undefined) this.settle(running, "interrupted", "interrupts")
    else {
      this.door = this.door.filter((each) => each.id !== id)
      this.results.set(id, "interrupts")
    }
    this.turn()
  }

  reprioritize(id: string, weight: number): void {
    const task = this.waiting.find((each) => each.id === id)
    if (task === undefined || this.options.order !== "priority" || task.weight === weight) return
    task.weight = weight
    task.since = this.clock++
  }

  // ---- sizing, pausing, closing -----------------------------------------------------------------------------------

  resize(size: number, hard: boolean): void {
    const { max, min } = this.options
    this.target = Math.max(min, Math.min(max, size))
    this.largestSize = Math.max(this.largestSize, this.target)
    if (this.target === 0 && this.phase === "Draining") this.cancelWaiting()
    this.turn()
    if (!hard) return
    this.settleAll(this.running.slice(this.target).toReversed(), "cancelled", "TaskCancelled ScaledDown, started")
    this.turn()
  }

  private cancelWaiting(): void {
    this.settleAll(
      this.waiting.toSorted((a, b) => this.compare(a, b)),
      "cancelled",
      "TaskCancelled Closed"
    )
  }

  setPaused(paused: boolean): void {
    if (this.phase !== "Open") return
    if (paused && !this.paused) {
      this.paused = true
      this.shutDoor("Paused")
    }
    this.paused = paused
    this.turn()
  }

  close(interrupts: boolean): void {
    if (this.phase === "Closed") return
    if (this.phase === "Open") {
      this.phase = "Draining"
      this.shutDoor("Closed")
      if (this.target === 0) this.cancelWaiting()
    }
    if (interrupts) {
      this.cancelWaiting()
      this.settleAll(this.running, "cancelled", "TaskCancelled Closed, started")
    }
    this.turn()
  }

  start(): void {
    if (this.phase === "Draining") this.reopens = true
    if (this.phase === "Closed") this.open()
  }

  private endClosing(): void {
    this.phase = "Closed"
    if (this.reopens) this.open()
  }

  private open(): void {
    this.reopens = false
    this.phase = "Open"
    this.paused = this.options.startPaused
  }
}
