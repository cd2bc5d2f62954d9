/** What every policy needs: options checked, samples made safe, sizes brought within bounds. */
import type { AutoScaleBounds, AutoScaleSample } from "../../AutoScaleModel.ts"

/** A sample with nothing left open. */
export type Sample = Required<AutoScaleSample>

const amount = (value: number): number => (value > 0 ? Math.min(value, 1e12) : 0)

/**
 * The sample with every number finite and not negative. A pool never measures anything else, but a policy keeps what it
 * is told for hours: one `NaN` from a hand-made sample would freeze it for good.
 */
export const sane = (sample: AutoScaleSample): Sample => ({
  duration: amount(sample.duration),
  reason: sample.reason,
  size: Math.floor(amount(sample.size)),
  resized: sample.resized,
  inflight: amount(sample.inflight),
  maxInflight: amount(sample.maxInflight),
  avgInflight: amount(sample.avgInflight),
  saturated: amount(sample.saturated),
  queued: amount(sample.queued),
  queuedMin: amount(sample.queuedMin),
  oldestWait: amount(sample.oldestWait),
  waitMean: amount(sample.waitMean),
  arrivals: amount(sample.arrivals),
  started: amount(sample.started),
  succeeded: amount(sample.succeeded),
  failed: amount(sample.failed),
  overloaded: amount(sample.overloaded),
  overloadedFresh: amount(sample.overloadedFresh),
  runMean: amount(sample.runMean),
  runVariance: amount(sample.runVariance),
  runMin: amount(sample.runMin),
  timed: Math.min(amount(sample.timed ?? sample.succeeded), amount(sample.succeeded))
})

/** A number that keeps a rule. */
export const checkNumber = (where: string, what: string, rule: string, value: number, holds: boolean): number => {
  if (!holds || !Number.isFinite(value)) throw new RangeError(`${where}: ${what} must be ${rule}, got ${String(value)}`)
  return value
}

/** The number within `low` and `high`; `low` when it is no number. */
export const between = (low: number, value: number, high: number): number =>
  value >= high ? high : value > low ? value : low

/** The largest size within the bounds that does not exceed `limit`; never 0, where no task would ever be sampled. */
export const sizeOf = (limit: number, bounds: AutoScaleBounds): number =>
  Math.floor(between(least(bounds), limit, Math.max(1, bounds.max)))

/** The smallest size a policy decides on. */
export const least = (bounds: AutoScaleBounds): number => Math.max(1, bounds.min)
