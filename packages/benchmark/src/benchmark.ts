/**
 * What a benchmark is: comparisons of two ways to do the same work.
 */

import type { Clock } from "./clock.ts"

/** One way to do the work. Does it once, checks that it was done, and returns the cost of one task in the unit. */
export type Side = (now: Clock) => Promise<number>

/** Two sides of the same work. */
export interface Comparison {
  /** What ours is compared with. */
  readonly peer: string
  readonly ours: Side
  readonly theirs: Side
  readonly target?: Target
}

/** The most that ours may cost: relative to theirs, or in the benchmark's unit. */
export type Target = { readonly ratio: number } | { readonly ours: number }

export interface Benchmark {
  readonly name: string
  /** The work, in one line. */
  readonly title: string
  /** The unit of the cost of one task. */
  readonly unit: "µs" | "bytes"
  /** The number of processes, default 3. More if compiled code decides the result. `--quick` uses one. */
  readonly processes?: number
  /**
   * Whether each comparison has these processes for itself, because the code that one leaves decides the next. Not with
   * `--quick`.
   */
  readonly apart?: boolean
  /** The comparisons, with less work if `quick`. */
  readonly comparisons: (quick: boolean) => ReadonlyArray<Comparison>
}
