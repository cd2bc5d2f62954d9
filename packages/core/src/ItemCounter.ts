/**
 * Counts the tasks of an effect while they run, for example to show its progress.
 *
 * **Example** (Counting the items of a `forEach`)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, ItemCounter, TaskPool } from "@aio-task-pool/core"
 *
 * const count = { total: 0, ended: 0 }
 * const counter: ItemCounter = {
 *   begin: (total) => void (count.total += total ?? 0),
 *   ended: () => void count.ended++
 * }
 *
 * const program = ItemCounter.count(
 *   TaskPool.forEach([1, 2, 3], (n) => Effect.succeed(2 * n)),
 *   counter
 * )
 * const layer = AioFixedTaskPoolSimple.layer(2)
 * await Effect.runPromise(Effect.as(Effect.provide(program, layer), count)) // => { total: 3, ended: 3 }
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import { counting, CurrentCounter } from "./internal/runtime/counting.ts"

/**
 * What the operations within an effect tell about their tasks.
 *
 * **Details**
 *
 * What `begin` throws is a defect of the operation. What `ended` throws for an item of `forEach`, `all` or `mapEffect`
 * is too, and for a submitted task it is logged.
 *
 * @category models
 * @since 0.1.0
 */
export interface ItemCounter {
  /** Is called when a `forEach`, `all` or `mapEffect` begins, with its number of items if that is known. */
  readonly begin: (total: number | undefined) => void
  /**
   * Is called when an item or a submitted task has ended, or the task was rejected. It is not called for an item that was
   * rejected, because its operation ends without it.
   */
  readonly ended: (exit: Exit<any, any>) => void
}

/**
 * Counts tasks.
 *
 * @category combinators
 * @since 0.1.0
 */
export const ItemCounter = {
  /**
   * Runs an effect and tells the counter of the tasks that it submits to any pool.
   *
   * **Details**
   *
   * These are the items of each `forEach`, `all` and `mapEffect`, and each task of `submit`, `fork`, `submitNowait` and
   * `submitBlocking`. The number of items is known for arrays, and for iterables with a numeric `size` or `length`. What
   * a task submits itself is not counted.
   *
   * Dies with `TypeError` if `begin` or `ended` of the counter is not a function.
   */
  count: <A, E, R>(effect: Effect.Effect<A, E, R>, counter: ItemCounter): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        for (const name of ["begin", "ended"] as const) {
          if (typeof counter?.[name] === "function") continue
          throw new TypeError(`ItemCounter.count: counter.${name} must be a function, got ${typeof counter?.[name]}`)
        }
        counting.live++
      }),
      () => Effect.provideService(effect, CurrentCounter, counter),
      () => Effect.sync(() => void counting.live--)
    ),
  /**
   * Runs an effect as one item of the counter around it, if there is one.
   *
   * **Details**
   *
   * The tasks that the effect submits are not counted themselves.
   */
  step: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(CurrentCounter, (counter) =>
      counter === undefined
        ? effect
        : Effect.onExit(Effect.provideService(effect, CurrentCounter, undefined), (exit) =>
            Effect.sync(() => counter.ended(exit))
          )
    )
} as const
