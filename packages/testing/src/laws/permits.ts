import { TaskPool } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  expectCancelled,
  expectNotAvailable,
  expectStats,
  gated,
  hasEnded,
  type LawOptions,
  type Laws,
  type LayerOf,
  settle,
  start
} from "./kit.ts"
import { promptly, reached } from "./nesting.ts"
import type { WaitingOrder, WaitingTask } from "./ordering.ts"

/** Tasks that take several workers. */
export const permitLaws = (laws: Laws): void => {
  laws.law("a task takes as many workers as it has permits, and gives all of them back (load 5)", { size: 5 }, (pool) =>
    Effect.gen(function* () {
      const [heavy, light] = [gated("heavy"), gated("light")]
      const fibers = [
        yield* start(pool.submit(heavy.task, { permits: 3 })),
        yield* start(pool.submit(light.task, { permits: 1 })),
        yield* start(pool.submit(light.task))
      ]
      yield* expectStats(pool, { busy: 5, running: 3, lent: 0, size: 5 })
      yield* heavy.open
      yield* settle
      yield* expectStats(pool, { busy: 2, running: 2 })
      yield* light.open
      assert.deepStrictEqual(yield* promptly(pool, Fiber.joinAll(fibers)), ["heavy", "light", "light"])
      yield* expectStats(pool, { busy: 0, running: 0 })
    })
  )

  for (const [name, end] of Object.entries({
    fails: Effect.fail("failure"),
    dies: Effect.die("defect"),
    "is interrupted": Effect.interrupt
  })) {
    laws.law(`a task that ${name} gives all its workers back (load 5)`, { size: 3 }, (pool) =>
      Effect.gen(function* () {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.submit(end, { permits: 3 }))))
        yield* expectStats(pool, { busy: 0, running: 0 })
      })
    )
  }

  laws.law("a cancelled task gives all its workers back when its finalizers have ended (load 5)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      const handle = yield* pool.fork(
        Effect.onInterrupt(Effect.never, () => settle),
        { permits: 2 }
      )
      const canceller = yield* start(handle.cancel)
      yield* expectStats(pool, { busy: 2, running: 1 })
      yield* promptly(pool, Fiber.join(canceller))
      yield* expectStats(pool, { busy: 0, running: 0, cancelled: 1 })
    })
  )

  laws.law(
    "the head waits until its permits are free, and no lighter task overtakes it (load 5)",
    { size: 3 },
    (pool) =>
      Effect.gen(function* () {
        const first = [gated(0), gated(1)]
        const fibers = []
        for (const { task } of first) fibers.push(yield* start(pool.submit(task)))
        const heavy = gated("heavy")
        fibers.push(yield* start(pool.submit(heavy.task, { permits: 3 })))
        yield* first[0]!.open
        yield* settle
        // Two workers are free, and the heavy task needs three.
        yield* expectStats(pool, { busy: 1, running: 1 })
        assert.strictEqual(heavy.counts.begun, 0)
        yield* first[1]!.open
        yield* reached(pool, heavy.started)
        yield* expectStats(pool, { busy: 3, running: 1 })
        yield* heavy.open
        yield* promptly(pool, Fiber.joinAll(fibers as ReadonlyArray<Fiber.Fiber<unknown, unknown>>))
      })
  )

  laws.law(
    "a task of more permits than the pool can ever have is refused at once with TooLarge (load 5, load 11a, Permits)",
    { size: 3 },
    (pool) =>
      Effect.gen(function* () {
        const task = gated("never")
        const refused: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
          ["submit", pool.submit(task.task, { permits: 4 })],
          ["fork", pool.fork(task.task, { permits: 4 })],
          ["submitNowait", pool.submitNowait(task.task, { permits: 4 })],
          ["forEach", pool.forEach([0, 1], () => task.task, { permits: 4 })],
          ["all", pool.all([task.task], { permits: 4 })],
          ["mapEffect", Stream.runDrain(pool.mapEffect(Stream.make(0), () => task.task, { permits: 4 }))]
        ]
        for (const [name, effect] of refused) {
          const fiber = yield* start(effect)
          yield* settle
          assert.isTrue(hasEnded(fiber), name)
          expectNotAvailable(yield* Fiber.await(fiber), "TooLarge")
        }
        const { rejected, rejectedBy, submitted } = yield* pool.stats
        assert.deepStrictEqual([submitted, rejected, rejectedBy.TooLarge], [0, refused.length, refused.length])
        assert.strictEqual(task.counts.begun, 0)
        assert.strictEqual(yield* promptly(pool, pool.submit(Effect.succeed("fits"), { permits: 3 })), "fits")
      })
  )

  laws.law(
    "the largest size so far, or maxSize, is what a pool can have, and 1 permit is never too large (load 11a, Permits)",
    { size: 1, minSize: 0, maxSize: 3 },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.resize(3)
        yield* pool.resize(0)
        const { targetSize } = yield* pool.stats
        const waiting = [
          yield* start(pool.submit(Effect.succeed("three"), { permits: 3 })),
          yield* start(pool.submit(Effect.succeed("one"), { permits: 1 })),
          yield* start(pool.submit(Effect.succeed("plain")))
        ]
        yield* settle
        if (targetSize === 0) yield* expectStats(pool, { running: 0, rejected: 0 })
        expectNotAvailable(yield* Effect.exit(pool.submit(Effect.void, { permits: 4 })), "TooLarge")
        yield* pool.resize(3)
        assert.deepStrictEqual(yield* promptly(pool, Fiber.joinAll(waiting)), ["three", "one", "plain"])
      })
  )

  laws.law(
    "after a scale-down below its permits a waiting task waits for a scale-up, and holds back the others (load 5)",
    { size: 3, minSize: 0, maxSize: 3 },
    (pool) =>
      Effect.gen(function* () {
        const busy = gated("busy")
        const holder = yield* start(pool.submit(busy.task, { permits: 3 }))
        const heavy = gated("heavy")
        const fiber = yield* start(pool.submit(heavy.task, { permits: 2 }))
        yield* pool.resize(1)
        yield* busy.open
        yield* promptly(pool, Fiber.join(holder))
        yield* settle
        yield* expectStats(pool, { running: 0, busy: 0, targetSize: 1 })
        assert.strictEqual(heavy.counts.begun, 0)
        yield* pool.resize(2)
        yield* reached(pool, heavy.started)
        yield* heavy.open
        yield* promptly(pool, Fiber.join(fiber))
      })
  )

  laws.law(
    "surplus permits after a soft scale-down finish, and nothing begins beside them (load 11a, Counting)",
    { size: 3, minSize: 0, maxSize: 3 },
    (pool) =>
      Effect.gen(function* () {
        const heavy = gated("heavy")
        const holder = yield* start(pool.submit(heavy.task, { permits: 3 }))
        yield* pool.resize(2)
        yield* expectStats(pool, { busy: 3, size: 3, targetSize: 2 })
        const next = gated("next")
        const fiber = yield* start(pool.submit(next.task))
        const resized = yield* start(pool.awaitResized)
        yield* settle
        assert.deepStrictEqual([next.counts.begun, hasEnded(resized)], [0, false])
        yield* heavy.open
        yield* reached(pool, next.started)
        yield* promptly(pool, Fiber.join(resized))
        yield* expectStats(pool, { busy: 1, size: 2, targetSize: 2 })
        yield* next.open
        yield* promptly(pool, Fiber.joinAll([holder, fiber]))
      })
  )

  laws.law(
    "a hard scale-down interrupts the newest tasks until the busy permits fit (load 11a, Counting)",
    { size: 5, minSize: 0, maxSize: 5 },
    (pool) =>
      Effect.gen(function* () {
        const oldest = yield* pool.fork(Effect.never, { permits: 2 })
        const middle = yield* pool.fork(Effect.never, { permits: 2 })
        const newest = yield* pool.fork(Effect.never)
        yield* promptly(pool, pool.resize(2, { mode: "hard" }))
        for (const handle of [middle, newest]) {
          expectCancelled(yield* handle.await, { reason: "ScaledDown", started: true })
        }
        assert.strictEqual(yield* oldest.state, "Running")
        yield* expectStats(pool, { busy: 2, running: 1, targetSize: 2, size: 2 })
        yield* promptly(pool, pool.resize(1, { mode: "hard" }))
        expectCancelled(yield* oldest.await, { reason: "ScaledDown", started: true })
        yield* expectStats(pool, { busy: 0, running: 0 })
      })
  )

  laws.law(
    "a waiting task whose permits exceed the target when the drain begins is cancelled (load 11a, Closing)",
    { size: 3, minSize: 0, maxSize: 3, needs: 2 },
    (pool) =>
      Effect.gen(function* () {
        const busy = gated("busy")
        const holder = yield* pool.fork(busy.task)
        const heavy = yield* pool.fork(Effect.die("never"), { permits: 3 })
        yield* pool.resize(1)
        const closer = yield* start(pool.close())
        yield* settle
        expectCancelled(yield* promptly(pool, heavy.await), { reason: "Closed", started: false })
        yield* busy.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 1, interrupted: 0, neverRun: 1 })
        assert.strictEqual(yield* holder.join, "busy")
      })
  )

  laws.law(
    "a waiting task whose permits exceed the target later in the drain is cancelled (load 11a, Closing)",
    { size: 3, minSize: 0, maxSize: 3, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const busy = gated("busy")
        yield* pool.fork(busy.task)
        const heavy = yield* pool.fork(Effect.die("never"), { permits: 3 })
        const closer = yield* start(pool.close())
        yield* settle
        assert.strictEqual(yield* heavy.state, "Waiting")
        yield* pool.resize(2)
        yield* settle
        expectCancelled(yield* promptly(pool, heavy.await), { reason: "Closed", started: false })
        yield* busy.open
        assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 1, interrupted: 0, neverRun: 1 })
      })
  )

  laws.law("a draining pool runs a heavy task whose permits fit (load 11a, Closing)", { size: 3, needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* pool.fork(busy.task)
      const heavy = yield* pool.fork(Effect.succeed("heavy"), { permits: 3 })
      const closer = yield* start(pool.close())
      yield* busy.open
      assert.deepStrictEqual(yield* promptly(pool, Fiber.join(closer)), { completed: 2, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* heavy.join, "heavy")
    })
  )

  laws.law("items of a bulk take their permits, each its own (load 5, load 11a, Items)", { size: 3 }, (pool) =>
    Effect.gen(function* () {
      let [busy, most, running] = [0, 0, 0]
      const item = (permits: number) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, (busy += permits))
            running++
          }),
          () => Effect.andThen(Effect.yieldNow, pool.stats),
          () => Effect.sync(() => (busy -= permits))
        )
      const items = [1, 3, 2, 2, 1, 1, 3, 1]
      const options = { permits: (permits: number) => permits }
      const seen = yield* promptly(pool, pool.forEach(items, item, options))
      for (const stats of seen) assert.isAtMost(stats.busy, 3)
      yield* promptly(pool, Stream.runDrain(pool.mapEffect(Stream.fromIterable(items), item, options)))
      assert.strictEqual(most, 3)
      assert.strictEqual(running, 2 * items.length)
      yield* expectStats(pool, { busy: 0, running: 0 })
    })
  )

  laws.law(
    "200 tasks of random permits never take more workers than there are, and all run (load 5)",
    { size: 5 },
    (pool) =>
      Effect.gen(function* () {
        let busy = 0
        let ran = 0
        const task = (permits: number) =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              busy += permits
              ran++
              assert.isAtMost(busy, 5)
            }),
            () => Effect.forEach(Array.from({ length: permits % 3 }), () => Effect.yieldNow),
            () => Effect.sync(() => (busy -= permits))
          )
        const all = Effect.forEach(
          Array.from({ length: 200 }, (_, i) => 1 + ((i * 7919) % 5)),
          (permits) => pool.submit(task(permits), { permits }),
          { concurrency: "unbounded", discard: true }
        )
        yield* promptly(pool, all)
        assert.strictEqual(ran, 200)
        yield* expectStats(pool, { busy: 0, succeeded: 200 })
      })
  )
}

