import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
import Bottleneck from "bottleneck"
import { assert } from "vitest"
import { setTimeout as sleep } from "node:timers/promises"
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

const add = async (a: number, b: number) => a + b

/** Bottleneck starts a job some timers after its submission. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(1)
}

migration("bottleneck", import.meta.filename, [
  trap("`weight` is another thing", async () => {
    const gate = makeGate()
    const [there, here] = [counted(gate), counted(gate)]
    const limiter = new Bottleneck({ maxConcurrent: 4 })
    await withPool(4, async (pool) => {
      const all = Array.from({ length: 6 }, () => [
        limiter.schedule({ weight: 2 }, there.fn),
        pool.submit(here.fn, { permits: 2 })
      ]).flat()
      await until(() => there.count.active === 2)
      await sleep(5)
      assert.deepStrictEqual([there.count.active, here.count.active], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  trap("`expiration` frees the slot there", async () => {
    const gate = makeGate()
    const there = counted(gate)
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    await rejection(limiter.schedule({ expiration: 5 }, there.fn))
    await rejection(limiter.schedule({ expiration: 5 }, there.fn))
    assert.strictEqual(there.count.most, 2)
    gate.open()
  }),
  trap("`stop` drops the waiting jobs, unless told otherwise", async () => {
    const gate = makeGate()
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    const started = makeGate()
    const running = limiter.schedule(() => (started.open(), gate.opened))
    await started.opened
    const dropped = rejection(limiter.schedule(() => add(1, 2)))
    const stopped = limiter.stop()
    assert.instanceOf(await dropped, Bottleneck.BottleneckError)
    gate.open()
    await Promise.all([running, stopped])

    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1))
    const all = [pool.submit(() => settle()), pool.submit(() => add(1, 2))]
    await pool.close()
    assert.deepStrictEqual(await Promise.all(all), [undefined, 3])
  }),
  trap("A reservoir allows bursts of twice its amount", async () => {
    const limiter = new Bottleneck({ reservoir: 5, reservoirRefreshAmount: 5, reservoirRefreshInterval: 250 })
    let started = 0
    await withPool(
      1000,
      async (pool) => {
        const all = Array.from({ length: 10 }, () => pool.submit(() => started++).catch(() => {}))
        assert.isTrue(await isPending(Promise.all(all)))
        assert.strictEqual(started, 5)
        await pool.clear()
      },
      { rate: { limit: 5, window: "1 minute" } }
    )
    // Five jobs start at once, and five more when the reservoir is refreshed, which is less than a window later.
    let burst = Infinity
    while (burst >= 250) {
      await until(() => limiter.empty())
      await sleep(300)
      const there: Array<number> = []
      await Promise.all(
        Array.from({ length: 10 }, () => limiter.schedule(async () => void there.push(performance.now())))
      )
      burst = there[9]! - there[0]!
    }
    await limiter.disconnect(false)
  }),
  row(
    "`new Bottleneck({ maxConcurrent: 3 })`",
    "`await PromisePool.make(AioFixedTaskPoolSimple.layer(3))`",
    async () => {
      const gate = makeGate()
      const [there, here] = [counted(gate), counted(gate)]
      const limiter = new Bottleneck({ maxConcurrent: 3 })
      const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(3))
      const all = Array.from({ length: 9 }, () => [limiter.schedule(there.fn), pool.submit(here.fn)]).flat()
      await until(() => there.count.active === 3)
      gate.open()
      await Promise.all(all)
      assert.deepStrictEqual([there.count.most, here.count.most], [3, 3])
      await pool.close()
    }
  ),
  row(
    "`new Bottleneck({ minTime: 60_000 })`",
    '`AioFixedTaskPoolSimple.layer(1000, { rate: { limit: 1, window: "1 minute" } })`',
    async () => {
      const limiter = new Bottleneck({ minTime: 60_000 })
      const pool = await PromisePool.make(
        AioFixedTaskPoolSimple.layer(1000, { rate: { limit: 1, window: "1 minute" } })
      )
      await Promise.all([limiter.schedule(() => add(1, 2)), pool.submit(() => add(1, 2))])
      const second = [limiter.schedule(() => add(3, 4)), pool.submit(() => add(3, 4))]
      const ended = second.map(rejection)
      assert.isTrue(await isPending(Promise.race(second)))
      await Promise.all([limiter.stop({ dropWaitingJobs: true }), pool.close({ mode: "interrupt" })])
      await Promise.all(ended)
    }
  ),
  row(
    "`new Bottleneck({ maxConcurrent: 1, highWater: 0, strategy: Bottleneck.strategy.OVERFLOW })`",
    '`AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail" })`',
    async () => {
      const gate = makeGate()
      const limiter = new Bottleneck({ maxConcurrent: 1, highWater: 0, strategy: Bottleneck.strategy.OVERFLOW })
      const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1, { capacity: 0, onFull: "fail" }))
      const started = makeGate()
      const running = [limiter.schedule(() => (started.open(), gate.opened)), pool.submit(() => gate.opened)]
      await started.opened
      const errors = [limiter.schedule(() => add(1, 2)), pool.submit(() => add(1, 2))].map(rejection)
      const [there, here] = await Promise.all(errors)
      assert.instanceOf(there, Bottleneck.BottleneckError)
      assert.strictEqual(here.reason, "QueueFull")
      gate.open()
      await Promise.all(running)
      await pool.close()
    }
  ),
  row(
    "`new Bottleneck({ maxConcurrent: 1, highWater: 1, strategy: Bottleneck.strategy.LEAK })`",
    '`AioFixedTaskPoolSimple.layer(1, { capacity: 1, onFull: "dropOldest" })`',
    async () => {
      const gate = makeGate()
      const limiter = new Bottleneck({ maxConcurrent: 1, highWater: 1, strategy: Bottleneck.strategy.LEAK })
      const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1, { capacity: 1, onFull: "dropOldest" }))
      const started = makeGate()
      const running = [limiter.schedule(() => (started.open(), gate.opened)), pool.submit(() => gate.opened)]
      await started.opened
      const dropped = [limiter.schedule(() => add(1, 2)), pool.submit(() => add(1, 2))].map(rejection)
      const kept = [limiter.schedule(() => add(3, 4)), pool.submit(() => add(3, 4))]
      const [there, here] = await Promise.all(dropped)
      assert.instanceOf(there, Bottleneck.BottleneckError)
      assert.strictEqual(here.reason, "Dropped")
      gate.open()
      assert.deepStrictEqual(await Promise.all(kept), [7, 7])
      await Promise.all(running)
      await pool.close()
    }
  ),
  row("`limiter.schedule(fn, a, b)`", "`pool.submit(() => fn(a, b))`", async () => {
    const limiter = new Bottleneck()
    const [fn, a, b] = [add, 1, 2]
    await withPool(3, async (pool) => {
      assert.strictEqual(await limiter.schedule(fn, a, b), await pool.submit(() => fn(a, b)))
    })
  }),
  row("`limiter.wrap(fn)`", "`(a, b) => pool.submit(() => fn(a, b))`", async () => {
    const limiter = new Bottleneck()
    const fn = add
    await withPool(3, async (pool) => {
      const there = limiter.wrap(fn)
      const here: typeof fn = (a, b) => pool.submit(() => fn(a, b))
      assert.strictEqual(await there(1, 2), await here(1, 2))
    })
  }),
  row("`limiter.schedule({ priority: 1 }, fn)`", "`pool.submit(fn, { weight: 1 })` on a priority pool", async () => {
    const gate = makeGate()
    const order: Array<string> = []
    const fn = async () => void order.push("urgent")
    const other = async () => void order.push("other")
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    const started = makeGate()
    const running = limiter.schedule(() => (started.open(), gate.opened))
    await started.opened
    const there = [limiter.schedule(other), limiter.schedule({ priority: 1 }, fn)]
    await until(() => limiter.queued() === 2)
    gate.open()
    await Promise.all([running, ...there])
    assert.deepStrictEqual(order.splice(0), ["urgent", "other"])
    await withPriorities(1, async (pool) => {
      const release = await pool.hold()
      const here = [pool.submit(other), pool.submit(fn, { weight: 1 })]
      release()
      await Promise.all(here)
      assert.deepStrictEqual(order, ["urgent", "other"])
    })
  }),
  row("`limiter.schedule({ weight: 2 }, fn)`", "`pool.submit(fn, { permits: 2 })`", async () => {
    const limiter = new Bottleneck({ maxConcurrent: 2 })
    const fn = () => add(1, 2)
    await withPool(2, async (pool) => {
      assert.strictEqual(await limiter.schedule({ weight: 2 }, fn), await pool.submit(fn, { permits: 2 }))
    })
  }),
  row("`group.key(user).schedule(fn)`", "`pool.submit(fn, { key: user })` with `perKey: 1`", async () => {
    const gate = makeGate()
    const users = ["ada", "bob"]
    const [there, here] = [counted(gate), counted(gate)]
    const group = new Bottleneck.Group({ maxConcurrent: 1 })
    const fnThere = there.fn
    await withPool(
      10,
      async (pool) => {
        const all = users.flatMap((user) => {
          const twice = [1, 2].flatMap(() => {
            let fn = fnThere
            const first = group.key(user).schedule(fn)
            fn = here.fn
            return [first, pool.submit(fn, { key: user })]
          })
          return twice
        })
        await until(() => there.count.active === 2)
        await sleep(5)
        assert.deepStrictEqual([there.count.active, here.count.active], [2, 2])
        gate.open()
        await Promise.all(all)
      },
      { perKey: 1 }
    )
    await Promise.all(users.map((user) => group.deleteKey(user)))
  }),
  row(
    '`limiter.on("failed", (_, { retryCount }) => (retryCount < 3 ? 10 : undefined))`',
    "`pool.submit(fn, { retry: { times: 3, delay: 10 } })`",
    async () => {
      let calls = 0
      const fn = async () => {
        if (++calls % 4 !== 0) throw new Error("again")
        return calls
      }
      const limiter = new Bottleneck()
      limiter.on("failed", (_, { retryCount }) => (retryCount < 3 ? 10 : undefined))
      await withPool(1, async (pool) => {
        assert.strictEqual(await limiter.schedule(fn), 4)
        assert.strictEqual(await pool.submit(fn, { retry: { times: 3, delay: 10 } }), 8)
      })
    }
  ),
  row("`await limiter.running()`", "`(await pool.stats()).busy`", async () => {
    const gate = makeGate()
    const limiter = new Bottleneck({ maxConcurrent: 4 })
    await withPool(4, async (pool) => {
      const started = makeGate()
      const all = [
        limiter.schedule({ weight: 2 }, () => (started.open(), gate.opened)),
        pool.submit(() => gate.opened, { permits: 2 })
      ]
      await started.opened
      assert.deepStrictEqual([await limiter.running(), (await pool.stats()).busy], [2, 2])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`limiter.queued()`", "`(await pool.stats()).waiting`", async () => {
    const gate = makeGate()
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    await withPool(1, async (pool) => {
      const started = makeGate()
      const all = [limiter.schedule(() => (started.open(), gate.opened)), pool.submit(() => gate.opened)]
      await started.opened
      all.push(
        limiter.schedule(() => gate.opened),
        pool.submit(() => gate.opened)
      )
      await until(() => limiter.queued() === 1)
      assert.deepStrictEqual([limiter.queued(), (await pool.stats()).waiting], [1, 1])
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`limiter.updateSettings({ maxConcurrent: 5 })`", "`await pool.resize(5)`", async () => {
    const gate = makeGate()
    const there = counted(gate)
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    await withPool(1, async (pool) => {
      const all = Array.from({ length: 9 }, () => [limiter.schedule(there.fn), pool.submit(() => gate.opened)]).flat()
      void limiter.updateSettings({ maxConcurrent: 5 })
      await pool.resize(5)
      await until(() => there.count.active === 5)
      assert.strictEqual((await pool.stats()).running, 5)
      gate.open()
      await Promise.all(all)
    })
  }),
  row("`child.chain(parent)`", "`child.submit(() => parent.submit(fn))`", async () => {
    const gate = makeGate()
    const there = counted(gate)
    const here = counted(gate)
    const chained = async () => {
      const parent = new Bottleneck({ maxConcurrent: 1 })
      const child = new Bottleneck({ maxConcurrent: 2 })
      child.chain(parent)
      return [child.schedule(there.fn), child.schedule(there.fn)]
    }
    const all = await chained()
    const fn = here.fn
    await withPool(1, (parent) =>
      withPool(2, async (child) => {
        const both = [1, 2].map(() => child.submit(() => parent.submit(fn)))
        await until(() => there.count.active === 1)
        await sleep(5)
        assert.deepStrictEqual([there.count.active, here.count.active], [1, 1])
        gate.open()
        await Promise.all([...all, ...both])
      })
    )
  }),
  row("`await limiter.stop({ dropWaitingJobs: false })`", "`await pool.close()`", async () => {
    const limiter = new Bottleneck({ maxConcurrent: 1 })
    const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(1))
    const all = [1, 2].flatMap(() => [limiter.schedule(() => add(1, 2)), pool.submit(() => add(1, 2))])
    await limiter.stop({ dropWaitingJobs: false })
    await pool.close()
    assert.deepStrictEqual(await Promise.all(all), [3, 3, 3, 3])
    const [there, here] = await Promise.all(
      [limiter.schedule(() => add(1, 2)), pool.submit(() => add(1, 2))].map(rejection)
    )
    assert.instanceOf(there, Bottleneck.BottleneckError)
    assert.strictEqual(here.reason, "Closed")
  })
])
