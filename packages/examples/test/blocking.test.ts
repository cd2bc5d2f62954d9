import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestConsole } from "effect/testing"
import { program } from "../src/blocking/main.ts"

it.live("packs the same bytes on threads as in the main thread, where the event loop stands still", () =>
  Effect.gen(function* () {
    const { here, same, there } = yield* program(30)
    assert.isTrue(same)
    assert.strictEqual(here.entries.length, 30)
    assert.isTrue(there.entries.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)))
    // In the main thread the files are packed in one step. How long it stands still else is up to the machine.
    assert.isAbove(here.standstill, 0.5 * here.took)
    const lines = yield* TestConsole.logLines
    assert.match(String(lines[1]), /in the main thread .* s, the event loop stood still for up to \d+ ms/)
  }).pipe(Effect.provide([NodeServices.layer, TestConsole.layer]))
)
