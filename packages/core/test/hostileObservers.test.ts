// What observes a pool is user code: registries, tracers, clocks, loggers, counters and names. Each test was red before the
// defect that it names was fixed.
import { defectLog, defectOf, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  Executor,
  ItemCounter,
  PoolRegistry,
  type TaskHandle,
  TaskPool,
  TaskPoolMetrics
} from "../src/index.ts"

const withRegistry = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PoolRegistry.make, (registry) => Effect.provideService(effect, PoolRegistry, registry))

/** A policy that gives the next of some reasons in each window. */
const reasoning = (reasons: ReadonlyArray<string>): AutoScalePolicy.AutoScalePolicy<number> => ({
  name: "reasoning",
  initial: () => 0,
  window: () => AutoScalePolicy.timed("1 second"),
  update: (at) => [at + 1, { size: 2 + (at % 2), reason: reasons[at % reasons.length]! }]
})

class BrokenMetrics extends Map<string, any> {
  override set(): this {
    throw new Error("no more series")
  }
  override delete(): boolean {
    throw new Error("no removal")
  }
}

describe("a registry of metrics that throws", () => {
  it.effect("costs one log line, and neither a pool nor its entry", () =>
    Effect.gen(function* () {
      const { defects, layer } = defectLog()
      const scope = yield* Scope.make()
      const inner = Effect.gen(function* () {
        yield* Layer.build(TaskPoolMetrics.layer)
        const policy = reasoning(["A", "B"])
        const pool = yield* AioAutoScaleTaskPoolSimple.make({ minSize: 1, maxSize: 5, policy, interval: "1 second" })
        yield* pool.fork(Effect.sleep("10 seconds"))
        yield* TestClock.adjust("5 seconds")
        assert.isAtLeast((yield* pool.decisions()).length, 4)
        assert.lengthOf(yield* PoolRegistry.pools, 1)
      })
      yield* withRegistry(
        Effect.gen(function* () {
          yield* Scope.provide(inner, scope)
          const closing = yield* start(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(closing)
          assert.lengthOf(yield* PoolRegistry.pools, 0)
        })
      ).pipe(Effect.provideService(Metric.MetricRegistry, new BrokenMetrics()), Effect.provide(layer))
      yield* settle
      assert.deepStrictEqual(
        defects.map((defect) => (defect as Error).message),
        ["no more series"]
      )
    })
  )
})

describe("metrics", () => {
  it.effect("have at most 48 reasons and the rest for a name, however many pools it has had", () =>
    Effect.gen(function* () {
      const metrics = new Map<string, any>()
      const program = Effect.gen(function* () {
        yield* Layer.build(TaskPoolMetrics.layer)
        for (let round = 0; round < 4; round++) {
          const policy = reasoning(Array.from({ length: 20 }, (_, at) => `R${20 * round + at}`))
          const one = Effect.gen(function* () {
            const pool = yield* AioAutoScaleTaskPoolSimple.make({ name: "a", maxSize: 9, policy, interval: "1 second" })
            yield* pool.fork(Effect.never)
            yield* TestClock.adjust("21 seconds")
          })
          yield* Effect.exit(Effect.scoped(Effect.andThen(one, Effect.fail("stop"))))
        }
        const decided = Array.from(metrics.values()).filter(({ id }) => id === "task_pool_decisions_total")
        assert.lengthOf(decided, 49)
        const counts = decided.map(({ hooks }) => hooks.get().count as number)
        assert.isAtLeast(
          counts.reduce((sum, count) => sum + count),
          80
        )
        assert.isTrue(counts.every((count) => count > 0))
      })
      yield* withRegistry(Effect.scoped(program)).pipe(Effect.provideService(Metric.MetricRegistry, metrics))
      assert.strictEqual(metrics.size, 0)
    })
  )

  it.effect("keep the last base time of a policy whose evidence has no number, and the policy goes on", () =>
    Effect.gen(function* () {
      const metrics = new Map<string, any>()
      const given: ReadonlyArray<() => unknown> = [
        () => 20,
        () => assert.fail("of a policy"),
        () => Number.NaN,
        () => Infinity,
        () => "30"
      ]
      const policy: AutoScalePolicy.AutoScalePolicy<number> = {
        name: "spy",
        initial: () => 0,
        window: () => AutoScalePolicy.timed("1 second"),
        update: (at) => {
          const evidence: any = Object.defineProperty({ before: 1 }, "base", { get: given[at % given.length]! })
          return [at + 1, { size: 2, reason: "SPY", evidence }]
        }
      }
      const program = Effect.gen(function* () {
        yield* Layer.build(TaskPoolMetrics.layer)
        const pool = yield* AioAutoScaleTaskPoolSimple.make({ name: "a", maxSize: 9, policy, interval: "1 second" })
        yield* Effect.forkScoped(pool.submit(Effect.never))
        for (let decided = 0; decided < given.length; decided++) {
          yield* TestClock.adjust("1 second")
          yield* settle
          const { hooks } = Array.from(metrics.values()).find(({ id }) => id === "task_pool_base_time_seconds")
          assert.deepStrictEqual(hooks.get(), { value: 0.02 })
        }
        assert.isAtLeast((yield* pool.decisions()).length, given.length)
      })
      yield* withRegistry(Effect.scoped(program)).pipe(Effect.provideService(Metric.MetricRegistry, metrics))
    })
  )

  it.effect("leave no fiber behind of an executor that does not answer", () =>
    Effect.gen(function* () {
      const metrics = new Map<string, any>()
      let live = 0
      const stats: Effect.Effect<any> = Effect.acquireUseRelease(
        Effect.sync(() => live++),
        () => Effect.never,
        () => Effect.sync(() => live--)
      )
      const program = Effect.gen(function* () {
        yield* Layer.build(TaskPoolMetrics.layer)
        yield* PoolRegistry.registerExecutor({ name: "slow", stats, threads: Effect.succeed([]) })
        for (const { hooks } of metrics.values()) hooks.get()
        yield* settle
        assert.strictEqual(live, 0)
      })
      yield* withRegistry(Effect.scoped(program)).pipe(Effect.provideService(Metric.MetricRegistry, metrics))
    })
  )

  it.effect("keep the last good answer of an executor, also when it closes or is shown again", () =>
    Effect.gen(function* () {
      const good = { threads: 1, starting: 0, ending: 0, running: 2, waiting: 0, settled: 7, replaced: 1 }
      const bad: ReadonlyArray<Effect.Effect<unknown>> = [
        Effect.as(Effect.sleep(1), good),
        Effect.succeed(null),
        Effect.succeed({ ...good, settled: Number.NaN }),
        Effect.succeed({ ...good, running: 2n }),
        Effect.succeed(new Proxy({}, { get: () => assert.fail("of an executor") })),
        Effect.die("of an executor")
      ]
      for (const broken of bad) {
        const metrics = new Map<string, any>()
        let answer: Effect.Effect<any> = Effect.succeed(good)
        const show = Layer.build(Layer.fresh(TaskPoolMetrics.layer))
        const executor = PoolRegistry.registerExecutor({
          name: "e",
          stats: Effect.suspend(() => answer),
          threads: Effect.succeed([])
        })
        const read = () =>
          Array.from(metrics.values())
            .filter(({ id }) => /settled|running/.test(id))
            .map(({ hooks }) => hooks.get().count ?? hooks.get().value)
        const program = Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Scope.provide(executor, scope)
          // Another registry keeps the totals of the hidden one.
          yield* Effect.provideService(show, PoolRegistry, yield* PoolRegistry.make)
          yield* Effect.scoped(
            Effect.andThen(
              show,
              Effect.sync(() => {
                assert.sameMembers(read(), [7, 2])
                answer = broken
                assert.sameMembers(read(), [7, 2])
              })
            )
          )
          yield* show
          assert.include(read(), 7)
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(read(), [7])
        })
        yield* withRegistry(Effect.scoped(program)).pipe(Effect.provideService(Metric.MetricRegistry, metrics))
      }
    })
  )

  it.effect("ask an executor that cannot be interrupted once", () =>
    Effect.gen(function* () {
      const metrics = new Map<string, any>()
      let asked = 0
      const stats: Effect.Effect<any> = Effect.uninterruptible(
        Effect.andThen(
          Effect.sync(() => asked++),
          Effect.never
        )
      )
      const program = Effect.gen(function* () {
        yield* Layer.build(TaskPoolMetrics.layer)
        yield* PoolRegistry.registerExecutor({ name: "slow", stats, threads: Effect.succeed([]) })
        for (let round = 0; round < 3; round++) for (const { hooks } of metrics.values()) hooks.get()
        assert.strictEqual(asked, 1)
      })
      yield* withRegistry(Effect.scoped(program)).pipe(Effect.provideService(Metric.MetricRegistry, metrics))
    })
  )
})

