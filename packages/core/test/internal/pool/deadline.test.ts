import { settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"
import type { ForEachOptions } from "../../../src/PoolOptions.ts"
import { Ages, type SharedReading } from "../../../src/internal/pool/ages.ts"
import { type Deadline, Deadlines, type Expiring } from "../../../src/internal/pool/deadline.ts"
import { noOptions, TaskExtra } from "../../../src/internal/pool/extra.ts"

it.effect("a task that failed in the step of its submission, and waits for its next attempt, has no deadline", () =>
  Effect.gen(function* () {
    let attempts = 0
    const task = Effect.suspend(() => (++attempts === 1 ? Effect.fail("own") : Effect.succeed(attempts)))
    // The hold begins while the task runs, so that it waits for its next attempt.
    const holding = Effect.tapError(task, () => TaskPool.holdFor("2 seconds"))
    const handle = yield* TaskPool.fork(holding, { maxWait: "1 second", retry: { times: 1 } })
    yield* settle
    assert.strictEqual(yield* handle.state, "Waiting")
    yield* TestClock.adjust("3 seconds")
    assert.strictEqual(yield* handle.join, 2)
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

it.effect("a task that starts at its deadline and waits for its next attempt has met it", () =>
  Effect.gen(function* () {
    let attempts = 0
    const task = Effect.suspend(() => (++attempts === 1 ? Effect.fail("own") : Effect.succeed(attempts)))
    const holding = Effect.tapError(task, () => TaskPool.holdFor("1 second"))
    yield* TaskPool.holdFor("1 second")
    const handle = yield* TaskPool.fork(holding, { maxWait: "1 second", retry: { times: 1 } })
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* handle.state, "Waiting")
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(yield* handle.join, 2)
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

describe("deadlines of tasks that share a reading of the clock", () => {
  /** A pool whose agenda records what is planned, and how many tasks its deadlines have ended. */
  const world = () => {
    const planned: Array<number> = []
    const expired: Array<readonly [entry: unknown, at: number]> = []
    const agenda = {
      add: (item: Deadline, at: number) => {
        item.agendaSlot = 0
        planned.push(at)
      },
      remove: (item: Deadline) => {
        item.agendaSlot = -1
      }
    }
    const ages = {
      shares: true,
      time: 100,
      shared: { until: Infinity } as SharedReading | undefined,
      stamp: () => 0,
      endSharing: () => {
        ages.time = 103
        if (ages.shared !== undefined) ages.shared.until = ages.time
        ages.shared = undefined
      }
    }
    const pool = {
      agenda,
      ages,
      expire: (entry: unknown, at: number) => void expired.push([entry, at]),
      userCode: { guard: (f: (value: any) => void, value: any) => f(value) }
    } as unknown as Expiring
    const deadlines = new Deadlines(pool)
    const start = (maxWait: number) => {
      const extra = new TaskExtra({ ...noOptions, maxWait })
      const entry = { machine: pool }
      deadlines.start(entry, extra)
      return { entry, extra }
    }
    return { ages, deadlines, expired, planned, start }
  }

  it("are one, which ends the tasks when the last of them has waited long enough (load 6)", () => {
    const { ages, deadlines, expired, planned, start } = world()
    const tasks = [start(10), start(10), start(10)]
    const { deadline } = tasks[0]!.extra
    assert.isTrue(tasks.every(({ extra }) => extra.deadline === deadline))
    assert.deepStrictEqual(planned, [110])
    ages.endSharing()
    deadlines.end(tasks[1]!.extra)
    deadline!.fire(110)
    assert.deepStrictEqual([planned, expired], [[110, 113], []])
    deadline!.fire(113)
    assert.deepStrictEqual(
      expired,
      [tasks[0]!, tasks[2]!].map(({ entry }) => [entry, 113])
    )
  })

  it("end the sharing, if it lasts until then", () => {
    const { ages, planned, start } = world()
    start(10).extra.deadline!.fire(110)
    assert.isUndefined(ages.shared)
    assert.deepStrictEqual(planned, [110, 113])
  })

  it("differ if maxWait or the reading differs, and if no task is left (load 6)", () => {
    const { ages, deadlines, planned, start } = world()
    const { extra } = start(10)
    start(20)
    ages.endSharing()
    ages.shared = { until: Infinity }
    start(20)
    const last = start(20)
    assert.deepStrictEqual(planned, [110, 120, 123])
    deadlines.end(extra)
    assert.isUndefined(extra.deadline)
    const { deadline } = last.extra
    deadlines.end(last.extra)
    assert.notStrictEqual(deadline!.agendaSlot, -1)
  })

  it("are not used again after their last task has left", () => {
    const { deadlines, planned, start } = world()
    const { extra } = start(10)
    const { deadline } = extra
    deadlines.end(extra)
    assert.strictEqual(deadline!.agendaSlot, -1)
    assert.notStrictEqual(start(10).extra.deadline, deadline)
    assert.deepStrictEqual(planned, [110, 110])
  })
})

it.live("no task of a burst is ended before it has waited for its whole maxWait (load 6)", () =>
  Effect.gen(function* () {
    const open = yield* Latch.make()
    yield* TaskPool.fork(open.await)
    const waited = yield* Effect.forEach(
      Array.from({ length: 2000 }, (_, index) => (index % 2 === 0 ? 20 : 30)),
      (maxWait) =>
        Effect.suspend(() => {
          const from = performance.now()
          return TaskPool.submit(Effect.void, { maxWait }).pipe(
            Effect.flip,
            Effect.map(({ _tag }) => ({ _tag, spare: performance.now() - from - maxWait }))
          )
        }),
      { concurrency: "unbounded" }
    )
    yield* open.open
    assert.isTrue(waited.every(({ _tag, spare }) => _tag === "NotAvailable" && spare >= 0))
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

/** Keeps the event loop for so many milliseconds. */
const block = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

it.live("the time that the event loop is blocked counts for a task that comes alone (load 6)", () =>
  Effect.gen(function* () {
    const open = yield* Latch.make()
    yield* TaskPool.fork(open.await)
    yield* Effect.sleep("20 millis")
    const handle = yield* TaskPool.fork(Effect.void, { maxWait: "100 millis" })
    block(300)
    yield* Effect.sleep("20 millis")
    yield* open.open
    assert.strictEqual((yield* Effect.flip(handle.join))._tag, "NotAvailable")
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

it.live.each([0, 1, 3, 30])(
  "ages tasks that come before and after the event loop was blocked, %d before (load 6)",
  (burst) =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const open = yield* Latch.make()
      yield* TaskPool.fork(open.await)
      yield* Effect.sleep("5 millis")
      for (let i = 0; i < burst; i++) yield* TaskPool.fork(Effect.void, { weight: -500 })
      yield* TaskPool.fork(
        Effect.sync(() => order.push("first")),
        { weight: 1 }
      )
      block(50)
      yield* TaskPool.fork(
        Effect.sync(() => order.push("second")),
        { weight: 0 }
      )
      yield* open.open
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(order, ["first", "second"])
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1, { ageing: "10 millis" })))
)

it.live("items with options read a clock of the user's as often as items without", () =>
  Effect.gen(function* () {
    const readsOf = (options: ForEachOptions) => {
      let reads = 0
      const clock: Clock.Clock = Object.create(Clock.Clock.defaultValue())
      clock.monotonicTimeNanosUnsafe = () => {
        reads++
        return Clock.Clock.defaultValue().monotonicTimeNanosUnsafe()
      }
      return TaskPool.forEach(Array.from({ length: 100 }), () => Effect.void, options).pipe(
        Effect.provide(AioFixedTaskPoolSimple.layer(1)),
        Effect.provideService(Clock.Clock, clock),
        Effect.map(() => reads)
      )
    }
    const plain = yield* readsOf({})
    assert.isAbove(plain, 100)
    for (const options of [{ label: "a" }, { key: "a" }, { permits: 1 }]) {
      assert.strictEqual(yield* readsOf(options), plain)
    }
  })
)

it("a shared reading says when the last of its tasks had come at the latest", () => {
  let nanos = 1_000_000_000n
  const ages = new Ages({ monotonicTimeNanosUnsafe: () => nanos } as Clock.Clock, true)
  const read = (): SharedReading | undefined => {
    nanos += 1_000n
    ages.stamp()
    return ages.shared
  }
  assert.isUndefined(read())
  const first = read()!
  assert.strictEqual(read(), first)
  assert.strictEqual(first.until, Infinity)
  const second = read()!
  assert.notStrictEqual(second, first)
  assert.strictEqual(first.until, Number(nanos) / 1e6)
  nanos += 5_000n
  ages.endSharing()
  assert.isUndefined(ages.shared)
  assert.strictEqual(second.until, Number(nanos) / 1e6)
})
