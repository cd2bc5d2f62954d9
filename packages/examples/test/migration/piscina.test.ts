import { AioFixedTaskPoolSimple, Executor, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect, Layer, ManagedRuntime } from "effect"
import { Piscina } from "piscina"
import { assert } from "vitest"
import { migration, rejection, row, trap } from "./migration.ts"
import { double, fails, fill, hang } from "./piscina.jobs.ts"

const filename = new URL("./piscina.jobs.ts", import.meta.url).href

// Threads and what ends them: real time.
const withPiscina = async (use: (piscina: Piscina) => Promise<unknown>, options = {}): Promise<void> => {
  const piscina = new Piscina({ filename, minThreads: 1, maxThreads: 1, ...options })
  try {
    await use(piscina)
  } finally {
    await piscina.destroy()
  }
}

const run = <A, E>(effect: Effect.Effect<A, E, Executor>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeExecutor.layer({ threads: 1 })))

migration("piscina", import.meta.filename, [
  trap("The runtime must be disposed", async () => {
    const runtime = ManagedRuntime.make(NodeExecutor.layer({ threads: 1 }))
    assert.strictEqual(await runtime.runPromise(Executor.run(double, [21])), 42)
    await runtime.dispose()
    await rejection(runtime.runPromise(Executor.run(double, [21])))
  }),
  trap("A failure is a value with the cause", async () => {
    await withPiscina(async (piscina) => {
      assert.instanceOf(await rejection(piscina.run("bad", { name: "fails" })), RangeError)
    })
    const error = await run(Effect.flip(Executor.run(fails, ["bad"])))
    assert.strictEqual(error._tag, "TaskThrew")
    assert.propertyVal(error.cause, "name", "RangeError")
  }),
  trap("Arguments are a list", async () => {
    await withPiscina(async (piscina) => {
      assert.strictEqual(await piscina.run(21, { name: "double" }), 42)
    })
    assert.strictEqual(await run(Executor.run(double, [21])), 42)
  }),
  row("`new Piscina({ filename, maxThreads: 2 })`", "`NodeExecutor.layer({ threads: 2 })`", async () => {
    const piscina = new Piscina({ filename, maxThreads: 2 })
    assert.strictEqual(await piscina.run(1), 2)
    await piscina.destroy()
    const layer = NodeExecutor.layer({ threads: 2 })
    assert.strictEqual(await Effect.runPromise(Effect.provide(Executor.run(double, [1]), layer)), 2)
  }),
  row('`piscina.run(task, { name: "double" })`', "`Executor.run(double, [task])`", async () => {
    const task = 4
    await withPiscina(async (piscina) => {
      assert.strictEqual(await piscina.run(task, { name: "double" }), await run(Executor.run(double, [task])))
    })
  }),
  row(
    "`piscina.run(bytes, { transferList: [bytes.buffer] })`",
    "`Executor.run(fill, [bytes], { transfer: [bytes.buffer] })`",
    async () => {
      let bytes = new Uint8Array(8)
      await withPiscina(
        async (piscina) => {
          const there: Uint8Array = await piscina.run(bytes, { transferList: [bytes.buffer] })
          assert.deepStrictEqual([there[0], bytes.length], [7, 0])
        },
        { name: "fillThere" }
      )
      bytes = new Uint8Array(8)
      const here = await run(Executor.run(fill, [bytes], { transfer: [bytes.buffer] }))
      assert.deepStrictEqual([here[0], bytes.length], [7, 0])
    }
  ),
  row(
    '`piscina.run(undefined, { name: "hang", signal })`',
    "`runtime.runPromise(Executor.run(hang), { signal })`",
    async () => {
      const signal = AbortSignal.timeout(100)
      const runtime = ManagedRuntime.make(NodeExecutor.layer({ threads: 1 }))
      await withPiscina(async (piscina) => {
        const there = rejection(piscina.run(undefined, { name: "hang", signal }))
        const here = rejection(runtime.runPromise(Executor.run(hang), { signal }))
        assert.strictEqual((await there).name, "AbortError")
        await here
      })
      await runtime.dispose()
    }
  ),
  row(
    "`new Piscina({ filename, maxThreads: 1, maxQueue: 0 })`",
    '`AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail" })`',
    async () => {
      const piscina = new Piscina({ filename, maxThreads: 1, maxQueue: 0 })
      const controller = new AbortController()
      const busy = rejection(piscina.run(undefined, { name: "hang", signal: controller.signal }))
      assert.match(String(await rejection(piscina.run(1))), /queue/i)
      controller.abort()
      await busy
      await piscina.destroy()

      const program = Effect.gen(function* () {
        const running = yield* TaskPool.fork(Executor.run(hang))
        const refused = yield* Effect.flip(TaskPool.submitBlocking(double, { args: [1] }))
        yield* running.cancel
        return refused._tag === "NotAvailable" && refused.reason
      })
      const pool = AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail" })
      const both = Layer.provideMerge(pool, NodeExecutor.layer({ threads: 1 }))
      assert.strictEqual(await Effect.runPromise(Effect.provide(program, both)), "QueueFull")
    }
  ),
  row("`await piscina.destroy()`", "`await runtime.dispose()`", async () => {
    const piscina = new Piscina({ filename, maxThreads: 1 })
    const runtime = ManagedRuntime.make(NodeExecutor.layer({ threads: 1 }))
    const hung = [
      rejection(piscina.run(undefined, { name: "hang" })),
      rejection(runtime.runPromise(Executor.run(hang)))
    ]
    await piscina.destroy()
    await runtime.dispose()
    await Promise.all(hung)
  })
])
