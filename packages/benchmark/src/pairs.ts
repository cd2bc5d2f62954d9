/**
 * The harness: runs both sides of a comparison alternately, in one process.
 */
import type { Comparison, Side } from "./benchmark.ts"
import { type Clock, wallClock } from "./clock.ts"
import type { Pair } from "./statistics.ts"

/** The milliseconds of the warm-up and of the pairs, and the minimum and maximum number of pairs. */
export interface Effort {
  readonly warmUp: number
  readonly least: number
  readonly most: number
  readonly milliseconds: number
}

/** Two pairs are the minimum in which each side is first once. */
export const quickly: Effort = { warmUp: 150, least: 2, most: 7, milliseconds: 300 }

export const thoroughly: Effort = { warmUp: 500, least: 2, most: 12, milliseconds: 2_000 }

export const effortOf = (quick: boolean): Effort => (quick ? quickly : thoroughly)

/**
 * Runs both sides to warm up, at least once, then in pairs, in which each side is first equally often. Rejects if a
 * side did not do its work.
 */
export const measure = async (
  { ours, theirs }: Comparison,
  effort: Effort,
  now: Clock = wallClock
): Promise<ReadonlyArray<Pair>> => {
  const run = (side: Side) => {
    // No run pays for the garbage of another. A major collection would also drop compiled code whose objects are all
    // collected, and every run would pay for compiling it again.
    globalThis.gc?.({ type: "minor" })
    return side(now)
  }
  const warm = performance.now() + effort.warmUp
  do {
    await run(ours)
    await run(theirs)
  } while (performance.now() < warm)
  const end = performance.now() + effort.milliseconds
  const pairs: Array<Pair> = []
  while (pairs.length < effort.least || (pairs.length < effort.most && performance.now() < end)) {
    if (oursFirst(pairs.length)) {
      const cost = await run(ours)
      pairs.push({ ours: cost, theirs: await run(theirs) })
    } else {
      const cost = await run(theirs)
      pairs.push({ ours: await run(ours), theirs: cost })
    }
  }
  return pairs
}

/**
 * Returns whether ours is first, in the order of Thue and Morse: A,B B,A B,A A,B ... A simple alternation has a period,
 * and so have major collections: at every fourth run they hit the same side each time, and a side was 0.87 of itself.
 */
const oursFirst = (pair: number): boolean => {
  let ones = 0
  for (let bits = pair; bits > 0; bits >>= 1) ones += bits & 1
  return ones % 2 === 0
}
