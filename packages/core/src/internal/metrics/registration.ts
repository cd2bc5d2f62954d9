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

/** Adds a series, and returns the function that removes it. */
export const register = (
  registry: Metric.MetricRegistry,
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
  registry.set(key, series)
  return () => {
    if (registry.get(key) === series) registry.delete(key)
  }
}

const ignore = (): void => {}
