/** Pools over TLS, on a server of their own. */
import { AioDistributedFixedTaskPoolSimple, BullMq, type BullMqOptions } from "@aio-task-pool/distributed/bullmq"
import { freePort, isAvailable, make } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { certificate, privateKey } from "./certificate.ts"
import { Gates, Pool, poolName, Work } from "./kit.ts"

/** The port of a server that speaks TLS. */
class TlsServer extends Context.Service<TlsServer, number>()("test/TlsServer") {
  static readonly layer = Layer.effect(
    TlsServer,
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "aio-tls-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") }
      yield* Effect.promise(() => writeFile(files.cert, certificate))
      yield* Effect.promise(() => writeFile(files.key, privateKey))
      const port = yield* freePort
      const secure = ["--tls-port", String(port), "--tls-cert-file", files.cert, "--tls-key-file", files.key]
      yield* make({ args: [...secure, "--tls-auth-clients", "no"] })
      return port
    })
  )
}

const poolOf = (connect: (port: number) => BullMqOptions) => {
  const pool = AioDistributedFixedTaskPoolSimple.layer(2, { tag: Pool, name: poolName() })
  return Layer.provide(pool, Layer.unwrap(Effect.map(TlsServer, (port) => BullMq.layer(connect(port)))))
}

const trusted = { ca: certificate }

/** Connections that must fail, and what the log says of them. */
const failing: Readonly<Record<string, readonly [connect: (port: number) => BullMqOptions, says: RegExp]>> = {
  "a certificate that nobody trusts": [(port) => ({ url: `rediss://127.0.0.1:${port}` }), /self-signed certificate/],
  "a certificate of another host": [
    (port) => ({ url: `rediss://127.0.0.1:${port}`, tls: { ...trusted, servername: "redis.example" } }),
    /does not match certificate/
  ],
  "an authority that is no certificate": [
    (port) => ({ url: `rediss://127.0.0.1:${port}`, tls: { ca: "-----BEGIN CERTIFICATE-----\nnone" } }),
    /does not answer yet: .+/
  ],
  "a check of the host that throws": [
    (port) => ({
      url: `rediss://127.0.0.1:${port}`,
      tls: {
        ...trusted,
        checkServerIdentity: () => {
          throw new Error("no such host here")
        }
      }
    }),
    /no such host here/
  ],
  "a connection without TLS": [(port) => ({ url: `redis://127.0.0.1:${port}` }), /does not answer yet: .+/]
}

describe.skipIf(!isAvailable("pools over TLS", { tls: true }))("a pool over TLS", () => {
  layer(TlsServer.layer, { excludeTestServices: true })((it) => {
    for (const [name, connect] of [
      ["a rediss:// URL", (port: number) => ({ url: `rediss://127.0.0.1:${port}`, tls: trusted })],
      ["the option tls", (port: number) => ({ url: `redis://localhost:${port}`, tls: trusted })]
    ] as const) {
      it.effect(`runs, fails and cancels tasks, with ${name}`, () => {
        const gates = new Gates()
        return Effect.gen(function* () {
          yield* Layer.build(Pool.worker([gates.handler], { concurrency: 2 }))
          assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
          const failing = yield* Pool.fork(Work, { key: "fails" })
          yield* gates.started("fails")
          yield* gates.fail("fails", "over TLS")
          assert.deepInclude(yield* Effect.flip(failing.join), { _tag: "Failed", why: "over TLS" })
          const running = yield* Pool.fork(Work, { key: "never" })
          yield* gates.started("never")
          yield* running.cancel
          assert.deepInclude(yield* Effect.flip(running.join), { _tag: "TaskCancelled", started: true })
          assert.deepInclude(yield* Pool.stats, { workers: 1, running: 0 })
        }).pipe(Effect.scoped, Effect.provide(poolOf(connect)))
      })
    }

    for (const [what, [connect, says]] of Object.entries(failing)) {
      it.effect(`refuses ${what}: operations are unreachable, one line says why, and nothing hangs`, () => {
        const lines: Array<string> = []
        const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
        return Effect.gen(function* () {
          const scope = yield* Scope.make()
          const pool = poolOf((port) => ({ ...connect(port), connectTimeout: "500 millis" }))
          const layer = Layer.provideMerge(Pool.worker([new Gates().handler], { concurrency: 1 }), pool)
          const context = yield* Layer.buildWithScope(Layer.provide(layer, logger), scope)
          const calls = [Pool.submit(Work, { key: "now" }), Pool.fork(Work, { key: "now" }), Pool.stats, Pool.resize(3)]
          for (const call of calls) {
            const error = yield* Effect.flip(Effect.provide(call as Effect.Effect<unknown, unknown, Pool>, context))
            assert.deepInclude(error, { _tag: "NotAvailable", reason: "Unreachable" })
          }
          yield* Scope.close(scope, Exit.void)
          assert.lengthOf(lines, 1, lines.join("\n"))
          assert.match(lines[0]!, says)
          assert.notInclude(lines[0]!, "PRIVATE")
        })
      })
    }

    it.effect("a pool that closes while a certificate is refused ends no process", () => {
      const uncaught: Array<Error> = []
      const note = (error: Error) => void uncaught.push(error)
      process.on("uncaughtExceptionMonitor", note)
      return Effect.gen(function* () {
        // Node's socket reports two errors if it is ended within the handshake, which the first rounds do.
        for (let round = 0; round < 20; round++) {
          const pool = poolOf((port) => ({ url: `rediss://127.0.0.1:${port}`, connectTimeout: 1 + round / 4 }))
          yield* Effect.scoped(Layer.build(pool))
        }
        yield* Effect.sleep(50)
        assert.deepStrictEqual(uncaught, [])
      }).pipe(Effect.ensuring(Effect.sync(() => process.off("uncaughtExceptionMonitor", note))))
    })
  })
})
