import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolSimple,
  type ExecutorStats,
  PoolRegistry
} from "@aio-task-pool/core"
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Collector } from "../../src/internal/collector.ts"
import * as Protocol from "../../src/Protocol.ts"

const decode = Schema.decodeUnknownSync(Protocol.Frame)

/** A collector of a registry of its own, which samples with the test's clock. */
const watched = <A, E, R>(
  test: (frame: (pool?: string) => Effect.Effect<Protocol.Frame>, collector: Collector) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(PoolRegistry.make, (registry) =>
    Effect.gen(function* () {
      yield* PoolRegistry.measure
      const collector = new Collector(registry, yield* Effect.scope, 120)
      yield* Effect.forkScoped(collector.run)
      yield* Effect.yieldNow
      const frame = (pool?: string) =>
        Effect.map(collector.frames([pool]), (frames) => decode(JSON.parse(frames.get(pool)!)))
      return yield* test(frame, collector)
    }).pipe(Effect.scoped, Effect.provideService(PoolRegistry, registry))
  )

const seconds = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => TestClock.adjust(1000), { discard: true })

it.effect("a frame has rates and percentiles of the last seconds, and the history one value a second", () =>
  watched((frame, collector) =>
    Effect.gen(function* () {
      const pool = yield* AioFixedTaskPoolSimple.make({ name: "db", size: 100 })
      yield* TestClock.adjust(1000)
      // Ten tasks of 200 ms in each second, for five seconds.
      for (let second = 0; second < 5; second++) {
        for (let task = 0; task < 10; task++) {
          yield* Effect.forkScoped(
            Effect.ignore(pool.submit(task === 9 ? Effect.delay(Effect.fail("x"), 200) : Effect.sleep(200)))
          )
        }
        yield* TestClock.adjust(1000)
      }
      const [row] = (yield* frame()).pools
      assert.deepStrictEqual(row!.rates, { ended: 10, failed: 1, rejected: 0 })
      assert.closeTo(row!.run.p95!, 200, 50)
      assert.strictEqual(row!.queue.p95, 0)
      const { series } = collector.hello("db", { hz: 4, actions: false }, 0)
      assert.deepStrictEqual(series!.ended.slice(-4), [10, 10, 10, 10])
      assert.deepStrictEqual(
        series!.size,
        series!.size.map(() => 100)
      )

      // What is older than ten seconds does not count.
      yield* seconds(12)
      const [later] = (yield* frame()).pools
      assert.deepStrictEqual(later!.run, { p50: null, p95: null })
      assert.deepStrictEqual(later!.rates, { ended: 0, failed: 0, rejected: 0 })
      assert.deepStrictEqual(later!.warnings, [])
    })
  )
)

it.effect("a pool that is at its maximum with a queue for a minute has a warning, until the queue is empty", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const pool = yield* AioAutoScaleTaskPoolSimple.make({
        name: "fetch",
        minSize: 2,
        maxSize: 2
      })
      for (let task = 0; task < 4; task++) yield* Effect.forkScoped(pool.submit(Effect.sleep("61 seconds")))
      yield* seconds(59)
      const rules = Effect.map(frame(), ({ pools }) => pools[0]!.warnings.map(({ rule }) => rule))
      assert.deepStrictEqual(yield* rules, [])
      yield* seconds(2)
      assert.deepStrictEqual(yield* rules, ["FullForLong"])
      yield* seconds(8)
      assert.deepStrictEqual(yield* rules, [])
    })
  )
)

it.effect(
  "a task that runs over twenty times as long as the others has a warning, even if nothing has ended lately",
  () =>
    watched((frame) =>
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ name: "db", size: 4 })
        for (let task = 0; task < 4; task++) yield* Effect.forkScoped(pool.submit(Effect.sleep(200)))
        yield* seconds(2)
        yield* Effect.forkScoped(pool.submit(Effect.never, { label: "stuck" }))
        yield* seconds(30)
        const [row] = (yield* frame()).pools
        assert.deepStrictEqual(
          row!.warnings.map(({ rule }) => rule),
          ["LongRun"]
        )
        assert.include(row!.warnings[0]!.message, '"stuck" has run for 30 s')
      })
    )
)

