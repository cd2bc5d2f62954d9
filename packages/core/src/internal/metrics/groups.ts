/** The pools of one name, whose numbers the metrics sum up. */
import type * as Metric from "effect/Metric"
import type { Counts } from "../pool/counts.ts"
import type { Histogram } from "../timing/histogram.ts"
import { mostReasons, otherReasons } from "../autoScale/decisionCounts.ts"
import type { DistributedPoolEntry } from "../../PoolRegistry.ts"
import { DistributedPool, type Fork } from "./distributed.ts"
import { gauges, type PoolMetric, type PoolsOfName, totals } from "./poolSeries.ts"
import { register, type SeriesRegistry } from "./registration.ts"
import { type MeasuredPool, numbersOf, Totals } from "./totals.ts"

type Decided = ReadonlyArray<{ readonly byReason: ReadonlyMap<string, number> }>

export class PoolGroup implements PoolsOfName {
  private readonly name: string
  private readonly registry: SeriesRegistry
  readonly open = new Set<MeasuredPool>()
  private readonly closed = new Totals()
  /** What pools that are hidden have left in `closed`. It goes when they are shown again. */
  private readonly left = new WeakMap<MeasuredPool, Totals>()
  private readonly remote = new Map<DistributedPoolEntry, DistributedPool>()
  /** Whether the name has or had a pool of this process. Distributed pools have gauges only. */
  private hasTotals = false
  /** Whether all open pools had limits at the last scrape. */
  private wasBounded: boolean | undefined = undefined
  /** The reasons that have a series. */
  private readonly named = new Set<string>()
  /** What removes each series, by its metric and the value of its attribute. */
  private readonly removals = new Map<PoolMetric, Map<string, () => void>>()

  constructor(name: string, registry: SeriesRegistry) {
    this.name = name
    this.registry = registry
  }

  add(pool: MeasuredPool): void {
    const left = this.left.get(pool)
    if (left !== undefined) this.closed.remove(left, otherReasons)
    this.left.delete(pool)
    this.open.add(pool)
    this.hasTotals = true
    this.refresh()
  }

  /** Removes a pool that is open and will not be shown any more, and keeps its totals. */
  hide(pool: MeasuredPool): void {
    const totals = new Totals()
    totals.add(numbersOf(pool))
    this.left.set(pool, totals)
    this.close(pool)
  }

  /** Removes a pool that has closed, and keeps its totals. */
  close(pool: MeasuredPool): void {
    if (!this.open.delete(pool)) return
    this.closed.add(numbersOf(pool))
    this.mergeUnnamedReasons()
    this.refresh()
  }

  addDistributed(entry: DistributedPoolEntry, fork: Fork): void {
    // The local pool that runs its tasks would be counted twice.
    if (entry.local?.name === entry.name) return
    if (!this.remote.has(entry)) this.remote.set(entry, new DistributedPool(entry, fork, () => this.refresh()))
    this.refresh()
  }

  closeDistributed(entry: DistributedPoolEntry): void {
    const pool = this.remote.get(entry)
    this.remote.delete(entry)
    this.refresh()
    // Last, because it interrupts user code.
    pool?.close()
  }

  /** Adds the series that apply now, and removes the gauges that do not. */
  refresh(): void {
    const isOpen = this.open.size > 0
    for (const metric of gauges) {
      const isWanted = isOpen && applies(metric, this)
      for (const value of valuesOf(metric, this)) {
        this.setSeries(metric, value, isWanted || this.isKnown(metric, value))
      }
    }
    if (!this.hasTotals) return
    for (const metric of totals) {
      if (applies(metric, this)) for (const value of valuesOf(metric, this)) this.setSeries(metric, value, true)
    }
  }

  /** Whether a distributed pool has a value, unless the pools of this process have no sum. */
  private isKnown(metric: PoolMetric, value: string): boolean {
    const { known } = metric
    if (known === undefined || this.remote.size === 0 || (this.open.size > 0 && !applies(metric, this))) return false
    for (const { stats } of this.remote.values()) if (known(stats, value) !== undefined) return true
    return false
  }

  private setSeries(metric: PoolMetric, value: string, isWanted: boolean): void {
    let removals = this.removals.get(metric)
    if (removals === undefined) this.removals.set(metric, (removals = new Map()))
    const remove = removals.get(value)
    if (isWanted === (remove !== undefined)) return
    if (remove !== undefined) {
      remove()
      removals.delete(value)
      return
    }
    const attributes = { task_pool_name: this.name, ...(metric.by && { [metric.by.attribute]: value }) }
    const read = metric.type === "Gauge" ? this.gaugeReader(metric, value) : () => metric.read(this, value)
    removals.set(value, register(this.registry, metric, attributes, read))
  }

  removeAll(): void {
    for (const removals of this.removals.values()) for (const remove of removals.values()) remove()
    this.removals.clear()
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  /**
   * Returns what a scrape calls. A series cannot leave itself out of the scrape that reads it. So if its sum has lost its
   * limit, it repeats its last value once, and the next scrape lacks it.
   */
  private gaugeReader(metric: PoolMetric, value: string): () => unknown {
    const read = (): Metric.GaugeState<number> => metric.read(this, value) as Metric.GaugeState<number>
    let last = read()
    return () => {
      // The first gauge exists while a pool of the name is open, so it stands for the scrape.
      if (metric === gauges[0]) this.noteScrape()
      const now = read()
      if (Number.isFinite(now.value)) last = now
      return last
    }
  }

  /** Pools are resized without notice. */
  private noteScrape(): void {
    for (const pool of this.remote.values()) pool.noteRead()
    let isBounded = true
    for (const { machine } of this.open) isBounded &&= Number.isFinite(machine.target)
    if (isBounded !== this.wasBounded) this.refresh()
    this.wasBounded = isBounded
  }

  get distributed(): Iterable<DistributedPool> {
    return this.remote.values()
  }

  count(of: (counts: Counts) => number): number {
    let count = of(this.closed.counts)
    for (const { machine } of this.open) count += of(machine.counts)
    return count
  }

  times(of: (times: { readonly queue: Histogram; readonly run: Histogram }) => Histogram): ReadonlyArray<Histogram> {
    const times = [of(this.closed)]
    for (const { machine } of this.open)
      if (machine.observers.timing !== undefined) times.push(of(machine.observers.timing))
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

/** The attribute's value of a metric that has no attribute besides the name. */
const noValue = [""]

const valuesOf = ({ by }: PoolMetric, group: PoolsOfName): Iterable<string> => by?.values(group) ?? noValue
