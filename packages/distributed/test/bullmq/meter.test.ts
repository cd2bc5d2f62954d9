import { assert, it } from "@effect/vitest"
import type { TaskOutcome } from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { Meter } from "../../src/bullmq/internal/meter.ts"

const loggedFor = (classify: () => TaskOutcome): ReadonlyArray<readonly [string, unknown]> => {
  const logged: Array<readonly [string, unknown]> = []
  const meter = new Meter(classify, (message, defect) => logged.push([message, defect]))
  const settled = { _tag: "Settled", answer: { exit: null }, exit: Exit.fail("busy"), retry: false } as const
  for (let task = 0; task < 2; task++) meter.ended(settled, 1, meter.started())
  meter.close()
  return logged
}

it("what classify throws is logged, once", () => {
  const error = new Error("no")
  const logged = loggedFor(() => {
    throw error
  })
  assert.deepStrictEqual(logged, [['classify threw, which counts as "ignore"', error]])
})

it("an unknown outcome of classify is logged, once", () => {
  const logged = loggedFor(() => "busy" as never)
  assert.deepStrictEqual(logged, [['classify returned an unknown outcome, which counts as "ignore"', "busy"]])
})