it.effect("two pools of one name have a warning each, and the pool's own warnings are shown", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const pool = yield* AioFixedTaskPoolSimple.make({ name: "db", size: 1, warnAfter: "3 seconds" })
      yield* AioFixedTaskPoolSimple.make({ name: "db", size: 1 })
      yield* Effect.forkScoped(pool.submit(Effect.never))
      yield* Effect.forkScoped(pool.submit(Effect.never))
      yield* seconds(5)
      const { pools } = yield* frame()
      assert.deepStrictEqual(
        pools.map(({ id, warnings }) => [id, ...warnings.map(({ rule }) => rule)]),
        [
          ["db", "SameName", "OldestWait", "NothingEnded"],
          ["db#2", "SameName"]
        ]
      )
    })
  )
)

it.effect("decisions made before the dashboard was there are shown too", () =>
  Effect.gen(function* () {
    const registry = yield* PoolRegistry.make
    yield* Effect.gen(function* () {
      const pool = yield* AioAutoScaleTaskPoolSimple.make({ name: "fetch", minSize: 1, maxSize: 8 })
      yield* Effect.forkScoped(pool.forEach(Array.from({ length: 200 }), () => Effect.sleep(100), { discard: true }))
      yield* seconds(5)
      const made = (yield* pool.decisions(256)).length
      assert.isAbove(made, 3)
      const collector = new Collector(registry, yield* Effect.scope, 60)
      yield* Effect.forkScoped(collector.run)
      yield* TestClock.adjust(0)
      const frames = yield* collector.frames(["fetch"])
      const { decisions } = decode(JSON.parse(frames.get("fetch")!)).pool!
      assert.strictEqual(
        decisions.reduce((sum, { times }) => sum + times, 0),
        made
      )
    }).pipe(Effect.scoped, Effect.provideService(PoolRegistry, registry))
  })
)

it.effect("a distributed pool shows its last answer, and one that never answers holds up nothing", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const view = (stats: Effect.Effect<{ running: number }>) => ({
        stats,
        workers: Effect.succeed([{ host: "a", pid: 1, concurrency: 4, running: 3 }])
      })
      yield* PoolRegistry.registerPool({ name: "far", kind: "Queue", service: view(Effect.succeed({ running: 3 })) })
      yield* PoolRegistry.registerPool({ name: "hangs", kind: "Queue", service: view(Effect.never) })
      yield* PoolRegistry.registerPool({ name: "dies", kind: "Queue", service: view(Effect.die("lost")) })
      yield* PoolRegistry.registerPool({
        name: "lies",
        kind: "Queue",
        service: view(Effect.succeed({ running: 1n as never }))
      })
      yield* AioFixedTaskPoolSimple.make({ name: "near" })
      yield* seconds(2)
      const { pool, pools } = yield* frame("far")
      assert.deepStrictEqual(
        pools.map(({ id, kind, stats }) => [id, kind, stats.running]),
        [
          ["far", "Queue", 3],
          ["hangs", "Queue", 0],
          ["dies", "Queue", 0],
          ["lies", "Queue", 0],
          ["near", "AioFixedTaskPoolSimple", 0]
        ]
      )
      assert.deepStrictEqual(pool!.workers, [{ host: "a", pid: 1, concurrency: 4, running: 3 }])
    })
  )
)

const Work = DistributedTask.make("work", { success: Schema.Void })

