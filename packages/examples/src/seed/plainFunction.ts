/**
 * Four plain functions at once, in a pool of three: they run on the executor's threads.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./plain.jobs.ts"

export const program = Effect.gen(function* () {
  yield* Console.log(`test pool size ${(yield* TaskPool.stats).size}`)
  yield* Console.log("test 4 task with pool size 3")
  const answers = yield* Effect.all(
    [
      TaskPool.submitBlocking(test, { args: ["c"] }),
      TaskPool.submitBlocking(test, { args: ["b"] }),
      TaskPool.submitBlocking(test, { args: ["a"] }),
      TaskPool.submitBlocking(test, { args: ["d"] })
    ],
    { concurrency: "unbounded" }
  )
  yield* Console.log(answers.join(", "))
}).pipe(Effect.provide([AioFixedTaskPoolSimple.layer(3), NodeExecutor.layer({ threads: 3 })]))

if (import.meta.main) NodeRuntime.runMain(program)
