import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
import PQueue from "p-queue"
import { assert } from "vitest"
import {
  counted,
  isPending,
  makeGate,
  migration,
  rejection,
  row,
  settle,
  trap,
  withPool,
  withPriorities
} from "./migration.ts"

const one = async () => 1

migration("p-queue", import.meta.filename, [
  trap("`pause` is another thing", async () => {
    const queue = new PQueue({ concurrency: 1 })
    queue.pause()
    const added = queue.add(one)
    assert.isTrue(await isPending(added))
    queue.start()
    assert.strictEqual(await added, 1)
    await withPool(1, async (pool) => {
      await pool.pause()
      assert.strictEqual((await rejection(pool.submit(one))).reason, "Paused")
    })
  }),
  trap("The sign of priorities", async () => {
    const order: Array<string> = []
    const note = (name: string) => async () => void order.push(name)
    const queue = new PQueue({ concurrency: 1, autoStart: false })
    void queue.add(note("low"), { priority: 1 })
    void queue.add(note("high"), { priority: 9 })
    queue.start()
    await queue.onIdle()
    assert.deepStrictEqual(order.splice(0), ["high", "low"])
    await withPriorities(1, async (pool) => {
      const release = await pool.hold()
      const all = [pool.submit(note("low"), { weight: 9 }), pool.submit(note("high"), { weight: 1 })]
      release()
      await Promise.all(all)
      assert.deepStrictEqual(order, ["high", "low"])
    })
  }),
  trap("A timeout frees the slot there", async () => {
    const gate = makeGate()
    const there = counted(gate)
    const queue = new PQueue({ concurrency: 1, timeout: 1 })
    await rejection(queue.add(there.fn))
    await rejection(queue.add(there.fn))
    // Both run, although the concurrency is 1.
    assert.strictEqual(there.count.most, 2)
    gate.open()

    // A function that obeys its signal has ended when the pool starts the next one.
    await withPool(1, async (pool) => {
      const ended: Array<string> = []
      const obeys = ({ signal }: { readonly signal: AbortSignal }) =>
        new Promise((_, reject) =>
          AbortSignal.any([signal, AbortSignal.timeout(1)]).addEventListener("abort", () => {
            ended.push("first")
            reject(new Error("too late"))
          })
        )
      const first = rejection(pool.submit(obeys))
      const second = pool.submit(() => ended.push("second"))
      await Promise.all([first, second])
      assert.deepStrictEqual(ended, ["first", "second"])
    })

    // The caller's signal releases the worker at once, before the function has cleaned up.
    await withPool(1, async (pool) => {
      const controller = new AbortController()
      const cleanup = makeGate()
      const ended: Array<string> = []
      const cleansUp = async ({ signal }: { readonly signal: AbortSignal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve))
        await cleanup.opened
        ended.push("first")
      }
      const first = rejection(pool.submit(cleansUp, { signal: controller.signal }))
      await settle()
      controller.abort()
      await Promise.all([first, pool.submit(() => ended.push("second"))])
      assert.deepStrictEqual(ended, ["second"])
      cleanup.open()
    })
  }),
  trap("A function that adds to its own queue", async () => {
    const queue = new PQueue({ concurrency: 1 })
    assert.isTrue(await isPending(queue.add(() => queue.add(one))))
    await withPool(1, async (pool) => {
      assert.strictEqual(await pool.submit(() => pool.submit(one)), 1)
    })
  }),
  trap("The first failure of `forEach` aborts the other items", async () => {
    const ran = { there: 0, here: 0 }
    const all = (where: keyof typeof ran) => [
      () => Promise.reject(new Error("own")),
      ...[1, 2].map(() => async () => void ran[where]++)
    ]
    const queue = new PQueue({ concurrency: 1 })
    await rejection(queue.addAll(all("there")))
    await queue.onIdle()
    await withPool(1, async (pool) => {
      await rejection(pool.forEach(all("here"), (fn) => fn()))
      await pool.awaitIdle()
    })
    assert.deepStrictEqual(ran, { there: 2, here: 0 })
  }),
  row("`new PQueue({ concurrency: 3 })`", "`await PromisePool.make(AioFixedTaskPoolSimple.layer(3))`", async () => {
    const gate = makeGate()
    const [there, here] = [counted(gate), counted(gate)]
    const queue = new PQueue({ concurrency: 3 })
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
    const all = Array.from({ length: 9 }, () => [queue.add(there.fn), pool.submit(here.fn)]).flat()
    await settle()
    gate.open()
    await Promise.all(all)
    assert.deepStrictEqual([there.count.most, here.count.most], [3, 3])
    await pool.close()
  }),
  row(
    "`new PQueue({ intervalCap: 5, interval: 60_000, strict: true })`",
    '`AioFixedTaskPoolSimple.layer(1000, { rate: { limit: 5, window: "1 minute" } })`',
    async () => {
      const queue = new PQueue({ intervalCap: 5, interval: 60_000, strict: true })
      const pool = await PromisePool.make(
        AioFixedTaskPoolSimple.layer(1000, { rate: { limit: 5, window: "1 minute" } })
      )
      const starts = { there: 0, here: 0 }
      const ended = Array.from({ length: 9 }, () =>
        [queue.add(() => starts.there++), pool.submit(() => starts.here++)].map((each) => each.catch(() => {}))
      ).flat()
      assert.isTrue(await isPending(Promise.all(ended)))
      assert.deepStrictEqual(starts, { there: 5, here: 5 })
      queue.clear()
      await pool.close({ mode: "interrupt" })
      await Promise.all(ended)
    }
  ),
  row("`queue.add(fn)`", "`pool.submit(fn)`", async () => {
    const queue = new PQueue()
    const fn = one
    await withPool(3, async (pool) => {
      assert.strictEqual(await queue.add(fn), await pool.submit(fn))
    })
  }),
  row("`queue.addAll(fns)`", "`pool.forEach(fns, (fn) => fn())`", async () => {
    const queue = new PQueue()
    const fns = [one, async () => 2]
    await withPool(3, async (pool) => {
      assert.deepStrictEqual(await queue.addAll(fns), await pool.forEach(fns, (fn) => fn()))
    })
  }),
  row("`queue.add(fn, { priority: 1 })`", "`pool.submit(fn, { weight: -1 })` on a priority pool", async () => {
    const order: Array<string> = []
    const fn = async () => void order.push("urgent")
    const other = async () => void order.push("other")
    const queue = new PQueue({ concurrency: 1, autoStart: false })
    void queue.add(other)
    void queue.add(fn, { priority: 1 })
    await queue.start().onIdle()
    assert.deepStrictEqual(order.splice(0), ["urgent", "other"])
    await withPriorities(1, async (pool) => {
      const release = await pool.hold()
      const all = [pool.submit(other, { weight: 0 }), pool.submit(fn, { weight: -1 })]
      release()
      await Promise.all(all)
      assert.deepStrictEqual(order, ["urgent", "other"])
    })
  }),
  row("`queue.add(fn, { signal })`", "`pool.submit(fn, { signal })`", async () => {
    const gate = makeGate()
    const controller = new AbortController()
    const { signal } = controller
    const fn = one
    const queue = new PQueue({ concurrency: 1 })
    await withPool(1, async (pool) => {
      const running = [queue.add(() => gate.opened), pool.submit(() => gate.opened)]
      const errors = [queue.add(fn, { signal }), pool.submit(fn, { signal })].map(rejection)
      controller.abort("enough")
      assert.deepStrictEqual(await Promise.all(errors), ["enough", "enough"])
      gate.open()
      await Promise.all(running)
    })
  }),
  row(
    "`queue.add(fn, { timeout: 10 })`",
    "`pool.submit(({ signal }) => fn({ signal: AbortSignal.any([signal, AbortSignal.timeout(10)]) }))`",
    async () => {
      const fn = ({ signal }: { readonly signal?: AbortSignal | undefined }) =>
        new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)))
      const queue = new PQueue()
      await withPool(3, async (pool) => {
        const errors = [
          queue.add(fn, { timeout: 10 }),
          pool.submit(({ signal }) => fn({ signal: AbortSignal.any([signal, AbortSignal.timeout(10)]) }))
        ].map(rejection)
        for (const error of await Promise.all(errors)) assert.strictEqual(error.name, "TimeoutError")
      })
    }
  ),
  row("`queue.pause()`", "`const release = await pool.hold()`", async () => {
    const queue = new PQueue()
    await withPool(3, async (pool) => {
      queue.pause()
      const release = await pool.hold()
      const all = [queue.add(one), pool.submit(one)]
      assert.isTrue(await isPending(Promise.race(all)))
      queue.start()
      release()
      assert.deepStrictEqual(await Promise.all(all), [1, 1])
    })
  }),
  row("`queue.start()`", "`release()`", async () => {
    const queue = new PQueue({ autoStart: false })
    await withPool(3, async (pool) => {
      const release = await pool.hold()
      const all = [queue.add(one), pool.submit(one)]
      queue.start()
      release()
      assert.deepStrictEqual(await Promise.all(all), [1, 1])
    })
  }),
  row("`queue.clear()`", "`await pool.clear()`", async () => {
    const queue = new PQueue({ autoStart: false })
    await withPool(3, async (pool) => {
      const release = await pool.hold()
      const errors = [queue.add(one), pool.submit(one)].map(rejection)
      await settle()
      queue.clear()
      await pool.clear()
      const [there, here] = await Promise.all(errors)
      assert.deepStrictEqual([there.name, here._tag], ["AbortError", "TaskCancelled"])
      release()
    })
  }),
  row("`queue.size`", "`(await pool.stats()).waiting`", async () => {
    const queue = new PQueue({ autoStart: false })
    await withPool(3, async (pool) => {
      const release = await pool.hold()
      const all = [1, 2].flatMap(() => [queue.add(one), pool.submit(one)])
      assert.strictEqual(queue.size, (await pool.stats()).waiting)
      queue.start()
      release()
      await Promise.all(all)
    })
  }),
  row("`queue.pending`", "`(await pool.stats()).running`", async () => {
    const gate = makeGate()
    const queue = new PQueue({ concurrency: 2 })
    await withPool(2, async (pool) => {
      const all = [1, 2, 3].flatMap(() => [queue.add(() => gate.opened), pool.submit(() => gate.opened)])
      await settle()
      assert.deepStrictEqual([queue.pending, (await pool.stats()).running], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`queue.isPaused`", '`(await pool.stats()).phase === "Held"`', async () => {
    const queue = new PQueue({ autoStart: false })
    await withPool(2, async (pool) => {
      const release = await pool.hold()
      assert.deepStrictEqual([queue.isPaused, (await pool.stats()).phase === "Held"], [true, true])
      release()
    })
  }),
  row("`queue.concurrency = 5`", "`await pool.resize(5)`", async () => {
    const gate = makeGate()
    const queue = new PQueue({ concurrency: 1 })
    await withPool(1, async (pool) => {
      const all = Array.from({ length: 9 }, () => [queue.add(() => gate.opened), pool.submit(() => gate.opened)]).flat()
      queue.concurrency = 5
      await pool.resize(5)
      await settle()
      assert.deepStrictEqual([queue.pending, (await pool.stats()).running], [5, 5])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`await queue.onEmpty()`", "`await pool.awaitEmpty()`", async () => {
    const gate = makeGate()
    const queue = new PQueue({ concurrency: 1 })
    await withPool(1, async (pool) => {
      const all = [queue.add(() => gate.opened), pool.submit(() => gate.opened)]
      await queue.onEmpty()
      await pool.awaitEmpty()
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`await queue.onIdle()`", "`await pool.awaitIdle()`", async () => {
    const queue = new PQueue({ concurrency: 1 })
    await withPool(1, async (pool) => {
      const done: Array<string> = []
      void queue.add(async () => done.push("there"))
      void pool.submit(() => done.push("here"))
      await queue.onIdle()
      await pool.awaitIdle()
      assert.sameMembers(done, ["there", "here"])
    })
  })
])
