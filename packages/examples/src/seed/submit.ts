/**
 * Submitting a task and waiting for its result: a function with its arguments, or an effect.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  const called = yield* TaskPool.submit(test, { args: ["e"] })
  yield* Console.log(called)
  const run = yield* TaskPool.submit(test("f"))
  yield* Console.log(run)
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
