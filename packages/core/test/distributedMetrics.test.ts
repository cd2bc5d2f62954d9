// The gauges of distributed pools, whose statistics an effect of another package returns.
import { settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { AioFixedTaskPoolSimple, PoolRegistry, type PoolStats, TaskPoolMetrics } from "../src/index.ts"

type Stats = Effect.Effect<Partial<PoolStats>>

const registry = Metric.MetricRegistry

/** Runs a test with registries of its own. */
const alone = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PoolRegistry.make, (pools) =>
    Effect.scoped(test).pipe(
      Effect.provideService(PoolRegistry, pools),
      Effect.provideService(registry, new Map<string, any>())
    )
  )

/** Runs a test in the layer of metrics. */
const measured = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  alone(Effect.scoped(test).pipe(Effect.provide(TaskPoolMetrics.layer, { local: true })))

const register = (stats: Stats, name = "mail") =>
  PoolRegistry.registerPool({ name, kind: "Queue", service: { stats, workers: Effect.succeed([]) } })

/** Scrapes the gauges: the names without their prefix, with the attribute that is not the pool's name. */
const scrape = Effect.map(PrometheusMetrics.format(), (text) =>
  Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const [, metric, labels, value] = /^task_pool_(\w+)\{(.*)\} (.+)$/.exec(line)!
        const more = labels!.split(",").filter((label) => !label.startsWith("task_pool_name"))
        return [[metric, ...more.map((label) => /"(.*)"/.exec(label)![1])].join(" "), Number(value)]
      })
  )
)

const seconds = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.andThen(TestClock.adjust(1000), settle), { discard: true })

/** Answers that can be exchanged, and the number of questions. */
class Broker {
  answer: Stats
  asked = 0
  readonly stats: Stats = Effect.suspend(() => {
    this.asked++
    return this.answer
  })

  constructor(first: Stats) {
    this.answer = first
  }
}

const broker = (first: Stats): Broker => new Broker(first)

const all: Partial<PoolStats> = {
  phase: "Paused",
  size: 5,
  targetSize: 4,
  running: 3,
  waiting: 2,
  atDoor: 6,
  delayed: 1,
  capacity: 100
}

const phases = (phase: string) =>
  Object.fromEntries(
    ["open", "paused", "held", "draining", "closed"].map((each) => [`phase ${each}`, each === phase ? 1 : 0])
  )

const nothingKnown = { open_pools: 1 }

