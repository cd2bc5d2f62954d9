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
