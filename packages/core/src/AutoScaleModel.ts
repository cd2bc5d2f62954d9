/**
 * What a sizing policy is given and what it answers.
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
 * When a window ends, as its policy asks for it at the window's begin.
 *
 * **Details**
 *
 * A window ends at the first moment at which one of these holds: it has lasted `interval` and `runFactor` times the mean
 * run time of its successes, and has `minSamples` settled tasks; it has lasted `maxInterval` and has
 * `min(10, minSamples)` settled tasks; or `overloads` fresh overload failures fell into it, which ends it at once.
 * The first two are looked at when a task settles and when the time has passed; with `minSamples` 0 a window ends by
 * time alone. The pool spreads `interval` by 10 % either way, so that many pools do not act in step.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleWindow {
  /** The shortest a window lasts without an overload, in milliseconds. */
  readonly interval: number
  /** The time after which fewer samples will do, in milliseconds. */
  readonly maxInterval: number
  /** Settled tasks a window should have. */
  readonly minSamples: number
  /** The window lasts at least this many mean run times. */
  readonly runFactor: number
  /** Fresh overload failures that end the window at once. */
  readonly overloads: number
}

/**
 * One reading of a pool: what happened in the window since the last one, and how it stands now.
 *
 * **Details**
 *
 * What the pool keeps for it, all of it O(1) per task: with every task the moment it was dispatched and the pool's epoch
 * at that moment; two integrals over time (tasks in flight; whether all workers were busy), advanced whenever the number
 * of running tasks or the size changes; counts, extremes, and a running mean and variance (Welford). The **epoch** is a
 * number that grows whenever the pool's size falls, by whoever's decision. An overload failure is **fresh** when its
 * task was dispatched in the present epoch: one incident, met by many tasks at once, is answered once.
 *
 * Each settled task counts in the window in which it settles, as `succeeded`, as `overloaded` when its exit says that
 * the server had too much, or else as `failed`. Only successes enter the run-time statistics: a refusal in 2
 * milliseconds must not pass for a fast server.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleSample {
  /** Length of the window in milliseconds. */
  readonly duration: number
  /** Why the window ended: its time had come, or failures ended it early. */
  readonly reason: "elapsed" | "overload"
  /** The pool's target size. */
  readonly size: number
  /** Whether the size was set by hand (`scale`, `resize`) in this window: the policy then goes on from `size`. */
  readonly resized: boolean
  /** Tasks that run, at the end of the window; the one whose end ended the window is not among them. */
  readonly inflight: number
  /** The most tasks that ran at once. */
  readonly maxInflight: number
  /** Tasks that ran, mean over time. */
  readonly avgInflight: number
  /** Share of the window, 0 to 1, in which at least `size` tasks ran. */
  readonly saturated: number
  /** Tasks that wait, at the end of the window; those at the door included. */
  readonly queued: number
  /** The fewest tasks that waited at a time. */
  readonly queuedMin: number
  /** How long the task has waited that has waited longest, in milliseconds; 0 when none waits. */
  readonly oldestWait: number
  /** Mean wait of the tasks dispatched in the window, in milliseconds; 0 without any. */
  readonly waitMean: number
  /** Tasks that came in the window, to the queue or to the door. */
  readonly arrivals: number
  /** Tasks dispatched in the window. */
  readonly started: number
  /** Tasks that succeeded. */
  readonly succeeded: number
  /** Tasks that failed, died or were interrupted without a sign of overload. */
  readonly failed: number
  /** Tasks whose end is a sign of overload. */
  readonly overloaded: number
  /** Those of `overloaded` that were dispatched since the size last fell. */
  readonly overloadedFresh: number
  /** Mean run time of the successes, in milliseconds; 0 without any. */
  readonly runMean: number
  /** Variance of their run times (divided by count - 1), in square milliseconds; 0 with fewer than two. */
  readonly runVariance: number
  /** The shortest of them; 0 without any. */
  readonly runMin: number
  /**
   * How many run times the mean and the variance are worth: where thousands of tasks come within a window, a pool does not
   * time them all. All successes by default.
   */
  readonly timed?: number
}

/**
 * What a decision rests on, for people: it goes with the reason into events, metrics and spans.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleEvidence {
  /** The size before the decision. */
  readonly before: number
  /** The policy's limit before it was rounded down to a size. */
  readonly limit?: number
  /** Run time without congestion, as the policy believes, in milliseconds. */
  readonly base?: number
  /** Mean run time of the window, in milliseconds. */
  readonly run?: number
  /** How many per cent the run time changes with one per cent of concurrency: 1 when tasks only queue, 0 when free. */
  readonly elasticity?: number
  /** Overload failures of the window that counted. */
  readonly overloads?: number
  /** The size above which failures are remembered. */
  readonly ceiling?: number
  /** The demand, in workers. */
  readonly demand?: number
}

/**
 * What a policy answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleDecision {
  /** The number of workers the pool should have: an integer within the bounds. */
  readonly size: number
  /** How long to dispatch nothing, in milliseconds; the next window begins when the pause ends. */
  readonly pause?: number
  /** Why, in a word: it becomes the `why` of the `Scaled` event. */
  readonly reason: string
  /** What it rests on. */
  readonly evidence?: AutoScaleEvidence
}

/**
 * A sizing policy with state `S`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScalePolicy<S> {
  /** What it is called in events, metrics and tables. */
  readonly name: string
  /** The state before the first window. */
  readonly initial: (bounds: AutoScaleBounds) => S
  /** When the next window ends. */
  readonly window: (state: S, bounds: AutoScaleBounds) => AutoScaleWindow
  /** Pure: the same arguments give the same answer. */
  readonly update: (state: S, sample: AutoScaleSample, bounds: AutoScaleBounds) => readonly [S, AutoScaleDecision]
}

/**
 * A sample of a window in which nothing happened, for tests: `{ ...emptySample(8), succeeded: 100 }`.
 *
 * @category models
 * @since 0.2.0
 */
export const emptySample = (size: number): AutoScaleSample => ({
  duration: 0,
  reason: "elapsed",
  size,
  resized: false,
  inflight: 0,
  maxInflight: 0,
  avgInflight: 0,
  saturated: 0,
  queued: 0,
  queuedMin: 0,
  oldestWait: 0,
  waitMean: 0,
  arrivals: 0,
  started: 0,
  succeeded: 0,
  failed: 0,
  overloaded: 0,
  overloadedFresh: 0,
  runMean: 0,
  runVariance: 0,
  runMin: 0
})
