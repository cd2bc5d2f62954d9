/** Behavior of BullMQ and Redis that the driver must cure: one test for each trap. Those with other processes are faults. */
import { DistributedTask } from "@aio-task-pool/distributed"
import { BullMq } from "@aio-task-pool/distributed/bullmq"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it as it_, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { readFileSync } from "node:fs"
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
  Stranger,
  Work
} from "./kit.ts"

const jobKey = (name: string, id: string) => `aio:${name}:u.${Buffer.from(id).toString("base64url")}`

const failureOf = <A, E>(exit: Exit.Exit<A, E>): unknown => {
  assert.isTrue(Exit.isFailure(exit))
  return Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
}

/** A connection whose commands pass through a function. */
const through = (send: (args: ReadonlyArray<unknown>, pass: () => Promise<unknown>) => Promise<unknown>) =>
  Layer.effect(
    BullMq,
    Effect.map(BullMq, (service) => {
      const connect = () => {
        const client = service.connect()
        const pass = client.sendCommand.bind(client)
        client.sendCommand = (command, stream) => {
          const { args, promise } = command as unknown as { args: ReadonlyArray<unknown>; promise: Promise<unknown> }
          return send(args, () => {
            pass(command, stream)
            return promise
          })
        }
        return client
      }
      return { ...service, connect }
    })
  ).pipe(Layer.provide(connection()))

