/** The routes of the dashboard. Each answer has the protecting headers, and each request is checked before it is read. */
import type { LocalPoolEntry, PoolStats } from "@aio-task-pool/core"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { paths, ResizeBody } from "../Protocol.ts"
import type { Collector } from "./collector.ts"
import { type PageFile } from "./files.ts"
import type { Live } from "./live.ts"
import { isLocal } from "./watch.ts"
import { type Access, headers, type Protection, refusalOf } from "./protection.ts"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
  PrometheusMetrics
} from "./unstable.ts"

type Response = HttpServerResponse.HttpServerResponse
type Request = HttpServerRequest.HttpServerRequest

export interface RouteOptions {
  readonly protection: Protection
  readonly collector: Collector
  readonly live: Live
  readonly files: ReadonlyArray<PageFile>
  readonly hz: number
  readonly metrics: boolean
  readonly prefix: string
  /** Whether all other paths are the dashboard's too. */
  readonly alone: boolean
}

const text = (message: string, status: number, more: Readonly<Record<string, string>> = {}): Response =>
  HttpServerResponse.text(`${message}\n`, { status, headers: more })

const json = (body: string): Response => HttpServerResponse.text(body, { contentType: "application/json" })

/** Whether the request is for the prefix without a slash at its end. */
const isBare = ({ originalUrl }: Request): boolean => !new URL(originalUrl, "http://dashboard").pathname.endsWith("/")

/** The most bytes of a request's body. */
const longestBody = ByteSize.bytes(1000)

const guard =
  (protection: Protection) =>
  <E, R>(access: Access, handle: (request: Request) => Effect.Effect<Response, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const refusal = refusalOf(protection, access, request.headers)
      const challenge = refusal?.status === 401 ? { "www-authenticate": "Bearer" } : {}
      return refusal === undefined ? handle(request) : Effect.succeed(text(refusal.message, refusal.status, challenge))
    }).pipe(
      Effect.catchDefect((defect) =>
        Effect.as(Effect.logError("dashboard: a request died", defect), text("The dashboard failed.", 500))
      ),
      Effect.map(HttpServerResponse.setHeaders(headers))
    )

/** Adds the routes to a router. */
export const addRoutes = Effect.fnUntraced(function* (router: HttpRouter.HttpRouter, options: RouteOptions) {
  const { alone, collector, files, hz, live, metrics, prefix, protection } = options
  const { actions } = protection
  const guarded = guard(protection)

  for (const { body, path, type } of files) {
    const response = HttpServerResponse.uint8Array(body, { contentType: type })
    yield* router.add(
      "GET",
      path,
      guarded("page", (request) =>
        // The page's addresses are relative: below `/pools` they would be beside it.
        Effect.succeed(path === "/" && isBare(request) ? HttpServerResponse.redirect(`${prefix}/`) : response)
      )
    )
  }

  yield* router.add(
    "GET",
    paths.pools,
    guarded("read", () => Effect.map(collector.frames([undefined]), (frames) => json(frames.get(undefined)!)))
  )

  yield* router.add(
    "GET",
    paths.live,
    guarded("read", (request) =>
      Effect.gen(function* () {
        const pool = new URL(request.url, "http://dashboard").searchParams.get("pool") ?? undefined
        const frames = yield* collector.frames([pool])
        const hello = JSON.stringify(collector.hello(pool, { hz, actions }, yield* Clock.currentTimeMillis))
        const stream = yield* live.open(pool, hello, frames.get(pool)!)
        return stream === undefined
          ? text("Too many pages are open. Close one of the others.", 503, { "retry-after": "5" })
          : HttpServerResponse.stream(stream, { contentType: "text/event-stream" })
      })
    )
  )

  if (metrics) {
    yield* router.add(
      "GET",
      paths.metrics,
      guarded("read", () =>
        Effect.map(PrometheusMetrics.format(), (body) =>
          HttpServerResponse.text(body, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
        )
      )
    )
  }

  const act = (name: "pause" | "resume" | "resize", change: Change) =>
    router.add(
      "POST",
      `/api/v1/pools/:id/${name}`,
      guarded("act", (request) =>
        Effect.gen(function* () {
          const { id = "" } = yield* HttpRouter.params
          const entry = yield* collector.pool(id)
          if (entry === undefined) return text(`There is no pool ${JSON.stringify(id)}.`, 404)
          if (!isLocal(entry)) {
            return text(`The pool ${JSON.stringify(id)} is a distributed one, which cannot be changed from here.`, 400)
          }
          const { service } = entry
          const before = yield* service.stats
          if (before.phase === "Closed") return text(`The pool ${JSON.stringify(id)} is closed.`, 400)
          const problem = yield* change(entry, request)
          if (problem !== undefined) return text(problem, 400)
          const after = yield* service.stats
          yield* logAction(name, entry, before, after, request)
          return json(JSON.stringify(after))
        })
      )
    )
  yield* act("pause", ({ service }) => Effect.as(service.pause, undefined))
  yield* act("resume", ({ service }) => Effect.as(service.resume, undefined))
  yield* act("resize", resize)

  if (alone) {
    const nothing = guarded("page", () => Effect.succeed(text("There is nothing here.", 404)))
    // One route for all methods would also get the HEAD requests for the routes above.
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
      yield* router.add(method, "/*", nothing)
    }
    // No route takes another method, or a path that cannot be decoded.
    yield* router.addGlobalMiddleware(<E>(answer: Effect.Effect<Response, E>): Effect.Effect<Response, E, Request> =>
      Effect.catchIf(
        answer,
        (error) => HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound",
        () => nothing
      )
    )
  }
})

/** Changes a pool. Returns what is wrong with the request, if anything is. */
type Change = (entry: LocalPoolEntry, request: Request) => Effect.Effect<string | undefined>

const decodeSize = Schema.decodeUnknownEffect(Schema.fromJsonString(ResizeBody))

const resize: Change = ({ service }, request) =>
  Effect.gen(function* () {
    const body = yield* Effect.provideService(request.text, HttpIncomingMessage.MaxBodySize, longestBody)
    const { size } = yield* decodeSize(body)
    yield* service.resize(size)
    return undefined
  }).pipe(
    // A pool rejects sizes outside its bounds.
    Effect.catchDefect((defect) =>
      defect instanceof RangeError ? Effect.succeed(defect.message) : Effect.die(defect)
    ),
    Effect.catch((error) => Effect.succeed(`The body must be { "size": n }, n an integer >= 0: ${problemOf(error)}`))
  )

const problemOf = (error: { readonly _tag: string; readonly message: string }): string =>
  error._tag === "SchemaError" ? error.message : "it could not be read."

const logAction = (
  name: "pause" | "resume" | "resize",
  { kind, name: pool }: LocalPoolEntry,
  before: PoolStats,
  after: PoolStats,
  request: Request
) =>
  Effect.logInfo(`dashboard: ${name}`).pipe(
    Effect.annotateLogs({
      "task_pool.name": pool,
      "task_pool.kind": kind,
      from: name === "resize" ? before.targetSize : before.phase,
      to: name === "resize" ? after.targetSize : after.phase,
      remote: Option.getOrElse(request.remoteAddress, () => "unknown")
    })
  )
