/**
 * Seeded randomness of the simulator: a small generator and the draws that its models need.
 *
 * Every purpose (work, arrivals, windows) has a generator of its own, so that a policy's decisions never change what the
 * same task costs under another policy.
 */

/** The generator sfc32: 128 bits of state, passes PractRand. Draws are in [0, 1). */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number, purpose: number) {
    this.a = seed >>> 0
    this.b = purpose >>> 0
    this.c = 0x9e3779b9
    for (let i = 0; i < 15; i++) this.next()
  }

  next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (this.c << 21) | (this.c >>> 11)
    this.c = (this.c + sum) | 0
    return (sum >>> 0) / 4294967296
  }

  /** Exponential with mean 1. */
  exponential(): number {
    return -Math.log(1 - this.next())
  }

  /** Standard normal, by Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
  }
}
