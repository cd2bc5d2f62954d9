import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolSimple,
  type FixedPoolOptions,
  TaskPool
} from "@aio-task-pool/core"
import {
  type DistributedPoolOptions,
  DistributedTask,
  DistributedTaskPool,
  TaskCancelled,
  TaskLost
} from "@aio-task-pool/distributed"
import { defectOf, failureOf, isInterrupted, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

class Refused extends Schema.TaggedError<Refused>()("Refused", { attempt: Schema.Int }) {}

const Echo = DistributedTask.make("echo", { payload: Schema.Int, success: Schema.Int, error: Refused })
const Never = DistributedTask.make("never", { success: Schema.String })

const echo = Echo.handle(Effect.succeed)
const never = Never.handle(() => Effect.never)

const localOf = (options: FixedPoolOptions = {}, more: Partial<DistributedPoolOptions> = {}) =>
  DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer({ size: 3, ...options }), { name: "local", ...more })

/** Opens a pool whose scope a test closes. */
const open = Effect.fnUntraced(function* (layer: Layer.Layer<DistributedTaskPool>) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(layer, scope)
  return {
    pool: Context.get(context, DistributedTaskPool),
    close: (exit: Exit.Exit<unknown, unknown>) => Scope.close(scope, exit)
  }
})

const reasonOf = (exit: Exit.Exit<unknown, unknown>) => {
  const error = failureOf(exit)
  return error instanceof TaskCancelled || error instanceof TaskLost ? error.reason : assert.fail(String(exit))
}

