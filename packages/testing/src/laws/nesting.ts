import { type TaskHandle, TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  defectOf,
  expectCancelled,
  expectConserved,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type Laws,
  settle,
  start
} from "./kit.ts"

/** Tasks that wait for their own pool. */
export const nestingLaws = (laws: Laws): void => {
  waitingLaws(laws)
  takingBackLaws(laws)
  markLaws(laws)
  scalingLaws(laws)
  failingLaws(laws)
  queueingLaws(laws)
  insideLaws(laws)
}

/** Each operation in which a task can wait for its own pool, around one inner task. */
const waits: Readonly<
  Record<string, (pool: TaskPoolService, inner: Effect.Effect<string, any>) => Effect.Effect<unknown, any>>
> = {
  submit: (pool, inner) => pool.submit(inner),
  "submit of a function": (pool, inner) => pool.submit(() => inner),
  forEach: (pool, inner) =>
    Effect.map(
      pool.forEach([0], () => inner),
      ([result]) => result
    ),
  "forEach of an asynchronous source": (pool, inner) =>
    Effect.map(
      pool.forEach(oneLater(), () => inner),
      ([result]) => result
    ),
  all: (pool, inner) => Effect.map(pool.all([inner]), ([result]) => result),
  mapEffect: (pool, inner) => firstOf(pool.mapEffect(Stream.make(0), () => inner)),
  "mapEffect, unordered,": (pool, inner) => firstOf(pool.mapEffect(Stream.make(0), () => inner, { unordered: true })),
  "mapEffect up to its end": (pool, inner) =>
    Effect.map(Stream.runCollect(pool.mapEffect(Stream.make(0), () => inner)), ([result]) => result)
}

const firstOf = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runHead(stream), Option.getOrUndefined)

/** As `waits`, for operations on a handle. */
const handleWaits: typeof waits = {
  join: (pool, inner) => Effect.flatMap(pool.fork(inner), (handle) => handle.join),
  await: (pool, inner) => Effect.flatMap(pool.fork(inner), (handle) => Effect.flatten(handle.await))
}

async function* oneLater(): AsyncGenerator<number> {
  await Promise.resolve()
  yield 0
}

