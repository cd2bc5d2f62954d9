/**
 * The result of `fork` and `attach`: a task that the pool has, wherever it runs.
 *
 * @since 0.1.0
 */
import type { NotWaiting } from "@aio-task-pool/core"
import type { Effect } from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Option } from "effect/Option"
import type { Stream } from "effect/Stream"
import type { NotAvailable, TaskCancelled, TaskLost } from "./DistributedTaskPoolError.ts"

/**
 * A task of a distributed pool.
 *
 * **Details**
 *
 * The task runs whether or not its handle is used. Every effect of a handle can be run any number of times, from any
 * number of fibers.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedTaskHandle<out A, out E = never, out Progress = unknown> {
  /** The ID, by which any process can `attach` to the task. */
  readonly id: string
  /**
   * Waits for the result of the task.
   *
   * **Details**
   *
   * Interrupting a joiner does not affect the task. Fails with `NotAvailable` (`"Nested"`) in a handler of the same pool.
   */
  readonly join: Effect<A, E | NotAvailable | TaskCancelled | TaskLost>
  /** Waits until the task has settled, and returns its `Exit`. */
  readonly await: Effect<Exit<A, E | NotAvailable | TaskCancelled | TaskLost>>
  /**
   * Removes a waiting task, or interrupts a running one and waits for its finalizers, at most `interruptTimeout`.
   *
   * **Details**
   *
   * Joiners get `TaskCancelled` (`"Cancelled"`), unless the task ended by itself first. Does nothing if the task has
   * settled, and may be repeated.
   */
  readonly cancel: Effect<void, NotAvailable>
  /** Returns the task's `Exit` if it has settled. */
  readonly poll: Effect<Option<Exit<A, E | NotAvailable | TaskCancelled | TaskLost>>, NotAvailable>
  /** Returns whether the task waits, is delayed, runs or is done. */
  readonly state: Effect<DistributedTaskState, NotAvailable>
  /**
   * Changes the weight of a waiting task, 0 to 2,097,150.
   *
   * **Details**
   *
   * On a priority pool the task moves behind the waiting tasks of that weight. A task that has the weight already keeps
   * its place, and other pools keep their order. Fails with `NotWaiting` if the task runs or has settled. Dies with
   * `RangeError` if the weight is not valid.
   */
  readonly reprioritize: (weight: number) => Effect<void, NotAvailable | NotWaiting>
  /**
   * Emits the values that the handler reports from now on, and ends when the task has settled.
   *
   * **Details**
   *
   * Values that do not fit the task's `progress` schema are dropped. A reader that lags behind by more than 256 values
   * loses the oldest ones.
   */
  readonly progress: Stream<Progress>
}

/**
 * The state of a task: in the queue, waiting for its `delay` or its next attempt, in a worker, or settled.
 *
 * @category models
 * @since 0.1.0
 */
export type DistributedTaskState = "Waiting" | "Delayed" | "Running" | "Done"
