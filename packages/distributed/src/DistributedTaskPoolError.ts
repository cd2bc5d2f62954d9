/**
 * The errors of a distributed pool, one for each reaction of a caller.
 *
 * `NotAvailable` means that the task never started. `TaskCancelled` means that the pool had admitted the task and
 * cancelled it. `TaskLost` means that no result can arrive. `PoolMismatch` means that this process and the pool do not
 * fit together.
 *
 * The first two have the tags and fields of the core's errors, without `stats`: a broker's statistics cost a round trip.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a task never started.
 *
 * - `"Paused"`: the pool is paused.
 * - `"Closed"`: this process has closed its pool.
 * - `"Unreachable"`: the broker does not answer.
 * - `"Nested"`: a task of the pool would wait for its own pool.
 *
 * @category models
 * @since 0.1.0
 */
export type NotAvailableReason = "Paused" | "Closed" | "Unreachable" | "Nested"

/**
 * The operation was not carried out. A task that got this error was not admitted.
 *
 * **When to use**
 *
 * Catch it to try again later, or to send the task elsewhere.
 *
 * **Details**
 *
 * No stack trace is captured.
 *
 * **Gotchas**
 *
 * If the connection breaks while a task is sent, the broker may have received it. When the broker is back, this process
 * removes it, but a worker may have been faster. Give such tasks an `id`: they are not removed, and sending the same ID
 * again never makes a second task.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAvailable extends Data.TaggedError("NotAvailable")<{
  /** Why the operation was not carried out. */
  readonly reason: NotAvailableReason
  /** The pool's name. */
  readonly pool: string
}> {
  constructor(args: { readonly reason: NotAvailableReason; readonly pool: string }) {
    const limit = stackTraces.stackTraceLimit
    stackTraces.stackTraceLimit = 0
    super(args)
    stackTraces.stackTraceLimit = limit
  }
  /** Always `false`: the task never started. `TaskCancelled` has the same property. */
  get started(): false {
    return false
  }
  override get message(): string {
    switch (this.reason) {
      case "Paused":
        return `${this.pool}: the pool is paused and admits no task`
      case "Closed":
        return `${this.pool}: the pool is closed in this process`
      case "Unreachable":
        return `${this.pool}: the broker does not answer`
      case "Nested":
        return `${this.pool}: a task of the pool would wait for the pool itself; use fork, or another pool`
    }
  }
}

/**
 * Why an admitted task was cancelled.
 *
 * - `"Cancelled"`: `cancel` was called on a handle, or the submitter was interrupted.
 * - `"Closed"`: this process closed its pool and no longer waits.
 * - `"TimedOut"`: the task ran longer than its `timeout`.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskCancelledReason = "Cancelled" | "Closed" | "TimedOut"

/**
 * The pool had admitted the task and cancelled it, or this process stopped waiting for it.
 *
 * **When to use**
 *
 * Catch it to decide whether to run the task again. With `started: false` it never ran. With `started: true` it may have
 * had effects. After `"Closed"` the task may still run elsewhere: `attach` finds its result.
 *
 * **Details**
 *
 * No stack trace is captured.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskCancelled extends Data.TaggedError("TaskCancelled")<{
  /** Why the task was cancelled. */
  readonly reason: TaskCancelledReason
  /** Whether the task had started, and may have had effects. */
  readonly started: boolean
  /** The pool's name. */
  readonly pool: string
}> {
  constructor(args: { readonly reason: TaskCancelledReason; readonly started: boolean; readonly pool: string }) {
    const limit = stackTraces.stackTraceLimit
    stackTraces.stackTraceLimit = 0
    super(args)
    stackTraces.stackTraceLimit = limit
  }
  override get message(): string {
    switch (this.reason) {
      case "Cancelled":
        return `${this.pool}: ${this.started ? "a running task" : "a waiting task"} was cancelled`
      case "Closed":
        return `${this.pool}: the pool closed in this process while a task was outstanding`
      case "TimedOut":
        return `${this.pool}: a task ran longer than its timeout`
    }
  }
}

/**
 * Why no result can arrive.
 *
 * - `"Poisoned"`: `maxDeaths` workers lost the task, because their processes died or were blocked for longer than the
 *   lease.
 * - `"Vanished"`: the broker no longer has the task, or never had it.
 * - `"UnknownTask"`: no worker has a handler for the task, or its ID belongs to a task of another name.
 * - `"Undecodable"`: the payload or the result does not fit its schema or is above the size limit.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskLostReason = "Poisoned" | "Vanished" | "UnknownTask" | "Undecodable"

/**
 * The task has no result, and none can arrive.
 *
 * **Details**
 *
 * A payload that the submitter cannot encode gives `id: ""`, `reason: "Undecodable"` and `attempts: 0`: nothing was sent.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskLost extends Data.TaggedError("TaskLost")<{
  /** The ID of the task; empty if nothing was sent. */
  readonly id: string
  /** Why no result can arrive. */
  readonly reason: TaskLostReason
  /** How often the task was started, as far as the pool knows. */
  readonly attempts: number
  /** One sentence, or the path of what does not fit. Never contains a value of the payload or of the result. */
  readonly detail: string
}> {
  override get message(): string {
    const task = this.id === "" ? "a task" : `task ${JSON.stringify(this.id)}`
    const why = {
      Poisoned: "too many workers lost it",
      Vanished: "the pool no longer has it",
      UnknownTask: "no worker knows it, or its ID belongs to another task",
      Undecodable: "its payload or result does not fit the schema"
    }
    return `${task} was lost because ${why[this.reason]}: ${this.detail}`
  }
}

/**
 * The pool exists with another discipline, kind or wire format than this process asks for.
 *
 * Guide: docs/guide/operating-a-distributed-pool.md
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolMismatch extends Data.TaggedError("PoolMismatch")<{
  /** The pool's name. */
  readonly name: string
  /** What this process asks for. */
  readonly expected: string
  /** What the pool's record says. */
  readonly actual: string
}> {
  override get message(): string {
    return `The pool ${this.name} is ${this.actual}, and this process expects ${this.expected}`
  }
}

// Capturing a stack trace costs several times as much as cancelling a waiting task, and shows only frames of the pool.
const stackTraces = globalThis.Error as { stackTraceLimit?: number | undefined }