const waitingLaws = (laws: Laws): void => {
  for (const [name, wait] of Object.entries({ ...waits, ...handleWaits })) {
    laws.law(`a task lends its worker while it waits in ${name}, so that one worker is enough (load 1)`, {}, (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = yield* start(pool.submit(wait(pool, inner.task)))
        yield* reached(pool, inner.started)
        yield* expectStats(pool, { running: 2, busy: 1, lent: 1, size: 1, targetSize: 1, waiting: 0 })
        yield* inner.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
        yield* expectStats(pool, { running: 0, busy: 0, lent: 0, succeeded: 2 })
      })
    )
  }

  laws.law("a task lends its worker while it waits at the door in fork (load 1)", { capacity: laws.bound }, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* start(
        pool.submit(Effect.forEach(Array.from({ length: laws.bound + 2 }), () => pool.fork(inner.task)))
      )
      yield* reached(pool, inner.started)
      yield* expectStats(pool, {
        running: 2,
        busy: 1,
        lent: 1,
        waiting: laws.bound,
        atDoor: 0
      })
      yield* inner.open
      yield* promptly(pool, Fiber.join(outer))
      yield* promptly(pool, pool.awaitIdle)
      yield* expectStats(pool, { busy: 0, lent: 0, succeeded: laws.bound + 3 })
    })
  )

  laws.law(
    "a task that leaves a stream early lends its worker until the stream's tasks have ended (load 1)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const f = (element: number): Effect.Effect<void, unknown> =>
          element === 1
            ? Effect.fail("boom")
            : Effect.onInterrupt(Effect.andThen(settle, pool.submit(settle)), () => Effect.ignore(pool.submit(settle)))
        const mapped = Stream.runDrain(pool.mapEffect(Stream.make(0, 1), f))
        const exit: Exit.Exit<void, unknown> = yield* promptly(pool, Effect.exit(pool.submit(mapped)))
        assert.deepStrictEqual(exit, Exit.fail("boom"))
        yield* promptly(pool, pool.awaitIdle)
      })
  )

  laws.law(
    "a task that is too large for the pool is refused at once, also in a task (load 5, load 11a, Nested)",
    { capacity: laws.bound },
    (pool) =>
      Effect.gen(function* () {
        const large = { permits: 99 }
        const inner = gated("inner")
        const outer = yield* start(
          pool.submit(
            Effect.gen(function* () {
              yield* Effect.forEach(Array.from({ length: laws.bound }), () => pool.fork(inner.task))
              yield* settle
              return [
                yield* Effect.exit(pool.fork(Effect.void, large)),
                yield* Effect.exit(pool.submit(Effect.void, large)),
                yield* Effect.exit(Effect.andThen(pool.pause, pool.submit(Effect.void)))
              ] as const
            })
          )
        )
        const [forked, submitted, paused] = yield* promptly(pool, Fiber.join(outer))
        expectNotAvailable(forked, "TooLarge")
        expectNotAvailable(submitted, "TooLarge")
        expectNotAvailable(paused, "Paused")
        yield* inner.open
        yield* promptly(pool, pool.awaitIdle)
      })
  )

  laws.law("a fork that finds a place does not lend its task's worker (load 1)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const seen = yield* pool.submit(Effect.andThen(pool.fork(Effect.void), pool.stats))
      assert.deepInclude(seen, { running: 1, busy: 1, lent: 0, waiting: 1 })
      yield* pool.awaitIdle
    })
  )

  laws.law("submits nest to a depth of 1,000 on one worker (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<number, any> =>
        depth === 0 ? Effect.succeed(0) : Effect.map(pool.submit(nest(depth - 1)), (below) => below + 1)
      assert.strictEqual(yield* promptly(pool, nest(1000)), 1000)
      yield* expectStats(pool, { succeeded: 1000, running: 0, busy: 0, lent: 0 })
    })
  )

  laws.law("submits of tasks that suspend nest to a depth of 1,000 on one worker (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<number, any> =>
        depth === 0
          ? Effect.yieldNow.pipe(Effect.as(0))
          : Effect.andThen(
              Effect.yieldNow,
              Effect.map(pool.submit(nest(depth - 1)), (below) => below + 1)
            )
      assert.strictEqual(yield* promptly(pool, nest(1000)), 1000)
      yield* expectStats(pool, { succeeded: 1000, running: 0, busy: 0, lent: 0 })
    })
  )

  laws.law("forEach within forEach within forEach ends on one worker, in order (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<ReadonlyArray<unknown>, any> =>
        pool.forEach([1, 2, 3], (item): Effect.Effect<unknown, any> =>
          depth === 0 ? Effect.succeed(item) : nest(depth - 1)
        )
      const leaf = [1, 2, 3]
      const branch = [leaf, leaf, leaf]
      assert.deepStrictEqual(yield* promptly(pool, nest(2)), [branch, branch, branch])
      yield* expectStats(pool, { succeeded: 3 + 9 + 27, busy: 0, lent: 0 })
    })
  )

  laws.law("Effect.all of submits within tasks ends on one worker, however they suspend (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<number, any> =>
        depth === 0
          ? Effect.as(Effect.yieldNow, 1)
          : Effect.map(
              Effect.all(
                [pool.submit(nest(depth - 1)), Effect.andThen(Effect.yieldNow, pool.submit(nest(depth - 1)))],
                {
                  concurrency: "unbounded"
                }
              ),
              ([left, right]) => left + right
            )
      assert.strictEqual(yield* promptly(pool, pool.submit(nest(5))), 32)
      yield* expectStats(pool, { succeeded: 63, busy: 0, lent: 0 })
    })
  )

  laws.law("a crawl that forks into its own queue visits all pages on one worker (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* crawl(pool, 3, 4), 1 + 3 + 9 + 27 + 81)
      yield* expectStats(pool, { busy: 0, lent: 0, waiting: 0, atDoor: 0 })
    })
  )

  laws.lawOnce(
    "a crawl of 364 pages with 4 workers and 20 places in the queue visits them all (load 1)",
    { size: 4, capacity: 20 },
    (pool) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* crawl(pool, 3, 5), 364)
        yield* expectStats(pool, { succeeded: 364, busy: 0, lent: 0 })
      })
  )

  laws.lawOnce("a task forks three tasks into a queue of one place on one worker (load 1)", { capacity: 1 }, (pool) =>
    Effect.gen(function* () {
      const ran: Array<number> = []
      const fork = (i: number) => pool.fork(Effect.sync(() => ran.push(i)))
      yield* promptly(pool, pool.submit(Effect.forEach([1, 2, 3], fork)))
      yield* promptly(pool, pool.awaitIdle)
      assert.sameMembers(ran, [1, 2, 3])
    })
  )

  laws.law("six transactions on five workers, each with an inner query, all commit (load 1)", { size: 5 }, (pool) =>
    Effect.gen(function* () {
      const transaction = (n: number) =>
        pool.submit(Effect.andThen(Effect.yieldNow, pool.submit(Effect.as(Effect.yieldNow, n))))
      const all = Effect.forEach([1, 2, 3, 4, 5, 6], transaction, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* promptly(pool, all), [1, 2, 3, 4, 5, 6])
    })
  )

  laws.law("two pools whose tasks submit to each other make progress with one worker each (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const other = yield* secondPool(laws)
      const [here, there] = [pool, other]
      const nest = (
        depth: number,
        [first, second]: readonly [TaskPoolService, TaskPoolService]
      ): Effect.Effect<number, any> =>
        depth === 0
          ? Effect.as(Effect.yieldNow, 0)
          : Effect.map(first.submit(nest(depth - 1, [second, first])), (below) => below + 1)
      const both = Effect.all([nest(20, [here, there]), nest(20, [there, here])], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* promptly(pool, both), [20, 20])
      yield* expectStats(here, { busy: 0, lent: 0, succeeded: 20 })
      yield* expectStats(there, { busy: 0, lent: 0, succeeded: 20 })
    })
  )

  laws.law("independent chains across two pools make progress with one worker each (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const other = yield* secondPool(laws)
      const nest = (depth: number, first: TaskPoolService, second: TaskPoolService): Effect.Effect<number, any> =>
        depth === 0
          ? Effect.as(Effect.yieldNow, 0)
          : Effect.map(
              first.submit(Effect.andThen(Effect.yieldNow, nest(depth - 1, second, first))),
              (below) => below + 1
            )
      const chains = [nest(20, pool, other), nest(20, other, pool), nest(20, pool, other), nest(20, other, pool)]
      const depths = yield* promptly(pool, Effect.all(chains, { concurrency: "unbounded" }))
      assert.deepStrictEqual(depths, [20, 20, 20, 20])
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
      yield* expectStats(other, { busy: 0, lent: 0, running: 0 })
    })
  )

  laws.law("two pools whose tasks run forEach in each other make progress with one worker each (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const other = yield* secondPool(laws)
      const nest = (depth: number, first: TaskPoolService, second: TaskPoolService): Effect.Effect<number, any> =>
        depth === 0
          ? Effect.as(Effect.yieldNow, 1)
          : Effect.map(
              first.forEach([0, 1], () => nest(depth - 1, second, first)),
              (counts) => counts.reduce((sum, count) => sum + count, 0)
            )
      assert.strictEqual(yield* promptly(pool, nest(5, pool, other)), 32)
      yield* expectStats(pool, { busy: 0, lent: 0 })
      yield* expectStats(other, { busy: 0, lent: 0 })
    })
  )

  laws.law(
    "a nested wait lends first and is admitted then: it starts at once, also with onFull: fail (load 11a, Nested)",
    { onFull: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const begun: Array<string> = []
        const inner = Effect.sync(() => void begun.push("inner"))
        for (const [name, wait] of Object.entries(waits)) {
          begun.length = 0
          yield* promptly(pool, pool.submit(Effect.asVoid(wait(pool, Effect.as(inner, "value")))))
          assert.deepStrictEqual(begun, ["inner"], name)
        }
        yield* expectStats(pool, { rejected: 0, busy: 0, lent: 0 })
      })
  )

  laws.law(
    "a nested submit finds the place that its own worker frees in a full queue, with onFull: fail (load 11a, Nested)",
    { needs: 1, capacity: laws.bound, onFull: "fail" },
    (pool) =>
      Effect.gen(function* () {
        for (const pause of [Effect.yieldNow, Effect.void]) {
          const outer = Effect.gen(function* () {
            yield* pause
            for (let i = 0; i < laws.bound; i++) yield* pool.fork(Effect.void)
            return yield* pool.submit(Effect.succeed("inner"))
          })
          assert.strictEqual(yield* promptly(pool, pool.submit(outer)), "inner")
          yield* promptly(pool, pool.awaitIdle)
        }
        yield* expectStats(pool, { rejected: 0 })
      })
  )

  for (const onFull of ["fail", "dropOldest"] as const) {
    laws.law(
      `a nested submit finds that place also in the last launch of a flush, with onFull: ${onFull} (load 11a, Nested)`,
      { needs: 1, capacity: laws.bound, onFull },
      (pool) =>
        Effect.gen(function* () {
          // A flush makes 1024 launches. These are in one flush, in which each task submits the next one.
          for (const launches of [1023, 1024, 1025, 2048]) {
            const seen: Array<string> = []
            const last = Effect.gen(function* () {
              const queued: Array<TaskHandle<void>> = []
              for (let i = 0; i < laws.bound; i++) queued.push(yield* pool.submitNowait(Effect.void))
              seen.push((yield* Effect.exit(pool.submit(Effect.void)))._tag)
              for (const handle of queued) seen.push((yield* handle.await)._tag)
            })
            const task = (launch: number): Effect.Effect<unknown, any> =>
              launch < launches ? Effect.suspend(() => pool.submitNowait(task(launch + 1))) : last
            yield* pool.withDispatchHeld(pool.submitNowait(task(1)))
            yield* promptly(pool, pool.awaitIdle)
            assert.deepStrictEqual(new Set(seen), new Set(["Success"]))
            assert.strictEqual(seen.length, laws.bound + 1)
          }
          yield* expectStats(pool, { rejected: 0, dropped: 0 })
        })
    )
  }

  laws.law(
    "a fork that is interrupted in the step in which it gets its place leaves no worker behind (load 11a, Nested)",
    { capacity: 0 },
    (pool) =>
      Effect.gen(function* () {
        const forks: Record<string, (task: Effect.Effect<unknown, any>) => Effect.Effect<unknown, any>> = {
          fork: (task) => pool.fork(task),
          mapEffect: (task) => Stream.runDrain(pool.mapEffect(Stream.make(task), (each) => each))
        }
        for (const [name, fork] of Object.entries(forks)) {
          const first = gated("first")
          const usesPoolAsItEnds = Effect.ensuring(Effect.never, Effect.exit(pool.submit(Effect.void)))
          const racing = Effect.race(pool.submit(first.task), Effect.andThen(Effect.yieldNow, fork(usesPoolAsItEnds)))
          const outer = yield* start(pool.submit(racing))
          yield* settle
          yield* first.open
          assert.isTrue(Exit.isSuccess(yield* promptly(pool, Fiber.await(outer))), name)
          assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed("later"))), "later")
          yield* expectStats(pool, { running: 0, busy: 0, lent: 0, atDoor: 0 })
        }
      })
  )

  laws.law("submitNowait in a task neither lends nor waits (load 11a, Nested)", {}, (pool) =>
    Effect.gen(function* () {
      const seen = yield* pool.submit(
        Effect.gen(function* () {
          const exit = yield* Effect.exit(pool.submitNowait(Effect.void))
          return { exit, stats: yield* pool.stats }
        })
      )
      assert.deepInclude(seen.stats, { busy: 1, lent: 0, running: 1 })
      if (laws.capacity === 0) expectNotAvailable(seen.exit, "QueueFull")
      else assert.isTrue(Exit.isSuccess(seen.exit))
      yield* pool.awaitIdle
    })
  )
}

