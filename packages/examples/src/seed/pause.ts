/**
 * Pausing a pool: accepted tasks continue, new ones are rejected until it is resumed.
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

  const rejected = yield* Effect.flip(TaskPool.submit(test, { args: ["rejected"] }))
  yield* Console.log(`${rejected._tag}: ${rejected.message}`)
  yield* Console.log(yield* accepted.join)

  yield* Console.log(`paused: ${yield* TaskPool.togglePause}`)
  yield* Console.log(yield* TaskPool.submit(test, { args: ["welcome"] }))
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
