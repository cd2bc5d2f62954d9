import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  Executor,
  Job,
  TaskPool
} from "@aio-task-pool/core"
import { Effect, Latch, type Layer } from "effect"
import { assert } from "vitest"
import { migration, row, trap } from "./migration.ts"

const f = (...args: ReadonlyArray<unknown>) => Effect.as(Effect.yieldNow, args)

const run = <A, E>(
  effect: Effect.Effect<A, E, TaskPool>,
  layer: Layer.Layer<TaskPool> = AioFixedTaskPoolSimple.layer(3)
) => Effect.runPromise(Effect.provide(effect, layer))

// The Python side needs its interpreter. What it does is known from its source, and is not run here.
migration(
  "python",
  import.meta.filename,
  [
    trap("`pause()` toggles there", async () => {
      const program = Effect.gen(function* () {
        return [yield* TaskPool.pause, yield* TaskPool.pause, yield* TaskPool.togglePause]
      })
      assert.deepStrictEqual(await run(program), [true, true, false])
    }),
    trap("0 means unbounded there", async () => {
      const program = Effect.gen(function* () {
        yield* TaskPool.fork(Effect.never)
        return (yield* Effect.flip(TaskPool.submitNowait(Effect.void))).reason
      })
      const layer = AioFixedTaskPoolSimple.layer(1, { capacity: 0, shutdown: { drainTimeout: 0 } })
      assert.strictEqual(await run(program, layer), "QueueFull")
    }),
    trap("Closing and scaling down overtake waiting tasks there", async () => {
      const order: Array<string> = []
      const program = Effect.gen(function* () {
        for (const name of ["a", "b", "c"])
          yield* TaskPool.fork(Effect.sync(() => order.push(name)).pipe(Effect.delay(1)))
        yield* TaskPool.scale(-2)
        yield* TaskPool.close()
      })
      await run(program)
      assert.sameMembers(order, ["a", "b", "c"])
    }),
    trap("A plain function is not run on a thread by itself", async () => {
      const path = Job.module<typeof import("node:path")>("node:path")
      const blocking = TaskPool.submitBlocking(path.join, { args: ["a", "b"] })
      assert.strictEqual(await run(Effect.provide(blocking, Executor.layerInline)), "a/b")
    }),
    row("`AioFixedTaskPoolSimple(init_size=3)`", "`AioFixedTaskPoolSimple.layer(3)`", async () => {
      const layer = AioFixedTaskPoolSimple.layer(3)
      assert.strictEqual((await run(TaskPool.stats, layer)).size, 3)
    }),
    row(
      "`AioAutoScaleTaskPoolSimple(min_size=3, max_size=8)`",
      "`AioAutoScaleTaskPoolSimple.layer({ minSize: 3, maxSize: 8 })`",
      async () => {
        const layer = AioAutoScaleTaskPoolSimple.layer({ minSize: 3, maxSize: 8 })
        assert.strictEqual((await run(TaskPool.stats, layer)).targetSize, 3)
        assert.strictEqual(await run(TaskPool.scale(100), layer), 8)
      }
    ),
    row("`auto_scale_interval=10`", '`interval: "10 seconds"`', async () => {
      const layer = AioAutoScaleTaskPoolSimple.layer({ interval: "10 seconds" })
      assert.strictEqual((await run(TaskPool.stats, layer)).size, 3)
    }),
    row("`async with pool as p:`", "`Effect.provide(program, layer)`", async () => {
      const layer = AioFixedTaskPoolSimple.layer()
      const program = TaskPool.submit(f("e"))
      assert.deepStrictEqual(await Effect.runPromise(Effect.provide(program, layer)), ["e"])
    }),
    row('`await p.submit(f, func_args=["e"])`', '`yield* TaskPool.submit(f, { args: ["e"] })`', async () => {
      const program = Effect.gen(function* () {
        return yield* TaskPool.submit(f, { args: ["e"] })
      })
      assert.deepStrictEqual(await run(program), ["e"])
    }),
    row('`func_kwargs={"name": "e"}`', '`args: [{ name: "e" }]`', async () => {
      const greet = ({ name }: { readonly name: string }) => Effect.succeed(name)
      assert.strictEqual(await run(TaskPool.submit(greet, { args: [{ name: "e" }] })), "e")
    }),
    row("`submit(…, weight=1)`", "`TaskPool.submit(…, { weight: 1 })`, on a priority pool", async () => {
      const order: Array<string> = []
      const note = (name: string) => Effect.sync(() => order.push(name))
      const program = Effect.gen(function* () {
        const gate = yield* Latch.make()
        yield* TaskPool.fork(gate.await)
        yield* TaskPool.fork(note("later"))
        const urgent = yield* Effect.forkChild(TaskPool.submit(note("urgent"), { weight: 1 }), {
          startImmediately: true
        })
        yield* gate.open
        yield* TaskPool.awaitIdle
        return urgent
      })
      await run(program, AioFixedTaskPoolPriority.layer(1))
      assert.deepStrictEqual(order, ["urgent", "later"])
    }),
    row("`submit(…, blocking=False)`", "`TaskPool.fork(…)`", async () => {
      const program = Effect.flatMap(TaskPool.fork(f("e")), (handle) => handle.join)
      assert.deepStrictEqual(await run(program), ["e"])
    }),
    row("`submit_nowait(…)`", "`TaskPool.submitNowait(…)`", async () => {
      const program = Effect.flatMap(TaskPool.submitNowait(f("e")), (handle) => handle.join)
      assert.deepStrictEqual(await run(program), ["e"])
    }),
    row("`await p.scale(-1)`", "`yield* TaskPool.scale(-1)`", async () => {
      const program = Effect.gen(function* () {
        return yield* TaskPool.scale(-1)
      })
      assert.strictEqual(await run(program), 2)
    }),
    row("`scale_nowait(-1, soft=False)`", '`TaskPool.scale(-1, { mode: "hard" })`', async () => {
      const program = Effect.gen(function* () {
        const handle = yield* TaskPool.fork(Effect.never)
        yield* TaskPool.scale(-1, { mode: "hard" })
        return (yield* Effect.flip(handle.join)).reason
      })
      assert.strictEqual(await run(program, AioFixedTaskPoolSimple.layer(1)), "ScaledDown")
    }),
    row("`await p.pause()`", "`yield* TaskPool.togglePause`", async () => {
      const program = Effect.gen(function* () {
        return yield* TaskPool.togglePause
      })
      assert.isTrue(await run(program))
    }),
    row("`p.paused`", '`(yield* TaskPool.stats).phase === "Paused"`', async () => {
      const program = Effect.gen(function* () {
        yield* TaskPool.pause
        return (yield* TaskPool.stats).phase === "Paused"
      })
      assert.isTrue(await run(program))
    }),
    row("`p.size`", "`(yield* TaskPool.stats).size`", async () => {
      const program = Effect.gen(function* () {
        return (yield* TaskPool.stats).size
      })
      assert.strictEqual(await run(program), 3)
    }),
    row("`p.waiting_tasks_number`", "`(yield* TaskPool.stats).waiting`", async () => {
      const program = Effect.gen(function* () {
        for (let i = 0; i < 5; i++) yield* TaskPool.fork(Effect.yieldNow)
        return (yield* TaskPool.stats).waiting
      })
      assert.strictEqual(await run(program), 2)
    }),
    row("`queue_maxsize=10`", "`capacity: 10`", async () => {
      assert.strictEqual((await run(TaskPool.stats, AioFixedTaskPoolSimple.layer(3, { capacity: 10 }))).capacity, 10)
    }),
    row("`await p.close()`", "`yield* TaskPool.close()`", async () => {
      const program = Effect.gen(function* () {
        yield* TaskPool.fork(f("e"))
        return yield* TaskPool.close()
      })
      assert.deepStrictEqual(await run(program), { completed: 1, interrupted: 0, neverRun: 0 })
    }),
    row("`await p.start()`", "`yield* TaskPool.start`", async () => {
      const program = Effect.gen(function* () {
        yield* TaskPool.close()
        yield* TaskPool.start
        return (yield* TaskPool.stats).phase
      })
      assert.strictEqual(await run(program), "Open")
    }),
    row(
      "`close(close_worker_timeout=10, close_pool_timeout=3)`",
      '`TaskPool.close({ drainTimeout: "10 seconds", interruptTimeout: "3 seconds" })`',
      async () => {
        const program = TaskPool.close({ drainTimeout: "10 seconds", interruptTimeout: "3 seconds" })
        assert.deepStrictEqual(await run(program), { completed: 0, interrupted: 0, neverRun: 0 })
      }
    )
  ],
  { runsThere: false }
)
