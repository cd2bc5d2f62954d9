/**
 * Closing a pool by hand, after accepted tasks have finished, and opening it again.
 */
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
  yield* pool.fork(test, { args: ["a"] })
  yield* pool.fork(test, { args: ["b"] })
  const { completed } = yield* pool.close()
  yield* Console.log(`closed after ${completed} tasks`)

  const rejected = yield* Effect.flip(pool.submit(test, { args: ["c"] }))
  yield* Console.log(rejected.message)

  yield* pool.start
  yield* Console.log(yield* pool.submit(test, { args: ["d"] }))
}).pipe(Effect.scoped)

if (import.meta.main) NodeRuntime.runMain(program)
