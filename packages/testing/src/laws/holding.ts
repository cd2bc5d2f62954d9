import type { TaskOutcome, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { recordEvents } from "./events.ts"
import {
  expectCancelled,
  expectNotAvailable,
  expectStats,
  failureOf,
  gated,
  hasEnded,
  type Laws,
  occupy,
  settle,
  start
} from "./kit.ts"
import { promptly, reached } from "./nesting.ts"

/** Holding dispatch: tasks are accepted and wait, and running ones finish. */
export const holdingLaws = (laws: Laws): void => {
  heldLaws(laws)
  timedLaws(laws)
  retryAfterLaws(laws)
  quiescingLaws(laws)
  pausedLaws(laws)
  closingLaws(laws)
}

/** Each way to hold dispatch for as long as an effect runs. */
const holds: Readonly<
  Record<string, (pool: TaskPoolService, effect: Effect.Effect<void, any>) => Effect.Effect<void, any>>
> = {
  holdDispatch: (pool, effect) => Effect.scoped(Effect.andThen(pool.holdDispatch, effect)),
  withDispatchHeld: (pool, effect) => pool.withDispatchHeld(effect),
  withQuiesced: (pool, effect) => pool.withQuiesced(effect)
}

const heldLaws = (laws: Laws): void => {
  laws.law(
    "while dispatch is held, tasks are accepted and wait, and running ones finish (load 3)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const running = gated("running")
        const submitter = yield* start(pool.submit(running.task))
        yield* reached(pool, running.started)
        const held = gated("held")
        const late: Array<Fiber.Fiber<unknown, unknown>> = []
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            yield* expectStats(pool, { phase: "Held", holds: ["User"], running: 1, size: 2, targetSize: 2 })
            late.push(yield* start(pool.submit(held.task)))
            yield* running.open
            assert.strictEqual(yield* promptly(pool, Fiber.join(submitter)), "running")
            yield* settle
            assert.strictEqual(held.counts.begun, 0)
            const accepted = laws.capacity === 0 ? { waiting: 0, atDoor: 1 } : { waiting: 1, atDoor: 0 }
            yield* expectStats(pool, { ...accepted, running: 0, rejected: 0 })
          })
        )
        assert.strictEqual(held.counts.begun, 1)
        yield* expectStats(pool, { phase: "Open", holds: [], waiting: 0, atDoor: 0, running: 1 })
        yield* held.open
        yield* promptly(pool, Fiber.joinAll(late))
      })
  )

  laws.law("while dispatch is held, the queue fills up and then the door (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          for (let i = 0; i < laws.capacity! + 2; i++) fibers.push(yield* start(pool.submit(Effect.succeed(i))))
          expectNotAvailable(yield* Effect.exit(pool.submitNowait(Effect.void)), "QueueFull")
          yield* expectStats(pool, { waiting: laws.capacity!, atDoor: 2, running: 0, rejected: 1 })
        })
      )
      assert.deepStrictEqual(
        yield* promptly(pool, Fiber.joinAll(fibers)),
        fibers.map((_, i) => i)
      )
    })
  )

  for (const [name, hold] of Object.entries(holds)) {
    laws.law(`holds of ${name} nest by counting (load 3)`, {}, (pool) =>
      Effect.gen(function* () {
        const task = gated("task")
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        yield* hold(
          pool,
          Effect.gen(function* () {
            fibers.push(yield* start(pool.submit(task.task)))
            yield* hold(pool, settle)
            yield* pool.withDispatchHeld(settle)
            assert.strictEqual(task.counts.begun, 0)
            yield* expectStats(pool, { phase: "Held", holds: ["User"] })
          })
        )
        assert.strictEqual(task.counts.begun, 1)
        yield* task.open
        yield* promptly(pool, Fiber.joinAll(fibers))
      })
    )

    laws.law(`a hold of ${name} is undone on failure, defect and interruption (load 3)`, {}, (pool) =>
      Effect.gen(function* () {
        for (const end of [Effect.fail("failure"), Effect.die("defect"), Effect.interrupt]) {
          const exit = yield* Effect.exit(hold(pool, end))
          assert.deepStrictEqual(exit, yield* Effect.exit(end))
          yield* expectStats(pool, { phase: "Open", holds: [] })
        }
        const fiber = yield* start(hold(pool, Effect.never))
        yield* expectStats(pool, { phase: "Held", holds: ["User"] })
        yield* Fiber.interrupt(fiber)
        yield* expectStats(pool, { phase: "Open", holds: [] })
        assert.strictEqual(yield* pool.submit(Effect.succeed("free")), "free")
      })
    )
  }

  laws.law("a hold of holdDispatch lasts until its scope closes (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      const scopes = [yield* Scope.make(), yield* Scope.make()]
      for (const scope of scopes) yield* Scope.provide(pool.holdDispatch, scope)
      const task = gated("task")
      const fiber = yield* start(pool.submit(task.task))
      yield* Scope.close(scopes[0]!, Exit.void)
      yield* settle
      assert.strictEqual(task.counts.begun, 0)
      yield* Scope.close(scopes[1]!, Exit.fail("failure"))
      assert.strictEqual(task.counts.begun, 1)
      yield* task.open
      yield* promptly(pool, Fiber.join(fiber))
    })
  )

  laws.law("releasing a hold starts as many tasks as there are workers, in one step (load 3)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      const tasks = [gated(0), gated(1), gated(2)]
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          for (const { task } of tasks) fibers.push(yield* start(pool.submit(task)))
        })
      )
      assert.deepStrictEqual(
        tasks.map(({ counts }) => counts.begun),
        [1, 1, 1]
      )
      for (const { open } of tasks) yield* open
      yield* promptly(pool, Fiber.joinAll(fibers))
    })
  )

  for (const [name, run] of Object.entries(bulks)) {
    laws.law(`${name} waits through a hold instead of failing (load 3)`, { size: 2 }, (pool) =>
      Effect.gen(function* () {
        const begun: Array<number> = []
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const item = (n: number) =>
          Effect.as(
            Effect.andThen(
              Effect.sync(() => begun.push(n)),
              Effect.yieldNow
            ),
            n * 2
          )
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            fibers.push(yield* start(run(pool, [1, 2, 3, 4], item)))
            yield* settle
            assert.deepStrictEqual(begun, [])
          })
        )
        assert.deepStrictEqual(yield* promptly(pool, Fiber.joinAll(fibers)), [[2, 4, 6, 8]])
      })
    )
  }

  laws.law("a hold stops what pausing would not, and pausing what a hold would not (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* pool.pause
          yield* expectStats(pool, { phase: "Paused", holds: ["User"] })
          expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Paused")
          yield* pool.resume
          yield* expectStats(pool, { phase: "Held", holds: ["User"] })
        })
      )
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law("a waiting task can be cancelled and awaited while dispatch is held (load 3)", { needs: 1 }, (pool) =>
    pool.withDispatchHeld(
      Effect.gen(function* () {
        const handle = yield* pool.fork(Effect.die("never"))
        assert.strictEqual(yield* handle.state, "Waiting")
        yield* handle.cancel
        expectCancelled(yield* handle.await, { reason: "Cancelled", started: false })
        yield* expectStats(pool, { waiting: 0, cancelled: 1 })
      })
    )
  )

  laws.law(
    "a hold works where a pool cannot be resized to 0, and a resize does not end it (load 3)",
    { size: 1, minSize: 1, maxSize: 3 },
    (pool) =>
      Effect.gen(function* () {
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const task = gated("task")
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            fibers.push(yield* start(pool.submit(task.task)))
            yield* pool.resize(3)
            yield* settle
            assert.strictEqual(task.counts.begun, 0)
            yield* expectStats(pool, { phase: "Held", targetSize: 3, running: 0 })
          })
        )
        assert.strictEqual(task.counts.begun, 1)
        yield* task.open
        yield* promptly(pool, Fiber.joinAll(fibers))
      })
  )

  laws.law(
    "events say when the first hold of a reason begins and the last one ends (load 3, load 11a, Holds)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const events = yield* recordEvents(pool)
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            yield* pool.holdFor("1 second")
            yield* pool.withDispatchHeld(Effect.void)
            yield* pool.holdFor("2 seconds")
          })
        )
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.deepStrictEqual(events, [
          { _tag: "Held", reason: "User" },
          { _tag: "Held", reason: "RetryAfter" },
          { _tag: "Released", reason: "User" },
          { _tag: "Released", reason: "RetryAfter" }
        ])
      })
  )

  laws.law("releasing one reason releases no other, in either order (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      const first = gated("first")
      const user = yield* Scope.make()
      yield* pool.holdFor("1 second")
      yield* Scope.provide(pool.holdDispatch, user)
      yield* expectStats(pool, { phase: "Held", holds: ["RetryAfter", "User"] })
      const fiber = yield* start(pool.submit(first.task))
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* expectStats(pool, { phase: "Held", holds: ["User"], running: 0 })
      assert.strictEqual(first.counts.begun, 0)
      yield* pool.holdFor("1 second")
      yield* Scope.close(user, Exit.void)
      yield* settle
      yield* expectStats(pool, { phase: "Held", holds: ["RetryAfter"], running: 0 })
      assert.strictEqual(first.counts.begun, 0)
      yield* TestClock.adjust("1 second")
      yield* reached(pool, first.started)
      yield* expectStats(pool, { phase: "Open", holds: [] })
      yield* first.open
      yield* promptly(pool, Fiber.join(fiber))
    })
  )
}

