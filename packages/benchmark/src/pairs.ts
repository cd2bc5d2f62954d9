/**
 * The harness: runs both sides of a comparison in turns, in one process.
 */
import type { Comparison, Side } from "./benchmark.ts"
import { type Clock, wallClock } from "./clock.ts"
import type { Pair } from "./statistics.ts"

/** How long to go on, in milliseconds: with the warm-up, then with pairs, at least and at most so many of them. */
export interface Effort {
  readonly warmUp: number
  readonly least: number
  readonly most: number
  readonly milliseconds: number
}

/** Two pairs are the least that show each side first once. */
export const quickly: Effort = { warmUp: 150, least: 2, most: 7, milliseconds: 300 }

export const thoroughly: Effort = { warmUp: 500, least: 2, most: 12, milliseconds: 2_000 }

export const effortOf = (quick: boolean): Effort => (quick ? quickly : thoroughly)

/**
 * Runs both sides to warm up, at least once, then in pairs, in which each comes first as often as the other. Rejects
 * when a side did not do its work.
 */
export const measure = async (
  { ours, theirs }: Comparison,
  effort: Effort,
  now: Clock = wallClock
): Promise<ReadonlyArray<Pair>> => {
  const run = (side: Side) => {
    // Nobody pays for what another left behind. A major collection would also throw away the compiled code whose
    // objects are all gone, and so charge every run with compiling it again.
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
 * Who goes first, in the order of Thue and Morse: A,B B,A B,A A,B ... A mere alternation has a period, and so have major
 * collections: with every fourth run they met the same side each time, and a side was 0.87 of itself.
 */
const oursFirst = (pair: number): boolean => {
  let ones = 0
  for (let bits = pair; bits > 0; bits >>= 1) ones += bits & 1
  return ones % 2 === 0
}
