/**
 * The metrics of the pools and executors of a program, as series of one `MetricRegistry`.
 *
 * Nothing is pushed: a series is read when metrics are collected, so tasks cost nothing. The pools of one name are one
 * series, so pools that live shorter than the time between two collections count too. At most 200 names have series of
 * their own. Distributed pools have gauges only, of what their broker last answered.
 */
import type * as Metric from "effect/Metric"
import type { DistributedPoolEntry } from "../../PoolRegistry.ts"
import type { Registered, RegisteredExecutor, Registry, RegistryObserver } from "../registry.ts"
import type { Fork } from "./distributed.ts"
import { ExecutorGroup } from "./executorSeries.ts"
import { PoolGroup } from "./groups.ts"
import { guarded, type SeriesRegistry } from "./registration.ts"
import type { MeasuredPool } from "./totals.ts"

const mostNames = 200
const otherNames = "_other"

/** The groups by name, of which those beyond the first 200 share one. */
class Groups<A extends { removeAll(): void }> {
  private readonly byName = new Map<string, A>()
  private readonly make: (name: string) => A

  constructor(make: (name: string) => A) {
    this.make = make
  }

  of(name: string): A {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    if (name !== otherNames && this.byName.size - (this.byName.has(otherNames) ? 1 : 0) >= mostNames) {
      return this.of(otherNames)
    }
    const group = this.make(name)
    this.byName.set(name, group)
    return group
  }

  removeAll(): void {
    for (const group of this.byName.values()) group.removeAll()
    this.byName.clear()
  }
}

class Collector implements RegistryObserver {
  private readonly pools: Groups<PoolGroup>
  private readonly executors: Groups<ExecutorGroup>
  /** The registries whose pools are shown, each with the number of layers that show it. */
  private readonly shown = new Map<Registry, { layers: number; readonly hide: () => void }>()
  private readonly fork: Fork

  constructor(metrics: SeriesRegistry, fork: Fork) {
    this.fork = fork
    this.pools = new Groups((name) => new PoolGroup(name, metrics))
    this.executors = new Groups((name) => new ExecutorGroup(name, metrics))
  }

  opened({ entry, source }: Registered): void {
    const group = this.pools.of(entry.name)
    if (source !== undefined) group.add(source as MeasuredPool)
    else group.addDistributed(entry as DistributedPoolEntry, this.fork)
  }

  closed({ entry, source }: Registered): void {
    const group = this.pools.of(entry.name)
    if (source !== undefined) group.close(source as MeasuredPool)
    else group.closeDistributed(entry as DistributedPoolEntry)
  }

  reasonAdded({ entry }: Registered): void {
    this.pools.of(entry.name).refresh()
  }

  executorOpened(executor: RegisteredExecutor): void {
    this.executors.of(executor.name).add(executor)
  }

  executorClosed(executor: RegisteredExecutor): void {
    this.executors.of(executor.name).close(executor)
  }

  /** Shows the pools of a registry, and lets them measure. */
  show(registry: Registry): void {
    const shown = this.shown.get(registry)
    if (shown !== undefined) return void shown.layers++
    const endMeasuring = registry.measure()
    const endObserving = registry.observe(this)
    const hide = (): void => {
      endObserving()
      endMeasuring()
    }
    this.shown.set(registry, { layers: 1, hide })
  }

  /** Ends what `show` began. Returns whether nothing is shown now, and all series are gone. */
  hide(registry: Registry): boolean {
    const shown = this.shown.get(registry)!
    if (--shown.layers > 0) return false
    this.shown.delete(registry)
    shown.hide()
    // Another registry with the same metrics keeps the totals.
    for (const { entry, source } of Array.from(registry.registered)) {
      const group = this.pools.of(entry.name)
      if (source !== undefined) group.hide(source as MeasuredPool)
      else group.closeDistributed(entry as DistributedPoolEntry)
    }
    for (const executor of Array.from(registry.registeredExecutors)) this.executorClosed(executor)
    if (this.shown.size > 0) return false
    this.pools.removeAll()
    this.executors.removeAll()
    return true
  }
}

/** Each registry of metrics has one collector, so that two layers do not show a series twice. */
const collectors = new WeakMap<Metric.MetricRegistry, Collector>()

/**
 * Shows the pools of a registry as metrics, until the returned function is called. `fork` starts the fibers that ask
 * distributed pools. `onDefect` gets the first error of the metrics' own code.
 */
export const collect = (
  metrics: Metric.MetricRegistry,
  registry: Registry,
  fork: Fork,
  onDefect: (defect: unknown) => void
): (() => void) => {
  let collector = collectors.get(metrics)
  if (collector === undefined) collectors.set(metrics, (collector = new Collector(guarded(metrics, onDefect), fork)))
  const shower = collector
  shower.show(registry)
  return () => {
    if (shower.hide(registry)) collectors.delete(metrics)
  }
}
