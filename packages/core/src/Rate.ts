/**
 * Rates: limits on what a pool starts in a window of time.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * A limit on what the tasks that start in any window of a length cost together.
 *
 * **Details**
 *
 * The window slides: a start at time t counts in [t, t + `window`), so the next may be exactly one window later. The pool
 * takes the tokens when it dispatches a task, in the order of the queue. A task that waits for the rate has no worker.
 * Several rates hold together.
 *
 * - `limit`: the most that a window holds, a finite number > 0.
 * - `window`: the length, a finite Duration > 0.
 * - `unit`: what the rate counts, such as `"tokens"`. Default: none, and each task costs 1.
 *
 * To space starts evenly, use a limit of 1: `{ limit: 1, window: "30 millis" }`.
 *
 * **Gotchas**
 *
 * The limit applies to the costs as estimated at the start. A correction may push a window above the limit. No task
 * starts until the window is no longer above it.
 *
 * The pool keeps about `limit` entries per rate, at least 16, and starts at one time share one. If costs are so small that
 * a window has more, neighbors share an entry too. A start may then wait as if it cost up to
 * `4 * limit / max(16, limit)` more, and never starts too early.
 *
 * @see Cost
 * @category models
 * @since 0.1.0
 */
export interface Rate {
  readonly limit: number
  readonly window: Duration.Input
  readonly unit?: string | undefined
}

/**
 * The cost of a task: a number for all rates without a unit, or a number for each unit.
 *
 * **Details**
 *
 * Numbers are finite and >= 0, and may be fractions. By default a task costs 1 for each rate without a unit, and 0 for
 * each rate with one.
 *
 * - A number is the cost for every rate without a unit.
 * - An object has a number for each unit. A unit that it leaves out costs 0. Rates without a unit count the task as 1.
 *
 * A number that is not valid, or a unit that no rate of the pool has, is a `RangeError`.
 *
 * @see Rate
 * @category models
 * @since 0.1.0
 */
export type Cost = number | { readonly [unit: string]: number }
