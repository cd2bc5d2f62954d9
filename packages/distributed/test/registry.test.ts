import { AioFixedTaskPoolSimple, type DistributedPoolEntry, PoolRegistry, TaskPoolMetrics } from "@aio-task-pool/core"
import { DistributedTaskPool, NotAvailable } from "@aio-task-pool/distributed"
import {
  AioDistributedAutoScaleTaskPoolLifo,
  AioDistributedAutoScaleTaskPoolPriority,
  AioDistributedAutoScaleTaskPoolSimple,
  AioDistributedFixedTaskPoolLifo,
  AioDistributedFixedTaskPoolPriority,
  AioDistributedFixedTaskPoolSimple,
  BullMq
} from "@aio-task-pool/distributed/bullmq"
import { defectOf } from "@aio-task-pool/testing/kit"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Metric, Scope } from "effect"
import { hostname } from "node:os"
import { readWorkerName, workerName } from "../src/bullmq/internal/workerNames.ts"
import { eventually, Gates, Pool, poolName, Work } from "./bullmq/kit.ts"

/** Runs a test with a registry of its own. */
const alone = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PoolRegistry.make, (registry) => Effect.provideService(Effect.scoped(test), PoolRegistry, registry))

const distributed = Effect.map(PoolRegistry.pools, (pools) =>
  pools.filter((entry): entry is DistributedPoolEntry => entry._tag === "Distributed")
)

const open = Effect.fnUntraced(function* <E>(layer: Layer.Layer<Pool, E>) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  return {
    pool: Context.get(context, Pool),
    close: (exit: Exit.Exit<unknown, unknown>) => Scope.close(scope, exit)
  }
})

type Test<R> = (name: string, test: () => Effect.Effect<void, unknown, R | Scope.Scope>) => void
type LayerOf<R> = (name: string) => Effect.Effect<Layer.Layer<Pool, unknown>, never, R>

const exits = {
  success: Exit.void,
  "a failure": Exit.fail("x"),
  "a defect": Exit.die("x"),
  interruption: Exit.interrupt(1)
}

