/**
 * What happens when processes, the broker or its connection fail. Real processes, real signals, short leases. Each test
 * asserts that every submitter is answered, that each task has one outcome, and that the limit holds.
 *
 * Real time: only the broker knows when a lease ends. Events are ordered by what the processes tell.
 */
import type { TaskLost } from "@aio-task-pool/distributed"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eventually, Pool, poolLayer, poolName, Work } from "../kit.ts"
import { type Program, world } from "./world.ts"

const size = 4
const sweep = "500 millis"
/** The lease of a process that a test kills, in milliseconds. Those that survive have one that no busy machine lets end. */
const victimLease = 4000
const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** Submits tasks of these keys at once, and checks that each gets its own result. */
const submitAll = (keys: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(keys, (key) => Pool.submit(Work, { key }, { id: key }), { concurrency: "unbounded" }),
    (results) => assert.deepStrictEqual(results, keys)
  )

const failureOf = <A, E>(exit: Exit.Exit<A, E>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit.value

/** A directory of a test. */
const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "aio-fault-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** A pool of this process, and its server, for a test that starts further processes. */
const fault = (
  sentence: string,
  server: Layer.Layer<RedisServer>,
  body: (name: string) => Effect.Effect<unknown, unknown, any>,
  // A busy machine may take seconds to connect again.
  connectTimeout: number = 60_000
) =>
  it.live(sentence, () => {
    const name = poolName()
    const pool = poolLayer({ name, size, sweep, resultTtl: "10 hours" }, { connectTimeout })
    return body(name).pipe(Effect.scoped, Effect.provide(pool), Effect.provide(server)) as Effect.Effect<void>
  })

describe.skipIf(!isAvailable("the faults of a distributed pool", { own: true }))("faults", () => {
  fault("1. killing workers that are idle, busy, or hold all places loses no task", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn } = yield* world({ name, size })
      const idle = yield* spawn()
      yield* idle.kill
      const keys = range(200).map((i) => `slow-${i}`)
      const [busy] = [yield* spawn({ lease: victimLease }), yield* spawn()]
      const submitted = yield* Effect.forkChild(submitAll(keys))
      yield* busy.told((message) => "ended" in message)
      yield* busy.told((message) => "started" in message && Number(message.started.slice(5)) > 20)
      yield* busy.kill
      yield* Fiber.join(submitted)
      yield* expectLimit(size)
    })
  )

  fault("1b. a worker that holds all places is killed", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn, starts } = yield* world({ name, size })
      const holder = yield* spawn({ lease: victimLease })
      const keys = range(size).map((i) => `gate-${i}`)
      const submitted = yield* Effect.forkChild(submitAll([...keys, "next"]))
      yield* Effect.forEach(keys, holder.started)
      const heir = yield* spawn()
      yield* holder.kill
      yield* Effect.forEach(keys, heir.started)
      for (const key of keys) heir.tell({ open: key })
      yield* Fiber.join(submitted)
      yield* expectLimit(size)
      assert.strictEqual(starts().get("gate-0"), 2)
      assert.strictEqual(starts().get("next"), 1)
    })
  )

  fault(
    "2. a killed submitter's tasks run once, and another process finds the results",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const { expectLimit, spawn, starts } = yield* world({ name, size })
        const keys = range(20).map((i) => `slow-${i}`)
        const submitter = yield* spawn({ concurrency: 0, submit: keys })
        yield* submitter.told((message) => "submitted" in message)
        yield* submitter.kill
        yield* spawn()
        for (const key of keys) assert.strictEqual(yield* (yield* Pool.attach(Work, key)).join, key)
        for (const key of keys) assert.strictEqual(starts().get(key), 1)
        yield* expectLimit(size)
      })
  )

  fault(
    "3. a broker with a log on disk is killed and restarted: nothing is lost",
    RedisServer.layerPersistent,
    (name) =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const { expectLimit, spawn } = yield* world({ name, size })
        const seen: Array<string> = []
        yield* Effect.forkScoped(
          Stream.runForEach(Pool.events, ({ _tag }) => Effect.sync(() => void seen.push(_tag))),
          { startImmediately: true }
        )
        const one = yield* spawn()
        const first = yield* Effect.forkChild(submitAll(range(100).map((i) => `slow-${i}`)))
        yield* one.told((message) => "ended" in message)
        yield* server.kill
        const second = yield* Effect.forkChild(submitAll(range(10).map((i) => `late-${i}`)))
        yield* Effect.sleep(1000)
        yield* server.start
        yield* Fiber.join(first)
        yield* Fiber.join(second)
        yield* expectLimit(size)
        const contact = seen.filter((tag) => tag === "Unreachable" || tag === "Reachable")
        assert.deepStrictEqual(contact.slice(0, 2), ["Unreachable", "Reachable"])
      })
  )

  fault(
    "4. a broker that forgets everything: each submitter learns that its task is lost",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const { spawn } = yield* world({ name, size })
        const one = yield* spawn()
        yield* submitAll(["now-0", "now-1"])
        const keys = range(20).map((i) => `gate-${i}`)
        const submitted = yield* Effect.forkChild(
          Effect.forEach(keys, (key) => Effect.exit(Pool.submit(Work, { key })), { concurrency: "unbounded" })
        )
        yield* one.started("gate-3")
        yield* eventually(Pool.stats, ({ running, waiting }) => running + waiting === keys.length)
        yield* server.kill
        yield* server.start
        for (const outcome of (yield* Fiber.join(submitted)).map(failureOf))
          assert.deepInclude(outcome as object, { _tag: "TaskLost", reason: "Vanished" })
        // The pool is made again, and works.
        assert.strictEqual(yield* Pool.submit(Work, { key: "now-after" }), "now-after")
      })
  )

  it.live("5. a broker that is down at the start: operations fail in time, and work when it is there", () => {
    const name = poolName()
    return Effect.gen(function* () {
      const server = yield* RedisServer
      yield* server.kill
      yield* Effect.gen(function* () {
        assert.deepInclude(yield* Effect.flip(Pool.submit(Work, { key: "now" })), {
          _tag: "NotAvailable",
          reason: "Unreachable"
        })
        assert.deepInclude(yield* Effect.flip(Pool.resize(3)), { _tag: "NotAvailable", reason: "Unreachable" })
        assert.deepInclude(yield* Effect.flip(Pool.stats), { _tag: "NotAvailable", reason: "Unreachable" })
        const handler = Work.handle(({ key }) => Effect.succeed(key))
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        yield* server.start
        const submitted = yield* eventually(Effect.exit(Pool.submit(Work, { key: "now" })), Exit.isSuccess)
        assert.deepStrictEqual(submitted, Exit.succeed("now"))
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, size }, { connectTimeout: 700 })))
    }).pipe(Effect.provide(RedisServer.layerVolatile))
  })

  it.live("5b. a mismatch that a process finds only when the broker comes back is the defect of every operation", () =>
    Effect.gen(function* () {
      const name = poolName()
      const server = yield* RedisServer
      yield* Effect.provide(Pool.stats, poolLayer({ name, kind: "Lifo" }))
      yield* server.kill
      yield* Effect.gen(function* () {
        yield* server.start
        const isMismatch = (exit: Exit.Exit<unknown, unknown>) =>
          Exit.isFailure(exit) && (Cause.squash(exit.cause) as { readonly _tag?: string })._tag === "PoolMismatch"
        yield* eventually(Effect.exit(Pool.stats), isMismatch)
        for (const operation of [Pool.submit(Work, { key: "now" }), Pool.resize(3), Pool.holdDispatch]) {
          const exit = yield* Effect.exit(operation)
          assert.isTrue(isMismatch(exit) && Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        }
        yield* Pool.close()
      }).pipe(Effect.provide(poolLayer({ name }, { connectTimeout: 300 })))
    }).pipe(Effect.provide(RedisServer.layerPersistent))
  )

  fault(
    "5c. a task on its way to a broker that stops answering fails in time, and never runs unless it has an ID",
    RedisServer.layerVolatile,
    () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const ran: Array<string> = []
        const handler = Work.handle(({ key }) =>
          Effect.as(
            Effect.sync(() => void ran.push(key)),
            key
          )
        )
        // The connections exist, and the first task has been sent and answered.
        yield* Pool.fork(Work, { key: "before" })
        yield* server.freeze
        const errors = yield* Effect.all(
          [
            Effect.flip(Pool.fork(Work, { key: "forked" })),
            Effect.flip(Pool.submit(Work, { key: "submitted" })),
            Effect.flip(Pool.fork(Work, { key: "named" }, { id: "named" }))
          ],
          { concurrency: "unbounded" }
        )
        for (const error of errors) {
          assert.deepInclude(error, { _tag: "NotAvailable", reason: "Unreachable" })
        }
        yield* server.thaw
        // The server takes the commands that were under way. Those without an ID are removed.
        yield* eventually(Effect.exit(Pool.stats), (exit) => Exit.isSuccess(exit) && exit.value.waiting === 2)
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        assert.strictEqual(yield* Pool.submit(Work, { key: "again" }, { id: "named" }), "named")
        assert.strictEqual(yield* Pool.submit(Work, { key: "after" }), "after")
        assert.deepStrictEqual(ran, ["before", "named", "after"])
      }),
    1500
  )

  fault("6. a broker that stands still longer than the lease", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const server = yield* RedisServer
      const { expectLimit, spawn } = yield* world({ name, size, lease: 1000, maxDeaths: 100 })
      const workers = [yield* spawn(), yield* spawn()]
      const submitted = yield* Effect.forkChild(submitAll(range(200).map((i) => `slow-${i}`)))
      yield* workers[0]!.told((message) => "ended" in message)
      yield* server.freeze
      yield* Effect.sleep(2500)
      yield* server.thaw
      yield* Fiber.join(submitted)
      // A task whose lease ended may be counted twice until its first worker notices.
      yield* expectLimit(2 * size)
    })
  )

  fault(
    "7. a worker that stands still longer than its lease: its copy is interrupted, and one result counts",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        yield* Pool.resize(1)
        const { expectLimit, spawn } = yield* world({ name, size: 1 })
        const frozen = yield* spawn({ lease: victimLease })
        const submitted = yield* Effect.forkChild(submitAll(["gate-a"]))
        yield* frozen.started("gate-a")
        yield* frozen.freeze
        const other = yield* spawn()
        yield* other.started("gate-a")
        yield* frozen.thaw
        yield* frozen.told((message) => "interrupted" in message)
        other.tell({ open: "gate-a" })
        yield* Fiber.join(submitted)
        assert.isFalse(frozen.messages.some((message) => "ended" in message))
        yield* expectLimit(2)
      })
  )

  fault("8. workers with the same handlers join and leave at random", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn } = yield* world({ name, size })
      const steady = yield* spawn()
      const submitted = yield* Effect.forkChild(submitAll(range(300).map((i) => `slow-${i}`)))
      yield* steady.told((message) => "ended" in message)
      for (const end of ["close", "kill", "close"] as const) {
        const guest = yield* spawn({ lease: victimLease })
        yield* guest.told((message) => "started" in message).pipe(Effect.timeoutOption("2 seconds"))
        yield* guest[end]
      }
      yield* Fiber.join(submitted)
      yield* expectLimit(size)
    })
  )

  fault("9. a worker whose clock is an hour off", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn } = yield* world({ name, size })
      yield* spawn({ clockOffset: 3_600_000 })
      yield* spawn({ clockOffset: -3_600_000 })
      yield* spawn()
      const keys = range(100).map((i) => `slow-${i}`)
      yield* submitAll(keys)
      for (const key of keys) assert.strictEqual(yield* (yield* Pool.attach(Work, key)).join, key)
      yield* expectLimit(size)
    })
  )

  fault("10. a task that kills its worker is given up after maxDeaths", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn, starts } = yield* world({ name, size, lease: victimLease })
      const submitted = yield* Effect.forkChild(Effect.exit(Pool.submit(Work, { key: "poison-1" })))
      const next: Effect.Effect<void, never, any> = Effect.gen(function* () {
        const one = yield* spawn()
        yield* one.exited
        yield* one.kill
        yield* next
      })
      const nursery = yield* Effect.forkChild(next)
      const outcome = failureOf(yield* Fiber.join(submitted))
      assert.deepInclude(outcome as object, { _tag: "TaskLost", reason: "Poisoned", attempts: 3 })
      assert.strictEqual(starts().get("poison-1"), 3)
      // The others go on.
      yield* submitAll(["now-1", "now-2"])
      yield* Fiber.interrupt(nursery)
      yield* expectLimit(size)
    })
  )

  fault(
    "11. closing while the broker is down does not hang, and the process ends by itself",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const { spawn } = yield* world({ name, size })
        const busy = yield* spawn({ drainTimeout: 200 })
        const idle = yield* spawn()
        const submitter = yield* spawn({ concurrency: 0, submit: ["gate-a", "gate-b"] })
        yield* Effect.raceFirst(busy.started("gate-a"), idle.started("gate-a"))
        yield* submitter.told((message) => "submitted" in message)
        yield* server.kill
        const codes = yield* Effect.forEach([busy, idle, submitter], (one: Program) => one.close, {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(codes, [0, 0, 0])
      })
  )

  fault("11b. closing while the broker stands still does not hang either", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const server = yield* RedisServer
      const { spawn } = yield* world({ name, size })
      const busy = yield* spawn({ drainTimeout: 200 })
      const submitter = yield* spawn({ concurrency: 0, submit: ["gate-a"] })
      yield* busy.started("gate-a")
      yield* submitter.told((message) => "submitted" in message)
      yield* server.freeze
      const codes = yield* Effect.forEach([busy, submitter], (one: Program) => one.close, { concurrency: "unbounded" })
      yield* server.thaw
      assert.deepStrictEqual(codes, [0, 0])
    })
  )

  fault(
    "12. cancelling at the moment a task starts or ends gives each task one outcome",
    RedisServer.layerVolatile,
    () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const running = { now: 0, most: 0 }
        const handler = Work.handle(({ key }) =>
          Effect.sync(() => {
            ran.push(key)
            running.most = Math.max(running.most, ++running.now)
          }).pipe(
            Effect.andThen(Effect.yieldNow),
            Effect.as(key),
            Effect.ensuring(Effect.sync(() => void running.now--))
          )
        )
        yield* Layer.build(Pool.worker([handler], { concurrency: 8 }))
        const race = Effect.fnUntraced(function* (i: number) {
          const handle = yield* Pool.fork(Work, { key: `${i}` })
          // From before the start to after the end.
          yield* Effect.sleep(`${(i % 10) * 300} micros`)
          yield* handle.cancel
          const outcome = failureOf(yield* handle.await) as { readonly _tag?: string; readonly started?: boolean }
          if (typeof outcome === "string") assert.strictEqual(outcome, `${i}`)
          else assert.strictEqual(outcome._tag, "TaskCancelled", JSON.stringify(outcome))
          return outcome
        })
        const outcomes = yield* Effect.forEach(range(500), race, { concurrency: 8 })
        assert.strictEqual(outcomes.length, 500)
        assert.strictEqual(new Set(ran).size, ran.length, "no task ran twice")
        const completed = outcomes.filter((outcome) => typeof outcome === "string").length
        const neverRan = outcomes.filter((outcome) => typeof outcome === "object" && outcome.started === false).length
        assert.isAtLeast(ran.length, completed)
        assert.isAtMost(ran.length, 500 - neverRan)
        assert.isAtMost(running.most, size)
        assert.deepInclude(yield* Pool.stats, { running: 0, waiting: 0 })
      })
  )

  fault("13. the size changes at random every 20 milliseconds, also to 0", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { expectLimit, spawn } = yield* world({ name, size })
      yield* spawn({ concurrency: 12 })
      yield* spawn({ concurrency: 12 })
      const keys = range(400).map((i) => `slow-${i}`)
      const submitted = yield* Effect.forkChild(submitAll(keys))
      for (const i of range(60)) {
        yield* Pool.resize((i * 7) % 10)
        yield* Effect.sleep(20)
      }
      yield* Pool.resize(9)
      yield* Fiber.join(submitted)
      yield* expectLimit(9)
    })
  )

  fault(
    "14. events that were lost while the submitter was blocked are found by the sweep",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const { expectLimit, spawn, url } = yield* world({ name, size })
        const { port } = new URL(url)
        const redis = (...args: ReadonlyArray<string>) =>
          execFileSync("redis-cli", ["-p", port, ...args])
            .toString()
            .trim()
        yield* spawn()
        assert.strictEqual(yield* Pool.submit(Work, { key: "now-first" }), "now-first")
        yield* Pool.holdDispatch
        const keys = range(50).map((i) => `now-${i}`)
        const submitted = yield* Effect.forkChild(submitAll(keys))
        yield* eventually(Pool.stats, (stats) => stats.waiting === 50)
        // Blocks the event loop: the reader has asked, and gets the answer to that only. Meanwhile all tasks end.
        redis("HDEL", `aio:${name}:meta`, "paused")
        redis("ZADD", `aio:${name}:marker`, "0", "0")
        while (redis("ZCARD", `aio:${name}:completed`) !== "51");
        redis("XTRIM", `aio:${name}:events`, "MAXLEN", "0")
        yield* Fiber.join(submitted)
        yield* expectLimit(size)
      })
  )

  fault("12b. a cancel message that its worker never got is sent again", RedisServer.layerVolatile, (name) =>
    Effect.gen(function* () {
      const { raw, spawn } = yield* world({ name, size })
      const worker = yield* spawn()
      const handle = yield* Pool.fork(Work, { key: "gate-a" })
      yield* worker.started("gate-a")
      yield* worker.freeze
      const control = `aio:${name}:control`
      // Answers the read that is under way. What follows stays in the stream, and is gone before the next read.
      yield* Effect.promise(() => raw.xadd(control, "*", "event", "none"))
      const cancelled = yield* Effect.forkChild(handle.cancel)
      yield* eventually(
        Effect.promise(() => raw.xlen(control)),
        (length) => length > 1
      )
      yield* Effect.promise(() => raw.xtrim(control, "MAXLEN", 0))
      yield* worker.thaw
      yield* worker.told((message) => "interrupted" in message)
      yield* Fiber.join(cancelled)
      assert.deepInclude(failureOf(yield* handle.await) as object, { _tag: "TaskCancelled", started: true })
    })
  )

  fault(
    "18. a worker whose loop is blocked beyond its lease loses the task, and one result counts",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const { expectLimit, left, spawn, starts } = yield* world({ name, size })
        const blockUntil = join(yield* directory, "unblock")
        const blocked = yield* spawn({ concurrency: 1, lease: 1000, blockUntil })
        const submitted = yield* Effect.forkChild(Pool.submit(Work, { key: "block-1" }))
        yield* blocked.started("block-1")
        const other = yield* spawn({ concurrency: 1 })
        yield* other.started("block-1")
        writeFileSync(blockUntil, "")
        // Its copy ends, and the engine refuses the result.
        yield* left(blocked)
        assert.isUndefined(submitted.pollUnsafe())
        other.tell({ open: "block-1" })
        assert.strictEqual(yield* Fiber.join(submitted), "block-1")
        assert.strictEqual(starts().get("block-1"), 2)
        yield* expectLimit(2)
      })
  )

  fault(
    "19. workers that stand still longer than their lease again and again: each task has its result, or is poisoned",
    RedisServer.layerVolatile,
    (name) =>
      Effect.gen(function* () {
        const { expectLimit, spawn } = yield* world({ name, size, lease: 600, stalledCheck: 200 })
        const workers = [yield* spawn(), yield* spawn()]
        const freezing = Effect.gen(function* () {
          for (let i = 0; ; i++) {
            yield* workers[i % 2]!.freeze
            yield* Effect.sleep(900)
            yield* workers[i % 2]!.thaw
          }
        })
        yield* Effect.forkScoped(freezing)
        const keys = range(200).map((i) => `slow-${i}`)
        const outcomes = yield* Effect.forEach(keys, (key) => Effect.exit(Pool.submit(Work, { key })), {
          concurrency: "unbounded"
        })
        for (const [i, outcome] of outcomes.map(failureOf).entries()) {
          if (outcome === keys[i]) continue
          assert.deepInclude(outcome as object, { _tag: "TaskLost", reason: "Poisoned" })
          assert.isAtLeast((outcome as TaskLost).attempts, 3)
        }
        // Each of the two may still run what the other one has taken over.
        yield* expectLimit(2 * size)
      })
  )
})