describe("the layer of a local pool", () => {
  it("refuses wrong options where it is made", () => {
    const pool = AioFixedTaskPoolSimple.layer(1)
    for (const name of ["", "a:b", "a b", "x".repeat(65), "größe", undefined, 5]) {
      assert.throws(() => DistributedTaskPool.layerLocal(pool, { name } as never), RangeError, "name")
    }
    for (const wrong of [{ resultTtl: 0 }, { resultTtl: Infinity }, { sizeLimit: 0 }, { sizeLimit: 1.5 }]) {
      assert.throws(() => DistributedTaskPool.layerLocal(pool, { name: "local", ...wrong }), RangeError)
    }
    assert.throws(() => DistributedTaskPool.layerLocal(pool, { name: "local", size: 3 } as never), TypeError, "size")
    assert.throws(() => DistributedTaskPool.layerLocal({} as never, { name: "local" }), TypeError, "layer")
    assert.throws(() => DistributedTaskPool.layerLocal(pool, undefined as never), RangeError, "options")
    const tag = "app/Pool" as never
    assert.throws(
      () => DistributedTaskPool.layerLocal(pool, { name: "local", tag }),
      TypeError,
      'DistributedTaskPool.layerLocal: tag must be a tag, got "app/Pool"'
    )
    const resultTtl = { second: 5 } as never
    assert.throws(() => DistributedTaskPool.layerLocal(pool, { name: "local", resultTtl }), RangeError, "resultTtl")
  })

  it.effect("handles promises that reject in place of effects and values, so that they do not end the process", () =>
    Effect.gen(function* () {
      const rejected = (): any => Promise.reject(new Error("late"))
      const Text = DistributedTask.make("text", {
        payload: Schema.String,
        success: Schema.String,
        progress: Schema.Int
      })
      const handler = Text.handle((how, context) =>
        how === "progress"
          ? Effect.as(context.progress(rejected()), "done")
          : how === "result"
            ? Effect.succeed(rejected())
            : rejected()
      )
      const program = Effect.gen(function* () {
        const pool = yield* DistributedTaskPool
        const asynchronous = yield* Effect.exit(pool.submit(Text, "async"))
        assert.include(String(asynchronous), "the handler of text returned a Promise of an async function")
        for (const call of [
          pool.submit(Text, "result"),
          pool.submit(Text, "progress"),
          Effect.suspend(() => pool.submit(Text, rejected())),
          pool.forEach([1], Text, rejected),
          Effect.suspend(() => pool.forEach(rejected(), Text, () => "result"))
        ]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(call as Effect.Effect<unknown, unknown>)))
        }
        // Node reports an unhandled rejection after the microtasks, and the runner fails the file.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      })
      const worker = DistributedTaskPool.worker([handler], { concurrency: 1 })
      const pool = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(1), { name: "local" })
      yield* Effect.provide(program, Layer.provideMerge(worker, pool))
    })
  )

  it("takes a Duration whose units are in its prototype, like those of Temporal", () => {
    class Span {
      get hours() {
        return 2
      }
    }
    const pool = AioFixedTaskPoolSimple.layer(1)
    assert.doesNotThrow(() => DistributedTaskPool.layerLocal(pool, { name: "local", resultTtl: new Span() }))
  })

  it.effect("dies when the core's pool has a capacity, an infinite size or another tag", () =>
    Effect.gen(function* () {
      class Other extends TaskPool.Tag<Other>()("test/Other") {}
      const build = (layer: Layer.Layer<DistributedTaskPool>) => Effect.exit(Effect.scoped(Layer.build(layer)))
      assert.instanceOf(defectOf(yield* build(localOf({ capacity: 5 }))), RangeError)
      assert.instanceOf(defectOf(yield* build(localOf({ size: Infinity }))), RangeError)
      const other = AioFixedTaskPoolSimple.layer(1, { tag: Other }) as never
      const built = build(DistributedTaskPool.layerLocal(other, { name: "local" }))
      assert.instanceOf(defectOf(yield* built), TypeError)
    })
  )

  it.effect("builds a pool for each layer, also from one layer of the core", () =>
    Effect.gen(function* () {
      class A extends DistributedTaskPool.Tag<A>()("test/A") {}
      class B extends DistributedTaskPool.Tag<B>()("test/B") {}
      const core = AioFixedTaskPoolSimple.layer(2)
      const pools = Layer.mergeAll(
        core,
        DistributedTaskPool.layerLocal(core, { tag: A, name: "a" }),
        DistributedTaskPool.layerLocal(core, { tag: B, name: "b" })
      )
      yield* Effect.gen(function* () {
        yield* A.resize(5)
        assert.strictEqual((yield* B.stats).targetSize, 2)
        assert.strictEqual((yield* TaskPool.stats).targetSize, 2)
        // A handler of one pool may wait for the other one.
        const Outer = DistributedTask.make("outer", { success: Schema.Int })
        const b = yield* B
        const outer = Outer.handle(() => Effect.orDie(b.submit(Echo, 7)))
        const workers = Layer.merge(A.worker([outer], { concurrency: 1 }), B.worker([echo], { concurrency: 1 }))
        assert.strictEqual(yield* Effect.provide(A.submit(Outer, undefined), workers), 7)
      }).pipe(Effect.provide(pools))
    })
  )

  it.effect("starts paused as its core's pool does", () =>
    Effect.gen(function* () {
      yield* DistributedTaskPool.worker([echo], { concurrency: 1 }).pipe(Layer.build)
      const exit = yield* Effect.exit(DistributedTaskPool.submit(Echo, 1))
      assert.strictEqual((failureOf(exit, "NotAvailable") as { reason: string }).reason, "Paused")
      yield* DistributedTaskPool.resume
      assert.strictEqual(yield* DistributedTaskPool.submit(Echo, 1), 1)
    }).pipe(Effect.scoped, Effect.provide(localOf({ startPaused: true })))
  )

  it.effect("can be built by runSync", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = Effect.runSync(Layer.buildWithScope(localOf(), scope))
      const pool = Context.get(context, DistributedTaskPool)
      yield* Scope.provide(pool.worker([Echo.handle((n) => Effect.as(Effect.yieldNow, n))], { concurrency: 1 }), scope)
      assert.strictEqual(yield* pool.submit(Echo, 5), 5)
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("the time of a local pool", () => {
  it.effect("keeps results for resultTtl, and only those that somebody can attach to", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      let runs = 0
      const counting = Echo.handle(() => Effect.sync(() => ++runs))
      yield* pool.worker([counting], { concurrency: 1 })
      yield* pool.submit(Echo, 0)
      yield* pool.forEach([0, 0], Echo, (n) => n)
      assert.strictEqual((yield* pool.stats).keptSucceeded, 0)
      assert.strictEqual(yield* pool.submit(Echo, 0, { id: "one" }), 4)
      const handle = yield* pool.fork(Echo, 0)
      assert.strictEqual(yield* handle.join, 5)
      assert.strictEqual((yield* pool.stats).keptSucceeded, 2)
      yield* TestClock.adjust(9_999)
      assert.strictEqual(yield* pool.submit(Echo, 0, { id: "one" }), 4)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* pool.stats).keptSucceeded, 0)
      assert.strictEqual(reasonOf(yield* Effect.exit(pool.attach(Echo, "one"))), "Vanished")
      assert.strictEqual(reasonOf(yield* Effect.exit(pool.attach(Echo, handle.id))), "Vanished")
      assert.strictEqual(yield* pool.submit(Echo, 0, { id: "one" }), 6)
      // A handle that is in hand still has its result.
      assert.strictEqual(yield* handle.join, 5)
    }).pipe(Effect.scoped, Effect.provide(localOf({}, { resultTtl: "10 seconds" })))
  )

  it.effect("delays attempts exactly, fixed or doubling", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const at: Array<number> = []
      const failing = Echo.handle((_, { attempt }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          at.push(now)
          return Effect.fail(new Refused({ attempt }))
        })
      )
      yield* pool.worker([failing], { concurrency: 1 })
      const run = Effect.fnUntraced(function* (backoff: { fixed: number } | { exponential: number } | undefined) {
        at.length = 0
        const begun = yield* Clock.currentTimeMillis
        const fiber = yield* start(pool.submit(Echo, 1, { attempts: 4, backoff, delay: 500 }))
        yield* TestClock.adjust(10_000)
        assert.deepInclude(failureOf(yield* Fiber.await(fiber)), { _tag: "Refused", attempt: 4 })
        return at.map((millis) => millis - begun)
      })
      assert.deepStrictEqual(yield* run(undefined), [500, 500, 500, 500])
      assert.deepStrictEqual(yield* run({ fixed: 1000 }), [500, 1500, 2500, 3500])
      assert.deepStrictEqual(yield* run({ exponential: 1000 }), [500, 1500, 3500, 7500])
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("tries again without end of an exponential delay of 0", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      yield* pool.worker([Echo.handle((_, { attempt }) => Effect.fail(new Refused({ attempt })))], { concurrency: 1 })
      const error = yield* Effect.flip(pool.submit(Echo, 1, { attempts: 1200, backoff: { exponential: 0 } }))
      assert.deepInclude(error, { _tag: "Refused", attempt: 1200 })
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("keeps the rate of its core's pool exactly", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const at: Array<number> = []
      const timed = Echo.handle((n) => Effect.map(Clock.currentTimeMillis, (now) => (at.push(now), n)))
      yield* pool.worker([timed], { concurrency: 10 })
      const fiber = yield* start(pool.forEach([1, 2, 3, 4, 5], Echo, (n) => n))
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(at, [0, 0, 1000, 1000, 2000])
    }).pipe(Effect.scoped, Effect.provide(localOf({ size: 10, rate: { limit: 2, window: 1000 } })))
  )

  it.effect("gives up a task that no worker knows after unknownFor", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      yield* pool.worker([echo], { concurrency: 1, unknownFor: "60 seconds" })
      const handle = yield* pool.fork(Never, undefined)
      yield* TestClock.adjust(59_999)
      assert.strictEqual(yield* handle.state, "Delayed")
      yield* TestClock.adjust(1)
      assert.strictEqual(reasonOf(yield* handle.await), "UnknownTask")
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("does not give up a task whose workers are busy", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const gate = yield* Deferred.make<void>()
      yield* pool.worker([echo], { concurrency: 5, unknownFor: 100 })
      yield* pool.worker([Never.handle(() => Effect.as(Deferred.await(gate), "done"))], { concurrency: 1 })
      const first = yield* pool.fork(Never, undefined)
      const second = yield* pool.fork(Never, undefined)
      yield* TestClock.adjust("5 minutes")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* first.join, "done")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* second.join, "done")
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("stops waiting for finalizers after interruptTimeout", () =>
    Effect.gen(function* () {
      const shutdown = { drainTimeout: 0, interruptTimeout: "2 seconds" } as const
      const { close, pool } = yield* open(localOf({ shutdown }))
      const worker = yield* Scope.make()
      const stubborn = Never.handle(() => Effect.uninterruptible(Effect.never))
      const options = { concurrency: 1, shutdown: { drainTimeout: 0, interruptTimeout: "5 seconds" } } as const
      yield* Scope.provide(pool.worker([stubborn], options), worker)
      const handle = yield* pool.fork(Never, undefined)
      const takes = Effect.fnUntraced(function* (effect: Effect.Effect<void, unknown>, millis: number) {
        const fiber = yield* start(effect)
        yield* TestClock.adjust(millis - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
      })
      yield* takes(handle.cancel, 5000)
      assert.strictEqual(yield* handle.state, "Running")
      yield* takes(Scope.close(worker, Exit.void), 5000)
      yield* takes(close(Exit.void), 2000)
      assert.strictEqual(reasonOf(yield* handle.await), "Closed")
    })
  )
})

