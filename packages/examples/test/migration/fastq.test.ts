import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
import fastq from "fastq"
import { assert } from "vitest"
import { isPending, makeGate, migration, rejection, row, settle, trap, withPool, withPriorities } from "./migration.ts"

const double = async (n: number) => 2 * n

migration("fastq", import.meta.filename, [
  trap("`kill` leaves promises pending", async () => {
    const queue = fastq.promise(double, 1)
    queue.pause()
    const killed = queue.push(1)
    queue.kill()
    queue.resume()
    assert.isTrue(await isPending(killed))
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const error = rejection(pool.submit(() => double(1)))
      await settle()
      await pool.clear()
      assert.strictEqual((await error).reason, "Cleared")
      release()
    })
  }),
  trap("`pause` is another thing", async () => {
    const queue = fastq.promise(double, 1)
    queue.pause()
    const pushed = queue.push(1)
    assert.isTrue(await isPending(pushed))
    queue.resume()
    assert.strictEqual(await pushed, 2)
    await withPool(1, async (pool) => {
      await pool.pause()
      assert.strictEqual((await rejection(pool.submit(() => double(1)))).reason, "Paused")
    })
  }),
  trap("`unshift` is last in, first out", async () => {
    const order: Array<number> = []
    const note = async (n: number) => void order.push(n)
    const queue = fastq.promise(note, 1)
    queue.pause()
    const there = [queue.push(1), queue.unshift(2), queue.unshift(3)]
    queue.resume()
    await Promise.all(there)
    assert.deepStrictEqual(order.splice(0), [3, 2, 1])
    await withPriorities(1, async (pool) => {
      const release = await pool.hold()
      const weights = [4, 0, 0]
      const here = [1, 2, 3].map((n, i) => pool.submit(() => note(n), { weight: weights[i]! }))
      release()
      await Promise.all(here)
      assert.deepStrictEqual(order, [2, 3, 1])
    })
  }),
  row("`fastq.promise(worker, 3)`", "`await PromisePool.make(AioFixedTaskPoolSimple.layer(3))`", async () => {
    let active = 0
    let most = 0
    const worker = async () => {
      most = Math.max(most, ++active)
      await settle()
      active--
    }
    const queue = fastq.promise(worker, 3)
    await Promise.all(Array.from({ length: 9 }, () => queue.push(undefined)))
    assert.strictEqual(most, 3)
    most = 0
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
    await Promise.all(Array.from({ length: 9 }, () => pool.submit(() => worker())))
    assert.strictEqual(most, 3)
    await pool.close()
  }),
  row("`queue.push(task)`", "`pool.submit(() => worker(task))`", async () => {
    const worker = double
    const task = 3
    const queue = fastq.promise(worker, 3)
    await withPool(3, async (pool) => {
      assert.strictEqual(await queue.push(task), await pool.submit(() => worker(task)))
    })
  }),
  row("`queue.unshift(task)`", "`pool.submit(() => worker(task), { weight: 0 })` on a priority pool", async () => {
    const order: Array<number> = []
    const worker = async (n: number) => void order.push(n)
    const task = 2
    const queue = fastq.promise(worker, 1)
    queue.pause()
    const there = [queue.push(1), queue.unshift(task)]
    queue.resume()
    await Promise.all(there)
    assert.deepStrictEqual(order.splice(0), [2, 1])
    await withPriorities(1, async (pool) => {
      const release = await pool.hold()
      const here = [pool.submit(() => worker(1)), pool.submit(() => worker(task), { weight: 0 })]
      release()
      await Promise.all(here)
      assert.deepStrictEqual(order, [2, 1])
    })
  }),
  row("`queue.length()`", "`(await pool.stats()).waiting`", async () => {
    const queue = fastq.promise(double, 1)
    queue.pause()
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const all = [1, 2].flatMap((n) => [queue.push(n), pool.submit(() => double(n))])
      assert.deepStrictEqual([queue.length(), (await pool.stats()).waiting], [2, 2])
      queue.resume()
      release()
      await Promise.all(all)
    })
  }),
  row("`queue.running()`", "`(await pool.stats()).running`", async () => {
    const gate = makeGate()
    const queue = fastq.promise(() => gate.opened, 2)
    await withPool(2, async (pool) => {
      const all = [1, 2, 3].flatMap((n) => [queue.push(n), pool.submit(() => gate.opened)])
      await settle()
      assert.deepStrictEqual([queue.running(), (await pool.stats()).running], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`queue.concurrency = 5`", "`await pool.resize(5)`", async () => {
    const gate = makeGate()
    const queue = fastq.promise(() => gate.opened, 1)
    await withPool(1, async (pool) => {
      const all = Array.from({ length: 9 }, (_, n) => [queue.push(n), pool.submit(() => gate.opened)]).flat()
      queue.concurrency = 5
      await pool.resize(5)
      await settle()
      assert.deepStrictEqual([queue.running(), (await pool.stats()).running], [5, 5])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`queue.pause()`", "`const release = await pool.hold()`", async () => {
    const queue = fastq.promise(double, 1)
    await withPool(1, async (pool) => {
      queue.pause()
      const release = await pool.hold()
      const all = [queue.push(1), pool.submit(() => double(1))]
      assert.isTrue(await isPending(Promise.race(all)))
      queue.resume()
      release()
      assert.deepStrictEqual(await Promise.all(all), [2, 2])
    })
  }),
  row("`queue.resume()`", "`release()`", async () => {
    const queue = fastq.promise(double, 1)
    queue.pause()
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const all = [queue.push(1), pool.submit(() => double(1))]
      queue.resume()
      release()
      assert.deepStrictEqual(await Promise.all(all), [2, 2])
    })
  }),
  row("`await queue.drained()`", "`await pool.awaitIdle()`", async () => {
    const done: Array<string> = []
    const queue = fastq.promise(async (name: string) => done.push(name), 1)
    await withPool(1, async (pool) => {
      void queue.push("there")
      void pool.submit(() => done.push("here"))
      await queue.drained()
      await pool.awaitIdle()
      assert.sameMembers(done, ["there", "here"])
    })
  }),
  row("`queue.abort()`", "`await pool.clear()`", async () => {
    const queue = fastq.promise(double, 1)
    queue.pause()
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const errors = [queue.push(1), pool.submit(() => double(1))].map(rejection)
      await settle()
      queue.abort()
      await pool.clear()
      const [there, here] = await Promise.all(errors)
      assert.deepStrictEqual([there.message, here._tag], ["abort", "TaskCancelled"])
      release()
    })
  })
])
