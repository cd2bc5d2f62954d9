/**
 * The metrics of pools and executors, for every exporter of Effect: Prometheus, OTLP, or your own.
 *
 * **Example** (Reading the metrics of a program)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple, TaskPool, TaskPoolMetrics } from "@aio-task-pool/core"
 * import { Effect, Layer, Metric } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* TaskPool.submit(Effect.sleep(20))
 *   const submitted = (yield* Metric.snapshot).find(({ id }) => id === "task_pool_submitted_tasks_total")
 *   return submitted?.state
 * })
 *
 * const layer = Layer.provideMerge(AioFixedTaskPoolSimple.layer(3, { name: "mail" }), TaskPoolMetrics.layer)
 * await Effect.runPromise(Effect.provide(program, layer)) // => { count: 1, incremental: true }
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import { lasting } from "./internal/context.ts"
import { collect } from "./internal/metrics/collector.ts"
import { registryOf } from "./internal/registry.ts"

/**
 * Shows the pools and executors of the present `PoolRegistry` as metrics of the present `Metric.MetricRegistry`, and lets
 * the pools measure how long their tasks wait and run.
 *
 * **When to use**
 *
 * Provide it once, outside the pools, beside the exporter.
 *
 * **Details**
 *
 * The pools of one name are one series. Closed pools leave their totals, so counters never fall. At most 200 names have
 * series of their own, and `_other` stands for the rest. Tasks cost no more than the timing: series are read when metrics
 * are collected.
 *
 * Distributed pools have gauges only. Their brokers are asked every five seconds beside the scrapes, from the start of
 * the pool until five minutes after the last scrape. If a broker does not answer, the gauges are missing, apart from
 * `task_pool_open_pools`. None shows a value that is older than ten seconds.
 *
 * Guide: docs/observability.md
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.withFiber(({ context }) => {
      // The logger is user code, so it runs after the present step.
      const log = (cause: unknown) =>
        Effect.logError("the registry of metrics threw, and series are wrong", Cause.die(cause))
      // The fibers live as long as the layer, so they are no part of the span in which it is built.
      const fork = Effect.runForkWith(Context.omit(Tracer.ParentSpan)(lasting(context)))
      const onDefect = (defect: unknown) => void fork(Effect.andThen(Effect.yieldNow, log(defect)))
      const metrics = Context.get(context, Metric.MetricRegistry)
      return Effect.sync(() => collect(metrics, registryOf(context), fork, onDefect))
    }),
    Effect.sync
  )
)