describe("the places of a local pool", () => {
  it.effect("the order is decided when a worker has a place, not when the limit allows a task", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const order: Array<number> = []
      const slow = Echo.handle((n) =>
        Effect.gen(function* () {
          order.push(n)
          yield* Effect.yieldNow
          return n
        })
      )
      const handles = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => pool.fork(Echo, n))
      yield* pool.worker([slow], { concurrency: 2 })
      for (const handle of handles) yield* handle.join
      assert.deepStrictEqual(order, [6, 5, 4, 3, 2, 1])
    }).pipe(
      Effect.scoped,
      Effect.provide(DistributedTaskPool.layerLocal(AioFixedTaskPoolLifo.layer(20), { name: "lifo" }))
    )
  )

  it.effect("thousands of tasks that end at once do not overflow the stack", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      yield* pool.holdDispatch
      let runs = 0
      const count = Echo.handle((n) => Effect.sync(() => (runs++, n)))
      yield* pool.worker([count], { concurrency: 2 })
      const handles = yield* Effect.forEach(Array.from({ length: 5_000 }), (_, n) => pool.fork(Echo, n))
      yield* pool.releaseDispatch
      assert.strictEqual(yield* handles[4_999]!.join, 4_999)
      assert.strictEqual(runs, 5_000)
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("a task that starts in the step in which another one ends may cancel it", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const gate = yield* Deferred.make<void>()
      const cancelled: Array<Exit.Exit<unknown, unknown>> = []
      const first = Never.handle(() => Effect.as(Deferred.await(gate), "own"))
      const second = Echo.handle((n) =>
        Effect.gen(function* () {
          const handle = yield* Effect.orDie(pool.attach(Never, "first"))
          cancelled.push(yield* Effect.exit(handle.cancel))
          return n
        })
      )
      yield* pool.worker([first, second], { concurrency: 1 })
      const ending = yield* pool.fork(Never, undefined, { id: "first" })
      const starting = yield* pool.fork(Echo, 1)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* starting.join, 1)
      assert.deepStrictEqual(cancelled, [Exit.void])
      assert.strictEqual(yield* ending.join, "own")
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("an auto-scale pool classifies the failures of handlers", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      yield* pool.worker([Echo.handle((_, { attempt }) => Effect.fail(new Refused({ attempt })))], { concurrency: 1 })
      yield* pool.worker([never], { concurrency: 1 })
      yield* Effect.exit(pool.submit(Echo, 1))
      // `classify` asked for a pause.
      assert.isTrue((yield* pool.stats).held)
      assert.strictEqual(seen.length, 1)
      assert.instanceOf(seen[0], Refused)
      yield* TestClock.adjust("1 minute")
      assert.isFalse((yield* pool.stats).held)
      const fiber = yield* start(Effect.exit(pool.submit(Never, undefined, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(reasonOf(yield* Fiber.join(fiber)), "TimedOut")
      assert.isTrue(Cause.isTimeoutError(seen[1]))
    }).pipe(Effect.scoped, Effect.provide(classifying))
  )
})

