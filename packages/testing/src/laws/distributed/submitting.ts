import { DistributedTask, TaskLost } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { defectOf, failureOf, start } from "../kit.ts"
import { Call, type DistributedLaws, gate, Refused, until } from "./kit.ts"

/** Checks that an exit is `TaskLost` because something does not fit, and that no value is in the message. */
const expectUndecodable = (exit: Exit.Exit<unknown, unknown>, secret: string): TaskLost => {
  const error = failureOf(exit, "TaskLost") as TaskLost
  assert.strictEqual(error.reason, "Undecodable")
  assert.notInclude(error.detail, secret)
  assert.notInclude(error.message, secret)
  return error
}

const dateOf = (millis: number) => DateTime.toDateUtc(DateTime.makeUnsafe(millis))

class Place extends Context.Service<Place, string>()("laws/Place") {}
const Language = Context.Reference("laws/Language", { defaultValue: () => "none" })

/** What travels, and what a submitter gets. */
export const submittingLaws = (laws: DistributedLaws): void => {
  laws.law("submit returns the result, decoded by its schema", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Later = DistributedTask.make("later", {
        payload: Schema.Struct({ at: Schema.Date, by: Schema.optional(Schema.BigInt) }),
        success: Schema.Struct({ at: Schema.Date, by: Schema.BigInt })
      })
      const add = Later.handle(({ at, by = 1n }) => Effect.succeed({ at: dateOf(at.getTime() + Number(by)), by }))
      yield* pool.worker([add], { concurrency: 1 })
      const at = dateOf(1_700_000_000_000)
      assert.deepStrictEqual(yield* pool.submit(Later, { at, by: 5n }), { at: dateOf(1_700_000_000_005), by: 5n })
      assert.deepStrictEqual(yield* pool.submit(Later, { at }), { at: dateOf(1_700_000_000_001), by: 1n })
    })
  )

  laws.law("an optional field may be added by submitters first, or by workers first", {}, ({ pool }) =>
    Effect.gen(function* () {
      const older = { payload: Schema.Struct({ a: Schema.Int }), success: Schema.Struct({ sum: Schema.Int }) }
      const newer = {
        payload: Schema.Struct({ a: Schema.Int, b: Schema.optional(Schema.Int) }),
        success: Schema.Struct({ sum: Schema.Int, parts: Schema.optional(Schema.Int) })
      }
      const first = DistributedTask.make("first", older)
      const firstLater = DistributedTask.make("first", newer)
      const second = DistributedTask.make("second", newer)
      const secondEarlier = DistributedTask.make("second", older)
      yield* pool.worker(
        [
          first.handle(({ a }) => Effect.succeed({ sum: a })),
          second.handle(({ a, b = 0 }) => Effect.succeed({ sum: a + b, parts: 2 }))
        ],
        { concurrency: 1 }
      )
      assert.deepStrictEqual(yield* pool.submit(firstLater, { a: 1, b: 2 }), { sum: 1 })
      assert.deepStrictEqual(yield* pool.submit(secondEarlier, { a: 1 }), { sum: 1 })
    })
  )

  laws.law("a task without payload and result runs", {}, ({ pool }) =>
    Effect.gen(function* () {
      let runs = 0
      const Tick = DistributedTask.make("tick")
      yield* pool.worker([Tick.handle(() => Effect.sync(() => void runs++))], { concurrency: 1 })
      assert.isUndefined(yield* pool.submit(Tick, undefined))
      assert.strictEqual(runs, 1)
    })
  )

  laws.law("a typed failure arrives as an instance of its class", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const error = yield* Effect.flip(world.submit(Effect.fail(new Refused({ why: "full" }))))
      assert.instanceOf(error, Refused)
      assert.strictEqual(error.why, "full")
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a defect arrives as a defect, without a stack of the worker", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const defect = defectOf(yield* Effect.exit(world.submit(Effect.die(new TypeError("boom")))))
      assert.instanceOf(defect, Error)
      assert.strictEqual(defect.message, "boom")
      assert.notInclude(defect.stack ?? "", "submitting.ts")
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("what a handler throws is a defect of its task, and so is a handler that returns no Effect", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const thrown = world.submit(() => {
        throw new Error("thrown")
      })
      assert.include(String(defectOf(yield* Effect.exit(thrown))), "thrown")
      const none = world.submit(() => "no effect" as unknown as Effect.Effect<string>)
      assert.include(String(defectOf(yield* Effect.exit(none))), "no Effect")
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a handler that interrupts itself passes as an interruption", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const handle = yield* world.fork(Effect.interrupt)
      const exit = yield* handle.await
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    })
  )

  laws.law("a payload that does not fit its schema is refused with its path, and nothing is sent", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Person = DistributedTask.make("person", {
        payload: Schema.Struct({ user: Schema.Struct({ age: Schema.Int }) })
      })
      const wrong = { user: { age: "s3cret" as unknown as number } }
      for (const send of [pool.submit(Person, wrong), pool.fork(Person, wrong)]) {
        const error = expectUndecodable(yield* Effect.exit<unknown, unknown, never>(send), "s3cret")
        assert.deepStrictEqual([error.id, error.attempts], ["", 0])
        assert.include(error.detail, `["user"]["age"]`)
      }
      const { delayed, running, waiting } = yield* pool.stats
      assert.deepStrictEqual({ delayed, running, waiting }, { delayed: 0, running: 0, waiting: 0 })
    })
  )

  laws.law("a schema that throws is refused like a payload that does not fit", {}, ({ pool }) =>
    Effect.gen(function* () {
      const hostile = {
        get n(): number {
          throw new Error("s3cret")
        }
      }
      const Hostile = DistributedTask.make("hostile", { payload: Schema.Struct({ n: Schema.Number }) })
      expectUndecodable(yield* Effect.exit(pool.submit(Hostile, hostile)), "s3cret")
      assert.strictEqual((yield* pool.stats).waiting, 0)
    })
  )

  laws.law("payloads and results above the size limit are refused", { sizeLimit: 1000 }, ({ pool }) =>
    Effect.gen(function* () {
      const Repeat = DistributedTask.make("repeat", {
        payload: Schema.Struct({ text: Schema.String, times: Schema.Int }),
        success: Schema.String
      })
      const repeat = Repeat.handle(({ text, times }) => Effect.succeed(text.repeat(times)))
      yield* pool.worker([repeat], { concurrency: 1 })
      const payload = yield* Effect.exit(pool.submit(Repeat, { text: "é".repeat(600), times: 1 }))
      assert.strictEqual(expectUndecodable(payload, "é").id, "")
      const result = yield* Effect.exit(pool.submit(Repeat, { text: "é", times: 600 }))
      assert.include(expectUndecodable(result, "é").detail, "1000")
      assert.strictEqual(yield* pool.submit(Repeat, { text: "é", times: 400 }), "é".repeat(400))
    })
  )

  laws.law("a payload that the worker's schema refuses never runs, and is not tried again", {}, ({ pool }) =>
    Effect.gen(function* () {
      let runs = 0
      const old = DistributedTask.make("skewed", { payload: Schema.Struct({ size: Schema.String }) })
      const now = DistributedTask.make("skewed", { payload: Schema.Struct({ size: Schema.Int }) })
      yield* pool.worker([now.handle(() => Effect.sync(() => void runs++))], { concurrency: 1 })
      const exit = yield* Effect.exit(pool.submit(old, { size: "s3cret" }, { attempts: 3 }))
      assert.include(expectUndecodable(exit, "s3cret").detail, `["size"]`)
      assert.strictEqual(runs, 0)
    })
  )

  laws.law(
    "a result that does not fit a schema, the worker's or the submitter's, is told with its path",
    {},
    ({ pool }) =>
      Effect.gen(function* () {
        const ofWorker = DistributedTask.make("answer", { success: Schema.Struct({ n: Schema.Unknown }) })
        const ofSubmitter = DistributedTask.make("answer", { success: Schema.Struct({ n: Schema.Int }) })
        const Wrong = DistributedTask.make("wrong", { success: Schema.Struct({ n: Schema.Int }) })
        const handlers = [
          ofWorker.handle(() => Effect.succeed({ n: "s3cret" })),
          Wrong.handle(() => Effect.succeed({ n: "s3cret" as unknown as number }))
        ]
        yield* pool.worker(handlers, { concurrency: 1 })
        for (const task of [ofSubmitter, Wrong]) {
          const error = expectUndecodable(yield* Effect.exit(pool.submit(task, undefined)), "s3cret")
          assert.include(error.detail, `["n"]`)
        }
      })
  )

  laws.law("hostile JSON travels as data and changes no prototype", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Mirror = DistributedTask.make("mirror", {
        payload: Schema.Record(Schema.String, Schema.Json),
        success: Schema.Record(Schema.String, Schema.Json)
      })
      const seen: Array<ReadonlyArray<string>> = []
      const mirror = Mirror.handle((payload) =>
        Effect.sync(() => {
          seen.push(Object.keys(payload))
          return payload
        })
      )
      yield* pool.worker([mirror], { concurrency: 1 })
      const text = `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}`
      const result = yield* pool.submit(Mirror, JSON.parse(text))
      assert.strictEqual(JSON.stringify(result), text)
      assert.deepStrictEqual(seen, [["__proto__", "constructor", "toString"]])
      assert.strictEqual(Object.getPrototypeOf(result), Object.prototype)
      assert.isUndefined(({} as { polluted?: boolean }).polluted)
    })
  )

  laws.law("the names of tasks are data: inherited ones find no handler", {}, ({ pool }) =>
    Effect.gen(function* () {
      const names = ["__proto__", "constructor", "hasOwnProperty", "a:b", "größe 尺寸"]
      const tasks = names.map((name) => DistributedTask.make(name, { success: Schema.String }))
      const known = tasks.slice(1).map((task) => task.handle(() => Effect.succeed(task.name)))
      yield* pool.worker(known, { concurrency: 2, unknownFor: 100 })
      for (const task of tasks.slice(1)) assert.strictEqual(yield* pool.submit(task, undefined), task.name)
      const lost = failureOf(yield* Effect.exit(pool.submit(tasks[0]!, undefined)), "TaskLost") as TaskLost
      assert.strictEqual(lost.reason, "UnknownTask")
    })
  )

  laws.law("handlers have the services of their worker, and nothing of the submitter", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Where = DistributedTask.make("where", { success: Schema.String })
      const where = Where.handle(() =>
        Effect.gen(function* () {
          return `${yield* Place}, ${yield* Language}`
        })
      )
      yield* Effect.provideService(pool.worker([where], { concurrency: 1 }), Place, "worker")
      const submitted = pool
        .submit(Where, undefined)
        .pipe(Effect.provideService(Place, "submitter"), Effect.provideService(Language, "Latin"))
      assert.strictEqual(yield* submitted, "worker, none")
    })
  )

  laws.law("what a handler acquires is released before its result arrives", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Acquire = DistributedTask.make("acquire", { success: Schema.String })
      const seen: Array<string> = []
      const acquire = Acquire.handle(() =>
        Effect.acquireRelease(Effect.succeed("acquired"), () => Effect.sync(() => seen.push("released")))
      )
      yield* pool.worker([acquire], { concurrency: 1 })
      seen.push(yield* pool.submit(Acquire, undefined))
      assert.deepStrictEqual(seen, ["released", "acquired"])
    })
  )

  laws.law("interrupting a submitter takes its waiting task out of the queue, so that it never runs", {}, (world) =>
    Effect.gen(function* () {
      const { body, counts } = gate("never")
      const fiber = yield* start(world.submit(body))
      yield* world.until(({ waiting }) => waiting === 1)
      yield* Fiber.interrupt(fiber)
      yield* world.until(({ waiting }) => waiting === 0)
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      assert.strictEqual(counts.begun, 0)
    })
  )

  laws.law("interrupting a submitter interrupts its running task and waits for its finalizers", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts, started } = gate("never")
      const slow = Effect.ensuring(body, Effect.sleep(30))
      const finalized = yield* Deferred.make<void>()
      const fiber = yield* start(world.submit(Effect.ensuring(slow, Deferred.succeed(finalized, undefined))))
      yield* started
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* Deferred.isDone(finalized))
      assert.deepStrictEqual(counts, { begun: 1, ended: 1 })
      yield* world.until(({ running }) => running === 0)
    })
  )

  laws.law("a task waits until a worker joins", {}, (world) =>
    Effect.gen(function* () {
      const fiber = yield* start(world.submit(Effect.succeed("late")))
      yield* world.until(({ waiting }) => waiting === 1)
      yield* world.worker()
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    })
  )

  laws.law("a handler may fork a task of its own pool, but not wait for one", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const inner = world.payload(Effect.succeed("inner"))
      const reasons: Array<unknown> = []
      const refused = <A, E>(wait: Effect.Effect<A, E>) =>
        Effect.map(Effect.exit(wait), (exit) => {
          const error = failureOf(exit, "NotAvailable") as { readonly reason?: unknown }
          reasons.push(error.reason)
        })
      const outer = Effect.gen(function* () {
        yield* refused(world.pool.submit(Call, inner))
        yield* refused(world.pool.forEach([1], Call, () => inner))
        const handle = yield* Effect.orDie(world.pool.fork(Call, inner, { id: "forked" }))
        yield* refused(handle.join)
        return handle.id
      })
      assert.strictEqual(yield* world.submit(outer), "forked")
      assert.deepStrictEqual(reasons, ["Nested", "Nested", "Nested"])
      const forked = yield* world.pool.attach(Call, "forked")
      assert.strictEqual(yield* forked.join, "inner")
    })
  )

  laws.law("a fiber that outlives its handler may wait for the pool", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const inner = world.payload(Effect.succeed("inner"))
      const ended = yield* Deferred.make<void>()
      const results: Array<string> = []
      const daemon = Effect.gen(function* () {
        yield* Deferred.await(ended)
        results.push(yield* Effect.orDie(world.pool.submit(Call, inner)))
      })
      yield* world.submit(Effect.as(Effect.forkDetach(daemon), "outer"))
      yield* Deferred.succeed(ended, undefined)
      yield* until(Effect.sync(() => results.length === 1))
      assert.deepStrictEqual(results, ["inner"])
    })
  )
}
