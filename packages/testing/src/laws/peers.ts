/**
 * Laws from the test suites of other pools and queues, which these pools keep too. Each names the library of its suite.
 */
import type { TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { collectingUncaught } from "../internal/uncaught.ts"
import {
  defectOf,
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

/** What other suites ask for. */
export const peerLaws = (laws: Laws): void => {
  startLaws(laws)
  concurrencyLaws(laws)
  failureLaws(laws)
  signalLaws(laws)
  abortLaws(laws)
  sourceLaws(laws)
}

// ---- nothing begins after the end of a bulk is known -----------------------------------------------------------------

type Step = (index: number) => Effect.Effect<number, string>

const generator = function* () {
  yield* numbers(9)
}
const asyncGenerator = async function* () {
  yield* numbers(9)
}

// Every way to run nine steps in bulk.
const bulks: Readonly<Record<string, (pool: TaskPoolService, step: Step) => Effect.Effect<unknown, unknown>>> = {
  "forEach over an array": (pool, step) => pool.forEach(numbers(9), step),
  "forEach over an array, discarding,": (pool, step) => pool.forEach(numbers(9), step, { discard: true }),
  "forEach over a generator": (pool, step) => pool.forEach(generator(), step, { unordered: true }),
  "forEach over an async generator": (pool, step) => pool.forEach(asyncGenerator(), step),
  all: (pool, step) => pool.all(numbers(9).map((index) => Effect.suspend(() => step(index)))),
  mapEffect: (pool, step) => Stream.runDrain(pool.mapEffect(Stream.fromIterable(numbers(9)), step)),
  "mapEffect, unordered,": (pool, step) =>
    Stream.runDrain(pool.mapEffect(Stream.fromIterable(numbers(9)), step, { unordered: true }))
}

// Every way in which a step can end a bulk.
const failures: Readonly<Record<string, Effect.Effect<never, string>>> = {
  "fails at once": Effect.fail("no"),
  "fails after a while": Effect.andThen(Effect.yieldNow, Effect.fail("no")),
  "dies at once": Effect.die("no"),
  "dies after a while": Effect.andThen(Effect.yieldNow, Effect.die("no")),
  "is interrupted": Effect.andThen(Effect.yieldNow, Effect.interrupt),
  "fails after its finalizer": Effect.ensuring(Effect.fail("no"), Effect.yieldNow)
}

const startLaws = (laws: Laws): void => {
  for (const [bulk, run] of Object.entries(bulks)) {
    for (const size of [1, 2, 3]) {
      const workers = size === 1 ? "one worker" : `${size} workers`
      laws.law(`nothing of ${bulk} begins once a step of it has failed, on ${workers} (as async)`, { size }, (pool) =>
        Effect.gen(function* () {
          for (const [how, failure] of Object.entries(failures)) {
            for (const others of [Effect.void, Effect.yieldNow, Effect.forEach(numbers(5), () => Effect.yieldNow)]) {
              for (const failing of [0, 1, 4]) {
                const began: Array<number> = []
                let ended = 0
                let beganThen = -1
                const step: Step = (index) => {
                  began.push(index)
                  const known = Effect.sync(() => void (beganThen = began.length))
                  const body = index === failing ? Effect.onExit(failure, () => known) : Effect.as(others, index)
                  return Effect.ensuring(
                    body,
                    Effect.sync(() => void ended++)
                  )
                }
                const exit = yield* Effect.exit(run(pool, step))
                yield* settle
                const what = `step ${failing} ${how}`
                assert.isTrue(Exit.isFailure(exit), what)
                assert.deepStrictEqual(began.slice(beganThen), [], `began after ${what}`)
                assert.strictEqual(ended, began.length, what)
                yield* expectStats(pool, { running: 0, waiting: 0 })
              }
            }
          }
        })
      )

      laws.law(`nothing of ${bulk} begins once its caller is interrupted, on ${workers} (as p-map)`, { size }, (pool) =>
        Effect.gen(function* () {
          for (const busy of [0, 1, 3]) {
            const began: Array<number> = []
            // The task ends in the step of its interruption, or later.
            const step: Step = (index) =>
              Effect.suspend(() => {
                began.push(index)
                return Effect.onInterrupt(Effect.never, () => Effect.forEach(numbers(busy), () => Effect.yieldNow))
              })
            const caller = yield* start(run(pool, step))
            yield* settle
            // An asynchronous source takes its own steps.
            while (began.length < size) yield* Effect.yieldNow
            const before = began.length
            yield* Fiber.interrupt(caller)
            yield* settle
            assert.deepStrictEqual(began.slice(before), [])
            yield* expectStats(pool, { running: 0, waiting: 0 })
          }
        })
      )

      laws.law(`the worker of a failed step of ${bulk} goes to others, on ${workers} (as p-limit)`, { size }, (pool) =>
        Effect.gen(function* () {
          const gate = gated("failed")
          const others = numbers(4).map((i) => gated(i))
          const step: Step = (index) =>
            index === 0 ? Effect.andThen(gate.task, Effect.fail("no")) : Effect.as(Effect.never, index)
          const caller = yield* start(run(pool, step))
          yield* gate.started
          while ((yield* pool.stats).running < size) yield* Effect.yieldNow
          const waiting = []
          for (const { task } of others) waiting.push(yield* start(pool.submit(task)))
          yield* gate.open
          assert.isTrue(Exit.isFailure(yield* Fiber.await(caller)))
          for (const { open } of others) yield* open
          assert.deepStrictEqual(yield* Fiber.joinAll(waiting), numbers(4))
          yield* expectStats(pool, { running: 0, waiting: 0, succeeded: 4 })
        })
      )
    }
  }

  laws.law("no task of mapEffect begins after its reader has left (as p-map)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      for (const take of [0, 1, 2, 5]) {
        const began: Array<number> = []
        const step = (index: number) =>
          Effect.suspend(() => {
            began.push(index)
            return Effect.as(Effect.yieldNow, index)
          })
        const mapped = pool.mapEffect(Stream.fromIterable(numbers(50)), step, { bufferSize: 2 })
        let beganThen = -1
        const left = Stream.ensuring(
          Stream.take(mapped, take),
          Effect.sync(() => void (beganThen = began.length))
        )
        assert.deepStrictEqual(Array.from(yield* Stream.runCollect(left)), numbers(take))
        yield* settle
        assert.deepStrictEqual(began.slice(beganThen), [])
        yield* expectStats(pool, { running: 0, waiting: 0 })
      }
    })
  )

  laws.law("a step that fails at once comes before what its source throws next (as p-map)", {}, (pool) =>
    Effect.gen(function* () {
      const source = function* () {
        yield 0
        throw new Error("source")
      }
      const failing = (): Effect.Effect<number, string> => Effect.fail("step")
      assert.deepStrictEqual(yield* Effect.exit(pool.forEach(source(), failing)), Exit.fail("step"))
    })
  )
}

