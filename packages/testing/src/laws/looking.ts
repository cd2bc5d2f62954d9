import type { PoolStats, SubmitOptions, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Random } from "../internal/random.ts"
import { defectOf, expectStats, gated, hasEnded, type Laws, occupy, settle, start } from "./kit.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

/** The numbers of a pool, and waiting for them. */
export const lookingLaws = (laws: Laws): void => {
  laws.law("awaitStats returns at once if the statistics are so already (load 10)", {}, (pool) =>
    Effect.gen(function* () {
      const waiter = yield* start(pool.awaitStats(({ running }) => running === 0))
      assert.isTrue(hasEnded(waiter))
    })
  )

  laws.law("awaitStats waits until they are, whatever changes them (load 10)", { minSize: 0, maxSize: 4 }, (pool) =>
    Effect.gen(function* () {
      const gate = gated("gate")
      const changes: ReadonlyArray<readonly [string, (stats: PoolStats) => boolean, Effect.Effect<unknown, unknown>]> =
        [
          ["a task runs", ({ running }) => running === 1, pool.fork(gate.task)],
          [
            "another waits or stands at the door",
            ({ atDoor, waiting }) => waiting + atDoor === 1,
            start(pool.submit(Effect.void))
          ],
          ["dispatch is held", ({ phase }) => phase === "Held", start(pool.withDispatchHeld(Effect.never))],
          ["it is held for a time", ({ holds }) => holds.includes("RetryAfter"), pool.holdFor(1000)],
          ["the pool is paused", ({ phase }) => phase === "Paused", pool.pause],
          ["the pool is resumed", ({ phase }) => phase !== "Paused", pool.resume],
          ["it is resized", ({ targetSize }) => targetSize === 3, pool.resize(3)],
          [
            "a task is too large",
            ({ rejectedBy }) => rejectedBy.TooLarge === 1,
            Effect.ignore(pool.submit(Effect.void, { permits: 99 }))
          ],
          ["a task succeeds", ({ succeeded }) => succeeded === 1, gate.open],
          ["a hold is over", ({ holds }) => !holds.includes("RetryAfter"), pass(1000)],
          ["the pool closes", ({ phase }) => phase === "Closed", pool.close()],
          ["it opens", ({ phase }) => phase === "Open", pool.start],
          ["a task fails", ({ failed }) => failed === 1, Effect.ignore(pool.submit(Effect.fail("no")))],
          [
            "one is delayed",
            ({ delayed }) => delayed === 1,
            pool.fork(Effect.fail("no"), { retry: Schedule.spaced(50) })
          ],
          ["it is cleared", ({ delayed }) => delayed === 0, pool.clear()],
          ["one waits too long", ({ rejectedBy }) => rejectedBy.WaitedTooLong === 1, waitsTooLong(pool)],
          ["workers are lent", ({ lent }) => lent === 1, start(pool.submit(pool.submit(Effect.never)))]
        ]
      for (const [name, is, change] of changes) {
        const waiter = yield* start(pool.awaitStats(is))
        assert.isFalse(hasEnded(waiter), name)
        yield* change
        yield* settle
        assert.isTrue(hasEnded(waiter), name)
        yield* Fiber.join(waiter)
      }
      yield* pool.close({ mode: "interrupt" })
    })
  )

  laws.law("awaitStats hears of a nested wait that is refused (load 10)", { nested: "fail" }, (pool) =>
    Effect.gen(function* () {
      const waiter = yield* start(pool.awaitStats(({ rejectedBy }) => rejectedBy.Nested === 1))
      yield* pool.fork(
        Effect.andThen(Effect.yieldNow, Effect.andThen(Effect.exit(pool.submit(Effect.void)), Effect.never))
      )
      yield* settle
      assert.isTrue(hasEnded(waiter))
      yield* pool.close({ mode: "interrupt" })
    })
  )

  laws.law("awaitStats hears of an interrupted waiter that takes its worker back (load 10)", {}, (pool) =>
    Effect.gen(function* () {
      const cleanup = gated("cleanup")
      const joins = Effect.flatMap(pool.fork(Effect.never), ({ join }) => Effect.ensuring(join, cleanup.task))
      const handle = yield* pool.fork(joins)
      const waiter = yield* start(pool.awaitStats(({ busy }) => busy === 2))
      yield* settle
      assert.isFalse(hasEnded(waiter))
      const cancelling = yield* start(handle.cancel)
      yield* settle
      assert.isTrue(hasEnded(waiter))
      yield* cleanup.open
      yield* Fiber.join(cancelling)
      yield* pool.close({ mode: "interrupt" })
    })
  )

  laws.law(
    "awaitStats covers a queue below a length, saturation, and a pool in which nothing runs (load 10)",
    { size: 2, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const saturated = yield* start(pool.awaitStats(({ busy, targetSize }) => busy >= targetSize))
        const busy = yield* occupy(pool, 2)
        yield* Fiber.join(saturated)
        yield* pool.fork(Effect.void)
        const short = yield* start(pool.awaitStats(({ waiting }) => waiting < 1))
        const quiet = yield* start(pool.awaitStats(({ running }) => running === 0))
        yield* settle
        assert.isFalse(hasEnded(short))
        yield* busy.release
        yield* Fiber.join(short)
        yield* Fiber.join(quiet)
      })
  )

  laws.law(
    "awaitStats dies with what its predicate throws, at once and later, and no other waiter hears of it (load 10)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const hostile = new Error("hostile")
        const throws = (): never => {
          throw hostile
        }
        assert.strictEqual(defectOf(yield* Effect.exit(pool.awaitStats(throws))), hostile)
        const later = yield* start(pool.awaitStats(({ running }) => (running === 0 ? false : throws())))
        const other = yield* start(pool.awaitStats(({ succeeded }) => succeeded === 1))
        assert.strictEqual(yield* pool.submit(Effect.as(Effect.yieldNow, "works")), "works")
        assert.strictEqual(defectOf(yield* Fiber.await(later)), hostile)
        yield* Fiber.join(other)
        for (const wrong of [undefined, 5, { running: 1 }]) {
          const defect = defectOf(yield* Effect.exit(pool.awaitStats(wrong as never)))
          assert.instanceOf(defect, TypeError)
          assert.include(String(defect), "TaskPool.awaitStats: predicate must be a function, got ")
        }
      })
  )

  laws.law("an interrupted waiter is asked no more (load 10)", {}, (pool) =>
    Effect.gen(function* () {
      let asked = 0
      const waiter = yield* start(pool.awaitStats(() => asked++ < 0))
      assert.strictEqual(asked > 0, true)
      yield* Fiber.interrupt(waiter)
      const before = asked
      yield* pool.submit(Effect.void)
      assert.strictEqual(asked, before)
    })
  )

  laws.law("a predicate may use the pool (load 10)", {}, (pool) =>
    Effect.gen(function* () {
      let used = 0
      const uses = ({ succeeded }: PoolStats): boolean => {
        if (used < 3) {
          used++
          Effect.runFork(Effect.ignore(pool.submit(Effect.void)))
        }
        return succeeded >= 4
      }
      const waiters = [yield* start(pool.awaitStats(uses)), yield* start(pool.awaitStats(uses))]
      yield* pool.submit(Effect.yieldNow)
      yield* settle
      for (const waiter of waiters) assert.isTrue(hasEnded(waiter))
      yield* expectStats(pool, { succeeded: 4, running: 0, waiting: 0 })
    })
  )

  laws.law(
    "the statistics tell every way in which a task was rejected (load 10)",
    { size: 2, onFull: "fail", rate: { limit: 2, window: 1000 } },
    (pool) =>
      Effect.gen(function* () {
        yield* Effect.ignore(pool.submit(Effect.void, { permits: 9 }))
        yield* Effect.ignore(pool.submit(Effect.void, { cost: 3 }))
        yield* Effect.ignore(pool.forEach([1], () => Effect.void, { permits: 9 }))
        yield* pool.pause
        yield* Effect.ignore(pool.submit(Effect.void))
        yield* Effect.ignore(pool.forEach([1], () => Effect.void))
        yield* pool.resume
        const busy = yield* occupy(pool, 2)
        for (let i = 0; i < (laws.capacity ?? 0); i++) yield* pool.fork(Effect.void, { maxWait: 10 })
        if (laws.capacity !== undefined) yield* Effect.ignore(pool.submit(Effect.void))
        yield* pass(10)
        yield* busy.release
        yield* pool.close()
        yield* Effect.ignore(pool.submit(Effect.void))
        const { cancelled, rejected, rejectedBy } = yield* pool.stats
        assert.deepStrictEqual(rejectedBy, {
          Paused: 2,
          Closed: 1,
          QueueFull: laws.capacity === undefined ? 0 : 1,
          TooLarge: 3,
          WaitedTooLong: laws.capacity ?? 0,
          Nested: 0
        })
        assert.strictEqual(rejected, sum(Object.values(rejectedBy)) - cancelled)
      })
  )

  laws.law("a nested wait that is refused is counted (load 10)", { nested: "fail" }, (pool) =>
    Effect.gen(function* () {
      yield* Effect.ignore(pool.submit(pool.submit(Effect.void)))
      const { rejected, rejectedBy } = yield* pool.stats
      assert.deepStrictEqual({ rejected, nested: rejectedBy.Nested }, { rejected: 1, nested: 1 })
    })
  )

  laws.law("phase is the first that applies of Closed, Draining, Paused, Held, Open (load 10)", {}, (pool) =>
    Effect.gen(function* () {
      const phases: Array<string> = []
      const look = Effect.map(pool.stats, ({ phase }) => void phases.push(phase))
      yield* look
      yield* pool.holdFor("1 hour")
      yield* look
      yield* pool.pause
      yield* look
      const task = yield* start(pool.close({ drainTimeout: 10 }))
      yield* look
      yield* pass(10)
      yield* Fiber.join(task)
      yield* look
      assert.deepStrictEqual(phases, ["Open", "Held", "Paused", "Closed", "Closed"])
    })
  )

  laws.law(
    "busy, lent, delayed, atDoor and size are what they say (load 10)",
    { size: 4, minSize: 0, maxSize: 4 },
    (pool) =>
      Effect.gen(function* () {
        const heavy = gated("heavy")
        const inner = gated("inner")
        yield* pool.fork(heavy.task, { permits: 2 })
        yield* heavy.started
        const outer = yield* start(pool.submit(pool.submit(inner.task)))
        yield* inner.started
        yield* pool.fork(Effect.fail("no"), { retry: Schedule.spaced(1000) })
        yield* settle
        yield* expectStats(pool, { running: 3, busy: 3, lent: 1, delayed: 1, size: 4, targetSize: 4 })
        yield* pool.resize(1)
        yield* expectStats(pool, { running: 3, busy: 3, lent: 1, size: 3, targetSize: 1 })
        const waiter = yield* start(pool.submit(Effect.void))
        yield* settle
        yield* expectStats(pool, laws.capacity === 0 ? { atDoor: 1, waiting: 0 } : { atDoor: 0, waiting: 1 })
        yield* heavy.open
        yield* inner.open
        yield* Fiber.join(outer)
        yield* Fiber.join(waiter)
        yield* expectStats(pool, { running: 0, busy: 0, lent: 0, delayed: 1, size: 1 })
        yield* pool.clear()
      })
  )

  for (const onFull of ["suspend", "fail", "dropOldest"] as const) {
    laws.law(
      `at every moment the numbers add up, whatever the options of the tasks, onFull: ${onFull} (load 0, load 10)`,
      { size: 3, minSize: 0, maxSize: 5, onFull, perKey: 2, rate: { limit: 20, window: 100 } },
      (pool) =>
        Effect.forEach([1, 2], (seed) => anything(pool, (seed + 2 * (laws.capacity ?? 2)) * 104_729), { discard: true })
    )
  }
}

