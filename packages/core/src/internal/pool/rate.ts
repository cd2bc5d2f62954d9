/**
 * The rates of a pool: an exact log of the starts in each sliding window.
 *
 * Pure: callers pass the time, in milliseconds of a clock that never falls. A start at t counts in [t, t + window), in
 * real numbers. Rounding must not shorten a window: `now - t` may round up, and `t + window` may round down.
 *
 * A *token* is one unit of cost. Tokens are summed with their rounding errors, so that sums do not drift in a pool that
 * is never idle. The limit has a relative tolerance of 2^-51 for costs such as 0.1, which are rounded before they
 * arrive here: ten of them fit into 1. Integers below 2^51 are unaffected by the tolerance.
 */
import * as Duration from "effect/Duration"
import type { Cost, Rate } from "../../Rate.ts"
import { checkDuration, checkKnown, handlePromise, refuse, show } from "../arguments.ts"

/** A rate whose values are checked. */
export interface CheckedRate {
  readonly limit: number
  /** In milliseconds. */
  readonly window: number
  readonly unit: string | undefined
}

/** A reading of a clock that several starts share. */
export interface SharedReading {
  /** A time at which all of these starts were over, in milliseconds; `Infinity` while others may still share it. */
  readonly until: number
}

/** The cost of a start: one number per rate. */
export type Costs = ReadonlyArray<number>

/** Checks one rate or several. Reads each property once, because a getter is user code. */
export const checkRate = (where: string, rate: Rate | ReadonlyArray<Rate>): ReadonlyArray<CheckedRate> => {
  if (!Array.isArray(rate)) return [checkOneRate(where, "rate", rate as Rate)]
  if (rate.length === 0) return refuse(where, "rate", "a Rate or a non-empty array of them", rate)
  return Array.from(rate, (one: Rate, index) => checkOneRate(where, `rate[${index}]`, one))
}

const checkOneRate = (where: string, what: string, rate: Rate): CheckedRate => {
  if (typeof rate !== "object" || rate === null) return refuse(where, what, "an object", rate)
  const { limit, unit, window } = checkKnown(`${where}: ${what}`, rate, ["limit", "window", "unit"])
  if (!Number.isFinite(limit) || limit <= 0) refuse(where, `${what}.limit`, "a finite number > 0", limit)
  const millis = Duration.toMillis(checkDuration(where, `${what}.window`, window, "> 0"))
  if (millis === Infinity) refuse(where, `${what}.window`, "a finite Duration", window)
  if (unit !== undefined && (typeof unit !== "string" || unit === "")) {
    refuse(where, `${what}.unit`, "a non-empty string", unit)
  }
  return { limit, window: millis, unit }
}

/** Returns the cost of a task for each rate. Throws for a unit that no rate has, even if there is no rate. */
export const checkCost = (where: string, rates: ReadonlyArray<CheckedRate>, cost: Cost | undefined): Costs => {
  if (rates.length !== 1 || rates[0]!.unit !== undefined || !Number.isFinite(cost) || (cost as number) < 0) {
    return costsOf(where, rates, cost, 1, 0)
  }
  // The usual case, for each task with a cost. Tasks with the same cost share one array.
  return lastCosts[0] === cost ? lastCosts : (lastCosts = [cost as number])
}

let lastCosts: Costs = []

/** Like `checkCost`, for a correction: numbers of either sign. A rate that it does not name is not changed. */
export const checkCostChange = (where: string, rates: ReadonlyArray<CheckedRate>, change: Cost): Costs =>
  costsOf(where, rates, change, 0, -Infinity)

const costsOf = (
  where: string,
  rates: ReadonlyArray<CheckedRate>,
  cost: Cost | undefined,
  byDefault: number,
  least: number
): Costs => {
  const rule = least === 0 ? "a finite number >= 0" : "a finite number"
  const isValid = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= least
  if (isValid(cost)) return rates.map(({ unit }) => (unit === undefined ? cost : 0))
  const costs = rates.map(({ unit }) => (unit === undefined ? byDefault : 0))
  if (cost === undefined) return costs
  if (typeof cost !== "object" || cost === null || Array.isArray(cost) || handlePromise(cost)) {
    return refuse(where, "cost", `${rule}, or an object of them`, cost)
  }
  for (const unit of Object.keys(cost)) {
    const value = cost[unit]
    if (value === undefined) continue
    let known = false
    for (let index = 0; index < rates.length; index++) {
      if (rates[index]!.unit !== unit) continue
      costs[index] = isValid(value) ? value : refuse(where, `cost.${unit}`, rule, value)
      known = true
    }
    if (!known) {
      const units = new Set(rates.flatMap((rate) => (rate.unit === undefined ? [] : [rate.unit])))
      throw new RangeError(`${where}: unknown unit ${show(unit)} (known: ${[...units].join(", ") || "none"})`)
    }
  }
  return costs
}

