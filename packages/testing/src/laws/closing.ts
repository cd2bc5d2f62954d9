import { TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import {
  chained,
  defectOf,
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  gatedFinalizer,
  hasEnded,
  lineLog,
  type Laws,
  type LogLine,
  occupy,
  settle,
  start,
  stubborn,
  until
} from "./kit.ts"

const nothing = { completed: 0, interrupted: 0, neverRun: 0 }
const interrupt = { mode: "interrupt" } as const

/** Closing by hand and by scope, within its timeouts, and opening again. */
export const closingLaws = (laws: Laws): void => {
  laws.law("an idle pool closes at once", {}, (pool) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pool.close(), nothing)
      yield* expectStats(pool, { phase: "Closed", size: 0, running: 0, waiting: 0 })
    })
  )

  laws.law("draining lets admitted tasks finish and rejects new ones", {}, (pool) =>
    Effect.gen(function* () {
      const running = gated("running")
      const submitter = yield* start(pool.submit(running.task))
      yield* running.started
      const places = laws.capacity ?? 2
      const waiting = []
      for (let i = 0; i < places; i++) waiting.push(yield* pool.fork(Effect.succeed(i)))
      const closer = yield* start(pool.close())
      yield* settle
      assert.isFalse(hasEnded(closer))
      yield* expectStats(pool, { phase: "Draining" })
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Closed")
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.void)), "Closed")
      expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "Closed")
      yield* running.open
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1 + places, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* Fiber.join(submitter), "running")
      for (const [i, handle] of waiting.entries()) assert.strictEqual(yield* handle.join, i)
      yield* expectStats(pool, { phase: "Closed", size: 0, running: 0, waiting: 0, rejected: 3 })
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Closed")
    })
  )

  laws.law("a drained task that fails counts as completed", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("running")
      const handle = yield* pool.fork(Effect.flatMap(task.task, Effect.fail))
      yield* task.started
      const closer = yield* start(pool.close())
      yield* task.open
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* Effect.flip(handle.join), "running")
    })
  )

  laws.law("interrupting cancels what waits and what runs, and returns after the finalizers (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const running = gatedFinalizer()
      const submitter = yield* start(pool.submit(running.task))
      yield* running.started
      const places = laws.capacity ?? 2
      const waiting = []
      for (let i = 0; i < places; i++) waiting.push(yield* pool.fork(Effect.die("never")))
      const closer = yield* start(pool.close(interrupt))
      yield* settle
      assert.isFalse(hasEnded(closer))
      yield* expectStats(pool, { phase: "Draining", running: 1, waiting: 0 })
      yield* running.openFinalizer
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: places })
      assert.strictEqual(running.counts.ended, 1)
      expectCancelled(yield* Fiber.await(submitter), { reason: "Closed", started: true })
      for (const handle of waiting) expectCancelled(yield* handle.await, { reason: "Closed", started: false })
      yield* expectStats(pool, { phase: "Closed", size: 0, cancelled: 1 + places })
    })
  )

  laws.law("a task that succeeds while the pool interrupts it keeps its own result (I3)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const { own, trigger } = chained("own")
      const cut = yield* pool.fork(trigger)
      const submitter = yield* start(pool.submit(own))
      yield* until(pool, (stats) => stats.running === 2)
      const report = yield* pool.close(interrupt)
      assert.strictEqual(yield* Fiber.join(submitter), "own")
      expectCancelled(yield* cut.await, { reason: "Closed", started: true })
      assert.deepStrictEqual(report, { completed: 1, interrupted: 1, neverRun: 0 })
    })
  )

  laws.law("a later interrupt escalates a drain, and both closers get the same report", {}, (pool) =>
    Effect.gen(function* () {
      const { handles } = yield* occupy(pool, 1)
      const drainer = yield* start(pool.close())
      yield* settle
      assert.isFalse(hasEnded(drainer))
      const report = yield* pool.close(interrupt)
      assert.deepStrictEqual(report, { completed: 0, interrupted: 1, neverRun: 0 })
      assert.deepStrictEqual(yield* Fiber.join(drainer), report)
      expectCancelled(yield* handles[0]!.await, { reason: "Closed", started: true })
    })
  )

  laws.law("a later drain does not undo an interrupt", {}, (pool) =>
    Effect.gen(function* () {
      const task = gatedFinalizer()
      yield* pool.fork(task.task)
      yield* task.started
      const first = yield* start(pool.close(interrupt))
      const second = yield* start(pool.close())
      yield* task.openFinalizer
      const report = { completed: 0, interrupted: 1, neverRun: 0 }
      assert.deepStrictEqual(yield* Fiber.join(first), report)
      assert.deepStrictEqual(yield* Fiber.join(second), report)
    })
  )

  laws.law("all closers get the same report, now and later", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const closers = []
      for (let i = 0; i < 5; i++) closers.push(yield* start(pool.close()))
      yield* busy.release
      const report = { completed: 1, interrupted: 0, neverRun: 0 }
      for (const closer of closers) assert.deepStrictEqual(yield* Fiber.join(closer), report)
      assert.deepStrictEqual(yield* pool.close(), report)
      assert.deepStrictEqual(yield* pool.close(interrupt), report)
    })
  )

  laws.law("closing continues when the closer is interrupted", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      yield* Fiber.interrupt(yield* start(pool.close()))
      yield* expectStats(pool, { phase: "Draining" })
      const other = yield* start(pool.close())
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(other), { completed: 1, interrupted: 0, neverRun: 0 })
    })
  )

  laws.law("a drain ends in an interrupt when its timeout has passed", {}, (pool) =>
    Effect.gen(function* () {
      const { handles } = yield* occupy(pool, 1)
      const closer = yield* start(pool.close({ drainTimeout: "5 seconds" }))
      yield* TestClock.adjust("4999 millis")
      yield* settle
      assert.isFalse(hasEnded(closer))
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: 0 })
      expectCancelled(yield* handles[0]!.await, { reason: "Closed", started: true })
    })
  )

  laws.law(
    "the drain timeout cancels what still waits",
    { needs: 1, shutdown: { drainTimeout: "5 seconds" } },
    (pool) =>
      Effect.gen(function* () {
        yield* occupy(pool, 1)
        const waiting = yield* pool.fork(Effect.die("never"))
        const closer = yield* start(pool.close())
        yield* settle
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: 1 })
        expectCancelled(yield* waiting.await, { reason: "Closed", started: false })
      })
  )

  laws.law("a drain timeout of 0 interrupts at once", { shutdown: { drainTimeout: 0 } }, (pool) =>
    Effect.gen(function* () {
      yield* occupy(pool, 1)
      assert.deepStrictEqual(yield* pool.close(), { completed: 0, interrupted: 1, neverRun: 0 })
    })
  )

  for (const [name, timeout, options] of [
    ["3 seconds by default", "3 seconds", {}],
    ["the pool's own", "1 minute", { shutdown: { interruptTimeout: "1 minute" } }]
  ] as const) {
    laws.law(`finalizers are awaited for interruptTimeout, ${name}; then the log says so`, options, (pool) =>
      Effect.gen(function* () {
        const task = gatedFinalizer()
        const submitter = yield* start(pool.submit(task.task))
        yield* task.started
        const closer = yield* start(pool.close(interrupt))
        yield* settle
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.isFalse(hasEnded(closer))
        yield* TestClock.adjust(timeout)
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: 0 })
        expectCancelled(yield* Fiber.await(submitter), { reason: "Closed", started: true })
        yield* expectStats(pool, { phase: "Closed", cancelled: 1 })
        // The late end of the task does not settle it twice.
        yield* task.openFinalizer
        yield* settle
        yield* expectStats(pool, { phase: "Closed", cancelled: 1, running: 0 })
      })
    )
  }

  laws.law("the log names the pool whose task would not end", { name: "slow pool" }, () =>
    Effect.gen(function* () {
      const log = lineLog()
      const task = gatedFinalizer()
      yield* Effect.gen(function* () {
        const pool = yield* TaskPool
        yield* pool.fork(task.task)
        yield* task.started
        const closer = yield* start(pool.close({ ...interrupt, interruptTimeout: "1 second" }))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(closer)
      }).pipe(
        Effect.provide(
          laws.layerOf({ size: 1, capacity: laws.capacity, name: "slow pool" }).pipe(Layer.provideMerge(log.layer))
        )
      )
      yield* task.openFinalizer
      assert.strictEqual(log.lines.length, 1)
      const [{ annotations, level, message }] = log.lines as [LogLine]
      assert.deepStrictEqual([level, message], ["Warn", "gave up a task"])
      assert.sameMembers(Object.keys(annotations), ["task_pool.name", "task_pool.kind", "fiber", "label"])
      assert.strictEqual(annotations["task_pool.name"], "slow pool")
    })
  )

  laws.law(
    "a drain without any worker cancels waiting tasks instead of waiting forever",
    { minSize: 0, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.resize(0)
        const handle = yield* pool.fork(Effect.die("never"))
        assert.deepStrictEqual(yield* pool.close(), { completed: 0, interrupted: 0, neverRun: 1 })
        expectCancelled(yield* handle.await, { reason: "Closed", started: false })
      })
  )

  laws.law("a drain without any worker cancels delayed tasks too", { minSize: 0 }, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(Effect.fail("again"), { retry: Schedule.spaced("1 hour") })
      yield* settle
      yield* pool.resize(0)
      const closer = yield* start(pool.close())
      yield* settle
      assert.isTrue(hasEnded(closer))
      expectCancelled(yield* handle.await, { reason: "Closed", started: true })
    })
  )

  laws.law("a pool that loses its last worker while it drains still closes", { minSize: 0, needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const waiting = yield* pool.fork(Effect.die("never"))
      const closer = yield* start(pool.close())
      yield* settle
      yield* pool.resize(0)
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 1 })
      expectCancelled(yield* waiting.await, { reason: "Closed", started: false })
    })
  )

  laws.law("closing a pool from inside its own task is a defect that says so", {}, (pool) =>
    Effect.gen(function* () {
      const defect = defectOf(yield* Effect.exit(pool.submit(pool.close())))
      assert.match(String(defect), /close/)
      const child = pool.submit(Effect.flatMap(Effect.forkChild(pool.close()), Fiber.join))
      assert.match(String(defectOf(yield* Effect.exit(child))), /close/)
      yield* expectStats(pool, { phase: "Open" })
      assert.strictEqual(yield* pool.submit(Effect.succeed("still open")), "still open")
    })
  )

  laws.law("start reopens a closed pool with its last target", { size: 2, minSize: 0, maxSize: 5 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.submit(Effect.void)
      yield* pool.scale(1)
      yield* pool.close()
      yield* pool.start
      yield* expectStats(pool, { phase: "Open", size: 3, targetSize: 3 })
      const busy = yield* occupy(pool, 3)
      yield* busy.release
      yield* pool.awaitIdle
      assert.deepStrictEqual(yield* pool.close(), nothing)
    })
  )

  laws.law("start on an open pool does nothing", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const before = yield* pool.stats
      yield* pool.start
      assert.deepStrictEqual(yield* pool.stats, before)
      yield* pool.pause
      yield* pool.start
      yield* busy.release
    })
  )

  laws.law("start waits behind a closing pool and then opens it", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const closer = yield* start(pool.close())
      const starter = yield* start(pool.start)
      yield* settle
      assert.isFalse(hasEnded(starter))
      yield* busy.release
      yield* Fiber.join(closer)
      yield* Fiber.join(starter)
      yield* expectStats(pool, { phase: "Open", size: 1 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("again")), "again")
    })
  )

  laws.law("a pool can be closed and started again many times", {}, (pool) =>
    Effect.gen(function* () {
      for (let i = 0; i < 100; i++) {
        assert.strictEqual(yield* pool.submit(Effect.succeed(i)), i)
        assert.deepStrictEqual(yield* pool.close(), nothing)
        yield* pool.start
      }
      yield* expectStats(pool, { submitted: 100, succeeded: 100, phase: "Open" })
    })
  )

  laws.law("a scope that ends well drains the pool", {}, () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(laws)
      const busy = yield* occupy(pool, 1)
      const closing = yield* start(close(Exit.void))
      yield* settle
      assert.isFalse(hasEnded(closing))
      yield* expectStats(pool, { phase: "Draining" })
      yield* busy.release
      yield* Fiber.join(closing)
      assert.strictEqual(yield* busy.handles[0]!.join, 0)
      yield* expectStats(pool, { phase: "Closed", size: 0, running: 0, waiting: 0 })
    })
  )

  for (const [how, exit] of [
    ["by failure", Exit.fail("failure")],
    ["by interruption", Exit.interrupt(1)],
    ["by defect", Exit.die("defect")]
  ] as const) {
    laws.law(`a scope that ends ${how} interrupts the pool's tasks and awaits their finalizers`, {}, () =>
      Effect.gen(function* () {
        const { close, pool } = yield* open(laws)
        const task = gatedFinalizer()
        const running = yield* pool.fork(task.task)
        yield* task.started
        const places = laws.capacity ?? 2
        const waiting = []
        for (let i = 0; i < places; i++) waiting.push(yield* pool.fork(Effect.die("never")))
        const closing = yield* start(close(exit))
        yield* settle
        assert.isFalse(hasEnded(closing))
        yield* task.openFinalizer
        yield* Fiber.join(closing)
        expectCancelled(yield* running.await, { reason: "Closed", started: true })
        for (const handle of waiting) expectCancelled(yield* handle.await, { reason: "Closed", started: false })
      })
    )
  }

  laws.law("a scope that ends fails the door", {}, () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(laws, laws.bound)
      const busy = yield* occupy(pool, 1)
      for (let i = 0; i < laws.bound; i++) yield* pool.fork(Effect.void)
      const submitter = yield* start(pool.submit(Effect.die("never")))
      const closing = yield* start(close(Exit.void))
      expectNotAvailable(yield* Fiber.await(submitter), "Closed")
      yield* busy.release
      yield* Fiber.join(closing)
    })
  )

  laws.law("a scope that ends while the pool drains by hand escalates when it ended badly", {}, () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(laws)
      const { handles } = yield* occupy(pool, 1)
      const closer = yield* start(pool.close())
      yield* close(Exit.fail("failure"))
      expectCancelled(yield* handles[0]!.await, { reason: "Closed", started: true })
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 1, neverRun: 0 })
    })
  )

  // A pool that closes without a timeout while one of its tasks cannot be interrupted.
  const closesForEver = (pool: TaskPoolService) =>
    Effect.gen(function* () {
      const task = stubborn("done")
      yield* Effect.addFinalizer(() => task.open)
      const submitter = yield* start(pool.submit(task.task))
      yield* task.started
      const closer = yield* start(pool.close({ drainTimeout: 10, interruptTimeout: Infinity }))
      yield* TestClock.adjust(10)
      yield* settle
      assert.isFalse(hasEnded(closer))
      return { closer, submitter }
    })

  laws.law("a close that awaits finalizers forever ends when a later close has a timeout", {}, (pool) =>
    Effect.provide(
      Effect.gen(function* () {
        const { closer, submitter } = yield* closesForEver(pool)
        const other = yield* start(pool.close({ mode: "interrupt", interruptTimeout: 10 }))
        yield* TestClock.adjust(9)
        yield* settle
        assert.isFalse(hasEnded(other))
        yield* TestClock.adjust(1)
        yield* settle
        assert.isTrue(hasEnded(other) && hasEnded(closer))
        expectCancelled(yield* Fiber.await(submitter), { reason: "Closed", started: true })
        assert.deepStrictEqual(yield* Fiber.join(closer), yield* Fiber.join(other))
      }),
      Logger.layer([])
    )
  )

  laws.law("a scope that ends while a close awaits finalizers forever keeps its own timeout", {}, () =>
    Effect.provide(
      Effect.gen(function* () {
        const { close, pool } = yield* open(laws)
        const { submitter } = yield* closesForEver(pool)
        const ending = yield* start(close(Exit.fail("failure")))
        yield* TestClock.adjust("3 seconds")
        yield* settle
        assert.isTrue(hasEnded(ending))
        expectCancelled(yield* Fiber.await(submitter), { reason: "Closed", started: true })
      }),
      Logger.layer([])
    )
  )

  laws.law("every operation ends when the scope has closed, and none runs a task", {}, () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(laws)
      yield* close(Exit.void)
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Closed")
      expectNotAvailable(yield* Effect.exit(pool.fork(Effect.void)), "Closed")
      expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "Closed")
      expectNotAvailable(yield* Effect.exit(pool.start), "Closed")
      assert.deepStrictEqual(yield* pool.close(), nothing)
      assert.isFalse(yield* pool.pause)
      assert.isFalse(yield* pool.resume)
      yield* pool.awaitIdle
      yield* pool.awaitEmpty
      yield* pool.awaitResized
      yield* expectStats(pool, { phase: "Closed", size: 0 })
    })
  )

  laws.law("a program that provides the layer ends after the pool has drained", {}, () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const task = Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => ended.push("task"))
      )
      yield* Effect.provide(
        Effect.flatMap(TaskPool, (pool) => pool.fork(task)),
        laws.layerOf({ size: 1, capacity: laws.capacity })
      )
      assert.deepStrictEqual(ended, ["task"])
    })
  )
}

// A pool whose scope the law closes.
const open = Effect.fnUntraced(function* (laws: Laws, capacity = laws.capacity) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(laws.layerOf({ size: 1, capacity }), scope)
  const pool: TaskPoolService = Context.get(context, TaskPool)
  return { pool, close: (exit: Exit.Exit<unknown, unknown>) => Scope.close(scope, exit) }
})
