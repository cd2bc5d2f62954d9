import { TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type LawOptions,
  type Laws,
  type LayerOf,
  occupy,
  settle,
  start
} from "./kit.ts"
import { promptly, reached } from "./nesting.ts"
import type { WaitingOrder, WaitingTask } from "./ordering.ts"

/** Keys: fair turns and a limit for each. */
export const keyLaws = (laws: Laws): void => {
  turnLaws(laws)
  limitLaws(laws)
  doorLaws(laws)
  lookingLaws(laws)
}

const turnLaws = (laws: Laws): void => {
  laws.lawOnce(
    "a flood of 10,000 tasks on one key delays another key's task by at most one round (load 4)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const started: Array<string> = []
        const fork = (key: string | undefined) =>
          pool.fork(
            Effect.sync(() => void started.push(String(key))),
            { key }
          )
        for (let i = 0; i < 10_000; i++) yield* fork("flood")
        for (const key of ["a", "b", undefined]) yield* fork(key)
        yield* busy.release
        yield* pool.awaitIdle
        assert.sameMembers(started.slice(0, 4), ["flood", "a", "b", "undefined"])
        assert.strictEqual(started.length, 10_003)
      })
  )

  laws.lawOnce("a flood on one key does not delay tasks of other keys that come while it runs (load 4)", {}, (pool) =>
    Effect.gen(function* () {
      let flooded = 0
      for (let i = 0; i < 1000; i++)
        yield* pool.fork(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => flooded++)
          ),
          { key: "flood" }
        )
      for (let i = 0; i < 20; i++) {
        const before = flooded
        yield* pool.submit(Effect.void, { key: `other ${i % 3}` })
        // The one that runs, and one whose turn comes first.
        assert.isAtMost(flooded - before, 2)
      }
      yield* pool.clear({ key: "flood" })
      yield* pool.awaitIdle
    })
  )

  laws.lawOnce("tasks without a key are one more key (load 4)", {}, (pool) =>
    Effect.gen(function* () {
      const started = yield* startOrder(pool, [undefined, undefined, undefined, "a", "a", "a"])
      assert.deepStrictEqual(
        started.map((key) => key ?? "none"),
        ["none", "a", "none", "a", "none", "a"]
      )
    })
  )

  laws.lawOnce("tasks that waited before the first key came keep their place in the turns (load 4)", {}, (pool) =>
    Effect.gen(function* () {
      const started = yield* startOrder(pool, [undefined, undefined, "a", "b", "a"])
      assert.deepStrictEqual(
        started.map((key) => key ?? "none"),
        ["none", "a", "b", "none", "a"]
      )
    })
  )

  laws.lawOnce('the keys 1 and "1" are two keys (load 11a, Keys)', {}, (pool) =>
    Effect.gen(function* () {
      const started = yield* startOrder(pool, [1, 1, 1, "1", "1", "1"])
      assert.deepStrictEqual(started, [1, "1", 1, "1", 1, "1"])
      const busy = yield* occupy(pool, 1)
      const handle = yield* pool.fork(Effect.void, { key: 1 })
      assert.deepStrictEqual(yield* pool.statsOf(1), { waiting: 1, running: 0 })
      assert.deepStrictEqual(yield* pool.statsOf("1"), { waiting: 0, running: 0 })
      yield* busy.release
      yield* handle.join
    })
  )

  laws.lawOnce(
    "keys take turns by permits: one of tasks of 2 permits gets half as many (load 4)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 2)
        const served = { a: 0, b: 0 }
        const differences: Array<number> = []
        const fork = (key: "a" | "b", permits: number) =>
          pool.fork(
            Effect.sync(() => {
              served[key] += permits
              differences.push(served.a - served.b)
            }),
            { key, permits }
          )
        for (let i = 0; i < 30; i++) yield* fork("a", 2)
        for (let i = 0; i < 60; i++) yield* fork("b", 1)
        yield* busy.release
        yield* promptly(pool, pool.awaitIdle)
        assert.deepStrictEqual(served, { a: 60, b: 60 })
        assert.isAtMost(Math.max(...differences.map(Math.abs)), 2)
      })
  )

  laws.lawOnce("a head whose permits are not there holds back all keys (load 11a, Keys)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const tasks = [gated(0), gated(1)]
      for (const { task } of tasks) yield* pool.fork(task)
      const [heavy, light] = [gated("heavy"), gated("light")]
      yield* pool.fork(heavy.task, { key: "a", permits: 2 })
      yield* pool.fork(light.task, { key: "b" })
      yield* tasks[0]!.open
      yield* settle
      yield* expectStats(pool, { busy: 1, waiting: 2 })
      yield* tasks[1]!.open
      yield* reached(pool, heavy.started)
      assert.strictEqual(light.counts.begun, 0)
      yield* heavy.open
      yield* reached(pool, light.started)
      yield* light.open
      yield* promptly(pool, pool.awaitIdle)
    })
  )

  laws.lawOnce(
    "a head whose tokens are not there holds back all keys (load 11a, Keys)",
    { size: 2, rate: { limit: 2, window: "1 second" } },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.submit(Effect.void)
        const [costly, cheap] = [gated("costly"), gated("cheap")]
        yield* pool.fork(costly.task, { key: "a", cost: 2 })
        yield* pool.fork(cheap.task, { key: "b", cost: 1 })
        yield* settle
        yield* expectStats(pool, { running: 0, waiting: 2 })
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual([costly.counts.begun, cheap.counts.begun], [1, 0])
        yield* costly.open
        yield* TestClock.adjust("1 second")
        yield* reached(pool, cheap.started)
        yield* cheap.open
        yield* promptly(pool, pool.awaitIdle)
      })
  )
}