/** The order of tasks with several permits, which is that of the discipline. */
export const permitOrderLaws = (layerOf: LayerOf<LawOptions>, order: WaitingOrder): void => {
  const law = (sentence: string, size: number, body: Effect.Effect<unknown, unknown, TaskPool | Scope.Scope>) =>
    it.effect(sentence, () => Effect.provide(Effect.scoped(body), layerOf({ size })), 20_000)

  law(
    "tasks of random permits start in the discipline's order: none overtakes the head because it is lighter (load 5)",
    4,
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const started: Array<number> = []
      const expected: Array<WaitingTask> = []
      const busy = gated("busy")
      yield* pool.fork(busy.task, { permits: 4 })
      for (let turn = 0; turn < 100; turn++) {
        const [permits, weight] = [1 + below(4), below(5)]
        const yields = Array.from({ length: below(4) }, () => Effect.yieldNow)
        const task = Effect.andThen(
          Effect.sync(() => started.push(turn)),
          Effect.all(yields)
        )
        yield* pool.fork(task, { permits, weight })
        expected.push({ turn, weight, weightSince: turn })
      }
      yield* busy.open
      yield* promptly(pool, pool.awaitIdle)
      assert.deepStrictEqual(
        started,
        expected.sort(order).map((task) => task.turn)
      )
    }).pipe(Random.withSeed("permits"))
  )

  // The two waiting tasks, the one first that goes first.
  const [first, second] = [
    { turn: 0, weight: 1, weightSince: 0 },
    { turn: 1, weight: 2, weightSince: 1 }
  ].sort(order)

  law(
    "a light task that is next to a heavy head waits, and starts when the head is cancelled (load 5)",
    2,
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const [rest, light] = [gated("rest"), gated("light")]
      const busy = gated("busy")
      yield* pool.fork(busy.task)
      yield* pool.fork(rest.task)
      const heavyFirst = first!.turn < second!.turn
      const forkHeavy = pool.fork(Effect.die("never"), { permits: 2, weight: first!.weight })
      const forkLight = pool.fork(light.task, { weight: second!.weight })
      const [heavy, handle] = heavyFirst
        ? [yield* forkHeavy, yield* forkLight]
        : yield* Effect.map(Effect.all([forkLight, forkHeavy]), ([light, heavy]) => [heavy, light] as const)
      yield* busy.open
      yield* settle
      yield* expectStats(pool, { busy: 1, running: 1, waiting: 2 })
      yield* heavy.cancel
      assert.strictEqual(light.counts.begun, 1)
      yield* light.open
      yield* rest.open
      assert.strictEqual(yield* promptly(pool, handle.join), "light")
    })
  )

  if (first!.turn > 0) return
  law(
    "a stream of light tasks never starves a heavy one (load 5)",
    3,
    Effect.gen(function* () {
      const pool = yield* TaskPool
      let light = 0
      let begunBefore = Infinity
      // Each of three fibers submits one light task after the other, so that a worker is always busy.
      const stream = Effect.forever(
        pool.submit(
          Effect.andThen(
            Effect.sync(() => light++),
            Effect.yieldNow
          )
        )
      )
      const fibers = [yield* start(stream), yield* start(stream), yield* start(stream)]
      yield* settle
      const before = light
      const heavy = Effect.sync(() => {
        begunBefore = light - before
      })
      yield* promptly(pool, pool.submit(heavy, { permits: 3 }))
      assert.isAtMost(begunBefore, 3)
      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
      yield* promptly(pool, pool.awaitIdle)
      yield* expectStats(pool, { busy: 0 })
    })
  )
}
