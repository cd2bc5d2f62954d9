/**
 * Medians of noisy pairs of numbers, with their intervals.
 */
import { Random } from "@aio-task-pool/testing/random"

/** The costs of both sides in one pair of runs. */
export interface Pair {
  readonly ours: number
  readonly theirs: number
}

/** The ratio ours / theirs with its interval, and the cost of each side. */
export interface Summary {
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly ours: number
  readonly theirs: number
  readonly pairs: number
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The middle 95 % of the medians of resamples: the same number of values, drawn with replacement. */
export const medianInterval = (values: ReadonlyArray<number>, draws = 2_000): readonly [low: number, high: number] => {
  const random = new Random(1)
  const medians = Array.from({ length: draws }, () => median(values.map(() => random.pick(values)))).sort(
    (a, b) => a - b
  )
  const cut = Math.floor(draws * 0.025)
  return [medians[cut]!, medians[draws - 1 - cut]!]
}

/** Takes the median of the pairs' ratios, because slow drift and other load affect both sides of a pair alike. */
export const summarize = (pairs: ReadonlyArray<Pair>): Summary => {
  const ratios = pairs.map(({ ours, theirs }) => ours / theirs)
  const [low, high] = medianInterval(ratios)
  return {
    ratio: median(ratios),
    low,
    high,
    ours: median(pairs.map(({ ours }) => ours)),
    theirs: median(pairs.map(({ theirs }) => theirs)),
    pairs: pairs.length
  }
}
