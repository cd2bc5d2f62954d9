/** Shared by all policies: sanitizes samples, clamps sizes. */
import type { AutoScaleBounds, AutoScaleSample } from "../../AutoScaleModel.ts"

/** A sample with every field present. */
export type Sample = Required<AutoScaleSample>

const amount = (value: number): number => (value > 0 ? Math.min(value, 1e12) : 0)

/**
 * Returns the sample with every number finite and not negative. A pool measures no others, but a policy keeps what it
 * learns for hours: one `NaN` from a hand-made sample would freeze the policy permanently.
 */
export const sanitize = (sample: AutoScaleSample): Sample => ({
  duration: amount(sample.duration),
  reason: sample.reason,
  size: Math.floor(amount(sample.size)),
  resized: sample.resized,
  byDemand: sample.byDemand === true,
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
  timed: Math.min(amount(sample.timed ?? sample.succeeded), amount(sample.succeeded)),
  retryAfter: amount(sample.retryAfter ?? 0)
})

/** Returns the number clamped to `low` and `high`; `low` if it is `NaN`. */
export const clamp = (low: number, value: number, high: number): number =>
  value >= high ? high : value > low ? value : low

/** Returns `limit` rounded down and clamped to the bounds. At least 1, because a pool of size 0 samples no task. */
export const sizeOf = (limit: number, bounds: AutoScaleBounds): number =>
  Math.floor(clamp(minSize(bounds), limit, Math.max(1, bounds.max)))

/** Returns the smallest size that a policy decides on. */
export const minSize = (bounds: AutoScaleBounds): number => Math.max(1, bounds.min)
