// While every operation of a pool races every other one, the metrics say what `stats` say, and spans end once.
import { PoolRegistry, TaskPool, TaskPoolMetrics, type TaskPoolService } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import { randomSteps, type Scenario, taskPoolScenarios } from "../../src/index.ts"
import { differenceOf, seriesOf } from "../../src/internal/metrics.ts"
import { KeptSpans } from "../../src/internal/spans.ts"
import { layerOf } from "../laws/pools.ts"

/** What watches the pool of the present run. */
class Watch {
  readonly spans = new KeptSpans()
  readonly metrics: Metric.MetricRegistry = new Map()
  pool: TaskPoolService | undefined = undefined

  check(): void {
    const { metrics, pool } = this
    if (pool === undefined || metrics.size === 0) return
    const stats = Effect.runSync(pool.stats)
    const difference = differenceOf(seriesOf(metrics, pool.name), stats)
    if (difference !== undefined) throw new Error(difference)
  }

  /** Runs an effect under a recorded span. */
  trace<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return effect.pipe(
      Effect.withSpan("caller"),
      Effect.withTracer(this.spans.tracer),
      Effect.provideService(Tracer.DisablePropagation, false)
    )
  }
}

/** The number of checked steps and of spans, so that the test cannot pass without them. */
const seen = { steps: 0, spans: 0, series: 0 }

const watched = (layer: keyof typeof layerOf): ReadonlyArray<Scenario<unknown>> => {
  let watch = new Watch()
  const scenarios = taskPoolScenarios((options) =>
    Layer.unwrap(
      Effect.map(PoolRegistry.make, (registry) => {
        const { metrics } = watch
        const noting = Layer.effectDiscard(Effect.map(TaskPool, (pool) => void (watch.pool = pool)))
        const pool = layerOf[layer]({ minSize: 0, maxSize: 3, ...options })
        return Layer.provideMerge(noting, pool).pipe(
          Layer.provideMerge(TaskPoolMetrics.layer),
          Layer.provide(Layer.succeed(Metric.MetricRegistry, metrics)),
          Layer.provide(Layer.succeed(PoolRegistry, registry))
        )
      })
    )
  ) as unknown as ReadonlyArray<Scenario<unknown>>
  return scenarios.map((scenario) => ({
    ...scenario,
    setup: (clock) =>
      Effect.suspend(() => {
        watch = new Watch()
        return scenario.setup(clock)
      }),
    subject: (world) => watch.trace(scenario.subject(world)),
    actors: Object.fromEntries(
      Object.entries(scenario.actors ?? {}).map(([name, actor]) => [
        name,
        (world: unknown) => watch.trace(actor(world))
      ])
    ),
    watch: (world) => {
      scenario.watch?.(world)
      watch.check()
      seen.steps++
      seen.series = Math.max(seen.series, watch.metrics.size)
    },
    closed: (world) => {
      scenario.closed?.(world)
      const { brokenRule, tasks } = watch.spans
      if (brokenRule !== undefined) throw new Error(brokenRule)
      if (watch.metrics.size > 0) throw new Error("a series is left when the layer has closed")
      seen.spans += tasks.length
    }
  }))
}

/** Registers this number of random interleavings on each pool, watched. */
export const observedSteps = (runs: number): void => {
  describe("a pool that is watched", () => {
    for (const layer of Object.keys(layerOf) as ReadonlyArray<keyof typeof layerOf>) {
      it.effect(`has metrics that equal its statistics after every step, and spans that end once: ${layer}`, () =>
        Effect.gen(function* () {
          Object.assign(seen, { steps: 0, spans: 0, series: 0 })
          yield* randomSteps(watched(layer), { seed: 14, runs })
          assert.isAbove(seen.steps, 8 * runs)
          assert.isAbove(seen.spans, runs / 2)
          assert.isAbove(seen.series, 25)
        })
      )
    }
  })
}
