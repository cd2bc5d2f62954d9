// Runs blocking functions of a user's program on the packed worker threads.
import { deepStrictEqual } from "node:assert"
import { AioFixedTaskPoolSimple, Executor, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { exit, sha256 } from "./hash.jobs.ts"

const program = Effect.gen(function* () {
  const texts = ["a", "b", "c"]
  const digests = yield* Effect.forEach(texts, (text) => TaskPool.submitBlocking(sha256, { args: [text] }), {
    concurrency: "unbounded"
  })
  deepStrictEqual(digests, texts.map(sha256))
  const crashed = yield* Effect.flip(Executor.run(exit, [3]))
  deepStrictEqual(crashed._tag, "WorkerCrashed")
  deepStrictEqual(yield* Executor.map(sha256, texts, { chunk: 2 }), digests)
})

await Effect.runPromise(Effect.provide(program, [AioFixedTaskPoolSimple.layer(2), NodeExecutor.layer({ threads: 2 })]))
console.log(`Node ${process.version}: three digests on two threads, one of which ended`)
