// What random interleavings have found: the smallest runs of each, at every step.
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { replay, taskPoolScenarios } from "../../src/index.ts"
import { layerOf } from "../laws/pools.ts"

const scenarios = taskPoolScenarios((options) => layerOf.fixedSimple({ minSize: 0, maxSize: 3, ...options }))

it.effect("a stream ends when admission ends between an element and its request for a place", () => {
  const scenario = scenarios.find(({ name }) => name === "busy without a queue: mapEffect")!
  const runs = [8, 9, 10, 11].flatMap((budget) => Array.from({ length: 14 }, (_, actorAt) => ({ budget, actorAt })))
  return Effect.forEach(runs, ({ actorAt, budget }) =>
    replay(scenario, {
      scenario: scenario.name,
      budget,
      padding: 0,
      actor: "pause",
      actorAt,
      interruptAt: undefined,
      seed: undefined
    })
  )
})

it.effect("a submit with a retry that waits at the door until the pool is quiesced ends", () =>
  replay(
    scenarios.find(({ name }) => name === "busy without a queue: quiesce")!,
    {
      scenario: "busy without a queue: quiesce",
      budget: 11,
      padding: 7,
      actor: "submit with a retry later",
      actorAt: 23,
      interruptAt: undefined,
      seed: 1628233020
    }
  )
)

it.effect("a place that the elements of an interrupted stream leave goes to the door at once (I9)", () => {
  const scenario = scenarios.find(({ name }) => name === "failing nested waits: mapEffect")!
  const around = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)
  const runs = around(7, 3).flatMap((budget) =>
    around(4, 3).flatMap((padding) =>
      around(17, 6).flatMap((actorAt) =>
        around(23, 6).map((interruptAt) => ({ budget, padding, actorAt, interruptAt }))
      )
    )
  )
  return Effect.forEach(runs, (run) =>
    replay(scenario, { scenario: scenario.name, actor: "all", seed: undefined, ...run })
  )
})
