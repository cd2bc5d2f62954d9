import { defectLog, expectConserved, settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type PoolStats,
  type TaskOutcome,
  TaskPool
} from "../../../src/index.ts"
import { classifyDefault } from "../../../src/internal/pool/outcome.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

const retryAfter = (millis: unknown): TaskOutcome => ({ overload: true, retryAfter: millis as number })

describe("without classify", () => {
  /** How an effect ends whose signal times out. */
  const timedOut = (fail: (signal: AbortSignal) => Effect.Effect<unknown, unknown>) =>
    Effect.promise(async () => {
      const signal = AbortSignal.timeout(0)
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
      return Effect.runSyncExit(fail(signal))
    })

  it.live("a timeout is overload, however it is made, and other failures say nothing", () =>
    Effect.gen(function* () {
      const timeouts = [
        Exit.fail(new Cause.TimeoutError()),
        Exit.die(new Cause.TimeoutError()),
        yield* timedOut(({ reason }) => Effect.fail(reason)),
        yield* timedOut(({ reason }) => Effect.die(reason)),
        yield* timedOut((signal) => Effect.try(() => signal.throwIfAborted())),
        Exit.failCause(Cause.combine(Cause.fail("own"), Cause.fail(new Cause.TimeoutError())))
      ]
      assert.deepStrictEqual(timeouts.map(classifyDefault), Array(timeouts.length).fill("overload"))
      const others = [new Error("TimeoutError"), new DOMException("", "AbortError"), "TimeoutError", undefined, null, 5]
      for (const error of others) assert.strictEqual(classifyDefault(Exit.fail(error)), "ignore")
      assert.strictEqual(classifyDefault(Exit.interrupt()), "ignore")
      assert.strictEqual(classifyDefault(Exit.void), "success")
    })
  )

  it.effect("an error that cannot be read says nothing", () => {
    const { defects, layer } = defectLog()
    const unreadable = {
      get name() {
        throw new Error("own")
      }
    }
    return Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(TaskPool.submit(Effect.fail(unreadable))), unreadable)
      yield* settle
      assert.deepStrictEqual(defects, [])
      expectConserved(yield* TaskPool.stats)
    }).pipe(Effect.provide(AioAutoScaleTaskPoolSimple.layer()), Effect.provide(layer))
  })
})

