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

let draining = false
const reply = (response: ServerResponse, status: number, body: string) => {
  // A connection ends with its answer while the server drains, and if the upload was not read to its end.
  const headers = draining || status !== 200 ? { connection: "close" } : {}
  return Effect.sync(() => void response.writeHead(status, headers).end(body))
}

const handle = (request: IncomingMessage, response: ServerResponse) =>
  Effect.gen(function* () {
    if (request.method === "GET") {
      const { phase, running, waiting } = yield* TaskPool.stats
      return yield* reply(response, 200, JSON.stringify({ phase, running, waiting }))
    }
    const digest = yield* TaskPool.submit(hash(request), { maxWait: "30 seconds" })
    return yield* reply(response, 200, digest)
  }).pipe(
    // The pool is full, or the request waited too long: the client may try again, or elsewhere.
    Effect.catchTag("NotAvailable", () => reply(response, 503, "try again later")),
    Effect.catchCause((cause) => Effect.andThen(Effect.logError(cause), reply(response, 500, "failed")))
  )

const listen = (server: Server) =>
  Effect.callback<void>((resume) => void server.listen(process.env["PORT"] ?? 0, () => resume(Effect.void)))

// Stops listening, and waits until each request has its answer.
const stop = (server: Server) =>
  Effect.callback<void>((resume) => {
    console.log("draining")
    draining = true
    server.close(() => resume(Effect.sync(() => console.log("all requests answered"))))
  })

const main = Effect.gen(function* () {
  const context = yield* Effect.context<TaskPool>()
  const server = createServer((request, response) => void Effect.runForkWith(context)(handle(request, response)))
  yield* Effect.acquireRelease(listen(server), () => stop(server))
  console.log(`listening on http://localhost:${(server.address() as AddressInfo).port}`)
  return yield* Effect.never
})

const pool = AioFixedTaskPoolSimple.layer(4, { capacity: 8, onFull: "fail", shutdown: { onInterrupt: "drain" } })
NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(pool)))
