/**
 * The seeded random numbers of laws, programs, simulations and benchmarks.
 */

/**
 * The generator sfc32: 128 bits of state, passes PractRand. The same seed and stream give the same numbers; streams of
 * one seed are independent. Not secure, and cheap enough for a generator per run.
 */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number, stream = 0) {
    this.a = seed >>> 0
    this.b = stream >>> 0
    this.c = 0x9e3779b9
    for (let i = 0; i < 15; i++) this.uint32()
  }

  private uint32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (this.c << 21) | (this.c >>> 11)
    this.c = (this.c + sum) | 0
    return sum >>> 0
  }

  /** Draws a number in [0, 1). */
  next(): number {
    return this.uint32() / 4294967296
  }

  /** Draws an integer from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    return this.uint32() % limit
  }

  /** Draws from the exponential distribution with mean 1. */
  exponential(): number {
    return -Math.log(1 - this.next())
  }

  /** Draws from the standard normal distribution, by Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
  }

  /** Draws one of the choices. */
  pick<A>(choices: ReadonlyArray<A>): A {
    return choices[this.below(choices.length)]!
  }

  /** Returns the items in random order. */
  shuffle<A>(items: ReadonlyArray<A>): Array<A> {
    const result = [...items]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const item = result[i]!
      result[i] = result[j]!
      result[j] = item
    }
    return result
  }
}
