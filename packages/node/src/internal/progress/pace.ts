/** How fast a count grows, from samples of the last seconds. Pure: it is told the time. */

// Long enough to be calm, short enough to follow a change.
const span = 10_000

/** Samples of a count. */
export class Pace {
  private readonly samples: Array<readonly [at: number, count: number]>

  constructor(at: number, count: number) {
    this.samples = [[at, count]]
  }

  /** Adds a sample, and forgets those that are no longer needed. */
  add(at: number, count: number): void {
    this.samples.push([at, count])
    while (this.samples.length > 2 && this.samples[1]![0] <= at - span) this.samples.shift()
  }

  /** The growth per second; `undefined` if no time has passed. */
  get perSecond(): number | undefined {
    const [from, first] = this.samples[0]!
    const [to, last] = this.samples.at(-1)!
    return to > from ? (1000 * (last - first)) / (to - from) : undefined
  }
}
