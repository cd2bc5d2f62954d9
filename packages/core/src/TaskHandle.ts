/**
 * What `fork` and `submitNowait` give back: a task that was admitted, to be looked at, waited for, moved or cancelled.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Option } from "effect/Option"
import type { NotWaiting, TaskCancelled } from "./TaskPoolError.ts"

/**
 * A task that a pool has admitted.
 *
 * **Details**
 *
 * The task goes on whether or not anybody looks at its handle; a failure nobody joins is nobody's failure. Every effect
 * here can be used any number of times, from any number of fibers.
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
  /** Waits for the result. Interrupting a joiner does not touch the task. */
  readonly join: Effect<A, E | TaskCancelled>
  /** Waits until the task has settled and gives its `Exit`; never fails. */
  readonly await: Effect<Exit<A, E | TaskCancelled>>
  /**
   * Takes a waiting task out of the queue, or interrupts a running one and waits for its finalizers. Whoever joins gets
   * `TaskCancelled`, unless the task ended by itself first. Harmless when the task has settled, and when repeated.
   */
  readonly cancel: Effect<void>
  /** The task's `Exit` if it has settled. */
  readonly poll: Effect<Option<Exit<A, E | TaskCancelled>>>
  /** Where the task is. */
  readonly state: Effect<TaskState>
  /**
   * Gives a waiting task another weight: on a priority pool it joins the back of the tasks of that weight, the other
   * pools keep their order. Fails with `NotWaiting` once the task runs; dies with `UnknownTaskWeight` when the weight is
   * not a safe integer.
   */
  readonly reprioritize: (weight: number) => Effect<void, NotWaiting>
}

/**
 * Where an admitted task is: in the queue, on a worker (finalizers included), or settled.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskState = "Waiting" | "Running" | "Done"
