/** What submitters, handlers and closing pools are told while the broker is frozen or away. Each test has its own server. */
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { eventually, Gates, Pool, poolLayer, rawClient, Work } from "./kit.ts"

/** Real time, because ioredis and a frozen server know no other. */
const outage = (
  sentence: string,
  body: Effect.Effect<unknown, unknown, any>,
  connectTimeout: number,
  server = RedisServer.layerVolatile
) =>
  it.live(sentence, () => {
    const pool = poolLayer({ size: 4, sweep: 2 * connectTimeout }, { connectTimeout })
    return body.pipe(Effect.scoped, Effect.provide(pool), Effect.provide(server)) as Effect.Effect<void>
  })

/** Begins to wait until the pool has lost the broker. */
const awaitUnreachable = Effect.suspend(() =>
  Effect.forkChild(Stream.runHead(Stream.filter(Pool.events, ({ _tag }) => _tag === "Unreachable")), {
    startImmediately: true
  })
)

/** Kills the server, and waits until the pool has seen it. */
const kill = Effect.gen(function* () {
  const server = yield* RedisServer
  const unreachable = yield* awaitUnreachable
  yield* server.kill
  yield* Fiber.join(unreachable)
  return server
})

/** Freezes the server, and lets it continue when the test ends: its clients could not end otherwise. */
const freeze = Effect.flatMap(RedisServer, (server) => Effect.acquireRelease(server.freeze, () => server.thaw))

const submit = Pool.submit(Work, { key: "a" })

