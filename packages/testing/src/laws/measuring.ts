import { PoolRegistry, TaskPool, TaskPoolMetrics, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { differenceOf, type Series, seriesOf, valueOf } from "../internal/metrics.ts"
import { Random } from "../internal/random.ts"
import { gated, type Laws, type LawPool, occupy, settle, start } from "./kit.ts"

const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

const histogramOf = (series: Series, of: string): Metric.HistogramState =>
  series.get(of)?.state as Metric.HistogramState

/** What a law of metrics works with: its own registries, in which it makes pools. */
interface World {
  readonly metrics: Metric.MetricRegistry
  /** Makes a pool until the scope closes. */
  readonly make: (options?: LawPool) => Effect.Effect<TaskPoolService, never, Scope>
  /** Reads the series of a name. */
  readonly read: (name: string) => Series
}

/** Registers a law once, with registries of its own. */
const law = (laws: Laws, sentence: string, body: (world: World) => Effect.Effect<unknown, unknown, Scope>): void =>
  laws.lawOnce(sentence, {}, () =>
    Effect.gen(function* () {
      const metrics: Metric.MetricRegistry = new Map()
      const registry = yield* PoolRegistry.make
      const make = (options: LawPool = {}) =>
        Effect.map(
          Layer.build(Layer.fresh(laws.layerOf({ size: 1, shutdown: { drainTimeout: 0 }, ...options }))),
          (context) => pool(context)
        )
      const pool = (context: any): TaskPoolService => context.mapUnsafe.get(TaskPool.key)
      yield* Effect.scoped(body({ metrics, make, read: (name) => seriesOf(metrics, name) })).pipe(
        Effect.provide(TaskPoolMetrics.layer, { local: true }),
        Effect.provideService(Metric.MetricRegistry, metrics),
        Effect.provideService(PoolRegistry, registry)
      )
      assert.strictEqual(metrics.size, 0, "no series is left when the layer has closed")
    })
  )

/** The metrics of `TaskPoolMetrics.layer`. */
export const measuringLaws = (laws: Laws): void => {
  law(laws, "the metrics of a pool are its statistics", ({ make, read }) =>
    Effect.gen(function* () {
      const pool = yield* make({ name: "mail", size: 2, capacity: 2 })
      const check = Effect.map(pool.stats, (stats) => assert.strictEqual(differenceOf(read("mail"), stats), undefined))
      yield* check
      const busy = yield* occupy(pool, 2)
      const waiting = yield* pool.fork(Effect.fail("no"))
      yield* pool.fork(Effect.fail("no"), { retry: Schedule.spaced("1 minute") })
      const atDoor = yield* start(pool.submit(Effect.interrupt))
      yield* Effect.exit(pool.submitNowait(Effect.void))
      yield* check
      assert.strictEqual(valueOf(read("mail"), "task_pool_queue_capacity"), 2)
      yield* waiting.cancel
      yield* busy.release
      yield* settle
      yield* check
      assert.strictEqual(valueOf(read("mail"), "task_pool_delayed_tasks"), 1)
      yield* Fiber.await(atDoor)
      yield* pool.pause
      yield* check
      yield* pool.resume
      yield* Effect.scoped(Effect.andThen(pool.holdDispatch, check))
      yield* pool.close({ mode: "interrupt" })
      yield* check
      assert.strictEqual(valueOf(read("mail"), "task_pool_phase{phase=closed}"), 1)
    })
  )

  law(laws, "a pool without a capacity has no series of it", ({ make, read }) =>
    Effect.gen(function* () {
      yield* make({ name: "mail" })
      assert.strictEqual(read("mail").has("task_pool_queue_capacity"), false)
      assert.strictEqual(
        read("mail").has("task_pool_size_limit{bound=max}"),
        read("mail").has("task_pool_overloads_total")
      )
    })
  )

  law(
    laws,
    "queue time and run time are counted to the millisecond, zero waits and finalizers included",
    ({ make, read }) =>
      Effect.gen(function* () {
        const pool = yield* make({ name: "mail" })
        yield* pool.fork(Effect.ensuring(Effect.sleep(12), Effect.sleep(4)))
        yield* pool.fork(Effect.andThen(Effect.sleep(1), Effect.fail("no")))
        yield* pass(8)
        assert.strictEqual(valueOf(read("mail"), "task_pool_oldest_wait_seconds"), 0.008)
        assert.strictEqual(valueOf(read("mail"), "task_pool_oldest_run_seconds"), 0.008)
        for (const millis of [8, 1]) yield* pass(millis)
        yield* pool.fork(Effect.sleep(600_000))
        yield* pass(600_000)
        const run = histogramOf(read("mail"), "task_pool_run_time_seconds")
        const bounds = [1, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16_384, 65_536, 262_144]
        assert.deepStrictEqual(
          run.buckets,
          bounds.map((bound) => [bound / 1000, bound < 16 ? 1 : 2])
        )
        assert.deepStrictEqual([run.count, run.sum, run.min, run.max], [3, 600.017, 0.001, 600])
        const queue = histogramOf(read("mail"), "task_pool_queue_time_seconds")
        assert.deepStrictEqual([queue.count, queue.sum, queue.min, queue.max], [3, 0.016, 0, 0.016])
        assert.strictEqual(valueOf(read("mail"), "task_pool_oldest_run_seconds"), 0)
      })
  )

  law(laws, "each attempt counts in the times, and the task once in the outcomes", ({ make, read }) =>
    Effect.gen(function* () {
      const pool = yield* make({ name: "mail" })
      let attempts = 0
      const task = Effect.andThen(
        Effect.sleep(10),
        Effect.suspend(() => (++attempts < 3 ? Effect.fail("no") : Effect.void))
      )
      yield* pool.fork(task, { retry: Schedule.spaced(100) })
      for (let i = 0; i < 30; i++) yield* pass(10)
      const series = read("mail")
      assert.strictEqual(histogramOf(series, "task_pool_run_time_seconds").count, 3)
      assert.strictEqual(histogramOf(series, "task_pool_run_time_seconds").sum, 0.03)
      assert.strictEqual(histogramOf(series, "task_pool_queue_time_seconds").count, 3)
      assert.strictEqual(histogramOf(series, "task_pool_queue_time_seconds").sum, 0)
      assert.strictEqual(valueOf(series, "task_pool_ended_tasks_total{outcome=succeeded}"), 1)
      assert.strictEqual(valueOf(series, "task_pool_submitted_tasks_total"), 1)
    })
  )

  law(laws, "the time for which a task lends its worker is not its run time", ({ make, read }) =>
    Effect.gen(function* () {
      const pool = yield* make({ name: "mail" })
      yield* pool.fork(Effect.andThen(Effect.sleep(10), pool.submit(Effect.sleep(100))))
      for (let i = 0; i < 15; i++) yield* pass(10)
      const run = histogramOf(read("mail"), "task_pool_run_time_seconds")
      assert.deepStrictEqual([run.count, run.sum], [2, 0.11])
    })
  )

  law(laws, "the pools of one name are one series, and the oldest task is that of all", ({ make, read }) =>
    Effect.gen(function* () {
      const [one, two] = [
        yield* make({ name: "mail", capacity: 5 }),
        yield* make({ name: "mail", capacity: 7, size: 2, maxSize: 2 })
      ]
      yield* Effect.forEach([1, 2], () => one.fork(Effect.never), { discard: true })
      yield* pass(100)
      yield* Effect.forEach([1, 2, 3], () => two.fork(Effect.never), { discard: true })
      yield* pass(50)
      const series = read("mail")
      const values = [
        "task_pool_open_pools",
        "task_pool_target_size",
        "task_pool_running_tasks",
        "task_pool_submitted_tasks_total"
      ]
      assert.deepStrictEqual(
        values.map((of) => valueOf(series, of)),
        [2, 3, 3, 5]
      )
      assert.strictEqual(valueOf(series, "task_pool_queue_capacity"), 12)
      assert.strictEqual(valueOf(series, "task_pool_phase{phase=open}"), 2)
      assert.strictEqual(valueOf(series, "task_pool_oldest_wait_seconds"), 0.15)
      assert.strictEqual(valueOf(series, "task_pool_oldest_run_seconds"), 0.15)
    })
  )

  law(laws, "the gauges of a name leave with its last pool, and its totals stay", ({ make, read }) =>
    Effect.gen(function* () {
      for (let i = 1; i <= 3; i++) {
        yield* Effect.scoped(Effect.flatMap(make({ name: "batch" }), (pool) => pool.submit(Effect.void)))
        const series = read("batch")
        assert.deepStrictEqual(
          Array.from(series.values()).filter(({ type }) => type === "Gauge"),
          []
        )
        assert.strictEqual(valueOf(series, "task_pool_submitted_tasks_total"), i)
        assert.strictEqual(histogramOf(series, "task_pool_run_time_seconds").count, i)
      }
    })
  )

  law(laws, "totals never fall, whatever pools are made, used and closed", ({ make, metrics }) =>
    Effect.gen(function* () {
      const random = new Random(7)
      const before = new Map<string, number>()
      const check = (): void => {
        for (const { attributes, id, state, type } of seriesOf2(metrics)) {
          if (type === "Gauge") continue
          const of = `${id}${JSON.stringify(attributes)}`
          const value: number = (state as { count: number }).count
          assert.isAtLeast(value, before.get(of) ?? 0, of)
          before.set(of, value)
        }
      }
      const names = ["a", "b", "c"]
      const open: Array<{ readonly pool: TaskPoolService; readonly close: Effect.Effect<void> }> = []
      const submitted = new Map<string, number>()
      for (let i = 0; i < 300; i++) {
        const chosen = random.below(4)
        if (chosen === 0 || open.length === 0) {
          const name = names[random.below(names.length)]!
          const closed = gated(undefined)
          const made = yield* start(
            Effect.scoped(
              Effect.tap(make({ name, capacity: 1 }), (pool) => {
                open.push({ pool, close: Effect.asVoid(closed.open) })
                return closed.task
              })
            )
          )
          yield* settle
          assert.strictEqual(made.pollUnsafe(), undefined)
        } else if (chosen === 1) {
          const [{ close }] = open.splice(random.below(open.length), 1) as [(typeof open)[0]]
          yield* close
        } else {
          const { pool } = open[random.below(open.length)]!
          const kinds = [Effect.void, Effect.fail("no"), Effect.never, Effect.interrupt]
          const exit = yield* Effect.exit(pool.submitNowait(kinds[random.below(kinds.length)]!))
          if (exit._tag === "Success") submitted.set(pool.name, (submitted.get(pool.name) ?? 0) + 1)
        }
        yield* settle
        check()
      }
      for (const { close } of open) yield* close
      yield* pass(5000)
      check()
      for (const [name, count] of submitted) {
        assert.strictEqual(valueOf(seriesOf(metrics, name), "task_pool_submitted_tasks_total"), count)
      }
    })
  )

  law(laws, "a second layer shows no series twice, and its end leaves the first one's", ({ make, metrics, read }) =>
    Effect.gen(function* () {
      const pool = yield* make({ name: "mail" })
      const { size } = metrics
      yield* Effect.provide(
        Effect.andThen(
          pool.submit(Effect.void),
          Effect.sync(() => assert.strictEqual(metrics.size, size))
        ),
        TaskPoolMetrics.layer,
        { local: true }
      )
      assert.strictEqual(metrics.size, size)
      yield* pool.submit(Effect.void)
      assert.strictEqual(valueOf(read("mail"), "task_pool_submitted_tasks_total"), 2)
      assert.strictEqual(histogramOf(read("mail"), "task_pool_run_time_seconds").count, 2)
    })
  )
}

const seriesOf2 = (metrics: Metric.MetricRegistry) =>
  Array.from(metrics.values(), ({ attributes, hooks, id, type }) => ({
    attributes,
    id,
    type,
    state: hooks.get(undefined as never) as unknown
  }))
