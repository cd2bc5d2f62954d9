/** The program makes its executor only after its module was loaded. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { isMainThread } from "node:worker_threads"

export const later = Job.define(import.meta, "later", () => new Promise<never>(() => {}))

const program = Effect.flip(Executor.run(later, [])).pipe(
  Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })),
  Effect.delay(isMainThread ? 0 : 1)
)
void Effect.runPromise(program).then((error) => console.log(error.message))