describe("a registry of pools that PoolRegistry.make has not made", () => {
  const own = { pools: Effect.succeed([]), executors: Effect.succeed([]), changes: undefined as any }
  const message = "TypeError: PoolRegistry: a registry must be made by PoolRegistry.make"

  it.effect("is a defect of the inline executor's layer", () =>
    Effect.gen(function* () {
      const build = Effect.provideService(Layer.build(Executor.layerInline), PoolRegistry, own)
      assert.include(String(defectOf(yield* Effect.exit(Effect.scoped(build)))), message)
    })
  )

  it.effect("is a defect of the pool's constructor, which starts nothing", () =>
    Effect.gen(function* () {
      let asked = 0
      const policy: AutoScalePolicy.AutoScalePolicy<void> = {
        ...AutoScalePolicy.score,
        initial: () => void asked++,
        window: () => AutoScalePolicy.timed("1 second"),
        update: () => [undefined, { size: 3, reason: "X" }]
      }
      const make = Effect.provideService(AioAutoScaleTaskPoolSimple.make({ policy }), PoolRegistry, own)
      const defect = defectOf(yield* Effect.exit(Effect.scoped(make)))
      assert.include(String(defect), message)
      assert.strictEqual(asked, 0)
    })
  )
})

describe("a name that uses the pool while it is inspected", () => {
  it.effect("changes nothing in the snapshot", () =>
    Effect.gen(function* () {
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
      const blocker = yield* pool.fork(Effect.never, { label: "blocker" })
      const handles: Array<{ readonly cancel: Effect.Effect<void> }> = []
      const hostile = Object.defineProperty(() => Effect.void, "name", {
        get: () => {
          for (const { cancel } of handles) Effect.runFork(cancel)
          Effect.runFork(pool.fork(Effect.void, { label: "late" }))
          return "hostile"
        }
      })
      for (let i = 0; i < 3; i++) handles.push(yield* pool.fork(hostile))
      handles.push(yield* pool.fork(Effect.void, { label: "last" }))
      const { stats, tasks } = yield* pool.inspect()
      assert.strictEqual(stats.waiting, 4)
      assert.deepStrictEqual(
        tasks.map(({ state }) => state),
        ["Running", "Waiting", "Waiting", "Waiting", "Waiting"]
      )
      assert.deepStrictEqual(
        tasks.slice(0, 2).map(({ label }) => label),
        ["blocker", "hostile"]
      )
      yield* blocker.cancel
    }).pipe(Effect.scoped)
  )
})

