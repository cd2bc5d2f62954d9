import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, Executor, Job, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { executorLaws, threadedExecutorLaws } from "@aio-task-pool/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { createSecretKey } from "node:crypto"
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { BlockList } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { threadId } from "node:worker_threads"
import * as jobs from "./jobs/misc.ts"
import { run, runNode, watchThreads } from "./support.ts"

// The jobs of the laws.
const plain = Job.module<{
  readonly add: (a: number, b: number) => number
  readonly double: (n: number) => number
  readonly identity: (value: any) => any
}>(new URL("../../testing/src/laws/jobs/plain.ts", import.meta.url))
const rough = Job.module<{
  readonly exit: (code: number) => void
  readonly maybeWait: (n: number, cells: Int32Array) => number
}>(new URL("../../testing/src/laws/jobs/rough.ts", import.meta.url))

executorLaws("on two threads", NodeExecutor.layer({ threads: 2, spare: 0 }))

threadedExecutorLaws("of NodeExecutor", ({ maxOldGenerationSizeMb, ...options }) =>
  NodeExecutor.layer({
    ...options,
    ...(maxOldGenerationSizeMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb } })
  })
)

describe("options of an executor", () => {
  it.live("jobs run on other threads, as many as `threads` says", () =>
    Effect.gen(function* () {
      const threads = watchThreads()
      yield* Effect.gen(function* () {
        assert.notStrictEqual(yield* Executor.run(jobs.whereAmI, []), threadId)
        assert.strictEqual(threads.alive.size, 3)
      }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 1 })))
      assert.strictEqual(threads.alive.size, 0)
      threads.stop()
    })
  )

  it.live("two executors of a program have separate threads", () =>
    Effect.gen(function* () {
      const here = yield* Executor.run(jobs.whereAmI, [])
      const there = yield* Heavy.run(jobs.whereAmI, [])
      assert.notStrictEqual(here, there)
      assert.strictEqual(
        yield* TaskPool.submitBlocking(jobs.whereAmI, { args: [], executor: Heavy }),
        yield* Heavy.run(jobs.whereAmI, [])
      )
    }).pipe(
      Effect.provide([
        AioFixedTaskPoolSimple.layer(2),
        NodeExecutor.layer({ threads: 1, spare: 0 }),
        NodeExecutor.layer({ threads: 1, spare: 0, tag: Heavy })
      ])
    )
  )

  it.live("env and execArgv apply to the threads only", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Executor.run(jobs.environment, ["ANSWER"]), "42")
      assert.deepStrictEqual(yield* Executor.run(jobs.arguments_, []), ["--no-warnings"])
    }).pipe(
      Effect.provide(
        NodeExecutor.layer({ threads: 1, spare: 0, env: { ANSWER: "42" }, execArgv: ["--no-warnings"], name: "mine" })
      )
    )
  )

  it.live("recycleAfter replaces threads, and every result is right", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 3000 }, (_, i) => i)
      const doubled = yield* Effect.forEach(items, (n) => Executor.run(plain.double, [n]), { concurrency: 50 })
      assert.deepStrictEqual(
        doubled,
        items.map((n) => n * 2)
      )
      while ((yield* Executor.stats).replaced < 2) yield* Executor.run(plain.double, [1])
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 0, recycleAfter: 500 })))
  )

  // Long enough apart that a thread gives up looking out, tries it again now and then, and takes jobs in either state.
  it.live.each([0, 0.05, 1])("jobs that come at any moment are answered with spin: %d", (spin) =>
    Effect.gen(function* () {
      for (let i = 0; i < 600; i++) {
        assert.strictEqual(yield* Executor.run(plain.double, [i]), 2 * i)
        const until = performance.now() + (i % 7) * 0.05
        while (performance.now() < until);
        if (i % 150 === 0) yield* Effect.sleep(5)
      }
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, spin })))
  )

  it.live("objects that only the platform can copy arrive with their type", () =>
    Effect.gen(function* () {
      const blocked = new BlockList()
      blocked.addAddress("1.2.3.4")
      const key = yield* Executor.run(plain.identity, [createSecretKey(Buffer.from("secret"))])
      assert.strictEqual(key.export().toString(), "secret")
      const list = yield* Executor.run(plain.identity, [blocked])
      assert.isTrue(list.check("1.2.3.4"))
      const memory = new (globalThis as any).WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
      const same = yield* Executor.run(plain.identity, [memory])
      new Uint8Array(memory.buffer)[0] = 7
      assert.strictEqual(new Uint8Array(same.buffer)[0], 7)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
  )

  it("options out of range are rejected by the call that passes them", () => {
    assert.throws(
      () => NodeExecutor.layer({ threads: 0 }),
      RangeError,
      "NodeExecutor.layer: threads must be an integer from 1 to 1024, got 0"
    )
    assert.throws(
      () => NodeExecutor.layer({ spare: -1 }),
      RangeError,
      "spare must be an integer from 0 to 1024, got -1"
    )
    assert.throws(() => NodeExecutor.layer({ maxDepth: 65 }), RangeError, "maxDepth must be an integer from 1 to 64")
    assert.throws(
      () => NodeExecutor.layer({ name: 5 as never }),
      TypeError,
      "NodeExecutor.layer: name must be a string, got 5"
    )
    assert.throws(() => NodeExecutor.layer({ spin: 1.5 }), RangeError, "spin must be a number from 0 to 1, got 1.5")
    assert.throws(() => NodeExecutor.layer({ spin: NaN }), RangeError, "spin must be a number from 0 to 1, got NaN")
    assert.throws(
      () => NodeExecutor.layer({ preload: ["./jobs.js"] }),
      RangeError,
      'NodeExecutor.layer: preload must be an absolute URL, got "./jobs.js": write new URL("./jobs.js", import.meta.url)'
    )
    assert.throws(
      () => NodeExecutor.make({ worker: "/copy/worker.js" as never }),
      RangeError,
      'NodeExecutor.make: worker must be an absolute URL, got "/copy/worker.js": write pathToFileURL("/copy/worker.js")'
    )
    assert.throws(() => NodeExecutor.make({ recycleAfter: 0.5 }), RangeError, "NodeExecutor.make: recycleAfter must be")
  })

  const odd: ReadonlyArray<readonly [options: unknown, message: string]> = [
    [null, "options must be an object, got null"],
    [5, "options must be an object, got 5"],
    [{ thread: 2 }, 'unknown option "thread" (known: threads, spare, '],
    [{ threads: null }, "threads must be an integer from 1 to 1024, got null"],
    [{ threads: Symbol("t") }, "threads must be an integer from 1 to 1024, got Symbol(t)"],
    [{ spare: 1n }, "spare must be an integer from 0 to 1024, got 1n"],
    [{ spin: 1n }, "spin must be a number from 0 to 1, got 1n"],
    [{ spin: "0.5" }, 'spin must be a number from 0 to 1, got "0.5"'],
    [{ spin: Symbol("s") }, "spin must be a number from 0 to 1, got Symbol(s)"],
    [{ name: Object.create(null) }, "name must be a string, got {}"],
    [{ preload: "node:zlib" }, 'preload must be an array, got "node:zlib"'],
    [{ preload: [5] }, "preload must be an absolute URL, got number"],
    [{ preload: [null] }, "preload must be an absolute URL, got null"],
    [{ tag: "app/Heavy" }, 'tag must be a tag, got "app/Heavy"']
  ]
  for (const [options, message] of odd) {
    it(`options of another type are rejected by the call that passes them: ${message}`, () => {
      assert.throws(() => NodeExecutor.layer(options as never), `NodeExecutor.layer: ${message}`)
    })
  }
})

