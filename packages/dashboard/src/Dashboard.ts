/**
 * Shows the task pools of a program in the browser: how many tasks run and wait, how long, why each pool has its size,
 * and what is wrong with it.
 *
 * **Example** (Opening the dashboard of a program)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 * import { Dashboard, Protocol } from "@aio-task-pool/dashboard"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* TaskPool.submit(Effect.log("sent"))
 *   const address = yield* Dashboard.address
 *   // A browser shows the page at this address. Programs read the same numbers.
 *   const response = yield* Effect.promise(() => fetch(`${address}${Protocol.paths.pools}`))
 *   return Schema.decodeUnknownSync(Protocol.Frame)(yield* Effect.promise(() => response.json()))
 * })
 *
 * const pool = AioFixedTaskPoolSimple.layer(2, { name: "mail" })
 * // The dashboard comes below the pools, so that it sees them from birth. A port of 0 takes any free one.
 * const layer = Layer.provideMerge(pool, Dashboard.layer({ port: 0 }))
 * const frame = await Effect.runPromise(Effect.provide(program, layer))
 * console.log(frame.pools.map(({ id, stats }) => `${id}: ${stats.succeeded} succeeded`)) // => ["mail: 1 succeeded"]
 * ```
 *
 * @since 0.1.0
 */
import { PoolRegistry, TaskPoolMetrics } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import type { RoutesOptions, ServerOptions } from "./DashboardOptions.ts"
import { Collector, quiet } from "./internal/collector.ts"
import { readPage } from "./internal/files.ts"
import { grace, Live } from "./internal/live.ts"
import { checkOptions, type Checked } from "./internal/options.ts"
import { hostsOf, isLoopback, randomToken } from "./internal/protection.ts"
import { addRoutes } from "./internal/routes.ts"
import { HttpMiddleware, HttpRouter, HttpServer, NodeHttpServer } from "./internal/unstable.ts"

/**
 * The dashboard could not be opened.
 *
 * - `"TokenMissing"`: the server accepts connections from other machines, and there is no token.
 * - `"NotListening"`: the server could not listen, for example because the port is in use.
 *
 * @category errors
 * @since 0.1.0
 */
export class DashboardError extends Data.TaggedError("DashboardError")<{
  /** The reason. */
  readonly reason: "TokenMissing" | "NotListening"
  /** The reason as a sentence. */
  readonly message: string
  /** What the server said, if it could not listen. */
  readonly cause?: unknown
}> {}

const isExposed = ({ host, token }: Checked): boolean => host !== undefined && !isLoopback(host) && token === undefined

const tokenMissing = (where: string, host: string) =>
  new DashboardError({
    reason: "TokenMissing",
    message: `${where}: the address ${host} can be reached from other machines, so a token is needed`
  })

/**
 * The dashboard of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class Dashboard extends Context.Service<
  Dashboard,
  {
    /** The address of the page, without a slash at its end. */
    readonly address: string
    /** Ends all open streams, and refuses new ones. A page that does not read its end in 200 ms is disconnected. */
    readonly endStreams: Effect.Effect<void>
  }