describe("a counter whose begin throws", () => {
  it.effect("is a defect of the bulk, which closes its source", () =>
    Effect.gen(function* () {
      let closed = 0
      const source: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: 1 }),
          return: async () => ({ done: true, value: void closed++ })
        })
      }
      const counter: ItemCounter = {
        begin: () => {
          throw new Error("begin")
        },
        ended: () => {}
      }
      const bulk = ItemCounter.count(TaskPool.forEach(source, Effect.succeed), counter)
      const exit = yield* Effect.exit(Effect.provide(bulk, AioFixedTaskPoolSimple.layer(2)))
      assert.strictEqual((defectOf(exit) as Error).message, "begin")
      assert.strictEqual(closed, 1)
    })
  )
})

const recorder = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

describe("the span of a forEach", () => {
  it.effect("has the number of items at its run, and a proxy that throws is a defect of the run", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recorder()
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
      const items = [1, 2]
      const bulk = pool.forEach(items, Effect.succeed)
      items.push(3)
      yield* bulk.pipe(Effect.withSpan("caller"), Effect.provideService(Tracer.Tracer, tracer))
      const span = spans.find(({ name }) => name === "task_pool.for_each")!
      assert.strictEqual(span.attributes.get("task_pool.items"), 3)
      const broken = new Proxy([1], {
        get: () => {
          throw new Error("no length")
        }
      })
      const failing = pool.forEach(broken, Effect.succeed)
      assert.strictEqual((defectOf(yield* Effect.exit(failing)) as Error).message, "no length")
    }).pipe(Effect.scoped)
  )
})

/** The present clock, whose readings pass through `change`. */
const clockWith = (change: <A>(read: () => A) => A) =>
  Effect.map(Clock.Clock, (clock): Clock.Clock => ({
    sleep: (duration) => clock.sleep(duration),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanos: clock.monotonicTimeNanos,
    currentTimeMillisUnsafe: () => change(() => clock.currentTimeMillisUnsafe()),
    currentTimeNanosUnsafe: () => change(() => clock.currentTimeNanosUnsafe()),
    monotonicTimeNanosUnsafe: () => change(() => clock.monotonicTimeNanosUnsafe())
  }))

