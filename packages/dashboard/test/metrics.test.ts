import { PoolRegistry, TaskPoolMetrics } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { isolated, open, pool } from "./support/program.ts"

const scrape = (address: string) => Effect.promise(async () => (await fetch(`${address}/metrics`)).text())

/** Runs a test with metrics of its own. */
const measured = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  isolated(Effect.provideService(test, Metric.MetricRegistry, new Map()))

it.live("/metrics shows the metrics of the program, each series once beside a metrics layer", () =>
  measured(
    Effect.gen(function* () {
      yield* Layer.build(TaskPoolMetrics.layer)
      const { address } = yield* open()
      const db = yield* pool("db")
      yield* Effect.all([db.submit(Effect.void), db.submit(Effect.void)])
      yield* Metric.update(Metric.counter("own"), 3)
      const lines = (yield* scrape(address)).split("\n")
      const find = (start: string) => lines.filter((line) => line.startsWith(start))
      assert.deepStrictEqual(find("task_pool_submitted_tasks_total{"), [
        'task_pool_submitted_tasks_total{task_pool_name="db"} 2'
      ])
      assert.deepStrictEqual(find("task_pool_run_time_seconds_count{"), [
        'task_pool_run_time_seconds_count{task_pool_name="db"} 2'
      ])
      assert.deepStrictEqual(find("own "), ["own 3"])
      assert.strictEqual(new Set(lines.slice(0, -1)).size, lines.length - 1)
    })
  )
)

it.live("without metrics the dashboard adds no series and no path", () =>
  measured(
    Effect.gen(function* () {
      const { address } = yield* open({ metrics: false })
      yield* pool("db")
      const response = yield* Effect.promise(() => fetch(`${address}/metrics`))
      assert.strictEqual(response.status, 404)
      assert.deepStrictEqual(yield* Metric.snapshot, [])
    })
  )
)

it.live("a pool measures how long its tasks wait and run while a dashboard of its registry lives", () =>
  measured(
    Effect.gen(function* () {
      const db = yield* pool("db")
      const timing = Effect.flatMap(PoolRegistry.pools, ([entry]) =>
        entry?._tag === "Local" ? entry.timing : Effect.undefined
      )
      assert.isUndefined(yield* timing)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* open()
          yield* db.submit(Effect.void)
          assert.strictEqual((yield* timing)?.run.count, 1)
        })
      )
      assert.isUndefined(yield* timing)
    })
  )
)