>()("@aio-task-pool/dashboard/Dashboard") {
  /** Returns the address of the page, such as `http://127.0.0.1:4980`. */
  static readonly address: Effect.Effect<string, never, Dashboard> = Effect.map(Dashboard, ({ address }) => address)

  /**
   * Ends the streams of open pages when its scope closes. Build it after the server, so that its finalizer runs first.
   *
   * @see {@link Dashboard.routes}
   */
  static readonly endStreams: Layer.Layer<never, never, Dashboard> = Layer.effectDiscard(
    Effect.flatMap(Dashboard, ({ endStreams }) => Effect.addFinalizer(() => endStreams))
  )

  /**
   * Adds the dashboard to the router of a program that has an HTTP server already.
   *
   * **Details**
   *
   * An open page holds a stream open, and a server waits for its open requests when it closes: 20 seconds by default. So
   * end the streams before that: provide `Dashboard.endStreams` from the served routes, and its finalizer runs first. It
   * disconnects pages that do not read the end of their stream in 200 ms.
   *
   * Fails with `DashboardError` if the server can be reached from other machines and there is no token. Throws
   * `RangeError` if an option is out of range.
   *
   * **Gotchas**
   *
   * A router finds no action of a pool whose name has more than 100 characters, unless its `routerConfig` has a larger
   * `maxParamLength`.
   *
   * **Example** (Mounting the dashboard in a server)
   *
   * ```ts
   * import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
   * import { Dashboard } from "@aio-task-pool/dashboard"
   * import { Effect, Layer } from "effect"
   * import { HttpRouter } from "effect/http"
   * import { createServer } from "node:http"
   *
   * const app = HttpRouter.serve(Dashboard.routes({ prefix: "/pools" }))
   * const layer = Layer.provideMerge(Dashboard.endStreams, app).pipe(
   *   Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
   * )
   *
   * const program = Effect.gen(function* () {
   *   const address = yield* Dashboard.address
   *   return yield* Effect.promise(async () => (await fetch(`${address}/`)).status)
   * })
   * await Effect.runPromise(Effect.provide(program, layer)) // => 200
   * ```
   */
  static readonly routes = (
    options: RoutesOptions = {}
  ): Layer.Layer<Dashboard, DashboardError, HttpRouter.HttpRouter | HttpServer.HttpServer> =>
    Layer.effect(Dashboard, make("Dashboard.routes", checkOptions("Dashboard.routes", options), false))

  /**
   * Serves the dashboard at an address of its own.
   *
   * **Details**
   *
   * Logs its address once, with a random token if there is one. Closing ends the streams of open pages first, and then
   * waits at most 200 ms for open requests. Fails with `DashboardError` if it cannot listen, or if other machines can
   * reach it and there is no token. Throws `RangeError` if an option is out of range.
   */
  static readonly layer = (options: ServerOptions = {}): Layer.Layer<Dashboard, DashboardError> => {
    const where = "Dashboard.layer"
    const checked = checkOptions(where, options, { port: 4980, host: "127.0.0.1" })
    const { host, port } = checked
    if (isExposed(checked)) return Layer.effect(Dashboard, Effect.fail(tokenMissing(where, host!)))
    const routes = Layer.effect(Dashboard, make(where, checked, true))
    const app = HttpRouter.serve(routes, {
      disableLogger: true,
      disableListenLog: true,
      routerConfig: { maxParamLength: 2000 }
    })
    const server = Layer.effect(HttpServer.HttpServer, listen(port, host!))
    return Layer.provideMerge(Dashboard.endStreams, app).pipe(
      Layer.provide(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)),
      Layer.provide(server),
      Layer.catchTag("ServeError", ({ cause }) =>
        Layer.effect(
          Dashboard,
          new DashboardError({
            reason: "NotListening",
            message: `${where}: cannot listen at ${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`,
            cause
          })
        )
      )
    )
  }
}

/** Opens a server whose connections are cut when it closes. */
const listen = Effect.fnUntraced(function* (port: number, host: string) {
  // Node answers a request without `Host` itself, and lets one of HTTP/1.0 through. Here both are refused alike.
  const server = createServer({ requireHostHeader: false })
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const service = yield* NodeHttpServer.make(() => server, { port, host, gracefulShutdownTimeout: grace })
  // Runs when the open requests have had their time. The server would wait for half a request, however long it takes.
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  return service
})

const make = Effect.fnUntraced(function* (where: string, options: Checked, alone: boolean) {
  const { actions, allowedHosts, history, hz, metrics, prefix } = options
  const scope = yield* Effect.scope
  const { address: bound } = yield* HttpServer.HttpServer
  const host = bound._tag === "UnixPathAddress" ? "localhost" : String(bound.address)
  const port = bound._tag === "UnixPathAddress" ? 80 : bound.port
  if (isExposed({ ...options, host })) return yield* tokenMissing(where, host)

  const registry = yield* PoolRegistry
  const token = options.token ?? (actions ? randomToken() : undefined)
  const isPrivate = isLoopback(host) && actions && allowedHosts.length === 0
  const wildcard = host === "0.0.0.0" || host === "::"
  const written = host.includes(":") ? `[${host}]` : host
  const protection = {
    hosts: hostsOf(port, wildcard ? allowedHosts : [...allowedHosts, written]),
    token,
    protectReads: options.token !== undefined && !isPrivate,
    actions
  }
  yield* PoolRegistry.measure
  if (metrics) yield* Layer.build(TaskPoolMetrics.layer)
  const collector = new Collector(registry, scope, history)
  yield* Effect.forkScoped(collector.run)
  const live = new Live()
  const tick = Effect.map(
    Effect.suspend(() => collector.frames(live.pools())),
    (frames) => live.send(frames)
  ).pipe(quiet)
  yield* Effect.forkScoped(
    Effect.forever(live.awaitClient.pipe(Effect.andThen(tick), Effect.andThen(Effect.sleep(1000 / hz))))
  )

  const router = yield* HttpRouter.HttpRouter
  const mounted = prefix === undefined ? router : router.prefixed(prefix)
  yield* addRoutes(mounted, {
    protection,
    collector,
    live,
    files: yield* readPage,
    hz,
    metrics,
    prefix: prefix ?? "",
    alone
  })

  const address = `http://${wildcard ? "127.0.0.1" : written}:${port}${prefix ?? ""}`
  // A token of the program's own is a secret that the log need not have.
  const fragment = token !== undefined && options.token === undefined ? `/#token=${token}` : ""
  yield* Effect.logInfo(`dashboard: ${address}${fragment}`)
  return Dashboard.of({ address, endStreams: live.end })
})
