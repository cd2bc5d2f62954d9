import { defectOf, expectConserved, failureOf, gated, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import {
  AioFixedTaskPoolSimple,
  NotAvailable,
  NotWaiting,
  type PoolStats,
  TaskCancelled,
  TaskPool,
  UnknownTaskType,
  UnknownTaskWeight
} from "../src/index.ts"

const stats: PoolStats = {
  phase: "Open",
  holds: [],
  size: 3,
  targetSize: 2,
  running: 3,
  busy: 3,
  lent: 0,
  waiting: 7,
  delayed: 0,
  atDoor: 0,
  capacity: 10,
  nextStart: 0,
  submitted: 12,
  succeeded: 1,
  failed: 1,
  interrupted: 0,
  cancelled: 0,
  dropped: 0,
  rejected: 4,
  rejectedBy: { Paused: 0, Closed: 0, QueueFull: 4, TooLarge: 0, WaitedTooLong: 0, Nested: 0 },
  largestSize: 3
}

const notATask = 42 as unknown as Effect.Effect<number>

const frames = (error: Error) => (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))

describe("NotAvailable", () => {
  const messageOf = (reason: NotAvailable["reason"]) => new NotAvailable({ reason, pool: "db", stats }).message

  it("says in one sentence why, with the numbers", () => {
    assert.strictEqual(messageOf("Paused"), "db: the pool is paused and admits no task (3 running, 7 waiting)")
    assert.strictEqual(messageOf("Closed"), "db: the pool is closed and admits no task (3 running, 7 waiting)")
    assert.strictEqual(messageOf("QueueFull"), "db: the queue is full (7 of 10 waiting, 3 running on 3 workers)")
    assert.strictEqual(messageOf("TooLarge"), "db: the task takes more workers, or costs more, than the pool allows")
    assert.strictEqual(
      messageOf("WaitedTooLong"),
      "db: the task did not start within its maxWait (3 running, 7 waiting)"
    )
    assert.strictEqual(
      messageOf("Nested"),
      'db: a task of the pool would wait for the pool itself, which nested: "fail" forbids'
    )
  })

  it("is an Error with a tag and its fields", () => {
    const error = new NotAvailable({ reason: "Paused", pool: "db", stats })
    assert.instanceOf(error, Error)
    assert.strictEqual(error._tag, "NotAvailable")
    assert.deepStrictEqual([error.reason, error.pool, error.stats], ["Paused", "db", stats])
    assert.include(String(error), "db: the pool is paused")
  })

  it("captures no stack trace, and leaves the traces of others alone", () => {
    const limit = Error.stackTraceLimit
    assert.isEmpty(frames(new NotAvailable({ reason: "Paused", pool: "db", stats })))
    assert.strictEqual(Error.stackTraceLimit, limit)
    assert.isNotEmpty(frames(new Error("another")))
  })

  it.effect("has the statistics at the moment of the rejection", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const holder = yield* TaskPool.fork(busy.task)
      const waiting = yield* TaskPool.fork(Effect.void)
      const error = yield* Effect.flip(TaskPool.submitNowait(Effect.void))
      yield* busy.open
      yield* holder.join
      yield* waiting.join
      assert.deepInclude(error.stats, { phase: "Open", running: 1, waiting: 1, submitted: 2, rejected: 1, capacity: 1 })
      expectConserved(error.stats)
      assert.strictEqual(error.message, "small: the queue is full (1 of 1 waiting, 1 running on 1 worker)")
      assert.isEmpty(frames(error))
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { capacity: 1, name: "small" })))
  )

  it.effect("tells a paused pool from a closed one", () =>
    Effect.gen(function* () {
      const reasons: Array<string> = []
      const refused = Effect.map(Effect.flip(TaskPool.submit(Effect.void)), (error) => {
        reasons.push(`${error.reason} ${error._tag === "NotAvailable" && error.stats.phase}`)
      })
      yield* TaskPool.pause
      yield* refused
      yield* TaskPool.resume
      yield* TaskPool.close()
      yield* refused
      assert.deepStrictEqual(reasons, ["Paused Paused", "Closed Closed"])
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("is the result of every submitter at the door, each counted", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const fibers = [yield* start(TaskPool.submit(Effect.void)), yield* start(TaskPool.submit(Effect.void))]
      yield* TaskPool.pause
      const errors = yield* Effect.forEach(fibers, (fiber) => Effect.map(Fiber.await(fiber), failureOf))
      assert.deepStrictEqual(
        errors.map(({ reason, stats }) => [reason, stats.phase, stats.rejected]),
        [
          ["Paused", "Paused", 1],
          ["Paused", "Paused", 2]
        ]
      )
      yield* busy.open
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { capacity: 0 })))
  )
})

