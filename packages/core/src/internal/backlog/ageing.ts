/**
 * Smallest weight first, with ageing: each `ageing` milliseconds of waiting count as one weight less.
 *
 * All entries age at the same speed, so their order never changes while they wait. It is the order of
 * weight x `ageing` + arrival. A task is overtaken only by tasks that arrive within `ageing` x (difference of weights)
 * after it. So each task has a reading of the clock of its own: a shared one (see `ages.ts`) may be as old as the event
 * loop has been blocked.
 */
import type { Weighted } from "./backlog.ts"
import { PriorityBacklog } from "./priority.ts"

export class AgeingBacklog<T extends Weighted<T>> extends PriorityBacklog<T> {
  private readonly ageing: number
  private readonly now: () => number
  /** The arrival of the entry in each slot. */
  private arrivals: Array<number> = []

  /** Both parameters are in milliseconds. `now` must never fall. */
  constructor(ageing: number, now: () => number) {
    super()
    this.ageing = ageing
    this.now = now
  }

  override insert(entry: T, sequence: number): void {
    this.age(entry, this.stamp(entry), sequence)
  }

  /** Changes the weight and keeps the arrival, so that the task keeps its age. */
  override reweigh(entry: T, weight: number, sequence = this.nextSequence()): void {
    if (entry.weight === weight) return
    const arrival = this.arrivals[entry.slot]!
    this.remove(entry)
    entry.weight = weight
    this.age(entry, arrival, sequence)
  }

  /** Returns when the entry first arrived. Stores the present time if it arrives now. */
  stamp(entry: T): number {
    const { extra } = entry
    return extra === undefined ? this.now() : (extra.ownRest.arrival ??= this.now())
  }

  protected override keyOf(entry: T): number {
    return entry.weight * this.ageing + (entry.extra?.rest?.arrival ?? this.now())
  }

  protected override rebuild(): void {
    const { arrivals } = this
    this.arrivals = this.liveSlots().map((slot) => arrivals[slot]!)
    super.rebuild()
  }

  private age(entry: T, arrival: number, sequence: number): void {
    this.put(entry, entry.weight * this.ageing + arrival, sequence)
    this.arrivals[entry.slot] = arrival
  }
}