const bulks: Readonly<
  Record<
    string,
    (
      pool: TaskPoolService,
      items: ReadonlyArray<number>,
      f: (n: number) => Effect.Effect<number>
    ) => Effect.Effect<ReadonlyArray<number>, any>
  >
> = {
  forEach: (pool, items, f) => pool.forEach(items, f),
  all: (pool, items, f) => pool.all(items.map(f)),
  mapEffect: (pool, items, f) => Stream.runCollect(pool.mapEffect(Stream.fromIterable(items), f))
}

const timedLaws = (laws: Laws): void => {
  laws.law(
    "holdFor dispatches nothing for exactly that long, and needs no scope (load 3, load 11a, Holds)",
    {},
    (pool) =>
      Effect.gen(function* () {
        yield* pool.holdFor("30 seconds")
        yield* expectStats(pool, { phase: "Held", holds: ["RetryAfter"] })
        const task = gated("task")
        const fiber = yield* start(pool.submit(task.task))
        yield* TestClock.adjust("29999 millis")
        yield* settle
        assert.strictEqual(task.counts.begun, 0)
        yield* TestClock.adjust("1 millis")
        yield* reached(pool, task.started)
        yield* expectStats(pool, { phase: "Open", holds: [] })
        yield* task.open
        yield* promptly(pool, Fiber.join(fiber))
      })
  )

  laws.law("a later holdFor extends a hold and never shortens it (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.holdFor("10 seconds")
      yield* pool.holdFor("5 seconds")
      yield* pool.holdFor(0)
      yield* TestClock.adjust("9 seconds")
      yield* expectStats(pool, { phase: "Held" })
      // From now on, so until second 14.
      yield* pool.holdFor("5 seconds")
      yield* TestClock.adjust("4999 millis")
      yield* settle
      yield* expectStats(pool, { phase: "Held", holds: ["RetryAfter"] })
      yield* TestClock.adjust("1 millis")
      yield* settle
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law("holdFor of 0 holds nothing, of a wrong duration dies and holds nothing (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.holdFor(0)
      yield* expectStats(pool, { phase: "Open", holds: [] })
      for (const wrong of [-1, Number.NaN, "soon" as never]) {
        const exit = yield* Effect.exit(pool.holdFor(wrong))
        assert.isTrue(Exit.isFailure(exit) && exit.cause.reasons.every(Cause.isDieReason))
      }
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law("holdFor may be called in a task of the pool, and holds at once (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      const first = gated("first")
      const holder = yield* start(pool.submit(Effect.andThen(first.task, pool.holdFor("1 second"))))
      const next = gated("next")
      const fiber = yield* start(pool.submit(next.task))
      yield* first.open
      yield* promptly(pool, Fiber.join(holder))
      yield* settle
      assert.strictEqual(next.counts.begun, 0)
      yield* TestClock.adjust("1 second")
      yield* reached(pool, next.started)
      yield* next.open
      yield* promptly(pool, Fiber.join(fiber))
    })
  )
}

