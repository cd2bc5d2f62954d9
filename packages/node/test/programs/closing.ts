/** Its scope closes while jobs hang and wait; the process ends at once all the same. */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { hang, spin } from "../jobs/misc.ts"

const program = Effect.gen(function* () {
  yield* Executor.run(spin, [1])
  const exits = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkDetach(Effect.exit(Executor.run(hang, []))))
  yield* Effect.sleep(50)
  for (const fiber of exits) fiber.addObserver((exit) => console.log(exit._tag === "Success" && exit.value._tag))
})
await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 2 })))
console.log("closed")