// ---- concurrency --------------------------------------------------------------------------------------------------

const concurrencyLaws = (laws: Laws): void => {
  for (const size of [1, 4]) {
    laws.law(`${size} of 30 tasks run at once, no more and no fewer (as p-limit)`, { size }, (pool) =>
      Effect.gen(function* () {
        let running = 0
        const counts: Array<number> = []
        const task = (i: number) =>
          Effect.gen(function* () {
            running++
            for (let turn = 0; turn <= i % 3; turn++) yield* Effect.yieldNow
            counts.push(running--)
            return i
          })
        const all = yield* Effect.forEach(numbers(30), (i) => pool.submit(task(i)), { concurrency: "unbounded" })
        assert.deepStrictEqual(all, numbers(30))
        assert.strictEqual(Math.max(...counts), size)
        // All workers are busy until only the last tasks are left.
        assert.deepStrictEqual(new Set(counts.slice(0, 30 - size)), new Set([size]))
      })
    )
  }

  laws.law("more workers than tasks run all of them at once (as p-map)", { size: 1000 }, (pool) =>
    Effect.gen(function* () {
      const gates = numbers(100).map((i) => gated(i))
      const caller = yield* start(pool.forEach(gates, ({ task }) => task))
      yield* settle
      yield* expectStats(pool, { running: 100, waiting: 0 })
      for (const { open } of gates) yield* open
      assert.deepStrictEqual(yield* Fiber.join(caller), numbers(100))
    })
  )

  laws.law("tasks that suspend and tasks that do not share one queue in order (as p-queue)", {}, (pool) =>
    Effect.gen(function* () {
      const began: Array<number> = []
      const task = (i: number) =>
        Effect.suspend(() => {
          began.push(i)
          return i % 3 === 0 ? Effect.succeed(i) : Effect.as(i % 3 === 1 ? Effect.yieldNow : settle, i)
        })
      assert.deepStrictEqual(yield* pool.forEach(numbers(20), task), numbers(20))
      assert.deepStrictEqual(began, numbers(20))
    })
  )

  laws.law(
    "scaling up starts waiting tasks at once, scaling down lets running ones end (as p-queue)",
    { maxSize: 5 },
    (pool) =>
      Effect.gen(function* () {
        const gates = numbers(8).map((i) => gated(i))
        const callers = []
        for (const { task } of gates) callers.push(yield* start(pool.submit(task)))
        for (const [size, running] of [
          [1, 1],
          [4, 4],
          [2, 4],
          [5, 5],
          [1, 5]
        ] as const) {
          yield* pool.resize(size)
          yield* expectStats(pool, { running, targetSize: size })
        }
        const begun = () => gates.filter(({ counts }) => counts.begun > counts.ended)
        for (let left = 5; left > 1; left--) {
          yield* begun()[0]!.open
          yield* settle
          yield* expectStats(pool, { running: left - 1 })
        }
        for (const { open } of gates) yield* open
        assert.deepStrictEqual(yield* Fiber.joinAll(callers), numbers(8))
      })
  )

  laws.law(
    "a bulkhead fills its workers and its queue, and rejects the next task (as cockatiel)",
    { size: 2, onFull: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const places = laws.capacity ?? 3
        const gates = numbers(2 + places).map((i) => gated(i))
        const callers = []
        for (const [index, { task }] of gates.entries()) {
          callers.push(yield* start(pool.submit(task)))
          yield* expectStats(pool, { running: Math.min(index + 1, 2), waiting: Math.max(0, index - 1) })
        }
        let rejected = 0
        if (laws.capacity !== undefined) {
          expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "QueueFull")
          expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "QueueFull")
          rejected = 2
        }
        // The tasks end one after the other, and each frees one place.
        for (let left = gates.length; left > 0; left--) {
          yield* gates.find(({ counts }) => counts.begun > counts.ended)!.open
          yield* settle
          yield* expectStats(pool, {
            running: Math.min(left - 1, 2),
            waiting: Math.max(0, left - 3),
            rejected
          })
        }
        assert.deepStrictEqual(yield* Fiber.joinAll(callers), numbers(gates.length))
      })
  )
}

