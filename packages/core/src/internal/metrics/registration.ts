/**
 * Series whose values are read when metrics are collected: pulled, not pushed.
 *
 * They are entries of Effect's `MetricRegistry`, as `Metric.registerUnsafe` makes them. That function is not stable, and
 * its series would also take the attributes of the context.
 */
import type * as Metric from "effect/Metric"

/** The names and values of a series' attributes. */
export type Attributes = Readonly<Record<string, string>>

/** A metric: what all its series have in common. */
export interface MetricInfo {
  readonly id: string
  readonly type: "Counter" | "Gauge" | "Histogram"
  readonly description: string
  /** In the words of UCUM. A writer of OTLP takes it from an attribute, and the one for Prometheus drops it. */
  readonly unit: string
}

/** Where series are added and removed. Neither throws. */
export interface SeriesRegistry {
  add(key: string, series: Series): void
  remove(key: string, series: Series): void
}

type Series = Parameters<Metric.MetricRegistry["set"]>[1]

/**
 * Guards a registry, which is user code: what it throws must not keep a pool from opening, scaling and closing.
 * `onDefect` gets the first error only, because a broken registry would throw for each series of each pool.
 */
export const guarded = (registry: Metric.MetricRegistry, onDefect: (defect: unknown) => void): SeriesRegistry => {
  let failed = false
  const guard = (f: () => void): void => {
    try {
      f()
    } catch (defect) {
      if (!failed) onDefect(defect)
      failed = true
    }
  }
  return {
    add: (key, series) => guard(() => registry.set(key, series)),
    remove: (key, series) =>
      guard(() => {
        if (registry.get(key) === series) registry.delete(key)
      })
  }
}

/** Adds a series, and returns the function that removes it. */
export const register = (
  registry: SeriesRegistry,
  { description, id, type, unit }: MetricInfo,
  attributes: Attributes,
  read: () => unknown
): (() => void) => {
  const key = `@aio-task-pool/core/${id}/${JSON.stringify(attributes)}`
  const series = {
    id,
    type,
    description,
    attributes: { ...attributes, unit },
    hooks: { get: read, update: ignore, modify: ignore }
  }
  registry.add(key, series)
  return () => registry.remove(key, series)
}

const ignore = (): void => {}
