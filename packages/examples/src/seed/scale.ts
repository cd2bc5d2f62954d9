/**
 * Changing how many tasks run at once: up, down, and never below 0.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

export const program = Effect.gen(function* () {
  yield* Console.log(`size ${(yield* TaskPool.stats).size}`)
  yield* Console.log(`scale 3: ${yield* TaskPool.scale(3)}`)
  yield* Console.log(`scale -1: ${yield* TaskPool.scale(-1)}`)
  yield* Console.log(`scale -100: ${yield* TaskPool.scale(-100)}`)
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
