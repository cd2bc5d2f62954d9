/** Names itself as the module that runs on the threads, and tries to make an executor until it has one. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { whereAmI } from "../../jobs/misc.ts"

console.log("begun")
const layer = NodeExecutor.layer({ threads: 1, spare: 0, worker: new URL(import.meta.url) })
const program = Effect.flip(Executor.run(whereAmI, [])).pipe(Effect.provide(layer), Effect.sandbox, Effect.eventually)
console.log((await Effect.runPromise(program)).message)
