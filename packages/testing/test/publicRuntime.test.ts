// The pools on a runtime that they do not know: they keep every law by Effect's public functions alone.
import { assert, it } from "@effect/vitest"
import { vi } from "vitest"
import * as Effect from "effect/Effect"
import { env } from "node:process"
import { disciplineLaws, fifoOrder, randomSteps, taskPoolLaws, taskPoolScenarios } from "../src/index.ts"
import { layerOf } from "./laws/pools.ts"

const { unknown } = vi.hoisted(() => ({ unknown: { asked: 0 } }))

vi.mock("../../core/src/internal/runtime/probe.ts", async (original) => ({
  ...(await original<object>()),
  get hasKnownRuntime() {
    unknown.asked++
    return false
  }
}))

it("the runtime is not known here", () => assert.isAbove(unknown.asked, 0))

taskPoolLaws("AioFixedTaskPoolSimple by public functions", layerOf.fixedSimple, { capacities: [undefined] })
disciplineLaws("AioFixedTaskPoolSimple by public functions", layerOf.fixedSimple, fifoOrder)
it.effect("random interleavings keep the invariants by public functions (I1, I2, I3, I5, I8)", () =>
  Effect.gen(function* () {
    const seed = Number(env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
    const scenarios = taskPoolScenarios((options) => layerOf.fixedSimple({ minSize: 0, maxSize: 3, ...options }))
    const report = yield* randomSteps(scenarios, { seed, runs: 400 }).pipe(
      Effect.tapError((failure) => Effect.sync(() => console.log(`SEED=${seed}: ${failure.message}`)))
    )
    assert.isAbove(report.traces.size, 40)
  })
)
