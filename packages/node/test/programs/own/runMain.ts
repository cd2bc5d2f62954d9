/** As `awaited.ts`, started as `NodeRuntime.runMain` does it: the process exits when the program fails. */
import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Console, Effect, Runtime } from "effect"

const runMain = Runtime.makeRunMain(({ fiber, teardown }) =>
  fiber.addObserver((exit) => teardown(exit, (code) => code !== 0 && process.exit(code)))
)

console.log("begun")
export const double = Job.define(import.meta, "double", (n: number) => n * 2)

const program = Effect.flip(Executor.run(double, [21])).pipe(Effect.provide(NodeExecutor.layer({ threads: 1 })))
runMain(Effect.flatMap(program, (error) => Console.log(error.message)))
