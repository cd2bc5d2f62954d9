// A server that handles four uploads at once, queues eight, answers more with 503, and finishes its work on SIGTERM.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { pipeline } from "node:stream/promises"

const hash = (request: IncomingMessage) =>
  Effect.tryPromise(async (signal) => {
    const sha256 = createHash("sha256")
    await pipeline(request, sha256, { signal })
    return sha256.digest("hex")
  })

const handle = (request: IncomingMessage, response: ServerResponse) =>
  Effect.gen(function* () {
    if (request.method === "GET") {
      const { phase, running, waiting } = yield* TaskPool.stats
      return response.end(JSON.stringify({ phase, running, waiting }))
    }
    const digest = yield* TaskPool.submit(hash(request), { maxWait: "10 seconds" })
    return response.end(digest)
  }).pipe(
    // The pool is full, or the request waited too long: the client may try again.
    Effect.catchTag("NotAvailable", () => Effect.sync(() => response.writeHead(503, { "retry-after": "1" }).end())),
    Effect.catchCause((cause) =>
      Effect.andThen(
        Effect.logError(cause),
        Effect.sync(() => response.writeHead(500).end())
      )
    )
  )

const listen = (server: Server) =>
  Effect.callback<void>((resume) => void server.listen(process.env["PORT"] ?? 0, () => resume(Effect.void)))

// Stops listening, and waits until each request has its answer.
const stop = (server: Server) =>
  Effect.callback<void>((resume) => {
    console.log("draining")
    server.close(() => resume(Effect.sync(() => console.log("all requests answered"))))
  })

const main = Effect.gen(function* () {
  const context = yield* Effect.context<TaskPool>()
  const server = createServer((request, response) => {
    response.setHeader("connection", "close")
    Effect.runForkWith(context)(handle(request, response))
  })
  yield* Effect.acquireRelease(listen(server), () => stop(server))
  console.log(`listening on http://localhost:${(server.address() as AddressInfo).port}`)
  return yield* Effect.never
})

const pool = AioFixedTaskPoolSimple.layer(4, { capacity: 8, onFull: "fail", shutdown: { onInterrupt: "drain" } })
NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(pool)))