it.effect("a local distributed pool is one row, with its workers and what its pool of the core knows", () =>
  watched((frame, collector) =>
    Effect.gen(function* () {
      const pool = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(3, { name: "core" }), { name: "images" })
      yield* AioFixedTaskPoolSimple.make({ name: "images" })
      const poolScope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(pool, poolScope)
      const gate = yield* Deferred.make<void>()
      yield* Effect.gen(function* () {
        yield* Layer.build(DistributedTaskPool.worker([Work.handle(() => Deferred.await(gate))], { concurrency: 1 }))
        yield* Layer.build(DistributedTaskPool.worker([Work.handle(() => Deferred.await(gate))], { concurrency: 4 }))
        for (let task = 0; task < 5; task++) yield* DistributedTaskPool.fork(Work, undefined)
        yield* DistributedTaskPool.fork(Work, undefined, { delay: "1 hour" })
        yield* seconds(2)
        const { pool, pools } = yield* frame("images#2")
        assert.deepStrictEqual(
          pools.map(({ id }) => id),
          ["images", "images#2"]
        )
        const row = pools.find(({ id }) => id === "images#2")!
        const { delayed, running, size, targetSize, waiting } = row.stats
        assert.deepStrictEqual([row.kind, row.name, row.state], ["DistributedTaskPool", "images", "Open"])
        assert.deepStrictEqual(
          { delayed, running, size, targetSize, waiting },
          {
            delayed: 1,
            running: 3,
            size: 3,
            targetSize: 3,
            waiting: 2
          }
        )
        assert.deepStrictEqual([row.remote, row.distributed, row.oldestWait], [undefined, true, 2000])
        assert.strictEqual(pools.find(({ id }) => id === "images")!.distributed, undefined)
        // Metrics add up the pools of one name.
        assert.deepStrictEqual(
          row.warnings.map(({ rule }) => rule),
          ["SameName"]
        )
        assert.deepStrictEqual(
          pool!.running.map(({ label, ran }) => [label, ran]),
          Array.from({ length: 3 }, () => ["work", 2000])
        )
        assert.lengthOf(pool!.waiting, 2)
        // The pool of the core is held while no worker is free, which is no event of this pool.
        assert.deepStrictEqual(pool!.events, [])
        assert.deepStrictEqual(
          pool!.workers.map(({ concurrency, host, pid }) => [host, pid, concurrency]),
          [
            ["localhost", process.pid, 1],
            ["localhost", process.pid, 4]
          ]
        )
        assert.strictEqual(
          pool!.workers.reduce((sum, { running }) => sum + running, 0),
          3
        )
        const { series } = collector.hello("images#2", { hz: 4, actions: false }, 0)
        assert.strictEqual(series!.running.at(-1), 3)
        assert.strictEqual(series!.ended.at(-1), 0)

        yield* DistributedTaskPool.pause
        yield* seconds(1)
        assert.strictEqual((yield* frame()).pools.find(({ id }) => id === "images#2")!.state, "Paused")
        // Closing waits for the tasks.
        yield* Deferred.succeed(gate, undefined)
        yield* seconds(2)
        const after = (yield* frame()).pools.find(({ id }) => id === "images#2")!
        assert.deepStrictEqual([after.stats.succeeded, after.rates.ended], [5, 2.5])
        assert.isAbove(after.run.p95!, 1000)
      }).pipe(Effect.scoped, Effect.provideContext(context))
      yield* Scope.close(poolScope, Exit.void)
      assert.deepStrictEqual(
        (yield* frame()).pools.map(({ id }) => id),
        ["images"]
      )
    })
  )
)

it.effect("a pool whose statistics never answer delays no frame, and shows its last answer and its age", () =>
  watched((frame, collector) =>
    Effect.gen(function* () {
      let answer: Effect.Effect<{ running: number }> = Effect.never
      let asked = 0
      yield* PoolRegistry.registerPool({
        name: "far",
        kind: "Queue",
        service: {
          stats: Effect.suspend(() => {
            asked++
            return answer
          }),
          workers: Effect.succeed([{ host: "a", pid: 1, concurrency: 4, running: 3 }])
        }
      })
      const far = Effect.map(frame("far"), ({ pool, pools }) => ({ ...pools[0]!, workers: pool!.workers.length }))
      // No time passes, so nothing but the frame itself can answer.
      const first = yield* far
      assert.deepStrictEqual([first.remote, first.state], [{ age: null }, "Unknown"])
      yield* seconds(10)
      // It is asked again and again, and its workers are known meanwhile.
      assert.isAbove(asked, 1)
      const silent = yield* far
      assert.deepStrictEqual([silent.remote, silent.workers], [{ age: null }, 1])
      assert.deepStrictEqual(
        silent.warnings.map(({ rule }) => rule),
        ["NoAnswer"]
      )

      answer = Effect.succeed({ running: 3 })
      yield* seconds(20)
      const known = yield* far
      assert.deepStrictEqual([known.stats.running, known.warnings], [3, []])
      assert.isAtMost(known.remote!.age!, 1000)

      for (const broken of [Effect.never, Effect.die("lost")]) {
        answer = broken
        yield* seconds(30)
        const old = yield* far
        assert.strictEqual(old.stats.running, 3)
        assert.isAtLeast(old.remote!.age!, 29_000)
        assert.strictEqual(old.warnings[0]!.rule, "NoAnswer")
        assert.isNull(collector.hello("far", { hz: 4, actions: false }, 0).series!.running.at(-1))
        answer = Effect.succeed({ running: 3 })
        yield* seconds(10)
      }
    })
  )
)

