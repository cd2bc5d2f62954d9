/** The decisions of a pool's policy as numbers, for metrics. */
import type { AutoScaleDecision, AutoScaleEvidence, AutoScaleSample } from "../../AutoScaleModel.ts"

/** The most reasons that are counted by name. A policy may give any text as its reason. */
export const mostReasons = 48

export class DecisionCounts {
  readonly byReason = new Map<string, number>()
  overloads = 0
  /** The run time without congestion, as the policy estimated it last, in milliseconds. */
  baseTime: number | undefined = undefined
  /** Called when a reason is given for the first time. */
  onReason: (() => void) | undefined = undefined

  add({ overloaded }: AutoScaleSample, { evidence, reason }: AutoScaleDecision): void {
    this.overloads += overloaded
    this.baseTime = evidenceOf(evidence, "base") ?? this.baseTime
    const name = this.nameOf(reason)
    const count = this.byReason.get(name) ?? 0
    this.byReason.set(name, count + 1)
    if (count === 0) this.onReason?.()
  }

  private nameOf(reason: unknown): string {
    if (typeof reason !== "string") return otherReasons
    return this.byReason.has(reason) || this.byReason.size < mostReasons ? reason : otherReasons
  }
}

/** Returns a number of evidence, which is an object of the policy: it may have any value, and a getter may throw. */
export const evidenceOf = (
  evidence: AutoScaleDecision["evidence"],
  key: keyof AutoScaleEvidence
): number | undefined => {
  try {
    const value = evidence?.[key]
    return Number.isFinite(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Stands for the reasons that are not counted by name. */
export const otherReasons = "_other"