describe("TaskCancelled", () => {
  const messageOf = (reason: TaskCancelled["reason"], started: boolean) =>
    new TaskCancelled({ reason, started, pool: "db", stats }).message

  it("says in one sentence what was cancelled and why, with the numbers", () => {
    const numbers = "(3 workers, 3 running, 7 waiting)"
    assert.strictEqual(
      messageOf("ScaledDown", true),
      `db: a running task was cancelled because the pool was scaled down ${numbers}`
    )
    assert.strictEqual(
      messageOf("Closed", false),
      `db: a waiting task was cancelled because the pool closed ${numbers}`
    )
    assert.match(
      messageOf("Cancelled", true),
      /^db: a running task was cancelled because .* \(3 workers, 3 running, 7 waiting\)$/
    )
  })

  it("captures no stack trace, and leaves the traces of others alone", () => {
    const limit = Error.stackTraceLimit
    assert.isEmpty(frames(new TaskCancelled({ reason: "Closed", started: true, pool: "db", stats })))
    assert.strictEqual(Error.stackTraceLimit, limit)
  })

  it.effect("carries the numbers right after the cancellation", () =>
    Effect.gen(function* () {
      const running = yield* TaskPool.fork(Effect.never)
      const waiting = yield* TaskPool.fork(Effect.never)
      yield* waiting.cancel
      yield* running.cancel
      const first = failureOf(yield* waiting.await)
      assert.deepInclude(first, { reason: "Cancelled", started: false, pool: "AioFixedTaskPoolSimple" })
      assert.deepInclude(first.stats, { running: 1, waiting: 0, cancelled: 1 })
      expectConserved(first.stats)
      const second = failureOf(yield* running.await)
      assert.deepInclude(second, { reason: "Cancelled", started: true })
      assert.deepInclude(second.stats, { running: 0, waiting: 0, cancelled: 2 })
      expectConserved(second.stats)
      assert.isEmpty(frames(second))
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("is caught by its tag, and tells whether the task may have had effects", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(Effect.never)
      yield* handle.cancel
      const started = yield* Effect.catchTag(handle.join, "TaskCancelled", (error) => Effect.succeed(error.started))
      assert.isTrue(started)
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})

describe("NotWaiting", () => {
  it("says where the task is", () => {
    const messageOf = (state: NotWaiting["state"]) => new NotWaiting({ pool: "db", state }).message
    assert.strictEqual(messageOf("Running"), "db: the weight of a task that is running cannot be changed")
    assert.strictEqual(messageOf("Done"), "db: the weight of a task that is done cannot be changed")
  })
})

describe("UnknownTaskType", () => {
  it.effect("is a TypeError, and a defect that names the function and the value", () =>
    Effect.gen(function* () {
      const defect = defectOf(yield* Effect.exit(TaskPool.submit(notATask)))
      assert.instanceOf(defect, UnknownTaskType)
      assert.instanceOf(defect, TypeError)
      assert.strictEqual(defect._tag, "UnknownTaskType")
      assert.strictEqual(
        String(defect),
        "UnknownTaskType: TaskPool.submit: a task must be an Effect or a function that returns one, got 42"
      )
      const bare = Object.create(null) as typeof notATask
      assert.instanceOf(defectOf(yield* Effect.exit(TaskPool.submit(bare))), UnknownTaskType)
      const fork = defectOf(yield* Effect.exit(TaskPool.fork(null as unknown as typeof notATask)))
      assert.include(String(fork), "TaskPool.fork: a task must be")
      const nowait = defectOf(yield* Effect.exit(TaskPool.submitNowait("task" as unknown as typeof notATask)))
      assert.include(String(nowait), "TaskPool.submitNowait: a task must be")
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("is what a function that returns no Effect dies with; it was admitted and counts as failed", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(TaskPool.submit((() => 42) as unknown as () => Effect.Effect<number>))
      assert.instanceOf(defectOf(exit), UnknownTaskType)
      assert.include(String(defectOf(exit)), "a task's function must return an Effect, got 42")
      assert.deepInclude(yield* TaskPool.stats, { submitted: 1, failed: 1 })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("names the operation, what it got and the cure", () =>
    Effect.gen(function* () {
      const steps: Array<string> = []
      function* task() {
        steps.push("begun")
        yield* Effect.void
      }
      const calls: ReadonlyArray<readonly [Effect.Effect<unknown, unknown, TaskPool>, string]> = [
        [
          TaskPool.submit(task as never),
          "TaskPool: a task's function must return an Effect, got [object Generator]: wrap its function in Effect.gen"
        ],
        [TaskPool.forEach([1], (() => 42) as never), "TaskPool.forEach: f must return an Effect, got 42"],
        [
          TaskPool.forEach([1], (async () => 42) as never),
          "TaskPool.forEach: f must return an Effect, got a Promise: wrap the async function in Effect.tryPromise"
        ],
        [
          TaskPool.all([Promise.resolve(1)] as never),
          "TaskPool.all: each task must be an Effect, got a Promise: wrap the async function in Effect.tryPromise"
        ],
        [TaskPool.all({ a: 42 } as never), "TaskPool.all: each task must be an Effect, got 42"]
      ]
      for (const [call, message] of calls) {
        assert.strictEqual(String(defectOf(yield* Effect.exit(call))), `UnknownTaskType: ${message}`)
      }
      assert.deepStrictEqual(steps, [])
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("is no failure: catching all errors does not catch it", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.ignore(TaskPool.submit(notATask)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})

describe("UnknownTaskWeight", () => {
  it.effect("is a RangeError, and a defect that names the function, the rule and the value", () =>
    Effect.gen(function* () {
      const defect = defectOf(yield* Effect.exit(TaskPool.submit(Effect.void, { weight: 1.5 })))
      assert.instanceOf(defect, UnknownTaskWeight)
      assert.instanceOf(defect, RangeError)
      assert.strictEqual(defect._tag, "UnknownTaskWeight")
      assert.strictEqual(String(defect), "UnknownTaskWeight: TaskPool.submit: weight must be a safe integer, got 1.5")
      assert.deepInclude(yield* TaskPool.stats, { submitted: 0, rejected: 0 })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("accepts every safe integer", () =>
    Effect.gen(function* () {
      for (const weight of [0, -0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
        assert.strictEqual(yield* TaskPool.submit(Effect.succeed(weight), { weight }), weight)
      }
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})

describe("operations with wrong arguments die with RangeError and change nothing", () => {
  const wrong: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, TaskPool>]> = [
    ["TaskPool.scale: delta must be a safe integer, got 0.5", TaskPool.scale(0.5)],
    ["TaskPool.scale: delta must be a safe integer, got NaN", TaskPool.scale(Number.NaN)],
    ["TaskPool.scale: delta must be a safe integer, got Infinity", TaskPool.scale(Infinity)],
    ['TaskPool.scale: mode must be "soft" or "hard", got "rough"', TaskPool.scale(1, { mode: "rough" as never })],
    ["TaskPool.resize: size must be an integer >= 0 or Infinity, got -1", TaskPool.resize(-1)],
    ["TaskPool.resize: size must be an integer >= 0 or Infinity, got 1.5", TaskPool.resize(1.5, { mode: "hard" })],
    ['TaskPool.close: mode must be "drain" or "interrupt", got "now"', TaskPool.close({ mode: "now" as never })],
    ["TaskPool.close: drainTimeout must be a Duration >= 0, got -4", TaskPool.close({ drainTimeout: -4 })],
    [
      "TaskPool.close: interruptTimeout must be a Duration >= 0, got -1",
      TaskPool.close({ mode: "interrupt", interruptTimeout: -1 })
    ]
  ]
  it.effect.each(wrong)("%s", ([message, operation]) =>
    Effect.gen(function* () {
      const running = gated("running")
      const handle = yield* TaskPool.fork(running.task)
      const before = yield* TaskPool.stats
      const defect = defectOf(yield* Effect.exit(operation))
      assert.instanceOf(defect, RangeError)
      assert.strictEqual(defect.message, message)
      assert.deepStrictEqual(yield* TaskPool.stats, before)
      yield* running.open
      assert.strictEqual(yield* handle.join, "running")
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(2)))
  )

  it.effect("a handle's weight", () =>
    Effect.gen(function* () {
      yield* TaskPool.resize(0)
      const handle = yield* TaskPool.fork(Effect.void)
      const defect = defectOf(yield* Effect.exit(handle.reprioritize(Number.NaN)))
      assert.instanceOf(defect, UnknownTaskWeight)
      assert.strictEqual(defect.message, "TaskHandle.reprioritize: weight must be a safe integer, got NaN")
      yield* TaskPool.resize(1)
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})
