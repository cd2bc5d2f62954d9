import { type TaskPoolService, UnknownTaskWeight } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  defectOf,
  expectNotAvailable,
  expectStats,
  gated,
  gatedFinalizer,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

// Counts the requests for elements, and records whether it was closed.
const counted = (limit = Infinity) => {
  const source = {
    pulled: 0,
    left: 0,
    [Symbol.iterator]: () => ({
      next: () =>
        source.pulled < limit ? { done: false as const, value: source.pulled++ } : { done: true as const, value: 0 },
      return: () => {
        source.left++
        return { done: true as const, value: 0 }
      }
    })
  }
  return source
}

type Holder = "own" | "bracket" | "caller"

// A resource that tasks use, and streams that hold it. Counts the uses at its release and after it.
const heldResource = () => {
  const counts = { uses: 0, releases: 0, early: 0 }
  const release = Effect.sync(() => {
    counts.releases++
    counts.early += counts.uses
  })
  const use = <A, E>(effect: Effect.Effect<A, E>) => {
    const begin = Effect.sync(() => {
      counts.uses++
      counts.early += counts.releases
    })
    const end = Effect.andThen(
      settle,
      Effect.sync(() => void counts.uses--)
    )
    return Effect.andThen(begin, Effect.ensuring(effect, end))
  }
  const acquired = Effect.acquireRelease(Effect.void, () => release)
  const elements = Stream.fromIterable(numbers(5))
  const streams: Record<Holder, Stream.Stream<number, never, Scope.Scope>> = {
    own: Stream.unwrap(Effect.as(acquired, elements)),
    // The end of such a stream, or the interruption of a pull, releases the resource.
    bracket: Stream.ensuring(Stream.concat(elements, Stream.never), release),
    // The caller closes its scope.
    caller: Stream.flatMap(Stream.fromEffect(acquired), () => elements)
  }
  return { counts, use, streams }
}

