/** What the code of a pool's users can do to a pool on Redis: observers, handlers, payloads and loggers. */
import { AioDistributedAutoScaleTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import { freePort, isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { connection, eventually, Gates, kinds, Pool, poolLayer, poolName, Work } from "./kit.ts"

const throwing = (): void => {
  throw new Error("of an observer")
}

describe.skipIf(!isAvailable("hostile code on a server that restarts", { own: true }))("user code on Redis", () => {
  for (const kind of ["submit", "fork"] as const) {
    it.live(`the observer of a ${kind} throws when the server is back, and the others that waited for it go on`, () => {
      const name = poolName()
      const worker = Pool.worker([new Gates().handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const server = yield* RedisServer
        yield* Layer.build(worker)
        const call = () => Pool[kind](Work, { key: "now" })
        yield* Pool.submit(Work, { key: "now" })
        yield* server.kill
        const refused = Effect.timeoutOption(Pool.stats, "50 millis")
        yield* eventually(refused, ({ _tag }) => _tag === "None")
        const first = yield* Effect.forkDetach(call(), { startImmediately: true })
        first.addObserver(throwing)
        const others = yield* Effect.forEach([call(), call(), Pool.stats, Pool.submit(Work, { key: "now" })], (wait) =>
          Effect.forkChild(wait as Effect.Effect<unknown, unknown, Pool>, { startImmediately: true })
        )
        yield* server.start
        yield* Fiber.joinAll(others)
        assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
      }).pipe(
        Effect.scoped,
        Effect.provide(poolLayer({ name }, { connectTimeout: "60 seconds" })),
        Effect.provide(RedisServer.layerPersistent)
      )
    })
  }

  it.live("a logger that throws does not keep a pool from opening and closing while its server is away", () =>
    Effect.gen(function* () {
      const url = `redis://127.0.0.1:${yield* freePort}`
      const pool = kinds.Simple.layer(1, { tag: Pool, name: poolName() })
      const opened = Effect.provide(Effect.flip(Pool.stats), pool).pipe(
        Effect.provide(BullMq.layer({ url, connectTimeout: "50 millis" })),
        Effect.provide(Logger.layer([Logger.make(throwing)]))
      )
      assert.deepInclude(yield* opened, { _tag: "NotAvailable", reason: "Unreachable" })
    })
  )

  it.live("a logger that throws at what a policy returns does not end the sizing", () => {
    const window = { interval: 25, maxInterval: 25, minSamples: 0, runFactor: 0, overloads: Infinity }
    const policy = {
      name: "odd",
      initial: () => 0,
      window: () => window,
      update: (n: number) => [n + 1, { size: n === 0 ? Number.NaN : 4, reason: "later", pause: 0 }] as const
    }
    const name = poolName()
    const pool = AioDistributedAutoScaleTaskPoolSimple.layer({ name, tag: Pool, minSize: 1, maxSize: 8, policy })
    return eventually(Pool.stats, ({ targetSize }) => targetSize === 4).pipe(
      Effect.provide(Layer.provide(pool, connection())),
      Effect.provide(Logger.layer([Logger.make(throwing)])),
      Effect.provide(RedisServer.layerVolatile)
    )
  })
})
