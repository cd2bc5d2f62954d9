/** Nothing but the job keeps this process alive until it has its answer; then nothing does. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Context, Effect, Layer, Scope } from "effect"
import { spin } from "../jobs/misc.ts"

const scope = Scope.makeUnsafe()
const context = await Effect.runPromise(Layer.buildWithScope(NodeExecutor.layer({ threads: 1 }), scope))
const executor = Context.get(context, Executor)
Effect.runCallback(executor.run(spin, [300]), { onExit: (exit) => console.log(exit._tag) })