it.effect("a pool that opens or closes costs the same, however many others are open", () =>
  Effect.gen(function* () {
    const registry = yield* PoolRegistry.make
    let reads = 0
    const pools = Effect.suspend(() => {
      reads++
      return registry.pools
    })
    const counted = { pools, executors: registry.executors, changes: registry.changes }
    const collector = new Collector(counted, yield* Effect.scope, 120)
    yield* Effect.forkScoped(collector.run)
    yield* TestClock.adjust(1)
    reads = 0
    const names = Array.from({ length: 50 }, (_, index) => `pool ${index}`)
    const scope = yield* Scope.make()
    const open = (name: string) =>
      Effect.andThen(Scope.provide(AioFixedTaskPoolSimple.make({ name }), scope), TestClock.adjust(1))
    yield* Effect.provideService(Effect.forEach(names, open), PoolRegistry, registry)
    // Each is watched from its birth.
    assert.hasAllKeys(collector.hello(undefined, { hz: 4, actions: false }, 0).sparks, names)
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust(1)
    assert.deepStrictEqual(collector.hello(undefined, { hz: 4, actions: false }, 0).sparks, {})
    assert.strictEqual(reads, 0)
  }).pipe(Effect.scoped)
)

const noThreads: ExecutorStats = {
  threads: 1,
  starting: 0,
  ending: 0,
  running: 0,
  waiting: 0,
  settled: 0,
  replaced: 0,
  replacedBy: { Crashed: 0, Interrupted: 0, Recycled: 0, Module: 0, Closed: 0 }
}

it.effect("an executor that fails, or never answers, hides no other executor", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const stats = { ...noThreads }
      let answer: Effect.Effect<ExecutorStats> = Effect.succeed(stats)
      const register = (name: string, stats: Effect.Effect<ExecutorStats>) =>
        PoolRegistry.registerExecutor({ name, stats, threads: Effect.succeed([]) })
      const shown = Effect.map(frame(), ({ executors }) => executors.map(({ id, settled }) => `${id} ${settled}`))
      yield* register(
        "silent",
        Effect.suspend(() => answer)
      )
      yield* register("failing", Effect.die("no"))
      const scope = yield* Scope.make()
      yield* Scope.provide(
        register(
          "good",
          Effect.suspend(() => Effect.succeed(stats))
        ),
        scope
      )
      yield* seconds(2)
      assert.deepStrictEqual(yield* shown, ["silent 0", "good 0"])
      answer = Effect.never
      Object.assign(stats, { settled: 5 })
      yield* seconds(2)
      // The last answer of the silent one, and the new one of the other.
      assert.deepStrictEqual(yield* shown, ["silent 0", "good 5"])
      yield* Scope.close(scope, Exit.void)
      yield* seconds(2)
      assert.deepStrictEqual(yield* shown, ["silent 0"])
    })
  )
)

it.effect("a pool and an executor that cannot be interrupted hold up neither the others nor the end", () =>
  watched((frame) =>
    Effect.gen(function* () {
      let asked = 0
      const never = Effect.uninterruptible(
        Effect.andThen(
          Effect.sync(() => void asked++),
          Effect.never
        )
      )
      const workers = Effect.succeed([{ host: "a", pid: 1, concurrency: 4, running: 3 }])
      yield* PoolRegistry.registerPool({ name: "far", kind: "Queue", service: { stats: never, workers } })
      yield* PoolRegistry.registerExecutor({ name: "threads", stats: never, threads: Effect.succeed([]) })
      yield* PoolRegistry.registerExecutor({
        name: "good",
        stats: Effect.succeed(noThreads),
        threads: Effect.succeed([])
      })
      const near = yield* AioFixedTaskPoolSimple.make({ name: "near" })
      yield* seconds(10)
      yield* near.submit(Effect.void)
      yield* seconds(1)
      const { executors, pool, pools } = yield* frame("far")
      assert.deepStrictEqual(
        pools.map(({ id, rates }) => [id, rates.ended]),
        [
          ["far", 0],
          ["near", 0.5]
        ]
      )
      assert.deepStrictEqual(
        executors.map(({ id }) => id),
        ["good"]
      )
      assert.lengthOf(pool!.workers, 1)
      // A question that runs is not asked again.
      assert.strictEqual(asked, 2)
    })
  )
)