const limitLaws = (laws: Laws): void => {
  laws.law(
    "no more permits of a key are in use than perKey, and other keys go on (load 4)",
    { size: 4, perKey: 2 },
    (pool) =>
      Effect.gen(function* () {
        if (laws.capacity !== undefined) return
        const a = Array.from({ length: 4 }, (_, i) => gated(`a ${i}`))
        const b = gated("b")
        const fibers = []
        for (const { task } of a) fibers.push(yield* start(pool.submit(task, { key: "a" })))
        fibers.push(yield* start(pool.submit(b.task, { key: "b" })))
        yield* expectStats(pool, { running: 3, busy: 3, waiting: 2 })
        assert.deepStrictEqual([a.filter(({ counts }) => counts.begun === 1).length, b.counts.begun], [2, 1])
        assert.deepStrictEqual(yield* pool.statsOf("a"), { waiting: 2, running: 2 })
        for (const { open } of [...a, b]) yield* open
        yield* promptly(pool, Fiber.joinAll(fibers))
        assert.deepStrictEqual(yield* pool.statsOf("a"), { waiting: 0, running: 0 })
      })
  )

  laws.law("a key gets its worker back however its task ends (load 4)", { size: 2, perKey: 1 }, (pool) =>
    Effect.gen(function* () {
      const run = (task: Effect.Effect<unknown, unknown>) => Effect.exit(pool.submit(task, { key: "k" }))
      for (const end of [Effect.void, Effect.fail("failure"), Effect.die("defect"), Effect.interrupt]) {
        yield* promptly(pool, run(end))
      }
      const submitter = yield* start(run(Effect.never))
      yield* Fiber.interrupt(submitter)
      const handle = yield* pool.fork(Effect.never, { key: "k" })
      yield* handle.cancel
      assert.deepStrictEqual(yield* promptly(pool, run(Effect.succeed("again"))), Exit.succeed("again"))
      assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 0 })
    })
  )

  laws.law("perKey does not limit tasks without a key (load 11a, Keys)", { size: 3, perKey: 1 }, (pool) =>
    Effect.gen(function* () {
      yield* promptly(pool, pool.submit(Effect.void, { key: "k" }))
      const tasks = [gated(0), gated(1), gated(2)]
      const fibers = []
      for (const { task } of tasks) fibers.push(yield* start(pool.submit(task)))
      yield* expectStats(pool, { running: 3, busy: 3 })
      for (const { open } of tasks) yield* open
      yield* promptly(pool, Fiber.joinAll(fibers))
      // Without a key, permits above perKey fit too.
      assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed("three"), { permits: 3 })), "three")
    })
  )

  laws.law(
    "without a queue, a retry whose key is at its limit holds back no other key (load 4, load 11a, Keys)",
    { size: 4, perKey: 1, capacity: 0 },
    (pool) =>
      Effect.gen(function* () {
        let attempts = 0
        const task = Effect.suspend(() => (attempts++ === 0 ? Effect.fail("no") : Effect.succeed("retried")))
        const retried = yield* start(pool.submit(task, { key: "a", retry: Schedule.spaced(10) }))
        const [busy, other] = [gated("busy"), gated("other")]
        const fibers = [yield* start(pool.submit(busy.task, { key: "a" }))]
        yield* TestClock.adjust(10)
        const counts = Effect.map(pool.stats, (stats) => [stats.waiting, stats.atDoor, stats.busy])
        assert.deepStrictEqual(yield* counts, [1, 0, 1])
        fibers.push(yield* start(pool.submit(other.task, { key: "b" })))
        assert.deepStrictEqual(yield* counts, [1, 0, 2])
        // The next one of the busy key comes after the retry.
        const last = yield* start(
          pool.submit(
            Effect.sync(() => attempts),
            { key: "a" }
          )
        )
        assert.deepStrictEqual(yield* counts, [1, 1, 2])
        assert.strictEqual(
          yield* pool.submitNowait(Effect.void, { key: "c" }).pipe(
            Effect.flip,
            Effect.map(({ reason }) => reason)
          ),
          "QueueFull"
        )
        yield* busy.open
        yield* other.open
        assert.strictEqual(yield* Fiber.join(retried), "retried")
        assert.strictEqual(yield* Fiber.join(last), 2)
        yield* Fiber.joinAll(fibers)
        const items = pool.forEach([1, 2, 3], (n) => Effect.succeed(n), { key: (n) => n })
        assert.deepStrictEqual(yield* items, [1, 2, 3])
      })
  )

  laws.law("permits above perKey are refused with TooLarge (load 11a, Keys)", { size: 3, perKey: 2 }, (pool) =>
    Effect.gen(function* () {
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.die("never"), { key: "k", permits: 3 })), "TooLarge")
      expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void, { key: "k", permits: 3 })), "TooLarge")
      const bulk = pool.forEach([0], () => Effect.die("never"), { key: "k", permits: 3 })
      expectNotAvailable(yield* promptly(pool, Effect.exit(bulk)), "TooLarge")
      assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed(2), { key: "k", permits: 2 })), 2)
      yield* expectStats(pool, { rejected: 3, submitted: 1 })
    })
  )

  laws.law("the permits of a key count, not its tasks (load 4)", { size: 5, perKey: 3 }, (pool) =>
    Effect.gen(function* () {
      const [two, other] = [gated("two"), gated("other")]
      const fibers = [
        yield* start(pool.submit(two.task, { key: "k", permits: 2 })),
        yield* start(pool.submit(other.task, { key: "k", permits: 2 }))
      ]
      yield* expectStats(pool, { busy: 2, running: 1 })
      yield* two.open
      yield* reached(pool, other.started)
      yield* other.open
      yield* promptly(pool, Fiber.joinAll(fibers))
    })
  )

  laws.law(
    "items of a bulk may have keys, and keep to the limit of each (load 4, load 11a, Items)",
    { size: 4, perKey: 2 },
    (pool) =>
      Effect.gen(function* () {
        const running = new Map<number, number>()
        let most = 0
        const item = (n: number) => {
          const key = n % 3
          const change = (by: number) =>
            Effect.sync(() => {
              running.set(key, (running.get(key) ?? 0) + by)
              most = Math.max(most, running.get(key)!)
            })
          return Effect.as(
            Effect.acquireUseRelease(
              change(1),
              () => settle,
              () => change(-1)
            ),
            n
          )
        }
        const items = Array.from({ length: 30 }, (_, n) => n)
        const options = { key: (n: number) => n % 3 }
        assert.deepStrictEqual(yield* promptly(pool, pool.forEach(items, item, options)), items)
        const mapped = pool.mapEffect(Stream.fromIterable(items), item, options)
        assert.deepStrictEqual(yield* promptly(pool, Stream.runCollect(mapped)), items)
        assert.strictEqual(most, 2)
      })
  )

  laws.law(
    "a key at its limit does not hold the pool back when it resizes or is held (load 4)",
    { size: 1, minSize: 0, maxSize: 3, perKey: 1 },
    (pool) =>
      Effect.gen(function* () {
        if (laws.capacity !== undefined) return
        const [a, b] = [gated("a"), gated("b")]
        const fibers = [
          yield* start(pool.submit(a.task, { key: "a" })),
          yield* start(pool.submit(Effect.succeed("a 2"), { key: "a" })),
          yield* start(pool.submit(b.task, { key: "b" }))
        ]
        yield* pool.resize(3)
        assert.strictEqual(b.counts.begun, 1)
        yield* expectStats(pool, { running: 2, waiting: 1 })
        yield* pool.withDispatchHeld(Effect.andThen(a.open, settle))
        yield* b.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.joinAll(fibers)), ["a", "a 2", "b"])
      })
  )

  laws.law(
    "a draining pool runs what waits behind the limit of its key (load 4)",
    { size: 2, perKey: 1, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const first = gated("first")
        const handles = [
          yield* pool.fork(first.task, { key: "k" }),
          yield* pool.fork(Effect.succeed("second"), { key: "k" })
        ]
        const closer = yield* start(pool.close())
        yield* first.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 2, interrupted: 0, neverRun: 0 })
        for (const handle of handles) yield* handle.join
      })
  )
}

