import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { everyStep, type Scenario, type StepReport, taskPoolScenarios } from "../../src/index.ts"
import { layerOf } from "../laws/pools.ts"

const scenarios = taskPoolScenarios((options) => layerOf.fixedSimple({ minSize: 0, maxSize: 3, ...options }))

const withActors = <World>(scenario: Scenario<World>, keep: (index: number) => boolean): Scenario<World> => ({
  ...scenario,
  actors: Object.fromEntries(Object.entries(scenario.actors ?? {}).filter((_, index) => keep(index)))
})

/**
 * Registers the run of every scenario with the subject interrupted at every step. Alone with these budgets and paddings;
 * raced, one in `sparse` pairs of operations in one situation, budget and padding.
 */
export const everyOperation = (options: {
  readonly budgets: ReadonlyArray<number>
  readonly paddings: ReadonlyArray<number>
  readonly sparse: number
  readonly least: number
}): void =>
  it.effect(
    "every operation, interrupted at every step and raced by any other, keeps the invariants (I1, I2, I3, I5, I8)",
    () =>
      Effect.gen(function* () {
        const { budgets, least, paddings, sparse } = options
        const reports: Array<StepReport> = []
        for (const [index, scenario] of scenarios.entries()) {
          const alone = withActors(scenario, () => false)
          const raced = withActors(scenario, (actor) => (index + actor) % sparse === 0)
          reports.push(yield* everyStep(alone, { budgets, paddings }))
          if (Object.keys(raced.actors ?? {}).length === 0) continue
          reports.push(
            yield* everyStep(raced, { budgets: [3 + (index % 3)], paddings: [index % 6], offsets: [-1, 0, 1, 2] })
          )
        }
        const runs = reports.reduce((sum, report) => sum + report.runs, 0)
        const distinct = new Set(reports.flatMap((report) => [...report.traces])).size
        console.log(`every step: ${runs} runs of ${scenarios.length} scenarios, ${distinct} distinct interleavings`)
        assert.isAtLeast(distinct, least)
      })
  )