/**
 * Computes when the next start is allowed, under several rates at once. A start is allowed if its cost and the tokens in
 * the window are at most the limit, for each rate. So a start of cost 0 also waits if a correction has pushed the window
 * above the limit.
 */
export class RateGate {
  readonly defaultCosts: Costs
  /** Whether starts may share readings of the clock. The few milliseconds of a reading must not matter in any window. */
  readonly mayShare: boolean
  /** The time of the last start, for `adjust`. */
  lastStart = -Infinity
  private readonly logs: ReadonlyArray<Log>
  /** The costs that were not too large when this was last asked. */
  private possibleCosts: Costs | undefined = undefined
  /** The costs of the last start, and its reading if others may share it. */
  private batchCosts: Costs | undefined = undefined
  private batchReading: SharedReading | undefined = undefined
  /** The starts after it with the same costs and reading, which the logs do not have yet, and how many of them fit. */
  private batched = 0
  private room = 0

  constructor(rates: ReadonlyArray<CheckedRate>) {
    this.defaultCosts = checkCost("RateGate", rates, undefined)
    this.mayShare = rates.every(({ window }) => window >= minSharedWindow)
    this.logs = rates.map(({ limit, window }) => new Log(limit, window))
  }

  /** Returns whether a cost is above its limit, so that the start is never allowed. */
  isTooLarge(costs: Costs): boolean {
    if (costs === this.possibleCosts) return false
    for (let index = 0; index < this.logs.length; index++) if (costs[index]! > this.logs[index]!.most) return true
    this.possibleCosts = costs
    return false
  }

  /**
   * Returns whether a start of these costs is allowed even if no entry has left the window. Reads no clock: that is
   * slow.
   */
  isAllowed(costs: Costs): boolean {
    if (costs === this.batchCosts && this.batched < this.room) return true
    this.endBatch()
    for (let index = 0; index < this.logs.length; index++) {
      if (this.logs[index]!.whenFits(costs[index]!) > -Infinity) return false
    }
    return true
  }

  /**
   * Returns the milliseconds until a start of these costs is allowed, if no other task starts: 0 if it is allowed now,
   * `Infinity` if never. The rounded sum of `now` and the result is not too early.
   * Drops entries that have left the window.
   */
  untilStart(costs: Costs, now: number): number {
    this.endBatch()
    let at = now
    for (let index = 0; index < this.logs.length; index++) {
      const log = this.logs[index]!
      log.dropExpired(now)
      at = Math.max(at, log.whenFits(costs[index]!))
    }
    let wait = at - now
    while (now + wait < at) wait = above(wait)
    return wait
  }

  /**
   * Counts the tokens of a start, which must be allowed. Drops entries that have left the window. `reading` is given if
   * other starts share the reading `now`. Its end must be known before a call of another method than `isAllowed`.
   */
  start(costs: Costs, now: number, reading?: SharedReading): void {
    if (costs === this.batchCosts && reading === this.batchReading && this.batched < this.room) this.batched++
    else this.startFirst(costs, now, reading)
  }

  private startFirst(costs: Costs, now: number, reading: SharedReading | undefined): void {
    this.endBatch()
    this.lastStart = reading === undefined ? now : now + sharedStep
    for (let index = 0; index < this.logs.length; index++) {
      this.logs[index]!.start(now, this.lastStart, costs[index]!, reading)
    }
    if (reading === undefined) return
    this.batchCosts = costs
    this.batchReading = reading
    this.room = this.logs.reduce((least, log, index) => Math.min(least, log.roomFor(costs[index]!)), mostBatched) | 0
  }

  /** Lets the logs count the starts of a batch. */
  private endBatch(): void {
    const { batchCosts, batched } = this
    if (batched > 0) this.logs.forEach((log, index) => log.startAgain(batchCosts![index]!, batched))
    this.batched = this.room = 0
  }

  /**
   * Changes the costs of the start at a time, to at least 0. Returns the new ones. Does nothing for a rate whose window
   * the start has left.
   */
  adjust(start: number, costs: Costs, changes: Costs, now: number): Costs {
    this.endBatch()
    return costs.map((cost, index) => {
      const change = changes[index]!
      return change === 0 ? cost : this.logs[index]!.adjust(start, cost, change, now)
    })
  }
}

