// An auto-scale pool finds how many requests at once a server can handle, and follows when that number changes.
// `node main.ts [seconds]`: how long it works before the change, and again after it, 5 by default.
import { AioAutoScaleTaskPoolSimple, TaskPool, type TaskOutcome } from "@aio-task-pool/core"
import { Data, Effect, Exit, Schedule } from "effect"
import { openServer } from "./server.ts"

class Rejected extends Data.TaggedError("Rejected")<{ readonly status: number }> {}

const seconds = Number(process.argv[2] ?? 5)
const server = await openServer(20)

const getPage = (page: number) =>
  Effect.gen(function* () {
    const response = yield* Effect.promise((signal) => fetch(`${server.origin}/${page}`, { signal }))
    if (!response.ok) return yield* new Rejected({ status: response.status })
    return yield* Effect.promise(() => response.text())
  })

/** Every rejection of this server means that it has too much to do. */
const classify = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => (Exit.isSuccess(exit) ? "success" : "overload")

function* pages() {
  const end = performance.now() + 1000 * seconds
  for (let page = 1; performance.now() < end; page++) yield page
}

/** Fetches pages for some seconds, and prints what the server has counted. */
const fetchPages = Effect.gen(function* () {
  const before = { ...server }
  // A rejected page is tried again later.
  yield* TaskPool.forEach(pages(), getPage, { discard: true, retry: { schedule: Schedule.spaced("100 millis") } })
  const { size } = yield* TaskPool.stats
  const [served, rejected] = [server.served - before.served, server.rejected - before.rejected]
  console.log(`limit ${server.limit}: ${served} pages, ${rejected} rejected, the pool has ${size} workers`)
})

const program = Effect.gen(function* () {
  yield* fetchPages
  server.limit = 8
  yield* fetchPages
  console.log("\nits last decisions:")
  console.log(yield* TaskPool.explain(5))
})

const pool = AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 200, classify })
await Effect.runPromise(Effect.provide(program, pool))