const seen: Array<unknown> = []

const classifying = DistributedTaskPool.layerLocal(
  AioAutoScaleTaskPoolSimple.layer({
    classify: (exit) => {
      if (Exit.isSuccess(exit)) return "success"
      seen.push(Cause.squash(exit.cause))
      return { overload: true, retryAfter: "30 seconds" }
    }
  }),
  { name: "classifying" }
)

describe("closing a local pool", () => {
  it.effect("drains: admitted tasks run while a worker is left", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf({ size: 1 }))
      const gate = yield* Deferred.make<void>()
      const gated = Echo.handle((n) => Effect.as(Deferred.await(gate), n))
      yield* pool.worker([gated], { concurrency: 1 })
      const handles = yield* Effect.forEach([1, 2, 3], (n) => pool.fork(Echo, n))
      const closing = yield* start(close(Exit.void))
      yield* settle
      assert.isUndefined(closing.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* Effect.forEach(handles, (handle) => handle.join), [1, 2, 3])
    }).pipe(Effect.scoped)
  )

  it.effect("close() at the end of a program finishes the tasks that wait, before its worker's layer closes", () =>
    Effect.gen(function* () {
      const done: Array<number> = []
      const slow = Echo.handle((n) =>
        Effect.as(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => done.push(n))
          ),
          n
        )
      )
      const worker = DistributedTaskPool.worker([slow], { concurrency: 1 })
      const program = Effect.forEach([1, 2, 3], (n) => DistributedTaskPool.fork(Echo, n))
      const layer = Layer.provideMerge(worker, localOf())
      yield* Effect.provide(Effect.andThen(program, DistributedTaskPool.close()), layer)
      assert.deepStrictEqual(done, [1, 2, 3])
    })
  )

  it.effect("a drain runs more tasks than places only one after another", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf({ size: 10 }))
      let now = 0
      let most = 0
      const counting = Echo.handle((n) =>
        Effect.gen(function* () {
          most = Math.max(most, ++now)
          yield* settle
          now--
          return n
        })
      )
      yield* pool.worker([counting], { concurrency: 2 })
      const handles = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => pool.fork(Echo, n))
      yield* close(Exit.void)
      assert.deepStrictEqual(yield* Effect.forEach(handles, (handle) => handle.join), [1, 2, 3, 4, 5, 6])
      assert.strictEqual(most, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("a drain cancels what no worker is left for, and what is delayed", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf())
      const worker = yield* Scope.make()
      yield* Scope.provide(pool.worker([echo, never], { concurrency: 1, shutdown: { drainTimeout: 0 } }), worker)
      const running = yield* pool.fork(Never, undefined)
      const waiting = yield* pool.fork(Echo, 1)
      const delayed = yield* pool.fork(Echo, 1, { delay: "1 day" })
      const closing = yield* start(close(Exit.void))
      yield* settle
      assert.strictEqual(yield* running.state, "Running")
      yield* Scope.close(worker, Exit.void)
      yield* Fiber.join(closing)
      const exits: ReadonlyArray<readonly [Exit.Exit<unknown, unknown>, started: boolean]> = [
        [yield* running.await, true],
        [yield* waiting.await, false],
        [yield* delayed.await, false]
      ]
      for (const [exit, started] of exits) {
        const error = failureOf(exit, "TaskCancelled") as TaskCancelled
        assert.deepStrictEqual([error.reason, error.started], ["Closed", started])
      }
    })
  )

  it.effect("a drain of a pool of size 0 cancels what waits", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf({ size: 0 }))
      yield* pool.worker([echo], { concurrency: 1 })
      const handle = yield* pool.fork(Echo, 1)
      yield* close(Exit.void)
      assert.strictEqual(reasonOf(yield* handle.await), "Closed")
    }).pipe(Effect.scoped)
  )

  it.effect("a drain does not try failed tasks again: the last failure is the result", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf())
      const gate = yield* Deferred.make<void>()
      const failing = Echo.handle((_, { attempt }) =>
        Effect.andThen(Deferred.await(gate), Effect.fail(new Refused({ attempt })))
      )
      yield* pool.worker([failing], { concurrency: 1 })
      const handle = yield* pool.fork(Echo, 1, { attempts: 5 })
      const closing = yield* start(close(Exit.void))
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.deepInclude(failureOf(yield* handle.await), { _tag: "Refused", attempt: 1 })
    }).pipe(Effect.scoped)
  )

  it.effect("interrupts its tasks when its scope fails", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf({ size: 1 }))
      let finalized = false
      const slow = Never.handle(() =>
        Effect.ensuring(
          Effect.never,
          Effect.sync(() => (finalized = true))
        )
      )
      yield* pool.worker([slow], { concurrency: 1 })
      const running = yield* pool.fork(Never, undefined)
      const waiting = yield* pool.fork(Never, undefined)
      yield* close(Exit.fail("broken"))
      assert.isTrue(finalized)
      const ends = [failureOf(yield* running.await), failureOf(yield* waiting.await)] as Array<TaskCancelled>
      assert.deepStrictEqual(
        ends.map(({ reason, started }) => [reason, started]),
        [
          ["Closed", true],
          ["Closed", false]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("a handler that closes its own pool dies, because it would wait for itself", () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      const Close = DistributedTask.make("close")
      yield* pool.worker([Close.handle(() => pool.close()), echo], { concurrency: 1 })
      assert.include(String(defectOf(yield* Effect.exit(pool.submit(Close, undefined)))), "would wait for itself")
      assert.strictEqual(yield* pool.submit(Echo, 1), 1)
    }).pipe(Effect.scoped, Effect.provide(localOf()))
  )

  it.effect("an interrupted submitter of a closed pool ends", () =>
    Effect.gen(function* () {
      const { close, pool } = yield* open(localOf())
      const fiber = yield* start(pool.submit(Echo, 1))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      assert.strictEqual((yield* pool.stats).waiting, 0)
      yield* close(Exit.void)
    })
  )
})
