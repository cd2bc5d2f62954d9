import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestConsole } from "effect/testing"
import { program } from "../src/blocking/main.ts"

it.live("compresses to the same bytes on threads as in the main thread, where it blocks the event loop", () =>
  Effect.gen(function* () {
    const { here, same, there } = yield* program(30)
    assert.isTrue(same)
    assert.strictEqual(here.entries.length, 30)
    assert.isTrue(there.entries.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)))
    // The main thread compresses the files in one step. How long else the loop is blocked depends on the machine.
    assert.isAbove(here.longestBlock, 0.5 * here.took)
    const lines = yield* TestConsole.logLines
    assert.match(String(lines[1]), /in the main thread .* s, the event loop was blocked for up to \d+ ms/)
  }).pipe(Effect.provide([NodeServices.layer, TestConsole.layer]))
)
