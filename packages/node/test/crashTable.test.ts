import { Executor, type ExecutorError } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { readFileSync } from "node:fs"
import * as jobs from "./jobs/crash.ts"

/** The cells of this executor's row in the guide's table of crashes. */
const cells = readFileSync(new URL("../../../docs/guide/blocking-work.md", import.meta.url), "utf8")
  .split("\n")
  .find((line) => line.startsWith("| `NodeExecutor`"))!
  .split("|")
  .map((cell) => cell.trim())
  .slice(2, -1)

const crashes: ReadonlyArray<Effect.Effect<unknown, ExecutorError, Executor>> = [
  Executor.run(jobs.exit, [3]),
  Executor.run(jobs.throwLate, []),
  Executor.run(jobs.rejectLate, []),
  Executor.run(jobs.exhaust, [])
]

describe("the table of crashes in the guide", () => {
  it("has a cell for each", () => assert.strictEqual(cells.length, crashes.length))

  for (const [index, crash] of crashes.entries()) {
    it.live(`is true: ${cells[index]}`, () =>
      Effect.gen(function* () {
        const bystander = yield* Effect.forkChild(Executor.run(jobs.spin, [300]), { startImmediately: true })
        const victim = yield* Effect.forkChild(Effect.flip(crash), { startImmediately: true })
        const queued = yield* Effect.forkChild(Executor.run(jobs.spin, [0]), { startImmediately: true })
        const error = yield* Fiber.join(victim)
        yield* Fiber.joinAll([bystander, queued])
        yield* Executor.run(jobs.spin, [0])
        const why = error.message.slice(error.message.indexOf(": ") + 2)
        assert.strictEqual(error._tag, "WorkerCrashed")
        assert.strictEqual(cells[index], `victim: ${why}; the others answered`)
      }).pipe(
        Effect.provide(NodeExecutor.layer({ threads: 2, spare: 0, resourceLimits: { maxOldGenerationSizeMb: 32 } }))
      )
    )
  }
})
