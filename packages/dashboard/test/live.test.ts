import { expect, it } from "@effect/vitest"
import { Dashboard, Protocol } from "@aio-task-pool/dashboard"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import { isolated, open, pool } from "./support/program.ts"

const decodeFrame = Schema.decodeUnknownSync(Protocol.Frame)
const decodeHello = Schema.decodeUnknownSync(Protocol.Hello)

interface LiveEvent {
  readonly type: string
  readonly id: string | undefined
  readonly data: unknown
}

/** Reads the events of a stream over a real socket. */
class Stream {
  readonly response: Response
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private buffer = ""
  private readonly events: Array<LiveEvent> = []

  constructor(response: Response) {
    this.response = response
    this.reader = response.body!.getReader()
  }

  static readonly open = (address: string, query = "") =>
    Effect.acquireRelease(
      Effect.promise(async () => new Stream(await fetch(`${address}/api/v1/live${query}`))),
      (stream) => stream.close
    )

  readonly close = Effect.promise(() => this.reader.cancel().catch(() => undefined))

  /** The next event; `undefined` when the stream has ended. */
  readonly next: Effect.Effect<LiveEvent | undefined> = Effect.promise(async () => {
    while (this.events.length === 0) {
      const { done, value } = await this.reader.read()
      if (done) return undefined
      this.buffer += new TextDecoder().decode(value)
      const parts = this.buffer.split("\n\n")
      this.buffer = parts.pop()!
      for (const part of parts) {
        const field = (name: string) => part.split("\n").find((line) => line.startsWith(`${name}: `))
        this.events.push({
          type: field("event")?.slice(7) ?? "message",
          id: field("id")?.slice(4),
          data: JSON.parse(field("data")!.slice(6))
        })
      }
    }
    return this.events.shift()
  })

  readonly frame = Effect.map(this.next, (event) => decodeFrame(event?.data))

  /** The first frame that satisfies a predicate. */
  frameWhere(predicate: (frame: Protocol.Frame) => boolean): Effect.Effect<Protocol.Frame> {
    return Effect.flatMap(this.frame, (frame) =>
      predicate(frame) ? Effect.succeed(frame) : this.frameWhere(predicate)
    )
  }
}

it.live("a stream begins with the past, and goes on with frames that follow the pools", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ hz: 50, history: "5 minutes" })
      const db = yield* pool("db", { size: 1 })
      const stream = yield* Stream.open(address)
      const hello = (yield* stream.next)!
      expect(hello.type).toBe("hello")
      expect(decodeHello(hello.data)).toMatchObject({ hz: 50, actions: false, history: 300 })
      expect(Object.keys(decodeHello(hello.data).sparks)).toEqual(["db"])

      const first = yield* stream.frame
      expect(first.pools).toHaveLength(1)
      expect(first.pools[0]).toMatchObject({ id: "db", name: "db", kind: "AioFixedTaskPoolSimple", state: "Open" })

      yield* Effect.forkScoped(db.submit(Effect.never))
      yield* Effect.forkScoped(db.submit(Effect.never))
      const busy = yield* stream.frameWhere(({ pools }) => pools[0]!.stats.waiting === 1)
      expect(busy.pools[0]!.stats).toMatchObject({ running: 1, size: 1, submitted: 2 })

      const second = yield* pool("db")
      yield* stream.frameWhere(({ pools }) => pools.some(({ id }) => id === "db#2"))
      yield* second.close()
      yield* stream.frameWhere(({ pools }) => pools.some(({ id, state }) => id === "db#2" && state === "Closed"))
    })
  )
)

it.live("events of a stream have growing ids", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ hz: 50 })
      const stream = yield* Stream.open(address)
      yield* stream.next
      const ids: Array<number> = []
      for (let index = 0; index < 4; index++) ids.push(Number((yield* stream.next)!.id))
      expect(ids).toEqual([...ids].sort((a, b) => a - b))
      expect(new Set(ids).size).toBe(4)
    })
  )
)

it.live("a stream for one pool lists its tasks by the names that the submitters gave", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ hz: 50 })
      const db = yield* pool("a/b?", { size: 1, capacity: 5 })
      for (const label of ["first", "second", "third"]) yield* Effect.forkScoped(db.submit(Effect.never, { label }))
      yield* db.awaitStats(({ waiting }) => waiting === 2)
      const stream = yield* Stream.open(address, `?pool=${encodeURIComponent("a/b?")}`)
      expect(decodeHello((yield* stream.next)!.data).series?.size).toEqual(expect.any(Array))
      yield* stream.frame
      yield* db.pause
      const { pool: detail } = yield* stream.frameWhere(({ pool }) => (pool?.events.length ?? 0) > 0)
      expect(detail!.running.map(({ label, state }) => `${label} ${state}`)).toEqual(["first Running"])
      expect(detail!.waiting.map(({ label }) => label)).toEqual(["second", "third"])
      expect(detail!.events.map(({ text }) => text)).toEqual(["paused"])
    })
  )
)