// ---- failures -----------------------------------------------------------------------------------------------------

const failureLaws = (laws: Laws): void => {
  laws.law("failures do not stop the queue, and every counter returns to 0 (as p-queue)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const ends: ReadonlyArray<() => Effect.Effect<number, string>> = [
        () => Effect.succeed(1),
        () => Effect.fail("no"),
        () => Effect.die("no"),
        () => {
          throw new Error("no")
        },
        () => Effect.andThen(Effect.yieldNow, Effect.fail("no")),
        () => Effect.interrupt
      ]
      const exits = yield* Effect.forEach(
        numbers(30),
        (i) => Effect.exit(pool.submit(() => ends[i % ends.length]!())),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        exits.map((exit) => Exit.isSuccess(exit)),
        numbers(30).map((i) => i % ends.length === 0)
      )
      yield* expectStats(pool, { running: 0, waiting: 0, succeeded: 5, failed: 20, interrupted: 5, submitted: 30 })
      yield* pool.awaitIdle
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law(
    "only the caller of a function that throws receives the error, when it is dispatched (as p-limit)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        let called = false
        const thrower = (): Effect.Effect<never> => {
          called = true
          throw new Error("no")
        }
        const callers = [yield* start(pool.submit(thrower)), yield* start(pool.submit(Effect.succeed("next")))]
        yield* settle
        assert.isFalse(called)
        yield* busy.release
        assert.instanceOf(defectOf(yield* Fiber.await(callers[0]!)), Error)
        assert.strictEqual(yield* Fiber.join(callers[1]!), "next")
      })
  )

  laws.law("no failure of a bulk's step reaches the process (as p-map)", { size: 2 }, (pool) =>
    collectingUncaught((uncaught) =>
      Effect.gen(function* () {
        const thrower = (i: number): Effect.Effect<number> => {
          if (i % 2 === 0) throw new Error("no")
          return Effect.die("no")
        }
        for (const source of [numbers(5), generator(), asyncGenerator()]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.forEach(source, thrower))))
        }
        const handles = yield* Effect.forEach(numbers(5), (i) => pool.fork(() => thrower(i)))
        yield* pool.awaitIdle
        assert.strictEqual(handles.length, 5)
        yield* settle
        assert.deepStrictEqual(uncaught, [])
      })
    )
  )

  laws.law("an async function is not a task, and its rejection is dropped (as p-limit)", {}, (pool) =>
    collectingUncaught((uncaught) =>
      Effect.gen(function* () {
        const rejecting = (async () => {
          await Promise.resolve()
          throw new Error("rejected")
        }) as unknown as () => Effect.Effect<never>
        const exits = [
          yield* Effect.exit(pool.submit(rejecting)),
          yield* Effect.exit(Effect.flatMap(pool.fork(rejecting), (handle) => handle.join)),
          yield* Effect.exit(pool.forEach([1], rejecting)),
          yield* Effect.exit(Stream.runDrain(pool.mapEffect(Stream.make(1), rejecting)))
        ]
        // The process reports a rejection when the microtasks have run.
        yield* settle
        for (const exit of exits) {
          const defect = defectOf(exit)
          assert.instanceOf(defect, TypeError)
          assert.include(defect.message, "async")
        }
        assert.deepStrictEqual(uncaught, [])
        yield* expectStats(pool, { running: 0, failed: 4 })
      })
    )
  )

  laws.law("a mapper that is not a function is a TypeError of its own call (as p-map)", {}, (pool) =>
    Effect.gen(function* () {
      const wrong = 5 as unknown as () => Effect.Effect<number>
      assert.instanceOf(defectOf(yield* Effect.exit(pool.forEach([1, 2], wrong))), TypeError)
      assert.instanceOf(
        defectOf(yield* Effect.exit(Stream.runDrain(pool.mapEffect(Stream.make(1, 2), wrong)))),
        TypeError
      )
      for (const source of [5, undefined, null, {}]) {
        assert.instanceOf(defectOf(yield* Effect.exit(pool.forEach(source as never, Effect.succeed))), TypeError)
      }
      assert.strictEqual(yield* pool.submit(Effect.succeed("next")), "next")
    })
  )
}