/** The laws of a pool in the registry, over one engine. */
const laws = <R>(it: Test<R>, kind: string, host: string, layerOf: LayerOf<R>) => {
  for (const [how, exit] of Object.entries(exits)) {
    it(`${kind}: enters when made, and leaves when its scope ends with ${how}`, () =>
      alone(
        Effect.gen(function* () {
          const name = poolName()
          const layer = yield* layerOf(name)
          const { close } = yield* open(layer)
          const [entry] = yield* distributed
          const { id, kind: entered, name: named } = entry!
          assert.deepStrictEqual([id, named, entered], [name, name, kind])
          yield* close(exit)
          assert.deepStrictEqual(yield* PoolRegistry.pools, [])
          assert.strictEqual((yield* entry!.service.stats).phase, "Closed")
          assert.deepStrictEqual(yield* entry!.service.workers, [])
        })
      ))
  }

  it(`${kind}: tells its size, its tasks, its phase and its workers`, () =>
    alone(
      Effect.gen(function* () {
        const { close, pool } = yield* open(yield* layerOf(poolName()))
        const gates = new Gates()
        const { service } = (yield* distributed)[0]!
        assert.deepInclude(yield* service.stats, { phase: "Open", targetSize: 2, running: 0, waiting: 0, delayed: 0 })
        assert.deepStrictEqual(yield* service.workers, [])

        const workers = yield* Scope.make()
        for (const concurrency of [1, 5]) {
          yield* Scope.provide(pool.worker([gates.handler], { concurrency }), workers)
        }
        for (const key of ["a", "b", "c"]) yield* pool.fork(Work, { key })
        yield* eventually(service.stats, ({ running, waiting }) => running === 2 && waiting === 1)
        const listed = yield* eventually(service.workers, (list) => list.length === 2)
        assert.deepStrictEqual(
          listed.map(({ host, pid }) => [host, pid]),
          [
            [host, process.pid],
            [host, process.pid]
          ]
        )
        assert.sameMembers(
          listed.map(({ concurrency }) => concurrency),
          [1, 5]
        )
        assert.strictEqual(
          listed.reduce((sum, { running }) => sum + running, 0),
          2
        )
        for (const { concurrency, running } of listed) assert.isAtMost(running, concurrency)

        yield* pool.holdDispatch
        assert.strictEqual((yield* service.stats).phase, "Held")
        yield* pool.pause
        assert.strictEqual((yield* service.stats).phase, "Paused")
        yield* pool.resume
        yield* pool.releaseDispatch
        for (const key of ["a", "b", "c"]) yield* gates.open(key)
        yield* eventually(service.stats, ({ running, waiting }) => running === 0 && waiting === 0)
        yield* Scope.close(workers, Exit.void)
        yield* eventually(service.workers, (list) => list.length === 0)

        yield* pool.close()
        // Closed by hand, it stays until its scope closes.
        assert.lengthOf(yield* distributed, 1)
        assert.deepInclude(yield* service.stats, { phase: "Closed", targetSize: 2 })
        yield* close(Exit.void)
        assert.lengthOf(yield* distributed, 0)
      })
    ))

  it(`${kind}: has gauges while it and a metrics layer live, and none after`, () =>
    alone(
      Effect.gen(function* () {
        const name = poolName()
        const { close, pool } = yield* open(yield* layerOf(name))
        const gates = new Gates()
        const workers = yield* Scope.make()
        yield* Scope.provide(pool.worker([gates.handler], { concurrency: 5 }), workers)
        for (const key of ["a", "b", "c"]) yield* pool.fork(Work, { key })
        yield* pool.fork(Work, { key: "d" }, { delay: "1 hour" })
        yield* eventually(
          pool.stats,
          ({ delayed, running, waiting }) => delayed === 1 && running === 2 && waiting === 1
        )
        const gauges = gaugesOf(name)
        for (let layer = 0; layer < 2; layer++) {
          const scope = yield* Scope.make()
          yield* Layer.buildWithScope(Layer.fresh(TaskPoolMetrics.layer), scope)
          assert.strictEqual((yield* gauges)["task_pool_open_pools"], 1)
          yield* eventually(gauges, (gauges) => gauges["task_pool_running_tasks"] !== undefined)
          assert.deepStrictEqual(yield* gauges, {
            task_pool_open_pools: 1,
            "task_pool_phase open": 1,
            "task_pool_phase held": 0,
            "task_pool_phase paused": 0,
            "task_pool_phase draining": 0,
            "task_pool_phase closed": 0,
            task_pool_target_size: 2,
            task_pool_running_tasks: 2,
            "task_pool_waiting_tasks queue": 1,
            task_pool_delayed_tasks: 1
          })
          if (layer === 0) {
            yield* Scope.close(scope, Exit.void)
            assert.deepStrictEqual(yield* Metric.snapshot, [])
            continue
          }
          for (const key of ["a", "b", "c"]) yield* gates.open(key)
          yield* eventually(pool.stats, ({ running }) => running === 0)
          yield* Scope.close(workers, Exit.void)
          yield* close(Exit.void)
          assert.deepStrictEqual(yield* gauges, {})
          yield* Scope.close(scope, Exit.void)
        }
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map<string, any>()))
    ))
}

/** The gauges of a name by ID, and by phase or place. */
const gaugesOf = (name: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    Object.fromEntries(
      metrics.flatMap(({ attributes, id, state }) => {
        const { phase, place = phase, task_pool_name } = attributes as Record<string, string | undefined>
        const { value } = state as { readonly value?: number }
        return task_pool_name === name && value !== undefined ? [[[id, place].filter(Boolean).join(" "), value]] : []
      })
    )
  )

