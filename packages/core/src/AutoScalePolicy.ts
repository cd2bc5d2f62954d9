/**
 * Decides how many workers an auto-scale pool should have: pure functions of samples.
 *
 * A policy has no access to a pool, a clock or randomness. It takes a sample of the pool's last window and its own last
 * state, and returns its next state and a decision. The pool measures the window, clamps the decision to its bounds and
 * resizes itself softly. The same functions run in a pool, in a test and in a simulator.
 *
 * "Auto-scale" is two questions. *How many workers does the demand need?* `queue` and `score` answer it from the queue
 * alone. *How many can the server behind the pool handle?* `aimd` answers it from failures, and `adaptive`, the
 * default, from latency and failures.
 *
 * Times are milliseconds, throughputs tasks per second, sizes numbers of workers.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type {
  AutoScaleBounds,
  AutoScaleDecision,
  AutoScalePolicy,
  AutoScaleSample,
  AutoScaleWindow
} from "./AutoScaleModel.ts"
import type { AdaptiveState } from "./internal/policy/adaptive.ts"
import * as Adaptive from "./internal/policy/adaptive.ts"
import {
  checkDuration,
  checkFunction,
  checkKnown,
  checkNumber,
  checkPolicy,
  checkSize,
  checkWord
} from "./internal/arguments.ts"
import { sentences } from "./internal/policy/reasons.ts"
import { clamp as clampNumber, sanitize, sizeOf } from "./internal/policy/sample.ts"

export type * from "./AutoScaleModel.ts"
export { emptySample } from "./AutoScaleModel.ts"

/**
 * Lists the reasons of the decisions of these policies, each with a sentence: what was seen, and what follows.
 *
 * @category models
 * @since 0.1.0
 */
export const reasons: Readonly<Record<string, string>> = sentences

/**
 * Returns the sentence of a decision's reason, or `undefined` for a reason that only another policy has.
 *
 * **Example** (Reading a decision)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * AutoScalePolicy.explainReason("FIXED") // => "the policy always asks for this size"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export const explainReason = (reason: string): string | undefined =>
  Object.hasOwn(sentences, reason) ? sentences[reason] : undefined

/**
 * Returns a window that ends by time alone, for policies that use the queue and not results.
 *
 * **Details**
 *
 * `interval` is a Duration above 0. Throws `RangeError` otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export const timed = (interval: Duration.Input): AutoScaleWindow => {
  const millis = Duration.toMillis(checkDuration("AutoScalePolicy.timed", "interval", interval, "> 0"))
  return { interval: millis, maxInterval: millis, minSamples: 0, runFactor: 0, overloads: Infinity }
}

/**
 * Options of `adaptive`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AdaptiveOptions {
  /**
   * The trade-off between latency and throughput. `"latency"` keeps the queue in the server shortest (tolerance 0.15),
   * `"balanced"` is the default (0.25), `"throughput"` accepts longer run times, for servers whose tasks slow each
   * other down early (0.5).
   */
  readonly preset?: "latency" | "balanced" | "throughput" | undefined
  /** How far the run time may exceed its base, as a share of the base, default the preset's. */
  readonly tolerance?: number | undefined
  /** The shortest time between two decisions, a Duration, default 250 milliseconds. */
  readonly interval?: Duration.Input | undefined
  /** The time after which a window may end with fewer samples, a Duration, default 5 seconds. */
  readonly maxInterval?: Duration.Input | undefined
  /** The factor by which overload failures reduce the size, above 0 and below 1, default 0.8. */
  readonly backoff?: number | undefined
  /**
   * The share of overload failures tolerated before the size is reduced, at least 0 and below 1, default 0.01. A window
   * that failures ended early may exceed the tolerated number by its square root.
   */
  readonly overloadTolerance?: number | undefined
  /** The longest time, in windows, for which a failed size is avoided, at least 1, default 40. */
  readonly failureHold?: number | undefined
  /**
   * The number of windows under load after which a step down verifies the base, at least 4, default 60. Checks that find
   * nothing new make it up to four times as long.
   */
  readonly probeEvery?: number | undefined
}

