/** Its jobs have a module of their own, which imports the program. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

console.log("begun")
export const factor = 2

const jobs = Job.module<{ readonly scale: (n: number) => number }>(new URL("./imported.jobs.ts", import.meta.url))
const program = Effect.flip(Executor.run(jobs.scale, [21])).pipe(Effect.provide(NodeExecutor.layer({ threads: 1 })))
console.log((await Effect.runPromise(program)).message)
