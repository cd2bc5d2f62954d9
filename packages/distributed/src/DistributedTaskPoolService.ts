/**
 * The operations of a distributed pool, its statistics and its events: types only.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Stream } from "effect/Stream"
import type { DistributedTask, TaskHandler } from "./DistributedTask.ts"
import type { DistributedTaskHandle } from "./DistributedTaskHandle.ts"
import type {
  NotAvailable,
  TaskCancelled,
  TaskCancelledReason,
  TaskLost,
  TaskLostReason
} from "./DistributedTaskPoolError.ts"
import type { CloseOptions, ForEachOptions, SubmitOptions, WorkerOptions } from "./DistributedTaskPoolOptions.ts"

/**
 * The operations of a distributed pool.
 *
 * **Details**
 *
 * `Self` is what a caller must provide: nothing for the service itself, the tag for its statics. All operations fail
 * with `NotAvailable`: `"Unreachable"` while the broker does not answer, `"Closed"` after `close`.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category models
 * @since 0.1.0
 */
export interface Operations<in out Self> {
  /**
   * Sends a task to the pool and waits for its result.
   *
   * **Details**
   *
   * The handler's own success, failure or defect becomes the result. Fails with `TaskCancelled` if the task was
   * cancelled, and with `TaskLost` if no result can arrive. In a handler of the same pool it fails with `NotAvailable`
   * (`"Nested"`).
   *
   * Interrupting the caller removes a waiting task. A running task is interrupted in its worker, and its finalizers are
   * awaited, at most `interruptTimeout`. A caller whose `id` belonged to an existing task only stops waiting.
   */
  readonly submit: <P, A, E, G>(
    task: DistributedTask<P, A, E, G>,
    payload: P,
    options?: SubmitOptions
  ) => Effect.Effect<A, E | NotAvailable | TaskCancelled | TaskLost, Self>
  /**
   * Sends a task to the pool, waits until the pool has it, and returns its handle.
   *
   * **Details**
   *
   * The task no longer depends on this process. Handlers may fork tasks of their own pool.
   */
  readonly fork: <P, A, E, G>(
    task: DistributedTask<P, A, E, G>,
    payload: P,
    options?: SubmitOptions
  ) => Effect.Effect<DistributedTaskHandle<A, E, G>, NotAvailable | TaskLost, Self>
  /**
   * Returns a handle to a task that any process submitted.
   *
   * **Details**
   *
   * Fails with `TaskLost`: `"Vanished"` if the pool does not have the task, `"UnknownTask"` if the ID belongs to a task
   * of another name.
   */
  readonly attach: <P, A, E, G>(
    task: DistributedTask<P, A, E, G>,
    id: string
  ) => Effect.Effect<DistributedTaskHandle<A, E, G>, NotAvailable | TaskLost, Self>
  /**
   * Submits a task for each item, and returns the results in the order of the items.
   *
   * **Details**
   *
   * Items are pulled as needed, so that at most `window` tasks are outstanding. The first failure cancels the rest.
   */
  readonly forEach: <I, P, A, E, G>(
    items: Iterable<I> | AsyncIterable<I>,
    task: DistributedTask<P, A, E, G>,
    toPayload: (item: I, index: number) => P,
    options?: ForEachOptions
  ) => Effect.Effect<Array<A>, E | NotAvailable | TaskCancelled | TaskLost, Self>
  /**
   * Changes how many tasks run at once, over all processes, by `delta`, and returns the new number.
   *
   * **Details**
   *
   * The number is clamped as by the pool's kind: to 0 or more, at most 1,000,000, or to [minSize, maxSize]. Running tasks
   * finish. Dies with `RangeError`, and changes nothing, if `delta` is not a safe integer.
   */
  readonly scale: (delta: number) => Effect.Effect<number, NotAvailable, Self>
  /**
   * Sets how many tasks run at once, over all processes: an integer from 0 to 1,000,000. 0 runs none.
   *
   * **Details**
   *
   * Running tasks finish. Dies with `RangeError`, and changes nothing, if the size is out of range.
   */
  readonly resize: (size: number) => Effect.Effect<number, NotAvailable, Self>
  /**
   * Stops dispatch in all processes, until `releaseDispatch`.
   *
   * **Details**
   *
   * Admitted tasks wait, running tasks continue. There is one hold for all processes. It is not counted, and it outlives
   * the process that held.
   */
  readonly holdDispatch: Effect.Effect<void, NotAvailable, Self>
  /** Ends the hold of `holdDispatch`, whoever began it. */
  readonly releaseDispatch: Effect.Effect<void, NotAvailable, Self>
  /**
   * Stops admission: `submit`, `fork` and `forEach` fail with `NotAvailable` (`"Paused"`).
   *
   * **Details**
   *
   * Other processes know within a second. Admitted tasks continue.
   */
  readonly pause: Effect.Effect<void, NotAvailable, Self>
  /** Ends the pause. Other processes know within a second. */
  readonly resume: Effect.Effect<void, NotAvailable, Self>
  /** Returns a snapshot of the pool, over all processes. */
  readonly stats: Effect.Effect<DistributedPoolStats, NotAvailable, Self>
  /** Emits the pool's events from now on, until this process closes the pool. It may miss some. */
  readonly events: Stream<DistributedPoolEvent, never, Self>
  /**
   * Closes the pool in this process. May be repeated.
   *
   * **Details**
   *
   * Its callers who wait for a result get `TaskCancelled` (`"Closed"`, `started: true`): the tasks may go on, and
   * `attach` finds their results. With `mode: "cancel"` the tasks that this process submitted are cancelled.
   */
  readonly close: (options?: CloseOptions) => Effect.Effect<void, never, Self>
}

