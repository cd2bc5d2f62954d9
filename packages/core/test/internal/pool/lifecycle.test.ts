import {
  defectOf,
  expectConserved,
  expectStats,
  failureOf,
  gated,
  lineLog,
  settle,
  start,
  stubborn
} from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type CloseReport,
  TaskCancelled,
  TaskPool
} from "../../../src/index.ts"
import { countWalks } from "./walks.ts"

const { layer, make } = AioFixedTaskPoolSimple

const nothing: CloseReport = { completed: 0, interrupted: 0, neverRun: 0 }

/** Collects what is logged. */
/** A pool in a scope of its own. */
const scoped = Effect.fnUntraced(function* (options: Parameters<typeof make>[0]) {
  const scope = yield* Scope.make()
  return { scope, pool: yield* Scope.provide(make(options), scope) }
})

describe("the report of a close", () => {
  it.effect("adds up to what ran and waited when closing began", () =>
    Effect.gen(function* () {
      const good = gated("good")
      const bad = gated("bad")
      yield* TaskPool.fork(good.task)
      yield* TaskPool.fork(Effect.andThen(bad.task, Effect.fail("own")))
      yield* TaskPool.fork(Effect.never)
      const own = yield* TaskPool.fork(Effect.never)
      const waiting = yield* TaskPool.fork(Effect.void)
      yield* TaskPool.fork(Effect.void)
      yield* TaskPool.resize(2)
      const closing = yield* start(TaskPool.close({ drainTimeout: "1 minute" }))
      yield* waiting.cancel
      yield* own.cancel
      yield* good.open
      yield* bad.open
      yield* settle
      yield* TestClock.adjust("1 minute")
      const report = yield* Fiber.join(closing)
      assert.deepStrictEqual(report, { completed: 3, interrupted: 2, neverRun: 1 })
      assert.strictEqual(report.completed + report.interrupted + report.neverRun, 6)
      yield* expectStats({ phase: "Closed", size: 0, running: 0, waiting: 0, succeeded: 2, failed: 1, cancelled: 3 })
    }).pipe(Effect.provide(layer(4)))
  )

  it.effect("counts only what the pool held when closing began", () =>
    Effect.gen(function* () {
      yield* TaskPool.submit(Effect.void)
      yield* Effect.ignore(TaskPool.submit(Effect.fail("own")))
      assert.deepStrictEqual(yield* TaskPool.close(), nothing)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("is the same for every closer, and for those who come later", () =>
    Effect.gen(function* () {
      const task = gated("done")
      yield* TaskPool.fork(task.task)
      const closers = yield* Effect.forEach([1, 2, 3], () => start(TaskPool.close()))
      yield* task.open
      const reports = yield* Effect.forEach(closers, Fiber.join)
      const later = yield* TaskPool.close({ mode: "interrupt" })
      for (const report of [...reports, later]) assert.strictEqual(report, reports[0])
      assert.deepStrictEqual(later, { ...nothing, completed: 1 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("is of the closing that was asked for, though the pool is started again at once", () =>
    Effect.gen(function* () {
      const task = gated("done")
      yield* TaskPool.fork(task.task)
      const closer = yield* start(TaskPool.close())
      const starter = yield* start(Effect.andThen(TaskPool.start, TaskPool.close()))
      yield* task.open
      assert.deepStrictEqual(yield* Fiber.join(closer), { ...nothing, completed: 1 })
      assert.deepStrictEqual(yield* Fiber.join(starter), nothing)
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("the tasks of a pool that closes are walked a fixed number of times", () => {
  for (const [name, pool] of Object.entries({ AioFixedTaskPoolSimple, AioFixedTaskPoolPriority })) {
    it.effect(`if a task took more workers than there are now, ${name}`, () =>
      Effect.gen(function* () {
        yield* TaskPool.submit(Effect.void, { permits: 4 })
        yield* TaskPool.resize(3)
        yield* Effect.forEach(Array.from({ length: 3000 }), () => TaskPool.fork(Effect.yieldNow), { discard: true })
        const walks = yield* countWalks
        const { interrupted, neverRun } = yield* TaskPool.close()
        assert.deepStrictEqual([interrupted, neverRun], [0, 0])
        // When the drain begins; when closing interrupts what is left.
        assert.deepStrictEqual(walks(), [1, 2])
      }).pipe(Effect.scoped, Effect.provide(pool.layer(4)))
    )

    for (const [how, options] of [
      ["drains", {}],
      ["interrupts", { mode: "interrupt" }]
    ] as const) {
      it.effect(`if a pool without workers ${how} and lists many tasks, ${name}`, () =>
        Effect.gen(function* () {
          yield* Effect.forEach(Array.from({ length: 5000 }), () => TaskPool.fork(Effect.void), { discard: true })
          const walks = yield* countWalks
          const { tasks } = yield* TaskPool.close({ ...options, collect: true })
          assert.lengthOf(tasks, 5000)
          assert.deepStrictEqual(walks(), [how === "drains" ? 2 : 1, 3])
        }).pipe(Effect.scoped, Effect.provide(pool.layer(0)))
      )
    }
  }
})

describe("draining", () => {
  it.effect("runs what was accepted, in order, and refuses the rest", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const seen: Array<number> = []
      yield* TaskPool.fork(gate.await)
      yield* Effect.forEach([1, 2, 3], (n) => TaskPool.fork(Effect.sync(() => void seen.push(n))))
      const atDoor = yield* start(TaskPool.fork(Effect.sync(() => void seen.push(4))))
      const closing = yield* start(TaskPool.close())
      yield* expectStats({ phase: "Draining", waiting: 3 })
      assert.strictEqual(failureOf(yield* Fiber.await(atDoor)).reason, "Closed")
      assert.strictEqual((yield* Effect.flip(TaskPool.submit(Effect.void))).reason, "Closed")
      yield* gate.open
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, completed: 4 })
      assert.deepStrictEqual(seen, [1, 2, 3])
    }).pipe(Effect.provide(layer(1, { capacity: 3 })))
  )

  it.effect("goes on while the pool is paused", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      yield* TaskPool.fork(gate.await)
      yield* TaskPool.fork(Effect.void)
      yield* TaskPool.pause
      const closing = yield* start(TaskPool.close())
      assert.isFalse(yield* TaskPool.resume)
      yield* expectStats({ phase: "Draining" })
      yield* gate.open
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, completed: 2 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("may be sped up by growing the pool", () =>
    Effect.gen(function* () {
      const [one, two] = [gated(1), gated(2)]
      yield* TaskPool.fork(one.task)
      yield* TaskPool.fork(two.task)
      const closing = yield* start(TaskPool.close())
      yield* TaskPool.scale(1)
      yield* expectStats({ running: 2 })
      yield* one.open
      yield* two.open
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, completed: 2 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("without a worker cancels what waits, instead of waiting for ever", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(Effect.void)
      assert.deepStrictEqual(yield* TaskPool.close(), { ...nothing, neverRun: 1 })
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed", started: false })
    }).pipe(Effect.provide(layer(0)))
  )

  it.effect("whose last worker is taken away cancels what waits, and waits for what runs", () =>
    Effect.gen(function* () {
      const running = gated("ran")
      const first = yield* TaskPool.fork(running.task)
      const second = yield* TaskPool.fork(Effect.void)
      const closing = yield* start(TaskPool.close())
      yield* TaskPool.resize(0)
      assert.deepInclude(failureOf(yield* second.await), { reason: "Closed", started: false })
      yield* running.open
      assert.strictEqual(yield* first.join, "ran")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 1, interrupted: 0, neverRun: 1 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("has the pool's own limit unless the closer names another", () =>
    Effect.gen(function* () {
      const { pool } = yield* scoped({ size: 1, shutdown: { drainTimeout: "5 seconds" } })
      const handle = yield* pool.fork(Effect.never)
      const closing = yield* start(pool.close())
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* handle.state, "Running")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, interrupted: 1 })
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed", started: true })
      yield* pool.start
      yield* pool.fork(Effect.never)
      const again = yield* start(pool.close({ drainTimeout: "1 second" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(again), { ...nothing, interrupted: 1 })
    })
  )

  it.effect("is escalated by a later interrupt, and not by a later drain", () =>
    Effect.gen(function* () {
      const running = yield* TaskPool.fork(Effect.never)
      const waiting = yield* TaskPool.fork(Effect.void)
      const first = yield* start(TaskPool.close())
      const second = yield* start(TaskPool.close({ drainTimeout: 0 }))
      yield* settle
      assert.strictEqual(yield* running.state, "Running")
      const report = yield* TaskPool.close({ mode: "interrupt" })
      assert.deepStrictEqual(report, { completed: 0, interrupted: 1, neverRun: 1 })
      assert.strictEqual(yield* Fiber.join(first), report)
      assert.strictEqual(yield* Fiber.join(second), report)
      assert.deepInclude(failureOf(yield* waiting.await), { reason: "Closed", started: false })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("goes on when the closer is interrupted", () =>
    Effect.gen(function* () {
      const task = gated("done")
      const handle = yield* TaskPool.fork(task.task)
      const closer = yield* start(TaskPool.close())
      yield* Fiber.interrupt(closer)
      yield* expectStats({ phase: "Draining" })
      yield* task.open
      assert.strictEqual(yield* handle.join, "done")
      assert.deepStrictEqual(yield* TaskPool.close(), { ...nothing, completed: 1 })
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("a task that will not end", () => {
  it.effect("is given up after interruptTimeout, by default 3 seconds, and the log names it", () => {
    const log = lineLog()
    return Effect.gen(function* () {
      const { pool } = yield* scoped({ size: 2, name: "stubborn pool" })
      const fiberId = yield* Deferred.make<number>()
      const task = stubborn("late")
      const handle = yield* pool.fork(
        Effect.withFiber((fiber) => Effect.andThen(Deferred.succeed(fiberId, fiber.id), task.task)),
        { label: "stubborn" }
      )
      const finalizing = yield* pool.fork(Effect.ensuring(Effect.never, Effect.never))
      const submitter = yield* start(pool.submit(Effect.void))
      const closing = yield* start(pool.close({ mode: "interrupt" }))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(closing.pollUnsafe())
      assert.isEmpty(log.lines)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 0, interrupted: 2, neverRun: 1 })
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed", started: true })
      assert.deepInclude(failureOf(yield* finalizing.await), { reason: "Closed", started: true })
      assert.instanceOf(failureOf(yield* Fiber.await(submitter)), TaskCancelled)
      const lines = log.lines.map(({ annotations, level, message }) => [level, message, annotations])
      const common = { "task_pool.name": "stubborn pool", "task_pool.kind": "AioFixedTaskPoolSimple" }
      const fiber = yield* Deferred.await(fiberId)
      const other = log.lines[1]!.annotations["fiber"]
      assert.deepStrictEqual<unknown>(lines, [
        ["Warn", "gave up a task", { ...common, fiber, label: "stubborn" }],
        ["Warn", "gave up a task", { ...common, fiber: other, label: "task" }]
      ])
      assert.notStrictEqual(other, fiber)

      // Its late end changes nothing.
      const closed = yield* pool.stats
      yield* task.open
      yield* settle
      assert.strictEqual(task.counts.ended, 1)
      assert.deepStrictEqual(yield* pool.stats, closed)
      expectConserved(closed)
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed" })
    }).pipe(Effect.provide(log.layer))
  })

  it.effect("does not count in a pool that is started again, and its late end frees no worker twice", () =>
    Effect.gen(function* () {
      const { pool } = yield* scoped({ size: 1, shutdown: { interruptTimeout: 0 } })
      const late = stubborn("late")
      yield* pool.fork(late.task)
      assert.deepStrictEqual(yield* pool.close({ mode: "interrupt" }), { ...nothing, interrupted: 1 })
      yield* pool.start
      const running = gated("running")
      const waiting = gated("waiting")
      yield* pool.fork(running.task)
      const handle = yield* pool.fork(waiting.task)
      yield* late.open
      yield* settle
      assert.strictEqual(waiting.counts.begun, 0)
      const stats = yield* pool.stats
      assert.deepInclude(stats, { running: 1, waiting: 1 })
      expectConserved(stats)
      yield* running.open
      yield* waiting.open
      assert.strictEqual(yield* handle.join, "waiting")
    }).pipe(Effect.provide(lineLog().layer))
  )

  it.effect("and lets its neighbours end when it is given up, does not make them settle twice", () => {
    const gate = Latch.makeUnsafe()
    const logger = Logger.make(() => void gate.openUnsafe())
    return Effect.gen(function* () {
      const { pool } = yield* scoped({ size: 3, shutdown: { interruptTimeout: 0 } })
      const handles = yield* Effect.forEach([1, 2, 3], () => pool.fork(Effect.uninterruptible(gate.await)))
      yield* pool.close({ mode: "interrupt" })
      yield* settle
      for (const { state } of handles) assert.strictEqual(yield* state, "Done")
      const stats = yield* pool.stats
      expectConserved(stats)
      assert.deepInclude(stats, { running: 0, submitted: 3 })
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("but ends within the time keeps closing waiting for it, and no log line", () => {
    const log = lineLog()
    return Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const { pool } = yield* scoped({ size: 1 })
      yield* pool.fork(Effect.ensuring(Effect.never, finalizer.await))
      const closing = yield* start(pool.close({ mode: "interrupt", interruptTimeout: Duration.infinity }))
      yield* TestClock.adjust("1 day")
      assert.isUndefined(closing.pollUnsafe())
      yield* finalizer.open
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, interrupted: 1 })
      assert.isEmpty(log.lines)
    }).pipe(Effect.provide(log.layer))
  })
})

describe("from inside a task", () => {
  it.effect("close is refused with a defect that names the pool, and changes nothing", () =>
    Effect.gen(function* () {
      const defect = defectOf(yield* Effect.exit(TaskPool.submit(TaskPool.close())))
      assert.include(String(defect), "TaskPool.close")
      assert.include(String(defect), "own pool name")
      yield* expectStats({ phase: "Open", failed: 1 })
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("open")), "open")
    }).pipe(Effect.provide(layer(1, { name: "own pool name" })))
  )

  it.effect("close is refused to the task's children, too", () =>
    Effect.gen(function* () {
      const child = Effect.flatMap(start(TaskPool.close()), Fiber.await)
      assert.include(String(defectOf(yield* TaskPool.submit(child))), "TaskPool.close")
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("close is refused through another pool, whose task the first one waits for", () =>
    Effect.gen(function* () {
      const { pool: inner } = yield* scoped({ size: 1 })
      const exit = yield* Effect.exit(TaskPool.submit(inner.submit(TaskPool.close())))
      assert.include(String(defectOf(exit)), "TaskPool.close")
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("close is allowed to a fiber that has outlived its task, though others of the same submitter run", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const closer = yield* TaskPool.submit(Effect.forkDetach(Effect.andThen(gate.await, TaskPool.close())))
      const sibling = gated("sibling")
      const handle = yield* TaskPool.fork(sibling.task)
      yield* gate.open
      yield* settle
      yield* sibling.open
      assert.strictEqual(yield* handle.join, "sibling")
      assert.deepStrictEqual(yield* Fiber.join(closer), { ...nothing, completed: 1 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("another pool may be closed", () =>
    Effect.gen(function* () {
      const { pool: other } = yield* scoped({ size: 1 })
      assert.deepStrictEqual(yield* TaskPool.submit(other.close()), nothing)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("start of a draining pool is refused with a defect, as the pool waits for the task", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const handle = yield* TaskPool.fork(Effect.andThen(gate.await, TaskPool.start))
      const closing = yield* start(TaskPool.close())
      yield* gate.open
      assert.include(String(defectOf(yield* handle.await)), "TaskPool.start")
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, completed: 1 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("the end of the pool's own scope does not hang: it interrupts, and all settles", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1 })
      const handle = yield* pool.fork(Effect.andThen(Effect.yieldNow, Scope.close(scope, Exit.void)))
      const waiting = yield* pool.fork(Effect.void)
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed", started: true })
      assert.deepInclude(failureOf(yield* waiting.await), { reason: "Closed", started: false })
      yield* settle
      const stats = yield* pool.stats
      assert.deepInclude(stats, { phase: "Closed", running: 0, waiting: 0 })
      expectConserved(stats)
    })
  )

  it.effect("the end of the pool's own scope tells the readers of events what became of it", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1 })
      const events = yield* start(Stream.runCollect(pool.events))
      yield* pool.fork(Effect.andThen(Effect.yieldNow, Scope.close(scope, Exit.void)))
      assert.deepStrictEqual(yield* Fiber.join(events), [
        { _tag: "Cancelled", at: 0, reason: "Closed", started: true },
        { _tag: "Closed", at: 0, report: { ...nothing, interrupted: 1 } }
      ])
    })
  )
})

describe("the end of the scope", () => {
  it.effect("escalates a drain by hand when it ends by failure", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1 })
      const handle = yield* pool.fork(Effect.never)
      const closing = yield* start(pool.close())
      yield* Scope.close(scope, Exit.fail("failed"))
      assert.deepStrictEqual(yield* Fiber.join(closing), { ...nothing, interrupted: 1 })
      assert.deepInclude(failureOf(yield* handle.await), { reason: "Closed", started: true })
    })
  )

  it.effect("keeps to its own limit when a drain by hand has none", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1, shutdown: { drainTimeout: "5 seconds" } })
      yield* pool.fork(Effect.never)
      const byHand = yield* start(pool.close({ drainTimeout: Duration.infinity }))
      const ending = yield* start(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(yield* Fiber.join(byHand), { ...nothing, interrupted: 1 })
    })
  )

  it.effect("of a pool that was closed by hand does nothing more", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1 })
      const report = yield* pool.close()
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* pool.close(), report)
    })
  )

  it.effect("fails who waits at the door, and settles every task, also of an auto-scale pool", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(AioAutoScaleTaskPoolSimple.make({ minSize: 1, capacity: 1 }), scope)
      const running = yield* start(pool.submit(Effect.never))
      const waiting = yield* start(pool.submit(Effect.never))
      const atDoor = yield* start(pool.submit(Effect.never))
      yield* Scope.close(scope, Exit.interrupt())
      assert.deepInclude(failureOf(yield* Fiber.await(running)), { _tag: "TaskCancelled", started: true })
      assert.deepInclude(failureOf(yield* Fiber.await(waiting)), { _tag: "TaskCancelled", started: false })
      assert.deepInclude(failureOf(yield* Fiber.await(atDoor)), { _tag: "NotAvailable", reason: "Closed" })
    })
  )
})

describe("start", () => {
  it.effect("reopens a closed pool with its last target, its numbers going on", () =>
    Effect.gen(function* () {
      yield* TaskPool.submit(Effect.void)
      yield* TaskPool.resize(5)
      yield* TaskPool.close()
      yield* TaskPool.start
      yield* expectStats({ phase: "Open", size: 5, targetSize: 5, submitted: 1, succeeded: 1 })
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("again")), "again")
      yield* expectStats({ submitted: 2, succeeded: 2 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("keeps a target that was set while the pool was closed", () =>
    Effect.gen(function* () {
      yield* TaskPool.close()
      assert.strictEqual(yield* TaskPool.resize(4), 4)
      yield* expectStats({ size: 0, targetSize: 4 })
      yield* TaskPool.start
      yield* expectStats({ size: 4 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("begins paused again when the pool began so, and open when it did not", () =>
    Effect.gen(function* () {
      const { pool } = yield* scoped({ size: 1, startPaused: true })
      yield* pool.resume
      yield* pool.close()
      yield* pool.start
      assert.strictEqual((yield* pool.stats).phase, "Paused")
      const { pool: other } = yield* scoped({ size: 1 })
      yield* other.pause
      yield* other.close()
      yield* other.start
      assert.strictEqual((yield* other.stats).phase, "Open")
    })
  )

  it.effect("does nothing on an open pool, nor on a paused one", () =>
    Effect.gen(function* () {
      const task = gated("goes on")
      const handle = yield* TaskPool.fork(task.task)
      yield* TaskPool.start
      yield* TaskPool.pause
      yield* TaskPool.start
      yield* expectStats({ phase: "Paused", running: 1 })
      yield* task.open
      assert.strictEqual(yield* handle.join, "goes on")
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("waits behind a pool that is closing, from any number of fibers", () =>
    Effect.gen(function* () {
      const task = gated("done")
      yield* TaskPool.fork(task.task)
      const closing = yield* start(TaskPool.close())
      const starters = yield* Effect.forEach([1, 2], () => start(TaskPool.start))
      yield* settle
      assert.isUndefined(starters[0]!.pollUnsafe())
      yield* expectStats({ phase: "Draining" })
      yield* task.open
      yield* Fiber.join(closing)
      yield* Effect.forEach(starters, Fiber.join)
      yield* expectStats({ phase: "Open" })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("that is interrupted while it waits leaves the pool closed", () =>
    Effect.gen(function* () {
      const task = gated("done")
      yield* TaskPool.fork(task.task)
      const closing = yield* start(TaskPool.close())
      const starter = yield* start(TaskPool.start)
      yield* Fiber.interrupt(starter)
      yield* task.open
      yield* Fiber.join(closing)
      yield* settle
      yield* expectStats({ phase: "Closed" })
      yield* TaskPool.start
      yield* expectStats({ phase: "Open" })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("fails with NotAvailable when the scope has closed, or closes while it waits", () =>
    Effect.gen(function* () {
      const { pool, scope } = yield* scoped({ size: 1 })
      const task = gated("done")
      yield* pool.fork(task.task)
      yield* start(pool.close())
      const waiting = yield* start(pool.start)
      const ending = yield* start(Scope.close(scope, Exit.void))
      yield* task.open
      yield* Fiber.join(ending)
      assert.deepInclude(failureOf(yield* Fiber.await(waiting)), { _tag: "NotAvailable", reason: "Closed" })
      assert.deepInclude(yield* Effect.flip(pool.start), { _tag: "NotAvailable", reason: "Closed" })
      assert.strictEqual((yield* pool.stats).phase, "Closed")
    })
  )

  it.effect("and close, ten times in turn, leave a pool that works", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10; i++) {
        assert.strictEqual(yield* TaskPool.submit(Effect.succeed(i)), i)
        assert.deepStrictEqual(yield* TaskPool.close(), nothing)
        yield* TaskPool.start
      }
      yield* expectStats({ phase: "Open", succeeded: 10 })
    }).pipe(Effect.provide(layer(1)))
  )
})