/** The error of a server that names a time, in milliseconds. */
class TooMany {
  readonly retryAfter: number
  constructor(retryAfter: number) {
    this.retryAfter = retryAfter
  }
}

const classify = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  return error instanceof TooMany ? { overload: true, retryAfter: error.retryAfter } : "ignore"
}

const retryAfterLaws = (laws: Laws): void => {
  laws.law(
    "a retryAfter of classify holds dispatch in the step in which the task ends (load 3, load 11a, Holds)",
    { classify },
    (pool) =>
      Effect.gen(function* () {
        const task = gated("task")
        const first = yield* start(pool.submit(Effect.flatMap(task.task, () => Effect.fail(new TooMany(30_000)))))
        const next = gated("next")
        const fiber = yield* start(pool.submit(next.task))
        yield* task.open
        assert.instanceOf(yield* Effect.flip(Fiber.join(first)), TooMany)
        yield* settle
        assert.strictEqual(next.counts.begun, 0)
        assert.include((yield* pool.stats).holds, "RetryAfter")
        yield* TestClock.adjust("29999 millis")
        yield* settle
        assert.strictEqual(next.counts.begun, 0)
        yield* TestClock.adjust("1 millis")
        yield* reached(pool, next.started)
        yield* next.open
        yield* promptly(pool, Fiber.join(fiber))
      })
  )

  laws.law(
    "tasks that fail at once at the end of a hold go out one at a time (load 3)",
    { classify, size: 3 },
    (pool) =>
      Effect.gen(function* () {
        let attempts = 0
        const refused = Effect.suspend(() => {
          attempts++
          return Effect.fail(new TooMany(1000))
        })
        const fibers = []
        yield* pool.holdFor("1 second")
        for (let i = 0; i < 4; i++) fibers.push(yield* start(Effect.exit(pool.submit(refused))))
        for (let second = 1; second <= 4; second++) {
          assert.strictEqual(attempts, second - 1)
          yield* TestClock.adjust("999 millis")
          yield* settle
          assert.strictEqual(attempts, second - 1)
          yield* TestClock.adjust("1 millis")
          yield* settle
          assert.strictEqual(attempts, second)
        }
        yield* promptly(pool, Fiber.joinAll(fibers))
      })
  )

  laws.law("a retryAfter holds for at most 5 minutes (load 11a, Holds)", { classify }, (pool) =>
    Effect.gen(function* () {
      yield* Effect.exit(pool.submit(Effect.fail(new TooMany(3_600_000))))
      const task = gated("task")
      const fiber = yield* start(pool.submit(task.task))
      yield* TestClock.adjust("299999 millis")
      yield* settle
      assert.strictEqual(task.counts.begun, 0)
      yield* TestClock.adjust("1 millis")
      yield* reached(pool, task.started)
      yield* task.open
      yield* promptly(pool, Fiber.join(fiber))
    })
  )

  laws.law("a retryAfter extends a hold and never shortens it (load 3)", { classify, size: 3 }, (pool) =>
    Effect.gen(function* () {
      const tasks = [gated(10_000), gated(1000)]
      const fibers = []
      for (const { task } of tasks) {
        const failing = Effect.flatMap(task, (millis) => Effect.fail(new TooMany(millis)))
        fibers.push(yield* start(Effect.exit(pool.submit(failing))))
      }
      for (const { open } of tasks) yield* open
      yield* promptly(pool, Fiber.joinAll(fibers))
      const next = gated("next")
      const fiber = yield* start(pool.submit(next.task))
      yield* TestClock.adjust("9999 millis")
      yield* settle
      assert.strictEqual(next.counts.begun, 0)
      yield* TestClock.adjust("1 millis")
      yield* reached(pool, next.started)
      yield* next.open
      yield* promptly(pool, Fiber.join(fiber))
    })
  )

  const asked: Array<string> = []
  const asking = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
    asked.push(Exit.isSuccess(exit) ? String(exit.value) : String(Cause.squash(exit.cause)))
    return "ignore"
  }
  laws.law(
    "classify is asked for tasks that ended by themselves only (load 11a, Holds)",
    { classify: asking, size: 3 },
    (pool) =>
      Effect.gen(function* () {
        asked.length = 0
        yield* pool.submit(Effect.succeed("value"))
        yield* Effect.exit(pool.submit(Effect.fail("failure")))
        yield* Effect.exit(pool.submit(Effect.die("defect")))
        const submitter = yield* start(pool.submit(Effect.never))
        yield* Fiber.interrupt(submitter)
        const handle = yield* pool.fork(Effect.never)
        yield* handle.cancel
        const waiting = yield* start(pool.withDispatchHeld(pool.submit(Effect.die("never"))))
        yield* Fiber.interrupt(waiting)
        yield* pool.pause
        yield* Effect.exit(pool.submit(Effect.die("never")))
        yield* pool.resume
        const last = yield* pool.fork(Effect.never)
        yield* pool.close({ mode: "interrupt" })
        expectCancelled(yield* last.await, { reason: "Closed", started: true })
        assert.deepStrictEqual(asked, ["value", "failure", "defect"])
      })
  )
}

