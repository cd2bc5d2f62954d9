/**
 * How many workers an auto-scale pool should have: pure functions of samples.
 *
 * A policy knows no pool, clock or randomness: it is given one sample of the pool's last window and its own last state,
 * and answers its next state and a decision. The pool measures the window, clamps the decision to its bounds and
 * resizes itself softly.
 *
 * @since 0.1.0
 */

/**
 * The sizes an auto-scale pool may have: integers, `min <= initial <= max`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleBounds {
  readonly min: number
  readonly max: number
  /** The size the pool begins with. */
  readonly initial: number
}

/**
 * One reading of a pool: what happened in the window since the last one, and how it stands now.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleSample {
  /** Length of the window in milliseconds. */
  readonly duration: number
  /** The target size during the window. */
  readonly size: number
  /** Tasks that run, at the end of the window. */
  readonly inflight: number
  /** Tasks that wait, at the end of the window; those at the door included. */
  readonly queued: number
  /** Tasks that were admitted in the window. */
  readonly arrivals: number
  /** Tasks that succeeded in the window. */
  readonly succeeded: number
  /** Tasks that failed or died in the window. */
  readonly failed: number
}

/**
 * What a policy answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleDecision {
  /** The number of workers the pool should have; the pool clamps it to its bounds. */
  readonly size: number
  /** Why, in a word: it becomes the `why` of the `Scaled` event. */
  readonly reason: string
}

/**
 * A sizing policy with state `S`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScalePolicy<S> {
  readonly name: string
  readonly initial: (bounds: AutoScaleBounds) => S
  /** Pure: the same arguments give the same answer. */
  readonly update: (state: S, sample: AutoScaleSample, bounds: AutoScaleBounds) => readonly [S, AutoScaleDecision]
}

/**
 * The rule of the library this one goes back to: growth and shrinking follow the number of waiting tasks per worker.
 *
 * **Details**
 *
 * The score of a sample is `queued / size`; the last 20 scores are remembered, `quarter` is the mean of the newest five.
 *
 * | when                                  | size                              | reason       |
 * |---------------------------------------|-----------------------------------|--------------|
 * | `score > 2`, and above the quarter    | `max`                             | `ACCUMULATE` |
 * | `score > 2`                           | `+ ceil(0.6 (max - size))`        | `GROW`       |
 * | `1 <= score <= 2`                     | `+ ceil(0.3 (max - size))`        | `GROW`       |
 * | `0 < score < 1`, and above the quarter| `+ ceil(0.05 (max - size))`       | `GROW`       |
 * | nothing waited in the last five       | `- ceil(0.3 (size - min))`        | `IDLE`       |
 * | nothing waits                         | `- ceil(0.1 (size - min))`        | `IDLE`       |
 * | otherwise                             | as it is                          | `STEADY`     |
 *
 * It sees only the pool's own queue: give it a `max` the downstream is known to bear.
 *
 * **Example** (Deciding on a burst)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 *
 * const policy = AutoScalePolicy.score
 * const bounds = { min: 3, max: 13, initial: 3 }
 * const burst = { duration: 10_000, size: 3, inflight: 3, queued: 5, arrivals: 8, succeeded: 0, failed: 0 }
 * const [, decision] = policy.update(policy.initial(bounds), burst, bounds)
 * decision // => { size: 6, reason: "GROW" }
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const score: AutoScalePolicy<ReadonlyArray<number>> = {
  name: "score",
  initial: () => [],
  update: (history, sample, bounds) => {
    const now = sample.queued === 0 ? 0 : sample.queued / sample.size
    const recent = history.slice(-5)
    const quarter = recent.length === 0 ? 0 : recent.reduce((sum, each) => sum + each, 0) / recent.length
    const next = [...history, now].slice(-20)
    const grow = (rate: number): AutoScaleDecision => ({
      size: Math.min(bounds.max, sample.size + Math.ceil(rate * (bounds.max - sample.size))),
      reason: "GROW"
    })
    const shrink = (rate: number): AutoScaleDecision => ({
      size: Math.max(bounds.min, sample.size - Math.ceil(rate * (sample.size - bounds.min))),
      reason: "IDLE"
    })
    const decide = (): AutoScaleDecision => {
      if (now > 2) return recent.length > 0 && now > quarter ? { size: bounds.max, reason: "ACCUMULATE" } : grow(0.6)
      if (now >= 1) return grow(0.3)
      if (now > quarter) return grow(0.05)
      if (now === 0) return shrink(quarter === 0 ? 0.3 : 0.1)
      return { size: sample.size, reason: "STEADY" }
    }
    return [next, decide()]
  }
}