const doorLaws = (laws: Laws): void => {
  laws.law("keys do not order the door, which stays first-in first-out (load 11a, Keys)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const busy = yield* occupy(pool, 1)
      for (let i = 0; i < laws.capacity; i++) yield* pool.fork(Effect.void, { key: "flood" })
      const admitted: Array<string> = []
      const forkers = []
      for (const key of ["flood", "flood", "flood", "other"]) {
        const fork = Effect.tap(pool.fork(Effect.void, { key }), () => Effect.sync(() => admitted.push(key)))
        forkers.push(yield* start(fork))
      }
      yield* busy.release
      yield* promptly(pool, Fiber.joinAll(forkers))
      assert.deepStrictEqual(admitted, ["flood", "flood", "flood", "other"])
      yield* promptly(pool, pool.awaitIdle)
    })
  )

  laws.law(
    "a door head whose key is at its limit waits, and without a queue holds back those behind it (load 11a, Keys)",
    { size: 2, perKey: 1 },
    (pool) =>
      Effect.gen(function* () {
        if (laws.capacity !== 0) return
        const first = gated("first")
        const fibers = [yield* start(pool.submit(first.task, { key: "k" }))]
        const [same, other] = [gated("same"), gated("other")]
        fibers.push(yield* start(pool.submit(same.task, { key: "k" })))
        fibers.push(yield* start(pool.submit(other.task, { key: "other" })))
        yield* settle
        yield* expectStats(pool, { running: 1, atDoor: 2 })
        yield* first.open
        yield* reached(pool, same.started)
        // Nobody waits at the door whose task could start now (I9).
        yield* expectStats(pool, { running: 2, atDoor: 0 })
        yield* same.open
        yield* other.open
        yield* promptly(pool, Fiber.joinAll(fibers))
      })
  )

  laws.law(
    "with a queue, a key at its limit is passed over by tasks from the door (load 11a, Keys)",
    { size: 2, perKey: 1, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const first = gated("first")
        const fibers = [yield* start(pool.submit(first.task, { key: "k" }))]
        fibers.push(yield* start(pool.submit(Effect.succeed("same"), { key: "k" })))
        const other = gated("other")
        fibers.push(yield* start(pool.submit(other.task, { key: "other" })))
        if (laws.capacity !== 1) assert.strictEqual(other.counts.begun, 1)
        // With one place, the other one is at the door behind the full queue.
        else yield* expectStats(pool, { running: 1, waiting: 1, atDoor: 1 })
        yield* first.open
        yield* other.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.joinAll(fibers)), ["first", "same", "other"])
      })
  )
}