const takingBackLaws = (laws: Laws): void => {
  for (const [name, wait] of Object.entries({ ...waits, ...handleWaits })) {
    laws.law(
      `a task that waited in ${name} takes its worker back ahead of the queue (load 1, load 11a, Nested)`,
      { needs: 1 },
      (pool) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const inner = gated("inner")
          const outer = yield* start(
            pool.submit(
              Effect.gen(function* () {
                yield* wait(pool, inner.task)
                log.push("outer goes on")
                assert.deepInclude(yield* pool.stats, { busy: 1, lent: 0 })
                yield* Effect.yieldNow
                log.push("outer ends")
              })
            )
          )
          yield* reached(pool, inner.started)
          const handle = yield* pool.fork(
            Effect.sync(() => void log.push("waiting begins")),
            { weight: -1 }
          )
          yield* inner.open
          yield* promptly(pool, Fiber.join(outer))
          yield* promptly(pool, handle.join)
          assert.deepStrictEqual(log, ["outer goes on", "outer ends", "waiting begins"])
        })
    )
  }

  laws.law(
    "the worker is reserved for the waiter in the step in which its inner task ends (load 11a, Nested)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = gated("outer")
        const fiber = yield* start(pool.submit(Effect.andThen(pool.submit(inner.task), outer.task)))
        yield* reached(pool, inner.started)
        const late = gated("late")
        const submitter = yield* start(pool.submit(late.task))
        const seen: Array<number> = []
        // Watchers are checked at the end of each step of the pool.
        const watcher = yield* start(
          pool.awaitStats(({ busy, lent, succeeded }) => {
            if (succeeded === 1) seen.push(busy, lent)
            return succeeded === 1
          })
        )
        yield* inner.open
        yield* reached(pool, outer.started)
        yield* Fiber.join(watcher)
        assert.deepStrictEqual(seen, [1, 0])
        assert.strictEqual(late.counts.begun, 0)
        yield* outer.open
        yield* Fiber.join(fiber)
        yield* late.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(submitter)), "late")
      })
  )

  laws.law(
    "waiters take their workers back first-in first-out, before the queue (load 11a, Nested)",
    { size: 4, minSize: 0, maxSize: 4 },
    (pool) =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const inners = [gated("a"), gated("b")]
        const others = [gated("x"), gated("y")]
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const inner of inners) {
          const outer = Effect.gen(function* () {
            const name = yield* pool.submit(inner.task)
            log.push(name)
            yield* Effect.yieldNow
          })
          fibers.push(yield* start(pool.submit(outer)))
          yield* reached(pool, inner.started)
        }
        for (const other of others) fibers.push(yield* start(pool.submit(other.task)))
        yield* expectStats(pool, { busy: 4, lent: 2, running: 6 })
        yield* pool.resize(1)
        fibers.push(
          yield* start(
            pool.submit(
              Effect.sync(() => void log.push("queued")),
              { weight: -1 }
            )
          )
        )
        // The waits end in the other order, while surplus tasks have all workers.
        for (const { open } of [inners[1]!, inners[0]!, ...others]) {
          assert.deepStrictEqual(log, [])
          yield* open
          yield* settle
        }
        yield* promptly(pool, Fiber.joinAll(fibers))
        assert.deepStrictEqual(log, ["b", "a", "queued"])
      })
  )

  laws.law(
    "a task that waited for the end of mapEffect takes its worker back ahead of the queue (load 11a, Nested)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const upstream = Latch.makeUnsafe()
        const ending = Stream.drain(Stream.fromEffect(upstream.await))
        const mapped = pool.mapEffect(Stream.concat(Stream.make(0), ending), Effect.succeed)
        const outer = yield* start(
          pool.submit(Effect.tap(Stream.runDrain(mapped), () => Effect.sync(() => log.push("outer goes on"))))
        )
        yield* promptly(
          pool,
          pool.awaitStats(({ lent, succeeded }) => succeeded === 1 && lent === 1)
        )
        const busy = gated("busy")
        const other = yield* start(pool.submit(busy.task))
        yield* reached(pool, busy.started)
        const late = yield* start(pool.submit(Effect.sync(() => log.push("late"))))
        yield* expectStats(pool, { busy: 1, lent: 1 })
        yield* upstream.open
        yield* settle
        yield* busy.open
        yield* promptly(pool, Fiber.joinAll([outer, other, late] as ReadonlyArray<Fiber.Fiber<unknown, unknown>>))
        assert.deepStrictEqual(log, ["outer goes on", "late"])
      })
  )

  laws.law("holds and pauses do not stop a task that takes its worker back (load 11a, Nested)", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* start(pool.submit(pool.submit(inner.task)))
      yield* reached(pool, inner.started)
      yield* pool.withDispatchHeld(
        pool.withPaused(
          Effect.gen(function* () {
            yield* pool.holdFor("1 hour")
            yield* inner.open
            assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
          })
        )
      )
    })
  )

  laws.law(
    "a rate does not stop a task that takes its worker back (load 11a, Nested)",
    { rate: { limit: 2, window: "1 hour" } },
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = yield* start(pool.submit(pool.submit(inner.task)))
        yield* reached(pool, inner.started)
        yield* inner.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
        assert.isAbove((yield* pool.stats).nextStart, 0)
      })
  )

  laws.law(
    "lent permits do not count for the task's key, and perKey does not stop taking them back (load 11a, Nested)",
    { size: 2, perKey: 1 },
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = yield* start(pool.submit(pool.submit(inner.task, { key: "k" }), { key: "k" }))
        yield* reached(pool, inner.started)
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 2 })
        yield* inner.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
        assert.deepStrictEqual(yield* pool.statsOf("k"), { waiting: 0, running: 0 })
        // The key has its permit again.
        assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed("next"), { key: "k" })), "next")
      })
  )

  laws.law("a task lends all its permits, and takes them all back (load 1)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const rest = gated("rest")
      const outer = yield* start(
        pool.submit(Effect.andThen(pool.submit(inner.task, { permits: 2 }), rest.task), { permits: 3 })
      )
      yield* reached(pool, inner.started)
      yield* expectStats(pool, { busy: 2, lent: 3, running: 2 })
      const light = gated("light")
      const submitter = yield* start(pool.submit(light.task))
      yield* reached(pool, light.started)
      yield* inner.open
      yield* settle
      // Two permits are free, and the three of the outer task come back together.
      yield* expectStats(pool, { busy: 1, lent: 3 })
      assert.strictEqual(rest.counts.begun, 0)
      const queued = gated("queued")
      const waiting = yield* start(pool.submit(queued.task))
      yield* settle
      assert.strictEqual(queued.counts.begun, 0)
      yield* light.open
      yield* reached(pool, rest.started)
      yield* expectStats(pool, { busy: 3, lent: 0 })
      yield* rest.open
      yield* queued.open
      yield* promptly(pool, Fiber.joinAll([outer, submitter, waiting] as ReadonlyArray<Fiber.Fiber<unknown, unknown>>))
    })
  )

  laws.law(
    "a task whose permits exceed the target takes them back when nothing is busy (load 11a, Nested)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const rest = gated("rest")
        const outer = yield* start(pool.submit(Effect.andThen(pool.submit(inner.task), rest.task), { permits: 2 }))
        yield* reached(pool, inner.started)
        yield* pool.resize(1)
        const handle = yield* start(pool.submit(Effect.void))
        yield* inner.open
        yield* reached(pool, rest.started)
        yield* expectStats(pool, { busy: 2, lent: 0, targetSize: 1, size: 2 })
        yield* rest.open
        yield* promptly(pool, Fiber.join(outer))
        yield* promptly(pool, Fiber.join(handle))
      })
  )

  for (const [name, wait] of Object.entries({ ...waits, ...handleWaits })) {
    laws.law(
      `a waiter in ${name} that is interrupted takes its worker back at once, above the target, and runs its finalizers (load 11a, Nested)`,
      {},
      (pool) =>
        Effect.gen(function* () {
          const [begin, cleanup] = [gated("begin"), gated("cleanup")]
          const body = Effect.andThen(begin.task, wait(pool, Effect.never))
          const outer = yield* start(pool.submit(Effect.ensuring(body, cleanup.task)))
          yield* reached(pool, begin.started)
          const other = yield* start(pool.submit(Effect.never))
          yield* begin.open
          yield* settle
          yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
          const interrupter = yield* start(Fiber.interrupt(outer))
          yield* reached(pool, cleanup.started)
          yield* expectStats(pool, { busy: 2, lent: 0, running: 2, size: 2, targetSize: 1 })
          yield* cleanup.open
          yield* promptly(pool, Fiber.join(interrupter))
          yield* expectStats(pool, { busy: 1, lent: 0, running: 1, size: 1 })
          yield* pool.close({ mode: "interrupt" })
          assert.isTrue(hasEnded(other) || name in handleWaits)
        })
    )
  }

  laws.law("an inner task that fails ends the wait like one that succeeds (load 11a, Nested)", {}, (pool) =>
    Effect.gen(function* () {
      for (const inner of [Effect.fail("failure"), Effect.die("defect"), Effect.interrupt]) {
        for (const wait of Object.values({ ...waits, ...handleWaits })) {
          const outer = Effect.gen(function* () {
            const exit = yield* Effect.exit(wait(pool, Effect.andThen(Effect.yieldNow, inner)))
            assert.deepInclude(yield* pool.stats, { busy: 1, lent: 0 })
            return exit
          })
          assert.isTrue(Exit.isFailure(yield* promptly(pool, pool.submit(outer))))
        }
      }
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
    })
  )

  for (const [name, end] of Object.entries(removals)) {
    laws.law(
      `a nested wait whose waiting task ${name} ends, and the worker comes back ahead of the queue (load 11a, Nested)`,
      name === "is dropped" ? { needs: 1, capacity: laws.bound, onFull: "dropOldest" } : { needs: 1 },
      (pool) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const [begin, busy] = [gated("begin"), gated("busy")]
          const outer = Effect.gen(function* () {
            yield* begin.task
            const exit = yield* Effect.exit(pool.submit(Effect.die("never"), { label: "inner", maxWait: "1 hour" }))
            log.push("outer goes on")
            return exit
          })
          const fiber = yield* start(pool.submit(outer))
          const other = yield* start(pool.submit(busy.task))
          yield* begin.open
          yield* reached(pool, busy.started)
          yield* settle
          yield* expectStats(pool, { busy: 1, lent: 1, waiting: 1 })
          yield* end(pool)
          const task = Effect.sync(() => log.push("late"))
          const late = yield* start(pool.submit(task, { weight: 0 }))
          yield* settle
          yield* expectStats(pool, { busy: 1, lent: 1 })
          yield* busy.open
          const exit = yield* promptly(pool, Fiber.join(fiber))
          assert.isTrue(Exit.isFailure(exit))
          yield* promptly(pool, Fiber.joinAll([other, late] as ReadonlyArray<Fiber.Fiber<unknown, unknown>>))
          assert.deepStrictEqual(log, ["outer goes on", "late"])
          yield* promptly(pool, pool.awaitIdle)
          yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
        })
    )
  }

  laws.law(
    "a task that waits for its worker may be interrupted, and runs its finalizers at once (load 11a, Nested)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const [inner, busy, cleanup] = [gated("inner"), gated("busy"), gated("cleanup")]
        const outer = yield* start(
          pool.submit(Effect.ensuring(Effect.andThen(pool.submit(inner.task), Effect.die("never")), cleanup.task))
        )
        yield* reached(pool, inner.started)
        const other = yield* start(pool.submit(busy.task))
        yield* pool.resize(1)
        yield* inner.open
        yield* settle
        yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
        const interrupter = yield* start(Fiber.interrupt(outer))
        yield* reached(pool, cleanup.started)
        yield* expectStats(pool, { busy: 2, lent: 0, running: 2, size: 2 })
        const late = gated("late")
        const submitter = yield* start(pool.submit(late.task))
        yield* cleanup.open
        yield* promptly(pool, Fiber.join(interrupter))
        yield* expectStats(pool, { busy: 1, lent: 0, running: 1, size: 1 })
        assert.strictEqual(late.counts.begun, 0)
        yield* busy.open
        yield* late.open
        yield* promptly(pool, Fiber.joinAll([other, submitter]))
      })
  )

  laws.law(
    "a task that waits for its worker on a pool without workers goes on when nothing is busy (load 11a, Nested)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const [inner, busy, rest] = [gated("inner"), gated("busy"), gated("rest")]
        const outer = yield* start(pool.submit(Effect.andThen(pool.submit(inner.task), rest.task)))
        yield* reached(pool, inner.started)
        const other = yield* start(pool.submit(busy.task))
        yield* pool.resize(0)
        if ((yield* pool.stats).targetSize > 0) return yield* pool.close({ mode: "interrupt" })
        yield* inner.open
        yield* settle
        yield* expectStats(pool, { busy: 1, lent: 1, targetSize: 0 })
        assert.strictEqual(rest.counts.begun, 0)
        yield* busy.open
        yield* reached(pool, rest.started)
        yield* expectStats(pool, { busy: 1, lent: 0, size: 1, targetSize: 0 })
        yield* rest.open
        yield* promptly(pool, Fiber.joinAll([outer, other]))
      })
  )

  laws.law("a retried task lends its worker in each attempt (load 1, load 8)", {}, (pool) =>
    Effect.gen(function* () {
      let attempts = 0
      const outer = Effect.andThen(
        pool.submit(Effect.as(Effect.yieldNow, "inner")),
        Effect.suspend(() => (++attempts < 3 ? Effect.fail("again") : Effect.succeed(attempts)))
      )
      assert.strictEqual(yield* promptly(pool, pool.submit(outer, { retry: { times: 5 } })), 3)
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0, delayed: 0, succeeded: 4 })
    })
  )

  laws.law("an inner task that is refused ends the wait (load 11a, Nested)", { size: 1 }, (pool) =>
    Effect.gen(function* () {
      const outer = Effect.gen(function* () {
        yield* pool.pause
        for (const wait of Object.values(waits)) {
          expectNotAvailable(yield* Effect.exit(wait(pool, Effect.succeed("never"))), "Paused")
          assert.deepInclude(yield* pool.stats, { busy: 1, lent: 0 })
        }
        yield* pool.resume
      })
      yield* promptly(pool, pool.submit(outer))
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
    })
  )
}