describe("a clock that answers nothing", () => {
  const clockWithout = (broken: { now: boolean }) => clockWith((read) => (broken.now ? (undefined as never) : read()))

  it.effect("lets a traced task lend its worker and take it back", () =>
    Effect.gen(function* () {
      const broken = { now: false }
      const clock = yield* clockWithout(broken)
      const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
      // The clock breaks between the two.
      const inner = Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => {
          broken.now = true
          return "inner"
        })
      )
      const nested = Effect.suspend(() => pool.submit(inner))
      const { spans, tracer } = recorder()
      const result = pool
        .submit(nested)
        .pipe(
          Effect.withSpan("caller"),
          Effect.provideService(Tracer.Tracer, tracer),
          Effect.provideService(Clock.Clock, clock)
        )
      assert.strictEqual(yield* result, "inner")
      const tasks = spans.filter(({ name }) => name === "task_pool.task")
      assert.deepStrictEqual(
        tasks.map(({ attributes, status }) => [attributes.get("task_pool.outcome"), status._tag]),
        [
          ["succeeded", "Ended"],
          ["succeeded", "Ended"]
        ]
      )
      const { running } = yield* pool.stats
      assert.strictEqual(running, 0)
      assert.strictEqual(yield* pool.submit(Effect.succeed("after")), "after")
    }).pipe(Effect.scoped)
  )

  it.effect("keeps the last reading of a pool that measures", () =>
    Effect.gen(function* () {
      const broken = { now: false }
      const clock = yield* clockWithout(broken)
      const program = Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, timing: true })
        yield* pool.submit(Effect.void)
        yield* pool.submit(Effect.sync(() => void (broken.now = true)))
        assert.strictEqual((yield* pool.inspect()).at, 0)
        broken.now = false
        yield* pool.submit(Effect.void)
        const [entry] = yield* PoolRegistry.pools
        assert.strictEqual(entry?._tag, "Local")
        const run = entry?._tag === "Local" ? (yield* entry.timing)?.run : undefined
        assert.deepStrictEqual([run?.count, run?.sum], [3, 0])
      })
      yield* TestClock.adjust("1 second")
      yield* withRegistry(Effect.provideService(Effect.scoped(program), Clock.Clock, clock))
    })
  )
})

describe("a clock that throws", () => {
  it.effect("does not keep a pool from closing and leaving the registry", () =>
    withRegistry(
      Effect.gen(function* () {
        let broken = false
        const clock = yield* clockWith((read) => {
          if (broken) throw new Error("no time")
          return read()
        })
        const program = Effect.gen(function* () {
          const pool = yield* AioFixedTaskPoolSimple.make({ size: 1 })
          yield* pool.fork(Effect.never)
          broken = true
          return yield* Effect.fail("stop")
        })
        const exit = yield* Effect.exit(Effect.provideService(Effect.scoped(program), Clock.Clock, clock))
        assert.deepStrictEqual(exit, Exit.fail("stop"))
        assert.lengthOf(yield* PoolRegistry.pools, 0)
      })
    )
  )

  it.effect("delays what waits for a rate, and nothing else", () =>
    Effect.gen(function* () {
      let broken = false
      const clock = yield* clockWith((read) => {
        if (broken) throw new Error("no time")
        return read()
      })
      const rate = { limit: 1, window: "1 hour" } as const
      const pool = yield* Effect.provideService(AioFixedTaskPoolSimple.make({ size: 1, rate }), Clock.Clock, clock)
      const task = Effect.sync(() => void (broken = true))
      yield* pool.submit(task)
      const waiting = yield* pool.fork(Effect.void)
      assert.deepInclude(yield* pool.stats, { waiting: 1, running: 0, succeeded: 1 })
      assert.strictEqual((yield* pool.inspect()).tasks.length, 1)
      broken = false
      yield* TestClock.adjust("1 hour")
      yield* waiting.join
    })
  )
})

describe("a first step that takes long", () => {
  it.effect("is part of the run time in inspect, and not of the wait", () =>
    Effect.gen(function* () {
      let passed = 0n
      const clock = yield* clockWith((read) => {
        const time = read()
        return typeof time === "bigint" ? ((time + passed) as typeof time) : time
      })
      const pool = yield* Effect.provideService(AioFixedTaskPoolSimple.make({ size: 1 }), Clock.Clock, clock)
      yield* pool.fork(Effect.sleep(20))
      const compute = Effect.sync(() => void (passed = 200_000_000n))
      yield* pool.fork(Effect.andThen(compute, Effect.never))
      yield* TestClock.adjust(30)
      const { tasks } = yield* pool.inspect()
      assert.deepStrictEqual(
        tasks.map(({ ran, waited }) => ({ ran, waited })),
        [{ ran: 210, waited: 20 }]
      )
      yield* pool.close({ mode: "interrupt" })
    })
  )
})

