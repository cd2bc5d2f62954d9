/** Tries to make an executor until it has one. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

console.log("begun")
export const double = Job.define(import.meta, "double", (n: number) => n * 2)

const program = Effect.flip(Executor.run(double, [21])).pipe(
  Effect.provide(NodeExecutor.layer({ threads: 1 })),
  Effect.sandbox,
  Effect.eventually
)
console.log((await Effect.runPromise(program)).message)