/**
 * Finds how many tasks the server behind the pool can handle, stays just below, and follows when the limit changes.
 *
 * **When to use**
 *
 * Use it, the default, if the server's limit is unknown, if it changes, or if other clients share the server. If you
 * know a hard limit, also give it to the pool as `maxSize`: no measurement is as good.
 *
 * **Details**
 *
 * With run time `R` (mean of a window's successes), base `B` (run time without congestion), `n` tasks in flight and
 * tolerance `t`, each window of at least 250 milliseconds:
 *
 * - more than 1 % fresh overload failures: size `x 0.8`, and not above the failed size for up to 40 windows; only
 *   failures: `x 0.5`, and at the minimum a pause of 250, 500, then 1,000 milliseconds;
 * - `R <= B (1 + t / 2)`: doubled at the start (below 5 tasks quadrupled), later `+ sqrt(size)`, more with every calm window in a row;
 * - up to `B (1 + t) + 1.25` standard errors: `+ sqrt(size) / 2`; above that the policy waits for more samples;
 * - `R > B (1 + t) + 2.5` standard errors: back to `n B / R (1 + t / 3)` if the pool's own growth caused it, otherwise
 *   an experiment;
 * - the experiment, also every 60 windows: a quarter fewer tasks. If the run time falls by 0.7 % or more for each 1 %,
 *   the tasks only queued, and the policy steps down again. The highest throughput, times the run time at the end, is
 *   the knee (Little's law). The size becomes `knee (1 + t / 3)`, and the base moves to the run time at the end;
 * - unused workers: no growth; after 20 windows down to twice the demand, by 10 % per window.
 *
 * Sources: TCP's slow start and congestion avoidance (RFC 5681), Vegas (Brakmo and Peterson 1994), Little (1961).
 *
 * **Gotchas**
 *
 * Failures that mean overload must be classified as such. By default only timeouts are: see `classify` of the pool. A
 * rate limiter that rejects at once does not change latency. The policy finds it only by its rejections, which up to
 * one task in 100 meets.
 *
 * **Example** (Growing while the server is calm)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * const policy = AutoScalePolicy.adaptive({ preset: "latency" })
 * const bounds = { min: 1, max: 200, initial: 10 }
 * const calm = {
 *   ...AutoScalePolicy.emptySample(10),
 *   duration: 250,
 *   inflight: 10,
 *   avgInflight: 10,
 *   saturated: 1,
 *   queuedMin: 1,
 *   succeeded: 50,
 *   runMean: 50,
 *   runVariance: 600
 * }
 * const [, decision] = policy.update(policy.initial(bounds), calm, bounds)
 * const { reason, size } = decision
 * size // => 20
 * reason // => "START"
 * ```
 *
 * Guide: docs/guide/how-many-at-once.md
 *
 * @category policies
 * @since 0.1.0
 */
export const adaptive = (options: AdaptiveOptions = {}): AutoScalePolicy<AdaptiveState> => {
  const where = "AutoScalePolicy.adaptive"
  const {
    backoff = 0.8,
    failureHold = 40,
    overloadTolerance = 0.01,
    preset = "balanced",
    probeEvery = 60
  } = checkKnown(where, options, adaptiveOptions)
  checkWord(where, "preset", presets, preset)
  const { interval = 250, maxInterval = 5_000, tolerance = tolerances[preset] } = options
  return Adaptive.make({
    interval: Duration.toMillis(checkDuration(where, "interval", interval, "> 0")),
    maxInterval: Duration.toMillis(checkDuration(where, "maxInterval", maxInterval, "> 0")),
    tolerance: checkNumber(where, "tolerance", "> 0", tolerance, (value) => value > 0),
    backoff: checkNumber(where, "backoff", "between 0 and 1", backoff, isShare),
    overloadTolerance: checkNumber(
      where,
      "overloadTolerance",
      ">= 0 and < 1",
      overloadTolerance,
      (value) => value >= 0 && value < 1
    ),
    failureHold: checkNumber(where, "failureHold", ">= 1", failureHold, (value) => value >= 1),
    probeEvery: checkNumber(where, "probeEvery", ">= 4", probeEvery, (value) => value >= 4)
  })
}

const tolerances = { latency: 0.15, balanced: 0.25, throughput: 0.5 }
const presets = ["latency", "balanced", "throughput"] as const
const adaptiveOptions = [
  "preset",
  "tolerance",
  "interval",
  "maxInterval",
  "backoff",
  "overloadTolerance",
  "failureHold",
  "probeEvery"
]
const isShare = (value: number): boolean => value > 0 && value < 1

/**
 * Options of `queue`.
 *
 * @category options
 * @since 0.1.0
 */