it.effect("an answer of another package has the fields that are right, and hides no pool and no executor", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<unknown> = [
        null,
        { rejectedBy: null, holds: null, running: 3 },
        { rejectedBy: { Paused: "1" }, phase: "Lost", holds: [1], waiting: Number.NaN, capacity: Infinity, running: 3 },
        { running: Infinity, rejectedBy: { Paused: 1 } }
      ]
      for (const [index, answer] of answers.entries()) {
        const service = { stats: Effect.succeed(answer as object), workers: Effect.succeed([]) }
        yield* PoolRegistry.registerPool({ name: `far ${index}`, kind: "Queue", service })
      }
      for (const answer of [null, {}, { ...noThreads, settled: 1n }, { ...noThreads, replacedBy: null }, noThreads]) {
        const stats = Effect.succeed(answer as ExecutorStats)
        yield* PoolRegistry.registerExecutor({ name: "threads", stats, threads: Effect.succeed([]) })
      }
      const near = yield* AioFixedTaskPoolSimple.make({ name: "near" })
      yield* seconds(2)
      yield* near.submit(Effect.void)
      yield* seconds(1)
      const { executors, pools } = yield* frame()
      assert.deepStrictEqual(
        pools.map(({ id, rates, stats }) => [id, stats.running, stats.phase, stats.rejectedBy["Paused"], rates.ended]),
        [
          ["far 0", 0, "Open", 0, 0],
          ["far 1", 3, "Open", 0, 0],
          ["far 2", 3, "Open", 0, 0],
          ["far 3", 0, "Open", 1, 0],
          ["near", 0, "Open", 0, 0.5]
        ]
      )
      assert.deepStrictEqual(
        executors.map(({ id }) => id),
        ["threads#4", "threads#5"]
      )
    })
  )
)

it.effect("workers of another package have the fields of the protocol, or are left out", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const worker = { host: "a", pid: 1, concurrency: 4, running: 3 }
      const workers = [
        { ...worker, pid: Number.NaN },
        { ...worker, more: 1n },
        { ...worker, host: 5 as never }
      ]
      const service = { stats: Effect.succeed({}), workers: Effect.succeed(workers) }
      yield* PoolRegistry.registerPool({ name: "far", kind: "Queue", service })
      yield* seconds(2)
      assert.deepStrictEqual((yield* frame("far")).pool!.workers, [worker])
    })
  )
)

/** The clock of the test, which throws while it is broken. */
const breakableClock = Effect.map(Clock.Clock, (base) => {
  const state = { isBroken: false }
  const broken = <A>(value: A): A => (state.isBroken ? assert.fail("of a clock") : value)
  const clock: Clock.Clock = Object.create(base, {
    currentTimeMillisUnsafe: { value: () => broken(base.currentTimeMillisUnsafe()) },
    monotonicTimeNanosUnsafe: { value: () => broken(base.monotonicTimeNanosUnsafe()) }
  })
  return { state, clock }
})

it.effect("a pool that cannot be read shows its last numbers with a warning, and hides no other pool", () =>
  watched((frame) =>
    Effect.gen(function* () {
      const state = { isBroken: false }
      const bad = yield* AioFixedTaskPoolSimple.make({ name: "bad", size: 1, rate: { limit: 1, window: "1 hour" } })
      const { inspect, stats } = bad
      const readable = <A>(read: Effect.Effect<A>) =>
        Effect.suspend(() => (state.isBroken ? Effect.die("unreadable") : read))
      Object.assign(bad, { inspect: (options: object) => readable(inspect(options)), stats: readable(stats) })
      const good = yield* AioFixedTaskPoolSimple.make({ name: "good" })
      yield* bad.submit(Effect.void)
      yield* Effect.forkScoped(bad.submit(Effect.void))
      yield* seconds(2)
      yield* frame()
      state.isBroken = true
      yield* good.submit(Effect.void)
      yield* seconds(1)
      const shown = Effect.map(frame("bad"), ({ pool, pools }) => [
        pool?.id,
        ...pools.map(({ id, rates, stats, warnings }) => [
          id,
          stats.succeeded,
          rates.ended,
          ...warnings.map(({ rule }) => rule)
        ])
      ])
      assert.deepStrictEqual(yield* shown, ["bad", ["bad", 1, 0, "OldWait", "Unreadable"], ["good", 1, 0.5]])
      state.isBroken = false
      yield* seconds(3)
      assert.deepStrictEqual(yield* shown, ["bad", ["bad", 1, 0, "OldWait"], ["good", 1, 0]])
    })
  )
)