/** The shortest window in which starts may share readings of the clock, in milliseconds. */
const minSharedWindow = 1000

/**
 * How much later than their reading starts that share it count, in milliseconds. The previous reading ends when this one
 * begins. Without the step both would have one entry, which would last as long as starts follow each other.
 */
const sharedStep = 2 ** -10

/** The most starts after the first one of a batch. */
const mostBatched = 1024

/** The smallest number of entries that a log has memory for, and keeps before it merges entries: a power of two. */
const minEntries = 16

/**
 * The starts in the window of one rate, oldest first, in a ring. Starts at the same time share an entry. Starts of cost
 * 0 have entries too, because a correction may follow.
 *
 * The log keeps at most about `limit` entries. When all are in use, empty entries are dropped and neighbors merge into
 * the later one, which can only delay a start. A merged entry has at most `4 * limit / maxEntries` tokens, and any two
 * neighbors have more. So at most about half of the entries remain, and a start costs O(1), amortized.
 */
class Log {
  /** The limit and its tolerance. */
  readonly most: number
  private readonly limit: number
  private readonly window: number
  private readonly maxEntries: number
  /** When each entry leaves the window. */
  private ends = new Float64Array(minEntries)
  /** The tokens of each entry, and the sum of their rounding errors. */
  private tokens = new Float64Array(minEntries)
  private errors = new Float64Array(minEntries)
  private head = 0
  private length = 0
  /** The tokens in the window, and the sum of their rounding errors. */
  private used = 0
  private error = 0
  /**
   * The last result of `whenFits`, valid until a start or a correction. Each flush asks for the same head of the queue.
   */
  private knownCost = NaN
  private knownTime = 0
  /** The shared reading of the starts in the last entry. They may have come until its end, which is not known yet. */
  private reading: SharedReading | undefined = undefined

  constructor(limit: number, window: number) {
    this.limit = limit
    this.window = window
    this.most = Math.min(limit * (1 + 2 ** -51), Number.MAX_VALUE)
    this.maxEntries = Math.max(minEntries, Math.ceil(limit))
  }

  /** Drops the entries that have left the window, and releases the memory that a burst took. */
  dropExpired(now: number): void {
    if (this.reading !== undefined) this.endReading(this.reading)
    while (this.length > 0 && this.ends[this.head]! <= now) {
      this.count(-this.tokens[this.head]!)
      this.count(-this.errors[this.head]!)
      this.head = this.at(1)
      this.length--
    }
    if (this.length === 0) this.used = this.error = 0
    if (4 * this.length < this.ends.length && this.ends.length > minEntries) this.shrink()
  }

  /** Returns the time from which a cost fits, if no other task starts: `-Infinity` if it fits now. */
  whenFits(cost: number): number {
    if (this.used + this.error + cost <= this.most) return -Infinity
    if (cost !== this.knownCost) {
      this.knownTime = this.findFit(cost)
      this.knownCost = cost
    }
    return this.knownTime
  }

  /** Sums in the same order as `dropExpired`, so that both agree to the last bit. */
  private findFit(cost: number): number {
    let { error, used } = this
    let index = -1
    while (used + error + cost > this.most) {
      if (++index === this.length) return cost <= this.most ? this.ends[this.at(index - 1)]! : Infinity
      const tokens = -this.tokens[this.at(index)]!
      const errors = -this.errors[this.at(index)]!
      error += roundingError(used, tokens)
      used += tokens
      error += roundingError(used, errors)
      used += errors
    }
    return this.ends[this.at(index)]!
  }

  start(now: number, at: number, cost: number, reading: SharedReading | undefined): void {
    if (reading !== undefined && reading === this.reading) return this.addTo(this.length - 1, cost)
    this.dropExpired(now)
    this.add(sumAbove(at, this.window), cost)
    this.reading = reading
  }

  /** Counts more starts with the reading of the last one. */
  startAgain(cost: number, times: number): void {
    const sum = cost * times
    // A sum of integers is exact.
    if (Number.isInteger(cost) && Number.isSafeInteger(sum)) this.addTo(this.length - 1, sum)
    else for (let time = 0; time < times; time++) this.addTo(this.length - 1, cost)
  }

  /** Returns how many starts of a cost surely fit now, whatever is rounded. Not a number if none does. */
  roomFor(cost: number): number {
    return Math.floor((this.most - this.used - this.error) / cost) - 1
  }

