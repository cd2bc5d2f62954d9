import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Console, Effect } from "effect"

// Not imported: webpack would put the jobs into a chunk that only webpack can load.
const { sha256 } = Job.module(new URL("./hash.jobs.js", import.meta.url))

const program = Effect.gen(function* () {
  const { digest, thread } = yield* Executor.run(sha256, ["abc"])
  yield* Console.log(`${digest.slice(0, 8)} on thread ${thread}`)
})

await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 2 })))
