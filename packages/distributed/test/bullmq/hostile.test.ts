/** What other programs, other versions and wrong arguments can do to a pool on Redis. */
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import {
  AioDistributedAutoScaleTaskPoolLifo,
  AioDistributedFixedTaskPoolSimple,
  BullMq
} from "@aio-task-pool/distributed/bullmq"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it as it_, layer } from "@effect/vitest"
import { Queue } from "bullmq"
import { Cause, Config, ConfigProvider, Effect, Exit, Fiber, Layer, Redacted, Schema } from "effect"
import {
  client,
  connection,
  eventually,
  Failed,
  Gates,
  kinds,
  Pool,
  poolLayer,
  poolName,
  rawClient,
  Work
} from "./kit.ts"

const defectOf = <A, E>(exit: Exit.Exit<A, E>): unknown => {
  if (Exit.isSuccess(exit)) return assert.fail("succeeded")
  assert.isTrue(Cause.hasDies(exit.cause), String(exit.cause))
  return Cause.squash(exit.cause)
}

const jobId = (id: string) => `u.${Buffer.from(id).toString("base64url")}`

/** BullMQ's own queue of a pool, as any other program may open it. */
const rawQueue = (name: string) =>
  Effect.flatMap(rawClient, (raw) =>
    Effect.acquireRelease(
      Effect.sync(() => new Queue(name, { connection: raw, prefix: "aio" })),
      (queue) => Effect.promise(() => queue.close())
    )
  )