const quiescingLaws = (laws: Laws): void => {
  laws.law(
    "withQuiesced holds, waits until nothing runs, runs its effect, and releases (load 3)",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const busy = yield* occupy(pool, 2)
        const effect = gated("result")
        const waiting = gated("waiting")
        const quiesced = yield* start(
          pool.withQuiesced(
            Effect.andThen(
              Effect.sync(() => log.push("quiet")),
              effect.task
            )
          )
        )
        const submitter = yield* start(pool.submit(waiting.task))
        yield* settle
        yield* expectStats(pool, { phase: "Held", holds: ["User"], running: 2 })
        yield* busy.tasks[0]!.open
        yield* settle
        assert.deepStrictEqual(log, [])
        assert.strictEqual(waiting.counts.begun, 0)
        yield* busy.release
        yield* reached(pool, effect.started)
        yield* expectStats(pool, { running: 0, busy: 0, phase: "Held" })
        assert.strictEqual(waiting.counts.begun, 0)
        yield* effect.open
        assert.strictEqual(yield* promptly(pool, Fiber.join(quiesced)), "result")
        assert.strictEqual(waiting.counts.begun, 1)
        yield* expectStats(pool, { phase: "Open", holds: [] })
        yield* waiting.open
        yield* promptly(pool, Fiber.join(submitter))
      })
  )

  laws.law("withQuiesced gives its effect's own result on an idle pool (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.withQuiesced(Effect.succeed("at once")), "at once")
      assert.strictEqual(yield* Effect.flip(pool.withQuiesced(Effect.fail("failure"))), "failure")
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law(
    "interrupting withQuiesced while tasks run releases its hold, and its effect never runs (load 3)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const quiesced = yield* start(pool.withQuiesced(Effect.die("never")))
        const next = gated("next")
        const submitter = yield* start(pool.submit(next.task))
        yield* Fiber.interrupt(quiesced)
        yield* expectStats(pool, { phase: "Open", holds: [] })
        yield* busy.release
        yield* reached(pool, next.started)
        yield* next.open
        yield* promptly(pool, Fiber.join(submitter))
      })
  )

  laws.law("withQuiesced waits for running tasks that wait for their own pool (load 1, load 3)", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* start(pool.submit(pool.submit(inner.task)))
      yield* reached(pool, inner.started)
      const seen: Array<number> = []
      const quiesced = yield* start(
        pool.withQuiesced(Effect.map(pool.stats, ({ lent, running }) => seen.push(running, lent)))
      )
      yield* settle
      assert.deepStrictEqual(seen, [])
      yield* inner.open
      assert.strictEqual(yield* promptly(pool, Fiber.join(outer)), "inner")
      yield* promptly(pool, Fiber.join(quiesced))
      assert.deepStrictEqual(seen, [0, 0])
    })
  )
}

