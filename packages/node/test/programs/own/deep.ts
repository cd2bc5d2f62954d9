/** A job makes an executor that runs the same job, and so on. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { isMainThread } from "node:worker_threads"

const run = (): Promise<string> =>
  Effect.runPromise(Effect.provide(Executor.run(deep, []), NodeExecutor.layer({ threads: 1, spare: 0 })))
export const deep: Job<[], Promise<string>> = Job.define(import.meta, "deep", run)

if (isMainThread) await run().catch((error: Error) => console.log(error.message))