const markLaws = (laws: Laws): void => {
  laws.law("a fiber that a task forked lends the task's worker as its own does (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const outer = Effect.gen(function* () {
        const child = yield* Effect.forkChild(pool.submit(Effect.as(Effect.yieldNow, "child")))
        return yield* Fiber.join(child)
      })
      assert.strictEqual(yield* promptly(pool, pool.submit(outer)), "child")
      yield* expectStats(pool, { busy: 0, lent: 0 })
    })
  )

  laws.law(
    "a task lends as long as at least one of its fibers waits, and computes in another meanwhile (load 1, load 11a, Nested)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const [one, two, rest] = [gated("one"), gated("two"), gated("rest")]
        const outer = yield* start(
          pool.submit(
            Effect.gen(function* () {
              const first = yield* start(pool.submit(one.task))
              const second = yield* start(pool.submit(two.task))
              yield* rest.task
              return [yield* Fiber.join(first), yield* Fiber.join(second)]
            })
          )
        )
        yield* reached(pool, one.started)
        // The task computes in its own fiber while it has lent its worker.
        yield* reached(pool, rest.started)
        yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
        yield* one.open
        yield* reached(pool, two.started)
        yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
        yield* two.open
        yield* settle
        yield* expectStats(pool, { busy: 1, lent: 0, running: 1 })
        yield* rest.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.join(outer)), ["one", "two"])
      })
  )

  laws.law("the mark of a task that has settled means nothing (load 11a, Nested)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const late = Latch.makeUnsafe()
      const daemon = yield* pool.submit(
        Effect.forkDetach(Effect.andThen(late.await, pool.submit(inner.task)), { startImmediately: true })
      )
      yield* late.open
      yield* reached(pool, inner.started)
      yield* expectStats(pool, { busy: 1, lent: 0, running: 1 })
      yield* inner.open
      assert.strictEqual(yield* promptly(pool, Fiber.join(daemon)), "inner")
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
    })
  )

  for (const [name, wait] of Object.entries({ ...waits, ...handleWaits })) {
    laws.law(
      `a task may settle while a fiber of it still waits in ${name}, and no worker gets lost (load 11a, Nested)`,
      {},
      (pool) =>
        Effect.gen(function* () {
          const inner = gated("inner")
          const [daemon] = yield* pool.submit(
            Effect.all([
              Effect.forkDetach(wait(pool, inner.task), { startImmediately: true }),
              // The daemon waits before its task ends.
              settle
            ])
          )
          yield* reached(pool, inner.started)
          yield* expectStats(pool, { busy: 1, lent: 0, running: 1 })
          yield* inner.open
          assert.strictEqual(yield* promptly(pool, Fiber.join(daemon)), "inner")
          yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
          assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed("next"))), "next")
          yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
        })
    )
  }

  laws.law(
    "the mark goes with the work that a task waits for in another pool, not with what it forks there (load 11a, Nested)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const other = yield* secondPool(laws)
        const waited = gated("waited")
        const outer = yield* start(pool.submit(other.submit(pool.submit(waited.task))))
        yield* reached(pool, waited.started)
        yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
        yield* waited.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "waited")

        const forked = gated("forked")
        const holder = gated("holder")
        const second = yield* start(pool.submit(Effect.andThen(other.fork(pool.submit(forked.task)), holder.task)))
        yield* reached(pool, forked.started)
        yield* expectStats(pool, { busy: 2, lent: 0, running: 2 })
        yield* forked.open
        yield* holder.open
        yield* promptly(pool, Fiber.join(second))
        yield* promptly(pool, other.awaitIdle)
      })
  )

  laws.law("what a task forks into its own pool is no part of it (load 11a, Nested)", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const [inner, outer] = [gated("inner"), gated("outer")]
      const fiber = yield* start(pool.submit(Effect.andThen(pool.fork(pool.submit(inner.task)), outer.task)))
      yield* reached(pool, inner.started)
      // The forked task lends its worker, the outer one does not.
      yield* expectStats(pool, { running: 3, busy: 2, lent: 1 })
      yield* inner.open
      yield* outer.open
      yield* promptly(pool, Fiber.join(fiber))
      yield* promptly(pool, pool.awaitIdle)
      yield* expectStats(pool, { busy: 0, lent: 0 })
    })
  )
}

