// What a user tried on the pools, promise by promise, and found no other test for. The names end with the section.
import { assert, describe, it } from "@effect/vitest"
import { defectLog, defectOf, hasEnded, settle, start } from "@aio-task-pool/testing/kit"
import { TestClock } from "effect/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  type PoolOptions,
  type PoolStats,
  PromisePool,
  type TaskHandle,
  type TaskPoolService
} from "../src/index.ts"

type Make = (size: number, options?: PoolOptions) => Effect.Effect<TaskPoolService, never, Scope>

// A dead-lock must not keep a failed test from ending.
const shutdown = { interruptTimeout: 0 }

const priorityPools: Record<string, Make> = {
  AioFixedTaskPoolPriority: (size, options) => AioFixedTaskPoolPriority.make({ shutdown, ...options, size }),
  AioAutoScaleTaskPoolPriority: (size, options) =>
    AioAutoScaleTaskPoolPriority.make({ shutdown, ...options, minSize: size, maxSize: size })
}
const pools: Record<string, Make> = {
  AioFixedTaskPoolSimple: (size, options) => AioFixedTaskPoolSimple.make({ shutdown, ...options, size }),
  AioFixedTaskPoolLifo: (size, options) => AioFixedTaskPoolLifo.make({ shutdown, ...options, size }),
  AioAutoScaleTaskPoolSimple: (size, options) =>
    AioAutoScaleTaskPoolSimple.make({ shutdown, ...options, minSize: size, maxSize: size }),
  AioAutoScaleTaskPoolLifo: (size, options) =>
    AioAutoScaleTaskPoolLifo.make({ shutdown, ...options, minSize: size, maxSize: size }),
  ...priorityPools
}

describe.each(Object.entries(priorityPools))("%s", (_, make) => {
  it.effect("a task ages from its submission, also while it waits at the door (load 6)", () =>
    Effect.gen(function* () {
      for (const options of [{}, { retry: { times: 1 } }, { key: "a" }]) {
        const pool = yield* make(1, { ageing: 10, capacity: 2 })
        const [latch, fillers] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
        const order: Array<string> = []
        const note = (name: string) => Effect.sync(() => order.push(name))
        yield* pool.fork(latch.await)
        yield* pool.fork(fillers.await, { weight: -9 })
        yield* pool.fork(fillers.await, { weight: -9 })
        yield* start(pool.submit(note("early"), { weight: 5, ...options }))
        assert.strictEqual((yield* pool.stats).atDoor, 1)
        yield* TestClock.adjust(1000)
        yield* latch.open
        yield* settle
        yield* TestClock.adjust(11)
        // 2 weights are 20 ms, and it comes 1,011 ms later.
        yield* start(pool.submit(note("late"), { weight: 3 }))
        assert.deepInclude(yield* pool.stats, { waiting: 2, atDoor: 1 })
        yield* fillers.open
        yield* pool.awaitIdle
        assert.deepStrictEqual(order, ["early", "late"])
      }
    })
  )

  it.effect("with an infinite ageing no task ages, and the weights decide (load 6)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1, { ageing: Infinity })
      const latch = Latch.makeUnsafe()
      const order: Array<number> = []
      yield* pool.fork(latch.await)
      for (const weight of [0, 5, -3, 1, 4]) {
        yield* pool.fork(
          Effect.sync(() => order.push(weight)),
          { weight }
        )
      }
      yield* latch.open
      yield* pool.awaitIdle
      assert.deepStrictEqual(order, [-3, 0, 1, 4, 5])
    })
  )
})

