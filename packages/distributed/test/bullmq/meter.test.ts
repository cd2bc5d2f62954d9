import { assert, it } from "@effect/vitest"
import type { TaskOutcome } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { classifyDefault, Meter } from "../../src/bullmq/internal/meter.ts"

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

const unreadable = {
  get name(): string {
    throw new Error("no name")
  }
}
const timeout = new DOMException("late", "TimeoutError")

it.each<readonly [what: string, exit: Exit.Exit<unknown, unknown>, outcome: TaskOutcome]>([
  ["a success", Exit.succeed(timeout), "success"],
  ["a failure", Exit.fail("busy"), "ignore"],
  ["an interruption", Exit.interrupt(), "ignore"],
  ["a timeout of Effect", Exit.fail(new Cause.TimeoutError()), "overload"],
  ["a timeout of the platform", Exit.fail(timeout), "overload"],
  ["a timeout that is a defect", Exit.die(timeout), "overload"],
  ["an error that a timeout caused", Exit.fail(new Cause.UnknownError(timeout)), "overload"],
  ["an unreadable error", Exit.fail(unreadable), "ignore"],
  [
    "an unreadable error beside a timeout",
    Exit.failCause(Cause.fromReasons([Cause.makeFailReason(unreadable), Cause.makeDieReason(timeout)])),
    "overload"
  ]
])("without classify, %s counts as what it says about the server", (_, exit, outcome) =>
  assert.strictEqual(classifyDefault(exit), outcome)
)
