import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "@aio-task-pool/core"
import {
  backlog,
  contendedThroughput,
  judge,
  missed,
  play,
  queueing,
  random,
  references,
  scenarios,
  simulate,
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
    assert.isAtLeast(
      mean((run) => run.good),
      0.95
    )
    assert.isAtLeast(good[6]!, 0.87)
    assert.isAtMost(
      mean((run) => run.errors),
      0.003
    )
    assert.isAtMost(
      mean((run) => run.over),
      0.4
    )
  })

  it.each([40, 150])("a few time-outs that no size avoids do not keep it from a capacity of %i", (capacity) => {
    // One task in 200 takes longer than its time, whoever runs beside it.
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

describe("the known controllers", { timeout: 60_000 }, () => {
  it.each(references.map((policy) => ({ name: policy.name, policy })))("$name runs", ({ policy }) => {
    const scenario = scenarios[0]!
    const result = judge(scenario, play({ ...scenario, seconds: 5 }, policy, 1))
    assert.isAbove(result.good, 0.05)
  })
})