describe.each(Object.entries(pools))("%s", (_, make) => {
  it.effect("awaitStats sees what its predicate changes when it is first asked (load 10)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      let asked = 0
      const predicate = ({ succeeded }: PoolStats): boolean => {
        if (asked++ === 0) Effect.runSync(pool.submitNowait(Effect.void))
        return succeeded >= 1
      }
      const waiter = yield* start(pool.awaitStats(predicate))
      yield* settle
      assert.isTrue(hasEnded(waiter))
    })
  )

  it.effect.each([["pause", "Paused"] as const, ["close", "Closed"] as const])(
    "a mapEffect that ends because of %s counts as one rejection, wherever it waits (load 10)",
    ([end, reason]) =>
      Effect.gen(function* () {
        const waits: Record<string, Stream.Stream<number>> = {
          "for its source": Stream.never,
          "for a worker": Stream.range(1, 3),
          "for the next element": Stream.concat(Stream.make(1), Stream.never)
        }
        for (const capacity of [0, 10]) {
          for (const [what, source] of Object.entries(waits)) {
            const pool = yield* make(1, { capacity })
            const latch = Latch.makeUnsafe()
            const mapped = () => Stream.runDrain(pool.mapEffect(source, () => latch.await))
            const waiting = yield* start(Effect.flip(mapped()))
            yield* settle
            const ending = yield* start(end === "pause" ? Effect.asVoid(pool.pause) : Effect.asVoid(pool.close()))
            yield* settle
            yield* latch.open
            const errors = [yield* Fiber.join(waiting), yield* Effect.flip(mapped())]
            yield* Fiber.join(ending)
            assert.deepStrictEqual(
              errors.map((error) => error._tag === "NotAvailable" && [error.reason, error.stats.rejected]),
              [
                [reason, 1],
                [reason, 2]
              ],
              what
            )
            const { rejected, rejectedBy } = yield* pool.stats
            assert.deepStrictEqual([rejected, rejectedBy[reason]], [2, 2], what)
          }
        }
      })
  )

  it.effect("a task that waits for its queue to be empty lends its worker (load 1)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      const waits = Effect.gen(function* () {
        const inner = yield* pool.fork(Effect.succeed("inner"))
        yield* pool.awaitEmpty
        return yield* inner.join
      })
      assert.strictEqual(yield* outcomeOf(pool.submit(waits)), "inner")
    })
  )

  it.effect("a task that waits for a smaller pool lends its worker (load 1)", () =>
    Effect.gen(function* () {
      const pool = yield* make(2)
      const latch = Latch.makeUnsafe()
      yield* pool.fork(latch.await)
      const waits = Effect.gen(function* () {
        yield* pool.resize(1)
        yield* latch.open
        yield* pool.awaitResized
        return "resized"
      })
      assert.strictEqual(yield* outcomeOf(pool.submit(waits)), "resized")
    })
  )

  it.effect("a task that waits for the end of a task that it has cancelled lends its worker (load 1)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      const cancels = Effect.gen(function* () {
        const victim = yield* pool.fork(asksAtItsEnd(pool))
        yield* Effect.timeoutOption(victim.join, 10)
        yield* victim.cancel
        return "cancelled"
      })
      assert.strictEqual(yield* outcomeOf(pool.submit(cancels)), "cancelled")
    })
  )

  const calls: Record<
    string,
    (other: TaskPoolService, inner: TaskHandle<unknown, unknown>) => Effect.Effect<unknown, unknown>
  > = {
    close: (other) => other.close(),
    "close and start": (other) =>
      Effect.andThen(Effect.forkChild(other.close(), { startImmediately: true }), other.start),
    "the end of a scope": (other) => Effect.scoped(Effect.addFinalizer(() => Effect.ignore(other.close()))),
    awaitIdle: (other) => other.awaitIdle,
    awaitEmpty: (other) => Effect.andThen(other.fork(Effect.void), other.awaitEmpty),
    withQuiesced: (other) => other.withQuiesced(Effect.void),
    cancel: (_, inner) => inner.cancel
  }
  for (const [name, call] of Object.entries(calls)) {
    it.effect(`a task that waits for another pool in ${name} lends its worker to the tasks of that pool (load 1)`, () =>
      Effect.gen(function* () {
        const [pool, other] = [yield* make(1), yield* make(1)]
        const latch = Latch.makeUnsafe()
        const asks = Effect.andThen(latch.await, pool.submit(Effect.void))
        const inner = yield* other.fork(name === "cancel" ? asksAtItsEnd(pool) : asks)
        const calling = Effect.as(call(other, inner), "called")
        const caller = yield* start(pool.submit(Effect.andThen(latch.open, calling)))
        assert.strictEqual(yield* outcomeOf(Fiber.join(caller)), "called")
        for (const { lent, running } of [yield* pool.stats, yield* other.stats]) {
          assert.deepStrictEqual({ lent, running }, { lent: 0, running: 0 })
        }
      })
    )
  }
})

describe.each(Object.entries(pools).slice(0, 2))("%s", (_, make) => {
  it.effect(
    "a task that waits for the end of those that its hard resize has interrupted lends its worker (load 1)",
    () =>
      Effect.gen(function* () {
        const pool = yield* make(3)
        const latch = Latch.makeUnsafe()
        const resizer = yield* start(pool.submit(Effect.andThen(latch.await, pool.resize(1, { mode: "hard" }))))
        yield* pool.fork(asksAtItsEnd(pool))
        yield* latch.open
        assert.strictEqual(yield* outcomeOf(Fiber.join(resizer)), 1)
      })
  )
})