/**
 * The service of a distributed pool's tag.
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedTaskPoolService extends Operations<never> {
  /** The pool's name. */
  readonly name: string
  /**
   * Runs tasks of the pool in this process until the scope closes.
   *
   * **Details**
   *
   * The tag's static `worker` makes a layer of it.
   */
  readonly worker: <R = never>(
    handlers: ReadonlyArray<TaskHandler<R>>,
    options: WorkerOptions
  ) => Effect.Effect<void, never, R | Scope>
}

/**
 * The statistics of a distributed pool: a snapshot of its broker, over all processes.
 *
 * Guide: docs/guide/operating-a-distributed-pool.md
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedPoolStats {
  /** The most tasks that run at once. */
  readonly targetSize: number
  /** Whether dispatch is held. */
  readonly held: boolean
  /** Tasks in workers. */
  readonly running: number
  /** Tasks in the queue. */
  readonly waiting: number
  /** Tasks that wait for their `delay` or their next attempt. */
  readonly delayed: number
  /** Worker layers that are connected. */
  readonly workers: number
  /** Kept results of tasks that succeeded. */
  readonly keptSucceeded: number
  /** Kept results of tasks that did not succeed. */
  readonly keptFailed: number
}

/**
 * A change in a distributed pool.
 *
 * @category models
 * @since 0.1.0
 */
export type DistributedPoolEvent =
  | { readonly _tag: "Scaled"; readonly from: number; readonly to: number; readonly why: string }
  | { readonly _tag: "Held" }
  | { readonly _tag: "Released" }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Resumed" }
  | {
      readonly _tag: "Cancelled"
      readonly id: string
      readonly reason: TaskCancelledReason
      readonly started: boolean
    }
  | { readonly _tag: "TaskLost"; readonly id: string; readonly reason: TaskLostReason }
  | { readonly _tag: "WorkerJoined"; readonly worker: string }
  | { readonly _tag: "WorkerLeft"; readonly worker: string }
  /** This process lost its connection to the broker. */
  | { readonly _tag: "Unreachable" }
  /** This process has its connection to the broker again. */
  | { readonly _tag: "Reachable" }
