import { assert, describe, it } from "@effect/vitest"
import { judge, play, references, scenarios } from "@aio-task-pool/testing/Simulator"
import { acceptance } from "./acceptance.ts"

const ids = ["A1", "B1", "C3", "D1", "E4", "G1"]

acceptance(
  scenarios.filter(({ id }) => ids.includes(id)),
  [1]
)

describe("the known controllers", () => {
  it.each(references.map((policy) => ({ name: policy.name, policy })))("$name runs", ({ policy }) => {
    const scenario = scenarios[0]!
    const result = judge(scenario, play({ ...scenario, seconds: 5 }, policy, 1))
    assert.isAbove(result.good, 0.05)
  })
})