it.live("a pool that nobody has named is missing from the frame, and so is one that closes", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ hz: 50 })
      const unknown = yield* Stream.open(address, "?pool=none")
      yield* unknown.next
      expect((yield* unknown.frame).pool).toBeUndefined()

      const scope = yield* Scope.make()
      yield* Scope.provide(pool("short"), scope)
      const stream = yield* Stream.open(address, "?pool=short")
      yield* stream.next
      expect((yield* stream.frame).pool?.id).toBe("short")
      yield* Scope.close(scope, Exit.void)
      expect((yield* stream.frameWhere(({ pool }) => pool === undefined)).pools).toEqual([])
    })
  )
)

it.live("the answer of /api/v1/pools is a frame", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open()
      const db = yield* pool("db", { size: 3 })
      yield* db.resize(Infinity)
      const response = yield* Effect.promise(() => fetch(`${address}/api/v1/pools`))
      expect(response.headers.get("content-type")).toContain("application/json")
      const frame = decodeFrame(yield* Effect.promise(() => response.json()))
      expect(frame.pools[0]!.stats).toMatchObject({ targetSize: null, capacity: 100 })
    })
  )
)

it.live("the seventeenth stream is refused until one of the others has ended", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ hz: 50 })
      const streams = yield* Effect.forEach(Array.from({ length: 16 }), () => Stream.open(address))
      for (const stream of streams) expect((yield* stream.next)?.type).toBe("hello")
      const refused = yield* Effect.promise(() => fetch(`${address}/api/v1/live`))
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"])
      yield* Effect.promise(() => refused.text())
      // A request for the head alone takes no place for long.
      yield* streams[0]!.close
      const retry: Effect.Effect<number> = Effect.flatMap(
        Effect.promise(async () => (await fetch(`${address}/api/v1/live`, { method: "HEAD" })).status),
        (status) => (status === 503 ? Effect.andThen(Effect.sleep(5), retry) : Effect.succeed(status))
      )
      expect(yield* retry).toBe(200)
      expect(yield* retry).toBe(200)
    })
  )
)

it.live("closing the dashboard ends the streams of 16 open pages, and does not wait for them", () =>
  isolated(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { address } = yield* Scope.provide(open({ hz: 50 }), scope)
      const streams = yield* Effect.forEach(Array.from({ length: 16 }), () => Stream.open(address))
      for (const stream of streams) yield* stream.next
      // A server that waits for its open requests needs 20 seconds.
      yield* Effect.timeout(Scope.close(scope, Exit.void), "10 seconds")
      for (const stream of streams) {
        // A clean end: a connection that is cut rejects instead.
        let event = yield* stream.next
        while (event !== undefined) event = yield* stream.next
      }
    })
  )
)

/** Sends the beginning of a request and reads nothing. Returns the server's response, if it has begun one. */
const sendOnly = (address: string, first: string, rest: ReadonlyArray<string> = []) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sent: { response?: ServerResponse } = {}
      const onRequest = (message: unknown) => void Object.assign(sent, message)
      subscribe("http.server.request.start", onRequest)
      const { host, hostname, port } = new URL(address)
      const socket = connect(Number(port), hostname)
      // The server cuts the connection.
      socket.on("error", () => undefined)
      await once(socket, "connect")
      socket.pause()
      socket.write([first, `Host: ${host}`, ...rest, ""].join("\r\n"))
      return { sent, close: () => (unsubscribe("http.server.request.start", onRequest), socket.destroy()) }
    }),
    ({ close }) => Effect.sync(close)
  )

/** A page that does not read its stream, whose first frame is larger than the buffers of the connection. */
const openStalled = (address: string) =>
  Effect.gen(function* () {
    const name = "a".repeat(100_000)
    for (let index = 0; index < 100; index++) yield* pool(`${index} ${name}`)
    const { sent } = yield* sendOnly(
      address,
      `GET ${new URL(address).pathname.replace(/\/$/, "")}/api/v1/live HTTP/1.1`,
      [""]
    )
    while (sent.response?.writableNeedDrain !== true) yield* Effect.sleep(5)
  })

it.live.each([
  ["a page that does not read", (address: string) => openStalled(address)],
  ["a request whose headers do not end", (address: string) => sendOnly(address, "GET / HTTP/1.1")],
  [
    "a request whose body does not come",
    (address: string) =>
      sendOnly(address, "POST /api/v1/pools/db/resize HTTP/1.1", [
        "Authorization: Bearer secret",
        "Content-Length: 20",
        ""
      ])
  ]
] as const)("closing the dashboard does not wait for %s", ([, begin]) =>
  isolated(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { address } = yield* Scope.provide(open({ hz: 1, actions: true, token: "secret" }), scope)
      yield* pool("db")
      yield* begin(address)
      // The server has got what was sent before.
      yield* Effect.promise(() => fetch(`${address}/`).then((response) => response.text()))
      // Half a second is the promise. Without it the server needs 5 to 20 seconds.
      yield* Effect.timeout(Scope.close(scope, Exit.void), "3 seconds")
    })
  )
)

