import { readdirSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { examples, folder, printedByHand } from "./seed/programs.ts"

/** The lines that a program prints, with its sleeps passed by the clock of the test. */
const printed = Effect.fnUntraced(function* (program: Effect.Effect<unknown, unknown>) {
  const fiber = yield* Effect.forkChild(program)
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("20 millis")
  yield* Fiber.join(fiber)
  return yield* TestConsole.logLines
})

describe("the programs of the source document", () => {
  for (const [name, { lines, program }] of Object.entries(examples)) {
    it.effect(`${name} prints what its page says`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* printed(program), lines)
      })
    )
  }

  // Real threads: real time, and what they print comes in no fixed order among them.
  it.live("plainFunction runs plain functions on threads, and all that they print is seen", () =>
    Effect.gen(function* () {
      const [size, what, ...lines] = yield* printedByHand("plainFunction")
      assert.deepStrictEqual([size, what], ["test pool size 3", "test 4 task with pool size 3"])
      const printed = ["a", "b", "c", "d"].flatMap((name) => [`${name} done`, `${name} start`])
      assert.deepStrictEqual(lines.sort(), [...printed, "ok:c done, ok:b done, ok:a done, ok:d done"].sort())
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it("none of them is left out", () => {
    const helpers = ["work.ts", "plain.jobs.ts"]
    const names = readdirSync(folder).filter((file) => !helpers.includes(file))
    assert.deepStrictEqual(names.sort(), [...Object.keys(examples), "plainFunction"].map((name) => `${name}.ts`).sort())
  })
})
