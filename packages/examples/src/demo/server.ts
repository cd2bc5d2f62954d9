/**
 * A file server with a real IO limit, as a separate program. It prints its address on the first line and ends when its
 * standard input ends, so it never outlives the process that started it.
 *
 * Its limit is like that of a disk, a database or a remote service: it handles `limit` requests at once, lets `backlog`
 * more wait, and rejects the others with 503. A request with an API key has a rate limit too: in any second the server
 * accepts `rate` requests of a key, and rejects the others with 429 and a `Retry-After`.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { listFiles } from "./files.ts"
import type { ServerLoad, ServerOptions } from "./serverProcess.ts"

/** Runs at most `limit` effects at once and lets `backlog` more wait; returns `None` for the others. */
const makeIoLimit = ({ backlog, limit }: ServerOptions) => {
  const room = Semaphore.makeUnsafe(limit + backlog)
  const desk = Semaphore.makeUnsafe(limit)
  return <A, E, R>(work: Effect.Effect<A, E, R>) => room.withPermitsIfAvailable(1)(desk.withPermits(1)(work))
}

/** Accepts at most `rate` requests of each key in any second. */
const makeRateLimit = ({ rate }: ServerOptions) => {
  const accepted = new Map<string, Array<number>>()
  return (key: string): boolean => {
    const now = performance.now()
    const recent = (accepted.get(key) ?? []).filter((time) => time > now - 1000)
    const isAccepted = recent.length < rate
    if (isAccepted) recent.push(now)
    accepted.set(key, recent)
    return isAccepted
  }
}

const routes = (options: ServerOptions) =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const fileSystem = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const known = new Set(yield* Effect.orDie(listFiles(options.root)))
      const withinLimit = makeIoLimit(options)
      const withinRate = makeRateLimit(options)
      const load = { active: 0, mostActive: 0, served: 0, rejected: 0, limited: {} as Record<string, number> }

      const read = Effect.fnUntraced(
        function* (path: string) {
          load.mostActive = Math.max(load.mostActive, ++load.active)
          const body = yield* Effect.orDie(fileSystem.readFile(join(options.root, path)))
          yield* Effect.sleep(options.cost)
          return body
        },
        Effect.ensuring(Effect.sync(() => load.active--))
      )

      yield* router.add(
        "GET",
        "/files/*",
        Effect.fnUntraced(function* ({ headers, url }) {
          const path = decodeURIComponent(url.slice("/files/".length))
          if (!known.has(path)) return HttpServerResponse.empty({ status: 404 })
          const key = headers["x-api-key"]
          if (key !== undefined && !withinRate(key)) {
            load.limited[key] = (load.limited[key] ?? 0) + 1
            return HttpServerResponse.empty({ status: 429, headers: { "retry-after": "1" } })
          }
          const body = yield* withinLimit(read(path))
          if (Option.isNone(body)) {
            load.rejected++
            return HttpServerResponse.empty({ status: 503, headers: { "retry-after": "1" } })
          }
          load.served++
          return HttpServerResponse.uint8Array(body.value, { contentType: "text/plain; charset=utf-8" })
        })
      )
      yield* router.add(
        "GET",
        "/load",
        Effect.sync(() => HttpServerResponse.jsonUnsafe(load satisfies ServerLoad))
      )
    })
  )

/** The server on a free port of 127.0.0.1. */
const layer = (options: ServerOptions) =>
  HttpRouter.serve(routes(options), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(
      NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 60_000 }), {
        host: "127.0.0.1",
        port: 0,
        // This server accepts every connection, so that it rejects with a response and not with lost packets.
        backlog: 4096,
        gracefulShutdownTimeout: "1 second"
      })
    )
  )

const server = Command.make(
  "server",
  {
    root: Flag.Directory("root").pipe(Flag.withDescription("Folder whose .ts files are served")),
    limit: Flag.Int("limit").pipe(Flag.withDescription("Requests handled at once")),
    backlog: Flag.Int("backlog").pipe(Flag.withDescription("Requests that may wait")),
    cost: Flag.Int("cost").pipe(Flag.withDescription("Milliseconds that a request keeps the disk busy")),
    rate: Flag.Int("rate").pipe(Flag.withDescription("Requests accepted in any second from one API key"))
  },
  (options) =>
    HttpServer.addressFormattedWith(Console.log).pipe(
      Effect.andThen(Stdio.Stdio),
      Effect.flatMap((stdio) => Stream.runDrain(stdio.stdin)),
      Effect.provide(layer(options))
    )
).pipe(Command.withDescription("Serves files with an IO limit until its standard input ends."))

NodeRuntime.runMain(Effect.provide(Command.run(server, { version: "0.0.0" }), NodeServices.layer))
