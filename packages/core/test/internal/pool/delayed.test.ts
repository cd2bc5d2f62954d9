import { defectLog, defectOf, expectConserved, gated, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  type PoolOptions,
  TaskPool
} from "../../../src/index.ts"
import { Retry } from "../../../src/internal/pool/retry.ts"

const { layer } = AioFixedTaskPoolSimple

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** A pool whose sleeps are counted, in milliseconds. */
const withSleeps = Effect.fnUntraced(function* <A, E>(
  options: PoolOptions,
  body: (sleeps: ReadonlySet<number>) => Effect.Effect<A, E, TaskPool>
) {
  const clock = yield* Clock.Clock
  const sleeps = new Set<number>()
  let count = 0
  const sleep: Clock.Clock["sleep"] = (duration) => {
    const id = count++
    return Effect.acquireUseRelease(
      Effect.sync(() => sleeps.add(id)),
      () => clock.sleep(duration),
      () => Effect.sync(() => sleeps.delete(id))
    )
  }
  const counting: Clock.Clock = Object.assign(Object.create(clock), clock, { sleep })
  const pool = Layer.provide(layer(1, options), Layer.succeed(Clock.Clock, counting))
  return yield* Effect.provide(body(sleeps), pool, { local: true })
})

describe("the delays between attempts", () => {
  const schedules: Record<string, readonly [Schedule.Schedule<unknown>, ReadonlyArray<number>]> = {
    exponential: [Schedule.exponential(100), [100, 200, 400, 800]],
    spaced: [Schedule.spaced(300), [300, 300, 300, 300]],
    fixed: [Schedule.fixed(300), [300, 300, 300, 300]],
    fibonacci: [Schedule.fibonacci(100), [100, 100, 200, 300]],
    recurs: [Schedule.recurs(4), [0, 0, 0, 0]],
    "the larger of two": [Schedule.max([Schedule.exponential(100), Schedule.spaced(300)]), [300, 300, 400, 800]],
    modified: [
      Schedule.modifyDelay(Schedule.spaced(100), ({ attempt }) => Effect.succeed(Duration.millis(attempt * 10))),
      [10, 20, 30, 40]
    ]
  }
  for (const [name, [schedule, delays]] of Object.entries(schedules)) {
    it.effect(`are those of the schedule, by the clock of the pool: ${name} (load 8)`, () =>
      Effect.gen(function* () {
        const began: Array<number> = []
        const task = Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.suspend(() => (began.push(now) < 5 ? Effect.fail("no") : Effect.void))
        )
        const submitter = yield* start(TaskPool.submit(task, { retry: schedule }))
        for (let i = 0; i < 200; i++) yield* pass(10)
        yield* Fiber.join(submitter)
        assert.deepStrictEqual(
          began.slice(1).map((at, i) => at - began[i]!),
          delays
        )
      }).pipe(Effect.provide(layer(1)))
    )
  }

  it.effect("begin with the first failure of each task: two tasks of one schedule share nothing (load 8)", () =>
    Effect.gen(function* () {
      const retry = Schedule.max([Schedule.exponential(100), Schedule.recurs(2)])
      const ends: Array<string> = []
      const end = (name: string) =>
        Effect.ensuring(
          Effect.fail("no"),
          Effect.sync(() => ends.push(name))
        )
      for (const name of ["a", "b"]) yield* start(Effect.exit(TaskPool.submit(end(name), { retry })))
      yield* start(Effect.exit(TaskPool.forEach(["c"], end, { retry })))
      for (let i = 0; i < 4; i++) yield* pass(100)
      assert.deepStrictEqual(ends, ["a", "b", "c", "a", "b", "c", "a", "b", "c"])
      // An effect that is run again begins again.
      const twice = Effect.exit(TaskPool.submit(end("d"), { retry: { times: 1 } }))
      yield* twice
      yield* twice
      assert.strictEqual(ends.filter((name) => name === "d").length, 4)
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("timers", () => {
  it.effect("there is one for all deadlines, attempts, holds and rates, and none when nothing waits for one", () =>
    withSleeps({ rate: { limit: 50, window: "1 minute" } }, (sleeps) =>
      Effect.gen(function* () {
        yield* settle
        assert.strictEqual(sleeps.size, 0, "at rest")
        const busy = gated("busy")
        yield* TaskPool.fork(busy.task)
        yield* TaskPool.fork(Effect.void, { maxWait: Infinity })
        assert.strictEqual(sleeps.size, 0, "without a deadline")
        for (let i = 0; i < 1000; i++) yield* TaskPool.fork(Effect.void, { maxWait: 100 + i })
        assert.strictEqual(sleeps.size, 1, "with many deadlines")
        yield* pass(50)
        assert.strictEqual(sleeps.size, 1)
        yield* TaskPool.clear()
        yield* settle
        assert.strictEqual(sleeps.size, 0, "when they are cleared")
        yield* TaskPool.holdFor(1000)
        yield* busy.open
        yield* TaskPool.fork(Effect.fail("no"), { retry: Schedule.spaced(500) })
        assert.strictEqual(sleeps.size, 1, "a hold")
        yield* pass(1000)
        assert.strictEqual((yield* TaskPool.stats).delayed, 1)
        assert.strictEqual(sleeps.size, 1, "an attempt")
        yield* TaskPool.clear()
        yield* settle
        assert.strictEqual(sleeps.size, 0, "when it is cleared")
        for (let i = 0; i < 60; i++) yield* TaskPool.fork(Effect.void)
        yield* settle
        assert.isAbove((yield* TaskPool.stats).waiting, 0)
        assert.strictEqual(sleeps.size, 1, "a rate")
        yield* pass(60_000)
        yield* TaskPool.awaitIdle
        assert.strictEqual(sleeps.size, 0, "a rate that holds nothing back")
      })
    )
  )

  it.effect("a task that starts in time leaves none behind", () =>
    withSleeps({}, (sleeps) =>
      Effect.gen(function* () {
        yield* TaskPool.submit(Effect.void, { maxWait: 100 })
        yield* settle
        assert.strictEqual(sleeps.size, 0)
        const busy = gated("busy")
        yield* TaskPool.fork(busy.task)
        const waiting = gated("waiting")
        const handle = yield* TaskPool.fork(waiting.task, { maxWait: 100 })
        assert.strictEqual(sleeps.size, 1)
        yield* busy.open
        yield* waiting.started
        yield* settle
        assert.strictEqual(sleeps.size, 0)
        yield* waiting.open
        yield* handle.join
      })
    )
  )

  it.effect("a closed pool has none (I6)", () =>
    withSleeps({ rate: { limit: 1, window: "1 hour" } }, (sleeps) =>
      Effect.gen(function* () {
        yield* TaskPool.fork(Effect.fail("no"), { retry: Schedule.spaced("1 hour") })
        yield* TaskPool.fork(Effect.void, { maxWait: "1 hour" })
        yield* TaskPool.holdFor("1 hour")
        yield* settle
        assert.strictEqual(sleeps.size, 1)
        yield* TaskPool.close({ mode: "interrupt" })
        yield* settle
        assert.strictEqual(sleeps.size, 0)
        yield* TaskPool.holdFor("1 hour")
        assert.strictEqual(sleeps.size, 0)
      })
    )
  )
})

describe("a delayed task", () => {
  it.effect("may be given another weight, which it has when it comes back (load 8)", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      let failed = false
      const flaky = Effect.suspend(() => {
        if (failed) return Effect.sync(() => void order.push("flaky"))
        failed = true
        return Effect.fail("no")
      })
      const handle = yield* TaskPool.fork(flaky, { retry: Schedule.spaced(100), weight: 1 })
      yield* settle
      yield* handle.reprioritize(9)
      yield* TaskPool.withDispatchHeld(
        Effect.andThen(
          TaskPool.fork(
            Effect.sync(() => void order.push("other")),
            { weight: 5 }
          ),
          pass(100)
        )
      )
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(order, ["other", "flaky"])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  it.effect("ages from its first submission (load 6, load 8)", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      let failed = false
      const flaky = Effect.suspend(() => {
        if (failed) return Effect.sync(() => void order.push("flaky"))
        failed = true
        return Effect.fail("no")
      })
      yield* TaskPool.fork(flaky, { retry: Schedule.spaced(1000), weight: 5 })
      yield* settle
      yield* pass(999)
      yield* TaskPool.withDispatchHeld(
        Effect.gen(function* () {
          // Ten spans of ageing make up for four weights, and not for twenty.
          yield* TaskPool.fork(
            Effect.sync(() => void order.push("urgent")),
            { weight: 1 }
          )
          yield* TaskPool.fork(
            Effect.sync(() => void order.push("most urgent")),
            { weight: -15 }
          )
          yield* pass(1)
        })
      )
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(order, ["most urgent", "flaky", "urgent"])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1, { ageing: 100 })))
  )

  it.effect("holds nothing but its work: its fiber and its finalizers have ended (load 8)", () =>
    Effect.gen(function* () {
      let finalized = 0
      const task = Effect.ensuring(
        Effect.fail("no"),
        Effect.sync(() => finalized++)
      )
      const handle = yield* TaskPool.fork(task, { retry: Schedule.spaced(100) })
      yield* settle
      assert.strictEqual(finalized, 1)
      assert.deepInclude(yield* TaskPool.stats, { running: 0, busy: 0, delayed: 1 })
      yield* handle.cancel
    }).pipe(Effect.provide(AioFixedTaskPoolLifo.layer(1)))
  )

  it.effect("is no success and no failure for the policy before its last attempt", () => {
    const samples: Array<readonly [number, number]> = []
    const policy = AutoScalePolicy.mapDecision(AutoScalePolicy.fixed(1), (decision) => decision)
    const spy: typeof policy = {
      ...policy,
      window: () => ({ interval: 1000, maxInterval: 1000, minSamples: 0, runFactor: 0, overloads: Infinity }),
      update: (state, sample, bounds) => {
        samples.push([sample.succeeded, sample.started])
        return policy.update(state, sample, bounds)
      }
    }
    return Effect.gen(function* () {
      let attempts = 0
      const task = Effect.suspend(() => (++attempts < 3 ? Effect.fail("no") : Effect.void))
      yield* TaskPool.submit(task, { retry: { times: 5 } })
      for (let i = 0; i < 3; i++) yield* pass(1000)
      assert.strictEqual(samples[0]![0], 1)
      assert.strictEqual(samples[0]![1], 3)
    }).pipe(Effect.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 1, policy: spy })))
  })

  it.effect("whose planning finds the end of the stack settles once, and the pool works (I3)", () => {
    const logged = defectLog()
    return Effect.gen(function* () {
      const pool = yield* TaskPool
      const { plan } = Retry.prototype
      let overflows = true
      Retry.prototype.plan = function (...args) {
        if (overflows) throw new RangeError("Maximum call stack size exceeded")
        return plan.apply(this, args)
      }
      const submitter = yield* start(Effect.exit(pool.submit(Effect.fail("no"), { retry: { times: 1 } })))
      yield* settle
      overflows = false
      Retry.prototype.plan = plan
      assert.strictEqual(yield* pool.submit(Effect.succeed("works")), "works")
      yield* settle
      const stats = yield* pool.stats
      assert.deepInclude(stats, { delayed: 0, running: 0, busy: 0, waiting: 0 })
      expectConserved(stats)
      assert.instanceOf(defectOf(yield* Effect.flatten(Fiber.await(submitter))), RangeError)
      assert.deepStrictEqual(yield* pool.close(), { completed: 0, interrupted: 0, neverRun: 0 })
    }).pipe(Effect.provide(layer(1)), Effect.provide(logged.layer))
  })
})