const scalingLaws = (laws: Laws): void => {
  laws.law(
    "a hard scale-down interrupts the newest busy tasks and no lent one (load 11a, Counting)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = yield* start(pool.submit(pool.submit(inner.task)))
        yield* reached(pool, inner.started)
        const newest = yield* pool.fork(Effect.never)
        yield* expectStats(pool, { busy: 2, lent: 1, running: 3 })
        assert.strictEqual(yield* promptly(pool, pool.resize(1, { mode: "hard" })), 1)
        expectCancelled(yield* newest.await, { reason: "ScaledDown", started: true })
        yield* expectStats(pool, { busy: 1, lent: 1, running: 2 })
        yield* inner.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
      })
  )

  laws.law(
    "a hard scale-down to 0 interrupts lent tasks too (load 11a, Counting)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const inner = gated("inner")
        const outer = yield* pool.fork(pool.submit(inner.task))
        yield* reached(pool, inner.started)
        yield* pool.resize(0, { mode: "hard" })
        if ((yield* pool.stats).targetSize > 0) return yield* inner.open
        expectCancelled(yield* promptly(pool, outer.await), { reason: "ScaledDown", started: true })
        yield* expectStats(pool, { busy: 0, lent: 0, running: 0, size: 0 })
      })
  )

  laws.law(
    "after a soft scale-down, size is busy or the target and awaitResized waits for busy (load 11a, Counting)",
    { size: 2, minSize: 0, maxSize: 2 },
    (pool) =>
      Effect.gen(function* () {
        const [first, second, rest] = [gated("first"), gated("second"), gated("rest")]
        const outer = yield* start(pool.submit(Effect.andThen(pool.submit(first.task), rest.task)))
        yield* reached(pool, first.started)
        const other = yield* start(pool.submit(second.task))
        yield* expectStats(pool, { busy: 2, lent: 1, running: 3, size: 2 })
        yield* pool.resize(1)
        yield* expectStats(pool, { busy: 2, lent: 1, size: 2, targetSize: 1 })
        const resized = yield* start(pool.awaitResized)
        yield* settle
        assert.isFalse(hasEnded(resized))
        const late = gated("late")
        const submitter = yield* start(pool.submit(late.task, { weight: -1 }))
        yield* first.open
        yield* promptly(pool, Fiber.join(resized))
        // The outer task waits until the second one has ended.
        yield* expectStats(pool, { busy: 1, lent: 1, size: 1, running: 2 })
        assert.strictEqual(rest.counts.begun, 0)
        yield* second.open
        yield* reached(pool, rest.started)
        yield* expectStats(pool, { busy: 1, lent: 0, size: 1, running: 1 })
        assert.strictEqual(late.counts.begun, 0)
        yield* rest.open
        yield* late.open
        yield* promptly(pool, Fiber.joinAll([outer, other, submitter]))
      })
  )

  laws.law("closing interrupts tasks that lend their worker, and counts them (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* pool.fork(pool.submit(inner.task))
      yield* reached(pool, inner.started)
      const report = yield* promptly(pool, pool.close({ mode: "interrupt" }))
      assert.deepStrictEqual(report, { completed: 0, interrupted: 2, neverRun: 0 })
      expectCancelled(yield* outer.await, { reason: "Closed", started: true })
      yield* expectStats(pool, { busy: 0, lent: 0, running: 0 })
    })
  )

  laws.law("a pool that drains lets a task go on that waits for its inner task (load 1)", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* pool.fork(pool.submit(inner.task))
      yield* reached(pool, inner.started)
      const closer = yield* start(pool.close())
      yield* inner.open
      assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 2, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* outer.join, "inner")
    })
  )
}

