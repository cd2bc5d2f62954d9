/** The program makes its executor only after its module was loaded; a job tells what came of that on its thread. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { isMainThread } from "node:worker_threads"

let refusal: string | undefined
export const report = Job.define(import.meta, "report", () => refusal)

const program = Effect.gen(function* () {
  for (;;) {
    const reported = yield* Executor.run(report, [])
    if (reported !== undefined) return reported
    yield* Effect.sleep(5)
  }
}).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })), Effect.delay(isMainThread ? 0 : 20))

void Effect.runPromise(program).then(console.log, (error: Error) => {
  refusal = error.message
})
