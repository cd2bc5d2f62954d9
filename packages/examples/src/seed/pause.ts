/**
 * Pausing a pool: accepted tasks go on, new ones are refused until it is resumed.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const accepted = yield* TaskPool.fork(test, { args: ["accepted"] })
  yield* Console.log(`paused: ${yield* TaskPool.pause}`)
  yield* Console.log(`phase: ${(yield* TaskPool.stats).phase}`)

  const refused = yield* Effect.flip(TaskPool.submit(test, { args: ["refused"] }))
  yield* Console.log(`${refused._tag}: ${refused.message}`)
  yield* Console.log(yield* accepted.join)

  yield* Console.log(`paused: ${yield* TaskPool.togglePause}`)
  yield* Console.log(yield* TaskPool.submit(test, { args: ["welcome"] }))
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