// ---- signals ------------------------------------------------------------------------------------------------------

const signalLaws = (laws: Laws): void => {
  laws.law(
    "all fibers that wait for the idle pool are resumed when it is idle, each time (as fastq)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.awaitIdle
        yield* pool.awaitEmpty
        for (const end of [Effect.void, Effect.fail("no"), Effect.die("no"), Effect.interrupt]) {
          const gates = numbers(4).map((i) => gated(i))
          const callers = []
          for (const { task } of gates) callers.push(yield* start(Effect.exit(pool.submit(Effect.andThen(task, end)))))
          const waiters = yield* Effect.forEach(numbers(3), () => start(pool.awaitIdle))
          const empty = yield* start(pool.awaitEmpty)
          for (const [index, { open }] of gates.entries()) {
            assert.isFalse(waiters.some(hasEnded), `resumed before task ${index} has ended`)
            yield* open
            yield* settle
          }
          assert.isTrue(waiters.every(hasEnded) && hasEnded(empty))
          yield* Fiber.joinAll(callers)
          yield* pool.awaitIdle
        }
      })
  )

  laws.law("awaitEmpty returns when the last task starts (as p-queue)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const gates = [gated(0), gated(1)]
      const callers = []
      for (const { task } of gates) callers.push(yield* start(pool.submit(task)))
      const empty = yield* start(pool.awaitEmpty)
      const idle = yield* start(pool.awaitIdle)
      yield* settle
      assert.isFalse(hasEnded(empty))
      yield* gates[0]!.open
      yield* settle
      assert.isTrue(hasEnded(empty))
      assert.isFalse(hasEnded(idle))
      yield* gates[1]!.open
      yield* Fiber.joinAll([...callers, idle])
    })
  )

  laws.law("awaitIdle also waits for tasks that tasks submit meanwhile (as p-queue)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      let ended = 0
      const task = (left: number): Effect.Effect<void> =>
        Effect.gen(function* () {
          yield* Effect.yieldNow
          // A pool without a queue takes it only while a worker is free.
          if (left > 0) yield* Effect.exit(pool.submitNowait(task(left - 1)))
          yield* Effect.yieldNow
          ended++
        })
      yield* pool.fork(task(10))
      yield* pool.awaitIdle
      assert.strictEqual(ended, 11)
      yield* expectStats(pool, { succeeded: 11, running: 0, waiting: 0 })
    })
  )

  laws.law(
    "interrupting a pool resumes the fibers that wait for it, and the reopened pool works (as fastq)",
    {},
    (pool) =>
      Effect.gen(function* () {
        for (let round = 1; round <= 3; round++) {
          const running = gated("running")
          const callers = [yield* start(pool.submit(running.task))]
          yield* running.started
          for (const i of numbers(3)) callers.push(yield* start(pool.submit(Effect.succeed(`never ${i}`))))
          const idle = yield* start(pool.awaitIdle)
          yield* pool.close({ mode: "interrupt" })
          yield* settle
          assert.isTrue(hasEnded(idle))
          expectCancelled(yield* Fiber.await(callers[0]!), { reason: "Closed", started: true })
          for (const caller of callers) assert.isTrue(Exit.isFailure(yield* Fiber.await(caller)))
          yield* expectStats(pool, { phase: "Closed", running: 0, waiting: 0, succeeded: round - 1 })
          yield* pool.start
          assert.strictEqual(yield* pool.submit(Effect.succeed("again")), "again")
        }
      })
  )

  laws.law("a task may pause its own pool: admitted tasks continue (as async)", {}, (pool) =>
    Effect.gen(function* () {
      const pausing = gated("pausing")
      const accepted = laws.capacity === 0 ? [] : [gated("accepted")]
      const first = yield* start(pool.submit(Effect.andThen(pausing.task, pool.pause)))
      const others = []
      for (const { task } of accepted) others.push(yield* start(pool.submit(task)))
      yield* pausing.open
      assert.isTrue(yield* Fiber.join(first))
      expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Paused")
      for (const { open } of accepted) yield* open
      yield* Fiber.joinAll(others)
      assert.isFalse(yield* pool.resume)
      assert.strictEqual(yield* pool.submit(Effect.succeed("resumed")), "resumed")
    })
  )
}

