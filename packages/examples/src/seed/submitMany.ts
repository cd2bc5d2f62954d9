/**
 * Four tasks at once in a pool of three: the fourth waits until a worker is free.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.gen(function* () {
  yield* Console.log(`test pool size ${(yield* TaskPool.stats).size}`)
  yield* Console.log("test 4 task with pool size 3")
  const answers = yield* Effect.all(
    [
      TaskPool.submit(test, { args: ["c"] }),
      TaskPool.submit(test, { args: ["b"] }),
      TaskPool.submit(test, { args: ["a"] }),
      TaskPool.submit(test, { args: ["d"] })
    ],
    { concurrency: "unbounded" }
  )
  yield* Console.log(answers.join(", "))
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))

if (import.meta.main) NodeRuntime.runMain(program)
