import { defectOf, expectStats, gated, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { flow, pipe } from "effect/Function"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import {
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type MapEffect,
  type PoolEvent,
  TaskPool,
  UnknownTaskType,
  UnknownTaskWeight
} from "../src/index.ts"

class DbPool extends TaskPool.Tag<DbPool>()("test/DbPool") {}
class WebPool extends TaskPool.Tag<WebPool>()("test/WebPool") {}

const { layer } = AioFixedTaskPoolSimple

describe("the tag", () => {
  it("has the key of its path, and a tag of one's own the key it is given", () => {
    assert.strictEqual(TaskPool.key, "@aio-task-pool/core/TaskPool")
    assert.strictEqual(DbPool.key, "test/DbPool")
  })

  it.effect("gives the service: its name and every operation", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      assert.strictEqual(pool.name, "named")
      const operations = ["submit", "fork", "submitNowait", "scale", "resize", "close"] as const
      for (const operation of operations) assert.isFunction(pool[operation])
      const effects = ["awaitResized", "pause", "resume", "togglePause", "awaitEmpty", "awaitIdle", "stats"] as const
      for (const effect of effects) assert.isTrue(Effect.isEffect(pool[effect]), effect)
      assert.isTrue(Effect.isEffect(pool.start))
      assert.isTrue(Stream.isStream(pool.events))
    }).pipe(Effect.provide(layer(1, { name: "named" })))
  )

  it.effect("has every operation of the service as a static, and no more", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      for (const name of Object.keys(pool)) assert.property(TaskPool, name)
      const statics = Object.keys(DbPool).filter((name) => name !== "key" && !name.startsWith("~"))
      const others = statics.filter((name) => !(name in pool) && !(name in Context.Service("test/Plain")))
      assert.deepStrictEqual(others, [])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("lets operations be used apart from their service", () =>
    Effect.gen(function* () {
      const { fork, resize, scale, stats, submit } = yield* TaskPool
      assert.strictEqual(yield* submit(Effect.succeed(1)), 1)
      assert.strictEqual(yield* (yield* fork(Effect.succeed(2))).join, 2)
      assert.deepStrictEqual([yield* scale(1), yield* resize(4)], [2, 4])
      assert.strictEqual((yield* stats).targetSize, 4)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("statics ask for the pool when they are run, so one effect serves any pool", () =>
    Effect.gen(function* () {
      const submitted = Effect.andThen(TaskPool.submit(Effect.void), TaskPool.stats)
      assert.strictEqual((yield* Effect.provide(submitted, layer(2))).targetSize, 2)
      assert.strictEqual((yield* Effect.provide(submitted, layer(5))).targetSize, 5)
    })
  )

  it.effect("of two pools in one program keeps them apart", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* DbPool.submit(Effect.succeed("row"), { weight: 1 }), "row")
      yield* DbPool.pause
      assert.strictEqual(yield* WebPool.submit(Effect.succeed("page")), "page")
      assert.strictEqual((yield* Effect.flip(DbPool.submit(Effect.void))).pool, "db")
      assert.deepInclude(yield* DbPool.stats, { phase: "Paused", targetSize: 8, submitted: 1 })
      assert.deepInclude(yield* WebPool.stats, { phase: "Open", targetSize: 2, submitted: 1 })
    }).pipe(
      Effect.provide(
        Layer.mergeAll(AioFixedTaskPoolPriority.layer(8, { tag: DbPool, name: "db" }), layer(2, { tag: WebPool }))
      )
    )
  )

  it.effect("lets a task of one pool submit to another and wait, though each has one worker", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* WebPool.submit(DbPool.submit(Effect.succeed("row"))), "row")
    }).pipe(Effect.provide(Layer.mergeAll(layer(1, { tag: DbPool }), layer(1, { tag: WebPool }))))
  )

  it.effect("shares one pool among all who are given one layer", () =>
    Effect.gen(function* () {
      const one = layer(1)
      const user = (name: string) =>
        Layer.effect(Context.Service<string, string>(name))(Effect.as(TaskPool.submit(Effect.void), name))
      const both = Layer.mergeAll(Layer.provide(user("a"), one), Layer.provide(user("b"), one), one)
      assert.strictEqual((yield* Effect.provide(TaskPool.stats, both)).submitted, 2)
    })
  )
})

