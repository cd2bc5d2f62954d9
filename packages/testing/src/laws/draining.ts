import type { CloseReport, SubmitOptions, TaskHandle, TaskPoolService, UnfinishedTask } from "@aio-task-pool/core"
import { TaskPool } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { disciplineOf } from "./discipline.ts"
import {
  chained,
  expectCancelled,
  expectStats,
  gated,
  hasEnded,
  type LawOptions,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

const interrupted = Exit.interrupt(1)

/** A pool in a scope of its own, which the caller ends. */
const scoped = Effect.fnUntraced(function* (laws: Laws, options: Partial<LawOptions> = {}) {
  const scope = yield* Scope.make()
  const layer = laws.layerOf({ size: 1, capacity: laws.capacity, ...options })
  const pool = Context.get(yield* Layer.buildWithScope(layer, scope), TaskPool)
  const end = (exit: Exit.Exit<unknown, unknown>) => start(Scope.close(scope, exit))
  return { pool, end }
})

/** What a scope does at its end, what a closer is told, and what holds a drain up. */
export const drainingLaws = (laws: Laws): void => {
  const drains = { shutdown: { onInterrupt: "drain" } } as const

  laws.law("a scope that ends by interruption interrupts the tasks by default (load 9)", {}, () =>
    Effect.gen(function* () {
      const { end, pool } = yield* scoped(laws)
      const handle = yield* pool.fork(Effect.never)
      yield* Fiber.join(yield* end(interrupted))
      expectCancelled(yield* handle.await, { reason: "Closed", started: true })
    })
  )

  laws.law("with onInterrupt: drain, a scope that ends by interruption drains (load 9)", {}, () =>
    Effect.gen(function* () {
      const { end, pool } = yield* scoped(laws, drains)
      const task = gated("done")
      const handle = yield* pool.fork(task.task)
      const ending = yield* end(interrupted)
      yield* pass(9999)
      assert.isFalse(hasEnded(ending))
      yield* expectStats(pool, { phase: "Draining", running: 1 })
      yield* task.open
      yield* Fiber.join(ending)
      assert.strictEqual(yield* handle.join, "done")
    })
  )

  laws.law("onInterrupt: drain does not limit close, or the drain of a scope that ends well (load 9)", {}, () =>
    Effect.gen(function* () {
      for (const how of ["close", "scope"]) {
        const { end, pool } = yield* scoped(laws, drains)
        const handle = yield* pool.fork(Effect.as(Effect.sleep("1 minute"), "done"))
        const ending = how === "close" ? yield* start(pool.close()) : yield* end(Exit.void)
        yield* pass(59_999)
        yield* expectStats(pool, { phase: "Draining", running: 1 })
        yield* pass(1)
        assert.isTrue(hasEnded(ending))
        assert.strictEqual(yield* handle.join, "done")
      }
    })
  )

  for (const [name, shutdown, millis] of [
    ["10 seconds by default", { onInterrupt: "drain" }, 10_000],
    ["the pool's own", { onInterrupt: "drain", drainTimeout: "3 seconds" }, 3000]
  ] as const) {
    laws.law(`such a drain lasts for the drainTimeout, ${name} (load 9)`, {}, () =>
      Effect.gen(function* () {
        const { end, pool } = yield* scoped(laws, { shutdown })
        const handle = yield* pool.fork(Effect.never)
        const ending = yield* end(interrupted)
        yield* pass(millis - 1)
        assert.isFalse(hasEnded(ending))
        yield* pass(1)
        yield* Fiber.join(ending)
        expectCancelled(yield* handle.await, { reason: "Closed", started: true })
      })
    )
  }

  laws.law("only a cause of nothing but interruptions counts as one (load 9)", {}, () =>
    Effect.gen(function* () {
      const causes = [
        Cause.fail("failed"),
        Cause.die("died"),
        Cause.combine(Cause.interrupt(1), Cause.fail("failed")),
        Cause.combine(Cause.die("died"), Cause.interrupt(1))
      ]
      for (const cause of causes) {
        const { end, pool } = yield* scoped(laws, drains)
        const handle = yield* pool.fork(Effect.never)
        yield* Fiber.join(yield* end(Exit.failCause(cause)))
        expectCancelled(yield* handle.await, { reason: "Closed", started: true })
      }
      const { end, pool } = yield* scoped(laws, drains)
      const task = gated("done")
      const handle = yield* pool.fork(task.task)
      const ending = yield* end(Exit.failCause(Cause.combine(Cause.interrupt(1), Cause.interrupt(2))))
      yield* settle
      assert.isFalse(hasEnded(ending))
      yield* task.open
      yield* Fiber.join(ending)
      assert.strictEqual(yield* handle.join, "done")
    })
  )

  laws.law(
    "a program that is interrupted keeps its forked tasks, and the tasks of its submits go with it (load 9)",
    {},
    () =>
      Effect.gen(function* () {
        const forked = gated("forked")
        const submitted = gated("submitted")
        const layer = laws.layerOf({ size: 2, capacity: laws.capacity, ...drains })
        const program = Effect.gen(function* () {
          yield* TaskPool.fork(forked.task)
          yield* TaskPool.submit(submitted.task)
        })
        const running = yield* start(Effect.provide(program, layer))
        yield* submitted.started
        const killer = yield* start(Fiber.interrupt(running))
        yield* settle
        assert.isFalse(hasEnded(killer))
        assert.deepStrictEqual([forked.counts.ended, submitted.counts.ended], [0, 1])
        yield* forked.open
        yield* Fiber.join(killer)
        assert.strictEqual(forked.counts.ended, 1)
      })
  )

  // ---- what a closer is told ---------------------------------------------------------------------------------------

  const without = (tasks: ReadonlyArray<UnfinishedTask>) =>
    tasks.map(({ args, key, label, started, weight }) => ({ args, key, label, started, weight }))

  laws.law(
    "with collect, the report lists what was cut and what never ran, to be run elsewhere (load 9)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const running = gated("running")
        yield* pool.fork(running.task, { label: "r", key: "k", weight: 7 })
        yield* running.started
        const add = (a: number, b: number) => Effect.succeed(a + b)
        yield* pool.fork(add, { args: [1, 2], label: "waits" })
        const report = yield* pool.close({ mode: "interrupt", collect: true })
        const { tasks, ...counts } = report
        assert.deepStrictEqual(counts, { completed: 0, interrupted: 1, neverRun: 1 })
        assert.deepStrictEqual(without(tasks), [
          { args: [], key: "k", label: "r", started: true, weight: 7 },
          { args: [1, 2], key: undefined, label: "waits", started: false, weight: 4 }
        ])
        assert.strictEqual(tasks[0]!.task, running.task)
        assert.strictEqual(tasks[1]!.task, add)
        yield* pool.start
        const { args, task } = tasks[1]!
        const again = pool.submit(task as typeof add, { args: args as [number, number] })
        assert.strictEqual(yield* again, 3)
      })
  )

  laws.lawOnce("the tasks are listed in the order in which they would have run (load 9)", {}, (pool) =>
    Effect.gen(function* () {
      const discipline = yield* disciplineOf(pool)
      yield* pool.fork(Effect.fail("no"), { label: "late", retry: Schedule.spaced("9 seconds") })
      yield* settle
      yield* pool.fork(Effect.fail("no"), { label: "soon", retry: Schedule.spaced("1 second") })
      yield* settle
      const busy = gated("busy")
      yield* pool.fork(busy.task, { label: "running" })
      yield* busy.started
      yield* pool.fork(Effect.void, { label: "first", weight: 2 })
      yield* pool.fork(Effect.void, { label: "second", weight: 3 })
      yield* pool.fork(Effect.void, { label: "third", weight: 1 })
      const { tasks } = yield* pool.close({ mode: "interrupt", collect: true })
      const waiting = {
        fifo: ["first", "second", "third"],
        lifo: ["third", "second", "first"],
        priority: ["third", "first", "second"]
      }[discipline]
      assert.deepStrictEqual(
        tasks.map(({ label }) => label),
        ["running", ...waiting, "soon", "late"]
      )
      assert.deepStrictEqual(
        tasks.map(({ started }) => started),
        [true, false, false, false, true, true]
      )
    })
  )

  laws.lawOnce(
    "the tasks of a pool without workers are listed in that order too (load 9)",
    { minSize: 0, maxSize: 1 },
    (pool) =>
      Effect.gen(function* () {
        const discipline = yield* disciplineOf(pool)
        yield* pool.resize(0)
        const labels = Array.from({ length: 3000 }, (_, i) => `${i}`)
        // Weights from 0 to 2,999, in another order: 7 has no factor in common with 3,000.
        for (const [i, label] of labels.entries()) yield* pool.fork(Effect.void, { label, weight: (i * 7) % 3000 })
        const { tasks } = yield* pool.close({ collect: true })
        const byWeight = tasks.toSorted((a, b) => a.weight - b.weight).map(({ label }) => label)
        const order = { fifo: labels, lifo: labels.toReversed(), priority: byWeight }[discipline]
        assert.deepStrictEqual(
          tasks.map(({ label }) => label),
          order
        )
      })
  )

  laws.law("an item of a bulk is listed as a function without parameters (load 9)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const began: Array<string> = []
      const f = (item: string, index: number) =>
        Effect.andThen(
          Effect.sync(() => void began.push(`${item}${index}`)),
          Effect.never
        )
      const bulk = yield* start(pool.forEach(["a", "b", "c"], f, { label: (item) => `item ${item}` }))
      yield* settle
      const { tasks } = yield* pool.close({ mode: "interrupt", collect: true })
      assert.deepStrictEqual(
        tasks.map(({ args, label, started }) => ({ args, label, started })),
        [
          { args: [], label: "item a", started: true },
          { args: [], label: "item b", started: false }
        ]
      )
      yield* settle
      assert.isTrue(hasEnded(bulk))
      const { task } = tasks[1]!
      assert.isTrue(typeof task === "function" && task.length === 0)
      yield* start((task as () => Effect.Effect<never>)())
      assert.deepStrictEqual(began, ["a0", "b1"])
    })
  )

  laws.law("an element of a stream is listed as a function without parameters (load 9)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const began: Array<string> = []
      const f = (element: string, index: number) =>
        Effect.andThen(
          Effect.sync(() => void began.push(`${element}${index}`)),
          Effect.never
        )
      const running = yield* start(Stream.runDrain(pool.mapEffect(Stream.make("a", "b"), f)))
      yield* settle
      const { tasks } = yield* pool.close({ mode: "interrupt", collect: true })
      yield* settle
      assert.isTrue(hasEnded(running))
      assert.deepStrictEqual(
        tasks.map(({ args, started }) => ({ args, started })),
        [
          { args: [], started: true },
          { args: [], started: false }
        ].slice(0, tasks.length)
      )
      const { task } = tasks[0]!
      assert.isTrue(typeof task === "function" && task.length === 0)
      yield* start((task as () => Effect.Effect<never>)())
      assert.deepStrictEqual(began, ["a0", "a0"])
    })
  )

  laws.law("what completes while the pool drains is not listed (load 9)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      yield* pool.fork(Effect.fail("its own"), { label: "fails" })
      const closer = yield* start(pool.close({ collect: true }))
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 2, interrupted: 0, neverRun: 0, tasks: [] })
    })
  )

  laws.law("a task that ends by itself while the pool interrupts is not listed (load 9)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const { own, trigger } = chained("own")
      yield* pool.fork(trigger, { label: "cut" })
      yield* pool.fork(own, { label: "ends" })
      yield* settle
      const { tasks, ...counts } = yield* pool.close({ mode: "interrupt", collect: true })
      assert.deepStrictEqual(counts, { completed: 1, interrupted: 1, neverRun: 0 })
      assert.deepStrictEqual(
        tasks.map(({ label }) => label),
        ["cut"]
      )
    })
  )

  laws.law(
    "a task that fails with the cancellation of another pool has ended by itself, and is not listed (load 9)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const other = yield* scoped(laws, { name: pool.name })
        const handle = yield* pool.fork(Effect.uninterruptible(other.pool.submit(Effect.never)))
        yield* settle
        const closer = yield* start(pool.close({ mode: "interrupt", collect: true }))
        yield* other.pool.close({ mode: "interrupt" })
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0, tasks: [] })
        expectCancelled(yield* handle.await, { reason: "Closed", started: true })
      })
  )

  laws.law(
    "tasks that are cut because another task of their call was are listed too (load 9)",
    { size: 2, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const submits = ["a", "b", "c"].map((label) => pool.submit(Effect.never, { label }))
        const caller = yield* start(Effect.all(submits, { concurrency: "unbounded" }))
        yield* settle
        const { tasks, ...counts } = yield* pool.close({ mode: "interrupt", collect: true })
        assert.deepStrictEqual(counts, { completed: 0, interrupted: 2, neverRun: 1 })
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => `${label} ${started}`),
          ["a true", "b true", "c false"]
        )
        assert.isTrue(hasEnded(caller))
      })
  )

  laws.law(
    "a task whose submitter has withdrawn it while the pool drained is not listed (load 9)",
    { size: 3, minSize: 0, maxSize: 3, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const withdrawn = yield* start(pool.submit(Effect.never, { label: "withdrawn" }))
        yield* pool.fork(Effect.die("never"), { permits: 3, label: "heavy" })
        yield* pool.resize(2)
        const closer = yield* start(pool.close({ collect: true, drainTimeout: 1000 }))
        yield* settle
        yield* Fiber.interrupt(withdrawn)
        yield* pass(1000)
        const { tasks } = yield* Fiber.join(closer)
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => `${label} ${started}`),
          ["heavy false", "undefined true"]
        )
        yield* busy.release
      })
  )

  laws.law(
    "what is left at the end of the drainTimeout is listed, and what ended before is not (load 9)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = gated("ends in time")
        yield* pool.fork(busy.task, { label: "in time" })
        yield* pool.fork(Effect.never, { label: "too long" })
        const closer = yield* start(pool.close({ collect: true, drainTimeout: 100 }))
        yield* busy.open
        yield* pass(100)
        const { tasks, ...counts } = yield* Fiber.join(closer)
        assert.deepStrictEqual(counts, { completed: 1, interrupted: 1, neverRun: 0 })
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => ({ label, started })),
          [{ label: "too long", started: true }]
        )
      })
  )

  laws.law(
    "a task that starts while the pool drains is listed as started, with its present weight (load 9)",
    { size: 2, minSize: 1, maxSize: 2, needs: 2 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 2)
        const later = yield* pool.fork(Effect.never, { label: "later" })
        const heavy = yield* pool.fork(Effect.die("never"), { permits: 2, label: "heavy" })
        const closer = yield* start(pool.close({ collect: true, drainTimeout: 100 }))
        yield* settle
        yield* pool.resize(1)
        yield* settle
        expectCancelled(yield* heavy.await, { reason: "Closed", started: false })
        yield* later.reprioritize(1)
        yield* busy.release
        yield* settle
        yield* expectStats(pool, { running: 1, waiting: 0 })
        yield* pass(100)
        const { tasks } = yield* Fiber.join(closer)
        assert.deepStrictEqual(
          tasks.map(({ label, started, weight }) => `${label} ${started} ${weight}`),
          ["heavy false 4", "later true 1"]
        )
        expectCancelled(yield* later.await, { reason: "Closed", started: true })
      })
  )

  laws.law("without collect a report lists nothing, and with it every closer gets the list (load 9)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* pool.fork(Effect.uninterruptible(busy.task))
      yield* busy.started
      const closers: ReadonlyArray<Fiber.Fiber<CloseReport>> = [
        yield* start(pool.close()),
        yield* start(pool.close({ collect: true }))
      ]
      yield* settle
      yield* busy.open
      for (const closer of closers) {
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0, tasks: [] })
      }
      yield* pool.start
      assert.notProperty(yield* pool.close(), "tasks")
    })
  )

  for (const [name, options, act] of [
    ["its maxWait ends", { maxWait: 10 }, () => pass(20)],
    ["its handle cancels it", {}, (_, handle) => handle.cancel],
    ["clear removes it", {}, (pool) => pool.clear()]
  ] satisfies ReadonlyArray<
    readonly [
      string,
      SubmitOptions,
      (pool: TaskPoolService, handle: TaskHandle<unknown, unknown>) => Effect.Effect<unknown>
    ]
  >) {
    laws.law(`a task that leaves while the pool drains, because ${name}, is listed (load 9)`, { needs: 1 }, (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const handle = yield* pool.fork(Effect.void, { label: "left", ...options })
        const closer = yield* start(pool.close({ collect: true }))
        yield* settle
        yield* act(pool, handle)
        yield* busy.release
        const { neverRun, tasks } = yield* Fiber.join(closer)
        assert.strictEqual(neverRun, 1)
        assert.deepStrictEqual(
          tasks.map(({ label, started, task }) => ({ label, started, task })),
          [{ label: "left", started: false, task: Effect.void }]
        )
      })
    )
  }

  laws.law(
    "a task that a hard scale-down ends while the pool drains is listed (load 9)",
    { size: 2, minSize: 1, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const task = gated("done")
        yield* pool.fork(task.task, { label: "stays" })
        yield* pool.fork(Effect.never, { label: "cut" })
        yield* settle
        const closer = yield* start(pool.close({ collect: true }))
        yield* settle
        yield* pool.resize(1, { mode: "hard" })
        yield* task.open
        const { interrupted, tasks } = yield* Fiber.join(closer)
        assert.strictEqual(interrupted, 1)
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => `${label} ${started}`),
          ["cut true"]
        )
      })
  )

  laws.law(
    "a task that fails with the cancellation of another task of the pool has ended by itself (load 9)",
    { size: 2, needs: 2 },
    (pool) =>
      Effect.gen(function* () {
        const cut = yield* pool.fork(Effect.never, { label: "cut" })
        yield* pool.fork(Effect.uninterruptible(cut.join), { label: "joins" })
        yield* settle
        const { tasks, ...counts } = yield* pool.close({ mode: "interrupt", collect: true })
        assert.deepStrictEqual(counts, { completed: 1, interrupted: 1, neverRun: 0 })
        assert.deepStrictEqual(
          tasks.map(({ label }) => label),
          ["cut"]
        )
      })
  )

  laws.law(
    "a closer that asks while the pool interrupts gets the tasks that have not ended (load 9)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.fork(Effect.uninterruptible(Effect.never), { label: "stays" })
        yield* pool.fork(Effect.never, { label: "waits" })
        yield* settle
        const first = yield* start(pool.close({ mode: "interrupt", interruptTimeout: 100 }))
        yield* settle
        const later = yield* start(pool.close({ mode: "interrupt", collect: true }))
        yield* pass(100)
        const { tasks } = yield* Fiber.join(later)
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => `${label} ${started}`),
          ["stays true"]
        )
        assert.deepStrictEqual((yield* Fiber.join(first)).tasks, tasks)
      })
  )

  laws.law("a closer that asks for the list when the pool has closed gets one all the same (load 9)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.close()
      const { tasks } = yield* pool.close({ collect: true })
      assert.deepStrictEqual(tasks, [])
    })
  )

  // ---- what holds a drain up ---------------------------------------------------------------------------------------

  laws.law("beginning to close releases the holds of users, and start restores none (load 9)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const holder = yield* start(pool.withDispatchHeld(Effect.never))
      yield* start(Effect.scoped(Effect.andThen(pool.holdDispatch, Effect.never)))
      const handle = yield* pool.fork(Effect.succeed("ran"))
      yield* expectStats(pool, { phase: "Held", holds: ["User"], waiting: 1 })
      assert.deepStrictEqual(yield* pool.close(), { completed: 1, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* handle.join, "ran")
      yield* pool.start
      yield* expectStats(pool, { phase: "Open", holds: [] })
      // The end of a hold of before ends none of after.
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Fiber.interrupt(holder)
          yield* expectStats(pool, { phase: "Held", holds: ["User"] })
        })
      )
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law("holdFor still binds while the pool drains, within drainTimeout (load 9)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.holdFor(1000)
      yield* pool.fork(Effect.void)
      const closer = yield* start(pool.close())
      yield* pass(999)
      assert.isFalse(hasEnded(closer))
      yield* expectStats(pool, { phase: "Draining", holds: ["RetryAfter"] })
      yield* pass(1)
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0 })
      yield* pool.start
      yield* pool.holdFor(1000)
      yield* pool.fork(Effect.die("never"))
      const second = yield* start(pool.close({ drainTimeout: 500 }))
      yield* pass(500)
      assert.deepStrictEqual(yield* Fiber.join(second), { completed: 0, interrupted: 0, neverRun: 1 })
      yield* pool.start
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law(
    "a holdFor without an end extends one that would end, until the pool closes (load 3)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.holdFor(100)
        yield* pool.holdFor(Infinity)
        yield* pool.holdFor(200)
        const handle = yield* pool.fork(Effect.die("never"))
        yield* pass(24 * 3_600_000)
        yield* expectStats(pool, { phase: "Held", holds: ["RetryAfter"], waiting: 1 })
        yield* pool.close({ drainTimeout: 0 })
        expectCancelled(yield* handle.await, { reason: "Closed", started: false })
        yield* pool.start
        yield* expectStats(pool, { phase: "Open", holds: [] })
      })
  )

  laws.law(
    "a waiting task that takes more workers than there are is cancelled when the drain begins, or later (load 9)",
    { size: 3, minSize: 0, maxSize: 3, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const heavy = { permits: 3 }
        for (const before of [true, false]) {
          const busy = yield* occupy(pool, 1)
          const handle = yield* pool.fork(Effect.die("never"), heavy)
          if (before) yield* pool.resize(2)
          const closer = yield* start(pool.close())
          yield* settle
          if (!before) yield* Effect.andThen(expectStats(pool, { waiting: 1 }), pool.resize(2))
          yield* settle
          expectCancelled(yield* handle.await, { reason: "Closed", started: false })
          assert.isFalse(hasEnded(closer))
          yield* busy.release
          assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 1 })
          yield* pool.start
          yield* pool.resize(3)
        }
      })
  )

  laws.law(
    "a delayed task that comes back while the pool drains is cancelled if it takes more workers than there are (load 9)",
    { size: 3, minSize: 0, maxSize: 3, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const heavy = yield* pool.fork(Effect.fail("no"), { permits: 3, retry: Schedule.spaced(1000), label: "heavy" })
        yield* settle
        const busy = yield* occupy(pool, 1)
        yield* pool.resize(2)
        const closer = yield* start(pool.close({ collect: true }))
        yield* pass(999)
        assert.isFalse(hasEnded(yield* start(heavy.await)))
        // A larger pool in between, in which it would fit.
        yield* pool.resize(3)
        yield* pool.resize(1)
        yield* pass(1)
        expectCancelled(yield* heavy.await, { reason: "Closed", started: true })
        yield* busy.release
        const { tasks, ...counts } = yield* Fiber.join(closer)
        assert.deepStrictEqual(counts, { completed: 1, interrupted: 1, neverRun: 0 })
        assert.deepStrictEqual(
          tasks.map(({ label, started }) => `${label} ${started}`),
          ["heavy true"]
        )
      })
  )

  laws.law(
    "a task that waits again while the pool drains is cancelled when the target falls below its permits (load 9)",
    { size: 3, minSize: 0, maxSize: 3, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const heavy = yield* pool.fork(Effect.fail("no"), { permits: 3, retry: Schedule.spaced(1000) })
        yield* settle
        const busy = yield* occupy(pool, 1)
        yield* pool.resize(2)
        const closer = yield* start(pool.close())
        yield* settle
        yield* pool.resize(3)
        yield* pass(1000)
        yield* expectStats(pool, { waiting: 1, delayed: 0 })
        yield* pool.resize(2)
        yield* settle
        expectCancelled(yield* heavy.await, { reason: "Closed", started: true })
        yield* busy.release
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 1, neverRun: 0 })
      })
  )

  laws.law("a drain waits for a task that can have its workers (load 9)", { size: 2, needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const handle = yield* pool.fork(Effect.succeed("heavy"), { permits: 2 })
      const closer = yield* start(pool.close())
      yield* settle
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 2, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* handle.join, "heavy")
    })
  )
}
