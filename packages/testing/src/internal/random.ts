/**
 * A small seeded generator (mulberry32): a million runs each need their own, so it has to be cheaper than a secure one.
 */
export type RandomBelow = (limit: number) => number

/** Integers from 0 up to, but not including, a limit; the same seed gives the same numbers. */
export const makeRandomBelow = (seed: number): RandomBelow => {
  let state = seed | 0
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}
