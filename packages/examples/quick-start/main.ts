import { Effect } from "effect"
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"

let active = 0
let mostActive = 0

// Simulates a request to a server that handles three at a time.
const fetchUser = Effect.fnUntraced(function* (id: number) {
  mostActive = Math.max(mostActive, ++active)
  yield* Effect.sleep("5 millis")
  active--
  return `user ${id}`
})

const ids = Array.from({ length: 100 }, (_, id) => id)

// 100 fibers submit at once; three tasks run, the others wait in the pool's queue.
const program = Effect.forEach(ids, (id) => TaskPool.submit(fetchUser(id)), { concurrency: "unbounded" })

const users = await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3)))

console.log(users[99]) // => "user 99"
console.log(mostActive) // => 3
