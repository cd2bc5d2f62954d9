import type { DistributedPoolEvent, NotAvailable } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { failureOf, start } from "../kit.ts"
import { Call, type DistributedLaws, gate, until, type World } from "./kit.ts"

const expectNotAvailable = <A, E>(effect: Effect.Effect<A, E>, reason: string) =>
  Effect.map(Effect.exit(effect), (exit) => {
    const error = failureOf(exit, "NotAvailable") as unknown as NotAvailable
    assert.deepStrictEqual([error.reason, error.started], [reason, false])
  })

/** Reads events from now on. */
const record = Effect.fnUntraced(function* (world: World) {
  const seen: Array<DistributedPoolEvent> = []
  yield* start(Stream.runForEach(world.pool.events, (event) => Effect.sync(() => seen.push(event))))
  return seen
})

/** Holding, pausing, statistics, events and closing. */
export const controlLaws = (laws: DistributedLaws): void => {
  laws.law("a hold lets tasks wait and running ones continue, and is not counted", {}, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      yield* world.worker()
      const running = gate("running")
      const fiber = yield* start(world.submit(running.body))
      yield* running.started
      yield* pool.holdDispatch
      yield* pool.holdDispatch
      assert.isTrue((yield* pool.stats).held)
      const waiting = gate("waiting")
      const second = yield* start(world.submit(waiting.body))
      yield* world.until((stats) => stats.waiting === 1)
      yield* running.open
      assert.strictEqual(yield* Fiber.join(fiber), "running")
      yield* world.until((stats) => stats.running === 0)
      assert.strictEqual(waiting.counts.begun, 0)
      yield* pool.releaseDispatch
      yield* pool.releaseDispatch
      assert.isFalse((yield* pool.stats).held)
      yield* waiting.open
      assert.strictEqual(yield* Fiber.join(second), "waiting")
    })
  )

  laws.law("raising the size does not end a hold", { size: 1 }, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      yield* pool.holdDispatch
      yield* world.worker()
      const { body, counts, open } = gate("waiting")
      const fiber = yield* start(world.submit(body))
      yield* world.until(({ waiting }) => waiting === 1)
      yield* pool.resize(5)
      yield* pool.scale(1)
      const { held, running } = yield* pool.stats
      assert.deepStrictEqual([held, running, counts.begun], [true, 0, 0])
      yield* pool.releaseDispatch
      yield* open
      assert.strictEqual(yield* Fiber.join(fiber), "waiting")
    })
  )

  laws.law("a paused pool admits nothing, and admitted tasks continue", {}, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      yield* world.worker()
      const { body, open, started } = gate("admitted")
      const handle = yield* world.fork(body)
      yield* started
      yield* pool.pause
      yield* pool.pause
      const payload = world.payload(Effect.succeed("late"))
      yield* expectNotAvailable(pool.submit(Call, payload), "Paused")
      yield* expectNotAvailable(pool.fork(Call, payload), "Paused")
      yield* expectNotAvailable(
        pool.forEach([1], Call, () => payload),
        "Paused"
      )
      yield* open
      assert.strictEqual(yield* handle.join, "admitted")
      yield* pool.resume
      assert.strictEqual(yield* pool.submit(Call, payload), "late")
    })
  )

  laws.law("tasks that come back are not refused by a pause", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const delayed = yield* world.fork(Effect.succeed("delayed"), { delay: 100 })
      yield* world.pool.pause
      assert.strictEqual(yield* delayed.join, "delayed")
    })
  )

  laws.law("the statistics count waiting, delayed and running tasks, kept results and workers", { size: 1 }, (world) =>
    Effect.gen(function* () {
      const { body, open, started } = gate("done")
      const handles = [yield* world.fork(body), yield* world.fork(Effect.die(new Error("boom")))]
      const later = yield* world.fork(Effect.succeed("later"), { delay: 600_000 })
      yield* world.until((stats) => stats.waiting === 2 && stats.delayed === 1 && stats.workers === 0)
      yield* world.worker({ concurrency: 1 })
      yield* started
      yield* world.until((stats) => stats.running === 1 && stats.workers === 1)
      const { held, keptFailed, targetSize, waiting } = yield* world.pool.stats
      // The other task has run first, or waits.
      assert.deepStrictEqual([held, targetSize, waiting + keptFailed], [false, 1, 1])
      yield* open
      for (const handle of handles) yield* handle.await
      yield* world.until((stats) => stats.keptSucceeded === 1 && stats.keptFailed === 1 && stats.waiting === 0)
      yield* later.cancel
    })
  )

  laws.law("events tell what changed", { size: 2 }, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      const seen = yield* record(world)
      const sees = (tag: DistributedPoolEvent["_tag"], act: Effect.Effect<unknown, unknown>) =>
        // An event may be missed, for example before the reader has subscribed.
        until(Effect.map(Effect.andThen(act, Effect.sleep(5)), () => seen.some(({ _tag }) => _tag === tag)))
      yield* sees("Held", Effect.andThen(pool.releaseDispatch, pool.holdDispatch))
      yield* sees("Released", Effect.andThen(pool.holdDispatch, pool.releaseDispatch))
      yield* sees("Paused", Effect.andThen(pool.resume, pool.pause))
      yield* sees("Resumed", Effect.andThen(pool.pause, pool.resume))
      yield* sees("Scaled", Effect.andThen(pool.resize(3), pool.resize(2)))
      yield* sees(
        "Cancelled",
        Effect.flatMap(world.fork(Effect.never), (handle) => handle.cancel)
      )
      yield* sees("WorkerJoined", Effect.scoped(world.worker()))
      yield* sees("WorkerLeft", Effect.scoped(world.worker()))
      for (const event of seen) {
        if (event._tag === "Scaled") {
          assert.include([2, 3], event.to)
          // The words of the core.
          assert.strictEqual(event.why, "resize")
        }
        if (event._tag === "Cancelled") assert.deepStrictEqual([event.reason, event.started], ["Cancelled", false])
      }
    })
  )

  laws.law("a closed pool refuses every operation, and closing again does nothing", {}, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      const payload = world.payload(Effect.succeed(""))
      yield* Effect.all([pool.close(), pool.close()], { concurrency: "unbounded" })
      yield* pool.close({ mode: "cancel" })
      for (const use of [
        pool.submit(Call, payload),
        pool.fork(Call, payload),
        pool.attach(Call, "one"),
        pool.forEach([1], Call, () => payload),
        pool.scale(1),
        pool.resize(1),
        pool.holdDispatch,
        pool.releaseDispatch,
        pool.pause,
        pool.resume,
        pool.stats
      ]) {
        yield* expectNotAvailable<unknown, unknown>(use, "Closed")
      }
      yield* Stream.runCollect(pool.events)
    })
  )

  laws.law("closing settles those who wait for a result", {}, (world) =>
    Effect.gen(function* () {
      const fiber = yield* start(Effect.exit(world.submit(Effect.succeed("never"))))
      yield* world.until(({ waiting }) => waiting === 1)
      const handle = yield* world.fork(Effect.succeed("never"), { delay: 600_000 })
      yield* world.pool.close()
      for (const exit of [yield* Fiber.join(fiber), yield* handle.await]) {
        const error = failureOf(exit, "TaskCancelled") as unknown as NotAvailable
        assert.strictEqual(error.reason, "Closed")
      }
    })
  )

  laws.law("closing with cancel cancels what was submitted here", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts, started } = gate("never")
      const running = yield* world.fork(body)
      yield* started
      const delayed = yield* world.fork(Effect.succeed(""), { delay: 600_000 })
      yield* world.pool.close({ mode: "cancel" })
      assert.deepStrictEqual(counts, { begun: 1, ended: 1 })
      for (const [handle, started] of [
        [running, true],
        [delayed, false]
      ] as const) {
        const error = failureOf(yield* handle.await, "TaskCancelled") as { reason: string; started: boolean }
        assert.deepStrictEqual([error.reason, error.started], ["Cancelled", started])
      }
    })
  )

  laws.law("closing with cancel cancels what is on its way, and admits nothing more", {}, (world) =>
    Effect.gen(function* () {
      const { pool } = world
      yield* world.worker()
      const running = gate("running")
      yield* start(Effect.exit(world.submit(Effect.uninterruptible(running.body))))
      yield* running.started
      const { body, counts } = gate("never")
      const coming = [world.submit(body), world.submit(body, { id: "one" })]
      const fibers = yield* Effect.forEach(coming, (submit) => start(Effect.exit(submit)))
      const closing = yield* start(pool.close({ mode: "cancel" }))
      yield* expectNotAvailable(world.fork(body), "Closed")
      yield* running.open
      yield* Fiber.join(closing)
      assert.strictEqual(counts.ended, counts.begun)
      for (const fiber of fibers) {
        const exit = yield* Fiber.join(fiber)
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit.value
        const { _tag, reason } = error as { readonly _tag: string; readonly reason: string }
        assert.include(["NotAvailable Closed", "TaskCancelled Cancelled"], `${_tag} ${reason}`)
      }
    })
  )
}
