import type { Cost, Rate, TaskPoolService } from "@aio-task-pool/core"
import { TaskPool } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Random } from "../internal/random.ts"
import { disciplineOf, orderOf } from "./discipline.ts"
import {
  defectOf,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type LawPool,
  type Laws,
  settle,
  start
} from "./kit.ts"

const second = 1000

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** Submits tasks that end at once, and notes when each of them began. */
const recording = (pool: TaskPoolService) => {
  const began: Array<readonly [name: string, at: number]> = []
  const task = (name: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => void began.push([name, now])))
  const submit = (name: string, cost?: Cost, weight?: number) =>
    start(Effect.exit(pool.submit(task(name), { cost, weight })))
  return { began, submit, task, names: () => began.map(([name]) => name).join("") }
}

/** Rates: what may start in any window, the order of tokens, corrections. */
export const rateLaws = (laws: Laws): void => {
  type Body = (pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
  // What still waits for the rate would keep the pool from closing.
  const ended = (body: Body) => (pool: TaskPoolService) =>
    Effect.ensuring(body(pool), pool.close({ mode: "interrupt" }))
  const law = (sentence: string, options: LawPool, body: Body) => laws.law(sentence, options, ended(body))
  const lawOnce = (sentence: string, options: LawPool, body: Body) => laws.lawOnce(sentence, options, ended(body))

  law(
    "a task that waits for the rate has no worker, and starts exactly one window after what it waits for (load 2)",
    { size: 5, rate: { limit: 2, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const tasks = ["a", "b", "c"].map(gated)
        const fibers = []
        for (const { task } of tasks) fibers.push(yield* start(pool.submit(task)))
        yield* settle
        const { atDoor, busy, running, waiting } = yield* pool.stats
        assert.deepStrictEqual({ running, busy, queued: atDoor + waiting }, { running: 2, busy: 2, queued: 1 })
        yield* pass(second - 1)
        assert.strictEqual(tasks[2]!.counts.begun, 0)
        yield* pass(1)
        assert.strictEqual(tasks[2]!.counts.begun, 1)
        for (const { open } of tasks) yield* open
        assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["a", "b", "c"])
      })
  )

  law(
    "a burst across the boundary of two windows stays within the limit (load 2)",
    { size: 50, rate: { limit: 10, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const { began, submit } = recording(pool)
        yield* pass(900)
        for (let i = 0; i < 30; i++) yield* submit(`${i}`)
        for (let i = 0; i < 12; i++) yield* pass(100)
        assert.deepStrictEqual(
          began.map(([, at]) => at),
          [...Array.from({ length: 10 }, () => 900), ...Array.from({ length: 10 }, () => 1900)]
        )
      })
  )

  law("a limit of 1 spaces the starts evenly (load 2)", { size: 9, rate: { limit: 1, window: 30 } }, (pool) =>
    Effect.gen(function* () {
      const { began, submit } = recording(pool)
      for (let i = 0; i < 5; i++) yield* submit(`${i}`)
      for (let i = 0; i < 200; i++) yield* pass(1)
      assert.deepStrictEqual(
        began.map(([, at]) => at),
        [0, 30, 60, 90, 120]
      )
    })
  )

  const two: ReadonlyArray<Rate> = [
    { limit: 3, window: "1 minute" },
    { limit: 100, window: "1 minute", unit: "tokens" }
  ]
  law("several rates hold together (load 2)", { size: 9, rate: two }, (pool) =>
    Effect.gen(function* () {
      const { names, submit } = recording(pool)
      yield* submit("a", { tokens: 60 })
      yield* submit("b", { tokens: 41 })
      yield* settle
      assert.strictEqual(names(), "a")
      yield* pass(60_000)
      assert.strictEqual(names(), "ab")
      for (const name of ["c", "d", "e"]) yield* submit(name)
      yield* settle
      assert.strictEqual(names(), "abcd")
      yield* pass(60_000)
      assert.strictEqual(names(), "abcde")
    })
  )

  law(
    "a cost is by default 1 for a rate without a unit and 0 for one with a unit; a number is for those without (load 2)",
    { size: 9, rate: two },
    (pool) =>
      Effect.gen(function* () {
        const { names, submit } = recording(pool)
        // The tokens are used up, which a task of the default cost and one of a number do not need.
        yield* submit("a", { tokens: 100 })
        yield* submit("b")
        yield* submit("c", 0.5)
        yield* submit("d", 0.5)
        yield* settle
        assert.strictEqual(names(), "abcd")
        assert.strictEqual((yield* pool.stats).nextStart, 60_000)
      })
  )

  law("costs may be fractions, and ten of 0.1 are 1 (load 2)", { size: 20, rate: { limit: 1, window: 50 } }, (pool) =>
    Effect.gen(function* () {
      const { began, submit } = recording(pool)
      for (let i = 0; i < 11; i++) yield* submit("x", 0.1)
      yield* settle
      assert.strictEqual(began.length, 10)
      yield* pass(50)
      assert.strictEqual(began.length, 11)
    })
  )

  lawOnce(
    "the task that is next waits for its tokens, and no cheaper one overtakes it (load 2)",
    { rate: { limit: 10, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const { names, submit } = recording(pool)
        const discipline = yield* disciplineOf(pool)
        yield* submit("a", 6)
        if (discipline === "lifo") yield* submit("c", 1)
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            if (discipline !== "lifo") yield* submit("b", 5, 1)
            yield* submit("c", 1, 2)
            if (discipline === "lifo") yield* submit("b", 5)
          })
        )
        yield* settle
        assert.strictEqual(names(), discipline === "lifo" ? "ac" : "a")
        yield* pass(second)
        assert.strictEqual(names(), discipline === "lifo" ? "acbc" : "abc")
      })
  )

  lawOnce(
    "tokens go out in the order of the discipline, so that an urgent task gets the next one (load 2)",
    { rate: { limit: 1, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const weights = [3, 1, 4, 1, 5, 9, 2, 6]
        const expected = yield* orderOf(
          pool,
          weights.map((weight) => ({ weight, cost: 0 }))
        )
        yield* pool.submit(Effect.void)
        const order: Array<number> = []
        for (const [i, weight] of weights.entries())
          yield* pool.fork(
            Effect.sync(() => order.push(i)),
            { weight }
          )
        for (let i = 0; i < weights.length; i++) yield* pass(second)
        assert.deepStrictEqual(order, expected)
      })
  )

  law(
    "a task that leaves the queue or the door has taken no tokens (load 2)",
    { size: 3, rate: { limit: 2, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const { names, submit } = recording(pool)
        yield* submit("a")
        const tooMuch = yield* submit("b", 2)
        yield* Fiber.interrupt(tooMuch)
        yield* submit("c")
        yield* settle
        assert.strictEqual(names(), "ac")
      })
  )

  law(
    "a cost above the limit is refused at once as TooLarge, by every operation (load 2)",
    {
      rate: [
        { limit: 10, window: "1 second" },
        { limit: 5, window: 100, unit: "tokens" }
      ]
    },
    (pool) =>
      Effect.gen(function* () {
        const die = Effect.die("never")
        for (const cost of [10.5, { tokens: 5.1 }]) {
          const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            pool.submit(die, { cost }),
            pool.fork(die, { cost }),
            pool.submitNowait(die, { cost }),
            pool.forEach([1], () => die, { cost }),
            pool.forEach([1], () => die, { cost: () => cost }),
            pool.all([die], { cost }),
            Stream.runDrain(pool.mapEffect(Stream.make(1), () => die, { cost }))
          ]
          for (const call of calls) {
            const fiber = yield* start(call)
            yield* settle
            assert.isTrue(hasEnded(fiber))
            expectNotAvailable(yield* Fiber.await(fiber), "TooLarge")
          }
        }
        const { rejected, rejectedBy, submitted } = yield* pool.stats
        assert.deepStrictEqual(
          { rejected, tooLarge: rejectedBy.TooLarge, submitted },
          { rejected: 14, tooLarge: 14, submitted: 0 }
        )
        assert.strictEqual(yield* pool.submit(Effect.succeed("just so"), { cost: 10 }), "just so")
      })
  )

  law("a unit that no rate has is refused with a RangeError that names it, also without a rate (load 2)", {}, (pool) =>
    Effect.gen(function* () {
      for (const call of [pool.submit(Effect.void, { cost: { apples: 1 } }), pool.adjustCost({ apples: 1 })]) {
        const defect = defectOf(yield* Effect.exit(call))
        assert.instanceOf(defect, RangeError)
        assert.include(String(defect), '"apples"')
      }
      assert.strictEqual(yield* pool.submit(Effect.succeed("a number is no unit"), { cost: 7 }), "a number is no unit")
      yield* expectStats(pool, { submitted: 1, rejected: 0, nextStart: 0 })
    })
  )

  // ---- corrections -------------------------------------------------------------------------------------------------

  const tokens: Rate = { limit: 100, window: "1 minute", unit: "tokens" }

  law("giving tokens back lets the next task start in the same step (load 2)", { size: 2, rate: tokens }, (pool) =>
    Effect.gen(function* () {
      const next = gated("next")
      const begunAfter: Array<number> = []
      const task = Effect.gen(function* () {
        yield* Effect.yieldNow
        const submitter = yield* start(pool.submit(next.task, { cost: { tokens: 30 } }))
        // The mark of the task goes with the submitter, which lends: so the other worker is free in any case.
        begunAfter.push(next.counts.begun)
        yield* pool.adjustCost({ tokens: -20 })
        begunAfter.push(next.counts.begun)
        yield* pool.adjustCost({ tokens: -1 })
        begunAfter.push(next.counts.begun)
        yield* next.open
        yield* Fiber.join(submitter)
      })
      yield* pool.submit(task, { cost: { tokens: 91 } })
      assert.deepStrictEqual(begunAfter, [0, 0, 1])
    })
  )

  law(
    "a correction upwards may exceed the limit; then nothing starts, not even for free, until the window is below (load 2)",
    { size: 3, rate: tokens },
    (pool) =>
      Effect.gen(function* () {
        const { names, submit } = recording(pool)
        yield* pool.submit(Effect.void, { cost: { tokens: 50 } })
        yield* pass(10_000)
        yield* pool.submit(pool.adjustCost({ tokens: 60 }), { cost: { tokens: 40 } })
        yield* submit("free", { tokens: 0 })
        yield* settle
        assert.strictEqual(names(), "")
        assert.strictEqual((yield* pool.stats).nextStart, 50_000)
        yield* pass(49_999)
        assert.strictEqual(names(), "")
        yield* pass(1)
        assert.strictEqual(names(), "free")
      })
  )

  law("a correction never brings a start below 0 (load 2)", { size: 3, rate: tokens }, (pool) =>
    Effect.gen(function* () {
      const { names, submit } = recording(pool)
      yield* pool.submit(pool.adjustCost({ tokens: -1000 }), { cost: { tokens: 10 } })
      yield* pool.submit(Effect.andThen(pool.adjustCost({ tokens: -1000 }), pool.adjustCost({ tokens: 60 })), {
        cost: { tokens: 10 }
      })
      yield* submit("a", { tokens: 40 })
      yield* submit("b", { tokens: 1 })
      yield* settle
      assert.strictEqual(names(), "a")
    })
  )

  law("a correction after the window does nothing (load 2)", { size: 3, rate: tokens }, (pool) =>
    Effect.gen(function* () {
      const { names, submit } = recording(pool)
      const task = yield* start(
        pool.submit(Effect.andThen(Effect.sleep("1 minute"), pool.adjustCost({ tokens: 90 })), { cost: { tokens: 90 } })
      )
      yield* pass(60_000)
      yield* Fiber.join(task)
      yield* submit("a", { tokens: 100 })
      yield* settle
      assert.strictEqual(names(), "a")
    })
  )

  law(
    "a correction is for the innermost task of the pool, from any of its fibers, and dies outside of one (load 2)",
    { size: 3, rate: [tokens, { limit: 10, window: "1 minute" }] },
    (pool) =>
      Effect.gen(function* () {
        assert.include(String(defectOf(yield* Effect.exit(pool.adjustCost({ tokens: 1 })))), "adjustCost")
        const { names, submit } = recording(pool)
        const inner = Effect.flatMap(Effect.forkChild(pool.adjustCost({ tokens: 20 })), Fiber.join)
        yield* pool.submit(pool.submit(inner, { cost: { tokens: 20 } }), { cost: { tokens: 20 } })
        yield* pool.forEach([1, 2], () => pool.adjustCost({ tokens: 5 }), { cost: { tokens: 5 } })
        yield* submit("a", { tokens: 20 })
        yield* submit("b", { tokens: 1 })
        yield* settle
        assert.strictEqual(names(), "a")
        // A fiber that outlives its task belongs to none.
        let late: Fiber.Fiber<void> | undefined
        yield* pass(60_000)
        yield* pool.submit(
          Effect.map(Effect.forkDetach(Effect.andThen(Effect.sleep(1), pool.adjustCost(1))), (fiber) => {
            late = fiber
          })
        )
        yield* pass(1)
        assert.include(String(defectOf(yield* Fiber.await(late!))), "adjustCost")
      })
  )

  law("a task of two pools corrects its cost in each by itself (load 2)", { size: 3, rate: tokens }, (outer) =>
    Effect.gen(function* () {
      const layer = laws.layerOf({ size: 1, capacity: laws.capacity, rate: tokens })
      yield* Effect.gen(function* () {
        const inner = yield* TaskPool
        const both = Effect.andThen(outer.adjustCost({ tokens: -50 }), inner.adjustCost({ tokens: -60 }))
        yield* outer.submit(inner.submit(both, { cost: { tokens: 100 } }), { cost: { tokens: 100 } })
        const outside = yield* start(outer.submit(Effect.void, { cost: { tokens: 51 } }))
        const inside = yield* start(inner.submit(Effect.void, { cost: { tokens: 61 } }))
        yield* settle
        assert.isFalse(hasEnded(outside))
        assert.isFalse(hasEnded(inside))
        yield* outer.submit(Effect.void, { cost: { tokens: 0 } }).pipe(start)
        yield* pass(60_000)
        assert.isTrue(hasEnded(outside))
        assert.isTrue(hasEnded(inside))
      }).pipe(Effect.provide(layer, { local: true }))
    })
  )

  // ---- what keeps the history, and what shows it -------------------------------------------------------------------

  law(
    "pausing, holding, resizing, clearing and reopening keep the history of the window (load 2)",
    { size: 3, minSize: 0, maxSize: 5, rate: { limit: 2, window: "1 minute" } },
    (pool) =>
      Effect.gen(function* () {
        const { began, submit } = recording(pool)
        yield* submit("a", 2)
        yield* pool.pause
        yield* pool.resume
        yield* pool.withDispatchHeld(Effect.void)
        yield* pool.resize(0)
        yield* pool.resize(5)
        yield* pool.clear()
        yield* pool.close()
        yield* pool.start
        yield* pass(10_000)
        assert.strictEqual((yield* pool.stats).nextStart, 50_000)
        yield* submit("b")
        yield* pass(49_999)
        assert.strictEqual(began.length, 1)
        yield* pass(1)
        assert.deepStrictEqual(began, [
          ["a", 0],
          ["b", 60_000]
        ])
      })
  )

  law(
    "nextStart is for the task that is next, or else for one of the default cost, and 0 when that may start (load 2)",
    { size: 9, rate: { limit: 3, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const nextStart = Effect.map(pool.stats, (stats) => stats.nextStart)
        assert.strictEqual(yield* nextStart, 0)
        yield* pool.submit(Effect.void)
        yield* pass(100)
        yield* pool.submit(Effect.void)
        assert.strictEqual(yield* nextStart, 0)
        const waiter = yield* start(pool.submit(Effect.void, { cost: 3 }))
        yield* settle
        assert.strictEqual(yield* nextStart, 1000)
        yield* Fiber.interrupt(waiter)
        assert.strictEqual(yield* nextStart, 0)
        yield* pool.submit(Effect.void)
        assert.strictEqual(yield* nextStart, 900)
        // A hold is no rate.
        yield* pool.holdFor("1 hour")
        assert.strictEqual(yield* nextStart, 900)
        yield* pass(900)
        assert.strictEqual(yield* nextStart, 0)
      })
  )

  law("without a rate nextStart is 0, whatever waits (load 2)", { minSize: 0 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.resize(0)
      const waiter = yield* start(pool.submit(Effect.void, { cost: 3 }))
      yield* settle
      assert.strictEqual((yield* pool.stats).nextStart, 0)
      yield* Fiber.interrupt(waiter)
    })
  )

  law(
    "the rate still holds tasks back while the pool drains (load 2, load 9)",
    { size: 3, needs: 1, rate: { limit: 1, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        const { began, task } = recording(pool)
        yield* pool.fork(task("a"))
        yield* pool.fork(task("b"))
        const closer = yield* start(pool.close())
        yield* pass(999)
        assert.isFalse(hasEnded(closer))
        yield* pass(1)
        assert.deepStrictEqual(began, [
          ["a", 0],
          ["b", 1000]
        ])
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 1, interrupted: 0, neverRun: 0 })
      })
  )

  law(
    "a drain whose timeout the rate outlasts cancels what waits (load 2, load 9)",
    { size: 3, needs: 1, rate: { limit: 1, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.fork(Effect.void)
        yield* pool.fork(Effect.die("never"))
        const closer = yield* start(pool.close({ drainTimeout: 500 }))
        yield* pass(500)
        assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 0, interrupted: 0, neverRun: 1 })
      })
  )

  // ---- every window, by brute force --------------------------------------------------------------------------------

  const rates: ReadonlyArray<readonly [string, ReadonlyArray<Rate>]> = [
    ["one rate", [{ limit: 5, window: 100 }]],
    [
      "two windows",
      [
        { limit: 3, window: 10 },
        { limit: 12, window: 100 }
      ]
    ],
    [
      "two units",
      [
        { limit: 4, window: 50 },
        { limit: 1.5, window: 70, unit: "tokens" }
      ]
    ]
  ]
  for (const [name, rate] of rates) {
    law(
      `under random load no window holds more than its limit, and no task waits that the rate allows: ${name} (load 2)`,
      { size: 4, minSize: 0, maxSize: 6, rate },
      (pool) =>
        Effect.forEach([1, 2], (seed) => underLoad(pool, rate, new Random(seed, laws.capacity ?? 2)), { discard: true })
    )
  }
}

