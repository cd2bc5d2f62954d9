import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, Executor, Job, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { executorLaws, threadedExecutorLaws } from "@aio-task-pool/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { execFile } from "node:child_process"
import { setImmediate } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { threadId } from "node:worker_threads"
import * as jobs from "./jobs/misc.ts"
import { watchThreads } from "./support.ts"

executorLaws("on two threads", NodeExecutor.layer({ threads: 2, spare: 0 }))

threadedExecutorLaws("of NodeExecutor", ({ maxOldGenerationSizeMb, ...options }) =>
  NodeExecutor.layer({
    ...options,
    ...(maxOldGenerationSizeMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb } })
  })
)

describe("threads of one's own", () => {
  it.live("jobs run on other threads, as many as asked for", () =>
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

  it.live("two executors of a program have threads of their own", () =>
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

  it.live("env and execArgv are the threads' own", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Executor.run(jobs.environment, ["ANSWER"]), "42")
      assert.deepStrictEqual(yield* Executor.run(jobs.arguments_, []), ["--no-warnings"])
    }).pipe(
      Effect.provide(
        NodeExecutor.layer({ threads: 1, spare: 0, env: { ANSWER: "42" }, execArgv: ["--no-warnings"], name: "mine" })
      )
    )
  )

  it.live("recycleAfter replaces threads, and every answer is right", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 3000 }, (_, i) => i)
      const module = Job.module<{ readonly double: (n: number) => number }>(
        new URL("../../testing/src/laws/jobs/plain.ts", import.meta.url)
      )
      const doubled = yield* Effect.forEach(items, (n) => Executor.run(module.double, [n]), { concurrency: 50 })
      assert.deepStrictEqual(
        doubled,
        items.map((n) => n * 2)
      )
      while ((yield* Executor.stats).replaced < 2) yield* Executor.run(module.double, [1])
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 0, recycleAfter: 500 })))
  )

  // Long enough apart that a thread gives up looking out, tries it again now and then, and takes jobs in either state.
  it.live.each([0, 0.05, 1])("jobs that come at any moment are answered with spin: %d", (spin) =>
    Effect.gen(function* () {
      const module = Job.module<{ readonly double: (n: number) => number }>(
        new URL("../../testing/src/laws/jobs/plain.ts", import.meta.url)
      )
      for (let i = 0; i < 600; i++) {
        assert.strictEqual(yield* Executor.run(module.double, [i]), 2 * i)
        const until = performance.now() + (i % 7) * 0.05
        while (performance.now() < until);
        if (i % 150 === 0) yield* Effect.sleep(5)
      }
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, spin })))
  )

  it("options out of their range are refused where they are given", () => {
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
})

describe("modules", () => {
  it.live("a module that throws when it is loaded is TaskNotFound, with what it threw", () =>
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

  it.live("preloaded modules are there before the first job, also on threads that replace others", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Executor.run(jobs.load, []), 1)
      assert.strictEqual(yield* Executor.run(jobs.uses, []), 1)
    }).pipe(Effect.provide(NodeExecutor.layer({ threads: 1, spare: 0, preload: [jobs.load, "node:zlib"] })))
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
  it.effect("a timeout counts from a job's turn on, ends its thread, and frees the worker", () =>
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

  it.live("a hard scale-down ends the thread of the job it cuts", () =>
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
  it("an idle executor does not keep it alive, and what jobs print arrives", async () => {
    const { code, stderr, stdout } = await run("idle.ts")
    assert.strictEqual(code, 0)
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`)
    assert.deepStrictEqual(stdout.trim().split("\n").sort(), ["20", "1", "line 0", ...lines].sort())
    assert.include(stderr, "to stderr")
  })

  it("a job in flight keeps it alive until it has its answer", async () => {
    const { code, stdout } = await run("inFlight.ts")
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout.trim(), "Success")
  })

  it("can exit when the scope has closed over hung jobs", async () => {
    const { code, stdout } = await run("closing.ts")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(stdout.trim().split("\n"), ["Failure", "Failure", "Failure", "Failure", "closed"])
  })
})

// Each starts processes, which takes long on a busy machine.
describe("a program that a thread loads", { timeout: 120_000 }, () => {
  const refusal = (file: string) =>
    `${new URL(`./programs/own/${file}`, import.meta.url).href}, or a module that it imports, makes an executor when a thread loads it: ` +
    "move its jobs to a module of their own, or guard the program with import.meta.main"
  const start = async (file: string) => {
    const { code, stderr, stdout } = await run(`own/${file}`)
    const lines = stdout.trim().split("\n")
    return { code, stderr, answer: lines.pop(), runs: lines.length }
  }
  const answered = (answer: string, runs: number) => ({ code: 0, stderr: "", answer, runs })

  for (const [what, file, job, loaded] of [
    ["defines the job", "awaited.ts", "double"],
    ["is CommonJS", "commonJs.cjs", "double"],
    ["exits when it fails", "runMain.ts", "double"],
    ["tries again and again", "stubborn.ts", "double"],
    ["runs the job again and again", "repeated.ts", "double"],
    ["exports the job of another module", "exported.ts", "whereAmI"],
    ["is imported by the module of the job", "imported.ts", "scale", "imported.jobs.ts"]
  ] as const) {
    it(`makes no executor there, and the job fails with the cure, if it ${what}`, async () => {
      const outcome = await start(file)
      assert.deepStrictEqual({ ...outcome, runs: 0 }, answered(`${job}: ${refusal(loaded ?? file)}`, 0))
      assert.isAtMost(outcome.runs, 2)
    })
  }

  it("makes no executor there if the threads load it before their first job", async () => {
    const outcome = await start("preloaded.ts")
    const answer = `double: no thread could be started: Error: ${refusal("preloaded.ts")}`
    assert.deepStrictEqual({ ...outcome, runs: 0 }, answered(answer, 0))
    assert.isAtMost(outcome.runs, 2)
  })

  it("makes no executor there long after it was loaded", async () => {
    assert.deepStrictEqual(await start("late.ts"), answered(refusal("late.ts"), 0))
  })

  it("makes no executor where it is what runs on the threads", async () => {
    const cure = "worker must be the address of @aio-task-pool/node/worker or a copy, not of a program"
    const answer = `whereAmI: no thread could be started: Error: NodeExecutor: ${cure}`
    const outcome = await start("worker.ts")
    assert.deepStrictEqual({ ...outcome, runs: 0 }, answered(answer, 0))
    assert.isAtMost(outcome.runs, 2)
  })

  it("may define jobs if it runs only where it is the main module", async () => {
    assert.deepStrictEqual(await start("guarded.ts"), answered("42", 0))
  })

  it("starts no threads without end from a job that runs the program", async () => {
    const limit = "NodeExecutor: jobs must not nest executors more than 4 deep"
    const outer = "deep: the job threw TaskThrew: ".repeat(3)
    assert.deepStrictEqual(await start("deep.ts"), answered(`${outer}deep: the job threw Error: ${limit}`, 0))
  })

  it("may have a job that makes an executor of its own", async () => {
    assert.deepStrictEqual(await start("nested.ts"), answered("42", 0))
  })
})

class Heavy extends Executor.Tag<Heavy>()("test/Heavy") {}

/** Runs a program of `test/programs` in a process of its own, which must end by itself. */
const run = (program: string) =>
  new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const path = fileURLToPath(new URL(`./programs/${program}`, import.meta.url))
    const child = execFile(process.execPath, [path], { timeout: 5 * 60_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
  })