describe("modules", () => {
  it.live("a module that throws while it is loaded fails with TaskNotFound and the thrown value", () =>
    Effect.gen(function* () {
      const { never } = Job.module<typeof import("./jobs/broken.ts")>(new URL("./jobs/broken.ts", import.meta.url))
      const error = yield* Effect.flip(Executor.run(never, []))
      assert.isTrue(error._tag === "TaskNotFound" && (error.cause as Error).message === "broken at load")
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
  )

  it.live("a module that ends the thread that loads it fails its job only", () =>
    Effect.gen(function* () {
      const { never } = Job.module<typeof import("./jobs/poison.ts")>(new URL("./jobs/poison.ts", import.meta.url))
      for (let i = 0; i < 2; i++) {
        const error = yield* Effect.flip(Executor.run(never, []))
        assert.isTrue(error._tag === "WorkerCrashed" && error.reason === "exit" && error.exitCode === 7)
        yield* Executor.run(jobs.whereAmI, [])
      }
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
  )

  it.live("modules are preloaded before the first job, also on replacement threads", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Executor.run(jobs.load, []), 1)
      assert.strictEqual(yield* Executor.run(jobs.uses, []), 1)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, preload: [jobs.load, "node:zlib"] })))
  )
})

describe("modules that do not load at the first attempt", () => {
  const module = Job.module<typeof import("./jobs/gated.ts")>(new URL("./jobs/gated.ts", import.meta.url))
  const broken = Job.module<typeof import("./jobs/broken.ts")>(new URL("./jobs/broken.ts", import.meta.url))

  it.live("a replacement thread is ready before it loads the modules of earlier jobs", () => {
    const gate = makeGateFile()
    return Effect.gen(function* () {
      assert.strictEqual(yield* Executor.run(module.opened, []), "opened")
      gate.close()
      yield* Effect.flip(Executor.run(rough.exit, [1]))
      assert.strictEqual(yield* Executor.run(plain.add, [1, 2]), 3)
      gate.open()
      assert.strictEqual(yield* Executor.run(module.opened, []), "opened")
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, env: { GATE: gate.path } })))
  })

  it.live("a module that failed to load is loaded again, on another thread", () => {
    const gate = makeGateFile()
    return Effect.gen(function* () {
      gate.close()
      const error = yield* Effect.flip(Executor.run(module.opened, []))
      assert.isTrue(error._tag === "TaskNotFound" && (error.cause as Error).message === "the gate is closed")
      gate.open()
      assert.strictEqual(yield* Executor.run(module.opened, []), "opened")
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, env: { GATE: gate.path, GATE_THROWS: "1" } })))
  })

  it.live("a module that never loads does not cost a thread for each call", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 300; i++) {
        assert.strictEqual((yield* Effect.flip(Executor.run(broken.never, [])))._tag, "TaskNotFound")
      }
      assert.isBelow((yield* Executor.stats).replaced, 100)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
  )

  it.live("a preloaded module that does not load is logged once for all threads", () => {
    const { layer, logged } = makeLog()
    return Effect.gen(function* () {
      while ((yield* Executor.stats).threads < 3) yield* Effect.sleep(1)
      yield* Effect.flip(Executor.run(rough.exit, [1]))
      while ((yield* Executor.stats).threads < 3) yield* Effect.sleep(1)
      yield* Effect.sleep(1)
      assert.strictEqual(logged.length, 1)
      assert.match(logged[0]!, /^mine: .*broken.ts cannot be loaded beforehand.*broken at load/)
    }).pipe(
      Effect.provide(
        Layer.provide(NodeExecutor.layer({ threads: 2, spare: 1, preload: [broken.never], name: "mine" }), layer)
      )
    )
  })

  it.live("a module that makes an executor costs one thread, fails no other job, and is not logged", () => {
    const { layer, logged } = makeLog()
    const maker = Job.module<typeof import("./jobs/maker.ts")>(new URL("./jobs/maker.ts", import.meta.url))
    return Effect.gen(function* () {
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* Effect.flip(Executor.run(maker.never)))._tag, "TaskNotFound")
        // What is handed over would be lost on the thread that ends.
        const transfer = [new ArrayBuffer(8)]
        assert.strictEqual(yield* Executor.run(plain.add, [1, 2], { transfer }), 3)
      }
      while ((yield* Executor.stats).ending > 0) yield* Effect.sleep(1)
      assert.strictEqual((yield* Executor.stats).replaced, 1)
      assert.deepStrictEqual(logged, [])
    }).pipe(Effect.provide(Layer.provide(NodeExecutor.layer({ threads: 1, spare: 0 }), layer)))
  })

  it.live("a preloaded module that makes an executor is logged once, and fails every job", () => {
    const { layer, logged } = makeLog()
    const preload = [new URL("./jobs/maker.ts", import.meta.url)]
    return Effect.gen(function* () {
      while ((yield* Executor.stats).starting > 0 || logged.length === 0) yield* Effect.sleep(1)
      yield* Effect.sleep(1)
      assert.strictEqual(logged.length, 1)
      assert.match(logged[0]!, /no thread could be started: .*maker.ts, or a module that it imports, makes an executor/)
      const error = yield* Effect.flip(Executor.run(plain.add, [1, 2]))
      assert.isTrue(error._tag === "WorkerCrashed" && error.reason === "start" && !error.started)
    }).pipe(Effect.provide(Layer.provide(NodeExecutor.layer({ threads: 2, spare: 1, preload }), layer)))
  })
})

