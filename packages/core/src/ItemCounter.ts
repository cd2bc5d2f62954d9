/**
 * Counts the items of bulk operations while they run, for example to show their progress.
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
 * const program = TaskPool.forEach([1, 2, 3], (n) => Effect.succeed(2 * n)).pipe(
 *   Effect.provideService(ItemCounter, counter),
 *   Effect.provide(AioFixedTaskPoolSimple.layer(2)),
 *   Effect.as(count)
 * )
 * await Effect.runPromise(program) // => { total: 3, ended: 3 }
 * ```
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { Exit } from "effect/Exit"

/**
 * What a bulk operation tells about its items. An exception of a function becomes a defect of the operation.
 *
 * @category models
 * @since 0.2.0
 */
export interface ItemCounter {
  /** Is called when an operation begins, with its number of items if that is known. */
  readonly begin: (total: number | undefined) => void
  /** Is called when an item's task has ended, not when it was rejected. */
  readonly ended: (exit: Exit<unknown, unknown>) => void
}

/**
 * The counter of the `forEach`, `all` and `mapEffect` that a fiber runs, default none.
 *
 * **Details**
 *
 * The number of items is known for arrays, and for iterables with a numeric `size` or `length`. Operations within an
 * item are not counted: their tasks have no counter.
 *
 * @category references
 * @since 0.2.0
 */
export const ItemCounter = Context.Reference<ItemCounter | undefined>("@aio-task-pool/core/ItemCounter", {
  defaultValue: () => undefined
})