describe("a logger of a warning that uses the pool", () => {
  it.effect("does not make the next warning come 49 days early", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      let late = 0n
      const clock = yield* clockWith((read) => {
        const time = read()
        return typeof time === "bigint" ? ((time + late) as typeof time) : time
      })
      let use = (): void => {}
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
        use()
      })
      const program = Effect.gen(function* () {
        const make = AioFixedTaskPoolSimple.make({ size: 1, warnAfter: "5 seconds" })
        const pool = yield* Effect.provideService(make, Clock.Clock, clock)
        const running = yield* pool.fork(Effect.never)
        yield* TestClock.adjust("3 seconds")
        const waiting = yield* pool.fork(Effect.void)
        use = () => {
          use = () => {}
          // The logger takes a millisecond, the queue becomes empty, and another task waits.
          late += 1_000_000n
          Effect.runFork(waiting.cancel)
          Effect.runFork(pool.fork(Effect.void))
        }
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(lines, ["oldest task has waited for 5 s"])
        use = () => {}
        yield* running.cancel
      })
      yield* Effect.provide(Effect.scoped(program), Logger.layer([logger]))
    })
  )
})

describe("a clock that looks at the pool", () => {
  const pools = {
    AioFixedTaskPoolSimple: AioFixedTaskPoolSimple.layer(2, { capacity: 3 }),
    AioFixedTaskPoolLifo: AioFixedTaskPoolLifo.layer(2, { capacity: 3 }),
    AioFixedTaskPoolPriority: AioFixedTaskPoolPriority.layer(2, { capacity: 3, ageing: "1 second" })
  }
  for (const [name, layer] of Object.entries(pools)) {
    it.effect(`${name}: finds each task in one place, and counted (load 0)`, () =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let pool: TaskPool["Service"] | undefined
        let looks = 0
        const wrong = new Set<string>()
        const look = (): void => {
          if (pool === undefined) return
          const looked = pool
          pool = undefined
          const stats = Effect.runSync(looked.stats)
          pool = looked
          looks++
          const { cancelled, delayed, failed, interrupted, running, submitted, succeeded, waiting } = stats
          const placed = succeeded + failed + interrupted + cancelled + waiting + delayed + running
          if (submitted !== placed) wrong.add(new Error(`${submitted} submitted, ${placed} placed`).stack!)
        }
        const looking: Clock.Clock = Object.assign(Object.create(clock), clock, {
          monotonicTimeNanosUnsafe: () => {
            look()
            return clock.monotonicTimeNanosUnsafe()
          }
        })
        yield* Effect.gen(function* () {
          pool = yield* TaskPool
          const sleeping = (millis: number) => Effect.sleep(millis)
          const forks: ReadonlyArray<Effect.Effect<TaskHandle<unknown, unknown>, unknown, TaskPool>> = [
            TaskPool.fork(sleeping(10)),
            TaskPool.fork(sleeping(20), { key: "a" }),
            TaskPool.fork(sleeping(5), { maxWait: 50 }),
            TaskPool.fork(Effect.fail("no"), { retry: { times: 2, schedule: Schedule.spaced(10) } }),
            TaskPool.fork(Effect.void, { permits: 2, weight: 2 }),
            TaskPool.fork(TaskPool.submit(sleeping(5)), { label: "outer" }),
            TaskPool.fork(Effect.never)
          ]
          const forking = yield* start(Effect.all(forks))
          for (let millis = 0; millis < 1000; millis += 10) yield* TestClock.adjust(10)
          const handles = yield* Fiber.join(forking)
          yield* handles[6]!.cancel
          yield* start(TaskPool.forEach([1, 2, 3], sleeping, { retry: { times: 1 }, discard: true }))
          for (let millis = 0; millis < 500; millis += 10) yield* TestClock.adjust(10)
          yield* TaskPool.close({ mode: "interrupt" })
          pool = undefined
        }).pipe(Effect.provide(Layer.provide(layer, Layer.succeed(Clock.Clock, looking)), { local: true }))
        assert.isAbove(looks, 20)
        assert.deepStrictEqual([...wrong], [])
      })
    )
  }
})
