/**
 * Starts a Redis server for tests of distributed pools, on a free port and in a directory of its own.
 *
 * Needs `redis-server` on the PATH. If the environment variable `REDIS_URL` is set, `layer` uses that server and starts
 * none.
 *
 * @since 0.3.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { createConnection, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { env } from "node:process"

/**
 * A running Redis server.
 *
 * @category models
 * @since 0.3.0
 */
export interface RedisServerService {
  /** The server's address, such as `redis://127.0.0.1:6379`. */
  readonly url: string
  /** Ends the server with SIGKILL, and waits until its process has ended. */
  readonly kill: Effect.Effect<void>
  /** Starts the server again on the same port, with the data on disk, and waits until it answers. */
  readonly start: Effect.Effect<void>
  /** Stops the server's process with SIGSTOP: connections stay open, and nothing answers. */
  readonly freeze: Effect.Effect<void>
  /** Lets a frozen server continue. */
  readonly thaw: Effect.Effect<void>
}

/**
 * The service of a Redis server for tests.
 *
 * @category services
 * @since 0.3.0
 */
export class RedisServer extends Context.Service<RedisServer, RedisServerService>()(
  "@aio-task-pool/testing/RedisServer"
) {
  /** Starts a server, or uses the one that `REDIS_URL` names. */
  static readonly layer: Layer.Layer<RedisServer> = Layer.effect(
    RedisServer,
    Effect.suspend(() => {
      const url = env["REDIS_URL"]
      return url === undefined || url === "" ? make() : Effect.succeed(external(url))
    })
  )

  /** Starts a server that keeps its data on disk, so that a test may kill and restart it. Ignores `REDIS_URL`. */
  static readonly layerPersistent: Layer.Layer<RedisServer> = Layer.effect(
    RedisServer,
    Effect.suspend(() => make({ persistent: true }))
  )

  /** Starts a server that forgets everything when a test kills it. Ignores `REDIS_URL`. */
  static readonly layerVolatile: Layer.Layer<RedisServer> = Layer.effect(
    RedisServer,
    Effect.suspend(() => make())
  )
}

/**
 * Returns whether the tests have a Redis server to run against: `redis-server` on the PATH, or `REDIS_URL`.
 *
 * **Details**
 *
 * With `{ own: true }` only `redis-server` counts, for tests that kill their server. With `{ tls: true }` it must also
 * have TLS. If there is none, prints one line that names what is skipped. Throws if `CI` is `true`, where nothing may be
 * skipped silently.
 *
 * @category guards
 * @since 0.3.0
 */
export const isAvailable = (
  what: string,
  options: { readonly own?: boolean | undefined; readonly tls?: boolean | undefined } = {}
): boolean => {
  const { tls = false, own = tls } = options
  if (!own && env["REDIS_URL"] !== undefined && env["REDIS_URL"] !== "") return true
  const isThere = spawnSync("redis-server", ["--version"]).status === 0
  if (isThere && (!tls || hasTls())) return true
  const missing = isThere ? "redis-server was built without TLS" : "redis-server is not on the PATH"
  const reason = `${what}: ${missing}${own ? "" : ", and REDIS_URL is not set"}`
  if (env["CI"] === "true") throw new Error(reason)
  process.stdout.write(`skipped ${reason}\n`)
  return false
}

/** Starts a server whose TLS has no certificate, so that it ends at once. One that has no TLS refuses the argument. */
const hasTls = (): boolean => {
  const { stderr, stdout } = spawnSync("redis-server", ["--port", "0", "--tls-port", "1"], { encoding: "utf8" })
  return /configure TLS/i.test(stdout + stderr)
}

const external = (url: string): RedisServerService => {
  const refuse = Effect.die(new Error("a server of REDIS_URL is not the test's own, and cannot be killed"))
  return { url, kill: refuse, start: refuse, freeze: refuse, thaw: refuse }
}

/**
 * Makes a server that ends with the scope.
 *
 * **Details**
 *
 * `port` is the port to listen on, default a free one. With `persistent` the server writes its append-only file after
 * each command. `args` are more arguments of `redis-server`, such as those of TLS.
 *
 * @category constructors
 * @since 0.3.0
 */
export const make = Effect.fnUntraced(function* (
  options: {
    readonly persistent?: boolean | undefined
    readonly port?: number | undefined
    readonly args?: ReadonlyArray<string> | undefined
  } = {}
): Effect.fn.Return<RedisServerService, never, Scope.Scope> {
  const { args = [], persistent = false } = options
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "aio-redis-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const port = options.port ?? (yield* freePort)
  let child: ChildProcess | undefined

  const start = Effect.gen(function* () {
    child = spawn(
      "redis-server",
      [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        directory,
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
        "--appendonly",
        persistent ? "yes" : "no",
        "--appendfsync",
        "always",
        ...args
      ],
      { stdio: "ignore" }
    )
    // Polls in real time, because only the server's socket says when it answers.
    yield* Effect.retry(ping(port), { schedule: Schedule.spaced(20), times: 500 }).pipe(
      Effect.catch((answer) => Effect.die(new Error(`redis-server answered ${answer}`)))
    )
  })

  const kill = Effect.callback<void>((resume) => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return resume(Effect.void)
    running.once("exit", () => resume(Effect.void))
    running.kill("SIGKILL")
  })

  const signal = (name: NodeJS.Signals) => Effect.sync(() => void child?.kill(name))

  yield* Effect.acquireRelease(start, () => kill)
  return { url: `redis://127.0.0.1:${port}`, kill, start, freeze: signal("SIGSTOP"), thaw: signal("SIGCONT") }
})

/** Returns a port on which nothing listens. */
export const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Asks the server for PONG, at most for a second. Fails with what it answers instead. */
const ping = (port: number): Effect.Effect<void, string> =>
  Effect.callback((resume) => {
    const socket = createConnection({ port, host: "127.0.0.1", timeout: 1000 }, () => socket.write("PING\r\n"))
    const end = (answer: string) => {
      socket.destroy()
      resume(answer.startsWith("+PONG") ? Effect.void : Effect.fail(answer))
    }
    socket.once("data", (data) => end(data.toString()))
    socket.once("error", (error) => end(error.message))
    socket.once("timeout", () => end("nothing"))
    return Effect.sync(() => socket.destroy())
  })
