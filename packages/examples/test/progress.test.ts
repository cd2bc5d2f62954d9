import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Terminal } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { TestClock, TestConsole } from "effect/testing"
import { withProgress } from "../src/demo/progress.ts"
import type { Answer } from "../src/demo/stopwatch.ts"

const answer: Answer = { group: undefined, latency: 1, place: 1, error: undefined }

/** Four answers, one in each 100 ms. */
const trial = (onAnswer: (answer: Answer) => void) =>
  Effect.repeat(Effect.sync(() => onAnswer(answer)).pipe(Effect.delay("100 millis")), { times: 3 })

const run = Effect.fnUntraced(function* (canAnimate: boolean) {
  const shown: Array<string> = []
  const terminal = Terminal.make({
    columns: Effect.succeed(60),
    rows: Effect.succeed(24),
    size: Effect.die("unused"),
    readInput: Effect.die("unused"),
    readLine: Effect.die("unused"),
    display: (text) => Effect.sync(() => shown.push(text))
  })
  const fiber = yield* withProgress("fixed pool", 4, trial).pipe(
    Effect.provideService(Terminal.Terminal, terminal),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, { canAnimate, canColor: false, canPrompt: false }),
    Effect.forkChild
  )
  for (let i = 0; i < 10; i++) yield* TestClock.adjust("50 millis")
  yield* Fiber.join(fiber)
  return { shown, lines: yield* TestConsole.logLines }
})

describe("progress", () => {
  it.effect("a bar is redrawn on a terminal, and gone at the end", () =>
    Effect.gen(function* () {
      const { lines, shown } = yield* run(true)
      assert.deepStrictEqual(lines, [])
      assert.include(shown, `\r\u001B[2K[${"-".repeat(28)}] fixed pool  0 of 4, 0 failed`)
      assert.include(shown, `\r\u001B[2K[${"#".repeat(14)}${"-".repeat(14)}] fixed pool  2 of 4, 0 failed`)
      assert.strictEqual(shown.at(-1), "\r\u001B[2K")
    })
  )

  it.effect("a line stands at each quarter without a terminal", () =>
    Effect.gen(function* () {
      const { lines, shown } = yield* run(false)
      assert.deepStrictEqual(shown, [])
      assert.deepStrictEqual(lines, [
        "fixed pool: 1 of 4, 0 failed",
        "fixed pool: 2 of 4, 0 failed",
        "fixed pool: 3 of 4, 0 failed"
      ])
    })
  )
})
