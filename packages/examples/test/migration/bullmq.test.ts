import { DistributedTask, DistributedTaskPool, type TaskHandler } from "@aio-task-pool/distributed"
import {
  AioDistributedFixedTaskPoolLifo,
  AioDistributedFixedTaskPoolPriority,
  AioDistributedFixedTaskPoolSimple,
  BullMq
} from "@aio-task-pool/distributed/bullmq"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { Cause, Effect, Exit, Layer, ManagedRuntime, Schema, type Scope } from "effect"
import { Job, Queue, QueueEvents, Worker } from "bullmq"
import { afterEach, assert, beforeEach, describe } from "vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { makeGate, migration, rejection, row, trap } from "./migration.ts"

class Images extends DistributedTaskPool.Tag<Images>()("test/Images") {}

class TooBig extends Schema.TaggedError<TooBig>()("TooBig", { width: Schema.Int }) {}

const Resize = DistributedTask.make("resize", { payload: Schema.String, success: Schema.String, error: TooBig })

const resize = async (url: string) => `small ${url}`
const handler = Resize.handle((url) => Effect.promise(() => resize(url)))

const images = AioDistributedFixedTaskPoolSimple.layer(20, { tag: Images, name: "images" })

interface Closeable {
  readonly close: (force?: boolean) => Promise<void>
}