describe("what is submitted", () => {
  const uses = {
    submit: TaskPool.submit,
    fork: ((task: never, options: never) =>
      Effect.flatMap(TaskPool.fork(task, options), (handle) => handle.join)) as unknown as typeof TaskPool.submit,
    submitNowait: ((task: never, options: never) =>
      Effect.flatMap(
        TaskPool.submitNowait(task, options),
        (handle) => handle.join
      )) as unknown as typeof TaskPool.submit
  }

  describe.for(Object.entries(uses))("by %s", ([, use]) => {
    it.effect("may be an effect, a function, or a function with arguments", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* use(Effect.succeed("effect")), "effect")
        assert.strictEqual(yield* use(() => Effect.succeed("function")), "function")
        assert.strictEqual(yield* use((a: string, b: number) => Effect.succeed(a + b), { args: ["args", 2] }), "args2")
        assert.strictEqual(yield* use((...all: ReadonlyArray<number>) => Effect.succeed(all.length), { args: [] }), 0)
        assert.strictEqual(
          yield* use(
            function () {
              return Effect.succeed(arguments.length)
            },
            { weight: 1 }
          ),
          0
        )
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("may be an Exit, a generator function, or a service, as these are effects", () =>
      Effect.gen(function* () {
        assert.strictEqual(
          yield* use(
            Effect.gen(function* () {
              return (yield* TaskPool.stats).running
            })
          ),
          1
        )
        assert.strictEqual((yield* use(TaskPool)).name, "AioFixedTaskPoolSimple")
        assert.strictEqual(
          yield* use(
            Effect.fnUntraced(function* (n: number) {
              yield* Effect.yieldNow
              return n
            }),
            { args: [3] }
          ),
          3
        )
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("does not begin before the submission runs, and begins once for each run", () =>
      Effect.gen(function* () {
        let calls = 0
        const submission = use(() => Effect.sync(() => ++calls))
        yield* expectStats({ submitted: 0 })
        assert.strictEqual(calls, 0)
        assert.deepStrictEqual([yield* submission, yield* submission], [1, 2])
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("calls its function when it is dispatched, with the arguments as they are then", () =>
      Effect.gen(function* () {
        const busy = gated("busy")
        yield* TaskPool.fork(busy.task)
        const seen: Array<ReadonlyArray<string>> = []
        const args: [Array<string>] = [["early"]]
        const remember = (all: ReadonlyArray<string>) => Effect.sync(() => void seen.push([...all]))
        const fiber = yield* start(use(remember, { args }))
        args[0].push("late")
        assert.deepStrictEqual(seen, [])
        yield* busy.open
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, [["early", "late"]])
      }).pipe(Effect.provide(layer(1)))
    )
  })

  it.effect("by submitNowait never waits: it is rejected at once when the queue is full", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const waiting = yield* TaskPool.submitNowait(Effect.succeed("waited"))
      const refused = yield* start(Effect.flip(TaskPool.submitNowait(Effect.void)))
      assert.isDefined(refused.pollUnsafe())
      assert.strictEqual((yield* Fiber.join(refused)).reason, "QueueFull")
      yield* busy.open
      assert.strictEqual(yield* waiting.join, "waited")
    }).pipe(Effect.provide(layer(1, { capacity: 1 })))
  )

  it.effect("starts in the step in which it is submitted when a worker is free", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const task = gated("result")
      const handle = Effect.runSync(pool.fork(task.task))
      assert.strictEqual(task.counts.begun, 1)
      assert.strictEqual(Effect.runSync(pool.submit(Effect.succeed("at once"))), "at once")
      yield* task.open
      assert.strictEqual(yield* handle.join, "result")
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("shares the door fairly among submit and fork: first come, first in", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const mark = (name: string) => Effect.sync(() => void seen.push(name))
      yield* start(TaskPool.submit(mark("submit 1"), { weight: 9 }))
      yield* start(TaskPool.fork(mark("fork 2"), { weight: 0 }))
      yield* start(TaskPool.submit(mark("submit 3"), { weight: 0 }))
      yield* busy.open
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(seen, ["submit 1", "fork 2", "submit 3"])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1, { capacity: 0 })))
  )
})

describe("in a pipe", () => {
  // By the statics, and by the service's own; each gives the result of the task.
  type Operation = (options?: any) => (task: Effect.Effect<any, any>) => Effect.Effect<any, any, TaskPool>
  const operations = Effect.map(TaskPool, (pool) =>
    [TaskPool, pool].flatMap(({ fork, submit, submitNowait }): ReadonlyArray<Operation> => [
      submit,
      (options) => (task) => Effect.flatMap(fork(options)(task), (handle) => handle.join),
      (options) => (task) => Effect.flatMap(submitNowait(options)(task), (handle) => handle.join)
    ])
  )
  const alone = (operation: unknown, options: unknown): Effect.Effect<unknown, unknown, TaskPool> =>
    (operation as any)(options)

  it.effect("submit, fork and submitNowait take the task last", () =>
    Effect.gen(function* () {
      for (const operation of yield* operations) {
        assert.strictEqual(yield* Effect.succeed("effect").pipe(operation()), "effect")
        assert.strictEqual(yield* Effect.succeed("weight").pipe(operation({ weight: 1 })), "weight")
        assert.strictEqual(yield* Effect.succeed("absent").pipe(operation({ weight: undefined })), "absent")
        assert.strictEqual(yield* Effect.succeed("empty").pipe(operation({})), "empty")
        assert.strictEqual(yield* Effect.succeed("bare").pipe(operation(Object.create(null))), "bare")
        assert.strictEqual(yield* Effect.flip(Effect.fail("failed").pipe(operation({ weight: 1 }))), "failed")
        assert.strictEqual(yield* pipe((() => Effect.succeed("function")) as any, operation()), "function")
      }
      yield* expectStats({ submitted: 42, succeeded: 36, failed: 6 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("options are those of the task", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const task = (name: string) => Effect.sync(() => void order.push(name))
      const urgent = TaskPool.fork({ weight: 1 })
      yield* task("late").pipe(TaskPool.fork())
      yield* task("first").pipe(urgent)
      yield* task("second").pipe(urgent)
      yield* TaskPool.scale(1)
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(order, ["first", "second", "late"])
      for (const operation of yield* operations) {
        const heavy = Effect.void.pipe(operation({ weight: 1.5 }))
        assert.instanceOf(defectOf(yield* Effect.exit(heavy)), UnknownTaskWeight)
      }
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(0)))
  )

  it.effect("nothing is submitted before the result runs, and each run submits once", () =>
    Effect.gen(function* () {
      let begun = 0
      for (const operation of yield* operations) {
        const submitted = Effect.sync(() => ++begun).pipe(operation({ weight: 1 }))
        const before = begun
        yield* settle
        assert.strictEqual(begun, before)
        assert.deepStrictEqual([yield* submitted, yield* submitted], [before + 1, before + 2])
      }
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("statics ask for the pool when they are run", () =>
    Effect.gen(function* () {
      const target = Effect.map(TaskPool.stats, (stats) => stats.targetSize).pipe(TaskPool.submit({ weight: 1 }))
      assert.strictEqual(yield* Effect.provide(target, layer(2)), 2)
      assert.strictEqual(yield* Effect.provide(target, layer(5)), 5)
    })
  )

  it.effect("the piped form is a function, which flow and apply call", () =>
    Effect.gen(function* () {
      const submit: (task: Effect.Effect<number>) => Effect.Effect<number, unknown, TaskPool> = TaskPool.submit({
        weight: 1
      })
      const double = flow(
        submit,
        Effect.map((n) => n * 2)
      )
      assert.strictEqual(yield* double(Effect.succeed(1)), 2)
      const pool = yield* TaskPool
      const { apply, bind, call } = pool.submit({ weight: 1 }) as unknown as Function
      assert.deepStrictEqual(
        [apply, bind, call],
        [Function.prototype.apply, Function.prototype.bind, Function.prototype.call]
      )
    }).pipe(Effect.provide(layer(1)))
  )

  class Options {
    readonly weight = 1
  }
  const strangers: Record<string, unknown> = {
    "a misspelt option": { wieght: 1 },
    "an option that another operation has": { discard: true },
    "an instance of a class": new Options(),
    "an array": [],
    "a date": new Date(0),
    null: null,
    "a number": 42,
    "a promise": Promise.resolve(1)
  }
  for (const [name, stranger] of Object.entries(strangers)) {
    it.effect(`${name} is refused, whether or not a task follows`, () =>
      Effect.gen(function* () {
        for (const operation of yield* operations) {
          assert.instanceOf(defectOf(yield* Effect.exit(Effect.void.pipe(operation(stranger)))), UnknownTaskType)
        }
        for (const operation of [TaskPool.submit, TaskPool.fork, (yield* TaskPool).submit, (yield* TaskPool).fork]) {
          assert.instanceOf(defectOf(yield* Effect.exit(alone(operation, stranger))), UnknownTaskType)
        }
        yield* expectStats({ submitted: 0 })
      }).pipe(Effect.provide(layer(1)))
    )
  }

  it.effect("the refusal of an option names it, and those that are known", () =>
    Effect.gen(function* () {
      const misspelt = Effect.void.pipe(TaskPool.submitNowait({ wieght: 1 } as {}))
      assert.match(
        String(defectOf(yield* Effect.exit(misspelt))),
        /^UnknownTaskType: TaskPool.submitNowait: unknown option "wieght" \(known: .*\bweight\b.*\)$/
      )
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("options without a task are refused when they are run", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      for (const operation of [TaskPool.submit, TaskPool.fork, pool.submit, pool.submitNowait]) {
        const exit = yield* Effect.exit(alone(operation, { weight: 1 }))
        assert.include(String(defectOf(exit)), "a task must be an Effect or a function that returns one, got")
      }
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("what throws when it is looked at throws into the submission, and nowhere else", () =>
    Effect.gen(function* () {
      const thrown = new Error("no")
      const hostile = new Proxy(
        {},
        {
          get() {
            throw thrown
          },
          getPrototypeOf() {
            throw thrown
          }
        }
      )
      const getter = {
        get wieght() {
          throw thrown
        }
      }
      for (const { submit } of [TaskPool, yield* TaskPool]) {
        assert.strictEqual(defectOf(yield* Effect.exit(alone(submit, hostile))), thrown)
        assert.strictEqual(defectOf(yield* Effect.exit(Effect.void.pipe(submit(getter as {})))), thrown)
      }
      yield* expectStats({ submitted: 0, running: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("mapEffect takes the stream last", () =>
    Effect.gen(function* () {
      const double = (n: number, index: number) => Effect.succeed(`${n * 2} at ${index}`)
      const pool = yield* TaskPool
      const services: ReadonlyArray<{ readonly mapEffect: MapEffect<TaskPool> }> = [TaskPool, pool]
      for (const { mapEffect } of services) {
        const mapped = Stream.range(1, 3).pipe(mapEffect(double, { bufferSize: 1 }))
        assert.deepStrictEqual(Array.from(yield* Stream.runCollect(mapped)), ["2 at 0", "4 at 1", "6 at 2"])
        const misspelt = Stream.range(1, 3).pipe(mapEffect(double, { bufferSise: 1 } as {}))
        assert.include(String(defectOf(yield* Effect.exit(Stream.runDrain(misspelt)))), 'unknown option "bufferSise"')
      }
    }).pipe(Effect.provide(layer(2)))
  )
})

describe("a fiber that outlives its task", () => {
  it.effect("and waited for the pool takes no worker back", () =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outlives = Effect.forkDetach(TaskPool.submit(inner.task), { startImmediately: true })
      const fiber = yield* TaskPool.submit(outlives)
      yield* expectStats({ running: 1, busy: 1, lent: 0 })
      yield* inner.open
      assert.strictEqual(yield* Fiber.join(fiber), "inner")
      yield* expectStats({ running: 0, busy: 0, lent: 0 })
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("next")), "next")
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("pausing", () => {
  it.effect("returns whether the pool is paused, by each of the three operations", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* TaskPool.pause)
      assert.isTrue(yield* TaskPool.pause)
      assert.isFalse(yield* TaskPool.togglePause)
      assert.isTrue(yield* TaskPool.togglePause)
      assert.isFalse(yield* TaskPool.resume)
      assert.isFalse(yield* TaskPool.resume)
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("open")), "open")
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("of a closed pool does nothing", () =>
    Effect.gen(function* () {
      yield* TaskPool.close()
      assert.deepStrictEqual(
        [yield* TaskPool.pause, yield* TaskPool.togglePause, yield* TaskPool.resume],
        [false, false, false]
      )
      yield* expectStats({ phase: "Closed" })
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("waiting for the pool", () => {
  it.effect("returns at once where there is nothing to wait for", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      for (const wait of [pool.awaitEmpty, pool.awaitIdle, pool.awaitResized]) Effect.runSync(wait)
      yield* pool.close()
      for (const wait of [pool.awaitEmpty, pool.awaitIdle, pool.awaitResized]) Effect.runSync(wait)
      yield* expectStats({ waiting: 0, running: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("awaitEmpty comes before awaitIdle: what runs does not wait", () =>
    Effect.gen(function* () {
      const [one, two] = [gated(1), gated(2)]
      yield* TaskPool.fork(one.task)
      yield* TaskPool.fork(two.task)
      const empty = yield* start(TaskPool.awaitEmpty)
      const idle = yield* start(TaskPool.awaitIdle)
      yield* settle
      assert.isUndefined(empty.pollUnsafe())
      yield* one.open
      yield* Fiber.join(empty)
      assert.isUndefined(idle.pollUnsafe())
      yield* two.open
      yield* Fiber.join(idle)
      yield* expectStats({ succeeded: 2 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("awaitResized waits for surplus tasks, and for no others", () =>
    Effect.gen(function* () {
      const tasks = [gated(1), gated(2), gated(3)]
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* TaskPool.resize(1)
      const resized = yield* start(TaskPool.awaitResized)
      yield* tasks[0]!.open
      yield* settle
      assert.isUndefined(resized.pollUnsafe())
      yield* tasks[1]!.open
      yield* Fiber.join(resized)
      yield* expectStats({ running: 1, size: 1 })
      yield* tasks[2]!.open
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("awaitResized ends when the pool grows again", () =>
    Effect.gen(function* () {
      const task = gated(1)
      yield* TaskPool.fork(task.task)
      yield* TaskPool.resize(0)
      const resized = yield* start(TaskPool.awaitResized)
      yield* TaskPool.resize(1)
      yield* Fiber.join(resized)
      yield* task.open
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("can be given up without a trace", () =>
    Effect.gen(function* () {
      const task = gated(1)
      const handle = yield* TaskPool.fork(task.task)
      const waiting = yield* Effect.forEach([TaskPool.awaitIdle, TaskPool.awaitIdle], start)
      yield* Fiber.interrupt(waiting[0]!)
      yield* task.open
      yield* Fiber.join(waiting[1]!)
      assert.strictEqual(yield* handle.join, 1)
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("events", () => {
  it.effect("tell of each change, in order", () =>
    Effect.gen(function* () {
      const events = yield* Effect.provide(
        Effect.gen(function* () {
          const events = yield* Effect.forkDetach(Stream.runCollect(TaskPool.events), { startImmediately: true })
          yield* TaskPool.submit(Effect.void)
          yield* TaskPool.scale(1)
          yield* TaskPool.resize(2)
          yield* TaskPool.resize(1)
          yield* TaskPool.pause
          yield* TaskPool.pause
          yield* Effect.ignore(TaskPool.submit(Effect.void))
          yield* TaskPool.togglePause
          yield* TaskPool.resume
          const running = yield* TaskPool.fork(Effect.never)
          const waiting = yield* TaskPool.fork(Effect.void)
          yield* Effect.ignore(TaskPool.submitNowait(Effect.void))
          yield* waiting.cancel
          yield* running.cancel
          const cut = yield* TaskPool.fork(Effect.never)
          yield* TaskPool.resize(0, { mode: "hard" })
          yield* cut.await
          yield* TaskPool.close()
          yield* Effect.ignore(TaskPool.submit(Effect.void))
          yield* TaskPool.start
          return events
        }),
        layer(1, { capacity: 1 })
      )
      assert.deepStrictEqual(yield* Fiber.join(events), [
        { _tag: "Scaled", at: 0, from: 1, to: 2, why: "scale" },
        { _tag: "Scaled", at: 0, from: 2, to: 1, why: "resize" },
        { _tag: "Paused", at: 0 },
        { _tag: "Rejected", at: 0, reason: "Paused" },
        { _tag: "Resumed", at: 0 },
        { _tag: "Rejected", at: 0, reason: "QueueFull" },
        { _tag: "Cancelled", at: 0, reason: "Cancelled", started: false },
        { _tag: "Cancelled", at: 0, reason: "Cancelled", started: true },
        { _tag: "Scaled", at: 0, from: 1, to: 0, why: "resize" },
        { _tag: "Cancelled", at: 0, reason: "ScaledDown", started: true },
        { _tag: "Closed", at: 0, report: { completed: 0, interrupted: 0, neverRun: 0 } },
        { _tag: "Rejected", at: 0, reason: "Closed" },
        { _tag: "Closed", at: 0, report: { completed: 0, interrupted: 0, neverRun: 0 } }
      ] satisfies ReadonlyArray<PoolEvent>)
    })
  )

  it.effect("begin when the reader starts; earlier events are not emitted", () =>
    Effect.gen(function* () {
      yield* TaskPool.scale(1)
      const events = yield* start(Stream.runCollect(Stream.take(TaskPool.events, 1)))
      yield* TaskPool.scale(1)
      assert.deepStrictEqual(yield* Fiber.join(events), [{ _tag: "Scaled", at: 0, from: 2, to: 3, why: "scale" }])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("come to each of several readers, who come and go", () =>
    Effect.gen(function* () {
      const one = yield* start(Stream.runCollect(Stream.take(TaskPool.events, 2)))
      const gone = yield* start(Stream.runDrain(TaskPool.events))
      yield* TaskPool.pause
      yield* Fiber.interrupt(gone)
      const two = yield* start(Stream.runCollect(Stream.take(TaskPool.events, 1)))
      yield* TaskPool.resume
      assert.deepStrictEqual(yield* Fiber.join(one), [
        { _tag: "Paused", at: 0 },
        { _tag: "Resumed", at: 0 }
      ])
      assert.deepStrictEqual(yield* Fiber.join(two), [{ _tag: "Resumed", at: 0 }])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("a slow reader loses the oldest events beyond 256, and slows neither pool nor readers", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const seen: Array<PoolEvent> = []
      const reader = yield* start(
        TaskPool.events.pipe(
          Stream.runForEach((event) =>
            Effect.andThen(
              Effect.sync(() => seen.push(event)),
              gate.await
            )
          )
        )
      )
      yield* TaskPool.pause
      yield* settle
      assert.deepStrictEqual(seen, [{ _tag: "Paused", at: 0 }])
      for (let size = 2; size <= 1000; size++) yield* TaskPool.resize(size)
      yield* gate.open
      yield* settle
      yield* Fiber.interrupt(reader)
      const sizes = seen.slice(1).map((event) => (event._tag === "Scaled" ? event.to : assert.fail(event._tag)))
      assert.deepStrictEqual(
        sizes,
        Array.from({ length: 256 }, (_, i) => 1000 - 255 + i)
      )
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("end when the pool's scope has closed, with `Closed` also for a late reader", () =>
    Effect.gen(function* () {
      const pool = yield* Effect.scoped(
        Effect.gen(function* () {
          const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
          const events = yield* Effect.forkDetach(Stream.runCollect(pool.events), { startImmediately: true })
          return { pool, events }
        })
      )
      const closed: Array<PoolEvent> = [
        { _tag: "Closed", at: 0, report: { completed: 0, interrupted: 0, neverRun: 0 } }
      ]
      assert.deepStrictEqual(yield* Fiber.join(pool.events), closed)
      assert.deepStrictEqual(yield* Stream.runCollect(pool.pool.events), closed)
    })
  )

  it.effect("a reader may act on the pool when an event comes", () =>
    Effect.gen(function* () {
      const reader = yield* start(
        TaskPool.events.pipe(
          Stream.filter((event) => event._tag === "Rejected"),
          Stream.take(1),
          Stream.runForEach(() => TaskPool.resume)
        )
      )
      yield* TaskPool.pause
      assert.strictEqual((yield* Effect.flip(TaskPool.submit(Effect.void))).reason, "Paused")
      yield* Fiber.join(reader)
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("open")), "open")
    }).pipe(Effect.provide(layer(1)))
  )
})
