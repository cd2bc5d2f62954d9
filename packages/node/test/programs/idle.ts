/** Ends by itself although its executor is never closed: an idle one keeps no process alive. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Context, Effect, Layer, Scope } from "effect"
import { print } from "../jobs/misc.ts"

const scope = Scope.makeUnsafe()
const context = await Effect.runPromise(Layer.buildWithScope(NodeExecutor.layer({ threads: 2 }), scope))
const executor = Context.get(context, Executor)
console.log(await Effect.runPromise(executor.run(print, [20])))
console.log(await Effect.runPromise(executor.run(print, [1])))
