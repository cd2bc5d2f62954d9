import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "@aio-task-pool/core"
import {
  contendedThroughput,
  judge,
  missed,
  play,
  random,
  references,
  scenarios,
  twoPools,
  worst
} from "@aio-task-pool/testing/Simulator"

// Minutes on a busy machine are no failure. All 20 seeds, and one hour: `simulate --accept`, whose table is in docs/autoscale/acceptance.md.
const seeds = [1, 2, 3]

describe("adaptive, worst of three seeds", { timeout: 60_000 }, () => {
  const policy = AutoScalePolicy.adaptive()

  it.each([...scenarios, contendedThroughput, twoPools])(
    "$id $title",
    (scenario) => {
      const result = worst(seeds.map((seed) => judge(scenario, play(scenario, scenario.policy ?? policy, seed))))
      assert.deepStrictEqual(missed(scenario, result), [], JSON.stringify(result))
    },
    60_000
  )

  it("two pools share the server fairly", () => {
    for (const seed of seeds) {
      const [a, b] = play(twoPools, policy, seed).shares as [number, number]
      assert.isAbove((a + b) ** 2 / (2 * (a * a + b * b)), 0.85)
    }
  })

  it("does well in 60 scenarios drawn at random", () => {
    const runs = Array.from({ length: 60 }, (_, i) => {
      const scenario = random(i + 1)
      return judge(scenario, play(scenario, policy, 1))
    })
    const good = runs.map((run) => run.good).toSorted((a, b) => a - b)
    const mean = (of: (run: (typeof runs)[number]) => number) =>
      runs.reduce((sum, run) => sum + of(run), 0) / runs.length
    assert.isAbove(
      mean((run) => run.good),
      0.94
    )
    assert.isAbove(good[6]!, 0.86)
    assert.isBelow(
      mean((run) => run.errors),
      0.005
    )
    assert.isBelow(
      mean((run) => run.over),
      0.4
    )
  })
})

describe("the known controllers", { timeout: 60_000 }, () => {
  it.each(references.map((policy) => ({ name: policy.name, policy })))("$name runs", ({ policy }) => {
    const scenario = scenarios[0]!
    const result = judge(scenario, play({ ...scenario, seconds: 5 }, policy, 1))
    assert.isAbove(result.good, 0.05)
  })
})