describe("the main thread", () => {
  it.live("may be blocked from the start of a thread until its job has run", () =>
    Effect.gen(function* () {
      const cells = new Int32Array(new SharedArrayBuffer(8))
      const first = yield* Effect.forkChild(Executor.run(rough.maybeWait, [-1, cells]), { startImmediately: true })
      assert.notStrictEqual(Atomics.wait(cells, 0, 0, 120_000), "timed-out")
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
      assert.strictEqual(yield* Fiber.join(first), -1)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 1 })))
  )

  it.live("may cancel a job that began before it saw its thread ready", () =>
    Effect.gen(function* () {
      const cells = new Int32Array(new SharedArrayBuffer(8))
      const [hung, quick] = [new Int32Array(new SharedArrayBuffer(8)), new Int32Array(new SharedArrayBuffer(8))]
      const start = (n: number, cells: Int32Array) =>
        Effect.forkChild(Executor.run(rough.maybeWait, [n, cells]), { startImmediately: true })
      const first = yield* start(-1, hung)
      const second = yield* start(-1, quick)
      for (const cells of [hung, quick]) assert.notStrictEqual(Atomics.wait(cells, 0, 0, 120_000), "timed-out")
      // One job still runs, the other has answered. Both are cancelled in the step that finds their threads ready.
      Atomics.store(quick, 1, 1)
      Atomics.notify(quick, 1)
      Atomics.wait(cells, 0, 0, 20)
      yield* Fiber.interruptAll([first, second])
      while ((yield* Executor.stats).threads < 2) yield* Effect.sleep(1)
      const { replaced } = yield* Executor.stats
      assert.isAtLeast(replaced, 1)
      assert.deepStrictEqual(yield* Executor.map(plain.double, [1, 2, 3]), [2, 4, 6])
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 0 })))
  )

  it.live("gets the results of jobs posted to starting threads from the first ready thread", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => Executor.run(plain.double, [n]), { concurrency: 5 })
      assert.deepStrictEqual(answers, [2, 4, 6, 8, 10])
      const stats = yield* Executor.stats
      assert.strictEqual(stats.running + stats.waiting, 0)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 4, spare: 0 })))
  )
})

