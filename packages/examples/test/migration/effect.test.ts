import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect, Exit, Fiber, Latch, Option, Semaphore, Stream } from "effect"
import { assert } from "vitest"
import { migration, row, trap } from "./migration.ts"

const items = [1, 2, 3, 4]
const double = (n: number) => Effect.as(Effect.yieldNow, 2 * n)

const run = <A, E>(effect: Effect.Effect<A, E, TaskPool>, size = 3): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, AioFixedTaskPoolSimple.layer(size)))

/** Whether the effect has not ended after everything happened that needs no time. It is interrupted then. */
const isPending = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* Effect.repeat(Effect.yieldNow, { times: 100 })
    const exit = fiber.pollUnsafe()
    yield* Fiber.interrupt(fiber)
    return exit === undefined
  })

migration("effect", import.meta.filename, [
  trap("A limit of one call becomes a limit of all", async () => {
    let active = 0
    let most = 0
    const task = Effect.gen(function* () {
      most = Math.max(most, ++active)
      yield* Effect.yieldNow
      active--
    })
    const twice = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
      Effect.all([effect, effect], { concurrency: "unbounded", discard: true })
    await run(twice(Effect.forEach(items, () => task, { concurrency: 2 })), 2)
    assert.strictEqual(most, 4)
    most = 0
    await run(twice(TaskPool.forEach(items, () => task)), 2)
    assert.strictEqual(most, 2)
  }),
  trap("A permit inside a permit", async () => {
    const pending = Effect.gen(function* () {
      const semaphore = yield* Semaphore.make(1)
      return yield* isPending(semaphore.withPermit(semaphore.withPermit(Effect.void)))
    })
    assert.isTrue(await run(pending))
    assert.strictEqual(await run(TaskPool.submit(TaskPool.submit(Effect.succeed("done"))), 1), "done")
  }),
  trap("A large request is not overtaken", async () => {
    const order: Array<string> = []
    const note = (name: string) => Effect.sync(() => void order.push(name))
    const there = Effect.gen(function* () {
      const semaphore = yield* Semaphore.make(2)
      const gate = yield* Latch.make()
      const fibers = [
        yield* Effect.forkChild(semaphore.withPermits(1)(gate.await), { startImmediately: true }),
        yield* Effect.forkChild(semaphore.withPermits(2)(note("large")), { startImmediately: true }),
        yield* Effect.forkChild(semaphore.withPermits(1)(note("small")), { startImmediately: true })
      ]
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      yield* gate.open
      yield* Fiber.joinAll(fibers)
    })
    await run(there)
    assert.deepStrictEqual(order.splice(0), ["small", "large"])
    const here = Effect.gen(function* () {
      const gate = yield* Latch.make()
      yield* TaskPool.fork(gate.await)
      yield* TaskPool.fork(note("large"), { permits: 2 })
      yield* TaskPool.fork(note("small"))
      yield* gate.open
      yield* TaskPool.awaitIdle
    })
    await run(here, 2)
    assert.deepStrictEqual(order, ["large", "small"])
  }),
  trap("A task has a fiber of its own", async () => {
    // What the body forks ends with the task, and not with the caller.
    const program = Effect.gen(function* () {
      const semaphore = yield* Semaphore.make(1)
      const there = yield* semaphore.withPermit(Effect.forkChild(Effect.never))
      const here = yield* TaskPool.submit(Effect.forkChild(Effect.never))
      return [there.pollUnsafe() === undefined, Exit.isFailure(yield* Fiber.await(here))]
    })
    assert.deepStrictEqual(await run(program), [true, true])
  }),
  trap("`submit` has two errors more", async () => {
    const program = Effect.gen(function* () {
      yield* TaskPool.pause
      const { _tag, reason } = yield* Effect.flip(TaskPool.submit(Effect.void))
      return `${_tag}: ${reason}`
    })
    assert.strictEqual(await run(program), "NotAvailable: Paused")
  }),
  row("`Effect.forEach(items, f, { concurrency: 3 })`", "`TaskPool.forEach(items, f)`", async () => {
    const f = double
    const there = await run(Effect.forEach(items, f, { concurrency: 3 }))
    assert.deepStrictEqual(there, await run(TaskPool.forEach(items, f)))
  }),
  row(
    "`Effect.forEach(items, f, { concurrency: 3, discard: true })`",
    "`TaskPool.forEach(items, f, { discard: true })`",
    async () => {
      const f = double
      const there = await run(Effect.forEach(items, f, { concurrency: 3, discard: true }))
      assert.strictEqual(there, await run(TaskPool.forEach(items, f, { discard: true })))
    }
  ),
  row("`Effect.all(effects, { concurrency: 3 })`", "`TaskPool.all(effects)`", async () => {
    const effects = { a: double(1), b: double(2) }
    const there = await run(Effect.all(effects, { concurrency: 3 }))
    assert.deepStrictEqual(there, await run(TaskPool.all(effects)))
  }),
  row(
    "`Effect.partition(items, f, { concurrency: 3 })`",
    '`Effect.partition(items, (item) => TaskPool.submit(f(item)), { concurrency: "unbounded" })`',
    async () => {
      const f = (n: number) => (n % 2 === 0 ? Effect.fail(`${n} is even`) : Effect.succeed(n))
      const there = await run(Effect.partition(items, f, { concurrency: 3 }))
      const here = await run(Effect.partition(items, (item) => TaskPool.submit(f(item)), { concurrency: "unbounded" }))
      assert.deepStrictEqual(there, here as typeof there)
    }
  ),
  row("`Stream.mapEffect(f, { concurrency: 3 })`", "`TaskPool.mapEffect(f)`", async () => {
    const f = double
    const stream = Stream.fromIterable(items)
    const there = await run(stream.pipe(Stream.mapEffect(f, { concurrency: 3 }), Stream.runCollect))
    assert.deepStrictEqual(there, await run(stream.pipe(TaskPool.mapEffect(f), Stream.runCollect)))
  }),
  row("`Semaphore.make(3)`", "`AioFixedTaskPoolSimple.make({ size: 3 })`, or its `layer(3)`", async () => {
    const program = Effect.gen(function* () {
      const semaphore = yield* Semaphore.make(3)
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 3 })
      return [yield* semaphore.withPermit(double(1)), yield* pool.submit(double(1))]
    })
    assert.deepStrictEqual(await run(Effect.scoped(program)), [2, 2])
    assert.strictEqual(
      (await Effect.runPromise(Effect.provide(TaskPool.stats, AioFixedTaskPoolSimple.layer(3)))).size,
      3
    )
  }),
  row("`semaphore.withPermit(effect)`", "`TaskPool.submit(effect)`", async () => {
    const semaphore = Semaphore.makeUnsafe(3)
    const effect = double(1)
    assert.strictEqual(await run(semaphore.withPermit(effect)), await run(TaskPool.submit(effect)))
  }),
  row("`semaphore.withPermits(2)(effect)`", "`TaskPool.submit(effect, { permits: 2 })`", async () => {
    const semaphore = Semaphore.makeUnsafe(3)
    const effect = double(1)
    assert.strictEqual(await run(semaphore.withPermits(2)(effect)), await run(TaskPool.submit(effect, { permits: 2 })))
  }),
  row(
    "`semaphore.withPermitsIfAvailable(1)(effect)`",
    '`Effect.catchTag(TaskPool.submit(Effect.asSome(effect)), "NotAvailable", () => Effect.succeedNone)` with `capacity: 0, onFull: "fail"`',
    async () => {
      const semaphore = Semaphore.makeUnsafe(1)
      const effect = Effect.succeed("done")
      const there = Effect.gen(function* () {
        const busy = yield* semaphore.withPermit(semaphore.withPermitsIfAvailable(1)(effect))
        return [busy, yield* semaphore.withPermitsIfAvailable(1)(effect)]
      })
      const ifAvailable = Effect.suspend(() =>
        Effect.catchTag(TaskPool.submit(Effect.asSome(effect)), "NotAvailable", () => Effect.succeedNone)
      )
      const here = Effect.gen(function* () {
        const running = yield* TaskPool.fork(Effect.never)
        const busy = yield* ifAvailable
        yield* running.cancel
        return [busy, yield* ifAvailable]
      })
      const layer = AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail" })
      const expected = [Option.none(), Option.some("done")]
      assert.deepStrictEqual(await run(there), expected)
      assert.deepStrictEqual(await Effect.runPromise(Effect.provide(here, layer)), expected)
    }
  ),
  row("`semaphore.resize(5)`", "`TaskPool.resize(5)`", async () => {
    const semaphore = Semaphore.makeUnsafe(1)
    const five = Effect.forEach([1, 2, 3, 4, 5], () => Effect.yieldNow, { concurrency: "unbounded" })
    await run(Effect.andThen(semaphore.resize(5), semaphore.withPermits(5)(five)))
    assert.strictEqual(await run(TaskPool.resize(5), 1), 5)
  })
])
