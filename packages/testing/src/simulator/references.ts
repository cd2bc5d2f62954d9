/**
 * Known controllers, written from their published formulas for comparison. Those that act on each response receive the
 * sum of a window here, measured as for our own policies.
 *
 * `n` in flight, `L` limit, `R` run time of the window, `R0` the smallest seen, `X` throughput, `lg = max(1, log10 L)`.
 *
 * @since 0.1.0
 */
import { AutoScalePolicy } from "@aio-task-pool/core"

type Policy = AutoScalePolicy.AutoScalePolicy<any>
type Sample = AutoScalePolicy.AutoScaleSample

/** Makes a controller whose state has a real-valued limit. */
const controller = <S extends { readonly limit: number }>(
  name: string,
  begin: Omit<S, "limit">,
  step: (state: S, sample: Sample) => S,
  overloads = Infinity
): Policy => ({
  name,
  initial: (bounds) => ({ ...begin, limit: bounds.initial }),
  window: () => ({ interval: 250, maxInterval: 5_000, minSamples: 20, runFactor: 1, overloads }),
  update: (state, sample, bounds) => {
    if (sample.succeeded + sample.overloaded === 0) return [state, { size: sample.size, reason: name }]
    const next = step(state, sample)
    const limit = Math.min(bounds.max, Math.max(bounds.min, next.limit))
    return [
      { ...next, limit },
      { size: Math.floor(limit), reason: name, evidence: { before: sample.size, limit } }
    ]
  }
})

const inUse = (limit: number, sample: Sample): boolean => 2 * sample.maxInflight >= limit
const logarithm = (limit: number): number => Math.max(1, Math.floor(Math.log10(limit)))

/** Netflix concurrency-limits, AIMDLimit: + 1, x 0.9 on drops. */
const netflixAimd = controller<{ limit: number }>("netflix-aimd", {}, ({ limit }, sample) => ({
  limit: sample.overloaded > 0 ? 0.9 * limit : inUse(limit, sample) ? limit + 1 : limit
}))

/** Palantir dialogue: + 1 / L for each success near the limit, x 0.9 for each drop that began after the last one. */
const dialogue = controller<{ limit: number }>(
  "dialogue-aimd",
  {},
  ({ limit }, sample) => ({
    limit:
      sample.overloadedFresh > 0
        ? 0.9 * limit
        : sample.maxInflight >= 0.9 * limit
          ? limit + sample.succeeded / limit
          : limit
  }),
  1
)

/** TCP Vegas as in Netflix concurrency-limits: the queue is L (1 - R0 / R), kept between 3 lg and 6 lg. */
const vegas = controller<{ limit: number; least: number }>("vegas", { least: Infinity }, ({ least, limit }, sample) => {
  if (sample.overloaded > 0) return { least, limit: limit - logarithm(limit) }
  const base = Math.min(least, sample.runMean)
  if (!inUse(limit, sample)) return { least: base, limit }
  const queued = Math.ceil(limit * (1 - base / sample.runMean))
  const lg = logarithm(limit)
  return {
    least: base,
    limit: queued <= lg ? limit + 6 * lg : queued < 3 * lg ? limit + lg : queued > 6 * lg ? limit - lg : limit
  }
})

/** Netflix Gradient2: L <- 0.8 L + 0.2 (L g + 4), g = 1.5 R_long / R within [0.5, 1]. */
const gradient2 = controller<{ limit: number; long: number }>("gradient2", { long: 0 }, ({ limit, long }, sample) => {
  if (sample.succeeded === 0) return { limit, long }
  const average = long === 0 ? sample.runMean : long + (2 / 601) * sample.succeeded * (sample.runMean - long) * 0.05
  const settled = average / sample.runMean > 2 ? 0.95 * average : average
  if (!inUse(limit, sample)) return { limit, long: settled }
  const gradient = Math.max(0.5, Math.min(1, (1.5 * settled) / sample.runMean))
  return { limit: 0.8 * limit + 0.2 * (limit * gradient + 4), long: settled }
})