describe("threads in native code", () => {
  it.live("are counted, and at a limit no thread is started until one has ended", () => {
    const { layer, logged } = makeLog()
    return Effect.gen(function* () {
      const fifo = join(mkdtempSync(join(tmpdir(), "executor-")), "fifo")
      execFileSync("mkfifo", [fifo])
      const cells = new Int32Array(new SharedArrayBuffer(4))
      // A thread says that it has begun a moment before it stands still; one that is interrupted in between ends.
      while ((yield* Executor.stats).ending < 2) {
        const before = Atomics.load(cells, 0)
        const stuck = yield* Effect.forkChild(Executor.run(jobs.stick, [cells, fifo]), { startImmediately: true })
        yield* Effect.promise(async () => await (Atomics as any).waitAsync(cells, 0, before).value)
        yield* Effect.sleep(20)
        yield* Fiber.interrupt(stuck)
        yield* Effect.sleep(100)
      }
      const waiting = yield* Effect.forkChild(Executor.run(plain.add, [1, 2]), { startImmediately: true })
      while (logged.length === 0) yield* Effect.sleep(1)
      assert.match(logged[0]!, /mine: 2 threads that were told to end are still running, in native code/)
      const { ending, starting, threads, waiting: waits } = yield* Executor.stats
      assert.deepStrictEqual({ ending, starting, threads, waits }, { ending: 2, starting: 0, threads: 0, waits: 1 })
      closeSync(openSync(fifo, "w"))
      assert.strictEqual(yield* Fiber.join(waiting), 3)
      while ((yield* Executor.stats).ending > 0) yield* Effect.sleep(1)
      assert.strictEqual(logged.length, 1)
    }).pipe(Effect.provide(Layer.provide(NodeExecutor.layer({ threads: 1, spare: 0, name: "mine" }), layer)))
  })
})