export interface QueueOptions {
  /** The longest time that a task should wait, a Duration, default 100 milliseconds. */
  readonly targetWait?: Duration.Input | undefined
  /** The share of workers that should be busy, above 0 and up to 1, default 0.8. */
  readonly utilization?: number | undefined
  /** The time between two decisions, a Duration, default 250 milliseconds. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Provides as many workers as the demand needs, regardless of how the server behind the pool responds.
 *
 * **When to use**
 *
 * Use it if you know the server's limit and set it as the pool's maximum, and if idle workers are costly, for example
 * because each holds a connection.
 *
 * **Details**
 *
 * The size is `ceil(n / utilization + queued R / targetWait)`. The first term is for the `n` tasks in flight (Little's
 * law), the second starts the waiting tasks within `targetWait`. `R` is the run time, smoothed with weight 0.3. The
 * size grows at once. It falls only to the largest of the last 40 results, so that 10 quiet seconds do not make it
 * flap.
 *
 * **Gotchas**
 *
 * Without a safe maximum it overloads the server: a slow server makes the queue longer, and a longer queue adds
 * workers.
 *
 * @category policies
 * @since 0.1.0
 */
export const queue = (options: QueueOptions = {}): AutoScalePolicy<QueueState> => {
  const where = "AutoScalePolicy.queue"
  const known = ["targetWait", "utilization", "interval"]
  const { interval = 250, targetWait = 100, utilization = 0.8 } = checkKnown(where, options, known)
  const wait = Duration.toMillis(checkDuration(where, "targetWait", targetWait, "> 0"))
  const window = timed(checkDuration(where, "interval", interval, "> 0"))
  checkNumber(where, "utilization", "> 0 and <= 1", utilization, (value) => value > 0 && value <= 1)
  return {
    name: "queue",
    initial: () => ({ run: 0, wants: [] }),
    window: () => window,
    update: (state, raw, bounds) => {
      const sample = sanitize(raw)
      const run =
        sample.runMean === 0 ? state.run : state.run === 0 ? sample.runMean : 0.7 * state.run + 0.3 * sample.runMean
      const demand = Math.ceil(sample.avgInflight / utilization + (sample.queued * run) / wait)
      const wants = [...state.wants.slice(-39), demand]
      const size = sizeOf(Math.max(...wants), bounds)
      const reason = size > sample.size ? "GROW" : size < sample.size ? "IDLE" : "HOLD"
      return [
        { run, wants },
        { size, reason, evidence: { before: sample.size, run, demand } }
      ]
    }
  }
}

/**
 * The state of `queue`.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueState {
  /** The smoothed run time in milliseconds; 0 when unknown. */
  readonly run: number
  /** The last 40 demands, in workers. */
  readonly wants: ReadonlyArray<number>
}

/**
 * Options of `aimd`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AimdOptions {
  /** The factor by which overload failures reduce the size, above 0 and below 1, default 0.9. */
  readonly backoff?: number | undefined
  /** The shortest time between two decisions, a Duration, default 250 milliseconds. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Increases the size additively and decreases it multiplicatively, by overload failures alone.
 *
 * **When to use**
 *
 * Use it with a server that responds to overload with 429 or 503 early, and whose latencies say nothing about its load.
 *
 * **Details**
 *
 * While all workers are busy, the size grows by one for each `size` successes. Fresh overload failures multiply it by
 * `backoff`, and reduce it by at least one. This is the rule of TCP's congestion avoidance (Chiu and Jain 1989).
 *
 * **Gotchas**
 *
 * It finds the limit by exceeding it, again and again.
 *
 * @category policies
 * @since 0.1.0
 */
export const aimd = (options: AimdOptions = {}): AutoScalePolicy<number> => {
  const where = "AutoScalePolicy.aimd"
  const { backoff = 0.9, interval: shortest = 250 } = checkKnown(where, options, ["backoff", "interval"])
  const interval = Duration.toMillis(checkDuration(where, "interval", shortest, "> 0"))
  checkNumber(where, "backoff", "between 0 and 1", backoff, isShare)
  return {
    name: "aimd",
    initial: (bounds) => bounds.initial,
    window: (limit) => ({
      interval,
      maxInterval: 5_000,
      minSamples: 5,
      runFactor: 1,
      overloads: limit < 2 ? 1 : Math.max(3, 0.1 * limit)
    }),
    update: (before, raw, bounds) => {
      const sample = sanitize(raw)
      const limit = sample.resized ? sample.size : before
      const answer = (to: number, reason: string): readonly [number, AutoScaleDecision] => {
        const next = Math.min(Math.max(to, bounds.min, 1), bounds.max)
        const evidence = { before: sample.size, limit: next, overloads: sample.overloadedFresh }
        return [next, { size: sizeOf(next, bounds), reason, evidence }]
      }
      if (sample.overloadedFresh > 0) return answer(Math.min(backoff * limit, limit - 1), "OVERLOAD")
      const busy = sample.saturated >= 0.1 || sample.queuedMin > 0
      return busy && sample.succeeded > 0
        ? answer(limit + Math.min(limit, sample.succeeded / limit), "GROW")
        : answer(limit, "HOLD")
    }
  }
}

