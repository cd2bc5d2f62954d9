/**
 * Judges a policy by scenarios: its results in a run, the worst of several seeds, and the missed thresholds.
 *
 * @since 0.1.0
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import type { Scenario } from "./scenarios.ts"
import { standard } from "./scenarios.ts"
import type { SimulateResult } from "./simulate.ts"
import { simulate } from "./simulate.ts"

/**
 * The results of a policy in a scenario. The fields are those of `Thresholds`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Judgement {
  readonly good: number
  readonly errors: number
  readonly over: number
  readonly p99: number
  readonly converges: ReadonlyArray<number>
  readonly safe: ReadonlyArray<number>
}

/**
 * Runs a scenario.
 *
 * @category running
 * @since 0.1.0
 */
export const play = (scenario: Scenario, policy: AutoScalePolicy.AutoScalePolicy<any>, seed: number): SimulateResult =>
  simulate({
    policy,
    seed,
    server: scenario.server,
    load: scenario.load,
    duration: scenario.seconds * 1000,
    bounds: scenario.bounds ?? standard,
    oracle: scenario.oracle,
    pools: scenario.pools,
    tasks: scenario.tasks
  })

/**
 * Judges a run of a scenario.
 *
 * @category running
 * @since 0.1.0
 */
export const judge = (scenario: Scenario, result: SimulateResult): Judgement => {
  const begins = scenario.phases ?? [0]
  const phases = begins.map((from, i) => [from, begins[i + 1] ?? Math.floor(result.elapsed / 1000)] as const)
  return {
    good: result.goodput / (scenario.limit ?? result.oracle),
    errors: result.overloadRate,
    over: result.overDrive,
    p99: result.latency.p99 / result.oracleLatency.p99,
    converges: phases.map(([from, to]) => convergence(result, from, to, scenario.width ?? 1)),
    safe: phases.map(([from, to]) => safety(result.drivePerSecond.slice(from, to)))
  }
}

/** Seconds until `width` seconds reach 0.9 of the oracle's mean in the phase. */
const convergence = (result: SimulateResult, from: number, to: number, width: number): number => {
  const wanted = 0.9 * mean(result.oraclePerSecond.slice(from, to))
  for (let second = from; second + width <= to; second++) {
    if (mean(result.goodPerSecond.slice(second, second + width)) >= wanted) return second - from
  }
  return to - from
}

/** Seconds until three seconds in a row have at most 1.5 times the best size in flight. */
const safety = (drive: ReadonlyArray<number>): number => {
  const at = drive.findIndex((_, i) => drive.slice(i, i + 3).every((value) => value <= 1.5))
  return at < 0 ? drive.length : at
}

const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length

/**
 * Returns the worst of several runs in each field.
 *
 * @category running
 * @since 0.1.0
 */
export const worst = (runs: ReadonlyArray<Judgement>): Judgement => {
  const most = (of: (run: Judgement) => number): number => Math.max(...runs.map(of))
  const phases = (of: (run: Judgement) => ReadonlyArray<number>): ReadonlyArray<number> =>
    of(runs[0]!).map((_, i) => most((run) => of(run)[i]!))
  return {
    good: -most((run) => -run.good),
    errors: most((run) => run.errors),
    over: most((run) => run.over),
    p99: most((run) => run.p99),
    converges: phases((run) => run.converges),
    safe: phases((run) => run.safe)
  }
}

/**
 * Returns the names of the missed thresholds.
 *
 * @category running
 * @since 0.1.0
 */
export const missed = (scenario: Scenario, judgement: Judgement): ReadonlyArray<keyof Judgement> => {
  const { thresholds } = scenario
  const above = (value: number, limit: number | undefined): boolean => limit !== undefined && value > limit
  const later = (values: ReadonlyArray<number>, limits: ReadonlyArray<number> | undefined): boolean =>
    limits !== undefined && values.some((value, i) => above(value, limits[i]))
  const names: Array<keyof Judgement> = []
  if (judgement.good < thresholds.good) names.push("good")
  if (above(judgement.errors, thresholds.errors)) names.push("errors")
  if (above(judgement.over, thresholds.over)) names.push("over")
  if (above(judgement.p99, thresholds.p99)) names.push("p99")
  if (later(judgement.converges, thresholds.converges)) names.push("converges")
  if (later(judgement.safe, thresholds.safe)) names.push("safe")
  return names
}
