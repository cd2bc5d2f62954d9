/** Ratios from interleaved pairs, because slow drift and other load affect both sides of a pair alike. */
import { Effect } from "effect"

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
    const times: Array<readonly [ours: number, theirs: number]> = []
    for (let i = 0; i < pairs; i++) {
      if (i % 2 === 0) {
        const first = yield* timed(ours)
        times.push([first, yield* timed(theirs)])
      } else {
        const first = yield* timed(theirs)
        times.push([yield* timed(ours), first])
      }
    }
    const ratios = times.map(([a, b]) => b / a)
    const resampled = Array.from({ length: 1000 }, () =>
      median(ratios.map(() => ratios[Math.floor(Math.random() * ratios.length)]!))
    ).sort((a, b) => a - b)
    return {
      ratio: median(ratios),
      low: resampled[25]!,
      high: resampled[975]!,
      ours: (tasks / median(times.map(([a]) => a))) * 1000,
      theirs: (tasks / median(times.map(([, b]) => b))) * 1000
    }
  })

export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => performance.now() - start)
  })

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