const pausedLaws = (laws: Laws): void => {
  laws.law(
    "withPaused refuses new tasks while its effect runs, and goes on with the accepted ones (load 3)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const running = gated("running")
        const submitter = yield* start(pool.submit(running.task))
        const result = yield* pool.withPaused(
          Effect.gen(function* () {
            yield* expectStats(pool, { phase: "Paused", running: 1, holds: [] })
            expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void)), "Paused")
            yield* running.open
            return yield* promptly(pool, Fiber.join(submitter))
          })
        )
        assert.strictEqual(result, "running")
        yield* expectStats(pool, { phase: "Open" })
        assert.strictEqual(yield* pool.submit(Effect.succeed("again")), "again")
      })
  )

  laws.law("withPaused fails the door at once (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      if (laws.capacity === undefined) return
      const busy = yield* occupy(pool, 1)
      for (let i = 0; i < laws.capacity; i++) yield* pool.fork(Effect.void)
      const submitter = yield* start(pool.submit(Effect.die("never")))
      yield* pool.withPaused(Effect.map(Fiber.await(submitter), (exit) => expectNotAvailable(exit, "Paused")))
      yield* busy.release
    })
  )

  laws.law("withPaused is undone on failure, defect and interruption, and nests by counting (load 3)", {}, (pool) =>
    Effect.gen(function* () {
      for (const end of [Effect.fail("failure"), Effect.die("defect"), Effect.interrupt]) {
        assert.deepStrictEqual(yield* Effect.exit(pool.withPaused(end)), yield* Effect.exit(end))
        yield* expectStats(pool, { phase: "Open" })
      }
      const fibers = [yield* start(pool.withPaused(Effect.never)), yield* start(pool.withPaused(Effect.never))]
      yield* expectStats(pool, { phase: "Paused" })
      yield* Fiber.interrupt(fibers[0]!)
      yield* expectStats(pool, { phase: "Paused" })
      yield* Fiber.interrupt(fibers[1]!)
      yield* expectStats(pool, { phase: "Open" })
    })
  )

  laws.law("resume and togglePause end only what pause began (load 11a, Holds)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.withPaused(
        Effect.gen(function* () {
          assert.isTrue(yield* pool.resume)
          yield* expectStats(pool, { phase: "Paused" })
          // Begins a pause by hand, and ends it.
          assert.isTrue(yield* pool.togglePause)
          assert.isTrue(yield* pool.togglePause)
          yield* expectStats(pool, { phase: "Paused" })
          assert.isTrue(yield* pool.pause)
        })
      )
      // The one of `pause` goes on.
      yield* expectStats(pool, { phase: "Paused" })
      assert.isFalse(yield* pool.resume)
      yield* expectStats(pool, { phase: "Open" })
    })
  )

  laws.law(
    "Paused and Resumed are emitted when the first pause begins and the last one ends (load 11a, Holds)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const events = yield* recordEvents(pool)
        yield* pool.pause
        yield* pool.withPaused(Effect.andThen(pool.withPaused(Effect.void), pool.resume))
        yield* pool.withPaused(pool.pause)
        yield* pool.resume
        yield* settle
        assert.deepStrictEqual(events, [
          { _tag: "Paused" },
          { _tag: "Resumed" },
          { _tag: "Paused" },
          { _tag: "Resumed" }
        ])
      })
  )

  laws.law("the phase is the first of Closed, Draining, Paused, Held and Open (load 11a, Holds)", {}, (pool) =>
    Effect.gen(function* () {
      const phase = Effect.map(pool.stats, (stats) => stats.phase)
      const busy = yield* occupy(pool, 1)
      const phases = [yield* phase]
      yield* pool.holdFor("1 hour")
      phases.push(yield* phase)
      yield* pool.pause
      phases.push(yield* phase)
      const closer = yield* start(pool.close())
      phases.push(yield* phase)
      yield* busy.release
      yield* promptly(pool, Fiber.join(closer))
      phases.push(yield* phase)
      assert.deepStrictEqual(phases, ["Open", "Held", "Paused", "Draining", "Closed"])
      yield* expectStats(pool, { holds: [] })
    })
  )
}

