/** What a pool on Redis promises beside the laws: its connection, its traces, its log, and how long a canceller waits. */
import { DistributedTask } from "@aio-task-pool/distributed"
import { BullMq, type BullMqOptions } from "@aio-task-pool/distributed/bullmq"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Redacted, Schema, Tracer } from "effect"
import { eventually, Gates, kinds, Pool, poolLayer, poolName, rawClient, Work } from "./kit.ts"

const password = "hunter2"
/** The rights that the guide names. */
const rights = "~aio:* &* +@all -@admin -@dangerous +info +client|list +client|setname +client|id"

/** What the pools of a test log. */
const logged = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${String(cause)}`))
  return { lines, layer: Logger.layer([logger]) }
}

const pool = (options: Omit<BullMqOptions, "url">, name = poolName()) =>
  Layer.unwrap(
    Effect.map(RedisServer, ({ url }) =>
      Layer.provide(kinds.Priority.layer(2, { tag: Pool, name }), BullMq.layer({ url, ...options }))
    )
  )

describe.skipIf(!isAvailable("the contract of pools on Redis", { own: true }))("a pool on Redis", () => {
  layer(RedisServer.layerVolatile, { excludeTestServices: true })((it) => {
    it.effect("needs no more rights than the guide names, and logs no password", () => {
      const log = logged()
      const gates = new Gates()
      const user = { username: "pools", password: Redacted.make(password) }
      const everything = Effect.gen(function* () {
        yield* Layer.build(Pool.worker([gates.handler], { concurrency: 2 }))
        assert.strictEqual(yield* Pool.submit(Work, { key: "now" }, { id: "1", weight: 1 }), "now")
        assert.strictEqual(yield* (yield* Pool.attach(Work, "1")).join, "now")
        const running = yield* Pool.fork(Work, { key: "running" })
        yield* gates.started("running")
        yield* running.cancel
        yield* Pool.holdDispatch
        const waiting = yield* Pool.fork(Work, { key: "waiting" })
        yield* waiting.reprioritize(0)
        yield* waiting.cancel
        yield* Pool.releaseDispatch
        yield* Pool.pause
        yield* Pool.resume
        assert.strictEqual(yield* Pool.resize(7), 7)
        assert.deepInclude(yield* Pool.stats, { targetSize: 7, running: 0, waiting: 0, workers: 1 })
      })
      return Effect.gen(function* () {
        const raw = yield* rawClient
        yield* Effect.promise(() => raw.call("ACL", "SETUSER", "pools", "on", `>${password}`, ...rights.split(" ")))
        yield* Effect.provide(Effect.scoped(everything), pool(user))
        // Another prefix is not among the rights, and a wrong password has none.
        for (const refused of [
          { ...user, prefix: "other" },
          { ...user, password: Redacted.make(`${password}!`) }
        ]) {
          const error = yield* Effect.flip(Effect.provide(Pool.stats, pool({ ...refused, connectTimeout: 200 })))
          assert.deepInclude(error, { _tag: "NotAvailable", reason: "Unreachable" })
        }
        const text = log.lines.join("\n")
        assert.include(text, "NOPERM")
        assert.include(text, "WRONGPASS")
        assert.notInclude(text, password)
      }).pipe(Effect.scoped, Effect.provide(log.layer))
    })

    it.effect("is another pool under another prefix", () => {
      const name = poolName()
      return Effect.gen(function* () {
        yield* Effect.provide(Pool.fork(Work, { key: "a" }, { id: "1" }), pool({ prefix: "a" }, name))
        const count = Effect.map(Pool.stats, ({ waiting }) => waiting)
        assert.strictEqual(yield* Effect.provide(count, pool({ prefix: "a" }, name)), 1)
        assert.strictEqual(yield* Effect.provide(count, pool({ prefix: "b" }, name)), 0)
      })
    })

    it.effect("warns once of a server that evicts keys", () => {
      const log = logged()
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const warnings = () => log.lines.filter((line) => line.includes("noeviction"))
        yield* Effect.provide(Pool.stats, poolLayer())
        yield* Effect.promise(() => raw.config("SET", "maxmemory-policy", "allkeys-lru"))
        yield* Effect.provide(
          eventually(
            Effect.sync(() => warnings().length),
            (count) => count > 0
          ),
          poolLayer()
        )
        assert.strictEqual(warnings().length, 1)
        assert.include(warnings()[0], "allkeys-lru")
      }).pipe(
        Effect.ensuring(
          Effect.flatMap(rawClient, (raw) => Effect.promise(() => raw.config("SET", "maxmemory-policy", "noeviction")))
        ),
        Effect.scoped,
        Effect.provide(log.layer)
      )
    })

    it.effect("continues the trace of the submitter in the worker", () => {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const Traced = DistributedTask.make("traced", { success: Schema.String })
      const handler = Traced.handle(() => Effect.map(Effect.orDie(Effect.currentSpan), ({ traceId }) => traceId))
      const name = poolName()
      return Effect.gen(function* () {
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        const outer = yield* Effect.makeSpan("outer")
        const traceId = yield* Effect.withParentSpan(Pool.submit(Traced, undefined), outer)
        assert.strictEqual(traceId, outer.traceId)
        const sent = spans.find((span) => span.name === "DistributedTaskPool.submit")!
        const run = spans.find((span) => span.name === "DistributedTask.run")!
        assert.strictEqual(run.parent._tag === "Some" && run.parent.value.spanId, sent.spanId)
        assert.deepInclude(Object.fromEntries(sent.attributes), { pool: name, task: "traced" })
        assert.deepInclude(Object.fromEntries(run.attributes), { pool: name, task: "traced", attempt: 1, stalls: 0 })
      }).pipe(Effect.scoped, Effect.withTracer(tracer), Effect.provide(poolLayer({ name })))
    })

    it.effect(
      "lets a canceller and an interrupted submitter wait for finalizers no longer than interruptTimeout",
      () => {
        const started = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
        const end = Deferred.makeUnsafe<void>()
        const handler = Work.handle(({ key }) =>
          Effect.uninterruptible(
            Effect.andThen(Deferred.succeed(started[Number(key)]!, undefined), Effect.as(Deferred.await(end), key))
          )
        )
        return Effect.gen(function* () {
          yield* Layer.build(Pool.worker([handler], { concurrency: 2 }))
          const handle = yield* Pool.fork(Work, { key: "0" })
          const submitted = yield* Effect.forkChild(Pool.submit(Work, { key: "1" }))
          for (const each of started) yield* Deferred.await(each)
          yield* Effect.all([handle.cancel, Fiber.interrupt(submitted)], { concurrency: "unbounded" })
          // Nobody has ended the handlers.
          assert.deepInclude(yield* Pool.stats, { running: 2 })
          yield* Deferred.succeed(end, undefined)
          yield* handle.await
        }).pipe(Effect.scoped, Effect.provide(poolLayer({ size: 2 })))
      }
    )
  })
})