describe.skipIf(!isAvailable("outages of the broker", { own: true }))("while the broker does not answer", () => {
  outage(
    "tasks on their way learn soon that the pool has closed",
    Effect.gen(function* () {
      // The first task has the events read, which a frozen broker would delay.
      yield* Pool.fork(Work, { key: "first" })
      yield* freeze
      const tasks = [
        submit,
        Pool.submit(Work, { key: "a" }, { id: "a" }),
        Pool.fork(Work, { key: "a" }),
        Pool.fork(Work, { key: "a" }, { id: "b" })
      ]
      const fibers = yield* Effect.forEach(tasks, (task) =>
        Effect.forkChild(Effect.flip<unknown, unknown, Pool>(task), { startImmediately: true })
      )
      yield* Effect.sleep(50)
      yield* Pool.close()
      for (const fiber of fibers) {
        const error = yield* Effect.timeout(Fiber.join(fiber), "3 seconds")
        assert.deepInclude(error, { _tag: "NotAvailable", reason: "Closed" })
      }
    }),
    60_000
  )

  outage(
    "an interrupted submitter waits a short time, and its task is removed when the broker is back",
    Effect.gen(function* () {
      const waiting = Effect.map(Pool.stats, (stats) => stats.waiting)
      const submitter = yield* Effect.forkChild(submit, { startImmediately: true })
      yield* eventually(waiting, (count) => count === 1)
      const server = yield* kill
      yield* Effect.timeout(Fiber.interrupt(submitter), "10 seconds")
      yield* server.start
      yield* eventually(waiting, (count) => count === 0)
    }),
    60_000,
    RedisServer.layerPersistent
  )

  outage(
    "cancelling a task fails, and leaves the task",
    Effect.gen(function* () {
      const handle = yield* Pool.fork(Work, { key: "a" })
      const server = yield* kill
      assert.deepInclude(yield* Effect.flip(handle.cancel), { _tag: "NotAvailable", reason: "Unreachable" })
      yield* server.start
      const retry = Effect.catchTag(handle.state, "NotAvailable", () => Effect.succeed("Unreachable"))
      yield* eventually(retry, (state) => state !== "Unreachable")
      // A cancellation would be repeated after a second.
      yield* Effect.sleep(1500)
      assert.strictEqual(yield* handle.state, "Waiting")
    }),
    300,
    RedisServer.layerPersistent
  )

  outage(
    "an interrupted submitter's named task is removed, also after its sending counts as unreachable",
    Effect.gen(function* () {
      const raw = yield* rawClient
      const { name } = yield* Pool
      yield* Pool.fork(Work, { key: "first" })
      const server = yield* RedisServer
      yield* freeze
      const unreachable = yield* awaitUnreachable
      const submitter = yield* Effect.forkChild(Pool.submit(Work, { key: "a" }, { id: "a" }), {
        startImmediately: true
      })
      yield* Effect.sleep(50)
      yield* Fiber.interrupt(submitter)
      yield* Fiber.join(unreachable)
      yield* server.thaw
      const events = Effect.promise(() => raw.xrange(`aio:${name}:events`, "-", "+"))
      yield* eventually(events, (entries) => entries.some(([, fields]) => fields.includes("removed")))
    }),
    300
  )

  outage(
    "a submitter of a broker that no longer answers waits for connectTimeout, and not twice",
    Effect.gen(function* () {
      yield* Pool.fork(Work, { key: "first" })
      yield* freeze
      const begin = performance.now()
      const errors = yield* Effect.all([Effect.flip(submit), Effect.flip(Pool.stats)], { concurrency: "unbounded" })
      for (const error of errors) assert.deepInclude(error, { _tag: "NotAvailable", reason: "Unreachable" })
      // The pool asks every half second whether the broker answers.
      assert.isBelow(performance.now() - begin, 5500)
    }),
    3000
  )

  for (const how of ["is away", "is frozen"]) {
    outage(
      `a handler that reports progress goes on while the broker ${how}`,
      Effect.gen(function* () {
        const [started, stopped, reported] = yield* Effect.all([
          Deferred.make<void>(),
          Deferred.make<void>(),
          Deferred.make<void>()
        ])
        const handler = Work.handle(({ key }, { progress }) =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Deferred.await(stopped)),
            Effect.andThen(progress({ step: 1 })),
            Effect.andThen(Deferred.succeed(reported, undefined)),
            Effect.as(key)
          )
        )
        yield* Layer.build(Pool.worker([handler], { concurrency: 1, lease: "1 minute" }))
        const submitter = yield* Effect.forkChild(submit)
        yield* Deferred.await(started)
        const server = yield* how === "is away" ? kill : Effect.andThen(freeze, RedisServer)
        yield* Deferred.succeed(stopped, undefined)
        yield* Deferred.await(reported)
        yield* how === "is away" ? server.start : server.thaw
        assert.strictEqual(yield* Fiber.join(submitter), "a")
      }),
      60_000,
      RedisServer.layerPersistent
    )
  }

  outage(
    "a submit that is refused because the broker has no memory left leaves the result of its ID",
    Effect.gen(function* () {
      const raw = yield* rawClient
      const limit = (bytes: number) => Effect.promise(() => raw.config("SET", "maxmemory", bytes))
      yield* Layer.build(Pool.worker([new Gates().handler], { concurrency: 1 }))
      assert.strictEqual(yield* Pool.submit(Work, { key: "now 1" }, { id: "kept" }), "now 1")
      yield* limit(1)
      const refused = yield* Effect.flip(Pool.submit(Work, { key: "now 2" }, { id: "kept" }))
      assert.deepInclude(refused, { _tag: "NotAvailable", reason: "Unreachable" })
      yield* limit(0)
      assert.strictEqual(yield* Pool.submit(Work, { key: "now 3" }, { id: "kept" }), "now 1")
    }),
    60_000
  )

  outage(
    "durations of more than 24 days do not count as none",
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const onWarning = (warning: Error) => void warnings.push(warning.message)
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("warning", onWarning)),
        () => Effect.sync(() => process.off("warning", onWarning))
      )
      const options = { concurrency: 1, lease: "60 days", stalledCheck: "60 days" } as const
      yield* Layer.build(Pool.worker([new Gates().handler], options))
      assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
      const server = yield* kill
      yield* server.start
      assert.strictEqual(yield* Pool.submit(Work, { key: "now again" }), "now again")
      assert.deepStrictEqual(warnings, [])
    }),
    30 * 24 * 3_600_000
  )
})
