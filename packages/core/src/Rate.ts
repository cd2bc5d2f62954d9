/**
 * Rates: limits on the tasks that a pool starts within a time.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * A limit on the total cost of the tasks that start within any window of time.
 *
 * **Details**
 *
 * The window slides: a start at time t counts in [t, t + `window`), so the next may be exactly one window later. The
 * pool counts the cost of a task when it dispatches the task, in the order of the queue. A task that waits for the rate
 * has no worker. If a pool has several rates, all apply.
 *
 * To space starts evenly, use a limit of 1: `{ limit: 1, window: "30 millis" }`.
 *
 * **Gotchas**
 *
 * The limit applies to the costs that are known at the start. A correction by `adjustCost` may push a window above the
 * limit. Then no task starts until the window is within the limit again.
 *
 * The pool keeps about `limit` entries per rate, at least 16. Starts at the same time share an entry. If costs are so
 * small that a window needs more entries, neighbors share an entry too. A start may then wait as if it cost up to
 * `4 * limit / max(16, limit)` more, and never starts too early.
 *
 * Guide: docs/guide/rates.md
 *
 * @see Cost
 * @category models
 * @since 0.1.0
 */
export interface Rate {
  /** The largest total cost within a window, a finite number above 0. */
  readonly limit: number
  /** The length of the window, a finite Duration above 0. */
  readonly window: Duration.Input
  /** What the rate counts, such as `"tokens"`, a non-empty string, default none: each task costs 1. */
  readonly unit?: string | undefined
}

/**
 * The cost of a task: a number for all rates without a unit, or a number for each unit.
 *
 * **Details**
 *
 * Numbers are finite and 0 or more, and may be fractions. By default a task costs 1 for each rate without a unit, and 0
 * for each rate with one.
 *
 * - A number is the cost for every rate without a unit.
 * - An object has a number for each unit. A missing unit costs 0. Rates without a unit count the task as 1.
 *
 * The operation dies with `RangeError` if a number is not valid, or if no rate of the pool has the unit.
 *
 * Guide: docs/guide/rates.md
 *
 * @see Rate
 * @category models
 * @since 0.1.0
 */
export type Cost = number | { readonly [unit: string]: number }