describe.each(Object.entries(pools))("two features at once: %s", (name, make) => {
  it.effect("a task that fails after it has lent its worker is tried again, and lends again (load 1, load 8)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      let attempts = 0
      const fails = Effect.suspend(() => (++attempts < 3 ? Effect.fail("again") : Effect.succeed(attempts)))
      const task = Effect.andThen(pool.submit(Effect.void), fails)
      assert.strictEqual(yield* outcomeOf(pool.submit(task, { retry: Schedule.spaced(10) })), 3)
      const { busy, delayed, lent, succeeded } = yield* pool.stats
      assert.deepStrictEqual({ busy, delayed, lent, succeeded }, { busy: 0, delayed: 0, lent: 0, succeeded: 4 })
    })
  )

  it.effect("others have the worker while the inner task of the one that lent it is delayed (load 1, load 8)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      let attempts = 0
      const inner = Effect.suspend(() => (++attempts < 2 ? Effect.fail("again") : Effect.succeed("inner")))
      const outer = yield* start(pool.submit(pool.submit(inner, { retry: Schedule.spaced(10) })))
      assert.strictEqual(yield* pool.submit(Effect.succeed("other")), "other")
      assert.isFalse(hasEnded(outer))
      yield* TestClock.adjust(10)
      assert.strictEqual(yield* Fiber.join(outer), "inner")
    })
  )

  it.effect("a task whose inner one has waited too long goes on, and nothing stays lent (load 1, load 6)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      const outer = yield* start(
        pool.submit(Effect.flip(pool.withDispatchHeld(pool.submit(Effect.void, { maxWait: 10 }))))
      )
      yield* TestClock.adjust(10)
      const error: any = yield* Fiber.join(outer)
      assert.strictEqual(error.reason, "WaitedTooLong")
      const { busy, lent } = yield* pool.stats
      assert.deepStrictEqual({ busy, lent }, { busy: 0, lent: 0 })
    })
  )

  it.effect("a task that is dropped while the rate holds it back has taken no tokens (load 2, load 7)", () =>
    Effect.gen(function* () {
      const pool = yield* make(3, { capacity: 1, onFull: "dropOldest", rate: { limit: 1, window: 100 } })
      yield* pool.submit(Effect.void)
      const waiting = yield* start(Effect.exit(pool.submit(Effect.void, { weight: 9 })))
      const next = yield* start(pool.submit(Effect.succeed("next")))
      yield* settle
      assert.isTrue(hasEnded(waiting), name)
      yield* TestClock.adjust(100)
      yield* settle
      assert.strictEqual(yield* Fiber.join(next), "next")
      assert.deepInclude(yield* pool.stats, { dropped: 1, cancelled: 1, nextStart: 100 })
    })
  )

  it.effect("withQuiesced may close its pool, and start holds nothing afterwards (load 3, load 9)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1)
      const waiting = yield* pool.fork(Effect.succeed("done"))
      yield* pool.withQuiesced(pool.close())
      assert.strictEqual(yield* waiting.join, "done")
      yield* pool.start
      assert.deepStrictEqual((yield* pool.stats).holds, [])
      assert.strictEqual(yield* pool.submit(Effect.succeed("again")), "again")
    })
  )
})

describe("a promise in place of a Duration", () => {
  const promise: any = Promise.resolve(5)
  const refusals: Record<string, (pool: TaskPoolService) => Effect.Effect<unknown, unknown>> = {
    holdFor: (pool) => pool.holdFor(promise),
    maxWait: (pool) => pool.submit(Effect.void, { maxWait: promise }),
    drainTimeout: (pool) => pool.close({ drainTimeout: promise })
  }
  for (const [name, refused] of Object.entries(refusals)) {
    it.effect(`${name}: is refused, and does not count as 0 (load 0)`, () =>
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
        const defect = defectOf(yield* Effect.exit(refused(pool)))
        assert.match(String(defect), /must be a Duration >= 0, got a Promise/)
        assert.strictEqual((yield* pool.stats).phase, "Open")
      })
    )
  }

  it("as the delay of a retry rejects the task (load 11)", async () => {
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1))
    let begun = 0
    const fails = () => {
      begun++
      throw new Error("own")
    }
    const error: unknown = await pool.submit(fails, { retry: { times: 1, delay: () => promise } }).catch((e) => e)
    assert.match(String(error), /delay must be a Duration >= 0, got a Promise/)
    assert.strictEqual(begun, 1)
    await pool.close()
  })

  it.effect("as the retryAfter of classify holds nothing, and is logged (load 3)", () =>
    Effect.gen(function* () {
      const log = defectLog()
      const classify = () => ({ overload: true, retryAfter: promise }) as const
      const pool = yield* Effect.provide(AioFixedTaskPoolSimple.make({ size: 1, classify }), log.layer)
      yield* Effect.exit(pool.submit(Effect.fail("overload")))
      yield* settle
      assert.deepStrictEqual((yield* pool.stats).holds, [])
      assert.lengthOf(log.defects, 1)
    })
  )
})