const lookingLaws = (laws: Laws): void => {
  laws.law(
    "statsOf tells how many tasks of a key wait and run, and nothing of unknown keys (load 4)",
    { size: 2, needs: 2 },
    (pool) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 0 })
        const busy = gated("busy")
        yield* pool.fork(busy.task, { key: "k" })
        yield* pool.fork(busy.task)
        yield* pool.fork(busy.task, { key: "k" })
        const cancelled = yield* pool.fork(busy.task, { key: "k" })
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 2, running: 1 })
        assert.deepStrictEqual(yield* pool.statsOf("other"), { waiting: 0, running: 0 })
        yield* cancelled.cancel
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 1, running: 1 })
        yield* busy.open
        yield* promptly(pool, pool.awaitIdle)
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 0 })
        for (const wrong of [Number.NaN, undefined as never, {} as never]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.statsOf(wrong))))
        }
      })
  )

  laws.law("clear of a key cancels the waiting tasks of that key only (load 4)", { needs: 3 }, (pool) =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const running = yield* pool.fork(busy.task, { key: "k" })
      const handles: Array<TaskHandle<string>> = []
      for (const key of ["k", "other", "k", undefined]) handles.push(yield* pool.fork(Effect.succeed("ran"), { key }))
      assert.strictEqual(yield* pool.clear({ key: "k" }), 2)
      assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 1 })
      yield* busy.open
      assert.strictEqual(yield* running.join, "busy")
      for (const [i, handle] of handles.entries()) {
        if (i % 2 === 0 && i < 3) expectCancelled(yield* handle.await, { reason: "Cleared", started: false })
        else assert.strictEqual(yield* handle.join, "ran")
      }
      assert.strictEqual(yield* pool.clear({ key: "k" }), 0)
    })
  )

  laws.law("a task of many keys leaves nothing behind, however it leaves (load 4)", { size: 2, perKey: 1 }, (pool) =>
    Effect.gen(function* () {
      for (let i = 0; i < 1000; i++) {
        const fiber = yield* start(pool.submit(i % 3 === 0 ? Effect.never : Effect.void, { key: i }))
        if (i % 3 === 0) yield* Fiber.interrupt(fiber)
        else assert.isTrue(hasEnded(fiber))
        assert.deepStrictEqual(yield* pool.statsOf(i), { waiting: 0, running: 0 })
      }
      yield* expectStats(pool, { busy: 0, running: 0, waiting: 0 })
    })
  )
}

