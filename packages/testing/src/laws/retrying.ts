import type { PoolStats, SubmitOptions, TaskPoolService } from "@aio-task-pool/core"
import { NotAvailable, TaskCancelled, TaskPool } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { disciplineOf } from "./discipline.ts"
import { recordEvents } from "./events.ts"
import {
  defectOf,
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** A task that fails some times, and notes when each attempt began. */
const flaky = (failures: number) => {
  const began: Array<number> = []
  const task = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.suspend(() => {
      began.push(now)
      return began.length <= failures ? Effect.fail(began.length) : Effect.succeed(`attempt ${began.length}`)
    })
  )
  return { began, task }
}

const spaced = { retry: Schedule.spaced("1 second") }

/** `retry`: attempts between which a task has no worker. */
export const retryLaws = (laws: Laws): void => {
  laws.law("a task that fails is tried again as its schedule says, and has no worker meanwhile (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const { began, task } = flaky(3)
      const submitter = yield* start(pool.submit(task, { retry: Schedule.exponential("1 second") }))
      yield* settle
      yield* expectStats(pool, { running: 0, busy: 0, delayed: 1, waiting: 0, submitted: 1, failed: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("meanwhile")), "meanwhile")
      for (let i = 0; i < 8; i++) yield* pass(1000)
      assert.strictEqual(yield* Fiber.join(submitter), "attempt 4")
      assert.deepStrictEqual(began, [0, 1000, 3000, 7000])
      yield* expectStats(pool, { delayed: 0, submitted: 2, succeeded: 2, failed: 0 })
    })
  )

  const lasting: Record<string, (pool: TaskPoolService, options: SubmitOptions) => Effect.Effect<unknown, unknown>> = {
    submit: (pool, options) => pool.submit(Effect.fail("own"), options),
    fork: (pool, options) => Effect.flatMap(pool.fork(Effect.fail("own"), options), (handle) => handle.join),
    submitNowait: (pool, options) =>
      Effect.flatMap(pool.submitNowait(Effect.fail("own"), options), (handle) => handle.join),
    forEach: (pool, options) => pool.forEach([1], () => Effect.fail("own"), options),
    all: (pool, options) => pool.all([Effect.fail("own")], options),
    mapEffect: (pool, options) => Stream.runDrain(pool.mapEffect(Stream.make(1), () => Effect.fail("own"), options))
  }
  for (const [name, call] of Object.entries(lasting)) {
    laws.law(`${name} fails with the last failure when there is no other attempt (load 8)`, {}, (pool) =>
      Effect.gen(function* () {
        const options: ReadonlyArray<SubmitOptions> = [
          { retry: Schedule.max([Schedule.spaced(1000), Schedule.recurs(2)]) },
          { retry: { schedule: Schedule.spaced(1000), times: 2 } },
          { retry: { times: 2 } },
          { retry: { times: 0 } },
          { retry: Schedule.recurs(0) }
        ]
        for (const each of options) {
          const caller = yield* start(call(pool, each))
          for (let i = 0; i < 3; i++) yield* pass(1000)
          const exit = yield* Fiber.await(caller)
          assert.deepStrictEqual(exit, Exit.fail("own"))
        }
        yield* expectStats(pool, { failed: options.length, submitted: options.length, delayed: 0 })
      })
    )
  }

  laws.law("while, until and times decide with the schedule, as in Effect.retry (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const counts: Array<number> = []
      const tries = Effect.fnUntraced(function* (options: SubmitOptions["retry"]) {
        const { began, task } = flaky(100)
        const submitter = yield* start(Effect.exit(pool.submit(task, { retry: options })))
        for (let i = 0; i < 6; i++) yield* pass(1000)
        assert.isTrue(hasEnded(submitter))
        counts.push(began.length)
      })
      const schedule = Schedule.spaced(1000)
      yield* tries({ schedule, times: 3 })
      yield* tries({ schedule, while: (error: number) => error < 3 })
      yield* tries({ schedule, until: (error: number) => error === 2 })
      yield* tries({ while: (error: number) => error < 5 })
      yield* tries({ schedule, times: 4, while: (error: number) => error < 3, until: (error: number) => error === 5 })
      yield* tries({ times: undefined, schedule: Schedule.max([schedule, Schedule.recurs(1)]) })
      assert.deepStrictEqual(counts, [4, 3, 2, 5, 3, 2])
    })
  )

  laws.law("only a failure of the task's own is tried again (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const stats = yield* pool.stats
      const own = Effect.fail("own")
      const ends: ReadonlyArray<readonly [string, Effect.Effect<never, unknown>]> = [
        ["a defect", Effect.die("defect")],
        ["an interruption", Effect.interrupt],
        ["NotAvailable", Effect.fail(new NotAvailable({ reason: "Closed", pool: "other", stats }))],
        ["TaskCancelled", Effect.fail(new TaskCancelled({ reason: "Closed", started: true, pool: "other", stats }))],
        ["a failure beside a defect", Effect.ensuring(own, Effect.die("defect"))],
        ["a failure beside an interruption", Effect.onError(own, () => Effect.interrupt)]
      ]
      for (const [name, end] of ends) {
        let attempts = 0
        const task = Effect.suspend(() => (++attempts, end))
        const submitter = yield* start(pool.submit(task, { retry: { times: 3 } }))
        yield* settle
        assert.isTrue(hasEnded(submitter), name)
        assert.strictEqual(attempts, 1, name)
      }
      yield* expectStats(pool, { delayed: 0, running: 0 })
    })
  )

  laws.law("a task with several failures shows the first one to its predicate (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const task = Effect.failCause(Cause.combine(Cause.fail("first"), Cause.fail("second")))
      const retry = { times: 1, while: (error: string) => seen.push(error) > 0 }
      const exit = yield* Effect.exit(pool.submit(task, { retry }))
      assert.deepStrictEqual(seen, ["first"])
      assert.isTrue(Exit.isFailure(exit) && exit.cause.reasons.length === 2)
    })
  )

  laws.law("a task that ends while it is cancelled is not tried again (load 8)", { minSize: 0, maxSize: 3 }, (pool) =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const failsWhenCut = Effect.onInterrupt(busy.task, () => Effect.void)
      const handle = yield* pool.fork(failsWhenCut, spaced)
      yield* busy.started
      yield* handle.cancel
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      const scaled = yield* pool.fork(Effect.never, spaced)
      yield* pool.resize(0, { mode: "hard" })
      expectCancelled(yield* scaled.await, { reason: "ScaledDown", started: true })
      yield* expectStats(pool, { delayed: 0 })
    })
  )

  // ---- between attempts --------------------------------------------------------------------------------------------

  laws.law("interrupting the submitter ends a delayed task at once (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const { began, task } = flaky(9)
      const submitter = yield* start(pool.submit(task, spaced))
      yield* settle
      yield* expectStats(pool, { delayed: 1 })
      yield* Fiber.interrupt(submitter)
      yield* expectStats(pool, { delayed: 0, cancelled: 1, interrupted: 0, failed: 0 })
      yield* pass(5000)
      assert.deepStrictEqual(began, [0])
    })
  )

  laws.law("cancelling the handle ends a delayed task at once, as one that had started (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const events = yield* recordEvents(pool)
      const { began, task } = flaky(9)
      const handle = yield* pool.fork(task, spaced)
      yield* settle
      assert.strictEqual(yield* handle.state, "Delayed")
      assert.isTrue((yield* handle.poll)._tag === "None")
      yield* handle.cancel
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      assert.strictEqual(yield* handle.state, "Done")
      yield* pass(5000)
      assert.deepStrictEqual(began, [0])
      assert.deepStrictEqual(events, [{ _tag: "Cancelled", reason: "Cancelled", started: true }])
      yield* expectStats(pool, { delayed: 0, cancelled: 1 })
    })
  )

  laws.law("awaitIdle waits for delayed tasks, awaitEmpty does not (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const { task } = flaky(1)
      yield* pool.fork(task, spaced)
      yield* settle
      const idle = yield* start(pool.awaitIdle)
      yield* pool.awaitEmpty
      yield* pass(999)
      assert.isFalse(hasEnded(idle))
      yield* pass(1)
      assert.isTrue(hasEnded(idle))
    })
  )

  laws.law("draining waits for delayed tasks and tries them again (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const { began, task } = flaky(2)
      const handle = yield* pool.fork(task, spaced)
      yield* settle
      const closer = yield* start(pool.close())
      yield* pass(1999)
      assert.isFalse(hasEnded(closer))
      yield* pass(1)
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* handle.join, "attempt 3")
      assert.deepStrictEqual(began, [0, 1000, 2000])
    })
  )

  laws.law(
    "a drain that ends by its timeout ends delayed tasks, and so does an interrupting close (load 8)",
    {},
    (pool) =>
      Effect.gen(function* () {
        for (const how of [{ drainTimeout: 500 }, { mode: "interrupt" as const }]) {
          const handle = yield* pool.fork(Effect.fail("no"), spaced)
          yield* settle
          const closer = yield* start(pool.close(how))
          yield* pass(500)
          assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: 0 })
          expectCancelled(yield* handle.await, { reason: "Closed", started: true })
          yield* pool.start
        }
      })
  )

  laws.law("an attempt that fails while the pool interrupts its tasks is the last (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const gate = gated("gate")
      const task = Effect.uninterruptible(Effect.andThen(gate.task, Effect.fail("own")))
      const submitter = yield* start(Effect.exit(pool.submit(task, spaced)))
      yield* gate.started
      const closer = yield* start(pool.close({ mode: "interrupt" }))
      yield* gate.open
      yield* settle
      assert.isTrue(hasEnded(closer))
      assert.isTrue(hasEnded(submitter))
      yield* expectStats(pool, { phase: "Closed", delayed: 0, running: 0 })
    })
  )

  // ---- coming back -------------------------------------------------------------------------------------------------

  laws.lawOnce("a task comes back to the place of its first submission (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const discipline = yield* disciplineOf(pool)
      const order: Array<string> = []
      const note = (name: string) => Effect.sync(() => void order.push(name))
      let failed = false
      const retried = Effect.suspend(() => {
        order.push("retried")
        if (failed) return Effect.void
        failed = true
        return Effect.fail("no")
      })
      const hold = yield* start(
        pool.withDispatchHeld(
          Effect.gen(function* () {
            yield* pool.fork(note("before"), { weight: 5 })
            yield* pool.fork(retried, { ...spaced, weight: 5 })
            yield* pool.fork(note("after"), { weight: 5 })
            yield* pool.fork(note("light"), { weight: 1 })
          })
        )
      )
      yield* Fiber.join(hold)
      yield* settle
      order.length = 0
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* pool.fork(note("new"), { weight: 5 })
          yield* pool.fork(note("new light"), { weight: 1 })
          yield* pass(1000)
          yield* expectStats(pool, { waiting: 3, delayed: 0 })
          yield* pool.fork(note("newest"), { weight: 5 })
        })
      )
      yield* pool.awaitIdle
      const expected = {
        fifo: ["retried", "new", "new light", "newest"],
        lifo: ["newest", "new light", "new", "retried"],
        priority: ["new light", "retried", "new", "newest"]
      }
      assert.deepStrictEqual(order, expected[discipline])
    })
  )

  laws.lawOnce("the door keeps its order whether or not a task may be tried again (load 8, I4)", {}, (_pool) =>
    Effect.gen(function* () {
      const layer = laws.layerOf({ size: 1, capacity: 3 })
      yield* Effect.gen(function* () {
        const pool = yield* TaskPool
        const discipline = yield* disciplineOf(pool)
        const busy = yield* occupy(pool, 1)
        const places = yield* Effect.forEach([1, 2, 3], () => pool.fork(Effect.void))
        const order: Array<string> = []
        const note = (name: string) => Effect.sync(() => void order.push(name))
        yield* start(pool.submit(note("plain")))
        yield* start(pool.submit(note("retried"), spaced))
        yield* start(pool.submit(note("last")))
        yield* settle
        for (const place of places) yield* place.cancel
        yield* expectStats(pool, { waiting: 3, atDoor: 0 })
        yield* busy.release
        yield* pool.awaitIdle
        const expected = ["plain", "retried", "last"]
        assert.deepStrictEqual(order, discipline === "lifo" ? expected.toReversed() : expected)
      }).pipe(Effect.provide(layer, { local: true }))
    })
  )

  laws.law(
    "a task comes back whatever the capacity, and the door stays shut beyond it (load 8, I8)",
    { capacity: laws.bound },
    (pool) =>
      Effect.gen(function* () {
        const { task } = flaky(1)
        const handle = yield* pool.fork(task, spaced)
        yield* settle
        const busy = yield* occupy(pool, 1)
        for (let i = 0; i < laws.bound; i++) yield* pool.fork(Effect.void)
        const atDoor = yield* start(pool.submit(Effect.succeed("door")))
        yield* pass(1000)
        const stats = yield* pool.stats
        assert.deepInclude(stats, { waiting: laws.bound + 1, delayed: 0, atDoor: 1 })
        expectNotAvailable(
          yield* Effect.exit(pool.submitNowait(Effect.void)).pipe(Effect.map(withoutWaiting)),
          "QueueFull"
        )
        yield* busy.release
        assert.strictEqual(yield* handle.join, "attempt 2")
        assert.strictEqual(yield* Fiber.join(atDoor), "door")
        yield* expectStats(pool, { waiting: 0, running: 0, atDoor: 0 })
      })
  )

  laws.law("a task comes back while the pool is paused (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const { task } = flaky(1)
      const submitter = yield* start(pool.submit(task, spaced))
      yield* settle
      yield* pool.pause
      yield* pass(1000)
      assert.strictEqual(yield* Fiber.join(submitter), "attempt 2")
      yield* pool.resume
    })
  )

  laws.law(
    "each attempt is a start: it takes tokens, and permits (load 8)",
    { size: 2, rate: { limit: 2, window: "1 minute" } },
    (pool) =>
      Effect.gen(function* () {
        const { began, task } = flaky(2)
        const submitter = yield* start(pool.submit(task, { retry: Schedule.spaced(1000), permits: 2 }))
        for (let i = 0; i < 61; i++) {
          const { busy, running } = yield* pool.stats
          assert.strictEqual(busy, 2 * running)
          yield* pass(1000)
        }
        assert.deepStrictEqual(began, [0, 1000, 60_000])
        assert.strictEqual(yield* Fiber.join(submitter), "attempt 3")
        yield* expectStats(pool, { busy: 0, running: 0 })
      })
  )

  laws.law("each attempt waits for its key (load 8)", { size: 2, perKey: 1, needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const { began, task } = flaky(1)
      const handle = yield* pool.fork(task, { ...spaced, key: "k" })
      yield* settle
      assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 0 })
      const other = gated("other")
      yield* pool.fork(other.task, { key: "k" })
      yield* pass(1000)
      assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 1, running: 1 })
      assert.strictEqual(began.length, 1)
      yield* other.open
      assert.strictEqual(yield* handle.join, "attempt 2")
    })
  )

  laws.law("a task that always fails and comes back at once lets other fibers run (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      let attempts = 0
      const endless = Effect.suspend(() => (attempts++, Effect.fail("no")))
      const handle = yield* pool.fork(endless, { retry: {} })
      yield* settle
      assert.isAbove(attempts, 1)
      yield* handle.cancel
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      yield* expectStats(pool, { delayed: 0, waiting: 0, running: 0 })
    })
  )

  // ---- bulks -------------------------------------------------------------------------------------------------------

  laws.law(
    "in a bulk the first failure is the first that is not tried again, and delayed items hold the bulk (load 8)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const counts = [0, 0, 0, 0]
        const f = (i: number) =>
          Effect.suspend(() => (++counts[i]! <= i ? Effect.fail(i) : Effect.succeed(`${i} at ${counts[i]}`)))
        const caller = yield* start(pool.forEach([0, 1, 2, 3], f, spaced))
        for (let i = 0; i < 2; i++) yield* pass(1000)
        assert.isFalse(hasEnded(caller))
        yield* pass(1000)
        assert.deepStrictEqual(yield* Fiber.join(caller), ["0 at 1", "1 at 2", "2 at 3", "3 at 4"])
        counts.fill(0)
        const reader = yield* start(Stream.runCollect(pool.mapEffect(Stream.range(0, 3), f, spaced)))
        for (let i = 0; i < 3; i++) yield* pass(1000)
        assert.deepStrictEqual(Array.from(yield* Fiber.join(reader)), ["0 at 1", "1 at 2", "2 at 3", "3 at 4"])
        yield* expectStats(pool, { waiting: 0, delayed: 0, running: 0, failed: 0, succeeded: 8 })
      })
  )

  laws.law(
    "an item that comes back pulls no further item: the bulk has one request at a time (load 8)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        let pulled = 0
        function* items() {
          while (pulled < 20) yield pulled++
        }
        const gate = gated("gate")
        let attempts = 0
        const f = (i: number) =>
          i === 0 ? Effect.suspend(() => (++attempts < 5 ? Effect.fail("no") : gate.task)) : Effect.succeed(`${i}`)
        const second = gated("1")
        const caller = yield* start(
          pool.forEach(items(), (i) => (i === 1 ? second.task : f(i)), { retry: Schedule.spaced(0), discard: true })
        )
        yield* settle
        // The first item comes and goes while the second waits, or runs.
        yield* pass(10)
        assert.isAtMost(pulled, 3)
        const { waiting } = yield* pool.stats
        assert.isAtMost(waiting, 2)
        yield* second.open
        yield* gate.open
        for (let i = 0; i < 20; i++) yield* pass(1)
        assert.isTrue(hasEnded(caller))
        yield* Fiber.join(caller)
        yield* expectStats(pool, { succeeded: 20, waiting: 0, atDoor: 0, delayed: 0 })
      })
  )

  laws.law("a bulk whose item has come back fails at the door, too (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      let attempts = 0
      const f = (i: number) =>
        Effect.suspend(() => {
          if (i === 0 && ++attempts < 3) return Effect.fail("again")
          return i === 0 ? Effect.fail("final") : Effect.void
        })
      const retry = { schedule: Schedule.spaced(1000), while: (error: unknown) => error === "again" }
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        pool.forEach(
          Array.from({ length: 50 }, (_, i) => i),
          (i) => (i === 0 ? f(i) : Effect.andThen(Effect.sleep(700), f(i))),
          { retry }
        ),
        Stream.runDrain(
          pool.mapEffect(Stream.range(0, 50), (i) => (i === 0 ? f(i) : Effect.andThen(Effect.sleep(700), f(i))), {
            retry
          })
        )
      ]
      for (const call of calls) {
        attempts = 0
        const caller = yield* start(call)
        // Last in first out, it comes behind all items that came after it.
        for (let i = 0; i < 100 && !hasEnded(caller); i++) yield* pass(500)
        assert.isTrue(hasEnded(caller))
        assert.deepStrictEqual(yield* Fiber.await(caller), Exit.fail("final"))
        yield* expectStats(pool, { running: 0, waiting: 0, delayed: 0, atDoor: 0 })
      }
    })
  )

  laws.law("stopping a bulk ends its delayed items before its running ones (load 8)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const seen: Array<PoolStats> = []
      const look = Effect.flatMap(pool.stats, (stats) => Effect.sync(() => void seen.push(stats)))
      const running = Effect.onInterrupt(Effect.never, () => look)
      const items = [running, Effect.fail("delayed"), Effect.fail("delayed")]
      const calls = [
        pool.forEach(items, (item) => item, spaced),
        Stream.runDrain(pool.mapEffect(Stream.fromArray(items), (item) => item, spaced))
      ]
      for (const call of calls) {
        const caller = yield* start(call as Effect.Effect<unknown, unknown>)
        yield* settle
        yield* expectStats(pool, { delayed: 2, running: 1 })
        yield* Fiber.interrupt(caller)
        yield* expectStats(pool, { delayed: 0, running: 0 })
      }
      assert.deepStrictEqual(
        seen.map(({ delayed }) => delayed),
        [0, 0]
      )
    })
  )

  laws.law("a failing item ends the delayed items of its bulk in the same step (load 8)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      const retry = { schedule: Schedule.spaced(1000), while: (error: unknown) => error === "again" }
      const gate = gated("gate")
      const items = [Effect.fail("again"), Effect.fail("again"), Effect.andThen(gate.task, Effect.fail("final"))]
      const calls = [
        pool.forEach(items, (item) => item, { retry }),
        Stream.runDrain(pool.mapEffect(Stream.fromArray(items), (item) => item, { retry }))
      ]
      const first = yield* start(calls[0] as Effect.Effect<unknown, unknown>)
      yield* settle
      yield* expectStats(pool, { delayed: 2, running: 1 })
      yield* gate.open
      yield* settle
      assert.deepStrictEqual(yield* Fiber.await(first), Exit.fail("final"))
      yield* expectStats(pool, { delayed: 0, running: 0, cancelled: 2, failed: 1 })
      const second = yield* start(calls[1] as Effect.Effect<unknown, unknown>)
      yield* settle
      assert.deepStrictEqual(yield* Fiber.await(second), Exit.fail("final"))
      yield* expectStats(pool, { delayed: 0, running: 0, cancelled: 4, failed: 2 })
    })
  )

  laws.law("closing ends a bulk whose items are delayed (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const bulk = yield* start(pool.forEach([1, 2, 3], () => Effect.fail("no"), spaced))
      const reader = yield* start(Stream.runDrain(pool.mapEffect(Stream.range(1, 3), () => Effect.fail("no"), spaced)))
      yield* settle
      yield* expectStats(pool, { delayed: 6 })
      assert.deepStrictEqual(yield* pool.close({ mode: "interrupt" }), { completed: 0, interrupted: 6, neverRun: 0 })
      yield* settle
      expectCancelled(yield* Fiber.await(bulk), { reason: "Closed", started: true })
      expectCancelled(yield* Fiber.await(reader), { reason: "Closed", started: true })
    })
  )

  // ---- schedules that take time, and absurd ones -------------------------------------------------------------------

  laws.law("a schedule may take time to answer; the task is delayed meanwhile (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const slow = Schedule.modifyDelay(Schedule.recurs(1), () => Effect.as(Effect.sleep(300), Duration.millis(1000)))
      const { began, task } = flaky(1)
      const submitter = yield* start(pool.submit(task, { retry: slow }))
      yield* settle
      yield* expectStats(pool, { delayed: 1, running: 0 })
      yield* pass(1299)
      assert.deepStrictEqual(began, [0])
      yield* pass(1)
      assert.deepStrictEqual(began, [0, 1300])
      assert.strictEqual(yield* Fiber.join(submitter), "attempt 2")
      // One that is cancelled meanwhile is not tried again, and its schedule is interrupted.
      let interrupted = 0
      const never = Schedule.modifyDelay(Schedule.recurs(1), () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      )
      const handle = yield* pool.fork(Effect.fail("no"), { retry: never })
      yield* settle
      assert.strictEqual(yield* handle.state, "Delayed")
      yield* handle.cancel
      expectCancelled(yield* handle.await, { reason: "Cancelled", started: true })
      yield* settle
      assert.strictEqual(interrupted, 1)
      const other = yield* pool.fork(Effect.fail("no"), { retry: never })
      yield* settle
      assert.deepStrictEqual(yield* pool.close({ mode: "interrupt" }), { completed: 0, interrupted: 1, neverRun: 0 })
      yield* settle
      assert.strictEqual(interrupted, 2)
      expectCancelled(yield* other.await, { reason: "Closed", started: true })
    })
  )

  for (const [delay, when] of [
    [0, "at once"],
    [-5, "at once"],
    [Number.NaN, "at once"],
    [Infinity, "never"]
  ] as const) {
    laws.law(`a delay of ${delay} means ${when} (load 8)`, {}, (pool) =>
      Effect.gen(function* () {
        const schedule = Schedule.modifyDelay(Schedule.recurs(1), () => Effect.succeed(delay))
        const { began, task } = flaky(1)
        const handle = yield* pool.fork(task, { retry: schedule })
        yield* settle
        if (when === "at once") {
          assert.strictEqual(yield* handle.join, "attempt 2")
          assert.deepStrictEqual(began, [0, 0])
          return
        }
        yield* pass(365 * 24 * 3_600_000)
        assert.strictEqual(yield* handle.state, "Delayed")
        yield* handle.cancel
        yield* expectStats(pool, { delayed: 0, cancelled: 1 })
      })
    )
  }

  laws.law("what a predicate or a schedule throws is the defect of its own task (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const hostile = new Error("hostile")
      const throws = (): never => {
        throw hostile
      }
      const options: ReadonlyArray<SubmitOptions["retry"]> = [
        { while: throws },
        { until: throws },
        Schedule.modifyDelay(Schedule.recurs(1), throws),
        Schedule.modifyDelay(Schedule.recurs(1), () => Effect.die(hostile)),
        Schedule.modifyDelay(Schedule.recurs(1), () => Effect.andThen(Effect.yieldNow, Effect.die(hostile)))
      ]
      for (const retry of options) {
        const exit = yield* Effect.exit(pool.submit(Effect.fail("own"), { retry }))
        assert.strictEqual(defectOf(exit), hostile)
        const bulk = yield* Effect.exit(pool.forEach([1, 2], () => Effect.fail("own"), { retry }))
        assert.strictEqual(defectOf(bulk), hostile)
      }
      yield* expectStats(pool, { running: 0, delayed: 0, waiting: 0, atDoor: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("works")), "works")
    })
  )

  laws.law("a predicate sees a pool whose numbers add up, and may use it (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const seen: Array<PoolStats> = []
      const again = (): boolean => {
        seen.push(Effect.runSync(pool.stats))
        Effect.runFork(Effect.ignore(pool.submit(Effect.void)))
        seen.push(Effect.runSync(pool.stats))
        return seen.length < 6
      }
      const exit = yield* Effect.exit(pool.submit(Effect.fail("own"), { retry: { while: again } }))
      assert.strictEqual(failureOfOwn(exit), "own")
      yield* settle
      for (const { cancelled, delayed, failed, interrupted, running, submitted, succeeded, waiting } of seen) {
        assert.strictEqual(submitted, succeeded + failed + interrupted + cancelled + running + waiting + delayed)
        assert.strictEqual(delayed, 1)
      }
      yield* expectStats(pool, { running: 0, waiting: 0, delayed: 0, atDoor: 0, failed: 1 })
    })
  )

  laws.law("a task of another pool that waits for this one is delayed only there (load 8)", {}, (pool) =>
    Effect.gen(function* () {
      const other = laws.layerOf({ size: 1, capacity: laws.capacity })
      yield* Effect.gen(function* () {
        const outer = yield* TaskPool
        const { task } = flaky(1)
        const submitter = yield* start(outer.submit(pool.submit(task, spaced)))
        yield* settle
        yield* expectStats(outer, { running: 1, delayed: 0 })
        yield* expectStats(pool, { running: 0, delayed: 1 })
        yield* pass(1000)
        assert.strictEqual(yield* Fiber.join(submitter), "attempt 2")
      }).pipe(Effect.provide(other, { local: true }))
    })
  )
}

/** The failure of an exit, which has no other. */
const failureOfOwn = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit

/** A rejection without its numbers, which are beyond the capacity here. */
const withoutWaiting = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (!(error instanceof NotAvailable)) return assert.fail(`expected NotAvailable, got ${String(exit)}`)
  const { pool, reason, stats } = error
  return Exit.fail(new NotAvailable({ reason, pool, stats: { ...stats, capacity: Infinity } }))
}
