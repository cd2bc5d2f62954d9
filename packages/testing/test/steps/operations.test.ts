// No step interrupts an operation that no scenario uses, and no other operation races it.
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomSteps, taskPoolScenarios } from "../../src/index.ts"
import { Recording } from "../recording.ts"

// An operation without a scenario, and why it needs none.
const exceptions: Readonly<Record<string, string>> = {
  name: "is a constant",
  explain: "returns a text in one step",
  inspect: "returns a snapshot in one step",
  decisions: "returns a list in one step",
  events: "is read by random programs",
  awaitEmpty: "waits as awaitIdle does",
  awaitResized: "waits as awaitIdle does",
  submitBlocking: "is a submit of a job"
}

it.effect("the scenarios use every operation of a pool, except for those that are named here", () =>
  Effect.gen(function* () {
    const recording = new Recording()
    const scenarios = taskPoolScenarios(({ size, ...options }) =>
      recording.of(AioFixedTaskPoolSimple.layer(size, options))
    )
    yield* randomSteps(scenarios, { seed: 1, runs: 700 })
    assert.deepStrictEqual(recording.unused, Object.keys(exceptions).sort())
  })
)
