/**
 * How long the tasks of a pool wait and run.
 *
 * A pool measures while a metrics or dashboard layer of its registry lives, or always with the option `timing`. All
 * tasks are measured while at most 2,048 of them come in a second, and a sample of more.
 *
 * **Example** (Reading the times of the last minute)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple, PoolRegistry, TaskPool } from "@aio-task-pool/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const [pool] = yield* PoolRegistry.pools
 *   if (pool?._tag !== "Local") return
 *   const before = yield* pool.timing
 *   yield* TaskPool.submit(Effect.sleep(20))
 *   const after = yield* pool.timing
 *   return after!.run.minus(before!.run).count
 * })
 *
 * const layer = AioFixedTaskPoolSimple.layer(3, { timing: true })
 * const isolated = Effect.flatMap(PoolRegistry.make, (registry) =>
 *   Effect.provideService(Effect.provide(program, layer), PoolRegistry, registry)
 * )
 * await Effect.runPromise(isolated) // => 1
 * ```
 *
 * @since 0.1.0
 */

/**
 * A histogram of times. It never changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeHistogram {
  /** The number of times, an estimate if they were sampled. */
  readonly count: number
  /** The sum of the times, in milliseconds. */
  readonly sum: number
  /** The shortest time, in milliseconds; 0 without any. */
  readonly min: number
  /** The longest time, in milliseconds; 0 without any. */
  readonly max: number
  /** Returns the times that this histogram has and an older one of the same pool has not. */
  minus(older: TimeHistogram): TimeHistogram
  /** Returns how many of the times are at most `millis`, in milliseconds. Exact for powers of two. */
  countUpTo(millis: number): number
  /**
   * Returns the time that `percent` of the times (0 to 100) do not exceed, in milliseconds; `undefined` without times.
   *
   * Buckets are at most a quarter wide, and the result is interpolated within one.
   */
  percentile(percent: number): number | undefined
}

/**
 * The times of a pool's tasks since it began to measure.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolTiming {
  /** The time from admission, or from the end of a retry's delay, to dispatch. Tasks that did not wait count as 0. */
  readonly queue: TimeHistogram
  /** The time from dispatch to the end of the finalizers of each attempt, without the time that it lent its workers. */
  readonly run: TimeHistogram
}
