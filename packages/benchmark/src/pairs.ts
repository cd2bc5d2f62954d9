/**
 * The harness: runs both sides of a comparison alternately, in one process.
 */
import type { Comparison, Side } from "./benchmark.ts"
import { type Clock, wallClock } from "./clock.ts"
import type { Pair } from "./statistics.ts"

/** Milliseconds of warm-up and of measuring; `least` and `most` limit the number of pairs. */
export interface Effort {
  readonly warmUp: number
  readonly least: number
  readonly most: number
  readonly milliseconds: number
}

/** With two pairs each side is first once. */
export const quickly: Effort = { warmUp: 150, least: 2, most: 7, milliseconds: 300 }

/** After 500 ms of warm-up a slow machine still compiled, and more for the side with more code. */
export const thoroughly: Effort = { warmUp: 2_000, least: 2, most: 24, milliseconds: 2_000 }

export const effortOf = (quick: boolean): Effort => (quick ? quickly : thoroughly)

/**
 * Runs both sides to warm up, at least once, then in pairs, in which each side comes first equally often. Rejects if a
 * side did not do its work.
 */
export const measure = async (
  { ours, theirs }: Comparison,
  effort: Effort,
  now: Clock = wallClock
): Promise<ReadonlyArray<Pair>> => {
  const run = (side: Side) => {
    // So that no side pays for the garbage of the other. A major collection would also drop the compiled code whose
    // objects have all died, and every run would pay for compiling it again.
    globalThis.gc?.({ type: "minor" })
    allocateGarbage()
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

/** About the size of the young generation of the heap, in kibibytes. */
const young = 16 * 1024

const kibibyte = Array.from({ length: 126 }, () => 0)
let garbage = kibibyte

/**
 * Allocates a random part of the young generation, so that the collections of a run come at other tasks in each run.
 * Otherwise they come at the same ones: always at the end of a batch, say, when few tasks are alive, or always in its
 * middle. A few bytes more per task could change a ratio by a fifth then.
 */
export const allocateGarbage = (): void => {
  for (let left = Math.random() * young; left > 0; left--) garbage = garbage.slice()
}

/**
 * Whether ours goes first, in the Thue-Morse order: A,B B,A B,A A,B ... Simple alternation has a period, and so have
 * major collections. They met the same side in every fourth run: a side compared with itself had a ratio of 0.87.
 */
const oursFirst = (pair: number): boolean => {
  let ones = 0
  for (let bits = pair; bits > 0; bits >>= 1) ones += bits & 1
  return ones % 2 === 0
}
