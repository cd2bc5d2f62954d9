/** Its job is in its own file, and the program runs only where it was started. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

export const double = Job.define(import.meta, "double", (n: number) => n * 2)

if (import.meta.main) {
  const program = Effect.provide(Executor.run(double, [21]), NodeExecutor.layer({ threads: 1, spare: 0 }))
  console.log(await Effect.runPromise(program))
}
