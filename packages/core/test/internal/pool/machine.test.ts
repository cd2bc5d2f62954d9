import {
  cancellationOf,
  defectLog,
  defectOf,
  expectStats,
  failureOf,
  gated,
  isInterrupted,
  settle,
  start,
  stubborn
} from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, NotAvailable, TaskCancelled, type TaskHandle, TaskPool } from "../../../src/index.ts"
import { awaitUntil } from "../../../src/internal/pool/waits.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { Task } from "../../../src/internal/pool/task.ts"
import type { Weighted } from "../../../src/internal/backlog/backlog.ts"
import { FifoBacklog } from "../../../src/internal/backlog/listBacklog.ts"
import { fifo, type QueueDiscipline } from "../../../src/QueueDiscipline.ts"
import { machineOptions } from "./machineOptions.ts"

const pool = AioFixedTaskPoolSimple.layer

/** The class from which Node reads the current async context; none before Node 24. */
const frames = ((): { current: () => unknown } | undefined => {
  const resource: any = new AsyncLocalStorage().run(1, () => new AsyncResource("test"))
  const all = Object.getOwnPropertySymbols(resource).map((key) => resource[key]?.constructor)
  return all.find((each) => typeof each?.current === "function")
})()

describe("a stack that comes to its end", () => {
  // A call that throws stands for a stack that ends there: the real depth of a stack depends on what the engine compiles.
  for (const call of ["fork", "onStarted", "observe"] as const) {
    it.effect(`costs the task that was being launched and not its worker, if it ends in ${call} (I2, I3)`, () =>
      Effect.withFiber((fiber) => {
        const machine = new Machine(machineOptions({ max: 1 }), fiber.context)
        const make = (work: Effect.Effect<unknown>) => new Task(machine, work, undefined, 4, fiber.context)
        const faulty = make(Effect.never)
        faulty[call] = () => {
          throw new RangeError("no stack is left")
        }
        assert.throws(() => machine.admit(faulty, true), "no stack is left")
        return Effect.gen(function* () {
          // Nobody submits any more, and the pool becomes idle all the same.
          yield* awaitUntil(machine, () => machine.isIdle())
          assert.instanceOf(defectOf(faulty.exit!), RangeError)
          machine.admit(make(Effect.void), true)
          const { failed, running, submitted, succeeded } = machine.stats()
          assert.deepStrictEqual(
            { failed, running, submitted, succeeded },
            { failed: 1, running: 0, submitted: 2, succeeded: 1 }
          )
        })
      })
    )
  }

  if (frames !== undefined) {
    it.effect("costs the task that was being launched, if it ends while the async context is read (I2, I3)", () =>
      Effect.withFiber((fiber) => {
        const machine = new Machine(machineOptions({ max: 1 }), fiber.context)
        const submit = () => machine.admit(new Task(machine, Effect.void, undefined, 4, fiber.context), true)
        const { current } = frames
        frames.current = () => {
          throw new RangeError("no stack is left")
        }
        try {
          assert.throws(submit, "no stack is left")
        } finally {
          frames.current = current
        }
        submit()
        const { failed, running, submitted, succeeded } = machine.stats()
        assert.deepStrictEqual(
          { failed, running, submitted, succeeded },
          { failed: 1, running: 0, submitted: 2, succeeded: 1 }
        )
        return Effect.void
      })
    )
  }

  it.effect("an observer that throws does not stop the pool, and is logged (I2)", () => {
    const logged = defectLog()
    return Effect.gen(function* () {
      const pool = yield* TaskPool
      const first = gated("first")
      const holder = yield* start(pool.submit(first.task))
      const fiber = yield* start(pool.submit(Effect.succeed("second")))
      fiber.addObserver(() => {
        throw new Error("an observer's own")
      })
      const third = yield* start(pool.submit(Effect.succeed("third")))
      yield* first.open
      assert.deepStrictEqual(yield* Effect.forEach([holder, third], Fiber.join), ["first", "third"])
      yield* pool.awaitIdle
      yield* expectStats({ succeeded: 3, running: 0 })
      yield* settle
      assert.deepStrictEqual(logged.defects.map(String), ["Error: an observer's own"])
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)), Effect.provide(logged.layer))
  })
})

