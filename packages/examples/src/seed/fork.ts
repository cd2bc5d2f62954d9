/**
 * Submitting without waiting for the result: `fork` waits for room only, `submitNowait` never waits.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const running = yield* TaskPool.fork(test, { args: ["running"] })
  const waiting = yield* TaskPool.submitNowait(test, { args: ["waiting"] })
  yield* Console.log(`${yield* running.state}, ${yield* waiting.state}`)

  const rejected = yield* Effect.flip(TaskPool.submitNowait(test, { args: ["one too many"] }))
  yield* Console.log(`${rejected._tag}: ${rejected.message}`)

  yield* Console.log(yield* running.join)
  yield* Console.log(yield* waiting.join)
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { capacity: 1 })))

if (import.meta.main) NodeRuntime.runMain(program)
