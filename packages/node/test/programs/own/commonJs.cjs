/** As `awaited.ts`, in CommonJS. */
const { Executor, Job } = require("@aio-task-pool/core")
const { NodeExecutor } = require("@aio-task-pool/node")
const { Effect } = require("effect")
const { pathToFileURL } = require("node:url")

console.log("begun")
exports.double = Job.define({ url: pathToFileURL(__filename).href }, "double", (n) => n * 2)

const program = Effect.flip(Executor.run(exports.double, [21])).pipe(Effect.provide(NodeExecutor.layer({ threads: 1 })))
void Effect.runPromise(program).then((error) => console.log(error.message))
