import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestConsole } from "effect/testing"
import { program } from "../src/blocking/main.ts"

it.live("packs the same bytes in the main thread and on threads, where the event loop goes on", () =>
  Effect.gen(function* () {
    const { here, same, there } = yield* program(30)
    assert.isTrue(same)
    assert.strictEqual(here.entries.length, 30)
    assert.isAbove(here.standstill, there.standstill)
    const lines = yield* TestConsole.logLines
    assert.match(String(lines[1]), /in the main thread .* s, the event loop stood still for up to \d+ ms/)
  }).pipe(Effect.provide([NodeServices.layer, TestConsole.layer]))
)
