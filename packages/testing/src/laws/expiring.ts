import type { TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { recordEvents } from "./events.ts"
import { expectNotAvailable, expectStats, gated, hasEnded, type Laws, occupy, settle, start } from "./kit.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

async function* twoLater(): AsyncGenerator<number> {
  await Promise.resolve()
  yield* [1, 2]
}

/** `maxWait`: tasks that must start soon, or never. */
export const expiringLaws = (laws: Laws): void => {
  laws.law(
    "a task that has not started within its maxWait fails as WaitedTooLong, and never runs (load 6)",
    {},
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 1)
        const late = gated("late")
        const submitter = yield* start(pool.submit(late.task, { maxWait: "1 second" }))
        yield* pass(999)
        assert.isFalse(hasEnded(submitter))
        yield* pass(1)
        assert.isTrue(hasEnded(submitter))
        expectNotAvailable(yield* Fiber.await(submitter), "WaitedTooLong")
        yield* busy.release
        yield* settle
        assert.strictEqual(late.counts.begun, 0)
        yield* expectStats(pool, { running: 0, waiting: 0, atDoor: 0 })
      })
  )

  laws.lawOnce(
    "one that ends in the queue is cancelled, one that ends at the door is rejected, and rejectedBy counts both (load 6)",
    { capacity: 1 },
    (pool) =>
      Effect.gen(function* () {
        const events = yield* recordEvents(pool)
        const busy = yield* occupy(pool, 1)
        const queued = yield* pool.fork(Effect.die("never"), { maxWait: 100 })
        const atDoor = yield* start(pool.fork(Effect.die("never"), { maxWait: 50 }))
        yield* settle
        yield* expectStats(pool, { waiting: 1, atDoor: 1, submitted: 2 })
        yield* pass(50)
        expectNotAvailable(yield* Fiber.await(atDoor), "WaitedTooLong")
        yield* expectStats(pool, { waiting: 1, atDoor: 0, rejected: 1, cancelled: 0 })
        yield* pass(50)
        expectNotAvailable(yield* queued.await, "WaitedTooLong")
        expectNotAvailable(yield* Effect.exit(queued.join), "WaitedTooLong")
        assert.strictEqual(yield* queued.state, "Done")
        yield* expectStats(pool, { waiting: 0, rejected: 1, cancelled: 1, submitted: 2 })
        assert.strictEqual((yield* pool.stats).rejectedBy.WaitedTooLong, 2)
        yield* busy.release
        yield* settle
        assert.deepStrictEqual(events, [
          { _tag: "Rejected", reason: "WaitedTooLong" },
          { _tag: "Rejected", reason: "WaitedTooLong" }
        ])
      })
  )

  const full = { needs: 1, capacity: laws.bound }
  laws.law("the time counts from the submission, the door included (load 6)", full, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const place = yield* pool.fork(Effect.void)
      const submitter = yield* start(pool.submit(Effect.die("never"), { maxWait: 100 }))
      yield* pass(60)
      yield* place.cancel
      yield* expectStats(pool, { waiting: 1, atDoor: 0 })
      yield* pass(39)
      assert.isFalse(hasEnded(submitter))
      yield* pass(1)
      expectNotAvailable(yield* Fiber.await(submitter), "WaitedTooLong")
      yield* busy.release
    })
  )

  laws.law("a task that has started is left alone (load 6)", {}, (pool) =>
    Effect.gen(function* () {
      const task = gated("done")
      const submitter = yield* start(pool.submit(task.task, { maxWait: 10 }))
      yield* pass(1000)
      yield* task.open
      assert.strictEqual(yield* Fiber.join(submitter), "done")
      // So is one that waited before it started.
      const busy = yield* occupy(pool, 1)
      const second = gated("second")
      const waiter = yield* start(pool.submit(second.task, { maxWait: 10 }))
      yield* pass(9)
      yield* busy.release
      yield* settle
      yield* pass(1000)
      yield* second.open
      assert.strictEqual(yield* Fiber.join(waiter), "second")
    })
  )

  laws.law("a maxWait of 0 is for a task that starts now (load 6)", {}, (pool) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pool.submit(Effect.succeed("now"), { maxWait: 0 }), "now")
      const busy = yield* occupy(pool, 1)
      const submitter = yield* start(pool.submit(Effect.die("never"), { maxWait: 0 }))
      yield* settle
      expectNotAvailable(yield* Fiber.await(submitter), "WaitedTooLong")
      yield* busy.release
    })
  )

  laws.law("the time goes on while the pool is held or paused (load 6)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const held = yield* Effect.forkChild(pool.withDispatchHeld(Effect.never), { startImmediately: true })
      const handle = yield* pool.fork(Effect.die("never"), { maxWait: 100 })
      yield* pool.pause
      yield* pass(100)
      expectNotAvailable(yield* handle.await, "WaitedTooLong")
      yield* pool.resume
      yield* Fiber.interrupt(held)
    })
  )

  laws.law("in the instant in which a hold ends and the time is over, the start wins (load 6)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      // Whichever of the two was asked for first.
      yield* pool.holdFor(100)
      const first = yield* pool.fork(Effect.succeed("first"), { maxWait: 100 })
      yield* pass(100)
      assert.strictEqual(yield* first.join, "first")
      const busy = yield* occupy(pool, 1)
      const second = yield* pool.fork(Effect.succeed("second"), { maxWait: 100 })
      yield* pool.holdFor(100)
      yield* busy.release
      yield* pass(100)
      assert.strictEqual(yield* second.join, "second")
    })
  )

  laws.law(
    "in the instant in which the rate allows a start and the time is over, the start wins (load 6)",
    { rate: { limit: 1, window: 100 } },
    (pool) =>
      Effect.gen(function* () {
        yield* pool.submit(Effect.void)
        const submitter = yield* start(pool.submit(Effect.succeed("in time"), { maxWait: 100 }))
        yield* pass(100)
        assert.strictEqual(yield* Fiber.join(submitter), "in time")
      })
  )

  laws.law("the time ends with the first start: another attempt may come later (load 6)", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      let attempts = 0
      const task = Effect.suspend(() => (++attempts < 3 ? Effect.fail("no") : Effect.succeed(attempts)))
      const submitter = yield* start(pool.submit(task, { maxWait: 10, retry: Schedule.spaced(100) }))
      for (let i = 0; i < 4; i++) yield* pass(100)
      assert.strictEqual(yield* Fiber.join(submitter), 3)
      // Also if it has waited, and waits again when its time would be over.
      attempts = 0
      const busy = yield* occupy(pool, 1)
      const waiter = yield* start(pool.submit(task, { maxWait: 60, retry: Schedule.spaced(10) }))
      yield* pass(20)
      yield* busy.release
      yield* settle
      assert.strictEqual(attempts, 1)
      const again = yield* occupy(pool, 1)
      yield* pass(100)
      yield* expectStats(pool, { delayed: 0, running: 1 })
      assert.isFalse(hasEnded(waiter))
      yield* again.release
      for (let i = 0; i < 3; i++) yield* pass(10)
      assert.strictEqual(yield* Fiber.join(waiter), 3)
    })
  )

  for (const [name, run] of Object.entries({
    forEach: (pool: TaskPoolService, f: (item: number) => Effect.Effect<void>) =>
      pool.forEach(twoLater(), f, { maxWait: 1000 }),
    mapEffect: (pool: TaskPoolService, f: (item: number) => Effect.Effect<void>) =>
      Stream.runDrain(pool.mapEffect(Stream.make(1, 2), f, { maxWait: 1000 }))
  })) {
    laws.law(
      `an item of ${name} that waits too long interrupts the others, at the door as in the queue (load 6)`,
      { capacity: 0 },
      (pool) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const f = (item: number) =>
            Effect.onInterrupt(Effect.sleep(5000), () => Effect.sync(() => void log.push(`interrupted ${item}`)))
          const caller = yield* start(Effect.exit(run(pool, f)))
          yield* pass(1001)
          assert.isTrue(hasEnded(caller))
          expectNotAvailable(yield* Fiber.join(caller), "WaitedTooLong")
          assert.deepStrictEqual(log, ["interrupted 1"])
        })
    )
  }

  laws.law("the time of an item of a bulk begins when it is pulled (load 6)", {}, (pool) =>
    Effect.gen(function* () {
      const caller = yield* start(pool.forEach([1, 2, 3, 4], (i) => Effect.as(Effect.sleep(800), i), { maxWait: 1000 }))
      for (let i = 0; i < 5; i++) yield* pass(800)
      assert.deepStrictEqual(yield* Fiber.join(caller), [1, 2, 3, 4])
      const slow = yield* start(pool.forEach([1, 2, 3], () => Effect.sleep(1200), { maxWait: 1000 }))
      for (let i = 0; i < 5; i++) yield* pass(800)
      // Without a queue an item is pulled when it starts.
      if (laws.capacity === 0) assert.isTrue(hasEnded(slow))
      else expectNotAvailable(yield* Fiber.await(slow), "WaitedTooLong")
      const elements = Stream.runCollect(
        pool.mapEffect(Stream.range(1, 3), (i) => Effect.as(Effect.sleep(800), i), { maxWait: 1000 })
      )
      const reader = yield* start(elements)
      for (let i = 0; i < 5; i++) yield* pass(800)
      assert.deepStrictEqual(Array.from(yield* Fiber.join(reader)), [1, 2, 3])
      yield* expectStats(pool, { running: 0, waiting: 0, atDoor: 0 })
    })
  )

  laws.law("a task whose time is over gives its place to the head of the door (load 6)", full, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      yield* pool.fork(Effect.die("never"), { maxWait: 10 })
      for (let i = 1; i < laws.bound; i++) yield* pool.fork(Effect.void)
      const forker = yield* start(pool.fork(Effect.succeed("moved in")))
      yield* settle
      assert.isFalse(hasEnded(forker))
      yield* pass(10)
      const handle = yield* Fiber.join(forker)
      yield* busy.release
      assert.strictEqual(yield* handle.join, "moved in")
    })
  )

  laws.lawOnce("each of many tasks ends at its own time, and no other with it (load 6)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const fibers = []
      for (let i = 0; i < 100; i++) {
        fibers.push(yield* start(pool.submit(Effect.die("never"), { maxWait: 1 + ((i * 37) % 100) })))
      }
      for (let now = 1; now <= 100; now++) {
        yield* pass(1)
        assert.strictEqual(fibers.filter(hasEnded).length, now)
        yield* expectStats(pool, { waiting: 100 - now, cancelled: now })
      }
      yield* busy.release
    })
  )

  laws.law("a task without a maxWait waits as long as it must (load 6)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const patient = yield* start(pool.submit(Effect.succeed("patient")))
      const endless = yield* start(pool.submit(Effect.succeed("endless"), { maxWait: Infinity }))
      yield* pass(24 * 3_600_000)
      yield* busy.release
      assert.strictEqual(yield* Fiber.join(patient), "patient")
      assert.strictEqual(yield* Fiber.join(endless), "endless")
    })
  )
}
