/** The laws of executors whose jobs run on threads: what ends a thread, what is cancelled, and what neither may touch. */
import { Executor, type ExecutorService, type WorkerCrashed } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { performance } from "node:perf_hooks"
import { expectFailure } from "./executing.ts"
import * as plain from "./jobs/plain.ts"
import * as rough from "./jobs/rough.ts"

/** The executor that a law asks for; see `ExecutorLawOptions` of the module `ExecutorLaws`. */
export interface ThreadOptions {
  readonly threads: number
  readonly spare?: number | undefined
  readonly maxOldGenerationSizeMb?: number | undefined
}

export const threadingLaws = (layerOf: (options: ThreadOptions) => Layer.Layer<Executor>): void => {
  const law = (
    sentence: string,
    options: ThreadOptions,
    body: (executor: ExecutorService, logged: ReadonlyArray<string>) => Effect.Effect<unknown, unknown, Scope.Scope>
  ) =>
    it.live(sentence, () => {
      const logged: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => logged.push(String(message)))])
      const executor = Layer.provideMerge(layerOf({ spare: 0, ...options }), logger)
      return Effect.provide(Effect.scoped(Effect.flatMap(Executor, (executor) => body(executor, logged))), executor)
    })

  // ---------------------------------------------------------------------------------------------------- ended threads

  const crashes: ReadonlyArray<{
    readonly what: string
    readonly crash: (executor: ExecutorService) => ReturnType<ExecutorService["run"]>
    readonly reason: WorkerCrashed["reason"]
    readonly options?: Partial<ThreadOptions>
    readonly check?: (error: WorkerCrashed) => void
  }> = [
    {
      what: "process.exit",
      crash: (executor) => executor.run(rough.exit, [3]),
      reason: "exit",
      check: (error) => {
        assert.strictEqual(error.exitCode, 3)
        assert.strictEqual(error.message, "exit: its thread exited with code 3")
      }
    },
    { what: "process.exit(0)", crash: (executor) => executor.run(rough.exit, [0]), reason: "exit" },
    {
      what: "an error thrown outside of the job's own call",
      crash: (executor) => executor.run(rough.throwLater, []),
      reason: "uncaught",
      check: (error) => {
        assert.instanceOf(error.cause, RangeError)
        assert.strictEqual(error.cause.message, "late")
      }
    },
    {
      what: "an unhandled rejection",
      crash: (executor) => executor.run(rough.rejectLater, []),
      reason: "uncaught",
      check: (error) => assert.strictEqual((error.cause as Error).message, "unhandled")
    },
    {
      what: "the heap limit",
      crash: (executor) => executor.run(rough.exhaustMemory, []),
      reason: "memory",
      options: { maxOldGenerationSizeMb: 32 }
    }
  ]
  for (const { check, crash, options, reason, what } of crashes) {
    law(`${what} fails exactly the job that ran, and says why`, { threads: 2, ...options }, (executor) =>
      Effect.gen(function* () {
        const gate = makeGate()
        const bystander = yield* Effect.forkChild(executor.run(rough.wait, [gate.cells]))
        yield* gate.begun
        const victim = yield* Effect.forkChild(expectFailure(crash(executor), "WorkerCrashed"))
        const queued = yield* Effect.forkChild(executor.map(plain.double, [1, 2, 3]))
        const error = yield* Fiber.join(victim)
        assert.strictEqual(error.reason, reason)
        assert.isTrue(error.started)
        check?.(error)
        assert.deepStrictEqual(yield* Fiber.join(queued), [2, 4, 6])
        gate.open()
        assert.strictEqual(yield* Fiber.join(bystander), "let go")
        assert.strictEqual(yield* executor.run(plain.add, [1, 2]), 3)
        assert.strictEqual((yield* executor.stats).replaced, 1)
      })
    )
  }

  law("work that a job leaves behind may end its thread, and fails no other job", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(yield* executor.run(rough.leaveRejection, []), "fine")
        assert.strictEqual(yield* executor.run(plain.add, [i, 1]), i + 1)
      }
    })
  )

  law("a timer that a job leaves behind fires, although its thread sleeps", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      const gate = makeGate()
      assert.strictEqual(yield* executor.run(rough.leaveTimer, [gate.cells, 20]), "fine")
      yield* gate.begun
      assert.strictEqual(yield* executor.run(plain.add, [1, 2]), 3)
    })
  )

  law("jobs behind one that ends its thread are run elsewhere, once (T2)", { threads: 1, spare: 1 }, (executor) =>
    Effect.gen(function* () {
      const cells = makeCells(30)
      yield* executor.run(plain.count, [cells, 29])
      const gate = makeGate()
      const victim = yield* Effect.forkChild(Effect.exit(executor.run(rough.exitAfterBegin, [gate.cells])))
      const behind = yield* forkEach(29, (i) => executor.run(plain.count, [cells, i]))
      yield* gate.begun
      gate.open()
      assert.isTrue(Exit.isFailure(yield* Fiber.join(victim)))
      yield* Fiber.joinAll(behind)
      assert.deepStrictEqual(
        [...cells],
        Array.from({ length: 30 }, () => 1)
      )
    })
  )

  law("results that a thread returned before its end still count (T3)", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      // Quick jobs are posted ahead. The last one ends the thread before the main thread has read any result.
      yield* executor.run(plain.identity, ["warm"])
      yield* executor.run(rough.exit, [1]).pipe(Effect.exit)
      yield* executor.run(plain.identity, ["warm"])
      const big = "x".repeat(10_000)
      const fibers = yield* forkEach(20, (i) => executor.run(plain.identity, [`${i}${big}`]))
      const exit = yield* Effect.forkChild(Effect.exit(executor.run(rough.exit, [1])))
      block(30)
      assert.deepStrictEqual(
        yield* Fiber.joinAll(fibers),
        Array.from({ length: 20 }, (_, i) => `${i}${big}`)
      )
      assert.isTrue(Exit.isFailure(yield* Fiber.join(exit)))
    })
  )

  // -------------------------------------------------------------------------------------------------------- cancelling

  law("27 jobs behind one that hangs all return when it is cancelled", { threads: 1, spare: 1 }, (executor) =>
    Effect.gen(function* () {
      const { behind, hung } = yield* hangBefore(executor, 27)
      yield* Fiber.interrupt(hung)
      assert.deepStrictEqual(
        yield* Fiber.joinAll(behind),
        Array.from({ length: 27 }, (_, i) => i)
      )
    })
  )

  law("27 jobs behind one that hangs run on another thread while it hangs (T5)", { threads: 2 }, (executor) =>
    Effect.gen(function* () {
      const { behind, hung } = yield* hangBefore(executor, 27)
      assert.deepStrictEqual(
        yield* Fiber.joinAll(behind),
        Array.from({ length: 27 }, (_, i) => i)
      )
      assert.isUndefined(hung.pollUnsafe())
      yield* Fiber.interrupt(hung)
    })
  )

  law("the job behind one that is cancelled as it ends is not lost (T3)", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      yield* warm(executor)
      const cells = makeCells(2)
      for (let i = 0; i < 30; i++) {
        const first = yield* Effect.forkChild(executor.run(rough.maybeHang, [1, cells]), { startImmediately: true })
        const second = yield* Effect.forkChild(executor.run(plain.count, [cells, 1]), { startImmediately: true })
        // From before the first has begun to after both have ended.
        block(i / 100)
        yield* Fiber.interrupt(first)
        yield* Fiber.join(second)
        assert.strictEqual(cells[1], i + 1)
      }
    })
  )

  for (const [how, first] of [
    ["in its slot", (executor: ExecutorService, cells: Int32Array) => executor.run(rough.maybeWait, [1, cells])],
    ["by message", (executor: ExecutorService) => executor.run(plain.identity, [new Uint8Array(1)])]
  ] as const) {
    law(`cancelling a job that has answered ${how} leaves the next one alone (T3)`, { threads: 1 }, (executor) =>
      Effect.gen(function* () {
        yield* warm(executor)
        const gate = makeGate()
        const ended = yield* Effect.forkChild(first(executor, gate.cells), { startImmediately: true })
        const next = yield* Effect.forkChild(executor.run(rough.maybeWait, [-1, gate.cells]), {
          startImmediately: true
        })
        // In this step the first job has ended and the next one has begun before the executor reads the results.
        awaitBegun(gate.cells)
        yield* Fiber.interrupt(ended)
        gate.open()
        assert.strictEqual(yield* Fiber.join(next), -1)
        assert.strictEqual((yield* executor.stats).replaced, 0)
      })
    )
  }

  law("a waiting job that is cancelled never runs", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      const gate = makeGate()
      const cells = makeCells(1)
      const first = yield* Effect.forkChild(executor.run(rough.wait, [gate.cells]))
      yield* gate.begun
      const waiting = yield* Effect.forkChild(executor.run(plain.count, [cells, 0]))
      yield* Effect.yieldNow
      assert.strictEqual((yield* executor.stats).waiting, 1)
      yield* Fiber.interrupt(waiting)
      assert.strictEqual((yield* executor.stats).waiting, 0)
      gate.open()
      yield* Fiber.join(first)
      yield* executor.run(plain.add, [1, 2])
      assert.deepStrictEqual([...cells], [0])
    })
  )

  law("posted jobs that are cancelled never run, and those between them do", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      const cells = makeCells(20)
      yield* executor.run(plain.count, [cells, 0])
      Atomics.store(cells, 0, 0)
      // All are posted in one step, before the thread can be done with the first.
      const fibers = yield* forkEach(20, (i) => executor.run(plain.count, [cells, i]))
      const exits = yield* Effect.forEach(fibers, (fiber, i) =>
        i % 2 === 1 ? Effect.as(Fiber.interrupt(fiber), undefined) : Effect.succeed(fiber)
      )
      yield* Fiber.joinAll(exits.filter((fiber) => fiber !== undefined))
      const even = [...cells].filter((_, i) => i % 2 === 0)
      assert.deepStrictEqual(
        even,
        Array.from({ length: 10 }, () => 1)
      )
      assert.isTrue([...cells].every((runs) => runs <= 1))
    })
  )

  law(
    "cancelling a job that never ends frees its caller, and the next job runs",
    { threads: 1, spare: 1 },
    (executor) =>
      Effect.gen(function* () {
        const gate = makeGate()
        const hung = yield* Effect.forkChild(executor.run(rough.hang, [gate.cells]))
        yield* gate.begun
        // The replacement starts while the hung thread is still ending.
        yield* awaitReady(executor, 2)
        yield* Fiber.interrupt(hung)
        // The caller is free before the thread has ended.
        assert.strictEqual((yield* executor.stats).ending, 1)
        assert.strictEqual(yield* executor.run(plain.add, [1, 2]), 3)
      })
  )

  law("an abandoned job continues: its thread takes the next one when it has ended", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      const gate = makeGate()
      const run = executor.run(rough.wait, [gate.cells], { onInterrupt: "abandon" })
      const abandoned = yield* Effect.forkChild(run)
      yield* gate.begun
      yield* Fiber.interrupt(abandoned)
      const next = yield* Effect.forkChild(executor.run(plain.add, [1, 2]))
      yield* Effect.yieldNow
      assert.isUndefined(next.pollUnsafe())
      gate.open()
      assert.strictEqual(yield* Fiber.join(next), 3)
      assert.strictEqual((yield* executor.stats).replaced, 0)
    })
  )

  law(
    "a job with transferred objects is posted only to a thread on which it is next",
    { threads: 1, spare: 1 },
    (executor) =>
      Effect.gen(function* () {
        const { hung } = yield* hangBefore(executor, 0)
        const fibers = yield* forkEach(10, (i) => {
          const bytes = new Uint8Array([i])
          return executor.run(plain.identity, [bytes], { transfer: [bytes.buffer] })
        })
        yield* Fiber.interrupt(hung)
        const answers = yield* Fiber.joinAll(fibers)
        assert.deepStrictEqual(
          answers.map((bytes: Uint8Array) => [...bytes]),
          Array.from({ length: 10 }, (_, i) => [i])
        )
      })
  )

  // ------------------------------------------------------------------------------- code that runs while arguments are copied

  /** An argument that runs something while it is copied. */
  const argument = (run: () => void) => ({
    get n() {
      run()
      return 7
    }
  })

  law("arguments may call jobs while they are copied: all jobs return their results", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      yield* warm(executor)
      const inner: Array<Fiber.Fiber<unknown, unknown>> = []
      const call = (value: unknown) =>
        inner.push(
          Effect.runFork(executor.run(plain.identity, [value])),
          Effect.runFork(executor.run(plain.add, [1, 2]))
        )
      for (let i = 0; i < 10; i++) {
        const outer = yield* forkEach(3, () => executor.run(plain.identity, [argument(() => call({ i }))]))
        const answers = yield* Fiber.joinAll(outer)
        assert.deepStrictEqual(answers, [{ n: 7 }, { n: 7 }, { n: 7 }])
        // An argument is copied again if its job was posted behind one that takes long.
        const copies = inner.length / 2
        assert.isAtLeast(copies, 3)
        const expected = Array.from({ length: copies }, () => [{ i }, 3]).flat()
        assert.deepStrictEqual(yield* Fiber.joinAll(inner.splice(0)), expected)
      }
    })
  )

  law(
    "arguments may cancel jobs while they are copied: every other job returns its result",
    { threads: 1 },
    (executor) =>
      Effect.gen(function* () {
        yield* warm(executor)
        const gate = makeGate()
        // Ends the thread for which the arguments are copied.
        const hung = yield* Effect.forkChild(executor.run(rough.maybeHang, [-1, gate.cells]), {
          startImmediately: true
        })
        const behind = yield* forkEach(3, (i) => executor.run(rough.maybeHang, [i, gate.cells]))
        const value = argument(() => {
          awaitBegun(gate.cells)
          hung.interruptUnsafe()
        })
        const ender = yield* Effect.forkChild(executor.run(plain.identity, [value]), { startImmediately: true })
        const last = yield* Effect.forkChild(executor.run(plain.identity, ["last"]), { startImmediately: true })
        assert.deepStrictEqual(yield* Fiber.joinAll(behind), [0, 1, 2])
        assert.deepStrictEqual(yield* Fiber.join(ender), { n: 7 })
        assert.strictEqual(yield* Fiber.join(last), "last")
        assert.isTrue(Exit.isFailure(yield* Fiber.await(hung)))
      })
  )

  law("a job whose own arguments cancel it never runs, and its neighbours do", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      const gate = makeGate()
      const first = yield* Effect.forkChild(executor.run(rough.wait, [gate.cells]), { startImmediately: true })
      yield* gate.begun
      const cells = makeCells(1)
      // Copied when the first has ended, and then in the executor's own step.
      const own: Fiber.Fiber<unknown, unknown> = yield* Effect.forkChild(
        executor.run<any, unknown>(plain.count, [cells, argument(() => own.interruptUnsafe())]),
        { startImmediately: true }
      )
      const next = yield* Effect.forkChild(executor.run(plain.identity, [["next"]]), { startImmediately: true })
      gate.open()
      yield* Fiber.join(first)
      assert.deepStrictEqual(yield* Fiber.join(next), ["next"])
      assert.isTrue(Exit.isFailure(yield* Fiber.await(own)))
      assert.strictEqual(yield* executor.run(plain.add, [1, 2]), 3)
      assert.deepStrictEqual([...cells], [0])
      const stats = yield* executor.stats
      assert.strictEqual(stats.running + stats.waiting, 0)
    })
  )

  law("elements of arguments that run code affect no other job", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      yield* executor.run(plain.add, [1, 2])
      const inner: Array<Fiber.Fiber<unknown, unknown>> = []
      const withGetter = (get: () => unknown): [number, number] => Object.defineProperty([0, 2], 0, { get }) as never
      const calls = withGetter(() => {
        inner.push(Effect.runFork(executor.run(plain.add, [5, 6])), Effect.runFork(executor.run(plain.identity, [[7]])))
        return 1
      })
      assert.strictEqual(yield* executor.run(plain.add, calls), 3)
      assert.deepStrictEqual(yield* Fiber.joinAll(inner), [11, [7]])
      const throws = withGetter(() => {
        throw new Error("no element")
      })
      const error = yield* expectFailure(executor.run(plain.add, throws), "NotCloneable")
      assert.strictEqual(error.path, "[0]")
      assert.strictEqual(error.reason, "no element")
      const stats = yield* executor.stats
      assert.strictEqual(stats.running + stats.waiting, 0)
    })
  )

  it.live("arguments may close the executor while they are copied: their job fails with ExecutorClosed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const executor = Context.get(yield* Layer.buildWithScope(layerOf({ threads: 1, spare: 0 }), scope), Executor)
      yield* executor.run(plain.add, [1, 2])
      let closing: Fiber.Fiber<void> | undefined
      const value = argument(() => (closing ??= Effect.runFork(Scope.close(scope, Exit.void))))
      yield* expectFailure(executor.run(plain.identity, [value]), "ExecutorClosed")
      yield* Fiber.join(closing!)
    })
  )

  law("an observer of a caller that throws affects no other caller", { threads: 1 }, (executor, logged) =>
    Effect.gen(function* () {
      yield* warm(executor)
      const fibers = yield* forkEach(6, (i) => executor.run(plain.identity, [i]))
      for (const [i, fiber] of fibers.entries()) {
        if (i % 2 === 0) {
          fiber.addObserver(() => {
            throw new Error("an observer's own")
          })
        }
      }
      // All jobs have ended before the executor reads their results.
      block(20)
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers.filter((_, i) => i % 2 === 1)), [1, 3, 5])
      assert.strictEqual(yield* executor.run(plain.add, [1, 2]), 3)
      while (logged.length < 3) yield* Effect.sleep(1)
      assert.include(logged[0], "a caller of identity threw when it received its result")
    })
  )

  law("map starts no job after a failure, also in an uninterruptible region", { threads: 1 }, (executor) =>
    Effect.gen(function* () {
      for (let i = 0; i < 30; i++) yield* executor.run(plain.failAt, [i % 13])
      let pulled = 0
      const items = function* () {
        while (pulled < 1000) yield pulled++ === 0 ? 13 : 1
      }
      const run = Effect.flip(executor.map(plain.failAt, items(), { concurrency: 5 }))
      const map = yield* Effect.forkChild(Effect.uninterruptible(run), { startImmediately: true })
      // All five jobs have ended before the executor reads their results.
      block(30)
      assert.strictEqual((yield* Fiber.join(map))._tag, "TaskThrew")
      assert.strictEqual(pulled, 5)
    })
  )

  // --------------------------------------------------------------------------------------------------------- the whole

  law("the main thread stays responsive while every thread computes", { threads: 2 }, (executor) =>
    Effect.gen(function* () {
      const gates = [makeGate(), makeGate()]
      const fibers = yield* Effect.forEach(gates, ({ cells }) => Effect.forkChild(executor.run(rough.compute, [cells])))
      yield* Effect.forEach(gates, ({ begun }) => begun)
      // Both compute until the timers of this thread have fired.
      for (let tick = 0; tick < 5; tick++) yield* Effect.sleep(5)
      for (const gate of gates) gate.open()
      yield* Fiber.joinAll(fibers)
    })
  )

  it.live("closing ends hung threads; running and waiting jobs fail with ExecutorClosed", () =>
    Effect.gen(function* () {
      const gate = makeGate()
      const scope = yield* Scope.make()
      const executor = Context.get(yield* Layer.buildWithScope(layerOf({ threads: 1, spare: 1 }), scope), Executor)
      const running = yield* Effect.forkChild(expectFailure(executor.run(rough.hang, [gate.cells]), "ExecutorClosed"))
      yield* gate.begun
      const waiting = yield* Effect.forkChild(expectFailure(executor.run(plain.add, [1, 2]), "ExecutorClosed"))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* Fiber.join(running)).started)
      assert.isFalse((yield* Fiber.join(waiting)).started)
    })
  )

  it.live("closing counts a result that was returned, and fails the job that began behind it (T3)", () =>
    Effect.gen(function* () {
      const gate = makeGate()
      const scope = yield* Scope.make()
      const executor = Context.get(yield* Layer.buildWithScope(layerOf({ threads: 1, spare: 0 }), scope), Executor)
      yield* warm(executor)
      const ended = yield* Effect.forkChild(executor.run(rough.maybeWait, [1, gate.cells]), { startImmediately: true })
      const begun = yield* Effect.forkChild(
        expectFailure(executor.run(rough.maybeWait, [-1, gate.cells]), "ExecutorClosed"),
        { startImmediately: true }
      )
      const behind = yield* Effect.forkChild(
        expectFailure(executor.run(rough.maybeWait, [2, gate.cells]), "ExecutorClosed"),
        { startImmediately: true }
      )
      awaitBegun(gate.cells)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(ended), 1)
      assert.isTrue((yield* Fiber.join(begun)).started)
      assert.isFalse((yield* Fiber.join(behind)).started)
    })
  )

  it.live("a closed executor rejects jobs", () =>
    Effect.gen(function* () {
      const executor = yield* Effect.provide(Executor, layerOf({ threads: 1 }))
      const error = yield* expectFailure(executor.run(plain.add, [1, 2]), "ExecutorClosed")
      assert.isFalse(error.started)
    })
  )
}