const failingLaws = (laws: Laws): void => {
  for (const [name, wait] of Object.entries({ ...waits, ...handleWaits })) {
    laws.law(
      `with nested: fail, ${name} in a task fails at once, whether or not a worker is free (load 1, load 11a, Nested)`,
      { size: 3, nested: "fail", capacity: laws.capacity === 0 ? 1 : laws.capacity },
      (pool) =>
        Effect.gen(function* () {
          const inner = gated("inner")
          yield* inner.open
          const body = name in handleWaits ? Effect.never : inner.task
          const exit = yield* promptly(pool, pool.submit(Effect.exit(wait(pool, body))))
          expectNotAvailable(exit, "Nested")
          const { rejected, rejectedBy } = yield* pool.stats
          assert.deepStrictEqual([rejected, rejectedBy.Nested], [1, 1])
          assert.strictEqual(inner.counts.begun, 0)
          yield* pool.close({ mode: "interrupt" })
        })
    )
  }

  laws.law(
    "with nested: fail, join and await fail in a task even if their task has ended (load 11a, Nested)",
    { nested: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const ended = yield* pool.fork(Effect.void)
        yield* ended.join
        const exits = yield* promptly(
          pool,
          pool.submit(Effect.all([Effect.exit(ended.join), Effect.exit(ended.await)]))
        )
        for (const exit of exits) expectNotAvailable(exit, "Nested")
        assert.strictEqual((yield* pool.stats).rejectedBy.Nested, 2)
      })
  )

  laws.law(
    "with nested: fail, a fork fails in a task only if it finds no place (load 11a, Nested)",
    { nested: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const places = laws.capacity ?? 3
        const exits = yield* promptly(
          pool,
          pool.submit(Effect.forEach(Array.from({ length: places + 1 }), () => Effect.exit(pool.fork(Effect.void))))
        )
        for (const exit of exits.slice(0, places)) assert.isTrue(Exit.isSuccess(exit))
        if (laws.capacity === undefined) assert.isTrue(Exit.isSuccess(exits[places]!))
        else expectNotAvailable(exits[places]!, "Nested")
        yield* pool.awaitIdle
      })
  )

  laws.law("with nested: fail, submitNowait in a task never fails so (load 11a, Nested)", { nested: "fail" }, (pool) =>
    Effect.gen(function* () {
      const exit = yield* pool.submit(Effect.exit(pool.submitNowait(Effect.void)))
      if (laws.capacity === 0) expectNotAvailable(exit, "QueueFull")
      else assert.isTrue(Exit.isSuccess(exit))
      yield* pool.awaitIdle
    })
  )

  laws.law(
    "with nested: fail, a wait that cannot fail dies if pools would wait for each other (load 1)",
    { nested: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const other = yield* secondPool(laws)
        const waits = { awaitIdle: other.awaitIdle, withQuiesced: other.withQuiesced(Effect.void) }
        for (const [name, wait] of Object.entries(waits)) {
          const begin = gated("begin")
          const outer = yield* start(pool.submit(Effect.andThen(begin.task, wait)))
          const inner = yield* start(other.submit(pool.submit(Effect.succeed("inner"))))
          yield* settle
          yield* begin.open
          const defect = defectOf(yield* promptly(pool, Fiber.await(outer)))
          assert.include(String(defect), other.name, name)
          assert.strictEqual(yield* promptly(pool, Fiber.join(inner)), "inner")
          yield* promptly(pool, wait)
        }
      })
  )

  laws.law(
    "with nested: fail, callers outside and tasks of other pools wait as ever (load 1)",
    { nested: "fail" },
    (pool) =>
      Effect.gen(function* () {
        const other = yield* secondPool(laws)
        assert.strictEqual(yield* promptly(pool, other.submit(pool.submit(Effect.succeed("inner")))), "inner")
        assert.deepStrictEqual(
          yield* promptly(
            pool,
            pool.forEach([1, 2], (n) => Effect.succeed(n))
          ),
          [1, 2]
        )
      })
  )
}