/** Many tasks from one source, pulled on demand. */
export const streamingLaws = (laws: Laws): void => {
  laws.law("forEach returns the results in the order of the items, within the limit (I1)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const task = (item: number, index: number) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          for (let i = 0; i < 5 - (item % 5); i++) yield* Effect.yieldNow
          running--
          return [item, index]
        })
      const results = yield* pool.forEach(numbers(50), task)
      assert.deepStrictEqual(
        results,
        numbers(50).map((i) => [i, i])
      )
      assert.strictEqual(most, 3)
      yield* expectStats(pool, { submitted: 50, succeeded: 50, running: 0, waiting: 0 })
    })
  )

  laws.law(
    "forEach returns results in the order of completion with `unordered`, and none with `discard`",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const task = (item: string) => Effect.as(item === "late" ? settle : Effect.void, item)
        assert.deepStrictEqual(yield* pool.forEach(["late", "early"], task, { unordered: true }), ["early", "late"])
        assert.isUndefined(yield* pool.forEach(numbers(5), Effect.succeed, { discard: true }))
        assert.deepStrictEqual(yield* pool.forEach([] as Array<number>, Effect.succeed), [])
      })
  )

  laws.law("forEach pulls an item only when the pool can take it", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const source = counted()
      const gate = gated("go")
      const caller = yield* start(pool.forEach(source, (item) => Effect.as(gate.task, item)))
      yield* settle
      // Two run, and one waits where there is a queue.
      assert.strictEqual(source.pulled, laws.capacity === 0 ? 2 : 3)
      yield* Fiber.interrupt(caller)
      assert.strictEqual(source.left, 1)
      yield* expectStats(pool, { running: 0, waiting: 0 })
    })
  )

  laws.law("forEach on a pool without a free worker pulls only the items that wait", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const source = counted(5)
      const caller = yield* start(pool.forEach(source, Effect.succeed))
      yield* settle
      assert.strictEqual(source.pulled, laws.capacity === 0 ? 0 : 1)
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(caller), numbers(5))
    })
  )

  laws.law(
    "the first failure of forEach interrupts the other tasks, waits for them, and pulls no more",
    { size: 3 },
    (pool) =>
      Effect.gen(function* () {
        const source = counted()
        const slow = gatedFinalizer()
        const task = (item: number): Effect.Effect<number, string> =>
          item === 0 ? slow.task : item < 20 ? Effect.succeed(item) : Effect.fail("twenty")
        const caller = yield* start(pool.forEach(source, task))
        yield* settle
        assert.isFalse(hasEnded(caller))
        assert.isAtMost(source.pulled, 24)
        const { pulled } = source
        yield* slow.openFinalizer
        assert.strictEqual(yield* Effect.flip(Fiber.join(caller)), "twenty")
        assert.strictEqual(source.pulled, pulled)
        assert.strictEqual(source.left, 1)
        yield* expectStats(pool, { running: 0, waiting: 0 })
      })
  )

  laws.law("interrupting the caller of forEach interrupts its tasks and waits for their finalizers (I1)", {}, (pool) =>
    Effect.gen(function* () {
      const slow = gatedFinalizer()
      const caller = yield* start(pool.forEach(counted(), () => slow.task))
      yield* slow.started
      const interrupting = yield* start(Fiber.interrupt(caller))
      yield* settle
      assert.isFalse(hasEnded(interrupting))
      yield* expectStats(pool, { running: 1, waiting: 0 })
      yield* slow.openFinalizer
      yield* Fiber.join(interrupting)
      yield* expectStats(pool, { running: 0, waiting: 0 })
    })
  )

  laws.law("an error of a source is a defect, after the tasks of its items have settled", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const defect = new Error("source")
      const source = function* () {
        yield 0
        throw defect
      }
      const task = gated(0)
      const caller = yield* start(pool.forEach(source(), () => task.task))
      yield* settle
      assert.isFalse(hasEnded(caller))
      yield* task.open
      assert.strictEqual(defectOf(yield* Fiber.await(caller)), defect)
      yield* expectStats(pool, { submitted: 1, succeeded: 1, running: 0 })
    })
  )

  laws.law("an error of the function of forEach is a defect, and frees the worker", {}, (pool) =>
    Effect.gen(function* () {
      const defect = new Error("f")
      const thrower = (): Effect.Effect<never> => {
        throw defect
      }
      assert.strictEqual(defectOf(yield* Effect.exit(pool.forEach(numbers(3), thrower))), defect)
      assert.instanceOf(
        defectOf(yield* Effect.exit(pool.forEach(numbers(3), Effect.succeed, { weight: 0.5 }))),
        UnknownTaskWeight
      )
      yield* expectStats(pool, { running: 0, waiting: 0 })
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("forEach accepts asynchronous sources", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const source = async function* () {
        for (const i of numbers(10)) yield await Promise.resolve(i)
      }
      assert.deepStrictEqual(
        yield* pool.forEach(source(), (i) => Effect.succeed(i * 2)),
        numbers(10).map((i) => i * 2)
      )
    })
  )

  laws.law(
    "forEach waits at the door whatever onFull says, and a paused or closed pool rejects it",
    { onFull: "fail" },
    (pool) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* pool.forEach(numbers(10), (i) => Effect.as(Effect.yieldNow, i)), numbers(10))
        yield* pool.pause
        expectNotAvailable(yield* Effect.exit(pool.forEach(numbers(3), Effect.succeed)), "Paused")
        yield* pool.close()
        expectNotAvailable(yield* Effect.exit(pool.forEach(numbers(3), Effect.succeed)), "Closed")
      })
  )

  laws.law("two forEach and a submitter share one worker", {}, (pool) =>
    Effect.gen(function* () {
      const task = (i: number) => Effect.as(Effect.yieldNow, i)
      const one = yield* start(pool.forEach(numbers(50), task))
      const two = yield* start(pool.forEach(numbers(50), task))
      assert.strictEqual(yield* pool.submit(Effect.succeed("mine")), "mine")
      assert.deepStrictEqual(yield* Fiber.join(one), numbers(50))
      assert.deepStrictEqual(yield* Fiber.join(two), numbers(50))
      yield* expectStats(pool, { succeeded: 101, largestSize: 1 })
    })
  )

  laws.law("all returns tuples and records in the shape of its argument", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pool.all([Effect.succeed(1), Effect.succeed("two")]), [1, "two"])
      assert.deepStrictEqual(yield* pool.all({ a: Effect.succeed(1), b: Effect.succeed("two") }), { a: 1, b: "two" })
      assert.strictEqual(yield* Effect.flip(pool.all([Effect.never, Effect.fail("first")])), "first")
      yield* expectStats(pool, { running: 0, waiting: 0 })
    })
  )

  laws.law("mapEffect maps a stream in order, within the limit (I1)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const task = (item: number) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          for (let i = 0; i < 4 - (item % 4); i++) yield* Effect.yieldNow
          running--
          return item * 2
        })
      const results = yield* Stream.runCollect(pool.mapEffect(Stream.fromIterable(numbers(40)), task))
      assert.deepStrictEqual(
        Array.from(results),
        numbers(40).map((i) => i * 2)
      )
      assert.isAtMost(most, 3)
      const unordered = pool.mapEffect(Stream.fromIterable(numbers(40)), task, { unordered: true })
      const sum = Array.from(yield* Stream.runCollect(unordered)).reduce((a, b) => a + b)
      assert.strictEqual(sum, numbers(40).reduce((a, b) => a + b) * 2)
    })
  )

  laws.law("mapEffect pulls on demand: an infinite stream ends when its reader leaves", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      let left = false
      const upstream = Stream.ensuring(
        Stream.fromIterable(counted()),
        Effect.sync(() => void (left = true))
      )
      const mapped = pool.mapEffect(upstream, (i) => Effect.as(Effect.yieldNow, i), { bufferSize: 4 })
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(Stream.take(mapped, 10))), numbers(10))
      assert.isTrue(left)
      yield* expectStats(pool, { running: 0, waiting: 0 })
      assert.isAtMost((yield* pool.stats).submitted, 10 + 4 + 2 + 2)
    })
  )

  laws.lawOnce("a place is reserved while its source is asked for an item (I4)", { capacity: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const asked: Array<Exit.Exit<unknown, unknown> | undefined> = []
      const source = function* () {
        asked.push(Effect.runFork(pool.submitNowait(Effect.void)).pollUnsafe())
        yield 0
      }
      const bulk = yield* start(pool.forEach(source(), Effect.succeed))
      yield* settle
      expectNotAvailable(asked[0]!, "QueueFull")
      yield* expectStats(pool, { waiting: 1, atDoor: 0 })
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(bulk), [0])
    })
  )

  laws.law("mapEffect returns each element once, also if it waited for a worker (I3)", {}, (pool) =>
    Effect.gen(function* () {
      for (const unordered of [false, true]) {
        for (const bufferSize of [1, 2, 3, 16]) {
          for (const step of [Effect.void, Effect.yieldNow]) {
            const busy = yield* occupy(pool, 1)
            const mapped = pool.mapEffect(Stream.fromIterable(numbers(5)), (i) => Effect.as(step, i), {
              unordered,
              bufferSize
            })
            const reader = yield* start(Stream.runCollect(mapped))
            yield* settle
            yield* busy.release
            for (let turn = 0; turn < 5; turn++) yield* settle
            assert.isTrue(hasEnded(reader))
            assert.deepStrictEqual(Array.from(yield* Fiber.join(reader)), numbers(5))
          }
        }
      }
    })
  )

  laws.law("a place that a stream releases goes to the door (I9)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const mapped = pool.mapEffect(Stream.fromIterable(numbers(5)), Effect.succeed)
      const reader = yield* start(Stream.runDrain(mapped))
      yield* settle
      const bulk = yield* start(pool.forEach(counted(3), Effect.succeed))
      yield* settle
      yield* Fiber.interrupt(reader)
      yield* expectStats(pool, laws.capacity === 0 ? { waiting: 0, atDoor: 1 } : { waiting: 1, atDoor: 0 })
      yield* busy.release
      assert.deepStrictEqual(yield* Fiber.join(bulk), numbers(3))
    })
  )

  laws.law(
    "the first failure of mapEffect fails the stream, and ends its tasks and the upstream",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        let left = false
        const upstream = Stream.ensuring(
          Stream.fromIterable(counted()),
          Effect.sync(() => void (left = true))
        )
        const mapped = pool.mapEffect(upstream, (i) => (i === 7 ? Effect.fail("seven") : Effect.succeed(i)))
        assert.strictEqual(yield* Effect.flip(Stream.runDrain(mapped)), "seven")
        assert.isTrue(left)
        yield* expectStats(pool, { running: 0, waiting: 0 })
        const dead = pool.mapEffect(Stream.fail("upstream"), Effect.succeed)
        assert.deepStrictEqual(yield* Effect.exit(Stream.runDrain(dead)), Exit.fail("upstream"))
      })
  )

  type Mapped = Stream.Stream<number, unknown, Scope.Scope>
  const interrupted = (mapped: Mapped) =>
    Effect.gen(function* () {
      const reader = yield* start(Stream.runDrain(mapped))
      yield* settle
      yield* Fiber.interrupt(reader)
    })
  const paused = (mapped: Mapped, pool: TaskPoolService) =>
    Effect.gen(function* () {
      const reader = yield* start(Stream.runDrain(mapped))
      for (let turn = 0; turn < 2; turn++) yield* settle
      yield* pool.pause
      expectNotAvailable(yield* Fiber.await(reader), "Paused")
      yield* pool.resume
    })
  const slowly = (i: number) =>
    Effect.as(
      Effect.forEach(numbers(5), () => settle),
      i
    )
  const all: ReadonlyArray<Holder> = ["own", "bracket", "caller"]
  const endings: ReadonlyArray<{
    readonly name: string
    readonly task: (i: number) => Effect.Effect<number, string>
    readonly run: (mapped: Mapped, pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
    readonly streams: ReadonlyArray<Holder>
  }> = [
    { name: "that was read to its end", task: slowly, run: Stream.runDrain, streams: ["own", "caller"] },
    {
      name: "that a task failed",
      task: (i) => (i === 1 ? Effect.andThen(settle, Effect.fail("one")) : Effect.never),
      run: (mapped) => Effect.flip(Stream.runDrain(mapped)),
      streams: all
    },
    {
      name: "that its reader left early",
      task: slowly,
      run: (mapped) => Stream.runDrain(Stream.take(mapped, 1)),
      streams: all
    },
    { name: "whose reader was interrupted", task: () => Effect.never, run: interrupted, streams: all },
    { name: "whose pool was paused", task: slowly, run: paused, streams: ["own", "caller"] }
  ]
  for (const { name, run, streams: holders, task } of endings) {
    laws.law(`what the upstream of a mapEffect ${name} holds is released after its tasks`, { size: 2 }, (pool) =>
      Effect.gen(function* () {
        for (const which of holders) {
          const { counts, streams, use } = heldResource()
          const mapped = pool
            .mapEffect(streams[which], (i) => use(task(i)))
            .pipe(Stream.tap(() => Effect.sync(() => (counts.early += counts.releases))))
          yield* Effect.scoped(run(mapped, pool))
          assert.deepStrictEqual(counts, { uses: 0, releases: 1, early: 0 }, which)
        }
      })
    )
  }
}
