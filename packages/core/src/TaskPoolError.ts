/**
 * The errors of a task pool, one for each reaction of a caller.
 *
 * `NotAvailable` and `TaskCancelled` are failures. `NotAvailable` means that the task never started, so the caller can
 * send it elsewhere or try again. `TaskCancelled` means that the pool had admitted the task and cancelled it.
 * `NotWaiting` means that `reprioritize` was called too late. `UnknownTaskType` and `UnknownTaskWeight` are defects:
 * bugs in callers without types.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { workers } from "./internal/words.ts"
import type { PoolStats } from "./PoolStats.ts"
import type { NotAvailableReason, TaskCancelledReason } from "./TaskPoolReason.ts"

export type { NotAvailableReason, TaskCancelledReason } from "./TaskPoolReason.ts"

/**
 * The task never started and never will: the pool did not admit it, or its `maxWait` has ended.
 *
 * **When to use**
 *
 * Catch it to send the task elsewhere, to try again later, or to shed load.
 *
 * **Details**
 *
 * No stack trace is captured.
 *
 * **Example** (Falling back when the queue is full)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   yield* TaskPool.fork(Effect.never)
 *   return yield* TaskPool.submit(Effect.succeed("fresh")).pipe(
 *     Effect.catchTag("NotAvailable", (error) => Effect.succeed(`stale: ${error.reason}`))
 *   )
 * })
 *
 * const layer = AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail", shutdown: { drainTimeout: 0 } })
 * await Effect.runPromise(Effect.provide(program, layer)) // => "stale: QueueFull"
 * ```
 *
 * Guide: docs/guide/errors.md
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAvailable extends Data.TaggedError("NotAvailable")<{
  /** Why the task never started. */
  readonly reason: NotAvailableReason
  /** The pool's name. */
  readonly pool: string
  /** The pool's statistics when the task was rejected. */
  readonly stats: PoolStats
}> {
  constructor(args: { readonly reason: NotAvailableReason; readonly pool: string; readonly stats: PoolStats }) {
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
    const { capacity, running, size, waiting } = this.stats
    switch (this.reason) {
      case "Paused":
        return `${this.pool}: the pool is paused and admits no task (${running} running, ${waiting} waiting)`
      case "Closed":
        return `${this.pool}: the pool is closed and admits no task (${running} running, ${waiting} waiting)`
      case "QueueFull":
        return `${this.pool}: the queue is full (${waiting} of ${capacity} waiting, ${running} running on ${workers(size)})`
      case "TooLarge":
        return `${this.pool}: the task takes more workers, or costs more, than the pool allows`
      case "WaitedTooLong":
        return `${this.pool}: the task did not start within its maxWait (${running} running, ${waiting} waiting)`
      case "Nested":
        return `${this.pool}: a task of the pool would wait for the pool itself, which nested: "fail" forbids`
    }
  }
}

/**
 * The pool had admitted the task and cancelled it.
 *
 * **When to use**
 *
 * Catch it to decide whether to run the task again. With `started: false` it never ran. With `started: true` it may
 * have had effects.
 *
 * **Details**
 *
 * No stack trace is captured.
 *
 * **Example** (Telling a cancelled task from one that never ran)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   const running = yield* TaskPool.fork(Effect.never)
 *   const waiting = yield* TaskPool.fork(Effect.never)
 *   yield* waiting.cancel
 *   yield* running.cancel
 *   return [yield* Effect.flip(running.join), yield* Effect.flip(waiting.join)].map((error) => error.started)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(1))) // => [true, false]
 * ```
 *
 * Guide: docs/guide/errors.md
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
  /** The pool's statistics right after the cancellation. */
  readonly stats: PoolStats
}> {
  constructor(args: {
    readonly reason: TaskCancelledReason
    readonly started: boolean
    readonly pool: string
    readonly stats: PoolStats
  }) {
    const limit = stackTraces.stackTraceLimit
    stackTraces.stackTraceLimit = 0
    super(args)
    stackTraces.stackTraceLimit = limit
  }
  override get message(): string {
    const { running, size, waiting } = this.stats
    const what = this.started ? "a running task" : "a waiting task"
    const why = {
      ScaledDown: "the pool was scaled down",
      Closed: "the pool closed",
      Cancelled: "cancel was called on its handle",
      Cleared: "the queue was cleared",
      Dropped: "a new task took its place in the full queue"
    }
    return `${this.pool}: ${what} was cancelled because ${why[this.reason]} (${workers(size)}, ${running} running, ${waiting} waiting)`
  }
}

/**
 * The task no longer waits, so its weight cannot be changed.
 *
 * @see {@link TaskHandle.reprioritize}
 * @category errors
 * @since 0.1.0
 */
export class NotWaiting extends Data.TaggedError("NotWaiting")<{
  /** The pool's name. */
  readonly pool: string
  /** Whether the task runs or has settled. */
  readonly state: "Running" | "Done"
}> {
  override get message(): string {
    return `${this.pool}: the weight of a task that is ${this.state.toLowerCase()} cannot be changed`
  }
}

/**
 * The defect of a submitted task that is neither an Effect nor a function that returns one.
 *
 * @category defects
 * @since 0.1.0
 */
export class UnknownTaskType extends TypeError {
  readonly _tag = "UnknownTaskType"
  override readonly name = "UnknownTaskType"
}

/**
 * The defect of a weight that is not a safe integer.
 *
 * @category defects
 * @since 0.1.0
 */
export class UnknownTaskWeight extends RangeError {
  readonly _tag = "UnknownTaskWeight"
  override readonly name = "UnknownTaskWeight"
}

// Capturing a stack trace costs several times as much as cancelling a waiting task, and shows only frames of the pool.
const stackTraces = globalThis.Error as { stackTraceLimit?: number | undefined }