  /** Lets the last entry leave the window when the last start that shares its reading does. */
  private endReading({ until }: SharedReading): void {
    this.reading = undefined
    const last = this.at(this.length - 1)
    this.ends[last] = Math.max(this.ends[last]!, sumAbove(until, this.window))
    this.knownCost = NaN
  }

  /** Changes the cost of a start, and returns the new cost. */
  adjust(start: number, cost: number, change: number, now: number): number {
    if (this.reading !== undefined) this.endReading(this.reading)
    const end = sumAbove(start, this.window)
    if (end <= now) return cost
    // A number far above the limit would lose the sum's last digits, or make the sum infinite.
    const changed = Math.max(0, Math.min(cost + change, 2 ** 52 * this.limit))
    if (changed !== cost) {
      this.add(end, changed)
      this.add(end, -cost)
    }
    return changed
  }

  /**
   * Adds tokens to the first entry that ends at a time or later. That is the entry of the start, unless its entry was
   * dropped because it had no tokens.
   */
  private add(end: number, tokens: number): void {
    this.addTo(this.indexOf(end), tokens)
  }

  private addTo(index: number, tokens: number): void {
    const at = this.at(index)
    this.errors[at]! += roundingError(this.tokens[at]!, tokens)
    this.tokens[at]! += tokens
    this.count(tokens)
    this.knownCost = NaN
  }

  private count(tokens: number): void {
    this.error += roundingError(this.used, tokens)
    this.used += tokens
  }

  /** Returns the index of the first entry that ends at a time or later. Adds an entry if there is none. */
  private indexOf(end: number): number {
    if (this.length === 0 || this.ends[this.at(this.length - 1)]! < end) return this.push(end)
    let low = 0
    let high = this.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ends[this.at(middle)]! < end) low = middle + 1
      else high = middle
    }
    return low
  }

  private push(end: number): number {
    if (this.length >= this.maxEntries) this.merge()
    if (this.length === this.ends.length) this.reserve(2 * this.length)
    const at = this.at(this.length)
    this.ends[at] = end
    this.tokens[at] = this.errors[at] = 0
    return this.length++
  }

  private merge(): void {
    const { ends, errors, tokens } = this
    const tokensOf = (at: number): number => tokens[at]! + errors[at]!
    let taken = 0
    for (let index = 0; index < this.length; index++) if (tokensOf(this.at(index)) > 0) taken++
    const largest = 2 * taken > this.maxEntries ? (4 * Math.max(this.limit, this.used)) / this.maxEntries : 0
    let kept = 0
    for (let index = 0; index < this.length; index++) {
      const at = this.at(index)
      if (tokensOf(at) <= 0) continue
      const last = this.at(kept - 1)
      if (kept > 0 && tokensOf(last) + tokensOf(at) <= largest) {
        ends[last] = ends[at]!
        errors[last]! += errors[at]! + roundingError(tokens[last]!, tokens[at]!)
        tokens[last]! += tokens[at]!
      } else {
        const to = this.at(kept++)
        ends[to] = ends[at]!
        tokens[to] = tokens[at]!
        errors[to] = errors[at]!
      }
    }
    this.length = kept
  }

  private shrink(): void {
    let capacity = this.ends.length
    while (capacity > minEntries && 2 * this.length < capacity / 2) capacity /= 2
    this.reserve(capacity)
  }

  private reserve(capacity: number): void {
    const copy = (values: Float64Array) => {
      const copied = new Float64Array(capacity)
      for (let index = 0; index < this.length; index++) copied[index] = values[this.at(index)]!
      return copied
    }
    const [ends, tokens, errors] = [copy(this.ends), copy(this.tokens), copy(this.errors)]
    this.ends = ends
    this.tokens = tokens
    this.errors = errors
    this.head = 0
  }

  private at(index: number): number {
    return (this.head + index) & (this.ends.length - 1)
  }
}

/** Returns the exact difference between the sum of two numbers and their rounded sum (D. E. Knuth's TwoSum). */
const roundingError = (a: number, b: number): number => {
  const sum = a + b
  const rest = sum - a
  return a - (sum - rest) + (b - rest)
}

/** Returns the next number above a positive one. */
const above = (value: number): number => value + value * (2 ** -53 * (1 + 2 ** -52))

/** Returns the sum of two numbers, rounded up. */
const sumAbove = (a: number, b: number): number => (roundingError(a, b) > 0 ? above(a + b) : a + b)