const queueingLaws = (laws: Laws): void => {
  laws.law("with nested: queue, a task that waits keeps its worker (load 1)", { size: 2, nested: "queue" }, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* start(pool.submit(pool.submit(inner.task)))
      yield* reached(pool, inner.started)
      yield* expectStats(pool, { running: 2, busy: 2, lent: 0 })
      yield* inner.open
      assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
    })
  )

  laws.law(
    "with nested: queue, one worker may dead-lock, until its caller is interrupted (load 1)",
    { nested: "queue" },
    (pool) =>
      Effect.gen(function* () {
        const outer = yield* start(pool.submit(pool.submit(Effect.die("never"))))
        yield* settle
        assert.isFalse(hasEnded(outer))
        yield* expectStats(pool, { running: 1, busy: 1, lent: 0 })
        yield* promptly(pool, Fiber.interrupt(outer))
        yield* expectStats(pool, { running: 0, busy: 0, waiting: 0, atDoor: 0 })
      })
  )
}

const insideLaws = (laws: Laws): void => {
  const operations: Readonly<Record<string, (pool: TaskPoolService) => Effect.Effect<unknown, unknown>>> = {
    close: (pool) => pool.close(),
    "close, interrupting,": (pool) => pool.close({ mode: "interrupt" }),
    awaitIdle: (pool) => pool.awaitIdle,
    withQuiesced: (pool) => pool.withQuiesced(Effect.void)
  }
  for (const [name, operation] of Object.entries(operations)) {
    laws.law(`${name} in a task of the pool dies with a defect that names the pool (load 1)`, { name: "db" }, (pool) =>
      Effect.gen(function* () {
        const exit = yield* promptly(pool, pool.submit(Effect.exit(operation(pool))))
        assert.match(String(defectOf(exit)), /TaskPool\.\w+: .*\bdb\b/)
        yield* expectStats(pool, { phase: "Open", running: 0, holds: [] })

        // Through another pool that the task waits for, too.
        const other = yield* secondPool(laws)
        const through = yield* promptly(pool, pool.submit(other.submit(Effect.exit(operation(pool)))))
        assert.match(String(defectOf(through)), /\bdb\b/)

        // What the task has forked elsewhere is no part of it.
        const forked = yield* pool.submit(other.fork(Effect.andThen(Effect.yieldNow, Effect.exit(operation(pool)))))
        assert.isTrue(Exit.isSuccess(yield* promptly(pool, forked.join)))
      })
    )
  }

  laws.law("a nested wait may time out, and its task goes on with its worker (load 11a, Nested)", {}, (pool) =>
    Effect.gen(function* () {
      const rest = gated("rest")
      const outer = yield* start(
        pool.submit(
          Effect.gen(function* () {
            const inner = yield* Effect.timeoutOption(pool.submit(Effect.never), "1 second")
            return [Option.isNone(inner), yield* rest.task]
          })
        )
      )
      yield* settle
      yield* expectStats(pool, { busy: 1, lent: 1 })
      yield* TestClock.adjust("1 second")
      yield* reached(pool, rest.started)
      yield* expectStats(pool, { busy: 1, lent: 0, running: 1 })
      yield* rest.open
      assert.deepStrictEqual(yield* promptly(pool, Fiber.join(outer)), [true, "rest"])
    })
  )
}

