/** It exports the jobs of another module and describes itself as the module of jobs. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

export { whereAmI } from "../../jobs/misc.ts"
console.log("begun")

const jobs = Job.module<{ readonly whereAmI: () => number }>(import.meta.url)
const program = Effect.flip(Executor.run(jobs.whereAmI, [])).pipe(Effect.provide(NodeExecutor.layer({ threads: 1 })))
console.log((await Effect.runPromise(program)).message)
