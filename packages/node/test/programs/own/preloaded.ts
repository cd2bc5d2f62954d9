/** Its threads load the program before their first job. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

console.log("begun")
export const double = Job.define(import.meta, "double", (n: number) => n * 2)

const layer = NodeExecutor.layer({ threads: 1, spare: 0, preload: [double] })
const program = Effect.flip(Executor.run(double, [21])).pipe(Effect.provide(layer))
console.log((await Effect.runPromise(program)).message)