/** A task that waits too long, with every worker busy. */
const waitsTooLong = (pool: TaskPoolService): Effect.Effect<unknown> =>
  pool.withDispatchHeld(
    Effect.flatMap(start(Effect.exit(pool.submit(Effect.void, { maxWait: 10 }))), (fiber) =>
      Effect.andThen(pass(10), Fiber.join(fiber))
    )
  )

/** Random submissions with all options, while the pool is held, paused, cleared and resized. */
const anything = Effect.fnUntraced(function* (pool: TaskPoolService, seed: number) {
  const random = new Random(seed)
  const below = (limit: number): number => random.below(limit)
  const pick = <A>(values: ReadonlyArray<A>): A => values[below(values.length)]!
  const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  const handles: Array<TaskHandle<unknown, unknown>> = []
  const look = Effect.map(pool.stats, (stats) => {
    const { busy, cancelled, delayed, failed, interrupted, lent, nextStart, rejected, rejectedBy, running } = stats
    const settled = stats.succeeded + failed + interrupted + cancelled
    assert.strictEqual(stats.submitted, settled + stats.waiting + delayed + running, JSON.stringify(stats))
    assert.strictEqual(stats.size, Math.max(stats.targetSize, busy))
    assert.isAtMost(sum(Object.values(rejectedBy)) - rejectedBy.WaitedTooLong, rejected)
    assert.isAtMost(rejected, sum(Object.values(rejectedBy)))
    assert.isAtMost(stats.dropped, cancelled)
    for (const each of [busy, delayed, lent, nextStart, running, stats.waiting, stats.atDoor]) assert.isAtLeast(each, 0)
  })
  const endings: ReadonlyArray<Effect.Effect<unknown, string>> = [
    Effect.void,
    Effect.fail("no"),
    Effect.sleep(15),
    Effect.andThen(Effect.sleep(5), Effect.fail("late")),
    Effect.interrupt,
    Effect.die("defect"),
    Effect.ignoreCause(pool.submit(Effect.sleep(3))),
    Effect.ignoreCause(pool.forEach([1, 2, 3], () => Effect.sleep(1))),
    Effect.asVoid(pool.adjustCost(1)),
    Effect.asVoid(pool.adjustCost(-1)),
    Effect.asVoid(pool.clear({ key: "a" }))
  ]
  const options = (): SubmitOptions => ({
    weight: below(5),
    label: pick([undefined, undefined, "x", "y"]),
    key: pick([undefined, undefined, "a", "b", 1]),
    permits: pick([undefined, undefined, 1, 2, 3]),
    cost: pick([undefined, undefined, 0, 2, 21]),
    maxWait: pick([undefined, undefined, 0, 10, 60]),
    retry: pick([undefined, { times: 2 }, { schedule: Schedule.spaced(20), times: 3 }, Schedule.recurs(1)])
  })
  const task = () => {
    const body = pick(endings)
    return Effect.ensuring(Effect.andThen(look, body), look)
  }
  const run = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.map(start(Effect.exit(effect)), (fiber) => {
      fibers.push(fiber)
    })
  for (let step = 0; step < 120; step++) {
    const what = below(24)
    if (what < 6) yield* run(pool.submit(task(), options()))
    else if (what < 9)
      yield* run(Effect.tap(pool.fork(task(), options()), (handle) => Effect.sync(() => handles.push(handle))))
    else if (what === 9) yield* run(pool.forEach([1, 2, 3], task, options()))
    else if (what === 10) yield* run(Stream.runDrain(pool.mapEffect(Stream.range(1, 3), task, options())))
    else if (what === 11 && fibers.length > 0) yield* Fiber.interrupt(pick(fibers))
    else if (what === 12 && handles.length > 0) yield* start(pick(handles).cancel)
    else if (what === 13) yield* pool.clear(pick([{}, { key: "a" }, { label: "x" }]))
    else if (what === 14) yield* pool.resize(below(6), { mode: pick(["soft", "hard"] as const) }).pipe(start)
    else if (what === 15) yield* Effect.andThen(pool.pause, Effect.andThen(run(pool.submit(task())), pool.resume))
    else if (what === 16)
      yield* pool.withDispatchHeld(Effect.andThen(run(pool.submit(task(), options())), pass(below(20))))
    else if (what === 17) yield* pool.holdFor(below(20))
    else if (what === 18 && handles.length > 0) yield* Effect.ignore(pick(handles).reprioritize(below(5)))
    else yield* pass(below(30))
    yield* look
    yield* settle
    yield* look
  }
  const isBusy = ({ atDoor, delayed, running, waiting }: PoolStats): boolean => atDoor + delayed + running + waiting > 0
  for (let i = 0; i < 100 && (fibers.some((fiber) => !hasEnded(fiber)) || isBusy(yield* pool.stats)); i++) {
    // A pool that sizes itself may have shrunk below what a task takes.
    yield* pool.resize(5)
    yield* pass(50)
  }
  assert.isTrue(fibers.every(hasEnded), "every call ends")
  // The last hold ends, and the window of the rate.
  yield* pass(1000)
  const stats = yield* pool.stats
  assert.deepInclude(stats, { running: 0, busy: 0, lent: 0, waiting: 0, delayed: 0, atDoor: 0, holds: [] })
  for (const key of ["a", "b", 1]) assert.deepStrictEqual(yield* pool.statsOf(key), { waiting: 0, running: 0 })
  yield* look
})
