/** Runs its job a hundred times at once: only the first one may cost a thread. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

console.log("begun")
export const double = Job.define(import.meta, "double", (n: number) => n * 2)

const program = Effect.all(
  Array.from({ length: 100 }, () => Effect.flip(Executor.run(double, [21]))),
  { concurrency: "unbounded" }
).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
const messages = new Set((await Effect.runPromise(program)).map((error) => error.message))
console.log([...messages].join())