const makeCells = (length: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(length * 4))

/** Shared memory by which a job reports that it has begun, and is released. */
const makeGate = () => {
  const cells = makeCells(2)
  return {
    cells,
    // The value is not a promise if the job has already begun.
    begun: Effect.promise(async () => (Atomics as any).waitAsync(cells, 0, 0).value as unknown),
    open: () => {
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
    }
  }
}

/** Blocks the main thread until a job has said that it has begun. */
const awaitBegun = (cells: Int32Array): void => {
  assert.notStrictEqual(Atomics.wait(cells, 0, 0, 120_000), "timed-out")
}

// Threads start in real time, which no gate can control.
const awaitReady = (executor: ExecutorService, threads: number): Effect.Effect<void> =>
  Effect.flatMap(executor.stats, (stats) =>
    stats.threads >= threads ? Effect.void : Effect.andThen(Effect.sleep(5), awaitReady(executor, threads))
  )

/** Calls jobs until the executor has learnt that they are quick, and posts them ahead. */
const warm = (executor: ExecutorService) =>
  Effect.gen(function* () {
    const cells = makeCells(2)
    for (let i = 0; i < 30; i++) {
      yield* executor.run(rough.maybeHang, [i, cells])
      yield* executor.run(rough.maybeWait, [i, cells])
      yield* executor.run(plain.count, [cells, 0])
      yield* executor.run(plain.identity, [new Uint8Array(1)])
    }
  })

/** A job that hangs, with `count` jobs behind it that were posted before it was known to hang. */
const hangBefore = (executor: ExecutorService, count: number) =>
  Effect.gen(function* () {
    yield* warm(executor)
    const cells = makeCells(2)
    const run = (n: number) => executor.run(rough.maybeHang, [n, cells])
    const hung = yield* Effect.forkChild(run(-1), { startImmediately: true })
    const behind = yield* forkEach(count, run)
    // In this step, before the executor can see that the job takes long.
    awaitBegun(cells)
    return { hung, behind }
  })

const forkEach = <A, E>(count: number, f: (i: number) => Effect.Effect<A, E>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => i),
    (i) => Effect.forkChild(f(i), { startImmediately: true })
  )

/** Holds the main thread up, so that threads run ahead of it. */
const block = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}
