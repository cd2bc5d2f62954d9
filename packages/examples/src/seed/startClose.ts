/**
 * A pool without a layer: made in a scope, started and closed by hand.
 */
import * as assert from "node:assert/strict"
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const pool = yield* AioFixedTaskPoolSimple.make()
  // A new pool is open, so this does nothing; `reopen.ts` shows its use.
  yield* pool.start
  yield* Console.log(`test pool size ${(yield* pool.stats).size}`)
  yield* Console.log("test 4 task with pool size 3")
  yield* Console.log("test await blocking submit")
  const answer = yield* pool.submit(test, { args: ["e"] })
  assert.equal(answer, "ok:e done")
  yield* Console.log("test await blocking submit")
  yield* Console.log("scale 3")
  yield* pool.scale(3)
  yield* Console.log(`test pool size ${(yield* pool.stats).size}`)
  yield* pool.close()
}).pipe(Effect.scoped)

if (import.meta.main) NodeRuntime.runMain(program)