describe("the gauges of a distributed pool", () => {
  it.effect("are those that its statistics have, and it has no totals", () =>
    measured(
      Effect.gen(function* () {
        yield* register(Effect.succeed(all))
        yield* seconds(1)
        assert.deepStrictEqual(yield* scrape, {
          open_pools: 1,
          ...phases("paused"),
          size: 5,
          target_size: 4,
          running_tasks: 3,
          "waiting_tasks queue": 2,
          "waiting_tasks door": 6,
          delayed_tasks: 1,
          queue_capacity: 100
        })
      })
    )
  )

  it.effect("are missing where its statistics are, and a queue without a limit has no capacity", () =>
    measured(
      Effect.gen(function* () {
        const far = broker(Effect.succeed({ phase: "Open", running: 3, capacity: Infinity }))
        yield* register(far.stats)
        yield* seconds(1)
        assert.deepStrictEqual(yield* scrape, { open_pools: 1, ...phases("open"), running_tasks: 3 })
        far.answer = Effect.succeed({ phase: "Closed", waiting: 7 })
        yield* seconds(6)
        assert.deepStrictEqual(yield* scrape, { open_pools: 0, ...phases("closed"), "waiting_tasks queue": 7 })
      })
    )
  )

  it.effect("are added to those of the local pools of their name, which alone have totals", () =>
    measured(
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ name: "mail", size: 2 })
        yield* pool.submit(Effect.void)
        yield* register(Effect.succeed({ phase: "Open", targetSize: 4, running: 3, capacity: 5 }))
        yield* register(Effect.succeed({ phase: "Held", targetSize: 40 }))
        yield* seconds(1)
        const found = yield* scrape
        assert.deepInclude(found, {
          open_pools: 3,
          "phase open": 2,
          "phase held": 1,
          target_size: 46,
          size: 2,
          running_tasks: 3,
          submitted_tasks_total: 1
        })
        // The local pool has no limit, and so the sum has none.
        assert.notProperty(found, "queue_capacity")
      })
    )
  )

  it.effect("follow the pool's answers, and never more than one question is open", () =>
    measured(
      Effect.gen(function* () {
        let [open, most] = [0, 0]
        let running = 0
        const stats = Effect.acquireUseRelease(
          Effect.sync(() => (most = Math.max(most, ++open))),
          () =>
            Effect.delay(
              Effect.sync(() => ({ running: ++running })),
              3000
            ),
          () => Effect.sync(() => open--)
        )
        yield* register(stats)
        yield* seconds(4)
        assert.strictEqual((yield* scrape)["running_tasks"], 1)
        yield* seconds(8)
        assert.strictEqual((yield* scrape)["running_tasks"], 2)
        assert.strictEqual(most, 1)
      })
    )
  )

  it.effect("are read without asking: a scrape takes the last answer", () =>
    measured(
      Effect.gen(function* () {
        const far = broker(Effect.succeed({ running: 3 }))
        yield* register(far.stats)
        // Nothing has been asked in the step that made the pool.
        assert.strictEqual(far.asked, 0)
        yield* seconds(1)
        assert.strictEqual(far.asked, 1)
        for (let i = 0; i < 10; i++) assert.strictEqual((yield* scrape)["running_tasks"], 3)
        assert.strictEqual(far.asked, 1)
      })
    )
  )

  const silent: Record<string, Stats> = {
    "never answers": Effect.never,
    "never answers and cannot be interrupted": Effect.uninterruptible(Effect.never),
    dies: Effect.die("lost"),
    fails: Effect.fail("lost") as any,
    interrupts: Effect.interrupt,
    throws: Effect.sync(() => {
      throw new Error("lost")
    }),
    "is no effect": undefined as any,
    "has a getter that throws": Effect.succeed({
      get running(): number {
        throw new Error("lost")
      }
    })
  }

  for (const [how, stats] of Object.entries(silent)) {
    it.effect(`vanish when the pool ${how}, except that it is open, with one log line`, () => {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      return measured(
        Effect.gen(function* () {
          const far = broker(Effect.succeed(all))
          yield* register(far.stats)
          yield* seconds(1)
          assert.strictEqual((yield* scrape)["running_tasks"], 3)
          far.answer = stats
          // No number is older than ten seconds.
          yield* seconds(10)
          assert.deepStrictEqual(yield* scrape, nothingKnown)
          const { asked } = far
          yield* seconds(60)
          assert.deepStrictEqual(yield* scrape, nothingKnown)
          const isStuck = how.includes("cannot be interrupted")
          if (isStuck) assert.strictEqual(far.asked, asked)
          else assert.isAbove(far.asked, asked)
          assert.isAtMost(far.asked, 15)
          assert.lengthOf(lines, 1)

          far.answer = Effect.succeed({ running: 9 })
          yield* seconds(11)
          assert.strictEqual((yield* scrape)["running_tasks"], isStuck ? undefined : 9)
        })
      ).pipe(Effect.provide(Logger.layer([logger])))
    })
  }

  for (const [how, stats] of Object.entries<Stats>({
    undefined: Effect.succeed(undefined as any),
    null: Effect.succeed(null as any),
    "a text": Effect.succeed("running" as any),
    "wrong types": Effect.succeed({ running: 1n, waiting: "2", size: Number.NaN, phase: 1 } as any)
  })) {
    it.effect(`vanish when the pool answers ${how}`, () =>
      measured(
        Effect.gen(function* () {
          const far = broker(Effect.succeed(all))
          yield* register(far.stats)
          yield* seconds(1)
          far.answer = stats
          yield* seconds(6)
          assert.deepStrictEqual(yield* scrape, nothingKnown)
        })
      )
    )
  }

  it.effect("rest five minutes after the last scrape, and come back with the next one", () =>
    measured(
      Effect.gen(function* () {
        const far = broker(Effect.succeed({ running: 3 }))
        yield* register(far.stats)
        yield* seconds(200)
        yield* scrape
        yield* seconds(290)
        assert.strictEqual((yield* scrape)["running_tasks"], 3)
        yield* seconds(320)
        const { asked } = far
        yield* seconds(320)
        assert.strictEqual(far.asked, asked)
        // What is old is not shown, and the scrape does not wait for the answer.
        assert.deepStrictEqual(yield* scrape, nothingKnown)
        yield* seconds(1)
        assert.strictEqual(far.asked, asked + 1)
        assert.strictEqual((yield* scrape)["running_tasks"], 3)
      })
    )
  )

  it.effect("do not ask in the step of the scrape that wakes them", () =>
    measured(
      Effect.gen(function* () {
        const far = broker(Effect.succeed({ running: 3 }))
        yield* register(far.stats)
        yield* seconds(320)
        const { asked } = far
        const metrics = yield* registry
        for (const { hooks } of metrics.values()) hooks.get({} as any)
        assert.strictEqual(far.asked, asked)
      })
    )
  )

  for (const [how, stats] of Object.entries({ "its answer": Effect.succeed(all), ...silent })) {
    it.effect(`are gone after the scope of the pool, and after that of the layer: ${how}`, () =>
      alone(
        Effect.gen(function* () {
          const metrics = yield* registry
          const pools = yield* Scope.make()
          for (let first = 0; first < 2; first++) {
            const layer = yield* Scope.make()
            yield* Layer.buildWithScope(Layer.fresh(TaskPoolMetrics.layer), layer)
            if (first === 0) yield* Scope.provide(register(stats), pools)
            yield* seconds(7)
            assert.isAbove(metrics.size, 0)
            // Closing waits for no answer.
            if (first === 1) yield* Scope.close(pools, Exit.void)
            else yield* Scope.close(layer, Exit.void)
            assert.strictEqual(metrics.size, 0)
            yield* seconds(20)
            assert.strictEqual(metrics.size, 0)
            yield* Scope.close(layer, Exit.void)
          }
        })
      )
    )
  }

  it.effect("stay away when the answer comes after the pool has left", () =>
    measured(
      Effect.gen(function* () {
        const metrics = yield* registry
        const answer = yield* Deferred.make<Partial<PoolStats>>()
        const scope = yield* Scope.make()
        yield* Scope.provide(register(Effect.uninterruptible(Deferred.await(answer))), scope)
        yield* seconds(1)
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.succeed(answer, all)
        yield* seconds(20)
        assert.strictEqual(metrics.size, 0)
      })
    )
  )
})
