/**
 * Limits on how much a pool starts in a time.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * At most `limit` in any window of a length: starts, or the units that tasks cost.
 *
 * **Details**
 *
 * The window slides: a start at time t counts until t + `window`, and not at that time any more. Tokens are taken when a
 * task starts, in the order of the queue. A task that waits for the rate has no worker.
 *
 * - `limit`: what the tasks that start within a window may cost together, a finite number > 0.
 * - `window`: a finite Duration > 0.
 * - `unit`: what the rate counts, a name of its own such as `"tokens"`. Default: none, each task costs 1.
 *
 * To space starts evenly, use a limit of 1: `{ limit: 1, window: "30 millis" }`.
 *
 * **Gotchas**
 *
 * The promise is about the costs as estimated at the start. A correction may push a window above the limit; then no task
 * starts until the window is below it again. If costs are fractions far below 1, so many starts fit into a window that
 * neighbors share an entry: a start may then wait as if it cost up to `4 * limit / max(16, limit)` more.
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
 * What a task costs: one number for the rates without a unit, or one number per unit.
 *
 * **Details**
 *
 * Numbers are finite, >= 0, and may be fractions. Default: 1 for each rate without a unit, and 0 for each rate with one.
 * - A number is the cost for every rate without a unit.
 * - In an object, each key is the unit of a rate. Units that are left out cost 0; rates without a unit count the task as
 *   1. A unit that no rate of the pool has is a `RangeError`.
 *
 * A cost above the limit of a rate is rejected with `NotAvailable` and the reason `TooLarge`.
 *
 * @see Rate
 * @category models
 * @since 0.1.0
 */
export type Cost = number | { readonly [unit: string]: number }
