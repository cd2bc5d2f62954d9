/**
 * The errors of a task pool, one for each answer a caller can give.
 *
 * `NotAvailable` and `TaskCancelled` are failures: the first means that the task never started, so it can be sent
 * elsewhere or tried again; the second that it had been accepted and was cut short. `NotWaiting` answers a request that
 * came too late. `UnknownTaskType` and `UnknownTaskWeight` are defects: a bug in a caller whose types were lost.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { PoolStats } from "./PoolStats.ts"

/**
 * Why a task was not admitted.
 *
 * - `"Paused"`: the pool is paused.
 * - `"Closed"`: the pool is closing or closed.
 * - `"QueueFull"`: as many tasks wait as `capacity` allows, and the caller would not wait at the door.
 *
 * @category models
 * @since 0.1.0
 */
export type NotAvailableReason = "Paused" | "Closed" | "QueueFull"

/**
 * Why an accepted task was cut short.
 *
 * - `"ScaledDown"`: a hard `scale` or `resize` took its worker away.
 * - `"Closed"`: the pool closed before the task had ended.
 * - `"Cancelled"`: somebody called `cancel` on its handle.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskCancelledReason = "ScaledDown" | "Closed" | "Cancelled"

/**
 * The pool did not admit the task: it was never started and never will be.
 *
 * **When to use**
 *
 * Catch it to send the task elsewhere, to try again later, or to shed load.
 *
 * **Details**
 *
 * `reason` says why, `pool` is the pool's name, `stats` its statistics at the moment of the refusal. No stack trace is
 * captured.
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
 * @category errors
 * @since 0.1.0
 */
export class NotAvailable extends Data.TaggedError("NotAvailable")<{
  readonly reason: NotAvailableReason
  readonly pool: string
  readonly stats: PoolStats
}> {
  constructor(args: { readonly reason: NotAvailableReason; readonly pool: string; readonly stats: PoolStats }) {
    const limit = stackTraces.stackTraceLimit
    stackTraces.stackTraceLimit = 0
    super(args)
    stackTraces.stackTraceLimit = limit
  }
  override get message(): string {
    const { capacity, running, size, waiting } = this.stats
    switch (this.reason) {
      case "Paused":
        return `${this.pool}: the pool is paused and admits no task (${running} running, ${waiting} waiting)`
      case "Closed":
        return `${this.pool}: the pool is closed and admits no task (${running} running, ${waiting} waiting)`
      case "QueueFull":
        return `${this.pool}: the queue is full (${waiting} of ${capacity} waiting, ${running} running on ${size} workers)`
    }
  }
}

/**
 * The pool had accepted the task and cut it short.
 *
 * **When to use**
 *
 * Catch it to decide whether the task may be run again: with `started: false` it never ran; with `started: true` it may
 * have had effects.
 *
 * **Details**
 *
 * `reason` says why, `pool` is the pool's name, `stats` its statistics right after the cancellation. No stack trace is
 * captured.
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
 * @category errors
 * @since 0.1.0
 */
export class TaskCancelled extends Data.TaggedError("TaskCancelled")<{
  readonly reason: TaskCancelledReason
  readonly started: boolean
  readonly pool: string
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
    const why = { ScaledDown: "the pool was scaled down", Closed: "the pool closed", Cancelled: "its handle said so" }
    return `${this.pool}: ${what} was cancelled because ${why[this.reason]} (${size} workers, ${running} running, ${waiting} waiting)`
  }
}

/**
 * The task does not wait any more, so its place in the queue cannot be changed.
 *
 * @see {@link TaskHandle.reprioritize}
 * @category errors
 * @since 0.1.0
 */
export class NotWaiting extends Data.TaggedError("NotWaiting")<{
  readonly pool: string
  readonly state: "Running" | "Done"
}> {
  override get message(): string {
    return `${this.pool}: a task that is ${this.state.toLowerCase()} has no place in the queue to change`
  }
}

/**
 * What was submitted is neither an Effect nor a function that returns one. A defect, not a failure.
 *
 * @category defects
 * @since 0.1.0
 */
export class UnknownTaskType extends TypeError {
  readonly _tag = "UnknownTaskType"
  override readonly name = "UnknownTaskType"
}

/**
 * A weight is not a safe integer. A defect, not a failure.
 *
 * @category defects
 * @since 0.1.0
 */
export class UnknownTaskWeight extends RangeError {
  readonly _tag = "UnknownTaskWeight"
  override readonly name = "UnknownTaskWeight"
}

// Capturing a stack trace costs several times what cancelling a waiting task does, and shows only the pool's insides.
const stackTraces = globalThis.Error as { stackTraceLimit?: number | undefined }
