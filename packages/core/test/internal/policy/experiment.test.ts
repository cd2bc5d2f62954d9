/** What ends an experiment of the adaptive policy early: a decision by demand, or a stall that has passed. */
import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "../../../src/index.ts"

const bounds = { min: 2, max: 6, initial: 2 }

/** A pool of the policy, one busy window after the other. */
const makePool = () => {
  const policy = AutoScalePolicy.adaptive()
  let state = policy.initial(bounds)
  let { initial: size } = bounds
  const window = (run: number, more: Partial<AutoScalePolicy.AutoScaleSample> = {}) => {
    size = more.size ?? size
    const succeeded = (size * 600) / run
    const sample = {
      ...AutoScalePolicy.emptySample(size),
      duration: 600,
      inflight: size,
      maxInflight: size,
      avgInflight: size,
      saturated: 1,
      queued: 2_000,
      queuedMin: 2_000,
      started: succeeded,
      succeeded,
      runMean: run,
      runVariance: (run / 10) ** 2,
      runMin: run / 2,
      ...more
    }
    const [next, decision] = policy.update(state, sample, bounds)
    state = next
    size = decision.size
    return decision
  }
  /** Plays calm windows until the policy begins an experiment. */
  const untilVerify = (): AutoScalePolicy.AutoScaleDecision => {
    for (let i = 0; i < 100; i++) {
      const decision = window(50)
      if (decision.reason === "VERIFY") return decision
    }
    return assert.fail("no experiment began")
  }
  return { window, untilVerify }
}

describe("an experiment of adaptive", () => {
  it("ends with the size before when the pool has grown by demand, and the next one is not due at once", () => {
    const pool = makePool()
    assert.strictEqual(pool.untilVerify().size, 4)
    const later = [pool.window(50, { size: 5, resized: true, byDemand: true })]
    for (let i = 0; i < 20; i++) later.push(pool.window(50))
    assert.deepStrictEqual(new Set(later.map(({ size }) => size)), new Set([6]))
  })

  it("ends with the size before when the run time falls more than the smaller size explains", () => {
    const pool = makePool()
    pool.untilVerify()
    for (let i = 0; i < 11; i++) pool.window(50)
    const stalled = pool.window(250)
    assert.strictEqual(stalled.reason, "VERIFY")
    const after = pool.window(50)
    assert.strictEqual(after.reason, "RESTORE")
    assert.strictEqual(after.size, 6)
  })
})