describe("a task that acts on its own pool", () => {
  it.effect("grows it, and what waits starts before `scale` answers", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const waiting = gated("waiting")
      const handle = yield* TaskPool.fork(
        Effect.gen(function* () {
          yield* Effect.yieldNow
          seen.push(`size ${yield* TaskPool.scale(1)}, begun ${waiting.counts.begun}`)
        })
      )
      const other = yield* TaskPool.fork(waiting.task)
      yield* handle.join
      assert.deepStrictEqual(seen, ["size 2, begun 1"])
      yield* waiting.open
      assert.strictEqual(yield* other.join, "waiting")
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("shrinks it to nothing softly, and keeps its own worker to the end", () =>
    Effect.gen(function* () {
      const result = yield* TaskPool.submit(
        Effect.gen(function* () {
          yield* TaskPool.resize(0)
          yield* Effect.yieldNow
          return yield* TaskPool.stats
        })
      )
      assert.strictEqual(result.size, 1)
      assert.strictEqual(result.targetSize, 0)
      yield* expectStats({ size: 0, running: 0, succeeded: 1 })
      yield* TaskPool.resize(1)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("is cut by its own hard resize, after the newer tasks, and does not wait for itself", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const go = yield* Latch.make()
      const mark = (name: string) => Effect.sync(() => void ended.push(name))
      const first = yield* TaskPool.fork(
        go.await.pipe(Effect.andThen(TaskPool.resize(0, { mode: "hard" })), Effect.ensuring(mark("first")))
      )
      const second = yield* TaskPool.fork(Effect.ensuring(Effect.never, mark("second")))
      const third = yield* TaskPool.fork(Effect.ensuring(Effect.never, mark("third")))
      yield* go.open
      for (const handle of [first, second, third]) {
        const error = failureOf<unknown, unknown>(yield* handle.await)
        assert.instanceOf(error, TaskCancelled)
        assert.strictEqual(error.reason, "ScaledDown")
        assert.isTrue(error.started)
      }
      assert.deepStrictEqual(ended, ["third", "second", "first"])
      yield* expectStats({ running: 0, cancelled: 3 })
    }).pipe(Effect.provide(pool(3)))
  )

  it.effect("survives its own hard scale-down when only newer tasks are surplus", () =>
    Effect.gen(function* () {
      const go = yield* Latch.make()
      const closed = yield* Latch.make()
      const first = yield* TaskPool.fork(Effect.andThen(go.await, TaskPool.scale(-1, { mode: "hard" })))
      const second = yield* TaskPool.fork(Effect.onInterrupt(Effect.never, () => closed.await))
      yield* go.open
      yield* settle
      assert.strictEqual(yield* first.state, "Running")
      yield* closed.open
      assert.strictEqual(yield* first.join, 1)
      assert.instanceOf(failureOf(yield* second.await), TaskCancelled)
    }).pipe(Effect.provide(pool(2)))
  )

  it.effect("pauses it: the door is failed at once, accepted tasks go on", () =>
    Effect.gen(function* () {
      const go = yield* Latch.make()
      const first = yield* TaskPool.fork(Effect.andThen(go.await, TaskPool.pause))
      const accepted = yield* TaskPool.fork(Effect.succeed("accepted"))
      const atDoor = yield* start(TaskPool.submit(Effect.succeed("never")))
      yield* go.open
      assert.isTrue(yield* first.join)
      assert.strictEqual(yield* accepted.join, "accepted")
      const error = failureOf(yield* Fiber.await(atDoor))
      assert.instanceOf(error, NotAvailable)
      assert.strictEqual(error.reason, "Paused")
      yield* expectStats({ phase: "Paused", rejected: 1, submitted: 2 })
    }).pipe(Effect.provide(pool(1, { capacity: 1 })))
  )

  it.effect("submits to it and waits while another worker is left", () =>
    Effect.gen(function* () {
      const nested = TaskPool.submit(TaskPool.submit(Effect.succeed("inner")))
      assert.strictEqual(yield* nested, "inner")
      yield* expectStats({ submitted: 2, succeeded: 2 })
    }).pipe(Effect.provide(pool(2)))
  )

  it.effect("hands it the next task and ends: a chain of 10,000 on one worker", () =>
    Effect.gen(function* () {
      const last = yield* Deferred.make<number>()
      const chain = (n: number): Effect.Effect<void, never, TaskPool> =>
        n === 10_000 ? Effect.asVoid(Deferred.succeed(last, n)) : Effect.ignore(TaskPool.fork(chain, { args: [n + 1] }))
      yield* TaskPool.fork(chain(0))
      assert.strictEqual(yield* Deferred.await(last), 10_000)
      yield* TaskPool.awaitIdle
      yield* expectStats({ submitted: 10_001, succeeded: 10_001 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("hands it the next task and ends: a chain of 10,000 where every worker is free", () =>
    Effect.gen(function* () {
      const last = yield* Deferred.make<number>()
      const chain = (n: number): Effect.Effect<void, never, TaskPool> =>
        n === 10_000 ? Effect.asVoid(Deferred.succeed(last, n)) : Effect.ignore(TaskPool.fork(chain, { args: [n + 1] }))
      yield* TaskPool.fork(chain(0))
      assert.strictEqual(yield* Deferred.await(last), 10_000)
      yield* TaskPool.awaitIdle
      yield* expectStats({ submitted: 10_001, succeeded: 10_001 })
    }).pipe(Effect.provide(pool(20_000)))
  )

  it.effect("shrinks it in its first step, and no more tasks are started than the new size allows (I1)", () =>
    Effect.gen(function* () {
      const tasks = [gated(1), gated(2)]
      const first = gated(0)
      yield* TaskPool.fork(Effect.andThen(TaskPool.resize(1), first.task))
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* TaskPool.resize(3)
      assert.deepStrictEqual(
        tasks.map(({ counts }) => counts.begun),
        [0, 0]
      )
      yield* expectStats({ running: 1, waiting: 2, targetSize: 1 })
      for (const { open } of [first, ...tasks]) yield* open
      yield* TaskPool.awaitIdle
      yield* expectStats({ succeeded: 3, largestSize: 3 })
    }).pipe(Effect.provide(pool(0)))
  )

  it.effect("grows it in its first step, and what waits starts in the same step (I2)", () =>
    Effect.gen(function* () {
      const tasks = [gated(1), gated(2)]
      yield* TaskPool.fork(TaskPool.resize(3))
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* TaskPool.resize(1)
      assert.deepStrictEqual(
        tasks.map(({ counts }) => counts.begun),
        [1, 1]
      )
      for (const { open } of tasks) yield* open
    }).pipe(Effect.provide(pool(0)))
  )

  it.effect("submits the next task and waits for it, 5,000 tasks deep", () =>
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<number, unknown, TaskPool> =>
        depth === 0 ? Effect.succeed(0) : Effect.map(TaskPool.submit(nest, { args: [depth - 1] }), (below) => below + 1)
      assert.strictEqual(yield* nest(5000), 5000)
      yield* expectStats({ succeeded: 5000, running: 0 })
    }).pipe(Effect.provide(pool(10_000)))
  )

  it.effect("cancels the task it has just forked, at any depth: it settles once, its worker is free", () =>
    Effect.gen(function* () {
      const outcomes: Array<string> = []
      const dive = (depth: number): Effect.Effect<unknown, unknown, TaskPool> =>
        depth > 0
          ? TaskPool.fork(dive, { args: [depth - 1] })
          : Effect.gen(function* () {
              const handle = yield* TaskPool.fork(Effect.never)
              yield* handle.cancel
              outcomes.push(failureOf(yield* handle.await).reason)
            })
      for (const depth of [1, 63, 64, 65, 66, 200]) yield* TaskPool.fork(dive, { args: [depth] })
      yield* TaskPool.awaitIdle
      assert.deepStrictEqual(
        outcomes,
        Array.from({ length: 6 }, () => "Cancelled")
      )
      yield* expectStats({ running: 0, cancelled: 6, failed: 0 })
    }).pipe(Effect.provide(pool(1000)))
  )

  it.effect("is closed over what it has just forked, at any depth: all settles, nothing runs on", () =>
    Effect.gen(function* () {
      const dive = (depth: number): Effect.Effect<unknown, unknown, TaskPool> =>
        depth > 0 ? Effect.andThen(TaskPool.fork(dive, { args: [depth - 1] }), Effect.never) : Effect.never
      yield* TaskPool.fork(dive, { args: [200] })
      yield* expectStats({ running: 201 })
      assert.deepStrictEqual(yield* TaskPool.close({ mode: "interrupt" }), {
        completed: 0,
        interrupted: 201,
        neverRun: 0
      })
      yield* expectStats({ running: 0, cancelled: 201 })
    }).pipe(Effect.provide(pool(1000)))
  )

  it.effect("hands a task over from its finalizer while the pool closes: it is refused, and closing ends", () =>
    Effect.gen(function* () {
      const refused = yield* Deferred.make<string>()
      const late = Effect.flatMap(Effect.flip(TaskPool.fork(Effect.void)), ({ reason }) =>
        Deferred.succeed(refused, reason)
      )
      yield* TaskPool.fork(Effect.onInterrupt(Effect.never, () => Effect.orDie(late)))
      yield* TaskPool.close({ mode: "interrupt" })
      assert.strictEqual(yield* Deferred.await(refused), "Closed")
      yield* expectStats({ phase: "Closed", running: 0, rejected: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("cancels itself by its handle and does not wait for itself", () =>
    Effect.gen(function* () {
      const own = yield* Deferred.make<TaskHandle<never>>()
      const ended = yield* Latch.make()
      const handle = yield* TaskPool.fork(
        Deferred.await(own).pipe(
          Effect.flatMap((self) => self.cancel),
          Effect.andThen(Effect.never),
          Effect.ensuring(ended.open)
        )
      )
      yield* Deferred.succeed(own, handle)
      const error = failureOf(yield* handle.await)
      assert.instanceOf(error, TaskCancelled)
      assert.strictEqual(error.reason, "Cancelled")
      yield* ended.await
      yield* expectStats({ running: 0, cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("cancels the task behind it, which never runs", () =>
    Effect.gen(function* () {
      const go = yield* Latch.make()
      const victim = gated("never")
      const target = yield* Deferred.make<TaskHandle<string>>()
      const first = yield* TaskPool.fork(
        Effect.andThen(
          go.await,
          Effect.flatMap(Deferred.await(target), (handle) => handle.cancel)
        )
      )
      const second = yield* TaskPool.fork(victim.task)
      yield* Deferred.succeed(target, second)
      yield* go.open
      yield* first.join
      const error = cancellationOf(yield* second.await)
      assert.isFalse(error.started)
      assert.strictEqual(victim.counts.begun, 0)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("interrupts its own submitter and waits: both end by interruption", () =>
    Effect.gen(function* () {
      const submitter = yield* Deferred.make<Fiber.Fiber<void>>()
      const after = { reached: false }
      const task = Effect.flatMap(Deferred.await(submitter), Fiber.interrupt).pipe(
        Effect.andThen(
          Effect.sync(() => {
            after.reached = true
          })
        )
      )
      const fiber = yield* start(Effect.orDie(TaskPool.submit(task)))
      yield* Deferred.succeed(submitter, fiber)
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      assert.isFalse(after.reached)
      yield* expectStats({ running: 0, interrupted: 1 })
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("next")), "next")
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("interrupts its own submitter without waiting and still waits for its own finalizers", () =>
    Effect.gen(function* () {
      const submitter = yield* Deferred.make<Fiber.Fiber<never>>()
      const finalizer = yield* Latch.make()
      const fiber = yield* start(
        Effect.orDie(
          TaskPool.submit(
            Effect.flatMap(Deferred.await(submitter), (self) => Effect.sync(() => self.interruptUnsafe())).pipe(
              Effect.andThen(Effect.never),
              Effect.ensuring(finalizer.await)
            )
          )
        )
      )
      yield* Deferred.succeed(submitter, fiber)
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      yield* expectStats({ running: 1 })
      yield* finalizer.open
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      yield* expectStats({ running: 0, interrupted: 1 })
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("a submitter that is resumed in the step in which its task ends", () => {
  it.effect("finds no free worker beside a task that waits (I2)", () =>
    Effect.gen(function* () {
      const first = gated(1)
      const second = gated(2)
      const seen = yield* start(Effect.andThen(TaskPool.submit(first.task), TaskPool.stats))
      const other = yield* TaskPool.fork(second.task)
      yield* first.open
      const stats = yield* Fiber.join(seen)
      assert.strictEqual(stats.running, 1)
      assert.strictEqual(stats.waiting, 0)
      assert.strictEqual(second.counts.begun, 1)
      yield* second.open
      assert.strictEqual(yield* other.join, 2)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("submits again at once, 10,000 times, without growing the stack", () =>
    Effect.gen(function* () {
      const go = yield* Latch.make()
      const loop = Effect.gen(function* () {
        let sum = 0
        for (let i = 0; i < 5_000; i++) sum += yield* TaskPool.submit(Effect.succeed(1))
        return sum
      })
      const holder = yield* TaskPool.fork(go.await)
      const fibers = [yield* start(loop), yield* start(loop)]
      yield* go.open
      yield* holder.join
      assert.strictEqual((yield* Fiber.join(fibers[0]!)) + (yield* Fiber.join(fibers[1]!)), 10_000)
      yield* expectStats({ succeeded: 10_001, running: 0, waiting: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("closes the pool: what was dispatched before is drained", () =>
    Effect.gen(function* () {
      const first = gated(1)
      const closer = yield* start(Effect.andThen(TaskPool.submit(first.task), TaskPool.close()))
      const second = yield* TaskPool.fork(Effect.andThen(Effect.yieldNow, Effect.succeed(2)))
      const third = yield* TaskPool.fork(Effect.succeed(3))
      yield* first.open
      assert.deepStrictEqual(yield* Fiber.join(closer), { completed: 2, interrupted: 0, neverRun: 0 })
      assert.strictEqual(yield* second.join, 2)
      assert.strictEqual(yield* third.join, 3)
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("cancelling from a finalizer", () => {
  it.effect("a task that is cut cancels its neighbour, and both settle once", () =>
    Effect.gen(function* () {
      const neighbour = yield* TaskPool.fork(Effect.never)
      const first = yield* TaskPool.fork(Effect.onInterrupt(Effect.never, () => neighbour.cancel))
      yield* first.cancel
      assert.strictEqual(failureOf(yield* first.await).reason, "Cancelled")
      assert.strictEqual(failureOf(yield* neighbour.await).reason, "Cancelled")
      yield* expectStats({ running: 0, cancelled: 2 })
    }).pipe(Effect.provide(pool(2)))
  )

  it.effect("a task whose finalizer cancels itself again ends", () =>
    Effect.gen(function* () {
      const own = yield* Deferred.make<TaskHandle<never>>()
      const handle = yield* TaskPool.fork(
        Effect.onInterrupt(Effect.never, () => Effect.flatMap(Deferred.await(own), (self) => self.cancel))
      )
      yield* Deferred.succeed(own, handle)
      yield* handle.cancel
      assert.strictEqual(yield* handle.state, "Done")
      yield* expectStats({ running: 0, cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("a task whose finalizer cancels itself and others at the same time ends", () =>
    Effect.gen(function* () {
      const own = yield* Deferred.make<TaskHandle<never>>()
      const other = yield* TaskPool.fork(Effect.never)
      const handle = yield* TaskPool.fork(
        Effect.onInterrupt(Effect.never, () =>
          Effect.flatMap(Deferred.await(own), (self) =>
            Effect.forEach([self, other], ({ cancel }) => cancel, { concurrency: "unbounded" })
          )
        )
      )
      yield* Deferred.succeed(own, handle)
      yield* handle.cancel
      yield* expectStats({ running: 0, cancelled: 2 })
    }).pipe(Effect.provide(pool(2)))
  )

  it.effect("two tasks whose finalizers cancel each other end when a hard resize cuts both", () =>
    Effect.gen(function* () {
      const a = yield* Deferred.make<TaskHandle<never>>()
      const b = yield* Deferred.make<TaskHandle<never>>()
      const cancelOther = (other: Deferred.Deferred<TaskHandle<never>>) =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.flatMap(Deferred.await(other), (handle) => Effect.forkDetach(handle.cancel))
        )
      yield* Deferred.succeed(a, yield* TaskPool.fork(cancelOther(b)))
      yield* Deferred.succeed(b, yield* TaskPool.fork(cancelOther(a)))
      assert.strictEqual(yield* TaskPool.resize(0, { mode: "hard" }), 0)
      yield* expectStats({ running: 0, cancelled: 2 })
    }).pipe(Effect.provide(pool(2)))
  )
})

describe("a task that is being cut", () => {
  it.effect("and dies in its finalizer is cancelled, and the defect stays visible", () =>
    Effect.gen(function* () {
      const boom = new Error("boom")
      const handle = yield* TaskPool.fork(Effect.ensuring(Effect.never, Effect.die(boom)))
      yield* handle.cancel
      const exit = yield* handle.await
      assert.instanceOf(failureOf(exit), TaskCancelled)
      assert.strictEqual(defectOf(exit), boom)
      yield* expectStats({ cancelled: 1, failed: 0, running: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("and fails on top of it is cancelled, and its failure stays visible", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(
        Effect.uninterruptibleMask((restore) => Effect.catchCause(restore(Effect.never), () => Effect.fail("own")))
      )
      yield* handle.cancel
      const exit = yield* handle.await
      const errors = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error) : []
      assert.include(errors, "own")
      yield* expectStats({ running: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("and cannot be interrupted is waited for, and settles once", () =>
    Effect.gen(function* () {
      const task = stubborn("own")
      const handle = yield* TaskPool.fork(task.task)
      const cut = yield* start(TaskPool.resize(0, { mode: "hard" }))
      yield* settle
      assert.isUndefined(cut.pollUnsafe())
      yield* expectStats({ running: 1, size: 1, targetSize: 0 })
      yield* task.open
      assert.strictEqual(yield* Fiber.join(cut), 0)
      assert.strictEqual(yield* handle.state, "Done")
      assert.deepStrictEqual(task.counts, { begun: 1, ended: 1 })
      yield* expectStats({ running: 0, size: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("for several reasons is cancelled for the first", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const handle = yield* TaskPool.fork(Effect.ensuring(Effect.never, finalizer.await))
      const cancel = yield* start(handle.cancel)
      const cut = yield* start(TaskPool.resize(0, { mode: "hard" }))
      const close = yield* start(TaskPool.close({ mode: "interrupt" }))
      yield* finalizer.open
      yield* Effect.forEach([cancel, cut, close], (fiber) => Fiber.await<unknown, never>(fiber))
      assert.strictEqual(failureOf(yield* handle.await).reason, "Cancelled")
      yield* expectStats({ cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("after its submitter went away stays interrupted, not cancelled", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const fiber = yield* start(TaskPool.submit(Effect.ensuring(Effect.never, finalizer.await)))
      fiber.interruptUnsafe()
      const close = yield* start(TaskPool.close({ mode: "interrupt" }))
      yield* finalizer.open
      assert.deepStrictEqual(yield* Fiber.join(close), { completed: 0, interrupted: 1, neverRun: 0 })
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      yield* expectStats({ cancelled: 0, interrupted: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("counts among those a later hard scale-down may wait for, so that none is cut in vain", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const oldest = yield* TaskPool.fork(Effect.ensuring(Effect.never, finalizer.await))
      const newest = yield* TaskPool.fork(Effect.never)
      const cancel = yield* start(oldest.cancel)
      const cut = yield* start(TaskPool.resize(1, { mode: "hard" }))
      yield* settle
      assert.isUndefined(cut.pollUnsafe())
      yield* finalizer.open
      assert.strictEqual(yield* Fiber.join(cut), 1)
      yield* Fiber.join(cancel)
      assert.strictEqual(yield* newest.state, "Running")
      yield* newest.cancel
    }).pipe(Effect.provide(pool(2)))
  )
})

describe("children of a task", () => {
  it.effect("end with it, their finalizers too, before its worker is free (I1, I7)", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const handle = yield* TaskPool.fork(Effect.as(start(Effect.ensuring(Effect.never, finalizer.await)), "parent"))
      const next = gated("next")
      const other = yield* TaskPool.fork(next.task)
      yield* settle
      assert.strictEqual(yield* handle.state, "Running")
      assert.strictEqual(next.counts.begun, 0)
      yield* finalizer.open
      assert.strictEqual(yield* handle.join, "parent")
      assert.strictEqual(next.counts.begun, 1)
      yield* next.open
      yield* other.join
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("may cut the pool: the child does not wait for its parent's task", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(Effect.flatMap(start(TaskPool.resize(0, { mode: "hard" })), Fiber.join))
      assert.strictEqual(failureOf(yield* handle.await).reason, "ScaledDown")
      yield* expectStats({ running: 0, cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("may cut the pool where nothing interrupts them, and do not wait for their parent's task", () =>
    Effect.gen(function* () {
      const handle = yield* TaskPool.fork(
        Effect.uninterruptible(Effect.timeoutOption(TaskPool.resize(0, { mode: "hard" }), "1 hour"))
      )
      assert.strictEqual(failureOf(yield* handle.await).reason, "ScaledDown")
      yield* expectStats({ running: 0, cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("timeouts", () => {
  it.effect("outside: the caller waits for the finalizers, and the task is interrupted, not cancelled", () =>
    Effect.gen(function* () {
      const finalizer = yield* Latch.make()
      const fiber = yield* start(
        Effect.timeoutOption(TaskPool.submit(Effect.ensuring(Effect.never, finalizer.await)), "1 second")
      )
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      yield* expectStats({ running: 1 })
      yield* finalizer.open
      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
      yield* expectStats({ running: 0, interrupted: 1, cancelled: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("outside, of a task that waits: it is gone and counts as cancelled", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const holder = yield* TaskPool.fork(busy.task)
      const task = gated("never")
      const fiber = yield* start(Effect.timeoutOption(TaskPool.submit(task.task), "1 second"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
      yield* expectStats({ waiting: 0, cancelled: 1 })
      yield* busy.open
      yield* holder.join
      yield* TaskPool.awaitIdle
      assert.strictEqual(task.counts.begun, 0)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("inside: the task's own failure, and its time does not run while it waits", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      const holder = yield* TaskPool.fork(busy.task)
      const fiber = yield* start(TaskPool.submit(Effect.timeoutOption(Effect.never, "1 second")))
      yield* TestClock.adjust("5 seconds")
      yield* expectStats({ waiting: 1 })
      yield* busy.open
      yield* holder.join
      yield* TestClock.adjust("999 millis")
      yield* expectStats({ running: 1 })
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
      yield* expectStats({ succeeded: 2 })
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("more than 1,024 tasks that end in one step", () => {
  const hold = TaskPool.resize(0)
  const release = TaskPool.resize(1)
  const forkMany = (n: number, done: { count: number }) =>
    Effect.forEach(Array.from({ length: n }), () =>
      TaskPool.fork(
        Effect.sync(() => {
          done.count++
        })
      )
    )

  it.effect("let the event loop go in between if each submits the next and waits", () =>
    Effect.gen(function* () {
      let turns = 0
      let ended = false
      const turn = (): void => {
        turns++
        if (!ended) setImmediate(turn)
      }
      setImmediate(turn)
      const next = (left: number): Effect.Effect<unknown, unknown, TaskPool> =>
        left === 0
          ? Effect.void
          : Effect.asVoid(
              TaskPool.submit(
                Effect.forkDetach(
                  Effect.suspend(() => next(left - 1)),
                  { startImmediately: true }
                )
              )
            )
      yield* next(20_000)
      yield* TaskPool.awaitIdle
      ended = true
      // 1,024 launches in a flush, and up to 64 on the stack.
      assert.isAtLeast(turns, 10)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("let the event loop go in between, and all end", () =>
    Effect.gen(function* () {
      const done = { count: 0 }
      yield* hold
      yield* forkMany(3000, done)
      yield* release
      assert.strictEqual(done.count, 1024)
      yield* TaskPool.awaitIdle
      assert.strictEqual(done.count, 3000)
      yield* expectStats({ succeeded: 3000, waiting: 0, running: 0 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("leave a submitter that is interrupted meanwhile out: its task never runs", () =>
    Effect.gen(function* () {
      const done = { count: 0 }
      yield* hold
      yield* forkMany(2000, done)
      const task = gated("never")
      const fiber = yield* start(TaskPool.submit(task.task))
      yield* release
      fiber.interruptUnsafe()
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      yield* TaskPool.awaitIdle
      assert.strictEqual(task.counts.begun, 0)
      assert.strictEqual(done.count, 2000)
      yield* expectStats({ succeeded: 2000, cancelled: 1 })
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("may be cut meanwhile: what has not begun waits, and nothing runs without a worker (I1)", () =>
    Effect.gen(function* () {
      const done = { count: 0 }
      yield* hold
      yield* forkMany(2000, done)
      yield* release
      assert.strictEqual(yield* TaskPool.resize(0, { mode: "hard" }), 0)
      yield* settle
      assert.strictEqual(done.count, 1024)
      yield* expectStats({ running: 0, waiting: 976 })
      yield* release
      yield* TaskPool.awaitIdle
      assert.strictEqual(done.count, 2000)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("may be closed meanwhile: interrupted ones never run, drained ones all do", () =>
    Effect.gen(function* () {
      const done = { count: 0 }
      yield* hold
      const handles = yield* forkMany(2000, done)
      yield* release
      const report = yield* TaskPool.close({ mode: "interrupt" })
      assert.deepStrictEqual(report, { completed: 0, interrupted: 0, neverRun: 976 })
      assert.isFalse(cancellationOf(yield* handles[1999]!.await).started)
      yield* TaskPool.start
      yield* hold
      yield* forkMany(2000, done)
      yield* release
      assert.deepStrictEqual(yield* TaskPool.close(), { completed: 976, interrupted: 0, neverRun: 0 })
      assert.strictEqual(done.count, 1024 + 2000)
    }).pipe(Effect.provide(pool(1)))
  )

  it.effect("tell their 3,000 submitters", () =>
    Effect.gen(function* () {
      yield* hold
      const fibers = yield* Effect.forEach(
        Array.from({ length: 3000 }, (_, i) => i),
        (i) => start(TaskPool.submit(Effect.succeed(i)))
      )
      yield* release
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        results,
        Array.from({ length: 3000 }, (_, i) => i)
      )
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("the door of a pool without a queue", () => {
  it.effect("lets in as many as the pool grows by, oldest first, in the same step", () =>
    Effect.gen(function* () {
      const busy = gated(0)
      const holder = yield* TaskPool.fork(busy.task)
      const tasks = [gated(1), gated(2), gated(3)]
      const fibers = yield* Effect.forEach(tasks, ({ task }) => start(TaskPool.submit(task)))
      yield* expectStats({ submitted: 1, waiting: 0, running: 1 })
      assert.strictEqual(yield* TaskPool.scale(2), 3)
      assert.deepStrictEqual(
        tasks.map(({ counts }) => counts.begun),
        [1, 1, 0]
      )
      yield* expectStats({ submitted: 3, running: 3, waiting: 0 })
      for (const { open } of [busy, ...tasks]) yield* open
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [1, 2, 3])
      yield* holder.join
    }).pipe(Effect.provide(pool(1, { capacity: 0 })))
  )

  it.effect("gives a fork its handle when a worker takes its task, and the task runs though nobody waits", () =>
    Effect.gen(function* () {
      const busy = gated(0)
      const holder = yield* TaskPool.fork(busy.task)
      const task = gated(1)
      const forker = yield* start(TaskPool.fork(task.task))
      yield* settle
      assert.isUndefined(forker.pollUnsafe())
      yield* busy.open
      yield* holder.join
      const handle = yield* Fiber.join(forker)
      assert.strictEqual(yield* handle.state, "Running")
      yield* task.open
      assert.strictEqual(yield* handle.join, 1)
    }).pipe(Effect.provide(pool(1, { capacity: 0 })))
  )

  it.effect("lets nobody overtake: a submitNowait is refused while somebody is before it", () =>
    Effect.gen(function* () {
      const busy = gated(0)
      yield* TaskPool.fork(busy.task)
      const fiber = yield* start(TaskPool.submit(Effect.succeed(1)))
      const error = yield* Effect.flip(TaskPool.submitNowait(Effect.succeed(2)))
      assert.strictEqual(error.reason, "QueueFull")
      yield* busy.open
      assert.strictEqual(yield* Fiber.join(fiber), 1)
    }).pipe(Effect.provide(pool(1, { capacity: 0 })))
  )

  it.effect("forgets who goes away", () =>
    Effect.gen(function* () {
      const busy = gated(0)
      const holder = yield* TaskPool.fork(busy.task)
      const gone = gated(1)
      const stays = gated(2)
      const first = yield* start(TaskPool.fork(gone.task))
      const second = yield* start(TaskPool.submit(stays.task))
      yield* Fiber.interrupt(first)
      yield* busy.open
      yield* holder.join
      yield* stays.started
      yield* stays.open
      assert.strictEqual(yield* Fiber.join(second), 2)
      assert.strictEqual(gone.counts.begun, 0)
      yield* expectStats({ submitted: 2, succeeded: 2, cancelled: 0, rejected: 0 })
    }).pipe(Effect.provide(pool(1, { capacity: 0 })))
  )
})

describe("a submitter that cannot be interrupted", () => {
  it.effect("keeps its waiting task", () =>
    Effect.gen(function* () {
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const fiber = yield* start(Effect.uninterruptible(TaskPool.submit(Effect.succeed("ran"))))
      fiber.interruptUnsafe()
      yield* expectStats({ waiting: 1 })
      yield* busy.open
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      yield* expectStats({ succeeded: 2, cancelled: 0 })
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("who waits for the pool to be idle", () => {
  it.effect("is told when it is idle, also when another is told first and submits again", () =>
    Effect.gen(function* () {
      const task = gated("first")
      yield* TaskPool.fork(task.task)
      const first = yield* start(Effect.andThen(TaskPool.awaitIdle, TaskPool.fork(Effect.never)))
      const second = yield* start(TaskPool.awaitIdle)
      yield* task.open
      const handle = yield* Fiber.join(first)
      yield* settle
      const told = second.pollUnsafe() !== undefined
      yield* handle.cancel
      assert.isTrue(told)
    }).pipe(Effect.provide(pool(1)))
  )
})

describe("a machine", () => {
  const machineOf = (fiber: Fiber.Fiber<unknown, unknown>, discipline: QueueDiscipline = fifo) =>
    new Machine(machineOptions({ discipline, initial: 0 }), fiber.context)
  const taskOf = (machine: Machine, fiber: Fiber.Fiber<unknown, unknown>, work: Effect.Effect<unknown> = Effect.void) =>
    new Task(machine, work, undefined, 4, fiber.context)

  it.effect("does not hang on a discipline that gives nothing while it counts tasks as ready (A6)", () =>
    Effect.withFiber((fiber) => {
      class Stubborn<T extends Weighted<T>> extends FifoBacklog<T> {
        override pop(): T | undefined {
          return undefined
        }
      }
      const machine = machineOf(fiber, { name: "fifo", backlog: () => new Stubborn() })
      machine.admit(taskOf(machine, fiber), true)
      machine.resize(1, "test")
      assert.deepInclude(machine.stats(), { waiting: 1, running: 0 })
      return Effect.void
    })
  )

  it.effect("dispatches only what its discipline counts as ready, and lets nothing overtake it (A6)", () =>
    Effect.withFiber((fiber) => {
      let ready = 0
      class Gated<T extends Weighted<T>> extends FifoBacklog<T> {
        override get ready(): number {
          return Math.min(ready, this.size)
        }
      }
      const machine = machineOf(fiber, { name: "fifo", backlog: () => new Gated() })
      machine.resize(2, "test")
      // A worker is free: the first does not wait. The others do.
      machine.resize(0, "test")
      for (let i = 0; i < 3; i++) machine.admit(taskOf(machine, fiber), true)
      machine.resize(2, "test")
      assert.deepInclude(machine.stats(), { waiting: 3, succeeded: 0 })
      ready = 3
      machine.flush()
      assert.deepInclude(machine.stats(), { waiting: 0, succeeded: 3 })
      return Effect.void
    })
  )

  it.effect("asks a condition once in a flush, however many wait for it (A21)", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.withFiber((fiber) => Effect.succeed(fiber))
      const machine = machineOf(fiber)
      let asked = 0
      let open = false
      const ready = (): boolean => {
        asked++
        return open
      }
      const watchers = []
      for (let i = 0; i < 100; i++) watchers.push(yield* start(awaitUntil(machine, ready)))
      asked = 0
      machine.flush()
      assert.strictEqual(asked, 1)
      open = true
      machine.flush()
      for (const watcher of watchers) yield* Fiber.join(watcher)
      asked = 0
      machine.flush()
      assert.strictEqual(asked, 0)
    })
  )

  it.effect("keeps no memory of a burst of completions (A21)", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.withFiber((fiber) => Effect.succeed(fiber))
      const machine = machineOf(fiber)
      let notified = 0
      for (let i = 0; i < 5000; i++) machine.enqueueCompletion({ notify: () => void notified++ })
      machine.flush()
      while (notified < 5000) yield* Effect.yieldNow
      assert.isAtMost((machine as unknown as { completions: { items: Array<unknown> } }).completions.items.length, 1024)
    })
  )

  it.effect("holds dispatch while any reason holds, and counts the holds of each (S6)", () =>
    Effect.withFiber((fiber) => {
      const machine = machineOf(fiber)
      machine.resize(1, "test")
      machine.holds.begin("Policy")
      machine.holds.begin("Policy")
      machine.holds.begin("Overload")
      machine.admit(taskOf(machine, fiber), true)
      for (const release of ["Policy", "RetryAfter", "Overload"] as const) {
        machine.holds.end(release)
        assert.deepInclude(machine.stats(), { waiting: 1, succeeded: 0 }, release)
      }
      machine.resize(2, "test")
      assert.deepInclude(machine.stats(), { waiting: 1, succeeded: 0 })
      machine.holds.end("Policy")
      assert.deepInclude(machine.stats(), { waiting: 0, succeeded: 1 })
      return Effect.void
    })
  )
})
