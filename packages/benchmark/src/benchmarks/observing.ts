/**
 * The cost of being observed: metrics that are attached, spans, and a scrape. Batches of tasks fit into the young
 * generation of the heap, because a major collection costs more than what is measured here.
 */
import {
  AioFixedTaskPoolSimple,
  PoolRegistry,
  type SubmitOptions,
  TaskPool,
  TaskPoolMetrics
} from "@aio-task-pool/core"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { PrometheusMetrics } from "effect/observability"
import * as Tracer from "effect/Tracer"
import type { Benchmark, Comparison, Side } from "../benchmark.ts"
import { timed } from "../clock.ts"
import { type Kind, limit, side, sync, tick, type Way, type Work } from "../work.ts"

const batch = 2_000

type Around = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** One caller per item, a batch of them at once. */
const callers =
  (
    layer: Layer.Layer<TaskPool>,
    around: Around = (effect) => effect,
    task: (work: Work) => Work["effect"] = ({ effect }) => effect,
    options?: SubmitOptions
  ): Way =>
  (work, items) =>
    Effect.forEach(Arr.chunksOf(items, batch), (items) =>
      Effect.forEach(items, () => TaskPool.submit(task(work), options), { concurrency: "unbounded", discard: true })
    ).pipe(Effect.provide(layer), around, Effect.runPromise)

const pool = AioFixedTaskPoolSimple.layer(limit)
const plain = callers(pool)
const observed = callers(Layer.provideMerge(pool, TaskPoolMetrics.layer))

const inSpan: Around = (effect) => Effect.withSpan(effect, "caller")
const traced = callers(pool, inSpan)
const wrapped = callers(AioFixedTaskPoolSimple.layer(limit, { spans: "none" }), inSpan, ({ effect }) =>
  Effect.withSpan(effect, "task")
)
const unsampled = Tracer.externalSpan({ spanId: "1", traceId: "2", sampled: false })
const unrecorded = callers(pool, (effect) => Effect.provideService(effect, Tracer.ParentSpan, unsampled))

const comparison = (peer: string, kind: Kind, tasks: number, ratio: number, ours: Way, theirs: Way): Comparison => ({
  peer,
  ours: side(kind, tasks, ours),
  theirs: side(kind, tasks, theirs),
  target: { ratio }
})

const names = Arr.makeBy(100, (index) => `pool ${index}`)
const scrapes = 20

/** The time of a scrape, divided by the number of its series. */
const scrapeOf = (registry: Metric.MetricRegistry): Side => {
  const context = Context.make(Metric.MetricRegistry, registry)
  return async (now) => {
    const took = await timed(now, async () => {
      for (let i = 0; i < scrapes; i++) PrometheusMetrics.formatUnsafe(context)
    })
    return took / scrapes / registry.size
  }
}

/** A scrape of 100 pools. */
const pooled: Side = async (now) => {
  const registry: Metric.MetricRegistry = new Map()
  const cost = Effect.gen(function* () {
    yield* Effect.forEach(names, (name) =>
      Effect.flatMap(AioFixedTaskPoolSimple.make({ name }), (pool) => pool.submit(Effect.void))
    )
    return yield* Effect.promise(() => scrapeOf(registry)(now))
  }).pipe(
    Effect.scoped,
    Effect.provide(TaskPoolMetrics.layer, { local: true }),
    Effect.provideService(Metric.MetricRegistry, registry),
    Effect.provideServiceEffect(PoolRegistry, PoolRegistry.make)
  )
  return Effect.runPromise(cost)
}

const boundaries = [
  0.001, 0.004, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 16.384, 65.536, 262.144
]

/** A scrape of as many series of Effect's own metrics, of the same kinds, with as many attributes. */
const own: Side = async (now) => {
  const like = new Map<string, any>()
  const copy: Metric.MetricRegistry = new Map()
  const context = Context.make(Metric.MetricRegistry, copy)
  await Effect.runPromise(
    Effect.gen(function* () {
      yield* Effect.forEach(names, (name) => AioFixedTaskPoolSimple.make({ name }))
      for (const { attributes, description, id, type } of like.values()) {
        const options = { attributes, description }
        if (type === "Gauge") Metric.gauge(id, options).updateUnsafe(1, context)
        else if (type === "Counter") Metric.counter(id, { ...options, incremental: true }).updateUnsafe(1, context)
        else Metric.histogram(id, { ...options, boundaries }).updateUnsafe(0.01, context)
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(TaskPoolMetrics.layer, { local: true }),
      Effect.provideService(Metric.MetricRegistry, like),
      Effect.provideServiceEffect(PoolRegistry, PoolRegistry.make)
    )
  )
  return scrapeOf(copy)(now)
}

export const observing: Benchmark = {
  name: "observing",
  title: "the work of submit in batches of 2,000, observed (ours) against not observed, or another way (theirs)",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 100_000
    const fewer = quick ? 10_000 : 50_000
    return [
      comparison("metrics attached against nothing, tick", tick, tasks, 1.05, observed, plain),
      comparison("metrics attached against nothing, sync", sync, tasks, 1.1, observed, plain),
      comparison("task spans against Effect.withSpan", tick, fewer, 0.5, traced, wrapped),
      comparison("an unrecorded span against none", tick, fewer, 1.05, unrecorded, plain),
      {
        peer: "a scrape of 100 pools against plain series, per series",
        ours: pooled,
        theirs: own,
        target: { ratio: 1.1 }
      }
    ]
  }
}