// ---- aborting -----------------------------------------------------------------------------------------------------

const abortLaws = (laws: Laws): void => {
  laws.law("a task that is aborted while it waits never begins, and the next one does (as cockatiel)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      let begun = false
      const aborted = yield* start(pool.submit(Effect.sync(() => void (begun = true))))
      const next = yield* start(pool.submit(Effect.succeed("next")))
      yield* Fiber.interrupt(aborted)
      yield* busy.release
      assert.strictEqual(yield* Fiber.join(next), "next")
      assert.isFalse(begun)
      yield* expectStats(pool, { running: 0, waiting: 0, succeeded: 2 })
    })
  )

  laws.law("a caller that is aborted before it submits leaves no task (as p-queue)", {}, (pool) =>
    Effect.gen(function* () {
      const caller = yield* Effect.forkChild(Effect.interruptible(pool.submit(Effect.succeed("never"))))
      yield* Fiber.interrupt(caller)
      yield* expectStats(pool, { submitted: 0, running: 0, waiting: 0 })
    })
  )

  laws.lawOnce(
    "aborting 10,000 tasks at once does not overflow the stack and leaves nothing behind (as p-queue)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const callers = []
        for (const i of numbers(10_000)) callers.push(yield* start(pool.submit(Effect.succeed(i))))
        const last = yield* start(pool.submit(Effect.succeed("last")))
        yield* expectStats(pool, { waiting: 10_001 })
        yield* Fiber.interruptAll(callers)
        yield* expectStats(pool, { waiting: 1, cancelled: 10_000 })
        yield* busy.release
        assert.strictEqual(yield* Fiber.join(last), "last")
      })
  )

  laws.law("any waiting task can be removed, and the others run (as async)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const began = new Set<number>()
      const handles = yield* Effect.forEach(numbers(Math.min(5, laws.capacity ?? 5)), (i) =>
        pool.fork(Effect.sync(() => began.add(i)))
      )
      const removed = handles.length >> 1
      yield* handles[removed]!.cancel
      yield* handles[removed]!.cancel
      expectCancelled(yield* handles[removed]!.await, { reason: "Cancelled", started: false })
      yield* busy.release
      yield* pool.awaitIdle
      assert.deepStrictEqual(began, new Set(numbers(handles.length).filter((i) => i !== removed)))
      yield* expectStats(pool, { cancelled: 1, waiting: 0, running: 0 })
    })
  )

  laws.law("a timeout around a waiting task removes it from the queue (as p-queue)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      let begun = false
      const caller = yield* start(
        Effect.race(pool.submit(Effect.sync(() => void (begun = true))), Effect.as(settle, "timed out"))
      )
      assert.strictEqual(yield* Fiber.join(caller), "timed out")
      yield* expectStats(pool, { waiting: 0, running: 1 })
      yield* busy.release
      yield* pool.awaitIdle
      assert.isFalse(begun)
    })
  )
}

