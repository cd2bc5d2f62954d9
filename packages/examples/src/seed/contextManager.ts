/**
 * A pool that is provided as a layer: it opens and closes with the program.
 */
import * as assert from "node:assert/strict"
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  yield* Console.log(`test pool size ${(yield* TaskPool.stats).size}`)
  yield* Console.log("test 4 task with pool size 3")
  yield* Console.log("test await blocking submit")
  const answer = yield* TaskPool.submit(test, { args: ["e"] })
  assert.equal(answer, "ok:e done")
  yield* Console.log("test await blocking submit")
  yield* Console.log("scale 3")
  yield* TaskPool.scale(3)
  yield* Console.log(`test pool size ${(yield* TaskPool.stats).size}`)
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
