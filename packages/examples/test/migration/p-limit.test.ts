import { AioFixedTaskPoolSimple, NotAvailable, PromisePool, TaskCancelled } from "@aio-task-pool/core"
import pLimit, { limitFunction } from "p-limit"
import { assert } from "vitest"
import { counted, isPending, makeGate, migration, rejection, row, settle, trap, withPool } from "./migration.ts"

const add = async (a: number, b: number) => a + b

migration("p-limit", import.meta.filename, [
  trap("A function that calls its own limiter", async () => {
    const limit = pLimit(1)
    assert.isTrue(await isPending(limit(() => limit(() => add(1, 2)))))
    await withPool(1, async (pool) => {
      assert.strictEqual(await pool.submit(() => pool.submit(() => add(1, 2))), 3)
    })
  }),
  trap("Cleared calls reject", async () => {
    const gate = makeGate()
    const limit = pLimit(1)
    const running = limit(() => gate.opened)
    const waiting = limit(() => add(1, 2))
    await settle()
    limit.clearQueue()
    assert.isTrue(await isPending(waiting))
    await withPool(1, async (pool) => {
      const first = pool.submit(() => gate.opened)
      const error = rejection(pool.submit(() => add(1, 2)))
      await settle()
      await pool.clear()
      assert.instanceOf(await error, TaskCancelled)
      gate.open()
      await Promise.all([running, first])
    })
  }),
  trap("A pool has an end", async () => {
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
    await pool.close()
    const error = await rejection(pool.submit(() => add(1, 2)))
    assert.instanceOf(error, NotAvailable)
    assert.strictEqual(error.reason, "Closed")
  }),
  trap("The first failure of `forEach` aborts the other items", async () => {
    const gate = makeGate()
    const limit = pLimit(1)
    const calls: Array<number> = []
    const fails = async (item: number) => {
      calls.push(item)
      if (item === 1) throw new Error("one")
    }
    await rejection(limit.map([1, 2, 3], fails))
    await settle()
    assert.deepStrictEqual(calls.splice(0), [1, 2, 3])
    await withPool(1, async (pool) => {
      await rejection(pool.forEach([1, 2, 3], fails))
      await settle()
      assert.deepStrictEqual(calls, [1])
      gate.open()
    })
  }),
  row("`pLimit(3)`", "`await PromisePool.make(AioFixedTaskPoolSimple.layer(3))`", async () => {
    const gate = makeGate()
    const [there, here] = [counted(gate), counted(gate)]
    const limit = pLimit(3)
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
    const all = Array.from({ length: 9 }, () => [limit(there.fn), pool.submit(here.fn)]).flat()
    await settle()
    gate.open()
    await Promise.all(all)
    assert.deepStrictEqual([there.count.most, here.count.most], [3, 3])
    await pool.close()
  }),
  row("`limit(fn)`", "`pool.submit(fn)`", async () => {
    const limit = pLimit(3)
    const fn = () => add(1, 2)
    await withPool(3, async (pool) => {
      assert.strictEqual(await limit(fn), await pool.submit(fn))
    })
  }),
  row("`limit(fn, a, b)`", "`pool.submit(() => fn(a, b))`", async () => {
    const limit = pLimit(3)
    const [fn, a, b] = [add, 1, 2]
    await withPool(3, async (pool) => {
      assert.strictEqual(await limit(fn, a, b), await pool.submit(() => fn(a, b)))
    })
  }),
  row("`limitFunction(fn, { concurrency: 3 })`", "`(a) => pool.submit(() => fn(a))`", async () => {
    const fn = (a: number) => add(a, 1)
    await withPool(3, async (pool) => {
      const there = limitFunction(fn, { concurrency: 3 })
      const here: typeof fn = (a) => pool.submit(() => fn(a))
      assert.strictEqual(await there(1), await here(1))
    })
  }),
  row("`limit.map(items, fn)`", "`pool.forEach(items, fn)`", async () => {
    const limit = pLimit(3)
    const items = [1, 2, 3]
    const fn = async (item: number, index: number) => item * 10 + index
    await withPool(3, async (pool) => {
      assert.deepStrictEqual(await limit.map(items, fn), await pool.forEach(items, fn))
    })
  }),
  row("`limit.activeCount`", "`(await pool.stats()).running`", async () => {
    const gate = makeGate()
    const limit = pLimit(2)
    await withPool(2, async (pool) => {
      const all = [1, 2, 3].flatMap(() => [limit(() => gate.opened), pool.submit(() => gate.opened)])
      await settle()
      assert.deepStrictEqual([limit.activeCount, (await pool.stats()).running], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`limit.pendingCount`", "`(await pool.stats()).waiting`", async () => {
    const gate = makeGate()
    const limit = pLimit(2)
    await withPool(2, async (pool) => {
      const all = [1, 2, 3].flatMap(() => [limit(() => gate.opened), pool.submit(() => gate.opened)])
      await settle()
      assert.deepStrictEqual([limit.pendingCount, (await pool.stats()).waiting], [1, 1])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`limit.concurrency = 5`", "`await pool.resize(5)`", async () => {
    const gate = makeGate()
    const limit = pLimit(1)
    await withPool(1, async (pool) => {
      const all = Array.from({ length: 9 }, () => [limit(() => gate.opened), pool.submit(() => gate.opened)]).flat()
      limit.concurrency = 5
      await pool.resize(5)
      await settle()
      assert.deepStrictEqual([limit.activeCount, (await pool.stats()).running], [5, 5])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`limit.clearQueue()`", "`await pool.clear()`", async () => {
    const gate = makeGate()
    const limit = pLimit({ concurrency: 1, rejectOnClear: true })
    await withPool(1, async (pool) => {
      const running = [limit(() => gate.opened), pool.submit(() => gate.opened)]
      const cleared = [limit(() => add(1, 2)), pool.submit(() => add(1, 2))].map(rejection)
      await settle()
      limit.clearQueue()
      await pool.clear()
      const [there, here] = await Promise.all(cleared)
      assert.deepStrictEqual([there.name, here.reason], ["AbortError", "Cleared"])
      gate.open()
      await Promise.all(running)
    })
  })
])
