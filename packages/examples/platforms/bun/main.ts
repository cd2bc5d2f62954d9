import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Console, Effect } from "effect"
import { sha256 } from "./hash.jobs.ts"

const program = Effect.gen(function* () {
  const { digest, thread } = yield* Executor.run(sha256, ["abc"])
  yield* Console.log(`${digest.slice(0, 8)} on thread ${thread}`)
})

await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 2 })))
