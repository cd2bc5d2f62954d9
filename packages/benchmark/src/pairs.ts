/**
 * The harness: runs both sides of a comparison in turns, in one process.
 */
import type { Comparison, Side } from "./benchmark.ts"
import type { Pair } from "./statistics.ts"

/** How long to go on: at least and at most so many pairs, and no new one after so many milliseconds. */
export interface Effort {
  readonly least: number
  readonly most: number
  readonly milliseconds: number
}

/** Two pairs are the least that show each side first once. */
export const quickly: Effort = { least: 2, most: 7, milliseconds: 300 }

export const thoroughly: Effort = { least: 7, most: 31, milliseconds: 12_000 }

/**
 * Runs both sides once to warm up, then in pairs: ours first, then theirs first, and so on, so that neither has always
 * the other's leavings. Rejects when a side did not do its work.
 */
export const measure = async ({ ours, theirs }: Comparison, effort: Effort): Promise<ReadonlyArray<Pair>> => {
  const run = (side: Side) => {
    // Nobody pays for what another left behind.
    globalThis.gc?.()
    return side()
  }
  await run(ours)
  await run(theirs)
  const pairs: Array<Pair> = []
  const end = performance.now() + effort.milliseconds
  while (pairs.length < effort.least || (pairs.length < effort.most && performance.now() < end)) {
    if (pairs.length % 2 === 0) {
      const cost = await run(ours)
      pairs.push({ ours: cost, theirs: await run(theirs) })
    } else {
      const cost = await run(theirs)
      pairs.push({ ours: await run(ours), theirs: cost })
    }
  }
  return pairs
}