describe("what jobs do to their threads", () => {
  it.live("a thread that ends without a job is logged", () => {
    const { layer, logged } = makeLog()
    return Effect.gen(function* () {
      yield* Executor.run(jobs.leaveRejection, [])
      while (logged.length === 0) yield* Effect.sleep(1)
      assert.match(logged[0]!, /mine: a thread without a job ended: RangeError: left behind/)
      assert.strictEqual(yield* Executor.run(plain.add, [1, 2]), 3)
    }).pipe(Effect.provide(Layer.provide(NodeExecutor.layer({ threads: 1, spare: 0, name: "mine" }), layer)))
  })

  it.live("a job cannot close the executor's port, and may stop its thread's clock", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Executor.run(jobs.harm, []), [])
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(yield* Executor.run(plain.identity, [[i]]), [i])
      assert.strictEqual((yield* Executor.stats).replaced, 0)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, spin: 1 })))
  )

  it.live("a thread checks a timer that a job left behind less and less often", () =>
    Effect.gen(function* () {
      const cells = new Int32Array(new SharedArrayBuffer(4))
      yield* Executor.run(jobs.leaveCountedTimer, [cells])
      yield* Effect.sleep(1500)
      // 60 at the first pace.
      assert.isBelow(Atomics.load(cells, 0), 12)
      assert.strictEqual(yield* Executor.run(plain.add, [1, 2]), 3)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0 })))
  )
})

describe("threads that cannot start", () => {
  const missing = new URL("./nowhere.ts", import.meta.url)
  const poison = new URL("./jobs/poison.ts", import.meta.url)
  for (const [what, options] of [
    ["whose entry is missing", { worker: missing }],
    ["whose preloaded module ends them", { preload: [poison] }],
    ["whose options Node refuses", { execArgv: ["--no-such-option"] }]
  ] as const) {
    it.live(`jobs fail instead of waiting for threads ${what}, later ones too`, () =>
      Effect.gen(function* () {
        for (let i = 0; i < 2; i++) {
          const errors = yield* Effect.forEach([1, 2], () => Effect.flip(Executor.run(jobs.whereAmI, [])), {
            concurrency: 2
          })
          for (const error of errors) {
            assert.isTrue(error._tag === "WorkerCrashed" && error.reason === "start" && !error.started, error.message)
          }
        }
      }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 1, ...options })))
    )
  }
})

describe("with a pool", () => {
  it.live("blocking jobs run within the pool's limit, in its order, and count in its statistics", () =>
    Effect.gen(function* () {
      const order: Array<number> = []
      const submit = (weight: number) =>
        Effect.tap(TaskPool.submitBlocking(jobs.spin, { args: [weight], weight }), (n) =>
          Effect.sync(() => order.push(n))
        )
      const first = yield* Effect.forkChild(submit(50), { startImmediately: true })
      const rest = yield* Effect.forEach([3, 1, 2], (weight) =>
        Effect.forkChild(submit(weight), { startImmediately: true })
      )
      yield* Fiber.joinAll([first, ...rest])
      assert.deepStrictEqual(order, [50, 1, 2, 3])
      const stats = yield* TaskPool.stats
      assert.strictEqual(stats.succeeded, 4)
    }).pipe(Effect.provide([AioFixedTaskPoolPriority.layer(1), NodeExecutor.layer({ threads: 2, spare: 0 })]))
  )

  it.live("a pool provided with its executor drains before the threads end", () =>
    Effect.gen(function* () {
      const layers = Layer.provideMerge(AioFixedTaskPoolSimple.layer(1), NodeExecutor.layer({ threads: 1, spare: 0 }))
      const handles = yield* Effect.provide(
        Effect.forEach([20, 21, 22], (ms) => TaskPool.fork(Executor.run(jobs.spin, [ms]))),
        layers
      )
      assert.deepStrictEqual(yield* Effect.forEach(handles, (handle) => handle.join), [20, 21, 22])
    })
  )

  // The clock stands still while the job behind takes its real time, and moves only while that waits.
  it.effect("a timeout counts from the job's dispatch, ends its thread, and frees the worker", () =>
    Effect.gen(function* () {
      const hung = yield* Effect.forkChild(
        Effect.flip(TaskPool.submitBlocking(jobs.hang, { args: [], timeout: "300 millis" })),
        { startImmediately: true }
      )
      while ((yield* Executor.stats).running === 0) yield* Effect.promise(() => setImmediate())
      // Waits for three times its own limit.
      const behind = yield* Effect.forkChild(TaskPool.submitBlocking(jobs.spin, { args: [1], timeout: "100 millis" }), {
        startImmediately: true
      })
      yield* TestClock.adjust("299 millis")
      assert.isUndefined(hung.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(hung))._tag, "TimeoutError")
      assert.strictEqual(yield* Fiber.join(behind), 1)
      assert.strictEqual((yield* Executor.stats).replaced, 1)
      const refused = yield* Effect.exit(
        TaskPool.submitBlocking(jobs.spin, { args: [1], timeout: "soon" as "1 second" })
      )
      assert.isTrue(Exit.isFailure(refused) && Cause.hasDies(refused.cause))
      assert.include(
        Cause.pretty((refused as Exit.Failure<unknown, unknown>).cause),
        'RangeError: TaskPool.submitBlocking: timeout must be a Duration >= 0, got "soon"'
      )
      assert.strictEqual((yield* TaskPool.stats).submitted, 2)
    }).pipe(Effect.provide([AioFixedTaskPoolSimple.layer(1), NodeExecutor.layer({ threads: 1, spare: 1 })]))
  )

  it.live("a hard scale-down terminates the thread of the job that it cancels", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(TaskPool.submitBlocking(jobs.hang, { args: [] })), {
        startImmediately: true
      })
      while ((yield* Executor.stats).running === 0) yield* Effect.sleep(2)
      yield* TaskPool.resize(0, { mode: "hard" })
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error._tag === "TaskCancelled" && error.started)
      yield* Executor.run(jobs.whereAmI, [])
      assert.strictEqual((yield* Executor.stats).replaced, 1)
    }).pipe(Effect.provide([AioFixedTaskPoolSimple.layer(1), NodeExecutor.layer({ threads: 1, spare: 0 })]))
  )
})