// Node ends a process with an unhandled rejection, and the runner fails a file with one.
describe("a promise that rejects does not end the process", () => {
  const rejected = (): any => Promise.reject(new Error("late"))
  const asked = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  const calls: Record<string, (pool: TaskPoolService) => Effect.Effect<unknown, unknown>> = {
    "as a key": (pool) => pool.submit(Effect.void, { key: rejected() }),
    "as the key of an item": (pool) => pool.forEach([1], () => Effect.void, { key: rejected }),
    "as the weight of an item": (pool) => pool.forEach([1], () => Effect.void, { weight: rejected }),
    "as a delta": (pool) => pool.scale(rejected()),
    "as the effect of withPaused": (pool) => pool.withPaused(rejected()),
    "as the items of forEach": (pool) => pool.forEach(rejected(), () => Effect.void)
  }
  for (const [name, call] of Object.entries(calls)) {
    it.effect(`${name}: the operation dies (load 0)`, () =>
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
        assert.include(String(yield* Effect.exit(Effect.suspend(() => call(pool)))), "Promise")
        yield* asked
        assert.deepInclude(yield* pool.stats, { phase: "Open", running: 0, waiting: 0 })
      })
    )
  }

  it("as the function of a PromisePool: the promise rejects (load 11)", async () => {
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1))
    const error: unknown = await pool.submit(rejected()).catch((cause) => cause)
    assert.include(String(error), "PromisePool.submit: fn must be a function, got a Promise")
    await Effect.runPromise(asked)
    await pool.close()
  })

  for (const part of ["window", "update"] as const) {
    it.effect(`from the ${part} of a policy: the pool runs on (load 0)`, () =>
      Effect.gen(function* () {
        const policy = { ...AutoScalePolicy.score, [part]: rejected }
        const pool = yield* AioAutoScaleTaskPoolSimple.make({ minSize: 1, maxSize: 4, interval: 1000, policy })
        yield* pool.fork(Effect.sleep(5000))
        yield* TestClock.adjust(10_000)
        yield* asked
        assert.strictEqual(yield* pool.submit(Effect.succeed("runs")), "runs")
      }).pipe(Effect.provide(defectLog().layer))
    )
  }
})

/** A task that submits to a pool when it is interrupted. */
const asksAtItsEnd = (pool: TaskPoolService): Effect.Effect<never> =>
  Effect.onInterrupt(Effect.never, () => Effect.ignore(pool.submit(Effect.void)))

/** What an effect succeeds with, or `"hangs"`. */
const outcomeOf = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A | string> =>
  Effect.gen(function* () {
    const fiber = yield* start(Effect.orDie(effect))
    yield* settle
    yield* TestClock.adjust(1000)
    yield* settle
    if (hasEnded(fiber)) return yield* Fiber.join(fiber)
    yield* Effect.forkDetach(Fiber.interrupt(fiber))
    return "hangs"
  })

