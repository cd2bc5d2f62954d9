/** The pools of one name, whose numbers the metrics sum up. */
import type { Counts } from "../pool/counts.ts"
import type { Histogram } from "../timing/histogram.ts"
import { mostReasons, otherReasons } from "../autoScale/decisionCounts.ts"
import { gauges, type PoolMetric, type PoolsOfName, totals } from "./poolSeries.ts"
import { register, type SeriesRegistry } from "./registration.ts"
import { type MeasuredPool, Totals } from "./totals.ts"

type Decided = ReadonlyArray<{ readonly byReason: ReadonlyMap<string, number> }>

export class PoolGroup implements PoolsOfName {
  private readonly name: string
  private readonly registry: SeriesRegistry
  readonly open = new Set<MeasuredPool>()
  private readonly closed = new Totals()
  /** The reasons that have a series. */
  private readonly named = new Set<string>()
  /** What removes each series, by its metric and the value of its attribute. */
  private readonly removals = new Map<PoolMetric, Map<string, () => void>>()

  constructor(name: string, registry: SeriesRegistry) {
    this.name = name
    this.registry = registry
  }

  add(pool: MeasuredPool): void {
    this.open.add(pool)
    this.refresh()
  }

  /** Removes a pool that has closed, and keeps its totals. */
  close(pool: MeasuredPool): void {
    if (!this.open.delete(pool)) return
    this.closed.add(pool)
    this.mergeUnnamedReasons()
    this.refresh()
  }

  /** Adds the series that apply now, and removes the gauges that do not. */
  refresh(): void {
    const isOpen = this.open.size > 0
    for (const metric of gauges) this.setSeries(metric, isOpen && applies(metric, this))
    for (const metric of totals) if (applies(metric, this)) this.setSeries(metric, true)
  }

  private setSeries(metric: PoolMetric, isWanted: boolean): void {
    if (!isWanted) return this.removeSeries(metric)
    let removals = this.removals.get(metric)
    if (removals === undefined) this.removals.set(metric, (removals = new Map()))
    for (const value of metric.by?.values(this) ?? [""]) {
      if (removals.has(value)) continue
      const attributes = { task_pool_name: this.name, ...(metric.by && { [metric.by.attribute]: value }) }
      removals.set(
        value,
        register(this.registry, metric, attributes, () => metric.read(this, value))
      )
    }
  }

  private removeSeries(metric: PoolMetric): void {
    const removals = this.removals.get(metric)
    if (removals === undefined) return
    for (const remove of removals.values()) remove()
    this.removals.delete(metric)
  }

  removeAll(): void {
    for (const metric of Array.from(this.removals.keys())) this.removeSeries(metric)
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  count(of: (counts: Counts) => number): number {
    let count = of(this.closed.counts)
    for (const { machine } of this.open) count += of(machine.counts)
    return count
  }

  times(of: (times: { readonly queue: Histogram; readonly run: Histogram }) => Histogram): ReadonlyArray<Histogram> {
    const times = [of(this.closed)]
    for (const { machine } of this.open) if (machine.timing !== undefined) times.push(of(machine.timing))
    return times
  }

  /** The pools of a name may give more reasons than one pool. Those beyond the first 48 share a series. */
  get reasons(): Iterable<string> {
    for (const { byReason } of this.decided) {
      for (const reason of byReason.keys()) {
        if (!this.named.has(reason)) this.named.add(this.named.size < mostReasons ? reason : otherReasons)
      }
    }
    return this.named
  }

  /** Otherwise each closed pool could leave further reasons behind. */
  private mergeUnnamedReasons(): void {
    const { decisions } = this.closed
    const other = this.decisionCount(otherReasons, [{ byReason: decisions }])
    for (const reason of decisions.keys()) if (!this.named.has(reason)) decisions.delete(reason)
    if (other > 0) decisions.set(otherReasons, other)
  }

  decisionCount(reason: string, decided: Decided = this.decided): number {
    let count = 0
    for (const { byReason } of decided) {
      if (reason !== otherReasons) count += byReason.get(reason) ?? 0
      else for (const [each, times] of byReason) if (each === otherReasons || !this.named.has(each)) count += times
    }
    return count
  }

  /** The decisions of the closed pools and of each open one. */
  private get decided(): Decided {
    const open = Array.from(this.open).flatMap(({ decisions }) => decisions ?? [])
    return [{ byReason: this.closed.decisions }, ...open]
  }

  get overloads(): number {
    let { overloads } = this.closed
    for (const { decisions } of this.open) overloads += decisions?.overloads ?? 0
    return overloads
  }
}

const applies = (metric: PoolMetric, group: PoolsOfName): boolean => metric.applies?.(group) ?? true
