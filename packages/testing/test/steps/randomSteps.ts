import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { env } from "node:process"
import { randomSteps, taskPoolScenarios } from "../../src/index.ts"
import { layerOf } from "../laws/pools.ts"

// SEED repeats a run whose seed was printed.
const seed = Number(env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Registers this number of random interleavings, spread over all pools. */
export const randomInterleavings = (runs: number): void =>
  it.effect(`${runs} random interleavings of every pool keep the invariants (I1, I2, I3, I5, I8)`, () =>
    Effect.gen(function* () {
      const traces = new Set<number>()
      const pools = Object.entries(layerOf)
      for (const [index, [pool, layer]] of pools.entries()) {
        const scenarios = taskPoolScenarios((options) => layer({ minSize: 0, maxSize: 3, ...options }))
        const report = yield* randomSteps(scenarios, { seed: seed + index, runs: Math.ceil(runs / pools.length) }).pipe(
          Effect.tapError((failure) => Effect.sync(() => console.log(`SEED=${seed} ${pool}: ${failure.message}`)))
        )
        for (const trace of report.traces) traces.add(trace)
      }
      console.log(`random steps: ${runs} runs, ${traces.size} distinct interleavings, SEED=${seed}`)
      assert.isAbove(traces.size, runs / 10)
    })
  )