describe("classify on a fixed pool", () => {
  const pools = { AioFixedTaskPoolSimple, AioFixedTaskPoolLifo, AioFixedTaskPoolPriority }

  for (const [kind, { layer }] of Object.entries(pools)) {
    it.effect(`only its retryAfter has an effect: ${kind} (load 3)`, () => {
      const answers: Array<TaskOutcome> = ["success", "overload", "ignore", retryAfter(0), retryAfter(100)]
      const holds: Array<number> = []
      return Effect.gen(function* () {
        for (let i = answers.length; i > 0; i--) {
          yield* Effect.ignore(TaskPool.submit(Effect.fail("429")))
          holds.push((yield* TaskPool.stats).holds.length)
        }
        assert.deepStrictEqual(holds, [0, 0, 0, 0, 1])
        yield* pass(100)
        assert.deepStrictEqual((yield* TaskPool.stats).holds, [])
      }).pipe(Effect.provide(layer(1, { classify: () => answers.shift() ?? "ignore" })))
    })
  }

  const lengths: ReadonlyArray<readonly [unknown, number]> = [
    [0, 0],
    [-5, 0],
    [Number.NaN, 0],
    ["soon", 0],
    [undefined, 0],
    [null, 0],
    [1.5, 1.5],
    ["2 seconds", 2000],
    [300_000, 300_000],
    ["1 hour", 300_000],
    [Infinity, 300_000]
  ]
  for (const [value, millis] of lengths) {
    it.effect(`a retryAfter of ${String(value)} holds for ${millis} milliseconds (load 3)`, () =>
      Effect.gen(function* () {
        yield* Effect.ignore(TaskPool.submit(Effect.fail("429")))
        assert.strictEqual((yield* TaskPool.stats).phase, millis > 0 ? "Held" : "Open")
        if (millis === 0) return
        yield* pass(millis - 0.5)
        assert.strictEqual((yield* TaskPool.stats).phase, "Held")
        yield* pass(0.5)
        assert.strictEqual((yield* TaskPool.stats).phase, "Open")
      }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { classify: () => retryAfter(value) })))
    )
  }

  const nonsense: ReadonlyArray<unknown> = [undefined, null, 5, "no", {}, { overload: false, retryAfter: 100 }, () => 5]
  it.effect("nonsense counts as ignore, with one line in the log (load 3)", () => {
    const logged = defectLog()
    const answers = [...nonsense]
    return Effect.gen(function* () {
      for (const _ of nonsense) {
        yield* Effect.ignore(TaskPool.submit(Effect.fail("429")))
        assert.strictEqual((yield* TaskPool.stats).phase, "Open")
      }
      yield* settle
      assert.strictEqual(logged.defects.length, 1)
    }).pipe(
      Effect.provide(AioFixedTaskPoolSimple.layer(1, { classify: () => answers.shift() as TaskOutcome })),
      Effect.provide(logged.layer)
    )
  })

  it.effect("the rejection of an async function is handled, and one line in the log (load 3)", () => {
    const logged = defectLog()
    return Effect.gen(function* () {
      const classify = async (): Promise<never> => {
        throw new Error("late")
      }
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, classify: classify as never })
      yield* Effect.ignore(pool.submit(Effect.fail("429")))
      // Node reports an unhandled rejection after the microtasks.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* settle
      assert.lengthOf(logged.defects, 1)
    }).pipe(Effect.provide(logged.layer))
  })

  const wrong = { "not a number": Number.NaN, "no Duration": "soon", undefined, "of an unknown unit": { second: 5 } }
  for (const [name, value] of Object.entries(wrong)) {
    it.effect(`a retryAfter that is ${name} is one line in the log (load 3)`, () => {
      const logged = defectLog()
      return Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, classify: () => retryAfter(value) })
        yield* Effect.ignore(pool.submit(Effect.fail("429")))
        yield* Effect.ignore(pool.submit(Effect.fail("429")))
        yield* settle
        assert.lengthOf(logged.defects, 1)
      }).pipe(Effect.provide(logged.layer))
    })
  }

  it.effect(
    "what it throws, or a getter of its answer, is one line in the log and no outcome of the task (load 3)",
    () => {
      const logged = defectLog()
      const hostile = new Error("hostile")
      const throws = (): never => {
        throw hostile
      }
      const answers = [
        throws,
        () => ({
          get overload(): true {
            return throws()
          },
          retryAfter: 1
        }),
        () => ({
          overload: true as const,
          get retryAfter(): number {
            return throws()
          }
        })
      ]
      return Effect.gen(function* () {
        for (let i = 0; i < 3; i++) {
          assert.deepStrictEqual(yield* Effect.exit(TaskPool.submit(Effect.fail("own"))), Exit.fail("own"))
        }
        assert.strictEqual(yield* TaskPool.submit(Effect.succeed("works")), "works")
        yield* settle
        assert.deepStrictEqual(logged.defects, [hostile])
      }).pipe(
        Effect.provide(
          AioFixedTaskPoolSimple.layer(1, { classify: () => (answers.shift() ?? (() => "ignore" as const))() })
        ),
        Effect.provide(logged.layer)
      )
    }
  )

  it.effect("it may use the pool, whose numbers add up (load 3)", () => {
    const seen: Array<PoolStats> = []
    let pool: TaskPool["Service"] | undefined
    const classify = (): TaskOutcome => {
      seen.push(Effect.runSync(pool!.stats))
      if (seen.length === 1) Effect.runFork(Effect.ignore(pool!.submit(Effect.yieldNow)))
      return "success"
    }
    return Effect.gen(function* () {
      pool = yield* TaskPool
      yield* pool.submit(Effect.void)
      yield* pool.awaitIdle
      assert.strictEqual(seen.length, 2)
      for (const stats of seen) expectConserved(stats)
      assert.deepInclude(yield* pool.stats, { waiting: 0, running: 0, succeeded: 2 })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1, { classify })))
  })
})
