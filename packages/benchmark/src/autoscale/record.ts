/** The requests of one run, and the numbers that the report shows. */
import { performance } from "node:perf_hooks"

/** One request that has ended; times in milliseconds since the run began. */
interface Call {
  readonly at: number
  readonly millis: number
  readonly ok: boolean
}

export interface Phase {
  readonly capacity: number
  /** Successes per second in the whole phase, and from 5 seconds after its start. */
  readonly goodput: number
  readonly settled: number
}

export interface Result {
  readonly name: string
  readonly phases: ReadonlyArray<Phase>
  readonly goodput: number
  /** Rejections as a share of all requests; the same from 5 seconds after each change. */
  readonly failures: number
  readonly settledFailures: number
  readonly p50: number
  readonly p99: number
  /** The changes of a pool's size. */
  readonly sizes: ReadonlyArray<readonly [at: number, size: number]>
}

const settling = 5_000

/** Records each request. */
export class Meter {
  readonly calls: Array<Call> = []
  readonly sizes: Array<readonly [number, number]> = []
  private readonly begun = performance.now()

  begin(): (ok: boolean) => void {
    const since = performance.now()
    return (ok) => {
      const now = performance.now()
      this.calls.push({ at: now - this.begun, millis: now - since, ok })
    }
  }

  resized(size: number): void {
    this.sizes.push([performance.now() - this.begun, size])
  }

  /** Evaluates `capacities.length` phases of `length` milliseconds. */
  result(name: string, capacities: ReadonlyArray<number>, length: number): Result {
    const calls = this.calls.filter(({ at }) => at < capacities.length * length)
    const settledCalls = calls.filter(({ at }) => at % length >= settling)
    const perSecond = (from: number, to: number): number =>
      (1000 * calls.filter(({ at, ok }) => ok && at >= from && at < to).length) / (to - from)
    const times = calls.filter(({ ok }) => ok).map(({ millis }) => millis)
    times.sort((a, b) => a - b)
    const quantile = (q: number): number => times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0
    const failed = (some: ReadonlyArray<Call>): number => some.filter(({ ok }) => !ok).length / Math.max(1, some.length)
    return {
      name,
      phases: capacities.map((capacity, index) => ({
        capacity,
        goodput: perSecond(index * length, (index + 1) * length),
        settled: perSecond(index * length + settling, (index + 1) * length)
      })),
      goodput: perSecond(0, capacities.length * length),
      failures: failed(calls),
      settledFailures: failed(settledCalls),
      p50: quantile(0.5),
      p99: quantile(0.99),
      sizes: this.sizes
    }
  }
}
