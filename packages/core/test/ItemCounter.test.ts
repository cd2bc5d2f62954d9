import { defectOf, gated, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { AioFixedTaskPoolSimple, Executor, ItemCounter, Job, TaskPool } from "../src/index.ts"
import { counting } from "../src/internal/runtime/counting.ts"

const crypto = Job.module<typeof import("node:crypto")>("node:crypto")

const makeCounter = () => {
  const seen = { totals: [] as Array<number | undefined>, ended: [] as Array<Exit<unknown, unknown>["_tag"]> }
  const counter: ItemCounter = {
    begin: (total) => void seen.totals.push(total),
    ended: ({ _tag }) => void seen.ended.push(_tag)
  }
  return { seen, counted: <A, E, R>(effect: Effect.Effect<A, E, R>) => ItemCounter.count(effect, counter) }
}

const onPool = Effect.provide(AioFixedTaskPoolSimple.layer(2))
const double = (n: number) => Effect.succeed(2 * n)

function* numbers() {
  yield* [1, 2]
}

describe("ItemCounter", () => {
  it.effect("a counter of another type is a defect that names what is missing", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [counter: unknown, message: string]> = [
        [undefined, "counter.begin must be a function, got undefined"],
        [{ begin: () => {} }, "counter.ended must be a function, got undefined"]
      ]
      for (const [counter, message] of wrong) {
        const exit = yield* Effect.exit(ItemCounter.count(TaskPool.forEach([1], double), counter as ItemCounter))
        assert.strictEqual(String(defectOf(exit)), `TypeError: ItemCounter.count: ${message}`)
      }
      assert.strictEqual(counting.live, 0)
    }).pipe(onPool)
  )

  it.effect.each([
    ["an array", [1, 2], 2],
    ["a Set", new Set([1, 2]), 2],
    ["a Map", new Map([[1, 1]]), 1],
    ["a typed array", new Uint8Array(2), 2],
    ["an iterable of unknown length", numbers(), undefined],
    ["an iterable with a wrong size", { size: -1, [Symbol.iterator]: numbers }, undefined],
    ["a string, whose length may differ", "ab", undefined]
  ] as const)("forEach tells the number of items of %s", ([, items, total]) =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const results = yield* counted(TaskPool.forEach(items as Iterable<unknown>, Effect.succeed))
      assert.deepStrictEqual(seen.totals, [total])
      assert.deepStrictEqual(
        seen.ended,
        results.map(() => "Success")
      )
    }).pipe(onPool)
  )

  it.effect("counts the items of all and of mapEffect", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      yield* counted(TaskPool.all({ a: double(1), b: double(2) }))
      yield* counted(Stream.runDrain(TaskPool.mapEffect(Stream.make(1, 2, 3), double)))
      assert.deepStrictEqual(seen.totals, [2, undefined])
      assert.strictEqual(seen.ended.length, 5)
    }).pipe(onPool)
  )

  it.effect("leaves submissions without a counter as cheap as before, also after an interruption", () =>
    Effect.gen(function* () {
      const { counted } = makeCounter()
      const before = counting.live
      yield* counted(Effect.void)
      const fiber = yield* start(counted(Effect.never))
      assert.strictEqual(counting.live, before + 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(counting.live, before)
    })
  )

  it.effect("does not count the operations within an item", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const nested = () => TaskPool.forEach([1, 2], double)
      yield* counted(TaskPool.forEach([1, 2, 3], nested))
      yield* counted(Stream.runDrain(TaskPool.mapEffect(Stream.make(1), nested)))
      assert.deepStrictEqual(seen.totals, [3, undefined])
      assert.strictEqual(seen.ended.length, 4)
    }).pipe(onPool)
  )

  it.effect("counts an item that failed, and the ones that its failure interrupted", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const f = (n: number) => (n === 0 ? Effect.fail("no") : Effect.never)
      yield* Effect.exit(counted(TaskPool.forEach([1, 0, 2], f)))
      assert.deepStrictEqual(seen.ended, ["Failure", "Failure"])
    }).pipe(onPool)
  )

  it.effect("counts the tasks of submit, fork, submitNowait and submitBlocking, and not what they submit", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const nested = TaskPool.submit(TaskPool.submit(double(1)))
      const forked = Effect.flatMap(TaskPool.fork(double(2)), (handle) => handle.join)
      const nowait = Effect.flatMap(TaskPool.submitNowait(Effect.fail("no")), (handle) => handle.await)
      const blocking = TaskPool.submitBlocking(crypto.pbkdf2Sync, { args: ["a", "b", 1, 1, "sha1"] })
      for (const one of [nested, forked, nowait, blocking])
        yield* counted(one as Effect.Effect<unknown, unknown, TaskPool>)
      // A task resumes its submitter first.
      yield* settle
      assert.deepStrictEqual(seen, { totals: [], ended: ["Success", "Success", "Failure", "Success"] })
      yield* TaskPool.submit(double(1))
      assert.strictEqual(seen.ended.length, 4)
    }).pipe(onPool, Effect.provide(Executor.layerInline))
  )

  it.effect("counts the tasks that a fiber of the effect submits, after the effect has ended, too", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const gate = gated(1)
      const handle = yield* counted(TaskPool.fork(gate.task))
      yield* counted(Effect.forEach([1, 2, 3], (n) => TaskPool.submit(double(n)), { concurrency: "unbounded" }))
      yield* settle
      assert.strictEqual(seen.ended.length, 3)
      yield* gate.open
      yield* handle.join
      yield* settle
      assert.strictEqual(seen.ended.length, 4)
    }).pipe(onPool)
  )

  it.effect("counts a submission that was rejected as a failure", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      yield* TaskPool.pause
      yield* Effect.exit(counted(TaskPool.submit(double(1))))
      yield* Effect.exit(counted(TaskPool.submitNowait(double(1))))
      yield* settle
      assert.deepStrictEqual(seen.ended, ["Failure", "Failure"])
    }).pipe(onPool)
  )

  it.effect("tells of each submitted task exactly once, however it ends", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 2, capacity: 3, onFull: "dropOldest" })
      const submit = (task: Effect.Effect<unknown, unknown>, options = {}) => start(counted(pool.submit(task, options)))
      yield* submit(Effect.never)
      const interrupted = yield* submit(Effect.never)
      yield* settle
      yield* Fiber.interrupt(interrupted)
      yield* counted(Effect.flatMap(pool.fork(Effect.never), (handle) => handle.cancel))
      yield* submit(Effect.die("defect"))
      yield* submit(Effect.fail("failure"), { retry: { times: 2 } })
      yield* settle
      // One of them is cut, and the other ones wait until the queue drops the oldest.
      yield* submit(Effect.never)
      yield* settle
      for (let i = 0; i < 4; i++) yield* submit(Effect.never)
      yield* submit(Effect.never, { maxWait: "1 second" })
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* pool.resize(1, { mode: "hard" })
      yield* pool.close({ mode: "interrupt" })
      yield* Effect.exit(counted(pool.submit(Effect.void)))
      yield* settle
      const { rejectedBy, submitted } = yield* pool.stats
      assert.strictEqual(seen.ended.length, submitted + rejectedBy.Closed)
      assert.deepStrictEqual([rejectedBy.WaitedTooLong, rejectedBy.Closed], [1, 1])
    }).pipe(Effect.scoped)
  )

  it.effect("step counts an effect as one item, and not the tasks within", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      yield* counted(ItemCounter.step(TaskPool.forEach([1, 2], double)))
      yield* Effect.exit(counted(ItemCounter.step(Effect.fail("no"))))
      assert.deepStrictEqual(seen, { totals: [], ended: ["Success", "Failure"] })
      assert.strictEqual(yield* ItemCounter.step(Effect.succeed(1)), 1)
    }).pipe(onPool)
  )

  it.effect("does not count an item that was rejected", () =>
    Effect.gen(function* () {
      const { counted, seen } = makeCounter()
      const gate = gated(1)
      const bulk = yield* start(counted(TaskPool.forEach([1, 2, 3], () => gate.task)))
      yield* settle
      yield* TaskPool.pause
      yield* gate.open
      yield* Fiber.await(bulk)
      assert.strictEqual(seen.ended.length, (yield* TaskPool.stats).succeeded)
      assert.isAbove((yield* TaskPool.stats).rejected, 0)
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect.each(["begin", "ended"] as const)("what a counter throws in %s is a defect of the operation", (where) =>
    Effect.gen(function* () {
      const throws = () => {
        throw new Error("no count")
      }
      const counter: ItemCounter = { begin: () => {}, ended: () => {}, [where]: throws }
      const operations = [
        TaskPool.forEach(
          Array.from({ length: 10 }, (_, i) => i),
          double
        ),
        Stream.runDrain(TaskPool.mapEffect(Stream.range(1, 10), double))
      ]
      for (const operation of operations) {
        const exit = yield* Effect.exit(
          ItemCounter.count(operation as Effect.Effect<unknown, unknown, TaskPool>, counter)
        )
        assert.strictEqual((defectOf(exit) as Error).message, "no count")
      }
      yield* TaskPool.awaitIdle
      assert.strictEqual(yield* TaskPool.submit(double(4)), 8)
    }).pipe(onPool)
  )
})