// ---- sources ------------------------------------------------------------------------------------------------------

const sourceLaws = (laws: Laws): void => {
  laws.law("every kind of iterable is a source, and the index is passed (as p-limit)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const map = new Map([
        ["a", 1],
        ["b", 2]
      ])
      const sources: ReadonlyArray<readonly [Iterable<unknown> | AsyncIterable<unknown>, ReadonlyArray<unknown>]> = [
        [new Set([3, 1, 2]), [3, 1, 2]],
        [map, Array.from(map)],
        [map.keys(), ["a", "b"]],
        ["aβ😀", ["a", "β", "😀"]],
        [new Uint8Array([7, 8]), [7, 8]],
        [[1, 2][Symbol.iterator](), [1, 2]],
        [Object.assign(Array.from({ length: 0 }), { 0: 1, 2: 3, length: 3 }), [1, undefined, 3]],
        [generator(), numbers(9)],
        [asyncGenerator(), numbers(9)],
        [[], []]
      ]
      for (const [source, expected] of sources) {
        const slow = (item: unknown, index: number) =>
          Effect.as(index % 2 === 0 ? settle : Effect.yieldNow, [item, index])
        assert.deepStrictEqual(
          yield* pool.forEach(source as Iterable<unknown>, slow),
          expected.map((item, index) => [item, index])
        )
      }
    })
  )

  laws.law("undefined, null and other falsy values are results too (as async)", {}, (pool) =>
    Effect.gen(function* () {
      const nothing = [undefined, null, 0, "", false, Number.NaN]
      const effects = nothing.map((value) => Effect.succeed(value))
      assert.deepStrictEqual(yield* pool.forEach(nothing, Effect.succeed), nothing)
      assert.deepStrictEqual(yield* pool.all(effects), nothing)
      const mapped = pool.mapEffect(Stream.fromIterable(nothing), Effect.succeed)
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(mapped)), nothing)
      for (const effect of effects) assert.deepStrictEqual(yield* pool.submit(effect), yield* effect)
    })
  )

  laws.law("a record may have any key, and no result becomes a prototype (as async)", {}, (pool) =>
    Effect.gen(function* () {
      const record = yield* pool.all({ ["__proto__"]: Effect.succeed({ polluted: true }), a: Effect.succeed(1) })
      assert.deepStrictEqual(
        Object.keys(record).sort((a, b) => a.localeCompare(b)),
        ["__proto__", "a"]
      )
      assert.strictEqual(Object.getPrototypeOf(record), Object.prototype)
      assert.isUndefined(({} as { polluted?: boolean }).polluted)
      assert.deepStrictEqual(yield* pool.all({}), {})
    })
  )

  laws.law("an empty bulk needs no worker and no place (as p-map)", { minSize: 0, maxSize: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      if (laws.capacity === 1) yield* pool.fork(Effect.void)
      for (const empty of [pool.forEach([], Effect.succeed), pool.all([]), pool.all({})]) {
        const caller = yield* start(empty)
        yield* settle
        assert.isTrue(hasEnded(caller))
      }
      const stream = yield* start(Stream.runCollect(pool.mapEffect(Stream.empty, Effect.succeed)))
      yield* settle
      assert.isTrue(hasEnded(stream))
      yield* pool.pause
      assert.deepStrictEqual(yield* pool.forEach([], Effect.succeed), [])
      yield* expectStats(pool, { rejected: 0 })
      yield* busy.release
    })
  )

  laws.law(
    "an error that a source throws at any item ends its bulk after the items before (as p-map)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        for (const at of [0, 1, 4]) {
          const ended: Array<number> = []
          const item = (i: number) =>
            Effect.andThen(
              settle,
              Effect.sync(() => ended.push(i))
            )
          const failing = function* () {
            for (const i of numbers(at)) yield i
            throw new Error("source")
          }
          const failingLater = async function* () {
            yield* failing()
          }
          for (const source of [failing, failingLater]) {
            ended.length = 0
            const exit = yield* Effect.exit(pool.forEach(source(), item))
            assert.strictEqual((defectOf(exit) as Error).message, "source")
            assert.deepStrictEqual(ended, numbers(at))
            yield* expectStats(pool, { running: 0, waiting: 0 })
          }
        }
      })
  )

  laws.law("the iterator of a failed bulk is closed once, also if closing it throws (as p-map)", {}, (pool) =>
    Effect.gen(function* () {
      for (const throws of [false, true]) {
        let left = 0
        const source = function* () {
          try {
            yield* numbers(9)
          } finally {
            left++
            // oxlint-disable-next-line no-unsafe-finally
            if (throws) throw new Error("leaving")
          }
        }
        const exit = yield* Effect.exit(
          pool.forEach(source(), (i): Effect.Effect<number, string> =>
            i === 2 ? Effect.fail("no") : Effect.succeed(i)
          )
        )
        const reasons = Exit.isFailure(exit) ? exit.cause.reasons : []
        assert.isTrue(Cause.isFailReason(reasons[0]!) && reasons[0].error === "no", String(exit))
        assert.strictEqual(reasons.filter(Cause.isDieReason).length, throws ? 1 : 0, String(exit))
        assert.strictEqual(left, 1)
      }
    })
  )
}