// Workers, connections and a server: real time.
describe.skipIf(!isAvailable("the calls of BullMQ", { own: true }))("with Redis", () => {
  let server: ManagedRuntime.ManagedRuntime<RedisServer, never>
  let opened: Array<Closeable>
  let connection: { readonly host: string; readonly port: number }
  let queue: Queue<string>
  let events: QueueEvents

  // Each test has a server of its own, which forgets everything.
  beforeEach(async () => {
    server = ManagedRuntime.make(RedisServer.layerVolatile)
    const { url } = await server.runPromise(RedisServer)
    connection = { host: "127.0.0.1", port: Number(new URL(url).port) }
    queue = new Queue("images", { connection })
    events = new QueueEvents("images", { connection })
    opened = [queue, events]
    await events.waitUntilReady()
  })
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close(true)))
    await server.dispose()
  })

  /** Closes what a test has opened after the test. */
  const opens = (worker: Closeable): void => void opened.push(worker)

  /** Runs with a pool, which closes with everything that the effect has acquired. */
  const run = <A, E>(effect: Effect.Effect<A, E, Images | Scope.Scope>, pool = images): Promise<A> => {
    const redis = BullMq.layer({ url: `redis://${connection.host}:${connection.port}` })
    return Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(Layer.provide(pool, redis))))
  }

  /** Starts a worker, which ends with the scope. */
  const works = (handler: TaskHandler, concurrency = 8) => Layer.build(Images.worker([handler], { concurrency }))

  const url = "/cat"

  /** Adds tasks while nothing can start on either side, then runs them one at a time, and returns their orders. */
  const orders = async (
    add: (name: string) => Promise<unknown>,
    fork: (name: string) => Effect.Effect<{ readonly join: Effect.Effect<unknown, unknown> }, unknown, Images>,
    names: ReadonlyArray<string>,
    pool = images
  ) => {
    const there: Array<string> = []
    for (const name of names) await add(name)
    opens(new Worker("images", async (job) => void there.push(job.data), { connection }))
    while (there.length < names.length) await sleep(5)

    const here: Array<string> = []
    await run(
      Effect.gen(function* () {
        yield* Images.holdDispatch
        const handles = yield* Effect.forEach(names, fork)
        yield* works(
          Resize.handle((name) => Effect.sync(() => (here.push(name), name))),
          1
        )
        yield* Images.releaseDispatch
        yield* Effect.forEach(handles, ({ join }) => join)
      }).pipe(Effect.orDie),
      pool
    )
    return { there, here }
  }

  migration("bullmq", import.meta.filename, [
    trap("`concurrency` is the limit of one worker, on both sides", async () => {
      const gate = makeGate()
      let active = 0
      const work = async () => {
        active++
        await gate.opened
      }
      for (let i = 0; i < 2; i++) opens(new Worker("images", work, { connection, concurrency: 2 }))
      for (let i = 0; i < 6; i++) await queue.add("resize", url)
      while (active < 4) await sleep(5)
      gate.open()

      let most = 0
      let running = 0
      const hold = Resize.handle((name) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          yield* Effect.sleep(10)
          running--
          return name
        })
      )
      await run(
        Effect.gen(function* () {
          yield* works(hold, 2)
          yield* works(hold, 2)
          yield* Images.forEach(["a", "b", "c", "d", "e", "f"], Resize, (name) => name)
        }),
        AioDistributedFixedTaskPoolSimple.layer(3, { tag: Images, name: "images" })
      )
      assert.isAtMost(most, 3)
    }),
    trap("`pause` stops dispatch there, and rejects new tasks here", async () => {
      await queue.pause()
      await queue.add("resize", url)
      assert.strictEqual(await queue.count(), 1)
      const rejected = await run(
        Effect.gen(function* () {
          yield* Images.pause
          return yield* Effect.flip(Images.fork(Resize, url))
        })
      )
      assert.strictEqual(rejected.reason, "Paused")
    }),
    trap("A job without a priority comes first there", async () => {
      const { here, there } = await orders(
        (name) => queue.add("resize", name, name === "urgent" ? { priority: 1 } : {}),
        (name) => Images.fork(Resize, name, name === "urgent" ? { weight: 1 } : {}),
        ["a", "urgent", "b"],
        AioDistributedFixedTaskPoolPriority.layer(1, { tag: Images, name: "images" })
      )
      assert.deepStrictEqual({ there, here }, { there: ["a", "b", "urgent"], here: ["urgent", "a", "b"] })
    }),
    trap("Only typed failures are tried again", async () => {
      let [there, here] = [0, 0]
      const fails = async () => {
        there++
        throw new Error("broken")
      }
      opens(new Worker("images", fails, { connection }))
      const job = await queue.add("resize", url, { attempts: 3 })
      await rejection(job.waitUntilFinished(events))
      const dies = Resize.handle(() => Effect.die(++here))
      await run(Effect.andThen(works(dies), Effect.exit(Images.submit(Resize, url, { attempts: 3 }))))
      assert.deepStrictEqual([there, here], [3, 1])
    }),
    trap("A failure is a message there, and a value here", async () => {
      const fails = () => Promise.reject(new TooBig({ width: 9000 }))
      opens(new Worker("images", fails, { connection }))
      const job = await queue.add("resize", url)
      assert.notInstanceOf(await rejection(job.waitUntilFinished(events)), TooBig)
      const fail = Resize.handle(() => Effect.fail(new TooBig({ width: 9000 })))
      const error = await run(Effect.andThen(works(fail), Effect.flip(Images.submit(Resize, url))))
      assert.deepStrictEqual(error, new TooBig({ width: 9000 }))
    }),
    trap("`job.remove()` fails if the job runs", async () => {
      const gate = makeGate()
      opens(new Worker("images", () => gate.opened, { connection }))
      const job = await queue.add("resize", url)
      while (!(await job.isActive())) await sleep(5)
      assert.instanceOf(await rejection(job.remove()), Error)
      gate.open()

      let interrupted = false
      const never = Resize.handle(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true))))
      await run(
        Effect.gen(function* () {
          yield* works(never)
          const handle = yield* Images.fork(Resize, url)
          yield* Effect.repeat(handle.state, { until: (state) => state === "Running" })
          yield* handle.cancel
        })
      )
      assert.isTrue(interrupted)
    }),
    row(
      '`new Queue("images", { connection })`',
      '`AioDistributedFixedTaskPoolSimple.layer(20, { tag: Images, name: "images" })`',
      async () => {
        const queue = new Queue("images", { connection })
        opened.push(queue)
        const pool = AioDistributedFixedTaskPoolSimple.layer(20, { tag: Images, name: "images" })
        assert.strictEqual(await queue.count(), (await run(Images.stats, pool)).waiting)
      }
    ),
    row(
      '`new Worker("images", async (job) => resize(job.data), { connection, concurrency: 8 })`',
      "`Images.worker([Resize.handle((url) => …)], { concurrency: 8 })`",
      async () => {
        opens(new Worker("images", async (job) => resize(job.data), { connection, concurrency: 8 }))
        const there = await (await queue.add("resize", url)).waitUntilFinished(events)
        const worker = Images.worker([Resize.handle((url) => Effect.promise(() => resize(url)))], { concurrency: 8 })
        const here = await run(Effect.andThen(Layer.build(worker), Images.submit(Resize, url)))
        assert.deepStrictEqual([there, here], ["small /cat", "small /cat"])
      }
    ),
    row('`(await queue.add("resize", url)).waitUntilFinished(events)`', "`Images.submit(Resize, url)`", async () => {
      opens(new Worker("images", async (job) => resize(job.data), { connection }))
      assert.strictEqual(await (await queue.add("resize", url)).waitUntilFinished(events), "small /cat")
      assert.strictEqual(await run(Effect.andThen(works(handler), Images.submit(Resize, url))), "small /cat")
    }),
    row('`queue.add("resize", url)`', "`Images.fork(Resize, url)`", async () => {
      const job = await queue.add("resize", url)
      assert.strictEqual(await job.getState(), "waiting")
      const state = await run(Effect.flatMap(Images.fork(Resize, url), (handle) => handle.state))
      assert.strictEqual(state, "Waiting")
    }),
    row('`queue.add("resize", url, { jobId: "cat" })`', '`Images.fork(Resize, url, { id: "cat" })`', async () => {
      for (let i = 0; i < 2; i++) await queue.add("resize", url, { jobId: "cat" })
      const fork = Images.fork(Resize, url, { id: "cat" })
      const { waiting } = await run(Effect.andThen(Effect.andThen(fork, fork), Images.stats))
      assert.deepStrictEqual([await queue.count(), waiting], [1, 1])
    }),
    row(
      '`queue.add("resize", url, { delay: 60_000 })`',
      '`Images.fork(Resize, url, { delay: "1 minute" })`',
      async () => {
        const job = await queue.add("resize", url, { delay: 60_000 })
        const fork = Images.fork(Resize, url, { delay: "1 minute" })
        assert.strictEqual(await job.getState(), "delayed")
        assert.strictEqual(await run(Effect.flatMap(fork, (handle) => handle.state)), "Delayed")
      }
    ),
    row(
      '`{ attempts: 3, backoff: { type: "exponential", delay: 10 } }`',
      '`{ attempts: 3, backoff: { exponential: "10 millis" } }`',
      async () => {
        let [there, here] = [0, 0]
        const third = async () => {
          if (++there < 3) throw new Error("again")
          return "done"
        }
        opens(new Worker("images", third, { connection }))
        const job = await queue.add("resize", url, { attempts: 3, backoff: { type: "exponential", delay: 10 } })
        assert.strictEqual(await job.waitUntilFinished(events), "done")
        const again = Resize.handle((width) =>
          ++here < 3 ? Effect.fail(new TooBig({ width: here })) : Effect.succeed(width)
        )
        const submit = Images.submit(Resize, url, { attempts: 3, backoff: { exponential: "10 millis" } })
        assert.strictEqual(await run(Effect.andThen(works(again), submit)), url)
        assert.deepStrictEqual([there, here], [3, 3])
      }
    ),
    row("`{ priority: 1 }`", "`{ weight: 1 }` with `AioDistributedFixedTaskPoolPriority`", async () => {
      const { here, there } = await orders(
        (name) => queue.add("resize", name, name === "a" ? { priority: 9 } : { priority: 1 }),
        (name) => Images.fork(Resize, name, name === "a" ? { weight: 9 } : { weight: 1 }),
        ["a", "b", "c"],
        AioDistributedFixedTaskPoolPriority.layer(1, { tag: Images, name: "images" })
      )
      assert.deepStrictEqual({ there, here }, { there: ["b", "c", "a"], here: ["b", "c", "a"] })
    }),
    row("`{ lifo: true }`", "`AioDistributedFixedTaskPoolLifo`", async () => {
      const { here, there } = await orders(
        (name) => queue.add("resize", name, { lifo: true }),
        (name) => Images.fork(Resize, name),
        ["a", "b", "c"],
        AioDistributedFixedTaskPoolLifo.layer(1, { tag: Images, name: "images" })
      )
      assert.deepStrictEqual({ there, here }, { there: ["c", "b", "a"], here: ["c", "b", "a"] })
    }),
    row("`queue.setGlobalConcurrency(5)`", "`Images.resize(5)`", async () => {
      await queue.setGlobalConcurrency(5)
      const { targetSize } = await run(Effect.andThen(Images.resize(5), Images.stats))
      assert.deepStrictEqual([await queue.getGlobalConcurrency(), targetSize], [5, 5])
    }),
    row("`queue.pause()`, `queue.resume()`", "`Images.holdDispatch`, `Images.releaseDispatch`", async () => {
      await queue.pause()
      assert.isTrue(await queue.isPaused())
      await queue.resume()
      assert.isFalse(await queue.isPaused())
      const held = Effect.map(Images.stats, (stats) => stats.held)
      assert.isTrue(await run(Effect.andThen(Images.holdDispatch, held)))
      assert.isFalse(await run(Effect.andThen(Images.releaseDispatch, held)))
    }),
    row("`Job.fromId(queue, id)`", "`Images.attach(Resize, id)`", async () => {
      const id = "cat"
      await queue.add("resize", url, { jobId: id })
      assert.strictEqual(await (await Job.fromId(queue, id))!.getState(), "waiting")
      await run(Images.fork(Resize, url, { id }))
      const state = await run(Effect.flatMap(Images.attach(Resize, id), (handle) => handle.state))
      assert.strictEqual(state, "Waiting")
    }),
    row("`job.remove()`", "`handle.cancel`", async () => {
      const job = await queue.add("resize", url)
      await job.remove()
      const exit = await run(
        Effect.gen(function* () {
          const handle = yield* Images.fork(Resize, url)
          yield* handle.cancel
          return yield* handle.await
        })
      )
      assert.strictEqual(await queue.count(), 0)
      assert.include(String(Exit.isFailure(exit) && Cause.pretty(exit.cause)), "TaskCancelled")
    }),
    row("`job.changePriority({ priority: 1 })`", "`handle.reprioritize(1)`", async () => {
      const { here, there } = await orders(
        async (name) => {
          const job = await queue.add("resize", name, { priority: 5 })
          if (name === "c") await job.changePriority({ priority: 1 })
        },
        (name) =>
          Effect.tap(Images.fork(Resize, name, { weight: 5 }), (handle) =>
            name === "c" ? handle.reprioritize(1) : Effect.void
          ),
        ["a", "b", "c"],
        AioDistributedFixedTaskPoolPriority.layer(1, { tag: Images, name: "images" })
      )
      assert.deepStrictEqual({ there, here }, { there: ["c", "a", "b"], here: ["c", "a", "b"] })
    }),
    row("`queue.getJobCounts()`", "`Images.stats`", async () => {
      await queue.add("resize", url)
      await queue.add("resize", url, { delay: 60_000 })
      const { delayed, waiting } = await queue.getJobCounts()
      const fork = Effect.andThen(Images.fork(Resize, url), Images.fork(Resize, url, { delay: "1 minute" }))
      const stats = await run(Effect.andThen(fork, Images.stats))
      assert.deepStrictEqual([waiting, delayed], [stats.waiting, stats.delayed])
      assert.deepStrictEqual([waiting, delayed], [1, 1])
    })
  ])
})