/** Visits a tree of pages: each page forks its links, and waits for none of them. */
const crawl = (pool: TaskPoolService, links: number, depth: number): Effect.Effect<number, any> =>
  Effect.gen(function* () {
    let visited = 0
    const page = (left: number): Effect.Effect<void, any> =>
      Effect.gen(function* () {
        visited++
        yield* Effect.yieldNow
        const { busy, targetSize } = yield* pool.stats
        assert.isAtMost(busy, targetSize)
        if (left > 0) for (let link = 0; link < links; link++) yield* pool.fork(page(left - 1))
      })
    yield* pool.fork(page(depth))
    yield* promptly(pool, pool.awaitIdle)
    return visited
  })

/** What ends a waiting task with the label "inner". */
const removals: Readonly<Record<string, (pool: TaskPoolService) => Effect.Effect<unknown, unknown>>> = {
  "is cleared": (pool) => pool.clear({ label: "inner" }),
  "waits too long": () => TestClock.adjust("1 hour"),
  "is dropped": (pool) => pool.fork(Effect.void, { weight: 1 })
}

/** Another pool of the same kind, with one worker. */
const secondPool = (laws: Laws) =>
  Effect.map(Layer.build(laws.layerOf({ size: 1, capacity: laws.capacity, name: "other" })), (context) =>
    Context.get(context, TaskPool)
  )

/** Runs an effect that must end while the clock stands still: fails with the pool's statistics if it does not. */
export const promptly = <A, E, R>(pool: TaskPoolService, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* start(effect)
    for (let turn = 0; turn < 20_000 && !hasEnded(fiber); turn++) yield* Effect.yieldNow
    const stats = yield* pool.stats
    expectConserved(stats)
    return hasEnded(fiber) ? yield* Fiber.join(fiber) : assert.fail(`no progress: ${JSON.stringify(stats)}`)
  })

/** Waits until a task has started, which must not take time. */
export const reached = (pool: TaskPoolService, started: Effect.Effect<void>): Effect.Effect<void> =>
  promptly(pool, started)
