/**
 * Weights on a priority pool: the smallest runs first, equal ones run in FIFO order.
 */
import { AioFixedTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { test } from "./work.ts"

export const program = Effect.all(
  [
    TaskPool.submit(test, { args: ["on the only worker"] }),
    TaskPool.submit(test, { args: ["first of weight 4, the default"] }),
    TaskPool.submit(test, { args: ["second of weight 4"], weight: 4 }),
    TaskPool.submit(test, { args: ["weight 1"], weight: 1 })
  ],
  { concurrency: "unbounded", discard: true }
).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))

if (import.meta.main) NodeRuntime.runMain(program)
