/**
 * A histogram of times with four buckets per octave: a bucket is at most a quarter wider than its lower bound.
 *
 * Bucket 0 holds times that were measured as zero, and bucket `n` the times above the bound of bucket `n - 1`, up to
 * its own bound. All powers of two ticks are bounds, so the coarser buckets of a metric are exact sums of these.
 */
import type { TimeHistogram } from "../../PoolTiming.ts"
import { ticksPerMilli } from "./ticks.ts"

const octaves = 31
const bucketCount = 4 * (octaves - 1) + 1

/** The longest time, in ticks: 37 hours. A longer one has a negative difference, and counts as this. */
const longest = 2 ** 31 - 1

const bucketOf = (ticks: number): number => {
  if (ticks <= 4) return ticks
  const octave = 31 - Math.clz32(ticks - 1)
  return 4 * (octave - 1) + (((ticks - 1) >> (octave - 2)) & 3) + 1
}

/** The largest time of each bucket, in ticks. */
const bounds = Array.from({ length: bucketCount }, (_, bucket) =>
  bucket <= 4 ? bucket : (5 + ((bucket - 1) % 4)) * 2 ** (Math.floor((bucket - 1) / 4) - 1)
)

/** Returns the buckets whose bounds are some times, in milliseconds. Each must be a power of two. */
export const bucketsUpTo = (millis: ReadonlyArray<number>): ReadonlyArray<number> =>
  millis.map((time) => bucketOf(time * ticksPerMilli))

export class Histogram implements TimeHistogram {
  /** The times of zero, which need no bucket: tasks that did not wait are counted by one addition. */
  private zeros = 0
  private timed = 0
  private readonly counts = new Float64Array(bucketCount)
  /** In ticks, as all times here. */
  private total = 0
  private least = Infinity
  private most = 0

  get count(): number {
    return this.timed + this.zeros
  }

  get sum(): number {
    return this.total / ticksPerMilli
  }

  get min(): number {
    return this.zeros > 0 || this.timed === 0 ? 0 : this.least / ticksPerMilli
  }

  get max(): number {
    return this.most / ticksPerMilli
  }

  /** Counts a time for `weight` tasks. */
  add(ticks: number, weight: number): void {
    const time = ticks < 0 ? longest : ticks
    this.counts[bucketOf(time)]! += weight
    this.timed += weight
    this.total += weight * time
    if (time < this.least) this.least = time
    if (time > this.most) this.most = time
  }

  addZero(): void {
    this.zeros++
  }

  addAll(other: Histogram): void {
    for (let bucket = 0; bucket < bucketCount; bucket++) this.counts[bucket]! += other.counts[bucket]!
    this.zeros += other.zeros
    this.timed += other.timed
    this.total += other.total
    this.least = Math.min(this.least, other.least)
    this.most = Math.max(this.most, other.most)
  }

  /** Takes out what `addAll` has added. The extremes stay. */
  removeAll(other: Histogram): void {
    for (let bucket = 0; bucket < bucketCount; bucket++) this.counts[bucket]! -= other.counts[bucket]!
    this.zeros -= other.zeros
    this.timed -= other.timed
    this.total -= other.total
  }

  copy(): Histogram {
    const copy = new Histogram()
    copy.addAll(this)
    return copy
  }

  minus(older: TimeHistogram): Histogram {
    const since = new Histogram()
    const { counts, least, most, timed, total, zeros } = older as Histogram
    let highest = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const left = this.counts[bucket]! - counts[bucket]!
      since.counts[bucket] = left
      if (left > 0) highest = bucket
    }
    since.zeros = this.zeros - zeros
    since.timed = this.timed - timed
    since.total = this.total - total
    // The extremes of the interval are known only if they are extremes of all times.
    since.least = this.least < least ? this.least : 0
    since.most = this.most > most ? this.most : bounds[highest]!
    return since
  }

  countUpTo(millis: number): number {
    const limit = millis * ticksPerMilli
    let sum = this.zeros
    for (let bucket = 0; bucket < bucketCount && bounds[bucket]! <= limit; bucket++) sum += this.counts[bucket]!
    return sum
  }

  /**
   * Adds, to each of some pairs of a bound and a count, the number of times up to the bucket of the same index in
   * `buckets`, which ascend.
   */
  addCumulative(buckets: ReadonlyArray<number>, counts: ReadonlyArray<[bound: number, count: number]>): void {
    // The buckets above that of the longest time are empty.
    const last = bucketOf(this.most)
    let [next, sum] = [0, this.zeros]
    for (let index = 0; index < buckets.length; index++) {
      for (const end = Math.min(last, buckets[index]!); next <= end; next++) sum += this.counts[next]!
      counts[index]![1] += sum
    }
  }

  percentile(percent: number): number | undefined {
    if (this.count === 0) return undefined
    const rank = (this.count * Math.max(0, Math.min(100, percent))) / 100
    let below = this.zeros
    if (below > 0 && below >= rank) return 0
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const inBucket = this.counts[bucket]!
      if (inBucket > 0 && below + inBucket >= rank) {
        const lower = bucket === 0 ? 0 : bounds[bucket - 1]!
        const time = lower + ((bounds[bucket]! - lower) * Math.max(0, rank - below)) / inBucket
        return Math.min(time, this.most) / ticksPerMilli
      }
      below += inBucket
    }
    return this.max
  }
}