it.effect("a clock that throws while a pool opens, or in a sample, does not end the samples", () =>
  Effect.gen(function* () {
    const { clock, state } = yield* breakableClock
    const registry = yield* PoolRegistry.make
    yield* Effect.gen(function* () {
      const collector = new Collector(registry, yield* Effect.scope, 120)
      yield* Effect.forkScoped(Effect.provideService(collector.run, Clock.Clock, clock))
      yield* seconds(2)
      state.isBroken = true
      const pool = yield* AioFixedTaskPoolSimple.make({ name: "db" })
      yield* TestClock.adjust(0)
      state.isBroken = false
      yield* seconds(2)
      state.isBroken = true
      yield* seconds(1)
      state.isBroken = false
      yield* seconds(2)
      yield* pool.submit(Effect.void)
      yield* seconds(1)
      const frames = yield* collector.frames([undefined])
      assert.strictEqual(decode(JSON.parse(frames.get(undefined)!)).pools[0]!.rates.ended, 0.5)
    }).pipe(Effect.scoped, Effect.provideService(PoolRegistry, registry))
  })
)

it.effect("evidence that throws once does not end a pool's decisions and events", () =>
  watched((frame) =>
    Effect.gen(function* () {
      let [decided, throws] = [0, false]
      const evidence = {
        before: 1,
        get run(): number {
          return throws ? assert.fail("of a policy") : 1
        }
      }
      const pool = yield* AioAutoScaleTaskPoolSimple.make({
        name: "auto",
        minSize: 1,
        maxSize: 10,
        policy: {
          name: "spy",
          initial: () => null,
          window: () => ({ interval: 200, minSamples: 0, maxInterval: 200, runFactor: 0, overloads: Infinity }),
          update: () => [null, { size: 1 + (++decided % 3), reason: `R${decided}`, evidence }]
        }
      })
      yield* Effect.forkScoped(pool.submit(Effect.never))
      yield* seconds(2)
      throws = true
      yield* seconds(1)
      throws = false
      yield* seconds(1)
      const { decisions } = (yield* frame("auto")).pool!
      assert.strictEqual(decisions[0]!.reason, `R${decided}`)
    })
  )
)

it.effect("an executor shows its threads, and a warning when they are replaced again and again", () =>
  watched((frame) =>
    Effect.gen(function* () {
      let crashed = 0
      const stats: Effect.Effect<ExecutorStats> = Effect.sync(() => ({
        threads: 1,
        ready: 1,
        starting: 0,
        ending: 0,
        running: 1,
        waiting: 0,
        settled: 9,
        replaced: crashed,
        replacedBy: { Crashed: crashed, Interrupted: 0, Recycled: 0, Module: 0, Closed: 0 }
      }))
      yield* PoolRegistry.registerExecutor({
        name: "threads",
        stats,
        threads: Effect.succeed([
          {
            id: 1,
            state: "Running",
            running: 1,
            waiting: 0,
            job: "hash",
            ran: 12,
            settled: 9,
            replacedBy: undefined
          } as const
        ])
      })
      yield* seconds(2)
      const [executor] = (yield* frame()).executors
      assert.deepStrictEqual(executor, {
        id: "threads",
        name: "threads",
        running: 1,
        waiting: 0,
        settled: 9,
        replaced: 0,
        threads: [{ id: 1, state: "Running", job: "hash", ran: 12 }],
        warnings: []
      })
      crashed = 3
      yield* seconds(1)
      assert.strictEqual((yield* frame()).executors[0]!.warnings[0]!.rule, "ReplacedOften")
      yield* seconds(70)
      assert.deepStrictEqual((yield* frame()).executors[0]!.warnings, [])
    })
  )
)