interface Start {
  readonly at: number
  readonly costs: ReadonlyArray<number>
}

const costsOf = (rate: ReadonlyArray<Rate>, cost: Cost | undefined): ReadonlyArray<number> =>
  rate.map(({ unit }) =>
    unit === undefined ? (typeof cost === "number" ? cost : 1) : typeof cost === "object" ? (cost[unit] ?? 0) : 0
  )

/** A load of random submitters, who may go away, on a pool that is held, paused and resized now and then. */
const underLoad = Effect.fnUntraced(function* (pool: TaskPoolService, rate: ReadonlyArray<Rate>, random: Random) {
  const starts: Array<Start> = []
  const submitters: Array<Fiber.Fiber<unknown, unknown>> = []
  const costs: ReadonlyArray<Cost | undefined> = [undefined, 0, 1, 2, 0.1, 0.3, { tokens: 0.5 }, { tokens: 1.5 }]
  const units = new Set(rate.map(({ unit }) => unit))
  const fits = costs.filter((cost) => typeof cost !== "object" || Object.keys(cost).every((unit) => units.has(unit)))
  const submit = (runs: number): Effect.Effect<unknown> => {
    const cost = fits[random.below(fits.length)]
    const task = Effect.flatMap(Clock.currentTimeMillis, (at) => {
      starts.push({ at, costs: costsOf(rate, cost) })
      return runs === 0 ? Effect.void : Effect.sleep(runs)
    })
    return Effect.map(start(Effect.exit(pool.submit(task, { cost, weight: random.below(5) }))), (fiber) => {
      submitters.push(fiber)
    })
  }
  for (let step = 0; step < 150; step++) {
    const what = random.below(20)
    if (what < 10) yield* submit(random.below(4) * 7)
    else if (what < 12 && submitters.length > 0) yield* Fiber.interrupt(submitters[random.below(submitters.length)]!)
    else if (what === 12) yield* pool.resize(random.below(6))
    else if (what === 13) yield* Effect.andThen(pool.pause, pool.resume)
    else if (what === 14) yield* pool.withDispatchHeld(Effect.andThen(submit(0), pass(random.below(20))))
    else if (what === 15) {
      const { nextStart } = yield* pool.stats
      const before = starts.length
      const queued = (yield* pool.stats).waiting + (yield* pool.stats).atDoor
      if (nextStart > 0 && queued > 0) {
        // The time that the pool names is the time at which a task starts, if a worker is free.
        yield* pass(nextStart)
        const { running, targetSize } = yield* pool.stats
        if (starts.length === before) assert.isAtLeast(running, targetSize, "nextStart has passed, and nothing starts")
      }
    } else yield* pass(random.below(30))
    yield* settle
    const { atDoor, nextStart, running, targetSize, waiting } = yield* pool.stats
    if (waiting + atDoor > 0 && running < targetSize) {
      assert.isAbove(nextStart, 0, `a task waits that the rate allows, step ${step}`)
    }
  }
  yield* pool.resize(6)
  for (let i = 0; i < 200 && submitters.some((fiber) => !hasEnded(fiber)); i++) yield* pass(50)
  assert.isTrue(submitters.every(hasEnded), "every task comes to its turn")
  for (const [index, { limit, window, unit }] of rate.entries()) {
    for (const { at: begin } of starts) {
      const inside = starts.filter(({ at }) => at >= begin && at < begin + Number(window))
      const sum = inside.reduce((sum, each) => sum + each.costs[index]!, 0)
      assert.isAtMost(sum, limit + 1e-9, `the window of ${unit ?? "tasks"} from ${begin} on`)
    }
  }
  assert.isAbove(starts.length, 20)
  // The window is empty again for the next load.
  yield* pass(1000)
})
