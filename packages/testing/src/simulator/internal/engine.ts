/**
 * The event loop of the simulator: pools in front of one server, from one event to the next.
 *
 * An event is one of: a task ends, a rejection returns, a task tries again, a client times out, a task arrives, the
 * server changes, a window may end, a pause ends, a pool decides by demand, a second ends. Only the ends and the further
 * attempts need a heap, because all other queues are ordered. The pools measure their windows exactly as
 * `AutoScaleSample` defines, and resize by demand alone when a window does not end (ADR 0021).
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import type { Load, ServerModel, Steps } from "../ServerModel.ts"
import { changes, valueAt } from "../ServerModel.ts"
import { Histogram } from "./histogram.ts"
import { Random } from "../../internal/random.ts"
import { SlotHeap } from "./heap.ts"
import { Server } from "./server.ts"

/** The source of a pool's size: a policy, or a fixed schedule. */
export type Sizing = { readonly policy: AutoScalePolicy.AutoScalePolicy<any> } | { readonly schedule: Steps }

export interface EngineOptions {
  readonly server: ServerModel
  readonly load: Load
  readonly sizing: Sizing
  readonly bounds: AutoScalePolicy.AutoScaleBounds
  readonly seed: number
  /** The maximum length of the run, in milliseconds. */
  readonly duration: number
  /** The size beyond which the server is overdriven. */
  readonly knee: Steps
  /** The number of pools on the server, each with its own load. */
  readonly pools: number
  /** The number of settled tasks after which the run ends, default no limit. */
  readonly tasks?: number | undefined
  readonly onWindow?: (
    pool: number,
    time: number,
    sample: AutoScalePolicy.AutoScaleSample,
    decision: AutoScalePolicy.AutoScaleDecision
  ) => void
}

export interface EngineResult {
  /** The length of the run, in milliseconds. */
  readonly elapsed: number
  /** Successes of each pool. */
  readonly succeeded: ReadonlyArray<number>
  readonly failed: number
  readonly overloaded: number
  /** The overload failures among them that no size avoids: responses that were lost. */
  readonly lost: number
  /** Dispatch to settling of the successes. */
  readonly run: Histogram
  /** Arrival to settling of the successes. */
  readonly sojourn: Histogram
  /** Mean over time of the tasks in flight above the knee, over the knee. */
  readonly overDrive: number
  /** Successes in each second. */
  readonly goodPerSecond: ReadonlyArray<number>
  /** The sizes of all pools together, from each change on. */
  readonly totalSizes: ReadonlyArray<readonly [from: number, size: number]>
  /** Overload failures in each second. */
  readonly overloadsPerSecond: ReadonlyArray<number>
  /** Mean tasks in flight in each second, over the knee. */
  readonly drivePerSecond: ReadonlyArray<number>
}

/** Waiting tasks of a pool, by their time of arrival. A backlog never ends: its tasks have waited since the start. */
class Arrivals {
  length: number
  private readonly endless: boolean
  private times = new Float64Array(1024)
  private head = 0

  constructor(load: Load) {
    this.endless = load.kind !== "open"
    this.length = load.kind === "backlog" ? endless : load.kind === "batch" ? load.count : 0
  }

  push(time: number): void {
    if (this.head + this.length === this.times.length) {
      const times = this.length * 2 > this.times.length ? new Float64Array(this.times.length * 2) : this.times
      times.set(this.times.subarray(this.head, this.head + this.length))
      this.times = times
      this.head = 0
    }
    this.times[this.head + this.length++] = time
  }

  oldest(): number {
    return this.endless ? 0 : this.times[this.head]!
  }

  shift(): number {
    if (!this.endless) {
      this.length--
      return this.times[this.head++]!
    }
    if (this.length !== endless) this.length--
    return 0
  }
}

const endless = 1_000
const shortestCap = 10_000 // ms

