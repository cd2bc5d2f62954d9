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

describe("an operation that cannot fail, of a pool that waits for the caller's pool", () => {
  const operations: Record<
    string,
    (pool: TaskPoolService, task: TaskHandle<unknown, unknown>) => Effect.Effect<unknown, NotAvailable>
  > = {
    close: (pool) => pool.close(),
    start: (pool) => Effect.andThen(Effect.forkChild(pool.close(), { startImmediately: true }), pool.start),
    cancel: (_, task) => task.cancel,
    "a hard resize": (pool) => pool.resize(0, { mode: "hard" }),
    awaitIdle: (pool) => pool.awaitIdle
  }
  for (const [name, operation] of Object.entries(operations)) {
    it.effect.each([
      ["lend", "lend"],
      ["lend", "queue"],
      ["lend", "fail"],
      ["fail", "lend"],
      ["fail", "fail"]
    ] as const)(`${name} ends, or dies if the caller's pool does not lend: %s, %s`, ([own, others]) =>
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, nested: own })
        const other = yield* AioFixedTaskPoolSimple.make({ size: 1, name: "other", nested: others })
        const ask = Effect.ignore(pool.submit(Effect.void))
        const [asks, calls] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
        const caller = yield* Effect.forkChild(
          pool.submit(
            Effect.andThen(
              calls.await,
              Effect.suspend(() => operation(other, task))
            )
          ),
          { startImmediately: true }
        )
        const task = yield* other.fork(Effect.ensuring(Effect.andThen(asks.await, ask), ask))
        yield* asks.open
        yield* settle
        yield* calls.open
        yield* settle
        const exit = caller.pollUnsafe()
        if (own === "lend") assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
        else assert.include(String(exit), "a task would wait for other, whose tasks wait for its own pool")
      })
    )
  }
})