describe("its process", () => {
  it("is not kept alive by an idle executor, and prints the output of jobs", async () => {
    const { code, stderr, stdout } = await run("idle.ts")
    assert.strictEqual(code, 0)
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`)
    assert.deepStrictEqual(stdout.trim().split("\n").sort(), ["20", "1", "line 0", ...lines].sort())
    assert.include(stderr, "to stderr")
  })

  it("is kept alive by a running job until its result arrives", async () => {
    const { code, stdout } = await run("inFlight.ts")
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout.trim(), "Success")
  })

  for (const [how, count] of [
    ["close", 20_000],
    ["recycle", 600],
    ["idle", 20_000]
  ] as const) {
    it(`prints all output of jobs, even if it is read slowly: ${how}`, async () => {
      const { code, stdout } = await run("printing.ts", [how], 500)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.trim().split("\n").length, count)
    })
  }

  it("may have been started from a string, with --input-type", async () => {
    const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
    const { code, stderr, stdout } = await runNode([
      "--input-type=module",
      "--expose-gc",
      "-e",
      `import { Executor } from "@aio-task-pool/core"
       import { NodeExecutor } from ${url("../src/index.ts")}
       import { Effect } from "effect"
       import { spin } from ${url("./jobs/misc.ts")}
       const program = Effect.provide(Executor.run(spin, [1]), NodeExecutor.layer({ threads: 1, spare: 0 }))
       console.log(await Effect.runPromise(program))`
    ])
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stdout.trim(), "1")
  })

  it("may have properties added to Object.prototype", async () => {
    const { code, stderr, stdout } = await run("polluted.ts")
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stdout.trim(), "42")
  })

  it("can exit after the scope has closed with hung jobs", async () => {
    const { code, stdout } = await run("closing.ts")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(stdout.trim().split("\n"), ["Failure", "Failure", "Failure", "Failure", "closed"])
  })
})

class Heavy extends Executor.Tag<Heavy>()("test/Heavy") {}

/** A logger whose lines can be looked at. */
const makeLog = () => {
  const logged: Array<string> = []
  const logger = Logger.make(({ message }) => logged.push([message].flat().map(String).join(" ")))
  return { logged, layer: Logger.layer([logger]) }
}

/** A file that says whether a module may load; see `jobs/gated.ts`. */
const makeGateFile = () => {
  const path = join(mkdtempSync(join(tmpdir(), "executor-")), "closed")
  return { path, close: () => writeFileSync(path, ""), open: () => rmSync(path) }
}