describe.skipIf(!isAvailable("hostile data in Redis"))("a pool on Redis", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("survives jobs that no version of this package wrote", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 2, unknownFor: "1 millis" })
      return Effect.gen(function* () {
        const queue = yield* rawQueue(name)
        const proto = JSON.parse(
          '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
        ) as object
        const payloads: ReadonlyArray<unknown> = [
          proto,
          null,
          0,
          "text",
          [],
          {},
          { f: 1 },
          { f: 1, p: proto },
          { f: 1, p: { key: 7 }, r: 1, t: "00-x" },
          { f: "1", p: { key: "now" } },
          { f: 1.5, p: { key: "now" } },
          { f: 99, p: { key: "now" }, r: "x" }
        ]
        for (const [i, data] of payloads.entries()) {
          yield* Effect.promise(() => queue.add("work", data, { jobId: jobId(`${i}`) }))
        }
        for (const [i, foreign] of ["__proto__", "constructor", "toString", "", "x".repeat(5000)].entries()) {
          yield* Effect.promise(() => queue.add(foreign, { f: 1, p: null, r: "x" }, { jobId: jobId(`name ${i}`) }))
        }
        yield* Effect.promise(() => queue.add("work", { f: 1, p: { key: "now" }, r: "x" }))
        for (const i of payloads.keys()) {
          const outcome = yield* Effect.flip((yield* Pool.attach(Work, `${i}`)).join)
          assert.deepInclude(outcome, { _tag: "TaskLost", reason: i === 11 ? "UnknownTask" : "Undecodable" }, `${i}`)
        }
        // A job without an ID of this package runs, too: who can write to Redis can run each declared task.
        yield* eventually(
          Effect.sync(() => gates.runs),
          (runs) => runs.length > 0
        )
        assert.deepStrictEqual(gates.runs, ["now"])
        assert.strictEqual(yield* Pool.submit(Work, { key: "now 2" }), "now 2")
        assert.notProperty({}, "polluted")
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name, size: 2 })))
    })

    it.effect("survives results, failures and progress that no worker of this package wrote", () => {
      const name = poolName()
      return Effect.gen(function* () {
        const queue = yield* rawQueue(name)
        const foreign: ReadonlyArray<unknown> = [
          null,
          1,
          "x",
          {},
          { exit: null },
          { exit: { _tag: "Success", value: 7 } }
        ]
        const answer = Effect.fnUntraced(function* (id: string, settle: (key: string) => Promise<unknown>) {
          const handle = yield* Pool.fork(Work, { key: "a" }, { id })
          yield* Effect.promise(() => settle(jobId(id)))
          return yield* Effect.flip(handle.join)
        })
        // A worker of another program takes the job by hand.
        const raw = yield* rawClient
        const { Worker } = yield* Effect.promise(() => import("bullmq"))
        let next: () => Promise<unknown> = () => Promise.resolve(undefined)
        const worker = new Worker(name, () => next(), { connection: raw, prefix: "aio" })
        worker.on("error", () => {})
        for (const [i, value] of foreign.entries()) {
          next = () => Promise.resolve(value)
          const outcome = yield* answer(`value ${i}`, () => Promise.resolve())
          assert.deepInclude(outcome, { _tag: "TaskLost", reason: "Undecodable" }, `${i}`)
        }
        for (const [i, message] of [
          "",
          "boom",
          "{",
          '{"exit":1}',
          '{"lost":"Poisoned"}',
          '{"__proto__":1}'
        ].entries()) {
          next = () => Promise.reject(new Error(message))
          const outcome = yield* answer(`failure ${i}`, () => Promise.resolve())
          assert.deepInclude(outcome, { _tag: "TaskLost", reason: "Undecodable" }, `${i}`)
        }
        yield* Effect.promise(() => worker.close())
        // Garbage in the streams is skipped.
        yield* Effect.promise(() => raw.xadd(`aio:${name}:events`, "*", "event", "completed", "jobId", "__proto__"))
        yield* Effect.promise(() => raw.xadd(`aio:${name}:events`, "*", "x", "y"))
        yield* Effect.promise(() => raw.xadd(`aio:${name}:control`, "*", "event", "Cancel"))
        yield* Effect.promise(() => raw.xadd(`aio:${name}:control`, "*", "event", "__proto__", "x", "y"))
        yield* Layer.build(Pool.worker([new Gates().handler], { concurrency: 1 }))
        assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
        yield* Effect.promise(() => queue.getJobCounts())
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    it.effect("gives a result that its submitter cannot decode as undecodable, with the path", () => {
      const Newer = DistributedTask.make("work", {
        payload: Schema.Struct({ key: Schema.String }),
        success: Schema.Finite,
        error: Failed
      })
      const worker = Pool.worker([new Gates().handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const failure = yield* Effect.flip(Pool.submit(Newer, { key: "now" }))
        assert.deepInclude(failure, { _tag: "TaskLost", reason: "Undecodable" })
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
    })

    it.effect("refuses a pool of another discipline or kind, and the pool is unchanged", () => {
      const name = poolName()
      return Effect.gen(function* () {
        const lifo = kinds.Lifo.layer(5, { name })
        const failure = yield* Effect.flip(Layer.build(Layer.provide(Layer.fresh(lifo), connection())))
        assert.deepInclude(failure, { _tag: "PoolMismatch", name })
        assert.include(failure.message, "lifo")
        assert.strictEqual((yield* Pool.stats).targetSize, 1)
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    it.effect("tells those who wait that their tasks are lost, if its record becomes that of another pool", () => {
      const name = poolName()
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const submitter = yield* Effect.forkChild(Effect.flip(Pool.submit(Work, { key: "a" })))
        const handle = yield* Pool.fork(Work, { key: "b" }, { id: "b" })
        const found = yield* Pool.attach(Work, "b")
        yield* eventually(Pool.stats, ({ waiting }) => waiting === 2)
        yield* Effect.promise(() => raw.hset(`aio:${name}:pool`, "discipline", "lifo"))
        for (const wait of [Fiber.join(submitter), Effect.flip(handle.join), Effect.flip(found.join)]) {
          assert.deepInclude(yield* wait, { _tag: "TaskLost", reason: "Vanished" })
        }
        for (const use of [Pool.stats, Pool.submit(Work, { key: "c" })]) {
          assert.deepInclude(defectOf(yield* Effect.exit<unknown, unknown, Pool>(use)), { _tag: "PoolMismatch", name })
        }
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    it.effect("keeps the size of the first process that opened it, and a resize holds for all", () => {
      const name = poolName()
      return Effect.gen(function* () {
        const other = yield* client({ name, size: 9 })
        assert.strictEqual((yield* Effect.provide(Pool.stats, other)).targetSize, 1)
        assert.strictEqual(yield* Effect.provide(Pool.scale(3), other), 4)
        assert.strictEqual((yield* Pool.stats).targetSize, 4)
        yield* Effect.provide(Pool.pause, other)
        const forked = Effect.exit(Pool.fork(Work, { key: "a" }))
        const paused = yield* eventually(forked, Exit.isFailure)
        assert.deepInclude(Exit.isFailure(paused) ? Cause.squash(paused.cause) : {}, {
          _tag: "NotAvailable",
          reason: "Paused"
        })
        yield* Pool.resume
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    it.effect("gives one run and the same result to two clients that submit the same ID at once and after", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 4 })
      return Effect.gen(function* () {
        const other = yield* client({ name, sweep: "1 hour" })
        const submit = Pool.submit(Work, { key: "a" }, { id: "same" })
        const both = yield* Effect.forkChild(Effect.all([submit, Effect.provide(submit, other)], { concurrency: 2 }))
        yield* gates.started("a")
        yield* gates.open("a")
        assert.deepStrictEqual(yield* Fiber.join(both), ["a", "a"])
        assert.strictEqual(yield* Effect.provide(submit, other), "a")
        assert.deepStrictEqual(gates.runs, ["a"])
        const stranger = DistributedTask.make("other", { payload: Schema.Struct({ key: Schema.String }) })
        const failure = yield* Effect.flip(Effect.provide(Pool.submit(stranger, { key: "a" }, { id: "same" }), other))
        assert.deepInclude(failure, { _tag: "TaskLost", reason: "UnknownTask", id: "same" })
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name, size: 4, sweep: "1 hour" })))
    })

    it.effect("starts at most `limit` tasks in a window of its rate, over all processes", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 8 })
      return Effect.gen(function* () {
        const other = yield* client({ name })
        yield* Layer.build(Layer.provide(worker, other))
        const keys = Array.from({ length: 6 }, (_, i) => `now ${i}`)
        const all = yield* Effect.forkChild(
          Effect.forEach(keys, (key) => Pool.submit(Work, { key }), { concurrency: "unbounded" })
        )
        yield* eventually(Pool.stats, (stats) => stats.keptSucceeded === 3)
        assert.strictEqual(gates.runs.length, 3)
        yield* Fiber.interrupt(all)
      }).pipe(
        Effect.scoped,
        Effect.provide(worker),
        Effect.provide(poolLayer({ name, size: 8, rate: { limit: 3, window: "1 hour" } }))
      )
    })

    it.effect("dies with RangeError for each wrong argument, and changes nothing", () =>
      Effect.gen(function* () {
        const bad: ReadonlyArray<any> = [Number.NaN, -1, 1.5, 2 ** 53]
        for (const value of bad) {
          const calls: Record<string, Effect.Effect<unknown, unknown, Pool>> = {
            scale:
              Number.isInteger(value) && Number.isSafeInteger(value) ? Effect.die(new RangeError()) : Pool.scale(value),
            resize: Pool.resize(value),
            weight: Pool.fork(Work, { key: "a" }, { weight: value }),
            attempts: Pool.fork(Work, { key: "a" }, { attempts: value }),
            window: Pool.forEach([1], Work, () => ({ key: "a" }), { window: value })
          }
          if (!(value > 0)) {
            calls["delay"] = Pool.fork(Work, { key: "a" }, { delay: value })
            calls["timeout"] = Pool.fork(Work, { key: "a" }, { timeout: value })
          }
          for (const [name, call] of Object.entries(calls)) {
            assert.instanceOf(defectOf(yield* Effect.exit(call)), RangeError, `${name} ${value}`)
          }
          assert.throws(() => Pool.worker([], { concurrency: value }), RangeError)
          assert.throws(() => AioDistributedFixedTaskPoolSimple.layer(value, { name: "x" }), RangeError)
        }
        for (const name of ["", ":", "a:b", "ü", "x".repeat(65)]) {
          assert.throws(() => AioDistributedFixedTaskPoolSimple.layer(1, { name }), RangeError)
        }
        assert.throws(() => AioDistributedFixedTaskPoolSimple.layer({ name: "a", sweep: -1 }), RangeError)
        assert.throws(() => AioDistributedFixedTaskPoolSimple.layer({ name: "a", resultTtl: Number.NaN }), RangeError)
        assert.throws(
          () => AioDistributedFixedTaskPoolSimple.layer({ name: "a", rate: { limit: 0, window: 1 } }),
          RangeError
        )
        assert.throws(() => AioDistributedFixedTaskPoolSimple.layer({ name: "a", sise: 3 } as any), TypeError)
        assert.deepInclude(yield* Pool.stats, { targetSize: 1, waiting: 0, running: 0 })
      }).pipe(Effect.provide(poolLayer()))
    )
  })
})

describe("the connection's options", () => {
  it_("are checked where they are given, and no message contains the password", () => {
    const secret = "redis://user:hunter2@"
    for (const options of [
      { url: "" },
      { url: "http://localhost" },
      { url: secret },
      { url: "redis://localhost", prefix: "a:b" },
      { url: "redis://localhost", prefix: "" },
      { url: "redis://localhost", connectTimeout: Number.NaN }
    ]) {
      assert.throws(() => BullMq.layer(options), RangeError)
    }
    for (const wrong of [{ host: "x" }, { username: 5 }, { password: "hunter2" }, { tls: "yes" }, { tls: null }]) {
      const make = () => BullMq.layer({ url: "redis://localhost", ...wrong } as any)
      assert.throws(make, TypeError, /^BullMq\.layer: (?!.*hunter2)/)
    }
    try {
      BullMq.layer({ url: secret })
    } catch (error) {
      assert.notInclude(String(error), "hunter2")
    }
  })

  it_.effect("knows one database of one server, however its URL is written", () =>
    Effect.gen(function* () {
      const serverOf = (url: string) =>
        Effect.map(BullMq, ({ server }) => server).pipe(Effect.provide(BullMq.layer({ url })))
      const first = ["redis://h", "redis://h/", "redis://h:6379/0", "rediss://u:p@H:6379?db=0"]
      for (const url of first) assert.strictEqual(yield* serverOf(url), "h:6379/0", url)
      for (const url of ["redis://h/1", "redis://h?db=1"]) assert.strictEqual(yield* serverOf(url), "h:6379/1", url)
    })
  )

  it_("refuses what is no Config at the call of layerConfig, and shows no password", () => {
    const wrong: ReadonlyArray<readonly [config: unknown, message: string]> = [
      [undefined, "config must be a Config or a record of them, got undefined"],
      [null, "config must be a Config or a record of them, got null"],
      [[], "config must be a Config or a record of them, got object"],
      [{ url: "redis://u:hunter2@localhost" }, "config.url must be a Config or a record of them, got string"],
      [{ password: Redacted.make("hunter2") }, "config.password must be a Config or a record of them, got object"]
    ]
    const constructors = {
      BullMq: BullMq.layerConfig,
      AioDistributedFixedTaskPoolSimple: AioDistributedFixedTaskPoolSimple.layerConfig,
      AioDistributedAutoScaleTaskPoolLifo: AioDistributedAutoScaleTaskPoolLifo.layerConfig
    }
    for (const [kind, layerConfig] of Object.entries(constructors)) {
      for (const [config, message] of wrong) {
        assert.throws(() => layerConfig(config as never), TypeError, `${kind}.layerConfig: ${message}`)
      }
      layerConfig({ prefix: undefined } as never)
    }
  })

  it_("a wrong value in a configuration fails, and a right one provides the pool", async () => {
    class Images extends DistributedTaskPool.Tag<Images>()("app/Images") {}
    const of = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
    const config = { url: Config.String("URL"), prefix: Config.String("PREFIX") }
    const build = (env: Record<string, string>) =>
      Effect.runPromiseExit(Effect.scoped(Layer.build(Layer.provide(BullMq.layerConfig(config), of(env)))))
    assert.isTrue(Exit.isSuccess(await build({ URL: "redis://localhost", PREFIX: "a" })))
    const failed = await build({ URL: "redis://localhost", PREFIX: "a:b" })
    assert.isTrue(Exit.isFailure(failed) && Cause.hasFails(failed.cause))
    const name = Config.String("NAME")
    const pools = {
      AioDistributedFixedTaskPoolSimple: AioDistributedFixedTaskPoolSimple.layerConfig(
        { name, size: Config.Int("SIZE") },
        { tag: Images }
      ),
      AioDistributedAutoScaleTaskPoolLifo: AioDistributedAutoScaleTaskPoolLifo.layerConfig(
        { name, minSize: Config.Int("SIZE") },
        { tag: Images }
      )
    }
    for (const [kind, pool] of Object.entries(pools)) {
      const wrong = pool.pipe(
        Layer.provide(BullMq.layer({ url: "redis://localhost" })),
        Layer.provide(of({ NAME: "a", SIZE: "-1" }))
      )
      const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(wrong)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
      if (Exit.isFailure(exit)) assert.include(Cause.pretty(exit.cause), `${kind}.layerConfig`)
    }
  })
})
