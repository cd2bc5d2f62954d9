const { Executor } = require("@aio-task-pool/core")
const { NodeExecutor } = require("@aio-task-pool/node")
const { Console, Effect } = require("effect")
const { sha256 } = require("./hash.jobs.js")

const program = Effect.gen(function* () {
  const { digest, thread } = yield* Executor.run(sha256, ["abc"])
  yield* Console.log(`${digest.slice(0, 8)} on thread ${thread}`)
})

Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 2 })))
