import { AioFixedTaskPoolSimple, type NotAvailable, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type { Body, Operation } from "./bodies.ts"
import { everySmallTask } from "./lending.ts"
import { runBody, type Setting } from "./run.ts"

for (const pools of [1, 2] as const) everySmallTask(pools, 499)

// What the runs of all small tasks have found: the smallest of each.

const pause: Operation = { do: "yield" }
const one: Setting = {
  discipline: "fifo",
  size: 1,
  capacity: 0,
  onFull: "suspend",
  pools: 1,
  crowd: 0,
  budget: 2048
}
const value = (...operations: ReadonlyArray<Operation>): Body => ({ operations, end: "value" })
const brokenBy = (body: Body, setting: Partial<Setting>) => runBody(body, { ...one, ...setting }).broken

it("a task that forks at the door does not take back the worker that the forked task starts on", () => {
  const body = value({ do: "fork", body: value(pause) })
  for (const capacity of [0, 1])
    for (const crowd of [1, 2, 3]) assert.isUndefined(brokenBy(body, { capacity, crowd, budget: 3 }))
})

it("a task that forks at the door goes on when its worker is free before it waits for that", () => {
  assert.isUndefined(brokenBy(value({ do: "fork", body: value() }), { capacity: 1, crowd: 1, budget: 3 }))
})

it("a task goes on when the task that took its worker ends in the round of a flush in which it started", () => {
  const body = value({ do: "fork", body: value() }, { do: "fork and join", body: value(pause) })
  assert.isUndefined(brokenBy(body, { capacity: 1 }))
})

const twoPools = Effect.all([
  AioFixedTaskPoolSimple.make({ size: 1, name: "one" }),
  AioFixedTaskPoolSimple.make({ size: 1, name: "other" })
])

it.effect("tasks of two pools that submit to the other pool both end, though each has the only worker", () =>
  Effect.gen(function* () {
    const [one, other] = yield* twoPools
    const crossing = [
      one.submit(Effect.andThen(Effect.yieldNow, other.submit(Effect.succeed(1)))),
      other.submit(Effect.andThen(Effect.yieldNow, one.submit(Effect.succeed(2))))
    ]
    assert.deepStrictEqual(yield* Effect.all(crossing, { concurrency: "unbounded" }), [1, 2])
    for (const pool of [one, other]) assert.strictEqual((yield* pool.stats).lent, 0)
  })
)

it.effect("a task that joins its fork in another pool lends its worker to what that fork submits", () =>
  Effect.gen(function* () {
    const [one, other] = yield* twoPools
    const joining = Effect.flatMap(other.fork(one.submit(Effect.succeed("inner"))), ({ join }) => join)
    assert.strictEqual(yield* one.submit(joining), "inner")
  })
)

it.effect("a task keeps its worker while it waits for a pool that does not wait for its own", () =>
  Effect.gen(function* () {
    const [one, other] = yield* twoPools
    const seen = other.submit(Effect.andThen(Effect.yieldNow, one.stats))
    const { busy, lent } = yield* one.submit(seen)
    assert.deepStrictEqual([busy, lent], [1, 0])
  })
)

it.effect("a wait that closes a cycle with a pool that forbids nested waits fails", () =>
  Effect.gen(function* () {
    const strict = yield* AioFixedTaskPoolSimple.make({ size: 1, nested: "fail" })
    const other = yield* AioFixedTaskPoolSimple.make({ size: 1 })
    const crossing = [
      strict.submit(Effect.andThen(Effect.yieldNow, other.submit(Effect.void))),
      other.submit(Effect.andThen(Effect.yieldNow, Effect.flip(strict.submit(Effect.void))))
    ]
    const [, rejection] = yield* Effect.all(crossing, { concurrency: "unbounded" })
    assert.strictEqual((rejection as NotAvailable).reason, "Nested")
  })
)

it.effect("a fiber that outlives its task, and waits for the pool, takes no worker", () =>
  Effect.gen(function* () {
    const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
    const gate = Latch.makeUnsafe()
    const workers = Effect.map(pool.stats, ({ busy, lent }) => [busy, lent])
    const outliving = Effect.forkDetach(pool.submit(gate.await), { startImmediately: true })
    yield* pool.submit(Effect.andThen(outliving, Effect.yieldNow))
    assert.deepStrictEqual(yield* workers, [1, 0])
    yield* gate.open
    yield* pool.awaitIdle
    yield* Effect.yieldNow
    assert.deepStrictEqual(yield* workers, [0, 0])
    yield* pool.submit(Effect.void)
  })
)

it.effect("a fiber that outlives its task closes no cycle of pools (load 98)", () =>
  Effect.gen(function* () {
    const parent = yield* AioFixedTaskPoolSimple.make({ size: 3, name: "parent" })
    const strict = yield* AioFixedTaskPoolSimple.make({ size: 3, name: "strict", nested: "fail" })
    for (const outer of [parent, strict]) {
      const part = yield* AioFixedTaskPoolSimple.make({ size: 3, name: "part" })
      const gate = Latch.makeUnsafe()
      const outlive = outer.submit(Effect.forkDetach(part.submit(gate.await), { startImmediately: true }))
      const outliving = [yield* outlive, yield* outlive]
      let [active, most] = [0, 0]
      const task = Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++active))),
        () => Effect.yieldNow,
        () => Effect.sync(() => active--)
      )
      yield* part.forEach([1, 2, 3, 4], () => outer.submit(task), { discard: true })
      assert.strictEqual(most, 1)
      yield* gate.open
      yield* Effect.forEach(outliving, Fiber.join)
    }
  })
)

