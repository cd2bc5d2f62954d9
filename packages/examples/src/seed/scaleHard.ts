/**
 * Scaling down while tasks run: softly, so that they finish, or hard, so that the newest ones are interrupted.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const oldest = yield* TaskPool.fork(test, { args: ["oldest"] })
  const middle = yield* TaskPool.fork(test, { args: ["middle"] })
  const newest = yield* TaskPool.fork(test, { args: ["newest"] })

  const size = yield* TaskPool.scale(-1, { mode: "hard" })
  const { reason, started } = yield* Effect.flip(newest.join)
  yield* Console.log(`size ${size}: newest ${reason}, ${started ? "it had started" : "it never ran"}`)

  yield* TaskPool.scale(-1)
  yield* Console.log(yield* middle.join)
  yield* Console.log(yield* oldest.join)
  yield* TaskPool.awaitResized
  yield* Console.log(`size ${(yield* TaskPool.stats).size}`)
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))

if (import.meta.main) NodeRuntime.runMain(program)
