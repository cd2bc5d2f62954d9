import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "@aio-task-pool/core"
import {
  backlog,
  judge,
  missed,
  play,
  queueing,
  type Scenario,
  simulate,
  twoPools,
  worst
} from "@aio-task-pool/testing/Simulator"

const policy = AutoScalePolicy.adaptive()

/**
 * Registers the acceptance of the adaptive policy: these scenarios, each with these seeds.
 * `pnpm simulate --accept` plays 20 seeds and one hour, and writes docs/autoscale/acceptance.md.
 */
export const acceptance = (scenarios: ReadonlyArray<Scenario>, seeds: ReadonlyArray<number>): void => {
  describe(`adaptive, worst of ${seeds.length} seeds`, () => {
    it.each(scenarios)("$id $title", (scenario) => {
      const result = worst(seeds.map((seed) => judge(scenario, play(scenario, scenario.policy ?? policy, seed))))
      assert.deepStrictEqual(missed(scenario, result), [], JSON.stringify(result))
    })

    it("two pools share the server fairly", () => {
      for (const seed of seeds) {
        const [a, b] = play(twoPools, policy, seed).shares as [number, number]
        assert.isAbove((a + b) ** 2 / (2 * (a * a + b * b)), 0.85)
      }
    })

    it.each([40, 150])("a few timeouts that no size avoids do not keep it from a capacity of %i", (capacity) => {
      // One task in 200 takes longer than the timeout, whatever else runs.
      const work = { kind: "bimodal", share: 0.005, factor: 100 } as const
      const run = simulate({
        policy,
        server: queueing({ capacity, base: 50, work, timeout: 1500 }),
        load: backlog,
        seed: 1,
        duration: 60_000,
        bounds: { min: 1, max: 200, initial: 10 },
        oracle: capacity
      })
      assert.isAbove(run.overloadRate, 0.004)
      assert.isAbove(run.goodput / run.oracle, 0.85)
    })
  })
}
