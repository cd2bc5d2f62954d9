/**
 * What a benchmark is: comparisons of two ways to do the same work.
 */

import type { Clock } from "./clock.ts"

/** One way to do the work: does it once, checks that it was done, and answers what one task cost, in the unit. */
export type Side = (now: Clock) => Promise<number>

/** Two sides of the same work. */
export interface Comparison {
  /** Whom, or what, ours is compared with. */
  readonly peer: string
  readonly ours: Side
  readonly theirs: Side
  readonly target?: Target
}

/** The most that ours may cost: as a part of theirs, or in the benchmark's unit. */
export type Target = { readonly ratio: number } | { readonly ours: number }

export interface Benchmark {
  readonly name: string
  /** The work, in one line. */
  readonly title: string
  /** What one task costs is measured in this. */
  readonly unit: "µs" | "bytes"
  /** In how many processes it is measured, default 3, when it need not be quick: more where compiled code decides. */
  readonly processes?: number
  /** The comparisons, with less work when it must be quick. */
  readonly comparisons: (quick: boolean) => ReadonlyArray<Comparison>
}