class Pool {
  size: number
  inflight = 0
  epoch = 0
  state: unknown
  window: AutoScalePolicy.AutoScaleWindow | undefined
  /** When to check whether the window ends; `Infinity` if only a settled task can end it. */
  check = Infinity
  pausedUntil = 0
  /** When the pool decides by demand if the window has not ended by then. */
  overdueAt = Infinity
  /** The most tasks that ran at once since the last decision by demand, or since the window began. */
  peak = 0
  /** Whether the size was set without the policy in this window. */
  resized = false
  byDemand = false
  /** The longest time that rejections in this window asked for, in milliseconds; 0 without any. */
  retryAfter = 0
  /** The mean run time of the last window with successes, in milliseconds. */
  lastRun = 0
  nextArrival = Infinity
  rate = 0
  succeededInAll = 0
  readonly index: number
  readonly arrivals: Arrivals
  readonly random: Random
  // The measurements of the current window.
  began = 0
  interval = 0
  touched = 0
  busy = 0
  saturated = 0
  most = 0
  fewestQueued = 0
  arrived = 0
  started = 0
  waited = 0
  succeeded = 0
  failed = 0
  overloaded = 0
  fresh = 0
  mean = 0
  squares = 0
  fastest = Infinity

  constructor(index: number, size: number, load: Load, random: Random) {
    this.index = index
    this.size = size
    this.arrivals = new Arrivals(load)
    this.random = random
  }

  /** Advances the integrals. Called before every change of `inflight` or `size`. */
  touch(now: number): void {
    const passed = now - this.touched
    // The window begins after the pause.
    if (passed <= 0) return
    this.touched = now
    this.busy += passed * this.inflight
    if (this.inflight >= this.size) this.saturated += passed
  }

  open(now: number, window: AutoScalePolicy.AutoScaleWindow): void {
    this.window = window
    this.interval = window.interval * (0.9 + 0.2 * this.random.next())
    this.restart(now)
  }

  /** Begins the measurements anew. */
  restart(now: number): void {
    this.began = now
    this.touched = now
    this.check = now + this.interval
    this.overdueAt = now + this.cap()
    this.peak = this.inflight
    this.retryAfter = 0
    this.busy = this.saturated = this.arrived = this.started = this.waited = 0
    this.succeeded = this.failed = this.overloaded = this.fresh = this.mean = this.squares = 0
    this.most = this.inflight
    this.fewestQueued = this.arrivals.length
    this.fastest = Infinity
  }

  /** The time without an exit after which the pool decides by demand. */
  cap(): number {
    return Math.max(shortestCap, this.interval, 3 * this.lastRun)
  }

  ends(now: number): "elapsed" | "overload" | undefined {
    const window = this.window
    if (window === undefined || now < this.began) return undefined
    if (this.retryAfter > 0) return "overload"
    if (this.fresh > 0 && this.fresh >= window.overloads) return "overload"
    const elapsed = now - this.began
    const settled = this.succeeded + this.failed + this.overloaded
    const late = elapsed >= window.maxInterval
    if (elapsed < this.interval || elapsed < (late ? 0.75 : 1) * window.runFactor * this.mean) return undefined
    return settled >= (late ? Math.min(10, window.minSamples) : window.minSamples) ? "elapsed" : undefined
  }

  sample(now: number, reason: "elapsed" | "overload"): AutoScalePolicy.AutoScaleSample {
    this.touch(now)
    const duration = now - this.began
    if (this.succeeded > 0) this.lastRun = this.mean
    return {
      duration,
      reason,
      size: this.size,
      resized: this.resized,
      byDemand: this.byDemand,
      inflight: this.inflight,
      maxInflight: this.most,
      avgInflight: duration === 0 ? this.inflight : this.busy / duration,
      saturated: duration === 0 ? 0 : this.saturated / duration,
      queued: this.arrivals.length,
      queuedMin: this.fewestQueued,
      oldestWait: this.arrivals.length === 0 ? 0 : now - this.arrivals.oldest(),
      waitMean: this.started === 0 ? 0 : this.waited / this.started,
      arrivals: this.arrived,
      started: this.started,
      succeeded: this.succeeded,
      failed: this.failed,
      overloaded: this.overloaded,
      overloadedFresh: this.fresh,
      runMean: this.mean,
      runVariance: this.succeeded < 2 ? 0 : this.squares / (this.succeeded - 1),
      runMin: this.succeeded === 0 ? 0 : this.fastest,
      retryAfter: this.retryAfter
    }
  }
}

/** A queue of slots that are due in the order of their insertion. */
class Due {
  next = Infinity
  slot = -1
  generation = 0
  private items: Array<number> = []
  private head = 0