describe.skipIf(!isAvailable("the traps of BullMQ"))("traps of BullMQ", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("a raise of the size starts waiting tasks in idle workers, and does not end a hold", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 4 })
      return Effect.gen(function* () {
        yield* Pool.fork(Work, { key: "a" })
        yield* Pool.fork(Work, { key: "b" })
        yield* gates.started("a")
        yield* Pool.resize(2)
        yield* gates.started("b")
        yield* Pool.holdDispatch
        const held = yield* Pool.fork(Work, { key: "now" })
        assert.strictEqual(yield* Pool.resize(4), 4)
        assert.deepInclude(yield* Pool.stats, { held: true, running: 2, waiting: 1 })
        assert.strictEqual(yield* held.state, "Waiting")
        yield* Pool.releaseDispatch
        assert.strictEqual(yield* held.join, "now")
        yield* gates.open("a")
        yield* gates.open("b")
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
    })

    it.effect("a size that the engine would store and break on dies with RangeError, and changes nothing", () =>
      Effect.gen(function* () {
        const wrong: ReadonlyArray<number> = [-1, 1.5, Number.NaN, 2 ** 53, Infinity, "x" as unknown as number]
        for (const size of wrong) {
          const error = failureOf(yield* Effect.exit(Pool.resize(size)))
          assert.instanceOf(error, RangeError)
        }
        for (const delta of [1.5, Number.NaN, 2 ** 53, Infinity]) {
          assert.instanceOf(failureOf(yield* Effect.exit(Pool.scale(delta))), RangeError)
        }
        assert.strictEqual((yield* Pool.stats).targetSize, 1)
        assert.strictEqual(yield* Pool.scale(-100), 0)
        assert.strictEqual(yield* Pool.scale(5), 5)
        assert.strictEqual(yield* Pool.scale(Number.MAX_SAFE_INTEGER), 1_000_000)
      }).pipe(Effect.provide(poolLayer()))
    )

    it.effect("a limit that another program broke is set again, and tasks are admitted", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 4 })
      return Effect.gen(function* () {
        const raw = yield* rawClient
        yield* Effect.promise(() => raw.hset(`aio:${name}:meta`, "concurrency", "x"))
        yield* eventually(
          Effect.promise(() => raw.hget(`aio:${name}:meta`, "concurrency")),
          (value) => value === "1"
        )
        assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name })))
    })

    it.effect("on a priority pool every weight has its place, 0 and the default too", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1 })
      return Effect.gen(function* () {
        yield* Pool.holdDispatch
        const weights = [2_097_150, undefined, 5, 0, 1, 0, undefined]
        const handles = yield* Effect.forEach(weights, (weight, i) =>
          Pool.fork(Work, { key: `now ${i} ${weight}` }, { weight })
        )
        for (const weight of [-1, 2_097_151, 1.5, Number.NaN]) {
          const error = failureOf(yield* Effect.exit(Pool.fork(Work, { key: "never" }, { weight })))
          assert.instanceOf(error, RangeError)
        }
        yield* Pool.releaseDispatch
        yield* Effect.forEach(handles, (handle) => handle.join)
        const order = [
          "now 3 0",
          "now 5 0",
          "now 4 1",
          "now 1 undefined",
          "now 6 undefined",
          "now 2 5",
          "now 0 2097150"
        ]
        assert.deepStrictEqual(gates.runs, order)
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer({ kind: "Priority" })))
    })

    it.effect("a second submitter of a settled ID gets the result without a sweep", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1 })
      return Effect.gen(function* () {
        assert.strictEqual(yield* Pool.submit(Work, { key: "now 1" }, { id: "once" }), "now 1")
        assert.strictEqual(yield* Pool.submit(Work, { key: "now 2" }, { id: "once" }), "now 1")
        const other = yield* client({ name, sweep: "1 hour" })
        const again = Pool.submit(Work, { key: "now 3" }, { id: "once" })
        assert.strictEqual(yield* Effect.provide(again, other), "now 1")
        assert.deepStrictEqual(gates.runs, ["now 1"])
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name, sweep: "1 hour" })))
    })

    it.effect("any string of 1 to 256 characters is an ID, and only the same string is the same task", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 8 })
      const ids = ["42", "0", ":", "a:b", "a:b:c", "0:1", " ", "__proto__", "ü€😀", "\u0000", "x".repeat(256), "u.NDI"]
      return Effect.gen(function* () {
        for (const id of ids) {
          const handle = yield* Pool.fork(Work, { key: `now ${id}` }, { id })
          assert.strictEqual(handle.id, id)
          assert.strictEqual(yield* handle.join, `now ${id}`)
          assert.strictEqual(yield* (yield* Pool.attach(Work, id)).join, `now ${id}`)
        }
        assert.strictEqual(gates.runs.length, ids.length)
        for (const id of ["", "x".repeat(257), 42 as unknown as string]) {
          const error = failureOf(yield* Effect.exit(Pool.submit(Work, { key: "never" }, { id })))
          assert.instanceOf(error, RangeError)
        }
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer({ size: 8 })))
    })

    it.effect("results are kept for an age, the same for all tasks, and never for a count", () => {
      const name = poolName()
      return Effect.gen(function* () {
        const raw = yield* rawClient
        yield* Pool.fork(Work, { key: "now" }, { id: "kept", attempts: 3 })
        const options = yield* Effect.promise(() => raw.hget(jobKey(name, "kept"), "opts"))
        const { removeOnComplete, removeOnFail } = JSON.parse(options!) as Record<string, unknown>
        assert.deepStrictEqual([removeOnComplete, removeOnFail], [{ age: 90 }, { age: 90 }])
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, resultTtl: "90 seconds" })))
    })

    it.effect("a result is not found after resultTtl, also while no other task ends", () => {
      const name = poolName()
      const gates = new Gates()
      const handler = Work.handle(({ key }) => {
        gates.runs.push(key)
        return key === "fails" ? Effect.fail(new Failed({ why: key })) : Effect.succeed(key)
      })
      return Effect.gen(function* () {
        const raw = yield* rawClient
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        const options = (id: string) => ({ id })
        assert.strictEqual(yield* Pool.submit(Work, { key: "first" }, options("a")), "first")
        assert.instanceOf(yield* Effect.flip(Pool.submit(Work, { key: "fails" }, options("b"))), Failed)
        assert.strictEqual(yield* Pool.submit(Work, { key: "again" }, options("a")), "first")
        // As if both had ended before the hour.
        for (const [id, set] of [
          ["a", "completed"],
          ["b", "failed"]
        ] as const) {
          const key = jobKey(name, id)
          const finishedOn = Number(yield* Effect.promise(() => raw.hget(key, "finishedOn"))) - 3_600_001
          yield* Effect.promise(() => raw.hset(key, "finishedOn", finishedOn))
          yield* Effect.promise(() => raw.zadd(`aio:${name}:${set}`, finishedOn, key.split(":").at(-1)!))
        }
        assert.deepInclude(yield* Effect.flip(Pool.attach(Work, "a")), { _tag: "TaskLost", reason: "Vanished" })
        const other = yield* client({ name })
        assert.strictEqual(yield* Effect.provide(Pool.submit(Work, { key: "second" }, options("a")), other), "second")
        assert.strictEqual(yield* Pool.submit(Work, { key: "second" }, options("b")), "second")
        assert.deepStrictEqual(gates.runs, ["first", "fails", "second", "second"])
        assert.deepInclude(yield* Pool.stats, { keptSucceeded: 2, keptFailed: 0 })
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    it.effect("a typed failure is tried again by the engine, and the last one arrives typed", () => {
      const attempts: Array<number> = []
      const handler = Work.handle((_, { attempt }) => {
        attempts.push(attempt)
        return Effect.fail(new Failed({ why: `attempt ${attempt}` }))
      })
      const worker = Pool.worker([handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const options = { attempts: 3, backoff: { exponential: "10 millis" } } as const
        const failure = yield* Effect.flip(Pool.submit(Work, { key: "now" }, options))
        assert.deepStrictEqual(failure, new Failed({ why: "attempt 3" }))
        assert.deepStrictEqual(attempts, [1, 2, 3])
        assert.deepInclude(yield* Pool.stats, { keptFailed: 1, keptSucceeded: 0 })
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
    })

    it.effect("a defect is not tried again, and arrives as a defect", () => {
      let runs = 0
      const handler = Work.handle(() => {
        runs++
        return Effect.die(new Error("boom"))
      })
      const worker = Pool.worker([handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const exit = yield* Effect.exit(Pool.submit(Work, { key: "now" }, { attempts: 3 }))
        const defect = failureOf(exit) as Error
        assert.strictEqual(defect.message, "boom")
        assert.strictEqual(runs, 1)
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
    })

    it.effect(
      "a payload that the worker cannot decode is lost as undecodable, with the path, and never tried again",
      () => {
        const name = poolName()
        const Newer = DistributedTask.make("work", {
          payload: Schema.Struct({ key: Schema.Finite }),
          success: Schema.String,
          error: Failed
        })
        const gates = new Gates()
        const worker = Pool.worker([gates.handler], { concurrency: 1 })
        return Effect.gen(function* () {
          const failure = yield* Effect.flip(Pool.submit(Newer, { key: 1 }, { attempts: 3 }))
          assert.deepInclude(failure, {
            _tag: "TaskLost",
            reason: "Undecodable",
            attempts: 1,
            detail: 'payload at ["key"]'
          })
          assert.deepStrictEqual(gates.runs, [])
        }).pipe(Effect.provide(worker), Effect.provide(poolLayer({ name })))
      }
    )

    it.effect("a task that no worker knows does not spin, and is lost after unknownFor", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1, unknownFor: "1 millis" })
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const failure = yield* Effect.flip(Pool.submit(Stranger, undefined, { id: "strange" }))
        assert.deepInclude(failure, { _tag: "TaskLost", reason: "UnknownTask", id: "strange" })
        const starts = yield* Effect.promise(() => raw.hget(jobKey(name, "strange"), "ats"))
        assert.isAtMost(Number(starts), 3)
        assert.strictEqual(yield* Pool.submit(Work, { key: "now" }), "now")
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name })))
    })

    it.effect("a task that one worker does not know runs in another one", () => {
      const name = poolName()
      const known = Stranger.handle(() => Effect.succeed("known"))
      return Effect.gen(function* () {
        const handle = yield* Pool.fork(Stranger, undefined)
        yield* eventually(handle.state, (state) => state === "Delayed")
        const other = yield* client({ name })
        yield* Layer.build(Layer.provide(Pool.worker([known], { concurrency: 1 }), other))
        assert.strictEqual(yield* handle.join, "known")
      }).pipe(
        Effect.scoped,
        Effect.provide(Pool.worker([new Gates().handler], { concurrency: 1 })),
        Effect.provide(poolLayer({ name }))
      )
    })

    it.effect("a task whose only worker is busy waits for it, however often it meets another worker", () => {
      const name = poolName()
      const gates = new Gates()
      const other = Stranger.handle(() => Effect.succeed(""))
      return Effect.gen(function* () {
        const raw = yield* rawClient
        yield* Layer.build(Pool.worker([gates.handler], { concurrency: 1 }))
        const busy = yield* Pool.fork(Work, { key: "a" })
        yield* gates.started("a")
        yield* Layer.build(Pool.worker([other], { concurrency: 1, unknownFor: "1 millis" }))
        const waiting = yield* Pool.fork(Work, { key: "now" }, { id: "waits" })
        yield* eventually(
          Effect.promise(() => raw.hget(jobKey(name, "waits"), "ats")),
          (starts) => Number(starts) >= 5
        )
        yield* gates.open("a")
        assert.strictEqual(yield* busy.join, "a")
        assert.strictEqual(yield* waiting.join, "now")
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, size: 5 })))
    })

    it.effect(
      "cancelling a running task waits for its finalizers, and its submitter learns that it had started",
      () => {
        const gates = new Gates()
        const worker = Pool.worker([gates.handler], { concurrency: 1 })
        return Effect.gen(function* () {
          const handle = yield* Pool.fork(Work, { key: "a" })
          yield* gates.started("a")
          yield* handle.cancel
          assert.deepStrictEqual(gates.ended, ["a"])
          assert.deepInclude(yield* Effect.flip(handle.join), {
            _tag: "TaskCancelled",
            reason: "Cancelled",
            started: true
          })
          yield* handle.cancel
        }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
      }
    )

    it.effect("cancelling a task that ends in the same moment keeps its result", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1 })
      const name = poolName()
      // The canceller learns that the task waits, and then the task runs and ends.
      let hasAsked = false
      const asked = Deferred.makeUnsafe<void>()
      const ended = Deferred.makeUnsafe<void>()
      const late = (reply: unknown) => Effect.runPromise(Effect.as(Deferred.await(ended), reply))
      const slow = through((args, pass) => {
        if (args[0] === "COUNT" && args.includes(`aio:${name}:events`)) return pass().then(late)
        if (hasAsked || args[2] !== `aio:${name}:` || !jobKey(name, "a").endsWith(String(args[3]))) return pass()
        return pass().then((state) => {
          hasAsked = true
          Deferred.doneUnsafe(asked, Effect.void)
          return late(state)
        })
      })
      return Effect.gen(function* () {
        yield* Layer.build(worker)
        yield* Pool.holdDispatch
        const handle = yield* Effect.provide(
          Pool.fork(Work, { key: "now" }, { id: "a" }),
          yield* Layer.build(Layer.fresh(kinds.Simple.layer({ tag: Pool, name }).pipe(Layer.provide(slow))))
        )
        const canceller = yield* Effect.forkChild(handle.cancel, { startImmediately: true })
        yield* Deferred.await(asked)
        yield* Pool.releaseDispatch
        yield* (yield* Pool.attach(Work, "a")).join
        yield* Deferred.succeed(ended, undefined)
        yield* Fiber.join(canceller)
        assert.strictEqual(yield* (yield* Pool.attach(Work, "a")).join, "now")
        assert.strictEqual(yield* Pool.submit(Work, { key: "now again" }, { id: "a" }), "now")
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name })))
    })

    for (const kind of ["Simple", "Lifo", "Priority"] as const) {
      it.effect(`cancelling removes a waiting and a delayed task of a pool of kind ${kind}`, () => {
        const name = poolName()
        return Effect.gen(function* () {
          const raw = yield* rawClient
          for (const delay of [0, "1 hour"] as const) {
            const handle = yield* Pool.fork(Work, { key: "a" }, { id: "a", delay })
            yield* handle.cancel
            assert.deepInclude(failureOf(yield* handle.await) as object, { _tag: "TaskCancelled", started: false })
            assert.strictEqual(yield* Effect.promise(() => raw.exists(jobKey(name, "a"))), 0)
          }
          assert.deepInclude(yield* Pool.stats, { waiting: 0, delayed: 0 })
        }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, kind })))
      })
    }

    it.effect("interrupting a submitter removes its waiting task, and interrupts its running one", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const running = yield* Effect.forkChild(Pool.submit(Work, { key: "a" }))
        yield* gates.started("a")
        const waiting = yield* Effect.forkChild(Pool.submit(Work, { key: "b" }))
        yield* eventually(Pool.stats, (stats) => stats.waiting === 1)
        yield* Fiber.interrupt(waiting)
        assert.strictEqual((yield* Pool.stats).waiting, 0)
        yield* Fiber.interrupt(running)
        assert.deepStrictEqual(gates.ended, ["a"])
        assert.deepInclude(yield* Pool.stats, { running: 0, waiting: 0 })
        assert.deepStrictEqual(gates.runs, ["a"])
      }).pipe(Effect.provide(worker), Effect.provide(poolLayer()))
    })

    it.effect("a second submitter of an ID only stops waiting when it is interrupted", () => {
      const name = poolName()
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 1 })
      return Effect.gen(function* () {
        const first = yield* Effect.forkChild(Pool.submit(Work, { key: "a" }, { id: "same" }))
        yield* gates.started("a")
        const other = yield* client({ name })
        for (const where of [Effect.provide(other), <A, E, R>(self: Effect.Effect<A, E, R>) => self]) {
          const second = yield* Effect.forkChild(where(Pool.submit(Work, { key: "b" }, { id: "same" })))
          yield* Effect.sleep(50)
          yield* Fiber.interrupt(second)
        }
        const waiting = yield* Effect.forkChild(Effect.provide(Pool.submit(Work, { key: "c" }, { id: "same" }), other))
        yield* gates.open("a")
        assert.strictEqual(yield* Fiber.join(first), "a")
        assert.strictEqual(yield* Fiber.join(waiting), "a")
        assert.deepStrictEqual(gates.runs, ["a"])
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ name })))
    })

    it.effect("connections that break again and again lose no task, and count each delta once", () => {
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 4, lease: "1 second", stalledCheck: "300 millis" })
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const keys = Array.from({ length: 200 }, (_, i) => `now ${i}`)
        const all = yield* Effect.forkChild(
          Effect.forEach(keys, (key) => Pool.submit(Work, { key }), { concurrency: 20 })
        )
        let size = 4
        for (let i = 0; i < 10; i++) {
          yield* Effect.sleep(20)
          const scaled = yield* Effect.forkChild(Pool.scale(1), { startImmediately: true })
          yield* Effect.promise(() => raw.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
          const exit = yield* Fiber.await(scaled)
          if (Exit.isSuccess(exit)) size++
          else
            size = yield* eventually(
              Effect.map(Pool.stats, (stats) => stats.targetSize),
              () => true
            )
        }
        assert.deepStrictEqual(yield* Fiber.join(all), keys)
        assert.strictEqual((yield* Pool.stats).targetSize, size)
      }).pipe(Effect.scoped, Effect.provide(worker), Effect.provide(poolLayer({ size: 4, sweep: "300 millis" })))
    })

    it.effect(
      "a worker keeps the leases of tasks that it has fetched and not started, however slow the broker is",
      () => {
        const name = poolName()
        const gates = new Gates()
        const worker = Pool.worker([gates.handler], { concurrency: 2, lease: "4 seconds", stalledCheck: "300 millis" })
        // The worker's second fetch does not reach the server. BullMQ starts no task before all its fetches have answered.
        const held = Deferred.makeUnsafe<void>()
        let hasFetched = false
        const slow = through((args, pass) => {
          if (args[1] !== "11" || args[2] !== `aio:${name}:wait`) return pass()
          if (hasFetched) return Effect.runPromise(Deferred.await(held)).then(pass)
          const sent = pass()
          // ioredis sends a script again that the server does not know yet.
          void sent.then(
            () => (hasFetched = true),
            () => {}
          )
          return sent
        })
        return Effect.gen(function* () {
          const raw = yield* rawClient
          const first = yield* Pool.fork(Work, { key: "now 1" }, { id: "1" })
          const second = yield* Pool.fork(Work, { key: "now 2" }, { id: "2" })
          const lock = `${jobKey(name, "1")}:lock`
          const left = Effect.promise(() => raw.pttl(lock))
          yield* Layer.build(worker).pipe(
            Effect.provide(kinds.Simple.layer({ tag: Pool, name }).pipe(Layer.provide(slow))),
            Effect.forkScoped
          )
          let lowest = yield* eventually(left, (millis) => millis > 0)
          // The lease ends, or it is renewed.
          const after = yield* eventually(left, (millis) => {
            const isDecided = millis < 0 || millis > lowest
            lowest = Math.min(lowest, millis)
            return isDecided
          })
          assert.isAbove(after, 0, "the lease ended")
          assert.deepStrictEqual(gates.runs, [])
          yield* Deferred.succeed(held, undefined)
          assert.strictEqual(yield* first.join, "now 1")
          assert.strictEqual(yield* second.join, "now 2")
          assert.deepStrictEqual(gates.runs, ["now 1", "now 2"])
        }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, size: 2 })))
      }
    )

    it.effect(
      "a task that runs again beside its first copy, in one worker, keeps its lease and can be cancelled",
      () => {
        const name = poolName()
        const firstEnds = Deferred.makeUnsafe<void>()
        const stalls: Array<number> = []
        const handler = Work.handle(({ key }, context) =>
          Effect.suspend(() => {
            stalls.push(context.stalls)
            return stalls.length === 1
              ? Effect.uninterruptible(Effect.as(Deferred.await(firstEnds), key))
              : Effect.never
          })
        )
        const runs = (count: number) =>
          eventually(
            Effect.sync(() => stalls.length),
            (length) => length === count
          )
        return Effect.gen(function* () {
          const raw = yield* rawClient
          yield* Layer.build(Pool.worker([handler], { concurrency: 2, lease: "4 seconds", stalledCheck: "100 millis" }))
          const handle = yield* Pool.fork(Work, { key: "a" }, { id: "a" })
          yield* runs(1)
          const lock = `${jobKey(name, "a")}:lock`
          yield* Effect.promise(() => raw.del(lock))
          yield* runs(2)
          yield* Deferred.succeed(firstEnds, undefined)
          // The lease of the second copy is renewed, or it ends and the task runs once more.
          const left = Effect.promise(() => raw.pttl(lock))
          let lowest = yield* left
          yield* eventually(left, (millis) => {
            const isDecided = millis > lowest || stalls.length > 2
            lowest = Math.min(lowest, millis)
            return isDecided
          })
          assert.deepStrictEqual(stalls, [0, 1])
          yield* handle.cancel
          assert.deepInclude(failureOf(yield* handle.await) as object, { _tag: "TaskCancelled", started: true })
        }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, size: 2 })))
      }
    )

    it.effect(
      "a late notice that the first copy lost its lease does not fail the second copy in the same worker",
      () => {
        const name = poolName()
        const isHeld = Deferred.makeUnsafe<void>()
        const released = Deferred.makeUnsafe<void>()
        const firstEnds = Deferred.makeUnsafe<void>()
        const stalls: Array<number> = []
        // The worker's first renewal has the lease of the first copy, and reaches the server when the second one runs.
        const slow = through((args, pass) => {
          if (args[1] !== "1" || args[2] !== `aio:${name}:stalled`) return pass()
          Deferred.doneUnsafe(isHeld, Effect.void)
          return Effect.runPromise(Deferred.await(released)).then(pass)
        })
        const handler = Work.handle(({ key }, context) =>
          Effect.suspend(() => {
            stalls.push(context.stalls)
            if (stalls.length === 1) return Effect.uninterruptible(Effect.as(Deferred.await(firstEnds), key))
            return stalls.length === 2
              ? Effect.andThen(Deferred.succeed(released, undefined), Effect.never)
              : Effect.succeed(`${key} again`)
          })
        )
        const options = { concurrency: 2, lease: "4 seconds", stalledCheck: "100 millis", shutdown: {} } as const
        return Effect.gen(function* () {
          const raw = yield* rawClient
          yield* Layer.build(Pool.worker([handler], options))
          const handle = yield* Pool.fork(Work, { key: "a" }, { id: "a" })
          yield* Deferred.await(isHeld)
          yield* Effect.promise(() => raw.del(`${jobKey(name, "a")}:lock`))
          const exit = yield* handle.await
          yield* Deferred.succeed(firstEnds, undefined)
          assert.deepStrictEqual(exit, Exit.succeed("a again"))
          assert.deepStrictEqual(stalls.slice(0, 2), [0, 1])
        }).pipe(
          Effect.scoped,
          Effect.provide(kinds.Simple.layer({ tag: Pool, name, size: 2 }).pipe(Layer.provide(slow)))
        )
      }
    )

    it.effect("hundreds of waiters cause no warning about listeners", () => {
      const warnings: Array<Error> = []
      const onWarning = (warning: Error) => void warnings.push(warning)
      process.on("warning", onWarning)
      const gates = new Gates()
      const worker = Pool.worker([gates.handler], { concurrency: 8 })
      return Effect.gen(function* () {
        const keys = Array.from({ length: 300 }, (_, i) => `now ${i}`)
        const results = yield* Effect.forEach(keys, (key) => Pool.submit(Work, { key }), { concurrency: "unbounded" })
        assert.deepStrictEqual(results, keys)
        assert.deepStrictEqual(warnings, [])
      }).pipe(
        Effect.provide(worker),
        Effect.provide(poolLayer({ size: 8 })),
        Effect.ensuring(Effect.sync(() => process.off("warning", onWarning)))
      )
    })

    it.effect(
      "a worker that closes hands its tasks back: another one runs them, and the attempt does not count",
      () => {
        const name = poolName()
        const gates = new Gates()
        const attempts: Array<readonly [number, number]> = []
        const stuck = Work.handle((_, { attempt, stalls }) => {
          attempts.push([attempt, stalls])
          return attempts.length === 1 ? Effect.never : Effect.succeed("done")
        })
        return Effect.gen(function* () {
          const handle = yield* Effect.scoped(
            Effect.gen(function* () {
              const worker = Pool.worker([stuck], { concurrency: 1, shutdown: { drainTimeout: 0 } })
              yield* Layer.build(worker)
              const handle = yield* Pool.fork(Work, { key: "a" })
              yield* eventually(
                Effect.sync(() => attempts.length),
                (count) => count === 1
              )
              return handle
            })
          )
          assert.strictEqual(yield* handle.state, "Waiting")
          yield* Layer.build(Pool.worker([stuck], { concurrency: 1 }))
          assert.strictEqual(yield* handle.join, "done")
          assert.deepStrictEqual(attempts, [
            [1, 0],
            [1, 0]
          ])
          yield* gates.open("a")
        }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, kind: "Priority" })))
      }
    )

    it.effect("a pool that closes while it opens reads no more, so that the process can end", () => {
      const asked = Deferred.makeUnsafe<void>()
      const answer = Deferred.makeUnsafe<void>()
      let lastAsked: Promise<unknown> = Promise.resolve()
      let reads = 0
      // The question for the last message of the control stream is answered when the pool has closed.
      const slow = through((args, pass) => {
        if (args[0] === "COUNT") reads++
        if (args[1] !== "+") return pass()
        Deferred.doneUnsafe(asked, Effect.void)
        lastAsked = pass().then((last) => Effect.runPromise(Effect.as(Deferred.await(answer), last)))
        return lastAsked
      })
      const pool = kinds.Simple.layer({ tag: Pool, name: poolName() })
      return Effect.gen(function* () {
        yield* Effect.scoped(Effect.andThen(Layer.build(Layer.provide(pool, slow)), Deferred.await(asked)))
        yield* Deferred.succeed(answer, undefined)
        yield* Effect.promise(() => lastAsked)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        assert.strictEqual(reads, 0)
      })
    })

    it.effect("a handle of a closed pool does not call its task done while the task goes on", () => {
      return Effect.gen(function* () {
        const pool = yield* Pool
        const handle = yield* pool.fork(Work, { key: "a" })
        const joiner = yield* Effect.forkChild(Effect.exit(handle.join), { startImmediately: true })
        const cancelled = yield* pool.fork(Work, { key: "b" })
        yield* cancelled.cancel
        yield* pool.close()
        assert.deepInclude(failureOf(yield* Fiber.join(joiner)), { _tag: "TaskCancelled", reason: "Closed" })
        for (const use of [handle.state, handle.poll, handle.cancel, handle.reprioritize(1)]) {
          const error = failureOf(yield* Effect.exit<unknown, unknown, never>(use))
          assert.deepInclude(error, { _tag: "NotAvailable", reason: "Closed" })
        }
        // It has settled before, which the handle knows.
        assert.strictEqual(yield* cancelled.state, "Done")
        assert.isTrue(Option.isSome(yield* cancelled.poll))
        yield* cancelled.cancel
      }).pipe(Effect.provide(poolLayer()))
    })

    it.effect("a handler survives progress that the broker refuses", () => {
      const name = poolName()
      const survived: Array<string> = []
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const handler = Work.handle(({ key }, { progress }) =>
          Effect.gen(function* () {
            yield* Effect.promise(() => raw.del(jobKey(name, "gone")))
            yield* progress({ step: 1 })
            survived.push(key)
            return key
          })
        )
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        const lost = yield* Effect.flip(Pool.submit(Work, { key: "a" }, { id: "gone" }))
        assert.deepInclude(lost, { _tag: "TaskLost", reason: "Vanished" })
        assert.deepStrictEqual(survived, ["a"])
      }).pipe(Effect.scoped, Effect.provide(poolLayer({ name, sweep: "100 millis" })))
    })

    it.effect("progress arrives in order, and its stream ends with the task", () => {
      const handler = Work.handle(({ key }, { progress }) =>
        Effect.as(
          Effect.forEach([1, 2, 3], (step) => progress({ step })),
          key
        )
      )
      return Effect.gen(function* () {
        const handle = yield* Pool.fork(Work, { key: "a" })
        const reading = yield* Effect.forkChild(Stream.runCollect(handle.progress), { startImmediately: true })
        yield* Layer.build(Pool.worker([handler], { concurrency: 1 }))
        assert.strictEqual(yield* handle.join, "a")
        assert.deepStrictEqual(yield* Fiber.join(reading), [{ step: 1 }, { step: 2 }, { step: 3 }])
        assert.deepStrictEqual(yield* Stream.runCollect(handle.progress), [])
      }).pipe(Effect.scoped, Effect.provide(poolLayer()))
    })
  })
})

describe("the engine", () => {
  it_("has an exact version, because the driver reads and writes keys of BullMQ", () => {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      readonly dependencies: Record<string, string>
    }
    assert.match(manifest.dependencies["bullmq"]!, /^\d+\.\d+\.\d+$/)
    assert.match(manifest.dependencies["ioredis"]!, /^\d+\.\d+\.\d+$/)
  })
})