/**
 * Keeps the size at `size` workers, clamped to the bounds.
 *
 * @category policies
 * @since 0.1.0
 */
export const fixed = (size: number): AutoScalePolicy<null> => {
  checkSize("AutoScalePolicy.fixed", "size", size)
  return {
    name: "fixed",
    initial: () => null,
    window: () => timed("10 seconds"),
    update: (state, sample, bounds) => [
      state,
      { size: sizeOf(size, bounds), reason: "FIXED", evidence: { before: sample.size } }
    ]
  }
}

/**
 * Sizes the pool by the number of waiting tasks per worker, as the original Python library does.
 *
 * **Details**
 *
 * The score of a sample is `queued / size`. The policy keeps the last 20 scores; `quarter` is the mean of the newest
 * five.
 *
 * | when                                  | size                              | reason       |
 * |---------------------------------------|-----------------------------------|--------------|
 * | `score > 2`, and above the quarter    | `max`                             | `ACCUMULATE` |
 * | `score > 2`                           | `+ ceil(0.6 (max - size))`        | `GROW`       |
 * | `1 <= score <= 2`                     | `+ ceil(0.3 (max - size))`        | `GROW`       |
 * | `0 < score < 1`, and above the quarter| `+ ceil(0.05 (max - size))`       | `GROW`       |
 * | nothing waited in the last five       | `- ceil(0.3 (size - min))`        | `IDLE`       |
 * | nothing waits                         | `- ceil(0.1 (size - min))`        | `IDLE`       |
 * | otherwise                             | unchanged                         | `STEADY`     |
 *
 * In the original library the row `ACCUMULATE` never applies, because the next branch overwrites it. Windows last 10
 * seconds; `withInterval` changes that.
 *
 * **Gotchas**
 *
 * The policy sees only the pool's own queue. Set a `maxSize` that the server can handle.
 *
 * **Example** (Deciding on a burst)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * const policy = AutoScalePolicy.score
 * const bounds = { min: 3, max: 13, initial: 3 }
 * const burst = { ...AutoScalePolicy.emptySample(3), duration: 10_000, inflight: 3, queued: 5 }
 * const [, decision] = policy.update(policy.initial(bounds), burst, bounds)
 * decision // => { size: 6, reason: "GROW", evidence: { before: 3, demand: 8 } }
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const score: AutoScalePolicy<ReadonlyArray<number>> = {
  name: "score",
  initial: () => [],
  window: () => timed("10 seconds"),
  update: (history, raw, bounds) => {
    const sample = sanitize(raw)
    const now = sample.queued === 0 ? 0 : sample.queued / sample.size
    const recent = history.slice(-5)
    const quarter = recent.length === 0 ? 0 : recent.reduce((sum, each) => sum + each, 0) / recent.length
    const next = [...history, now].slice(-20)
    const evidence = { before: sample.size, demand: sample.inflight + sample.queued }
    const grow = (rate: number): AutoScaleDecision => ({
      size: Math.min(bounds.max, sample.size + Math.ceil(rate * (bounds.max - sample.size))),
      reason: "GROW",
      evidence
    })
    const shrink = (rate: number): AutoScaleDecision => ({
      size: Math.max(bounds.min, sample.size - Math.ceil(rate * (sample.size - bounds.min))),
      reason: "IDLE",
      evidence
    })
    const decide = (): AutoScaleDecision => {
      if (now > 2) {
        return recent.length > 0 && now > quarter ? { size: bounds.max, reason: "ACCUMULATE", evidence } : grow(0.6)
      }
      if (now >= 1) return grow(0.3)
      if (now > quarter) return grow(0.05)
      if (now === 0) return shrink(quarter === 0 ? 0.3 : 0.1)
      return { size: sample.size, reason: "STEADY", evidence }
    }
    const decision = decide()
    return [next, { ...decision, size: Math.floor(clampNumber(bounds.min, decision.size, bounds.max)) }]
  }
}

/**
 * Combines two policies by the smaller of their sizes, for example one for the demand and one for the server.
 *
 * **Details**
 *
 * Both policies see every window. A window lasts as long as the longer of the two, and ends early if either one would
 * end early.
 *
 * **Example** (No more workers than the demand needs or the server can handle)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * const policy = AutoScalePolicy.min(AutoScalePolicy.queue(), AutoScalePolicy.adaptive())
 * policy.name // => "min(queue, adaptive)"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const min = <A, B>(a: AutoScalePolicy<A>, b: AutoScalePolicy<B>): AutoScalePolicy<readonly [A, B]> => {
  checkPolicy("AutoScalePolicy.min", a)
  checkPolicy("AutoScalePolicy.min", b)
  return {
    name: `min(${a.name}, ${b.name})`,
    initial: (bounds) => [a.initial(bounds), b.initial(bounds)],
    window: ([stateA, stateB], bounds) => {
      const [windowA, windowB] = [a.window(stateA, bounds), b.window(stateB, bounds)]
      return {
        interval: Math.max(windowA.interval, windowB.interval),
        maxInterval: Math.max(windowA.maxInterval, windowB.maxInterval),
        minSamples: Math.max(windowA.minSamples, windowB.minSamples),
        runFactor: Math.max(windowA.runFactor, windowB.runFactor),
        overloads: Math.min(windowA.overloads, windowB.overloads)
      }
    },
    update: ([stateA, stateB], sample, bounds) => {
      const [nextA, decisionA] = a.update(stateA, sample, bounds)
      const [nextB, decisionB] = b.update(stateB, sample, bounds)
      const smaller = decisionA.size <= decisionB.size ? decisionA : decisionB
      const pause = Math.max(decisionA.pause ?? 0, decisionB.pause ?? 0)
      return [[nextA, nextB], pause > 0 ? { ...smaller, pause } : smaller]
    }
  }
}

/**
 * Narrows the bounds of a policy, which then sees and uses only sizes within them.
 *
 * @category combinators
 * @since 0.1.0
 */