/** Envoy's gradient controller: L g + sqrt(L g), g = 1.25 R0 / R; every 60 windows R0 is measured at 3. */
const envoy = controller<{ limit: number; least: number; kept: number; count: number }>(
  "envoy",
  { least: 0, kept: 0, count: 0 },
  ({ count, kept, least, limit }, sample) => {
    if (sample.succeeded === 0) return { count, kept, least, limit }
    if (count % 60 === 0) return { count: count + 1, kept: Math.max(3, limit), least, limit: 3 }
    if (count % 60 <= 2) return { count: count + 1, kept, least: sample.runMean, limit: count % 60 === 2 ? kept : 3 }
    const scaled = limit * Math.max(0.5, Math.min(2, (1.25 * least) / sample.runMean))
    return { count: count + 1, kept, least, limit: scaled + Math.sqrt(scaled) }
  }
)

/** Vector's adaptive request concurrency: + 1 while R <= mean + 2.5 deviations (EWMA 0.4), else x 0.9. */
const vector = controller<{ limit: number; mean: number; square: number }>(
  "vector-arc",
  { mean: 0, square: 0 },
  ({ limit, mean, square }, sample) => {
    const known = mean > 0
    const high = mean + 2.5 * Math.sqrt(square)
    const off = sample.runMean - mean
    const next =
      sample.succeeded === 0
        ? { mean, square }
        : known
          ? { mean: mean + 0.4 * off, square: 0.6 * (square + 0.4 * off * off) }
          : { mean: sample.runMean, square: 0 }
    if (sample.overloaded > 0 || (known && sample.runMean > high)) return { ...next, limit: 0.9 * limit }
    return { ...next, limit: inUse(limit, sample) ? limit + 1 : limit }
  }
)

/**
 * brpc's auto limiter, without the repeated measurement of R0: L = R0 X_max (1 + e); e rises to 0.3 while R <= 1.06 R0 or
 * X < X_max / 1.06, else it falls to 0.06.
 */
const brpc = controller<{ limit: number; least: number; most: number; explore: number }>(
  "brpc",
  { least: 0, most: 0, explore: 0.3 },
  ({ explore, least, limit, most }, sample) => {
    if (sample.succeeded === 0) return { explore, least, limit: limit / 2, most }
    const rate = sample.succeeded / sample.duration
    const peak = rate > most ? rate : most + 0.01 * (rate - most)
    const base = least === 0 ? sample.runMean : sample.runMean < least ? 0.9 * least + 0.1 * sample.runMean : least
    const up = sample.runMean <= 1.06 * base || rate <= peak / 1.06
    const next = Math.max(0.06, Math.min(0.3, explore + (up ? 0.02 : -0.02)))
    return { explore: next, least: base, most: peak, limit: base * peak * (1 + next) }
  }
)

/** Hill climbing: continues in the direction that raised the throughput, and turns when the throughput falls. */
const climbing = controller<{ limit: number; rate: number; direction: number }>(
  "hill-climbing",
  { rate: 0, direction: 1 },
  ({ direction, limit, rate }, sample) => {
    const now = sample.succeeded / sample.duration
    const turned = now < 0.98 * rate ? -direction : direction
    return { rate: now, direction: turned, limit: limit + turned * Math.max(1, 0.05 * limit) }
  }
)

/**
 * All policies of the comparison. The first is ours.
 *
 * @category references
 * @since 0.1.0
 */
export const references: ReadonlyArray<Policy> = [
  AutoScalePolicy.adaptive(),
  AutoScalePolicy.aimd(),
  AutoScalePolicy.queue(),
  AutoScalePolicy.score,
  netflixAimd,
  dialogue,
  vegas,
  gradient2,
  envoy,
  vector,
  brpc,
  climbing
]
