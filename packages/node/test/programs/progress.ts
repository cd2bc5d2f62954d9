// Shows its progress and writes logs meanwhile. With the argument `forever` the last item never ends, with `silent` there
// are no logs, with `exit` the program exits meanwhile.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Progress } from "@aio-task-pool/node"
import * as Effect from "effect/Effect"

const [, , how] = process.argv

const item = (n: number) =>
  Effect.gen(function* () {
    if (how === "forever" && n === 9) return yield* Effect.never
    yield* Effect.sleep("60 millis")
    if (how === "silent") return
    if (n % 2 === 0) console.log(`log ${n}`)
    else console.error(`error ${n}`)
  })

const program = TaskPool.forEach(
  Array.from({ length: 10 }, (_, n) => n),
  item
).pipe(
  Progress.track({ label: "items" }),
  Effect.provide(AioFixedTaskPoolSimple.layer(2, { name: "pool" })),
  Effect.provide(Progress.layer())
)

if (how === "exit") {
  // Text without a line feed, and then an exit in the middle of the work.
  setTimeout(() => {
    process.stdout.write("unfinished text")
    process.exit(3)
  }, 400)
}

const fiber = Effect.runFork(program)
process.once("SIGINT", () => fiber.interruptUnsafe())
fiber.addObserver(() => console.log("the program has ended"))