/** The keys of tasks in the order in which they start on one worker. */
const startOrder = Effect.fnUntraced(function* (
  pool: TaskPoolService,
  keys: ReadonlyArray<string | number | undefined>
) {
  const busy = yield* occupy(pool, 1)
  const started: Array<string | number | undefined> = []
  for (const key of keys) {
    yield* pool.fork(
      Effect.sync(() => void started.push(key)),
      { key }
    )
  }
  yield* busy.release
  yield* promptly(pool, pool.awaitIdle)
  return started
})

interface KeyedTask extends WaitingTask {
  readonly key: string | number | undefined
  readonly handle: TaskHandle<unknown>
}

/** The order across keys, and within each, which is that of the discipline. */
export const keyOrderLaws = (layerOf: LayerOf<LawOptions>, order: WaitingOrder): void => {
  const law = (sentence: string, options: LawOptions, body: Effect.Effect<unknown, unknown, TaskPool | Scope.Scope>) =>
    it.effect(sentence, () => Effect.provide(Effect.scoped(body), layerOf(options)), 20_000)

  law(
    "300 random submissions, cancellations and re-weightings of many keys agree with lists that take turns (load 4)",
    { size: 1 },
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const keys = [undefined, "a", "b", 1, "1"]
      const busy = yield* occupy(pool, 1)
      const started: Array<number> = []
      let waiting: Array<KeyedTask> = []
      // Keys with waiting tasks, the one first whose turn is next.
      let ring: Array<string | number | undefined> = []
      let clock = 0
      for (let i = 0; i < 300; i++) {
        const dice = below(10)
        const picked = waiting[below(Math.max(1, waiting.length))]
        if (dice < 6 || picked === undefined) {
          const [turn, weight, key] = [clock++, below(5), keys[below(keys.length)]]
          const handle = yield* pool.fork(
            Effect.sync(() => started.push(turn)),
            { key, weight }
          )
          waiting.push({ turn, weight, weightSince: turn, key, handle })
          if (!ring.includes(key)) ring.push(key)
        } else if (dice < 8) {
          yield* picked.handle.cancel
          waiting = waiting.filter((task) => task !== picked)
          ring = ring.filter((key) => waiting.some((task) => task.key === key))
        } else {
          const weight = below(5)
          yield* picked.handle.reprioritize(weight)
          if (weight === picked.weight) continue
          waiting = waiting.map((task) => (task === picked ? { ...task, weight, weightSince: clock++ } : task))
        }
      }
      const expected: Array<number> = []
      while (ring.length > 0) {
        const key = ring.shift()
        const [next, ...others] = waiting.filter((task) => task.key === key).sort(order)
        expected.push(next!.turn)
        waiting = waiting.filter((task) => task !== next)
        if (others.length > 0) ring.push(key)
      }
      yield* busy.release
      yield* promptly(pool, pool.awaitIdle)
      assert.deepStrictEqual(started, expected)
    }).pipe(Random.withSeed("keys"))
  )

  law(
    "the tasks of a key that is passed over keep their order (load 4)",
    { size: 3, perKey: 1 },
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const gates = Array.from({ length: 6 }, (_, i) => gated(i))
      const started: Array<number> = []
      const tasks: Array<WaitingTask> = []
      const first = gated("first")
      yield* pool.fork(first.task, { key: "k" })
      for (const [turn, gate] of gates.entries()) {
        const weight = (turn * 7) % 4
        tasks.push({ turn, weight, weightSince: turn })
        yield* pool.fork(
          Effect.andThen(
            Effect.sync(() => started.push(turn)),
            gate.task
          ),
          { key: "k", weight }
        )
        // Another key goes on in between.
        assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed(turn), { key: "other" })), turn)
      }
      assert.deepStrictEqual(started, [])
      yield* first.open
      for (const [count, { turn }] of tasks.sort(order).entries()) {
        yield* settle
        assert.strictEqual(started.length, count + 1)
        yield* gates[turn]!.open
      }
      yield* promptly(pool, pool.awaitIdle)
      assert.deepStrictEqual(
        started,
        tasks.map(({ turn }) => turn)
      )
    })
  )
}
