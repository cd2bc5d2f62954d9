/** Ratios from interleaved pairs, because slow drift and other load affect both sides of a pair alike. */
import { Effect } from "effect"
import { type Pair, summarize } from "../statistics.ts"

export interface Ratio {
  /** The median of the pairs' ratios, and where 95 % of resampled medians lie. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  /** Tasks per second, medians. */
  readonly ours: number
  readonly theirs: number
}

/** Compares two effects that each do the same `tasks` tasks; above 1 the first is faster. */
export const paired = <E1, R1, E2, R2>(
  ours: Effect.Effect<unknown, E1, R1>,
  theirs: Effect.Effect<unknown, E2, R2>,
  { pairs, tasks }: { readonly pairs: number; readonly tasks: number }
): Effect.Effect<Ratio, E1 | E2, R1 | R2> =>
  Effect.gen(function* () {
    // Warms up both sides and their threads.
    for (let i = 0; i < 3; i++) {
      yield* ours
      yield* theirs
    }
    const times: Array<Pair> = []
    for (let i = 0; i < pairs; i++) {
      if (i % 2 === 0) {
        const first = yield* timed(ours)
        times.push({ ours: first, theirs: yield* timed(theirs) })
      } else {
        const first = yield* timed(theirs)
        times.push({ ours: yield* timed(ours), theirs: first })
      }
    }
    // `summarize` compares times, in milliseconds.
    const summary = summarize(times)
    return {
      ratio: 1 / summary.ratio,
      low: 1 / summary.high,
      high: 1 / summary.low,
      ours: (1000 * tasks) / summary.ours,
      theirs: (1000 * tasks) / summary.theirs
    }
  })

export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => performance.now() - start)
  })
