/** Names itself as the module that runs on the threads. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { whereAmI } from "../../jobs/misc.ts"

const layer = NodeExecutor.layer({ threads: 1, spare: 0, worker: new URL(import.meta.url) })
console.log((await Effect.runPromise(Effect.provide(Effect.flip(Executor.run(whereAmI, [])), layer))).message)
