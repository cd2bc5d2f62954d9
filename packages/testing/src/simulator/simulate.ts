/**
 * Runs a policy against a server model, and compares it with the best fixed sizes.
 *
 * @since 0.1.0
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import * as Duration from "effect/Duration"
import type { EngineResult } from "./internal/engine.ts"
import { run } from "./internal/engine.ts"
import { kneeOf } from "./internal/knee.ts"
import type { Load, ServerModel, Steps } from "./ServerModel.ts"

/**
 * Options of `simulate`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulateOptions {
  readonly policy: AutoScalePolicy.AutoScalePolicy<any>
  readonly server: ServerModel
  readonly load: Load
  /** The same seed gives the same run. The tasks cost the same under every policy. */
  readonly seed: number
  /** The length of the run, a Duration (a number is in milliseconds). A batch may end it earlier. */
  readonly duration: Duration.Input
  /** Default `{ min: 1, max: 200, initial: 10 }`. */
  readonly bounds?: AutoScalePolicy.AutoScaleBounds | undefined
  /** The best fixed size by phase, default the result of a sweep over sizes. */
  readonly oracle?: Steps | undefined
  /**
   * The number of settled tasks after which the run ends before its `duration`, default no limit. The oracle's run ends at
   * the same time. A batch ignores it.
   */
  readonly tasks?: number | undefined
  /** The number of pools with this policy on the server, each with its own load, default 1. */
  readonly pools?: number | undefined
}

/**
 * Times of tasks, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Latency {
  readonly mean: number
  readonly p50: number
  readonly p99: number
}

/**
 * One window of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulatedWindow {
  /** End of the window, in milliseconds. */
  readonly time: number
  readonly pool: number
  readonly sample: AutoScalePolicy.AutoScaleSample
  readonly decision: AutoScalePolicy.AutoScaleDecision
}

/**
 * The result of a simulation. A `goodput` equal to `oracle` is as good as the best fixed sizes for this server.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulateResult {
  /** Successes per second. */
  readonly goodput: number
  /** Successes per second of the same run at the best fixed sizes. */
  readonly oracle: number
  /** Overload failures as a share of all settled tasks. */
  readonly overloadRate: number
  /** The part of `overloadRate` that no size avoids: responses that the server lost. */
  readonly lostRate: number
  /** Tasks in flight beyond the best fixed size, mean over time, as a share of that size. */
  readonly overDrive: number
  /** From arrival under an open load, else from dispatch. */
  readonly latency: Latency
  readonly oracleLatency: Latency
  /** The best fixed size by phase. */
  readonly oracleSizes: Steps
  /** The length of the run, in milliseconds. */
  readonly elapsed: number
  /** Successes of each pool per second. */
  readonly shares: ReadonlyArray<number>
  /** Every window with its decision: size, tasks in flight, latency and reason over time. */
  readonly sizes: ReadonlyArray<SimulatedWindow>
  /** The sizes of all pools together, from each change on; also of changes by demand, which have no window. */
  readonly totalSizes: Steps
  /** Successes in each second, and the oracle's. */
  readonly goodPerSecond: ReadonlyArray<number>
  readonly oraclePerSecond: ReadonlyArray<number>
  /** Overload failures in each second. */
  readonly overloadsPerSecond: ReadonlyArray<number>
  /** Mean tasks in flight in each second, as a multiple of the best fixed size. */
  readonly drivePerSecond: ReadonlyArray<number>
}

/**
 * Runs the policy and the oracle on the same tasks, deterministically and without a clock.
 *
 * @category running
 * @since 0.1.0
 */
export const simulate = (options: SimulateOptions): SimulateResult => {
  const { load, seed, server } = options
  const duration = Duration.toMillis(options.duration)
  const bounds = options.bounds ?? { min: 1, max: 200, initial: 10 }
  const pools = options.pools ?? 1
  const knee = options.oracle ?? kneeOf(server, bounds, duration)
  const sizes: Array<SimulatedWindow> = []
  const common = { server, load, seed, duration, bounds, knee }
  const own = run({
    ...common,
    pools,
    tasks: options.tasks,
    sizing: { policy: options.policy },
    onWindow: (pool, time, sample, decision) => sizes.push({ time, pool, sample, decision })
  })
  const best = run({
    ...common,
    // A batch ends when its tasks have ended, and both runs need their own time for that.
    duration: load.kind === "batch" ? duration : own.elapsed,
    load: together(load, pools),
    pools: 1,
    sizing: { schedule: knee }
  })
  const settled = Math.max(1, sum(own.succeeded) + own.failed + own.overloaded)
  return {
    goodput: goodput(own),
    oracle: goodput(best),
    overloadRate: own.overloaded / settled,
    lostRate: own.lost / settled,
    overDrive: own.overDrive,
    latency: latency(load, own),
    oracleLatency: latency(load, best),
    oracleSizes: knee,
    elapsed: own.elapsed,
    shares: own.succeeded.map((count) => (count * 1000) / own.elapsed),
    sizes,
    goodPerSecond: own.goodPerSecond,
    oraclePerSecond: best.goodPerSecond,
    overloadsPerSecond: own.overloadsPerSecond,
    totalSizes: own.totalSizes,
    drivePerSecond: own.drivePerSecond
  }
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0)

const goodput = (result: EngineResult): number => (sum(result.succeeded) * 1000) / result.elapsed

const latency = (load: Load, result: EngineResult): Latency => {
  const times = load.kind === "open" ? result.sojourn : result.run
  return { mean: times.mean(), p50: times.quantile(0.5), p99: times.quantile(0.99) }
}

/** Returns the load of `pools` pools as one. */
const together = (load: Load, pools: number): Load =>
  pools === 1 || load.kind === "backlog"
    ? load
    : load.kind === "batch"
      ? { kind: "batch", count: load.count * pools }
      : {
          kind: "open",
          rate:
            typeof load.rate === "number" ? load.rate * pools : load.rate.map(([from, rate]) => [from, rate * pools])
        }