export const clamp = <S>(
  policy: AutoScalePolicy<S>,
  limits: { readonly min?: number | undefined; readonly max?: number | undefined }
): AutoScalePolicy<S> => {
  const where = "AutoScalePolicy.clamp"
  checkPolicy(where, policy)
  const { max: most = Infinity, min: least = -Infinity } = checkKnown(where, limits, ["min", "max"])
  checkSize(where, "max", most)
  checkSize(where, "min", least)
  const narrow = (bounds: AutoScaleBounds): AutoScaleBounds => {
    const max = Math.max(bounds.min, Math.min(bounds.max, most))
    const min = Math.min(max, Math.max(bounds.min, least))
    return { min, max, initial: Math.min(max, Math.max(min, bounds.initial)) }
  }
  return {
    name: policy.name,
    initial: (bounds) => policy.initial(narrow(bounds)),
    window: (state, bounds) => policy.window(state, narrow(bounds)),
    update: (state, sample, bounds) => policy.update(state, sample, narrow(bounds))
  }
}

/**
 * Changes the decisions of a policy.
 *
 * **Details**
 *
 * The size is clamped to the bounds. The policy does not learn of the change.
 *
 * **Example** (Halving the size at night)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * const half = AutoScalePolicy.mapDecision(AutoScalePolicy.fixed(8), (decision) => ({
 *   ...decision,
 *   size: decision.size / 2
 * }))
 * const [, { size }] = half.update(null, AutoScalePolicy.emptySample(8), { min: 1, max: 200, initial: 8 })
 * size // => 4
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const mapDecision = <S>(
  policy: AutoScalePolicy<S>,
  f: (decision: AutoScaleDecision, sample: AutoScaleSample, bounds: AutoScaleBounds) => AutoScaleDecision
): AutoScalePolicy<S> => {
  const where = "AutoScalePolicy.mapDecision"
  checkPolicy(where, policy)
  checkFunction(where, "f", f)
  return {
    ...policy,
    update: (state, sample, bounds) => {
      const [next, decision] = policy.update(state, sample, bounds)
      const changed = f(decision, sample, bounds)
      // A size that is not a number is ignored, and the policy's own size applies.
      const isNumber = typeof changed.size === "number" && !Number.isNaN(changed.size)
      return [next, { ...changed, size: sizeOf(isNumber ? changed.size : decision.size, bounds) }]
    }
  }
}

/**
 * Returns the policy with windows of at least `interval`, a Duration above 0.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withInterval = <S>(policy: AutoScalePolicy<S>, interval: Duration.Input): AutoScalePolicy<S> => {
  const where = "AutoScalePolicy.withInterval"
  checkPolicy(where, policy)
  const millis = Duration.toMillis(checkDuration(where, "interval", interval, "> 0"))
  return {
    ...policy,
    window: (state, bounds) => {
      const window = policy.window(state, bounds)
      return { ...window, interval: millis, maxInterval: Math.max(millis, window.maxInterval) }
    }
  }
}
