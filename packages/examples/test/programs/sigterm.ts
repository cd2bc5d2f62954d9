// Forks three tasks into a pool of one worker and runs until a signal ends it.
import { AioAutoScaleTaskPoolSimple, AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

const [kind, onInterrupt] = process.argv.slice(2)
const shutdown = { onInterrupt: onInterrupt === "drain" ? "drain" : "interrupt" } as const
const pool =
  kind === "AioFixedTaskPoolSimple"
    ? AioFixedTaskPoolSimple.layer(1, { shutdown })
    : AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 1, shutdown })

const print = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

// Without a drain the first task ends by its interruption only, and with one after the signal.
const signaled = Latch.makeUnsafe()
process.once("SIGTERM", () => signaled.openUnsafe())
const untilEnd = onInterrupt === "drain" ? Effect.andThen(signaled.await, Effect.sleep("5 millis")) : Effect.never

const task = (id: number) =>
  (id === 1 ? print("ready") : Effect.void).pipe(
    Effect.andThen(untilEnd),
    Effect.andThen(print(`done ${id}`)),
    Effect.onInterrupt(() => print(`interrupted ${id}`))
  )

const main = Effect.gen(function* () {
  for (const id of [1, 2, 3]) yield* TaskPool.fork(task(id))
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.provide(main, pool))
