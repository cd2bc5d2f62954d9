/**
 * Judges a policy by families of scenarios.
 *
 * @since 0.3.0
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import type { Family } from "./families.ts"
import { judge, play } from "./judge.ts"
import type { SimulateResult } from "./simulate.ts"

/**
 * The results of a policy in one scenario of a family.
 *
 * @category models
 * @since 0.3.0
 */
export interface Finding {
  readonly good: number
  /** Overload failures beyond those that no size avoids, as a share of all settled tasks. */
  readonly errors: number
  readonly over: number
  readonly p99: number
  /** Seconds from the start until 0.9 of the oracle's goodput. */
  readonly cold: number
  /** The standard deviation of the size over its mean, in the second half of the run. */
  readonly spread: number
  /** 1 if the run ended early, after `Scenario.tasks`, else 0. In a mean: the share of such runs. */
  readonly cut: number
  /** How evenly several pools share the server: Jain's index, 1 when all get the same. */
  readonly fairness: number
}

/**
 * The results of a policy in the scenarios of a family, or of all families.
 *
 * @category models
 * @since 0.3.0
 */
export interface Survey {
  readonly mean: Finding
  /** The 10th percentile of the goodput. */
  readonly p10: number
  /** The worst goodput. */
  readonly worst: number
  readonly findings: ReadonlyArray<Finding>
}

/**
 * Plays the scenarios that a family draws from the seeds.
 *
 * @category running
 * @since 0.3.0
 */
export const survey = (
  family: Family,
  policy: AutoScalePolicy.AutoScalePolicy<any>,
  seeds: ReadonlyArray<number>
): Survey =>
  summarize(
    seeds.map((seed) => {
      const scenario = family.draw(seed)
      const result = play(scenario, policy, seed)
      const { converges, errors, good, over, p99 } = judge(scenario, result)
      return {
        good,
        errors: errors - result.lostRate,
        over,
        p99,
        cold: converges[0]!,
        spread: spreadOf(result),
        cut: result.elapsed < scenario.seconds * 1000 ? 1 : 0,
        fairness: fairnessOf(result.shares)
      }
    })
  )

/**
 * Summarizes findings, for example those of all families.
 *
 * @category running
 * @since 0.3.0
 */
export const summarize = (findings: ReadonlyArray<Finding>): Survey => {
  const mean = (key: keyof Finding): number =>
    findings.reduce((sum, finding) => sum + finding[key], 0) / findings.length
  const sorted = findings.map(({ good }) => good).toSorted((a, b) => a - b)
  return {
    mean: {
      good: mean("good"),
      errors: mean("errors"),
      over: mean("over"),
      p99: mean("p99"),
      cold: mean("cold"),
      spread: mean("spread"),
      cut: mean("cut"),
      fairness: mean("fairness")
    },
    p10: sorted[Math.floor(sorted.length / 10)]!,
    worst: sorted[0]!,
    findings
  }
}

const spreadOf = ({ elapsed, sizes }: SimulateResult): number => {
  const late = sizes.filter(({ pool, time }) => pool === 0 && time > elapsed / 2).map(({ decision }) => decision.size)
  const mean = late.reduce((sum, size) => sum + size, 0) / late.length
  return late.length === 0 ? 0 : Math.sqrt(late.reduce((sum, size) => sum + (size - mean) ** 2, 0) / late.length) / mean
}

const fairnessOf = (shares: ReadonlyArray<number>): number => {
  const sum = shares.reduce((total, share) => total + share, 0)
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0))
}
