/**
 * What a few noisy pairs of numbers say: medians, and how far they can be trusted.
 */
import { Random } from "@aio-task-pool/testing/random"

/** What both sides cost in one pair of runs. */
export interface Pair {
  readonly ours: number
  readonly theirs: number
}

/** The ratio ours / theirs with its interval, and what each side cost. */
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

/** The middle 95 % of the medians of as many values, drawn at random with replacement. */
export const medianInterval = (values: ReadonlyArray<number>, draws = 2_000): readonly [low: number, high: number] => {
  const random = new Random(1)
  const medians = Array.from({ length: draws }, () => median(values.map(() => random.pick(values)))).sort(
    (a, b) => a - b
  )
  const cut = Math.floor(draws * 0.025)
  return [medians[cut]!, medians[draws - 1 - cut]!]
}

/** Slow drift and a busy neighbour touch both sides of a pair alike: the median is taken of the pairs' ratios. */
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
