/**
 * The input and output of a sizing policy.
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
  /** The smallest size. */
  readonly min: number
  /** The largest size. */
  readonly max: number
  /** The initial size. */
  readonly initial: number
}

/**
 * The conditions that end a window, chosen by the policy when the window begins.
 *
 * **Details**
 *
 * A window ends as soon as one of these holds:
 *
 * - it has lasted `interval` and `runFactor` times the mean run time of its successes, and has `minSamples` settled
 *   tasks;
 * - it has lasted `maxInterval` and three quarters of that run time, and has `min(10, minSamples)` settled tasks;
 * - it has `overloads` fresh overload failures.
 *
 * The pool checks the first two when a task settles and when their time has passed. With `minSamples` 0 a window ends
 * by time alone. The pool varies `interval` by up to 10 % either way, so that many pools do not act in step.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleWindow {
  /** The shortest length of a window without overload, in milliseconds. */
  readonly interval: number
  /** The time after which `min(10, minSamples)` settled tasks are enough, in milliseconds. */
  readonly maxInterval: number
  /** The number of settled tasks that a window should have. */
  readonly minSamples: number
  /** The shortest length of a window, in mean run times. */
  readonly runFactor: number
  /** The number of fresh overload failures that end the window at once. */
  readonly overloads: number
}

/**
 * Measurements of a pool over one window, and its state at the end of the window.
 *
 * **Details**
 *
 * Measuring costs O(1) per task. The pool keeps the dispatch time of each task and the **epoch** in which it was
 * dispatched, a number that grows whenever the size falls. It also keeps two integrals over time (tasks in flight, and
 * whether all workers were busy), counts, extremes, sums and sums of squares. An overload failure is **fresh** when its
 * task was dispatched in the present epoch. So the policy reacts once to an incident that many running tasks meet.
 *
 * Each settled task counts in the window in which it settles: as `succeeded`, as `overloaded` when `classify` says that
 * the server was overloaded, or as `failed`. Only successes enter the run-time statistics, because a rejection after 2
 * milliseconds is not a sign of a fast server.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleSample {
  /** The length of the window, in milliseconds. */
  readonly duration: number
  /** Why the window ended: its time elapsed, or overload failures ended it early. */
  readonly reason: "elapsed" | "overload"
  /** The pool's target size. */
  readonly size: number
  /**
   * Whether the size changed in this window without the policy: by `scale` or `resize`, or by demand alone. If so, the
   * policy continues from `size`.
   */
  readonly resized: boolean
  /** Whether that was by demand alone, because no task had ended for long, default `false`. */
  readonly byDemand?: boolean
  /** Tasks running at the end of the window, without the one whose exit ended it. */
  readonly inflight: number
  /** The most tasks that ran at once. */
  readonly maxInflight: number
  /** Tasks running, mean over time. */
  readonly avgInflight: number
  /**
   * The share of the window, 0 to 1, in which all workers were busy, and more of them would have let the next task
   * start.
   */
  readonly saturated: number
  /**
   * Tasks waiting for a worker at the end of the window, including those at the door; 0 while a hold, the rate or a key's
   * limit keeps the next task from starting.
   */
  readonly queued: number
  /** The fewest tasks that waited for a worker at any time of the window. */
  readonly queuedMin: number
  /** The longest time that a waiting task has waited so far, in milliseconds; 0 when none waits. */
  readonly oldestWait: number
  /** Mean waiting time of the tasks dispatched in the window, in milliseconds; 0 without any. */
  readonly waitMean: number
  /** Tasks that arrived in the window, at the queue or at the door. */
  readonly arrivals: number
  /** Tasks dispatched in the window. */
  readonly started: number
  /** Tasks that succeeded. */
  readonly succeeded: number
  /** Tasks that failed, died or were interrupted without a sign of overload. */
  readonly failed: number
  /** Tasks whose exit is a sign of overload. */
  readonly overloaded: number
  /** The tasks among `overloaded` that were dispatched since the size last fell. */
  readonly overloadedFresh: number
  /** Mean run time of the successes, in milliseconds; 0 without any. */
  readonly runMean: number
  /** Variance of their run times (divided by count - 1), in square milliseconds; 0 with fewer than two. */
  readonly runVariance: number
  /** The shortest run time of the successes, in milliseconds; 0 without any. */
  readonly runMin: number
  /**
   * The number of timed tasks that the mean and the variance are worth, default all successes. When thousands of tasks
   * arrive in a window, the pool times only a sample of them.
   */
  readonly timed?: number
  /** The longest time that rejections in this window asked for, in milliseconds, default 0. */
  readonly retryAfter?: number
}

/**
 * The evidence for a decision, for people to read. Events and `explain` show it with the reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleEvidence {
  /** The size before the decision. */
  readonly before: number
  /** The policy's limit before it was rounded down to a size. */
  readonly limit?: number
  /** Run time without congestion, as the policy estimates it, in milliseconds. */
  readonly base?: number
  /** Mean run time of the window, in milliseconds. */
  readonly run?: number
  /**
   * By how many percent the run time changes when concurrency changes by one percent: 1 when further tasks only queue,
   * 0 when the server has free capacity.
   */
  readonly elasticity?: number
  /** Fresh overload failures of the window. */
  readonly overloads?: number
  /** The size that the policy does not exceed for now, because larger ones failed or were congested. */
  readonly ceiling?: number
  /** The demand, in workers. */
  readonly demand?: number
}

/**
 * A decision of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScaleDecision {
  /** The number of workers the pool should have: an integer within the bounds. */
  readonly size: number
  /** How long to dispatch nothing, in milliseconds, default 0. The next window begins when the pause ends. */
  readonly pause?: number
  /** The reason, in one word. It becomes the `why` of the `Scaled` event. */
  readonly reason: string
  /** The evidence for the decision. */
  readonly evidence?: AutoScaleEvidence
}

/**
 * A sizing policy with state `S`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AutoScalePolicy<S> {
  /** The policy's name in events, metrics and tables. */
  readonly name: string
  /** Returns the state before the first window. */
  readonly initial: (bounds: AutoScaleBounds) => S
  /** Returns the conditions that end the next window. */
  readonly window: (state: S, bounds: AutoScaleBounds) => AutoScaleWindow
  /** Returns the next state and a decision. Must be pure: the same arguments give the same result. */
  readonly update: (state: S, sample: AutoScaleSample, bounds: AutoScaleBounds) => readonly [S, AutoScaleDecision]
}

/**
 * Returns the sample of a window in which nothing happened.
 *
 * **When to use**
 *
 * Use it in tests of a policy: `{ ...emptySample(8), succeeded: 100 }`.
 *
 * @category models
 * @since 0.1.0
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