/** Mounts the dashboard in a program's own server. */
const mount = Effect.fnUntraced(function* (hz: number) {
  const { HttpRouter, NodeHttpServer } = yield* Effect.promise(() => import("../src/internal/unstable.ts"))
  const { createServer } = yield* Effect.promise(() => import("node:http"))
  const app = HttpRouter.serve(Dashboard.routes({ prefix: "/ops/pools", hz }))
  const layer = Layer.provideMerge(Dashboard.endStreams, app).pipe(
    Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )
  return yield* Effect.provide(Dashboard.address, yield* Layer.build(layer))
})

it.live("routes in a program's own server cut a page that does not read, if it provides endStreams", () =>
  isolated(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* openStalled(yield* Scope.provide(mount(1), scope))
      yield* Effect.timeout(Scope.close(scope, Exit.void), "3 seconds")
    })
  )
)

it.live("routes in a program's own server end their streams first, if it provides endStreams", () =>
  isolated(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const address = yield* Scope.provide(mount(50), scope)
      expect(new URL(address).pathname).toBe("/ops/pools")
      const page = yield* Effect.promise(() => fetch(`${address}/`))
      expect([page.status, page.url]).toEqual([200, `${address}/`])
      // Relative addresses of the page need the slash.
      const bare = yield* Effect.promise(() => fetch(address))
      expect([bare.status, bare.url]).toEqual([200, `${address}/`])
      const stream = yield* Stream.open(address)
      expect((yield* stream.next)?.type).toBe("hello")
      yield* Effect.timeout(Scope.close(scope, Exit.void), "10 seconds")
      let event = yield* stream.next
      while (event !== undefined) event = yield* stream.next
    })
  )
)

it.live("a port that is in use is an error with the address in its message", () =>
  isolated(
    Effect.gen(function* () {
      const { port } = yield* open()
      const error = yield* Effect.flip(open({ port }))
      expect(error).toMatchObject({ _tag: "DashboardError", reason: "NotListening" })
      expect(String(error)).toContain(`127.0.0.1:${port}`)
    })
  )
)

it.live("a host that is undefined, as from a missing variable of the environment, is the default", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open({ host: undefined })
      expect(new URL(address).hostname).toBe("127.0.0.1")
    })
  )
)

it("options out of range throw at the call", () => {
  const wrong: ReadonlyArray<readonly [string, object]> = [
    ["port", { port: -1 }],
    ["port", { port: 1.5 }],
    ["port", { port: "4980" }],
    ["hz", { hz: 0 }],
    ["hz", { hz: Number.NaN }],
    ["hz", { hz: 61 }],
    ["history", { history: "1 second" }],
    ["history", { history: "2 hours" }],
    ["history", { history: "soon" }],
    ["hz", { hz: "4" }],
    ["host", { host: "" }],
    ["host", { host: 5 }],
    ["actions", { actions: "false" }],
    ["metrics", { metrics: 0 }],
    ["token", { token: 5 }],
    // What splitting an empty variable of the environment gives.
    ["allowedHosts", { allowedHosts: [""] }],
    ["allowedHosts", { allowedHosts: "example.com" }],
    ["allowedHosts", { allowedHosts: [5] }],
    ["allowedHosts", { allowedHosts: ["http://example.com"] }],
    ["token", { token: "" }],
    ["token", { token: "with space" }],
    ["history", { history: null }],
    ["hz", { hz: Symbol("hz") }],
    ["port", { port: 5n }],
    ["host", { host: Object.create(null) }],
    ["options", 5 as never],
    ["colour", { colour: "blue" }]
  ]
  for (const [name, options] of wrong) {
    expect(() => Dashboard.layer(options)).toThrow(RangeError)
    expect(() => Dashboard.layer(options)).toThrow(name)
  }
  expect(() => Dashboard.routes({ prefix: "/" })).toThrow("prefix")
  expect(() => Dashboard.routes({ prefix: Symbol("/pools") as never })).toThrow("prefix must be like /pools")
  expect(() => Dashboard.layer(null as never)).toThrow("Dashboard.layer: options must be an object, got null")
  const allowedHosts = ["example.com", "pools.example.com:8080", "10.0.0.1", "[::1]:4980", "a_b"]
  expect(() => Dashboard.layer({ allowedHosts })).not.toThrow()
})