  push(time: number, slot: number, generation: number): void {
    this.items.push(time, slot, generation)
    if (this.next === Infinity) this.look()
  }

  drop(): void {
    this.head += 3
    if (this.head > 3_000 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    this.look()
  }

  private look(): void {
    if (this.head >= this.items.length) {
      this.next = Infinity
      return
    }
    this.next = this.items[this.head]!
    this.slot = this.items[this.head + 1]!
    this.generation = this.items[this.head + 2]!
  }
}

/** Runs until the duration or the batch ends. */
export const run = (options: EngineOptions): EngineResult => {
  const { bounds, load, seed, sizing } = options
  const slots = options.pools * (Math.max(bounds.max, bounds.initial, largest(sizing)) + 1)
  const server = new Server(options.server, slots)
  const work = new Random(seed, 1)
  const comings = new Random(seed, 2)
  const fates = new Random(seed, 3)
  const losses = new Random(seed, 4)
  const delays = new Random(seed, 5)
  const failing = options.server.failing ?? 0
  const lost = options.server.lost ?? 0
  const retries = options.server.retries ?? { times: 0, delay: 0 }

  const poolOf = new Int32Array(slots)
  const startedAt = new Float64Array(slots)
  const arrivedAt = new Float64Array(slots)
  const epochOf = new Int32Array(slots)
  const generation = new Int32Array(slots)
  const attempts = new Int32Array(slots)
  const retryIn = new Float64Array(slots)
  const isLost = new Uint8Array(slots)
  const free: Array<number> = Array.from({ length: slots }, (_, i) => slots - 1 - i)
  const rejections = new Due()
  const timeouts = new Due()
  const furtherAttempts = new SlotHeap(slots)

  const rateChanges = load.kind === "open" ? changes(load.rate) : []
  const sizeChanges = "schedule" in sizing ? changes(sizing.schedule) : []
  const kneeChanges = changes(options.knee)
  const marks = [...new Set([...rateChanges, ...sizeChanges, ...kneeChanges])].toSorted((a, b) => a - b)
  let nextMark = 0
  let knee = valueAt(options.knee, 0)

  const result = { run: new Histogram(), sojourn: new Histogram(), failed: 0, overloaded: 0, lost: 0 }
  const goodPerSecond: Array<number> = []
  const overloadsPerSecond: Array<number> = []
  const totalSizes: Array<readonly [from: number, size: number]> = []
  const drivePerSecond: Array<number> = []
  let good = 0
  let overloads = 0
  let drive = 0
  let over = 0
  let running = 0
  let left = load.kind === "batch" ? load.count * options.pools : (options.tasks ?? Infinity)
  let now = 0

  const arrivalAfter = (pool: Pool): number =>
    pool.rate === 0 ? Infinity : now + (comings.exponential() * 1000) / pool.rate

  const dispatch = (pool: Pool): void => {
    while (pool.inflight < pool.size && pool.arrivals.length > 0 && now >= pool.pausedUntil) {
      const slot = free.pop()!
      const arrived = pool.arrivals.shift()
      pool.touch(now)
      pool.inflight++
      running++
      pool.started++
      pool.waited += now - arrived
      if (pool.inflight > pool.most) pool.most = pool.inflight
      if (pool.inflight > pool.peak) pool.peak = pool.inflight
      if (pool.arrivals.length < pool.fewestQueued) pool.fewestQueued = pool.arrivals.length
      poolOf[slot] = pool.index
      startedAt[slot] = now
      arrivedAt[slot] = arrived
      epochOf[slot] = pool.epoch
      attempts[slot] = 0
      isLost[slot] = lost > 0 && losses.next() < lost ? 1 : 0
      if (isLost[slot] === 1) timeouts.push(now + server.timeout, slot, generation[slot]!)
      else attempt(slot)
    }
  }

  /** Sends a task to the server. A task that may retry does so after a delay. */
  const attempt = (slot: number): void => {
    retryIn[slot] = 0
    if (server.admit(slot, server.draw(work), now)) {
      if (server.timeout !== Infinity) timeouts.push(now + server.timeout, slot, generation[slot]!)
    } else if (attempts[slot]! < retries.times) {
      const delay = retries.delay * 2 ** attempts[slot]!++ * (0.5 + 0.5 * delays.next())
      furtherAttempts.push(slot, now + server.rejection + delay)
    } else {
      retryIn[slot] = server.retryIn(now)
      rejections.push(now + server.rejection, slot, 0)
    }
  }

  const decide = (pool: Pool, reason: "elapsed" | "overload"): void => {
    if (!("policy" in sizing)) return
    const { policy } = sizing
    const sample = pool.sample(now, reason)
    const [state, decision] = policy.update(pool.state, sample, bounds)
    pool.state = state
    pool.resized = pool.byDemand = false
    options.onWindow?.(pool.index, now, sample, decision)
    resize(pool, decision.size)
    if (decision.pause !== undefined) pool.pausedUntil = Math.max(pool.pausedUntil, now + decision.pause)
    pool.open(Math.max(now, pool.pausedUntil), policy.window(state, bounds))
  }

  const resize = (pool: Pool, to: number): void => {
    const size = Math.min(bounds.max, Math.max(bounds.min, to))
    if (size < pool.size) pool.epoch++
    if (size !== pool.size) {
      total += size - pool.size
      totalSizes.push([now, total])
    }
    pool.size = size
  }

  /** Resizes by demand alone, as a pool does when a window does not end. */
  const decideByDemand = (pool: Pool): void => {
    const { peak, size } = pool
    const waiting = pool.arrivals.length > 0
    pool.touch(now)
    pool.peak = pool.inflight
    pool.overdueAt = now + pool.cap()
    const fewer = Math.max(peak, size - Math.ceil((size - bounds.min) / 4))
    resize(pool, waiting && pool.inflight >= size ? size + 1 : peak < size && !waiting ? fewer : size)
    if (pool.size !== size) pool.resized = pool.byDemand = true
    if (peak === 0 && !waiting) pool.restart(now)
    dispatch(pool)
  }

  const look = (pool: Pool): void => {
    const reason = pool.ends(now)
    if (reason !== undefined) decide(pool, reason)
  }

  const settle = (slot: number, outcome: "succeeded" | "failed" | "overloaded"): void => {
    const pool = pools[poolOf[slot]!]!
    pool.touch(now)
    pool.inflight--
    running--
    generation[slot]!++
    free.push(slot)
    if (outcome === "overloaded") {
      pool.overloaded++
      result.overloaded++
      overloads++
      result.lost += isLost[slot]!
      if (epochOf[slot] === pool.epoch) pool.fresh++
      if (retryIn[slot]! > 0 && "policy" in sizing) {
        pool.pausedUntil = Math.max(pool.pausedUntil, now + retryIn[slot]!)
        pool.retryAfter = Math.max(pool.retryAfter, retryIn[slot]!)
      }
    } else if (outcome === "failed") {
      pool.failed++
      result.failed++
    } else {
      const took = now - startedAt[slot]!
      pool.succeeded++
      pool.succeededInAll++
      good++
      const off = took - pool.mean
      pool.mean += off / pool.succeeded
      pool.squares += off * (took - pool.mean)
      if (took < pool.fastest) pool.fastest = took
      result.run.add(took)
      result.sojourn.add(now - arrivedAt[slot]!)
    }
    left--
    if (pool.window !== undefined) pool.overdueAt = now + pool.cap()
    look(pool)
    dispatch(pool)
  }

  const pools = Array.from({ length: options.pools }, (_, index) => {
    const size = "schedule" in sizing ? valueAt(sizing.schedule, 0) : bounds.initial
    return new Pool(index, size, load, new Random(seed, 100 + index))
  })
  let total = pools.reduce((sum, pool) => sum + pool.size, 0)
  totalSizes.push([0, total])
  for (const pool of pools) {
    if (load.kind === "open") {
      pool.rate = valueAt(load.rate, 0)
      pool.nextArrival = arrivalAfter(pool)
    }
    if ("policy" in sizing) {
      pool.state = sizing.policy.initial(bounds)
      pool.open(0, sizing.policy.window(pool.state, bounds))
    }
    dispatch(pool)
  }

  const mark = (): void => {
    nextMark++
    knee = valueAt(options.knee, now)
    for (const pool of pools) {
      if (load.kind === "open" && rateChanges.includes(now)) {
        pool.rate = valueAt(load.rate, now)
        pool.nextArrival = arrivalAfter(pool)
      }
      if ("schedule" in sizing) {
        pool.size = valueAt(sizing.schedule, now)
        dispatch(pool)
      }
    }
  }

  while (left > 0) {
    // The earliest event. The order below breaks ties.
    let next = server.nextEnd()
    let what: number = moments.end
    if (rejections.next < next) {
      next = rejections.next
      what = moments.rejection
    }
    if (furtherAttempts.min() < next) {
      next = furtherAttempts.min()
      what = moments.attempt
    }
    if (timeouts.next < next) {
      next = timeouts.next
      what = moments.timeout
    }
    if (server.nextChange < next) {
      next = server.nextChange
      what = moments.change
    }
    let at = pools[0]!
    for (const pool of pools) {
      if (pool.nextArrival < next) {
        next = pool.nextArrival
        what = moments.arrival
        at = pool
      }
      if (pool.check < next) {
        next = pool.check
        what = moments.check
        at = pool
      }
      if (pool.overdueAt < next) {
        next = pool.overdueAt
        what = moments.demand
        at = pool
      }
      if (pool.pausedUntil > now && pool.pausedUntil < next) {
        next = pool.pausedUntil
        what = moments.resume
        at = pool
      }
    }
    if (nextMark < marks.length && marks[nextMark]! < next) {
      next = marks[nextMark]!
      what = moments.mark
    }
    const second = (goodPerSecond.length + 1) * 1000
    if (second < next) {
      next = second
      what = moments.second
    }
    if (options.duration < next) {
      next = options.duration
      what = moments.over
    }

    const passed = next - now
    drive += (passed * running) / knee
    if (running > knee) over += (passed * (running - knee)) / knee
    now = next

    if (what === moments.end) settle(server.end(now), fate(failing, fates))
    else if (what === moments.arrival) {
      at.arrived++
      at.arrivals.push(now)
      at.nextArrival = arrivalAfter(at)
      dispatch(at)
    } else if (what === moments.rejection) {
      const slot = rejections.slot
      rejections.drop()
      settle(slot, "overloaded")
    } else if (what === moments.timeout) {
      const { generation: started, slot } = timeouts
      timeouts.drop()
      if (generation[slot] === started) {
        if (isLost[slot] === 0) server.remove(slot, now)
        settle(slot, "overloaded")
      }
    } else if (what === moments.change) server.change(now)
    else if (what === moments.check) {
      const until = at.began + at.window!.maxInterval
      at.check = now < until ? until : Infinity
      look(at)
      dispatch(at)
    } else if (what === moments.demand) decideByDemand(at)
    else if (what === moments.attempt) attempt(furtherAttempts.pop())
    else if (what === moments.resume) {
      at.restart(now)
      dispatch(at)
    } else if (what === moments.mark) mark()
    else if (what === moments.second) {
      goodPerSecond.push(good)
      overloadsPerSecond.push(overloads)
      drivePerSecond.push(drive / 1000)
      good = overloads = drive = 0
    } else break
  }

  return {
    elapsed: now,
    succeeded: pools.map((pool) => pool.succeededInAll),
    failed: result.failed,
    overloaded: result.overloaded,
    lost: result.lost,
    run: result.run,
    sojourn: result.sojourn,
    overDrive: now === 0 ? 0 : over / now,
    goodPerSecond,
    overloadsPerSecond,
    totalSizes,
    drivePerSecond
  }
}

const moments = {
  end: 0,
  rejection: 1,
  timeout: 2,
  change: 3,
  arrival: 4,
  check: 5,
  resume: 6,
  mark: 7,
  second: 8,
  over: 9,
  demand: 10,
  attempt: 11
} as const

const fate = (failing: number, random: Random): "succeeded" | "failed" =>
  failing > 0 && random.next() < failing ? "failed" : "succeeded"

const largest = (sizing: Sizing): number =>
  "policy" in sizing
    ? 0
    : typeof sizing.schedule === "number"
      ? sizing.schedule
      : Math.max(...sizing.schedule.map(([, size]) => size))
