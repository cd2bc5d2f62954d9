import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "@aio-task-pool/core"
import { families, judge, play } from "@aio-task-pool/testing/Simulator"

const goodput = (id: string, seed: number): number => {
  const scenario = families.find((family) => family.id === id)!.draw(seed)
  return judge(scenario, play(scenario, AutoScalePolicy.adaptive(), seed)).good
}

// Draws whose goodput was 0.02, 0.14 and 0.34.
describe("adaptive", () => {
  it("finds a knee of 4,555 although the first tasks that end are the quick ones", () => {
    assert.isAbove(goodput("huge", 1021), 0.7)
  })

  it.each([1018, 1001])("grows again on a server that loses responses at any size: draw %i", (seed) => {
    assert.isAbove(goodput("losing", seed), 0.7)
  })
})
