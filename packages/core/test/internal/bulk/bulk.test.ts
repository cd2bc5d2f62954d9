import {
  defectLog,
  defectOf,
  expectStats,
  failureOf,
  gated,
  isInterrupted,
  settle,
  start,
  stubborn
} from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  TaskPool,
  UnknownTaskType,
  UnknownTaskWeight
} from "../../../src/index.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { countWalks } from "../pool/walks.ts"

const { layer } = AioFixedTaskPoolSimple

/** An iterable that counts what is pulled from it, and whether it was left early. */
const counted = (length: number, throwAt = Infinity) => {
  const counts = { pulled: 0, left: 0 }
  const items: Iterable<number> = {
    [Symbol.iterator]: () => ({
      next: () => {
        if (counts.pulled === throwAt) throw new Error("no more")
        return counts.pulled < length ? { done: false, value: counts.pulled++ } : { done: true, value: undefined }
      },
      return: () => {
        counts.left++
        return { done: true, value: undefined }
      }
    })
  }
  return { items, counts }
}

/** The same, whose items come when the scheduler gets to it. */
const countedAsync = (length: number, rejectAt = Infinity) => {
  const { counts, items } = counted(length, rejectAt)
  const asyncItems: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => {
      const iterator = items[Symbol.iterator]()
      return {
        next: async () => iterator.next(),
        return: async () => iterator.return!()
      }
    }
  }
  return { items: asyncItems, counts }
}

