/** A job may make an executor of its own. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { isMainThread } from "node:worker_threads"

const double = (n: number) =>
  Effect.runPromise(Effect.provide(Executor.run(doubled.double, [n]), NodeExecutor.layer({ threads: 1, spare: 0 })))
const doubled = Job.module<{ readonly double: (n: number) => number }>(
  new URL("../../../../testing/src/laws/jobs/plain.ts", import.meta.url)
)
export const outer = Job.define(import.meta, "outer", double)

if (isMainThread) {
  const program = Effect.provide(Executor.run(outer, [21]), NodeExecutor.layer({ threads: 1, spare: 0 }))
  console.log(await Effect.runPromise(program))
}