const closingLaws = (laws: Laws): void => {
  laws.law("beginning to close releases the holds of users (load 11a, Closing)", {}, (pool) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(pool.holdDispatch, scope)
      const held = yield* start(pool.withDispatchHeld(Effect.never))
      const waiting = laws.capacity === 0 ? undefined : yield* pool.fork(Effect.succeed("ran"))
      const report = yield* promptly(pool, pool.close())
      assert.deepStrictEqual(report, { completed: waiting === undefined ? 0 : 1, interrupted: 0, neverRun: 0 })
      if (waiting !== undefined) assert.strictEqual(yield* waiting.join, "ran")
      yield* expectStats(pool, { phase: "Closed", holds: [] })
      // What ends a hold of before ends none of after.
      yield* pool.start
      yield* expectStats(pool, { phase: "Open", holds: [] })
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Scope.close(scope, Exit.void)
          yield* Fiber.interrupt(held)
          yield* expectStats(pool, { phase: "Held", holds: ["User"] })
        })
      )
      yield* expectStats(pool, { phase: "Open", holds: [] })
    })
  )

  laws.law(
    "holdFor binds while the pool drains, and start restores no hold (load 11a, Closing)",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.holdFor("10 seconds")
        const waiting = yield* pool.fork(Effect.succeed("ran"))
        const closer = yield* start(pool.close())
        yield* TestClock.adjust("9999 millis")
        yield* settle
        assert.isFalse(hasEnded(closer))
        yield* expectStats(pool, { phase: "Draining", holds: ["RetryAfter"], waiting: 1 })
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 1, interrupted: 0, neverRun: 0 })
        assert.strictEqual(yield* waiting.join, "ran")

        yield* pool.start
        yield* pool.holdFor("1 hour")
        yield* promptly(pool, pool.close())
        yield* pool.start
        yield* expectStats(pool, { phase: "Open", holds: [] })
        assert.strictEqual(yield* pool.submit(Effect.succeed("free")), "free")
      })
  )

  laws.law("holdFor binds a draining pool for the drainTimeout at most (load 11a, Closing)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      yield* pool.holdFor("10 seconds")
      const waiting = yield* pool.fork(Effect.die("never"))
      const closer = yield* start(pool.close({ drainTimeout: "1 second" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 0, interrupted: 0, neverRun: 1 })
      expectCancelled(yield* waiting.await, { reason: "Closed", started: false })
      yield* expectStats(pool, { phase: "Closed", holds: [] })
    })
  )

  laws.law("holdFor on a closed pool holds nothing when it is started again (load 11a, Closing)", {}, (pool) =>
    Effect.gen(function* () {
      yield* pool.close()
      yield* pool.holdFor("1 hour")
      yield* pool.start
      yield* expectStats(pool, { phase: "Open", holds: [] })
      assert.strictEqual(
        failureOf(yield* Effect.exit(Effect.andThen(pool.pause, pool.submit(Effect.void))), "NotAvailable")["reason"],
        "Paused"
      )
    })
  )
}
