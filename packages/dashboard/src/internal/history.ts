/**
 * The history of a pool: one sample a second, for as long as the option `history` says. Ten minutes take 19 kB.
 */
import { seriesNames } from "../Protocol.ts"

export type SeriesName = (typeof seriesNames)[number]

export type Sample = Readonly<Record<SeriesName, number>>

/** A ring of samples. `NaN` stands for "unknown". */
export class History {
  private readonly length: number
  private readonly rings: Readonly<Record<SeriesName, Float32Array>>
  /** How many samples were taken. */
  private count = 0

  constructor(length: number) {
    this.length = length
    const ring = () => new Float32Array(length)
    this.rings = {
      size: ring(),
      running: ring(),
      waiting: ring(),
      ended: ring(),
      bad: ring(),
      queue95: ring(),
      run50: ring(),
      run95: ring()
    }
  }

  add(sample: Sample): void {
    const place = this.count++ % this.length
    for (const name of seriesNames) this.rings[name][place] = sample[name]
  }

  /** Returns the last samples of a series, oldest first: at most `last`, as many as there are. */
  series(name: SeriesName, last = this.length): Array<number> {
    const ring = this.rings[name]
    const known = Math.min(this.count, this.length, last)
    return Array.from({ length: known }, (_, index) => ring[(this.count - known + index) % this.length]!)
  }

  /** Returns means over equal steps of the whole history, oldest first. Steps before the first sample are `NaN`. */
  means(name: SeriesName, steps: number): Array<number> {
    const values = this.series(name)
    const width = this.length / steps
    const missing = this.length - values.length
    return Array.from({ length: steps }, (_, step) => {
      const begin = Math.max(0, Math.round(step * width) - missing)
      const part = values.slice(begin, Math.max(0, Math.round((step + 1) * width) - missing))
      return part.length === 0 ? Number.NaN : part.reduce((sum, value) => sum + value, 0) / part.length
    })
  }
}
