/** Somebody has added to every object what Node and the executor might take for options. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { environment } from "../jobs/misc.ts"

Object.assign(Object.prototype, {
  env: { ANSWER: "polluted" },
  execArgv: ["--no-such-option"],
  eval: true,
  stdout: true
})
process.env["ANSWER"] = "42"
const program = Executor.run(environment, ["ANSWER"])
console.log(await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 1, spare: 0 }))))
