/**
 * Its jobs print more than goes through at once. Then its executor is closed (`close`, `recycle`) or left to the end of
 * the process (`idle`); with `recycle` the threads that print are replaced.
 */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { line, lines } from "../jobs/printing.ts"

const how = process.argv[2]
const options = { threads: 2, spare: 0, ...(how === "recycle" ? { recycleAfter: 50 } : {}) }
const scope = Scope.makeUnsafe()
const executor = Context.get(
  await Effect.runPromise(Layer.buildWithScope(NodeExecutor.layer(options), scope)),
  Executor
)
if (how === "recycle") {
  for (let i = 0; i < 600; i++) await Effect.runPromise(executor.run(line, [i]))
} else await Effect.runPromise(executor.run(lines, [20_000]))
if (how !== "idle") await Effect.runPromise(Scope.close(scope, Exit.void))