describe("a local distributed pool in the registry", () => {
  laws<never>(it.live, "DistributedTaskPool", "localhost", (name) =>
    Effect.succeed(DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(2), { name, tag: Pool }))
  )

  it.live("it stays while it closes, and leaves when its tasks have ended", () =>
    alone(
      Effect.gen(function* () {
        const layer = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(1), { name: "slow", tag: Pool })
        const gates = new Gates()
        const workers = yield* Scope.make()
        const { close, pool } = yield* open(layer)
        yield* Scope.provide(pool.worker([gates.handler], { concurrency: 1 }), workers)
        yield* pool.fork(Work, { key: "a" })
        yield* gates.started("a")
        const closing = yield* Effect.forkChild(close(Exit.void), { startImmediately: true })
        assert.lengthOf(yield* distributed, 1)
        yield* gates.open("a")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(yield* PoolRegistry.pools, [])
        yield* Scope.close(workers, Exit.void)
      })
    )
  )

  it.live(
    "it names the pool of the core that runs its tasks, whose name it may share without being counted twice",
    () =>
      alone(
        Effect.gen(function* () {
          const core = AioFixedTaskPoolSimple.layer(2, { name: "images" })
          const { close, pool } = yield* open(DistributedTaskPool.layerLocal(core, { name: "images", tag: Pool }))
          const [entry] = yield* distributed
          const [local] = yield* PoolRegistry.pools
          assert.strictEqual(entry!.local, local)
          assert.strictEqual(local!._tag, "Local")
          const gates = new Gates()
          const workers = yield* Scope.make()
          yield* Scope.provide(pool.worker([gates.handler], { concurrency: 5 }), workers)
          yield* pool.fork(Work, { key: "a" })
          yield* gates.started("a")
          const metrics = yield* Scope.make()
          yield* Layer.buildWithScope(Layer.fresh(TaskPoolMetrics.layer), metrics)
          const { task_pool_open_pools, task_pool_running_tasks } = yield* gaugesOf("images")
          assert.deepStrictEqual([task_pool_open_pools, task_pool_running_tasks], [1, 1])
          yield* gates.open("a")
          yield* Scope.close(workers, Exit.void)
          yield* close(Exit.void)
          yield* Scope.close(metrics, Exit.void)
        }).pipe(Effect.provideService(Metric.MetricRegistry, new Map<string, any>()))
      )
  )

  it.effect("a layer that fails to build leaves nothing behind", () =>
    alone(
      Effect.gen(function* () {
        const layer = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer({ capacity: 1 }), { name: "bad" })
        yield* Effect.exit(Effect.scoped(Layer.build(layer)))
        assert.deepStrictEqual(yield* PoolRegistry.pools, [])
      })
    )
  )
})

describe.skipIf(!isAvailable("the registry over Redis"))("a pool on Redis in the registry", () => {
  const kinds = {
    AioDistributedFixedTaskPoolSimple: (name: string) =>
      AioDistributedFixedTaskPoolSimple.layer(2, { name, tag: Pool }),
    AioDistributedFixedTaskPoolLifo: (name: string) => AioDistributedFixedTaskPoolLifo.layer(2, { name, tag: Pool }),
    AioDistributedFixedTaskPoolPriority: (name: string) =>
      AioDistributedFixedTaskPoolPriority.layer(2, { name, tag: Pool }),
    AioDistributedAutoScaleTaskPoolSimple: (name: string) =>
      AioDistributedAutoScaleTaskPoolSimple.layer({ minSize: 2, maxSize: 2, name, tag: Pool }),
    AioDistributedAutoScaleTaskPoolLifo: (name: string) =>
      AioDistributedAutoScaleTaskPoolLifo.layer({ minSize: 2, maxSize: 2, name, tag: Pool }),
    AioDistributedAutoScaleTaskPoolPriority: (name: string) =>
      AioDistributedAutoScaleTaskPoolPriority.layer({ minSize: 2, maxSize: 2, name, tag: Pool })
  }
  const host = hostname().replace(/[^\w.-]/g, "_")
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    for (const [kind, layerOf] of Object.entries(kinds)) {
      laws<RedisServer>(it.effect, kind, host, (name) =>
        Effect.map(RedisServer, ({ url }) => Layer.provide(layerOf(name), BullMq.layer({ url })))
      )
    }
  })
})

it.live("a pool whose broker does not answer is listed, its statistics die, and it leaves all the same", () =>
  alone(
    Effect.gen(function* () {
      // Nothing listens on this port.
      const broker = BullMq.layer({ url: "redis://127.0.0.1:1", connectTimeout: 50 })
      const pool = AioDistributedFixedTaskPoolSimple.layer(2, { name: poolName(), tag: Pool })
      const { close } = yield* open(Layer.provide(pool, broker))
      const [entry] = yield* distributed
      for (const ask of [entry!.service.stats, entry!.service.workers]) {
        const defect = defectOf(yield* Effect.exit<unknown, never, never>(ask))
        assert.instanceOf(defect, NotAvailable)
        assert.strictEqual(defect.reason, "Unreachable")
      }
      yield* close(Exit.void)
      assert.deepStrictEqual(yield* PoolRegistry.pools, [])
    })
  )
)

it("the name of a worker tells its host, its process and its concurrency", () => {
  const { concurrency, pid } = readWorkerName(workerName(7))!
  assert.deepStrictEqual([pid, concurrency], [process.pid, 7])
  assert.deepStrictEqual(readWorkerName("web-2-abcdef-3-41-0a1b2c-12"), {
    host: "web-2-abcdef-3",
    pid: 41,
    concurrency: 12
  })
  for (const name of ["", "other", "host-1-0a1b2c", "-1-0a1b2c-3"]) assert.isUndefined(readWorkerName(name), name)
})