describe("an operation of a pool that waits for the caller's pool", () => {
  type Operation = (pool: TaskPoolService, task: TaskHandle<unknown, unknown>) => Effect.Effect<unknown, NotAvailable>
  const ending: Record<string, Operation> = {
    close: (pool) => pool.close({ mode: "interrupt" }),
    start: (pool) =>
      Effect.andThen(Effect.forkChild(pool.close({ mode: "interrupt" }), { startImmediately: true }), pool.start),
    cancel: (_, task) => task.cancel,
    "a hard resize": (pool) => pool.resize(0, { mode: "hard" })
  }
  const waiting: Record<string, Operation> = {
    close: (pool) => pool.close(),
    awaitIdle: (pool) => pool.awaitIdle,
    awaitEmpty: (pool) => Effect.andThen(pool.fork(Effect.void), pool.awaitEmpty),
    awaitResized: (pool) => Effect.andThen(pool.resize(0), pool.awaitResized),
    withQuiesced: (pool) => pool.withQuiesced(Effect.void)
  }

  /** How an operation ends in a task of a pool that another pool's task waits for, twice if `finalizer`. */
  const run = (own: Nested, others: Nested, operation: Operation, finalizer: boolean) =>
    Effect.gen(function* () {
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, nested: own })
      const other = yield* AioFixedTaskPoolSimple.make({ size: 1, name: "other", nested: others })
      const ask = Effect.ignore(pool.submit(Effect.void))
      const [asks, calls] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
      const call = Effect.andThen(
        calls.await,
        Effect.suspend(() => operation(other, task))
      )
      const caller = yield* Effect.forkChild(pool.submit(call), { startImmediately: true })
      const body = Effect.andThen(asks.await, ask)
      const task = yield* other.fork(finalizer ? Effect.ensuring(body, ask) : body)
      yield* asks.open
      yield* settle
      yield* calls.open
      yield* settle
      return caller.pollUnsafe()
    })
  type Nested = "lend" | "fail" | "queue"

  for (const [name, operation] of Object.entries({ ...ending, ...waiting })) {
    it.effect.each<Nested>(["lend", "queue", "fail"])(
      `${name} ends if the caller's pool lends, the other one: %s`,
      (others) =>
        Effect.gen(function* () {
          const exit = yield* run("lend", others, operation, true)
          assert.isTrue(exit !== undefined && Exit.isSuccess(exit), String(exit))
        })
    )
  }
  for (const [name, operation] of Object.entries(ending)) {
    it.effect.each<Nested>(["lend", "queue", "fail"])(`${name} ends the wait of the other pool's task: %s`, (others) =>
      Effect.gen(function* () {
        const exit = yield* run("fail", others, operation, false)
        assert.isTrue(exit !== undefined && Exit.isSuccess(exit), String(exit))
      })
    )
  }
  for (const name of ["awaitIdle", "awaitResized", "withQuiesced"]) {
    it.effect.each<Nested>(["lend", "fail"])(
      `${name} dies if the caller's pool does not lend, the other one: %s`,
      (others) =>
        Effect.gen(function* () {
          const exit = yield* run("fail", others, waiting[name]!, false)
          assert.include(String(exit), "a task would wait for other, whose tasks wait for its own pool")
        })
    )
  }
})
