import type { NotWaiting } from "@aio-task-pool/core"
import { DistributedTask, type TaskCancelled } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { failureOf, start } from "../kit.ts"
import { type DistributedLaws, gate, Refused, until } from "./kit.ts"

const expectCancelled = (exit: Exit.Exit<unknown, unknown>, started: boolean): void => {
  const error = failureOf(exit, "TaskCancelled") as TaskCancelled
  assert.deepStrictEqual([error.reason, error.started], ["Cancelled", started])
}

/** What a handle tells, and what it changes. */
export const handleLaws = (laws: DistributedLaws, discipline: "fifo" | "lifo" | "priority"): void => {
  laws.law("a handle tells the state, the exit and the result of its task", { size: 1 }, (world) =>
    Effect.gen(function* () {
      const { body, open, started } = gate("done")
      const handle = yield* world.fork(body)
      assert.isAbove(handle.id.length, 0)
      yield* until(Effect.map(handle.state, (state) => state === "Waiting"))
      assert.isTrue(Option.isNone(yield* handle.poll))
      yield* world.worker()
      yield* started
      yield* until(Effect.map(handle.state, (state) => state === "Running"))
      assert.isTrue(Option.isNone(yield* handle.poll))
      yield* open
      assert.strictEqual(yield* handle.join, "done")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed("done"))
      yield* until(Effect.map(handle.state, (state) => state === "Done"))
      assert.deepStrictEqual(yield* handle.poll, Option.some(Exit.succeed("done")))
    })
  )

  laws.law("await and poll return a failure as an exit", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const handle = yield* world.fork(Effect.fail(new Refused({ why: "full" })))
      assert.instanceOf(failureOf(yield* handle.await), Refused)
      yield* until(Effect.map(handle.poll, Option.isSome))
      assert.instanceOf(failureOf(Option.getOrThrow(yield* handle.poll)), Refused)
    })
  )

  laws.law("interrupting a joiner does not touch the task", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, open, started } = gate("done")
      const handle = yield* world.fork(body)
      yield* started
      const joiner = yield* start(handle.join)
      yield* Fiber.interrupt(joiner)
      yield* open
      assert.strictEqual(yield* handle.join, "done")
    })
  )

  laws.law("cancelling a waiting task takes it out of the queue, so that it never runs", {}, (world) =>
    Effect.gen(function* () {
      const { body, counts } = gate("never")
      const handle = yield* world.fork(body)
      const joiner = yield* start(Effect.exit(handle.join))
      yield* handle.cancel
      yield* handle.cancel
      expectCancelled(yield* Fiber.join(joiner), false)
      expectCancelled(yield* handle.await, false)
      yield* world.until(({ waiting }) => waiting === 0)
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      assert.strictEqual(counts.begun, 0)
    })
  )

  laws.law("cancelling a running task interrupts it and waits for its finalizers", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts, started } = gate("never")
      const handle = yield* world.fork(Effect.ensuring(body, Effect.sleep(30)))
      yield* started
      yield* handle.cancel
      assert.deepStrictEqual(counts, { begun: 1, ended: 1 })
      expectCancelled(yield* handle.await, true)
      yield* world.until(({ running }) => running === 0)
      yield* handle.cancel
    })
  )

  laws.law("cancelling a delayed task removes it", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts } = gate("never")
      const handle = yield* world.fork(body, { delay: 600_000 })
      yield* until(Effect.map(handle.state, (state) => state === "Delayed"))
      yield* handle.cancel
      expectCancelled(yield* handle.await, false)
      yield* world.until(({ delayed }) => delayed === 0)
      assert.strictEqual(counts.begun, 0)
    })
  )

  laws.law("a task that has ended keeps its result when it is cancelled", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const handle = yield* world.fork(Effect.succeed("own"))
      assert.strictEqual(yield* handle.join, "own")
      yield* handle.cancel
      assert.strictEqual(yield* handle.join, "own")
    })
  )

  laws.law("cancelling waits for a task that cannot be interrupted yet", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, counts, open, started } = gate("own")
      const handle = yield* world.fork(Effect.uninterruptible(body))
      yield* started
      const canceller = yield* start(handle.cancel)
      yield* Effect.yieldNow
      assert.isUndefined(canceller.pollUnsafe())
      yield* open
      yield* Fiber.join(canceller)
      assert.strictEqual(counts.ended, 1)
      // A broker's message may reach the worker only after the task has ended by itself.
      const exit = yield* handle.await
      if (laws.shared && Exit.isSuccess(exit)) assert.strictEqual(exit.value, "own")
      else expectCancelled(exit, true)
    })
  )

  laws.law("a handler may cancel its own task", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const Self = DistributedTask.make("self")
      let ended = false
      const self = Self.handle((_, { id }) =>
        Effect.gen(function* () {
          const handle = yield* Effect.orDie(world.pool.attach(Self, id))
          yield* Effect.orDie(handle.cancel)
          return yield* Effect.never
        }).pipe(Effect.ensuring(Effect.sync(() => (ended = true))))
      )
      yield* world.pool.worker([self], { concurrency: 1 })
      const handle = yield* world.pool.fork(Self, undefined)
      expectCancelled(yield* handle.await, true)
      assert.isTrue(ended)
    })
  )

  laws.law("a new weight is for waiting tasks only", { size: 1 }, (world) =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const note = (name: string) =>
        Effect.as(
          Effect.sync(() => order.push(name)),
          name
        )
      const handles = []
      yield* world.pool.holdDispatch
      for (const name of ["a", "b", "c"]) handles.push(yield* world.fork(note(name)))
      yield* handles[2]!.reprioritize(1)
      // It has this weight, so it keeps its place.
      yield* handles[0]!.reprioritize(4)
      const busy = gate("busy")
      const running = yield* world.fork(busy.body, { weight: 0 })
      yield* world.worker({ concurrency: 1 })
      yield* world.pool.releaseDispatch
      if (discipline !== "fifo") {
        yield* busy.started
        const error = failureOf(yield* Effect.exit(running.reprioritize(1)), "NotWaiting") as NotWaiting
        assert.strictEqual(error.state, "Running")
      }
      yield* busy.open
      for (const handle of [...handles, running]) yield* handle.join
      const expected = { fifo: ["a", "b", "c"], lifo: ["c", "b", "a"], priority: ["c", "a", "b"] }
      assert.deepStrictEqual(order, expected[discipline])
      yield* until(Effect.map(running.state, (state) => state === "Done"))
      const error = failureOf(yield* Effect.exit(running.reprioritize(1)), "NotWaiting") as NotWaiting
      assert.strictEqual(error.state, "Done")
    })
  )

  laws.law("progress arrives in order and ends with the task", {}, (world) =>
    Effect.gen(function* () {
      const { body, open, started } = gate("done")
      const handle = yield* world.fork(({ progress }) =>
        Effect.gen(function* () {
          const result = yield* body
          for (let i = 1; i <= 5; i++) yield* progress(i)
          return result
        })
      )
      const reading = yield* Deferred.make<void>()
      const seen = yield* start(
        Stream.runCollect(Stream.onStart(handle.progress, Deferred.succeed(reading, undefined)))
      )
      yield* Deferred.await(reading)
      yield* world.worker()
      yield* started
      yield* open
      assert.deepStrictEqual(yield* Fiber.join(seen), [1, 2, 3, 4, 5])
      assert.strictEqual(yield* handle.join, "done")
      assert.deepStrictEqual(yield* Stream.runCollect(handle.progress), [])
    })
  )

  laws.law("undefined arrives as null where a schema takes any value, because JSON has no undefined", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Any = DistributedTask.make("any", {
        payload: Schema.Boolean,
        success: Schema.Any,
        error: Schema.Any,
        progress: Schema.Any
      })
      const handle = yield* pool.fork(Any, true)
      const seen = yield* start(Stream.runCollect(handle.progress))
      // The broker answers in order, so the stream reads progress by now.
      yield* handle.state
      const any = Any.handle((succeeds, { progress }) =>
        Effect.andThen(progress(undefined), succeeds ? Effect.succeed(undefined) : Effect.fail(undefined))
      )
      yield* pool.worker([any], { concurrency: 1 })
      assert.isNull(yield* handle.join)
      assert.deepStrictEqual(yield* Fiber.join(seen), [null])
      assert.isNull(yield* Effect.flip(pool.submit(Any, false)))
    })
  )

  laws.law("a progress value that does not fit its schema is a defect of the task", {}, ({ pool }) =>
    Effect.gen(function* () {
      const Report = DistributedTask.make("report", { progress: Schema.Struct({ percent: Schema.Int }) })
      const report = Report.handle((_, { progress }) => progress({ percent: "s3cret" as unknown as number }))
      yield* pool.worker([report], { concurrency: 1 })
      const exit = yield* Effect.exit(pool.submit(Report, undefined))
      assert.include(String(exit), `["percent"]`)
      assert.notInclude(String(exit), "s3cret")
    })
  )
}