describe.each(Object.entries(pools))("%s", (_, make) => {
  it.effect("each attempt costs what was estimated, whatever was corrected before (load 2, load 5, load 8)", () =>
    Effect.gen(function* () {
      for (const change of [-5, 15]) {
        const pool = yield* make(3, { rate: { limit: 10, window: "1 hour" } })
        let attempts = 0
        let other: TaskHandle<unknown, unknown> | undefined
        const task = yield* pool.fork(
          Effect.gen(function* () {
            if (++attempts > 1) return undefined
            yield* pool.adjustCost(change)
            other = yield* pool.submitNowait(Effect.void, { cost: 10 })
            return yield* Effect.fail("429")
          }),
          { cost: 5, retry: { times: 1 } }
        )
        yield* settle
        // The other task takes all that the first attempt gave back, or nothing fits any more.
        assert.strictEqual(attempts, 1)
        assert.strictEqual(yield* other!.state, change < 0 ? "Done" : "Waiting")
        yield* TestClock.adjust("1 hour")
        yield* TestClock.adjust("1 hour")
        yield* settle
        assert.strictEqual(attempts, 2)
        assert.strictEqual(yield* task.state, "Done")
        assert.strictEqual(yield* other!.state, "Done")
      }
    })
  )

  it.effect("a task that classify or a retry submits does not start before the decision (load 4, load 8)", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const decide = (name: string): void => {
        log.push(name)
        Effect.runSync(pool.submitNowait(Effect.sync(() => log.push("other"))))
        log.push("decided")
      }
      const classify = (exit: { readonly _tag: string }) => {
        if (exit._tag === "Success") return "ignore" as const
        decide("classify")
        return { overload: true, retryAfter: 100 } as const
      }
      const pool: TaskPoolService = yield* make(2, { classify })
      const retried = {
        while: () => {
          decide("while")
          return false
        }
      }
      yield* pool.fork(Effect.andThen(Effect.yieldNow, Effect.fail("429")), { retry: retried })
      yield* settle
      assert.deepStrictEqual(log, ["while", "decided", "classify", "decided"])
      assert.include((yield* pool.stats).holds, "RetryAfter")
      yield* TestClock.adjust("1 minute")
      yield* settle
      assert.strictEqual(log.length, 6)
    })
  )

  it.effect("a wait for another pool ends in the step in which the awaited task settles (load 1)", () =>
    Effect.gen(function* () {
      const [own, other] = [yield* make(1), yield* make(3)]
      const [first, second] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
      const order: Array<string> = []
      // The pools wait for each other, so the task of `own` lends its worker.
      const inner = Effect.andThen(own.submit(Effect.void), Deferred.await(first))
      const outer = yield* own.fork(Effect.map(other.submit(inner), () => order.push("back")))
      yield* settle
      yield* own.fork(Effect.map(Deferred.await(second), () => order.push("between")))
      yield* own.fork(Effect.sync(() => order.push("next")))
      yield* settle
      // The worker becomes free after the awaited task has settled, before the waiting fiber has run.
      yield* other.submit(
        Effect.sync(() => {
          Deferred.doneUnsafe(first, Exit.void)
          Deferred.doneUnsafe(second, Exit.void)
        })
      )
      yield* outer.join
      yield* own.awaitIdle
      assert.deepStrictEqual(order, ["between", "back", "next"])
    })
  )

  it.effect("dropOldest drops only tasks that never started, and keeps the capacity (load 7, load 8)", () =>
    Effect.gen(function* () {
      const pool = yield* make(1, { capacity: 1, onFull: "dropOldest" })
      const retried = yield* Effect.forEach([1, 2, 3], () =>
        pool.fork(Effect.fail("x"), { retry: { schedule: Schedule.spaced(10), times: 1 }, weight: 9 })
      )
      const latch = Latch.makeUnsafe()
      yield* pool.fork(latch.await)
      const first = yield* pool.fork(Effect.void, { weight: 8 })
      yield* TestClock.adjust(10)
      assert.deepInclude(yield* pool.stats, { waiting: 4 })
      const second = yield* pool.fork(Effect.void)
      assert.deepInclude(yield* pool.stats, { waiting: 4, dropped: 1 })
      const error = yield* Effect.flip(first.join)
      assert.deepInclude(error as object, { _tag: "TaskCancelled", reason: "Dropped", started: false })
      for (const task of retried) assert.strictEqual(yield* task.state, "Waiting")
      yield* latch.open
      yield* pool.awaitIdle
      assert.strictEqual(yield* second.state, "Done")
      assert.deepInclude(yield* pool.stats, { failed: 3, cancelled: 1 })
    })
  )
})

describe.each(Object.entries(priorityPools))("%s", (_, make) => {
  it.effect(
    "a task that reprioritize makes the next one starts at once, if only the other was too large (load 2)",
    () =>
      Effect.gen(function* () {
        const pool = yield* make(2)
        const latch = Latch.makeUnsafe()
        yield* pool.fork(latch.await)
        const heavy = yield* pool.fork(Effect.void, { permits: 2, weight: 1 })
        const light = yield* pool.fork(Effect.void, { weight: 2 })
        yield* settle
        assert.strictEqual(yield* light.state, "Waiting")
        yield* light.reprioritize(0)
        yield* settle
        assert.strictEqual(yield* light.state, "Done")
        assert.strictEqual(yield* heavy.state, "Waiting")
        yield* latch.open
      })
  )
})

it("a result whose own code throws is a result (load 11)", async () => {
  const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1))
  const strict = new Proxy(
    {},
    {
      has: () => {
        throw new Error("strict")
      }
    }
  )
  const results = [await pool.submit(async () => [strict]), await pool.submit(() => [strict])]
  assert.strictEqual(results.length, 2)
  assert.strictEqual(await pool.submit(() => Promise.resolve(strict)), strict)
  assert.strictEqual(await pool.submit(() => strict), strict)
  await pool.close()
})
