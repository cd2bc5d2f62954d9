import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
import * as async from "async"
import { assert } from "vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { isPending, makeGate, migration, rejection, row, settle, trap, withPool, withPriorities } from "./migration.ts"

const double = async (n: number) => 2 * n

migration("async", import.meta.filename, [
  trap("After a failure the others continue there", async () => {
    const gate = makeGate()
    const ended: Array<string> = []
    const fails = (where: string) => async (n: number) => {
      if (n === 1) throw new Error("one")
      await gate.opened
      ended.push(where)
    }
    const there = rejection(async.eachLimit([1, 2], 2, fails("there")))
    await withPool(2, async (pool) => {
      let aborted = false
      const here = rejection(
        pool.forEach([1, 2], async (n, _, { signal }) => {
          signal.addEventListener("abort", () => (aborted = true))
          await fails("here")(n)
        })
      )
      await Promise.all([there, here])
      assert.isTrue(aborted)
    })
    gate.open()
    await settle()
    // A function that ignores its signal continues here too, but uncounted.
    assert.include(ended, "there")
  }),
  trap("A worker that is not an `async` function must call back", async () => {
    const forgets = (n: number) => double(n)
    const queue = async.queue(forgets, 1)
    assert.isTrue(await isPending(queue.pushAsync(1)))
    await withPool(1, async (pool) => {
      assert.strictEqual(await pool.submit(() => forgets(1)), 2)
    })
  }),
  trap("`pause` is another thing", async () => {
    const queue = async.queue(double, 1)
    queue.pause()
    const pushed = queue.pushAsync<number>(1)
    assert.isTrue(await isPending(pushed))
    queue.resume()
    assert.strictEqual(await pushed, 2)
    await withPool(1, async (pool) => {
      await pool.pause()
      assert.strictEqual((await rejection(pool.submit(() => double(1)))).reason, "Paused")
    })
  }),
  trap("`kill` leaves promises pending", async () => {
    const queue = async.queue(double, 1)
    queue.pause()
    const killed = queue.pushAsync(1)
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
  row("`async.queue(worker, 3)`", "`await PromisePool.make(AioFixedTaskPoolSimple.layer(3))`", async () => {
    let active = 0
    let most = 0
    const worker = async () => {
      most = Math.max(most, ++active)
      await settle()
      active--
    }
    const queue = async.queue(worker, 3)
    await Promise.all(Array.from({ length: 9 }, () => queue.pushAsync({})))
    assert.strictEqual(most, 3)
    most = 0
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
    await Promise.all(Array.from({ length: 9 }, () => pool.submit(() => worker())))
    assert.strictEqual(most, 3)
    await pool.close()
  }),
  row("`queue.pushAsync(task)`", "`pool.submit(() => worker(task))`", async () => {
    const worker = double
    const task = 3
    const queue = async.queue(worker, 3)
    await withPool(3, async (pool) => {
      const there: number = await queue.pushAsync(task)
      assert.strictEqual(there, await pool.submit(() => worker(task)))
    })
  }),
  row(
    "`priorityQueue.push(task, 1)`",
    "`pool.submit(() => worker(task), { weight: 1 })` on a priority pool",
    async () => {
      const order: Array<string> = []
      const worker = async (name: string) => void order.push(name)
      const task = "urgent"
      const priorityQueue = async.priorityQueue(worker, 1)
      priorityQueue.pause()
      void priorityQueue.push("later", 4)
      void priorityQueue.push(task, 1)
      priorityQueue.resume()
      await priorityQueue.drain()
      assert.deepStrictEqual(order.splice(0), ["urgent", "later"])
      await withPriorities(1, async (pool) => {
        const release = await pool.hold()
        const here = [pool.submit(() => worker("later")), pool.submit(() => worker(task), { weight: 1 })]
        release()
        await Promise.all(here)
        assert.deepStrictEqual(order, ["urgent", "later"])
      })
    }
  ),
  row("`queue.length()`", "`(await pool.stats()).waiting`", async () => {
    const queue = async.queue(double, 1)
    queue.pause()
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const all = [1, 2].flatMap((n) => [queue.pushAsync(n), pool.submit(() => double(n))])
      await settle()
      assert.deepStrictEqual([queue.length(), (await pool.stats()).waiting], [2, 2])
      queue.resume()
      release()
      await Promise.all(all)
    })
  }),
  row("`queue.running()`", "`(await pool.stats()).running`", async () => {
    const gate = makeGate()
    const queue = async.queue(async () => gate.opened, 2)
    await withPool(2, async (pool) => {
      const all = [1, 2, 3].flatMap((n) => [queue.pushAsync(n), pool.submit(() => gate.opened)])
      await settle()
      assert.deepStrictEqual([queue.running(), (await pool.stats()).running], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`queue.concurrency = 5`", "`await pool.resize(5)`", async () => {
    const gate = makeGate()
    const queue = async.queue(async () => gate.opened, 1)
    await withPool(1, async (pool) => {
      const first = [queue.pushAsync(0), pool.submit(() => gate.opened)]
      await settle()
      queue.concurrency = 5
      await pool.resize(5)
      const all = Array.from({ length: 9 }, (_, n) => [queue.pushAsync(n), pool.submit(() => gate.opened)]).flat()
      await settle()
      assert.deepStrictEqual([queue.running(), (await pool.stats()).running], [5, 5])
      gate.open()
      await Promise.all([...first, ...all])
    })
  }),
  row("`queue.pause()`", "`const release = await pool.hold()`", async () => {
    const queue = async.queue(double, 1)
    await withPool(1, async (pool) => {
      queue.pause()
      const release = await pool.hold()
      const all = [queue.pushAsync<number>(1), pool.submit(() => double(1))]
      assert.isTrue(await isPending(Promise.race(all)))
      queue.resume()
      release()
      assert.deepStrictEqual(await Promise.all(all), [2, 2])
    })
  }),
  row("`queue.resume()`", "`release()`", async () => {
    const queue = async.queue(double, 1)
    queue.pause()
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      const all = [queue.pushAsync<number>(1), pool.submit(() => double(1))]
      queue.resume()
      release()
      assert.deepStrictEqual(await Promise.all(all), [2, 2])
    })
  }),
  row("`await queue.drain()`", "`await pool.awaitIdle()`", async () => {
    const done: Array<string> = []
    const queue = async.queue(async (name: string) => void done.push(name), 1)
    await withPool(1, async (pool) => {
      void queue.pushAsync("there")
      void pool.submit(() => done.push("here"))
      await queue.drain()
      await pool.awaitIdle()
      assert.sameMembers(done, ["there", "here"])
    })
  }),
  row("`queue.remove(({ data }) => data === task)`", "`await pool.clear({ label: task })`", async () => {
    const done: Array<string> = []
    const note = async (name: string) => void done.push(name)
    const queue = async.queue(note, 1)
    queue.pause()
    const task = "b"
    await withPool(1, async (pool) => {
      const release = await pool.hold()
      for (const name of ["a", "b", "c"]) void queue.push(name)
      for (const name of ["a", "b", "c"]) pool.submit(() => note(name), { label: name }).catch(() => {})
      await settle()
      queue.remove(({ data }) => data === task)
      assert.strictEqual(await pool.clear({ label: task }), 1)
      queue.resume()
      release()
      await queue.drain()
      await pool.awaitIdle()
      assert.sameMembers(done, ["a", "c", "a", "c"])
    })
  }),
  row("`await async.mapLimit(items, 3, fn)`", "`await pool.forEach(items, fn)`", async () => {
    const items = [1, 2, 3]
    const fn = double
    await withPool(3, async (pool) => {
      const there: Array<number> = await async.mapLimit(items, 3, fn)
      assert.deepStrictEqual(there, await pool.forEach(items, fn))
    })
  }),
  row("`await async.eachLimit(items, 3, fn)`", "`await pool.forEach(items, fn, { discard: true })`", async () => {
    const items = [1, 2, 3]
    const seen: Array<number> = []
    const fn = async (item: number) => void seen.push(item)
    await withPool(3, async (pool) => {
      await async.eachLimit(items, 3, fn)
      await pool.forEach(items, fn, { discard: true })
      assert.deepStrictEqual(seen, [1, 2, 3, 1, 2, 3])
    })
  }),
  row("`await async.parallelLimit(fns, 3)`", "`await pool.forEach(fns, (fn) => fn())`", async () => {
    const fns = [async () => 1, async () => 2]
    await withPool(3, async (pool) => {
      const there: Array<number> = await async.parallelLimit(fns, 3)
      assert.deepStrictEqual(there, await pool.forEach(fns, (fn) => fn()))
    })
  }),
  row(
    "`await async.retry({ times: 5, interval: 10 }, fn)`",
    "`await pool.submit(fn, { retry: { times: 4, delay: 10 } })`",
    async () => {
      let calls = 0
      const fn = async () => {
        await sleep(1)
        if (++calls % 5 !== 0) throw new Error("again")
        return calls
      }
      await withPool(3, async (pool) => {
        assert.strictEqual(await async.retry({ times: 5, interval: 10 }, fn), 5)
        assert.strictEqual(await pool.submit(fn, { retry: { times: 4, delay: 10 } }), 10)
      })
    }
  )
])
