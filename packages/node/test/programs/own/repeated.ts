/** Runs its job a hundred times: only the first one may cost a thread. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

console.log("begun")
export const double = Job.define(import.meta, "double", (n: number) => n * 2)

const program = Effect.gen(function* () {
  const first = yield* Effect.flip(Executor.run(double, [21]))
  for (let i = 0; i < 100; i++) {
    const next = yield* Effect.flip(Executor.run(double, [21]))
    if (next.message !== first.message) return yield* Effect.die(next)
  }
  return first.message
})
console.log(await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 1, spare: 0 }))))
