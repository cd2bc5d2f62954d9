/** The program whose dashboard is measured, in a process of its own. It answers the questions of `main.ts`. */
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { Dashboard } from "@aio-task-pool/dashboard"
import { Deferred, Effect } from "effect"
import type { Answer, Question } from "./main.ts"

const pools = Number(process.argv[2])

/** A pool that starts a task every 200 ms. Two run, and one waits. */
const openPool = (index: number) =>
  Effect.gen(function* () {
    const pool = yield* AioFixedTaskPoolSimple.make({ name: `pool-${index}`, size: 2 })
    const task = pool.submit(Effect.sleep(400), { label: "task" })
    const caller = Effect.forever(task, { disableYield: true })
    yield* Effect.forkScoped(Effect.all([caller, caller, caller], { concurrency: "unbounded" }))
    // So that the tasks of all pools do not start in the same step.
    yield* Effect.sleep(400 / pools)
  })

const tell = (answer: Answer) => void process.send?.(answer)

const main = Effect.gen(function* () {
  const closing = yield* Deferred.make<void>()
  let closedAt = 0
  yield* Effect.gen(function* () {
    for (let index = 0; index < pools; index++) yield* openPool(index)
    process.on("message", (question: Question) => {
      if (question === "close") Deferred.doneUnsafe(closing, Effect.void)
      else {
        const { system, user } = process.cpuUsage()
        tell({ cpu: (system + user) / 1000, at: performance.now() })
      }
    })
    tell({ address: yield* Dashboard.address })
    yield* Deferred.await(closing)
    closedAt = performance.now()
  }).pipe(Effect.scoped, Effect.provide(Dashboard.layer({ port: 0 })))
  tell({ closed: performance.now() - closedAt })
})

await Effect.runPromise(main)
process.disconnect()