describe("forEach", () => {
  it.effect("gives the results in the order of the items, whatever the order of their ends", () =>
    Effect.gen(function* () {
      const tasks = [gated("a"), gated("b"), gated("c")]
      const fiber = yield* start(TaskPool.forEach(tasks, ({ task }, index) => Effect.map(task, (a) => `${a}${index}`)))
      for (const { open } of tasks.toReversed()) {
        yield* open
        yield* settle
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["a0", "b1", "c2"])
      yield* expectStats({ submitted: 3, succeeded: 3 })
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("gives them in the order of their ends with `unordered`, and none with `discard`", () =>
    Effect.gen(function* () {
      const tasks = [gated("a"), gated("b"), gated("c")]
      const fiber = yield* start(TaskPool.forEach(tasks, ({ task }) => task, { unordered: true }))
      for (const { open } of tasks.toReversed()) {
        yield* open
        yield* settle
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["c", "b", "a"])
      assert.isUndefined(yield* TaskPool.forEach([1, 2], Effect.succeed, { discard: true }))
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("takes any iterable, also an empty one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* TaskPool.forEach([], Effect.succeed), [])
      assert.deepStrictEqual(yield* TaskPool.forEach(new Set([1, 2]), Effect.succeed), [1, 2])
      assert.deepStrictEqual(yield* TaskPool.forEach("ab", Effect.succeed), ["a", "b"])
      assert.deepStrictEqual(yield* TaskPool.forEach(countedAsync(3).items, Effect.succeed), [0, 1, 2])
      assert.deepStrictEqual(yield* TaskPool.forEach(countedAsync(0).items, Effect.succeed), [])
      yield* expectStats({ submitted: 7 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("can be run again: each run opens its items anew", () =>
    Effect.gen(function* () {
      const twice = TaskPool.forEach([1, 2], Effect.succeed)
      assert.deepStrictEqual(
        [yield* twice, yield* twice],
        [
          [1, 2],
          [1, 2]
        ]
      )
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("pulls no item before the pool can take it: running ones and one that waits", () =>
    Effect.gen(function* () {
      const { counts, items } = counted(Infinity)
      const fiber = yield* start(TaskPool.forEach(items, () => Effect.never))
      yield* settle
      assert.isAtMost(counts.pulled, 3)
      yield* expectStats({ running: 2 })
      yield* Fiber.interrupt(fiber)
      yield* expectStats({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("pulls an item only for a free worker when there is no queue, also where a full queue fails others", () =>
    Effect.gen(function* () {
      const { counts, items } = counted(3)
      const gate = yield* Latch.make()
      const fiber = yield* start(TaskPool.forEach(items, (n) => Effect.as(gate.await, n)))
      yield* settle
      assert.strictEqual(counts.pulled, 2)
      yield* gate.open
      assert.deepStrictEqual(yield* Fiber.join(fiber), [0, 1, 2])
    }).pipe(Effect.provide(layer(2, { capacity: 0, onFull: "fail" })))
  )

  it.effect("waits while there is no worker, and goes on when there is one", () =>
    Effect.gen(function* () {
      const { counts, items } = counted(10)
      const fiber = yield* start(TaskPool.forEach(items, Effect.succeed))
      yield* settle
      assert.isAtMost(counts.pulled, 1)
      yield* TaskPool.resize(2)
      assert.strictEqual((yield* Fiber.join(fiber)).length, 10)
    }).pipe(Effect.provide(layer(0)))
  )

  it.effect("runs 100,000 items that end at once without growing the stack", () =>
    Effect.gen(function* () {
      const results = yield* TaskPool.forEach(counted(100_000).items, Effect.succeed)
      assert.strictEqual(results.length, 100_000)
      assert.strictEqual(results[99_999], 99_999)
      yield* expectStats({ succeeded: 100_000, largestSize: 3 })
    }).pipe(Effect.provide(layer(3)))
  )

  it.effect("lets others in between its items", () =>
    Effect.gen(function* () {
      const tasks = [gated(0), gated(1), gated(2)]
      const fiber = yield* start(TaskPool.forEach(tasks, ({ task }) => task))
      const other = yield* TaskPool.fork(Effect.succeed("other"))
      yield* tasks[0]!.open
      yield* tasks[1]!.open
      assert.strictEqual(yield* other.join, "other")
      assert.isUndefined(fiber.pollUnsafe())
      yield* tasks[2]!.open
      assert.deepStrictEqual(yield* Fiber.join(fiber), [0, 1, 2])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("gives its items their weight", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const mark = (name: string) => Effect.sync(() => void seen.push(name))
      yield* TaskPool.resize(0)
      const fiber = yield* start(TaskPool.forEach(["late"], mark, { weight: 9 }))
      yield* TaskPool.fork(mark("early"))
      yield* TaskPool.resize(1)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["early", "late"])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))
  )

  describe("that fails", () => {
    it.effect("interrupts the rest, waits for its finalizers, pulls no more and leaves the iterable", () =>
      Effect.gen(function* () {
        const { counts, items } = counted(Infinity)
        const finalizer = yield* Latch.make()
        const fiber = yield* start(
          TaskPool.forEach(items, (n) =>
            n === 1
              ? Effect.andThen(Effect.yieldNow, Effect.fail("own"))
              : Effect.ensuring(Effect.never, finalizer.await)
          )
        )
        yield* settle
        assert.isUndefined(fiber.pollUnsafe())
        const { pulled } = counts
        yield* finalizer.open
        assert.strictEqual(failureOf(yield* Fiber.await(fiber)), "own")
        assert.strictEqual(counts.pulled, pulled)
        assert.strictEqual(counts.left, 1)
        yield* expectStats({ running: 0, waiting: 0, failed: 1 })
      }).pipe(Effect.provide(layer(2)))
    )

    it.effect("keeps the first failure", () =>
      Effect.gen(function* () {
        const tasks = [gated(0), gated(1)]
        const fiber = yield* start(
          TaskPool.forEach(tasks, ({ task }, index) => Effect.andThen(Effect.uninterruptible(task), Effect.fail(index)))
        )
        yield* tasks[1]!.open
        yield* settle
        yield* tasks[0]!.open
        assert.strictEqual(failureOf(yield* Fiber.await(fiber)), 1)
      }).pipe(Effect.provide(layer(2)))
    )

    it.effect("by a function that throws, or returns no Effect, dies", () =>
      Effect.gen(function* () {
        const thrown = new Error("thrown")
        const thrower = (): Effect.Effect<never> => {
          throw thrown
        }
        assert.strictEqual(defectOf(yield* Effect.exit(TaskPool.forEach([1], thrower))), thrown)
        const wrong = yield* Effect.exit(TaskPool.forEach([1], (() => 42) as unknown as typeof thrower))
        assert.instanceOf(defectOf(wrong), UnknownTaskType)
        yield* expectStats({ failed: 2, running: 0 })
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("by an iterable that throws lets what was submitted settle, then dies", () =>
      Effect.gen(function* () {
        const { items } = counted(Infinity, 2)
        const gate = yield* Latch.make()
        const fiber = yield* start(TaskPool.forEach(items, () => gate.await))
        yield* settle
        assert.isUndefined(fiber.pollUnsafe())
        yield* gate.open
        assert.include(String(defectOf(yield* Fiber.await(fiber))), "no more")
        yield* expectStats({ succeeded: 2, running: 0 })
      }).pipe(Effect.provide(layer(2)))
    )

    it.effect("by an asynchronous iterable that rejects lets what was submitted settle, then dies", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(TaskPool.forEach(countedAsync(Infinity, 2).items, Effect.succeed))
        assert.include(String(defectOf(exit)), "no more")
        yield* expectStats({ succeeded: 2, running: 0 })
      }).pipe(Effect.provide(layer(2)))
    )

    it.effect("by what is no iterable dies with TypeError, by a wrong weight with UnknownTaskWeight", () =>
      Effect.gen(function* () {
        for (const wrong of [42, null, undefined, {}] as unknown as ReadonlyArray<Array<number>>) {
          assert.instanceOf(defectOf(yield* Effect.exit(TaskPool.forEach(wrong, Effect.succeed))), TypeError)
        }
        const exit = yield* Effect.exit(TaskPool.forEach([1], Effect.succeed, { weight: 0.5 }))
        assert.instanceOf(defectOf(exit), UnknownTaskWeight)
        assert.include(String(defectOf(exit)), "TaskPool.forEach: weight must be a safe integer, got 0.5")
        yield* expectStats({ submitted: 0 })
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("because the pool is closed, or paused, says so", () =>
      Effect.gen(function* () {
        yield* TaskPool.pause
        assert.deepInclude(yield* Effect.flip(TaskPool.forEach([1], Effect.succeed)), {
          _tag: "NotAvailable",
          reason: "Paused"
        })
        yield* TaskPool.close()
        assert.deepInclude(yield* Effect.flip(TaskPool.forEach([1], Effect.succeed)), {
          _tag: "NotAvailable",
          reason: "Closed"
        })
      }).pipe(Effect.provide(layer(1)))
    )

    it.effect("because a hard scale-down cut one of its tasks, fails with TaskCancelled", () =>
      Effect.gen(function* () {
        const fiber = yield* start(TaskPool.forEach([1, 2, 3], () => Effect.never))
        yield* TaskPool.resize(0, { mode: "hard" })
        assert.deepInclude(failureOf(yield* Fiber.await(fiber)), { _tag: "TaskCancelled", reason: "ScaledDown" })
        yield* settle
        yield* expectStats({ running: 0, waiting: 0 })
      }).pipe(Effect.provide(layer(2)))
    )
  })

  describe("that is interrupted", () => {
    it.effect("interrupts its tasks, waits for their finalizers, and leaves the iterable", () =>
      Effect.gen(function* () {
        const { counts, items } = counted(Infinity)
        const finalizer = yield* Latch.make()
        const fiber = yield* start(TaskPool.forEach(items, () => Effect.ensuring(Effect.never, finalizer.await)))
        const interrupting = yield* start(Fiber.interrupt(fiber))
        yield* settle
        assert.isUndefined(interrupting.pollUnsafe())
        yield* expectStats({ running: 2, waiting: 0 })
        yield* finalizer.open
        yield* Fiber.join(interrupting)
        assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
        assert.strictEqual(counts.left, 1)
        yield* expectStats({ running: 0, interrupted: 2 })
      }).pipe(Effect.provide(layer(2)))
    )

    it.effect("interrupts its tasks in the order in which they were started last", () =>
      Effect.gen(function* () {
        const interrupted: Array<string> = []
        const [a, b] = [gated("a"), gated("b")]
        let attempts = 0
        const tasks = {
          a: a.task,
          b: b.task,
          retried: Effect.suspend(() => (++attempts < 2 ? Effect.fail("once more") : Effect.never)),
          d: Effect.never,
          e: Effect.never
        }
        const bulk = yield* start(
          TaskPool.forEach(
            Object.entries(tasks),
            ([name, task]) => Effect.onInterrupt(task, () => Effect.sync(() => void interrupted.push(name))),
            { retry: Schedule.spaced(1000) }
          )
        )
        // The items behind them take their places, the last one first.
        yield* b.open
        yield* settle
        yield* a.open
        yield* settle
        yield* expectStats({ running: 2, delayed: 1 })
        yield* TestClock.adjust(1000)
        yield* expectStats({ running: 3, delayed: 0 })
        yield* Fiber.interrupt(bulk)
        assert.deepStrictEqual(interrupted, ["d", "e", "retried"])
      }).pipe(Effect.provide(layer(3)))
    )

    it.effect("at the door goes away without having pulled anything", () =>
      Effect.gen(function* () {
        const busy = gated("busy")
        yield* TaskPool.fork(busy.task)
        const { counts, items } = counted(3)
        const fiber = yield* start(TaskPool.forEach(items, Effect.succeed))
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(counts.pulled, 0)
        yield* busy.open
        yield* TaskPool.awaitIdle
        yield* expectStats({ submitted: 1, rejected: 0 })
      }).pipe(Effect.provide(layer(1, { capacity: 0 })))
    )

    it.effect("while an asynchronous iterable owes it an item does not wait for that", () =>
      Effect.gen(function* () {
        let left = 0
        const items: AsyncIterable<number> = {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise(() => {}),
            return: async () => {
              left++
              return { done: true, value: undefined }
            }
          })
        }
        const fiber = yield* start(TaskPool.forEach(items, Effect.succeed))
        yield* settle
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(left, 1)
      }).pipe(Effect.provide(layer(1)))
    )
  })

  it.effect("does not wait for an async generator that never yields again, interrupted or failed", () =>
    Effect.gen(function* () {
      async function* stuck() {
        yield 1
        await new Promise(() => {})
      }
      const interrupted = yield* start(TaskPool.forEach(stuck(), () => Effect.void))
      yield* settle
      yield* Fiber.interrupt(interrupted)

      const item = gated("item")
      const failed = yield* start(TaskPool.forEach(stuck(), () => Effect.andThen(item.task, Effect.fail("own"))))
      yield* item.started
      yield* settle
      yield* item.open
      assert.strictEqual(failureOf(yield* Fiber.await(failed)), "own")
      yield* expectStats({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("in two fibers at once: both end, each with its own results", () =>
    Effect.gen(function* () {
      const task = (n: number) => Effect.as(Effect.yieldNow, n)
      const one = yield* start(TaskPool.forEach([1, 2, 3, 4], task))
      const two = yield* start(TaskPool.forEach([5, 6, 7], task))
      assert.deepStrictEqual(yield* Fiber.join(one), [1, 2, 3, 4])
      assert.deepStrictEqual(yield* Fiber.join(two), [5, 6, 7])
    }).pipe(Effect.provide(layer(1, { capacity: 0 })))
  )

  it.effect("an iterable may use the pool while it is pulled", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const submitted: Array<unknown> = []
      const items = (function* () {
        for (let n = 0; n < 3; n++) {
          submitted.push(Effect.runSync(pool.submitNowait(Effect.succeed(n))))
          Effect.runSync(pool.scale(1))
          yield n
        }
      })()
      assert.deepStrictEqual(yield* TaskPool.forEach(items, Effect.succeed), [0, 1, 2])
      yield* TaskPool.awaitIdle
      yield* expectStats({ submitted: 6, succeeded: 6, targetSize: 4 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("ends with its last item, though the queue is full with others", () =>
    Effect.gen(function* () {
      const [item, other] = [gated("item"), gated("other")]
      yield* TaskPool.fork(other.task)
      const fiber = yield* start(TaskPool.forEach([item], ({ task }) => task))
      yield* item.started
      yield* TaskPool.resize(1)
      yield* item.open
      yield* settle
      const ended = fiber.pollUnsafe() !== undefined
      yield* other.open
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["item"])
      assert.isTrue(ended)
    }).pipe(Effect.provide(layer(2, { capacity: 0 })))
  )

  it.effect("is not failed by a pause when nothing is left to submit", () =>
    Effect.gen(function* () {
      const item = gated("item")
      const fiber = yield* start(TaskPool.forEach([item], ({ task }) => task))
      yield* item.started
      yield* TaskPool.pause
      yield* item.open
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed(["item"]))
    }).pipe(Effect.provide(layer(1, { capacity: 0 })))
  )

  for (const capacity of [0, 1, Infinity]) {
    it.effect(`stops when an item fails after the source was exhausted, capacity ${capacity}`, () =>
      Effect.gen(function* () {
        const [first, later] = [gated("first"), gated("later")]
        const fiber = yield* start(
          TaskPool.forEach([first, later], ({ task }, index) =>
            index === 0 ? Effect.andThen(task, Effect.fail("own")) : Effect.andThen(task, Effect.never)
          )
        )
        yield* first.open
        assert.strictEqual(failureOf(yield* Fiber.await(fiber)), "own")
        // The door is whole: neither who may wait there nor who may not is kept out.
        yield* TaskPool.submit(Effect.void)
        yield* TaskPool.submitNowait(Effect.void)
        yield* expectStats({ running: 0, waiting: 0, interrupted: 1 })
      }).pipe(Effect.provide(layer(2, { capacity })))
    )
  }
})

it.effect("items that wait together are counted once when they are cleared, though the first ends the bulk", () =>
  Effect.gen(function* () {
    const gate = Latch.makeUnsafe()
    const item = Effect.andThen(gate.await, Effect.fail("own"))
    const fiber = yield* start(TaskPool.forEach([1, 2], () => item, { retry: { times: 1 } }))
    yield* settle
    yield* TaskPool.withDispatchHeld(
      Effect.gen(function* () {
        yield* gate.open
        yield* settle
        yield* expectStats({ waiting: 2 })
        assert.strictEqual(yield* TaskPool.clear(), 2)
      })
    )
    yield* Fiber.await(fiber)
    yield* expectStats({ submitted: 2, cancelled: 2, waiting: 0 })
  }).pipe(Effect.provide(layer(1)))
)

describe("ending a bulk", () => {
  for (const options of [{}, { label: "item" }, { retry: { times: 1 } }]) {
    it.effect(`does not look at the other tasks of the pool, options ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const walks = yield* countWalks
        const fails = Latch.makeUnsafe()
        const items = [Effect.never, Effect.andThen(fails.await, Effect.fail("own"))]
        const interrupted = yield* start(TaskPool.forEach([1, 2, 3], () => Effect.never, options))
        const failed = yield* start(TaskPool.forEach(items, (item) => item, options))
        const other = yield* TaskPool.fork(Effect.never)
        yield* expectStats({ running: 4, waiting: 2 })
        yield* Fiber.interrupt(interrupted)
        yield* fails.open
        assert.strictEqual(failureOf(yield* Fiber.await(failed)), "own")
        yield* expectStats({ running: 1, waiting: 0 })
        assert.deepStrictEqual(walks(), [0, 0])
        yield* other.cancel
      }).pipe(Effect.scoped, Effect.provide(layer(4)))
    )
  }
})

describe("all", () => {
  it.effect("gives results in the shape of what it is given", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* TaskPool.all([Effect.succeed(1), Effect.succeed("two")]), [1, "two"])
      assert.deepStrictEqual(yield* TaskPool.all({ a: Effect.succeed(1), b: Effect.succeed("two") }), {
        a: 1,
        b: "two"
      })
      assert.deepStrictEqual(yield* TaskPool.all(new Set([Effect.succeed(1)])), [1])
      assert.deepStrictEqual(yield* TaskPool.all([]), [])
      assert.deepStrictEqual(yield* TaskPool.all({}), {})
    }).pipe(Effect.provide(layer(2)))
  )

  it.effect("keeps to the limit, and fails with the first failure", () =>
    Effect.gen(function* () {
      const never = gated(1)
      const exit = yield* Effect.exit(TaskPool.all([Effect.fail("own"), never.task]))
      assert.strictEqual(failureOf(exit), "own")
      assert.strictEqual(never.counts.begun, never.counts.ended)
      yield* expectStats({ largestSize: 1, running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("items of a bulk that run one after the other", () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i)

  /** The fiber that an item runs in. */
  const self = Effect.withFiber((fiber) => Effect.succeed(fiber))

  it.effect("begin when the observers that the one before has added to its fiber were called", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const item = (i: number) =>
        Effect.gen(function* () {
          log.push(`${i} begins`)
          ;(yield* self).addObserver((exit) => log.push(Exit.isSuccess(exit) ? `${i} ended well` : `${i} failed`))
          yield* Effect.yieldNow
          return i
        })
      yield* TaskPool.forEach([0, 1, 2], item)
      const expected = [0, 1, 2].flatMap((i) => [`${i} begins`, `${i} ended well`])
      assert.deepStrictEqual(log, expected)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("do not begin once the caller was interrupted, though the present one cannot be", () =>
    Effect.gen(function* () {
      const items = [stubborn(0), gated(1)] as const
      const caller = yield* start(TaskPool.forEach(items, ({ task }) => task))
      yield* items[0].started
      yield* start(Fiber.interrupt(caller))
      yield* items[0].open
      assert.isTrue(isInterrupted(yield* Fiber.await(caller)))
      assert.strictEqual(items[1].counts.begun, 0)
      yield* expectStats({ submitted: 2, running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("end with an item that fails", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        TaskPool.forEach(numbers, (i) => Effect.andThen(Effect.yieldNow, i === 7 ? Effect.fail("seven") : Effect.void))
      )
      assert.strictEqual(failureOf(exit), "seven")
      yield* expectStats({ succeeded: 7, failed: 1, running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("end with an item whose function throws, which is that item's defect", () =>
    Effect.gen(function* () {
      const thrown = new Error("seven")
      const f = (i: number) => {
        if (i === 7) throw thrown
        return Effect.yieldNow
      }
      assert.strictEqual(defectOf(yield* Effect.exit(TaskPool.forEach(numbers, f))), thrown)
      yield* expectStats({ succeeded: 7, failed: 1, running: 0, waiting: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("are not taken for one that has ended: a fiber that outlived its item may close the pool", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const last = gated("last")
      const closers: Array<Fiber.Fiber<unknown>> = []
      const closer = Effect.andThen(gate.await, TaskPool.close())
      const first = Effect.gen(function* () {
        closers.push(yield* Effect.forkDetach(closer))
        yield* Effect.yieldNow
      })
      const items: ReadonlyArray<Effect.Effect<unknown, never, TaskPool>> = [first, last.task]
      const caller = yield* start(TaskPool.forEach(items, (item) => item))
      yield* last.started
      yield* gate.open
      yield* settle
      yield* last.open
      yield* Fiber.join(caller)
      assert.deepStrictEqual(yield* Fiber.join(closers[0]!), { completed: 1, interrupted: 0, neverRun: 0 })
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("let the event loop go: items that end at once do not all run in one step", () =>
    Effect.gen(function* () {
      let step = 0
      let most = 0
      const item = Effect.sync(() => void (most = Math.max(most, ++step)))
      const timer = setInterval(() => (step = 0), 0)
      const immediate = (): unknown => setImmediate(() => ((step = 0), running && immediate()))
      let running = true
      immediate()
      yield* TaskPool.forEach(
        Array.from({ length: 20_000 }, (_, i) => i),
        (i) => (i === 0 ? Effect.yieldNow : item),
        { discard: true }
      )
      running = false
      clearInterval(timer)
      assert.isAtMost(most, 1024)
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("go on when an observer of another fiber throws, which is logged", () => {
    const logged = defectLog()
    return Effect.gen(function* () {
      const [first, second] = [gated(0), gated(1)]
      const caller = yield* start(TaskPool.forEach([first, second], ({ task }) => task))
      const waiter = Effect.runFork(Effect.provideService(TaskPool.awaitEmpty, TaskPool, yield* TaskPool))
      const thrown = new Error("somebody's bug")
      waiter.addObserver(() => {
        throw thrown
      })
      yield* first.open
      yield* second.started
      yield* second.open
      assert.deepStrictEqual(yield* Fiber.join(caller), [0, 1])
      yield* settle
      assert.deepStrictEqual(logged.defects, [thrown])
    }).pipe(Effect.provide(layer(1)), Effect.provide(logged.layer))
  })
})

describe("a bulk that ends early", () => {
  const count = 200
  const items = Array.from({ length: count }, (_, index) => index)
  const bulks = {
    forEach: (f: (index: number) => Effect.Effect<unknown, string>) => TaskPool.forEach(items, f, { discard: true }),
    mapEffect: (f: (index: number) => Effect.Effect<unknown, string>) =>
      Stream.runDrain(TaskPool.mapEffect(Stream.fromIterable(items), f))
  }
  const endings = {
    "the failure of an item": (fail: Effect.Effect<unknown>) => fail,
    "the interruption of its caller": (_: unknown, caller: Fiber.Fiber<unknown, unknown>) => Fiber.interrupt(caller),
    "an interrupting close": () => TaskPool.close({ mode: "interrupt" })
  }

  for (const [name, bulk] of Object.entries(bulks)) {
    it.effect.each(Object.entries(endings))(
      `${name}: interrupts each task a few times at most, after %s`,
      ([, end]) => {
        const interrupts = vi.spyOn(Machine.prototype, "interrupt")
        return Effect.gen(function* () {
          const failing = Latch.makeUnsafe()
          const endings = items.map(() => Latch.makeUnsafe())
          const task = (index: number) =>
            Effect.onInterrupt(
              index === 0 ? Effect.andThen(failing.await, Effect.fail("own")) : Effect.never,
              () => endings[index]!.await
            )
          const caller = yield* start(Effect.exit(bulk(task)))
          yield* TaskPool.awaitStats(({ running }) => running === count)
          yield* start(end(failing.open, caller))
          // They end one after the other.
          for (const [index, ending] of endings.entries()) {
            yield* ending.open
            yield* TaskPool.awaitStats(({ running }) => running < count - index)
          }
          yield* expectStats({ running: 0 })
          yield* Fiber.await(caller)
          // By the close, by the bulk, and by the end of its caller; not again by each task that ends.
          assert.isAtMost(interrupts.mock.calls.length, 3 * count)
        }).pipe(Effect.provide(layer(count)), Effect.ensuring(Effect.sync(() => interrupts.mockRestore())))
      }
    )
  }
})
