/**
 * The result of `fork` and `submitNowait`: an admitted task, which can be inspected, awaited, reprioritized or
 * cancelled.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Option } from "effect/Option"
import type { NotAvailable, NotWaiting, TaskCancelled } from "./TaskPoolError.ts"

/**
 * A task that a pool has admitted.
 *
 * **Details**
 *
 * The task runs whether or not its handle is used. A failure that no caller joins is not reported anywhere. Every
 * effect of a handle can be run any number of times, from any number of fibers.
 *
 * **Example** (Starting now and joining later)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 *
 * const program = Effect.gen(function* () {
 *   const handle = yield* TaskPool.fork(Effect.succeed(42))
 *   return yield* handle.join
 * })
 *
 * await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))) // => 42
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskHandle<out A, out E = never> {
  /**
   * Waits for the result of the task.
   *
   * **Details**
   *
   * Interrupting a joiner does not affect the task. Fails with the task's own failure, or with `TaskCancelled` if the
   * task was cancelled. Fails with `NotAvailable` if the task's `maxWait` has passed, or if a task of the pool would
   * wait for its own pool (`nested: "fail"`). Dies in the task itself, which would wait for itself.
   */
  readonly join: Effect<A, E | TaskCancelled | NotAvailable>
  /**
   * Waits until the task has settled, and returns its `Exit`.
   *
   * **Details**
   *
   * Fails only if a task of the pool would wait for its own pool (`nested: "fail"`). Dies in the task itself, which would
   * wait for itself.
   */
  readonly await: Effect<Exit<A, E | TaskCancelled | NotAvailable>, NotAvailable>
  /**
   * Removes a waiting task from the queue, or interrupts a running one and waits for its finalizers.
   *
   * **Details**
   *
   * Joiners get `TaskCancelled` (`"Cancelled"`), unless the task ended by itself first. Does nothing if the task has
   * settled, and may be repeated.
   */
  readonly cancel: Effect<void>
  /** Returns the task's `Exit` if it has settled. */
  readonly poll: Effect<Option<Exit<A, E | TaskCancelled | NotAvailable>>>
  /** Returns whether the task waits, runs, is between two attempts or is done. */
  readonly state: Effect<TaskState>
  /**
   * Changes the weight of a waiting task.
   *
   * **Details**
   *
   * On a priority pool the task moves behind the waiting tasks of that weight. A task that has the weight already keeps
   * its place, and other pools keep their order. Fails with `NotWaiting` if the task runs or has settled. Dies with
   * `UnknownTaskWeight` if the weight is not a safe integer.
   *
   * Guide: docs/guide/choosing-a-pool.md
   */
  readonly reprioritize: (weight: number) => Effect<void, NotWaiting>
}

/**
 * The state of an admitted task: in the queue, on a worker (including its finalizers), between two attempts, or settled.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskState = "Waiting" | "Running" | "Delayed" | "Done"
