/**
 * The event loop of the simulator: pools in front of one server, from one event to the next.
 *
 * An event is one of: a task ends, a rejection returns, a client times out, a task arrives, the server changes, a window
 * may end, a pause ends, a second ends. Only the events of the server need a heap, because all other queues are ordered.
 * The pools measure their windows exactly as `AutoScaleSample` defines.
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import type { Load, ServerModel, Steps } from "../ServerModel.ts"
import { changes, valueAt } from "../ServerModel.ts"
import { Histogram } from "./histogram.ts"
import { Random } from "../../internal/random.ts"
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
  readonly tasks?: number
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
  /** Dispatch to settling of the successes. */
  readonly run: Histogram
  /** Arrival to settling of the successes. */
  readonly sojourn: Histogram
  /** Mean over time of the tasks in flight above the knee, over the knee. */
  readonly overDrive: number
  /** Successes in each second. */
  readonly goodPerSecond: ReadonlyArray<number>
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

class Pool {
  size: number
  inflight = 0
  epoch = 0
  state: unknown
  window: AutoScalePolicy.AutoScaleWindow | undefined
  /** When to check whether the window ends; `Infinity` if only a settled task can end it. */
  check = Infinity
  pausedUntil = 0
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
    this.began = now
    this.touched = now
    this.interval = window.interval * (0.9 + 0.2 * this.random.next())
    this.check = now + this.interval
    this.busy = this.saturated = this.arrived = this.started = this.waited = 0
    this.succeeded = this.failed = this.overloaded = this.fresh = this.mean = this.squares = 0
    this.most = this.inflight
    this.fewestQueued = this.arrivals.length
    this.fastest = Infinity
  }

  ends(now: number): "elapsed" | "overload" | undefined {
    const window = this.window
    if (window === undefined || now < this.began) return undefined
    if (this.fresh > 0 && this.fresh >= window.overloads) return "overload"
    const elapsed = now - this.began
    const settled = this.succeeded + this.failed + this.overloaded
    if (elapsed >= this.interval && settled >= window.minSamples && elapsed >= window.runFactor * this.mean) {
      return "elapsed"
    }
    return elapsed >= window.maxInterval && settled >= Math.min(10, window.minSamples) ? "elapsed" : undefined
  }

  sample(now: number, reason: "elapsed" | "overload"): AutoScalePolicy.AutoScaleSample {
    this.touch(now)
    const duration = now - this.began
    return {
      duration,
      reason,
      size: this.size,
      resized: false,
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
      runMin: this.succeeded === 0 ? 0 : this.fastest
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
  const failing = options.server.failing ?? 0

  const poolOf = new Int32Array(slots)
  const startedAt = new Float64Array(slots)
  const arrivedAt = new Float64Array(slots)
  const epochOf = new Int32Array(slots)
  const generation = new Int32Array(slots)
  const free: Array<number> = Array.from({ length: slots }, (_, i) => slots - 1 - i)
  const rejections = new Due()
  const timeouts = new Due()

  const rateChanges = load.kind === "open" ? changes(load.rate) : []
  const sizeChanges = "schedule" in sizing ? changes(sizing.schedule) : []
  const kneeChanges = changes(options.knee)
  const marks = [...new Set([...rateChanges, ...sizeChanges, ...kneeChanges])].toSorted((a, b) => a - b)
  let nextMark = 0
  let knee = valueAt(options.knee, 0)

  const result = { run: new Histogram(), sojourn: new Histogram(), failed: 0, overloaded: 0 }
  const goodPerSecond: Array<number> = []
  const drivePerSecond: Array<number> = []
  let good = 0
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
      if (pool.arrivals.length < pool.fewestQueued) pool.fewestQueued = pool.arrivals.length
      poolOf[slot] = pool.index
      startedAt[slot] = now
      arrivedAt[slot] = arrived
      epochOf[slot] = pool.epoch
      if (server.admit(slot, server.draw(work), now)) {
        if (server.timeout !== Infinity) timeouts.push(now + server.timeout, slot, generation[slot]!)
      } else rejections.push(now + server.rejection, slot, 0)
    }
  }

  const decide = (pool: Pool, reason: "elapsed" | "overload"): void => {
    if (!("policy" in sizing)) return
    const { policy } = sizing
    const sample = pool.sample(now, reason)
    const [state, decision] = policy.update(pool.state, sample, bounds)
    pool.state = state
    options.onWindow?.(pool.index, now, sample, decision)
    if (decision.size < pool.size) pool.epoch++
    pool.size = Math.min(bounds.max, Math.max(bounds.min, decision.size))
    if (decision.pause !== undefined && decision.pause > 0) pool.pausedUntil = now + decision.pause
    pool.open(Math.max(now, pool.pausedUntil), policy.window(state, bounds))
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
      if (epochOf[slot] === pool.epoch) pool.fresh++
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
    look(pool)
    dispatch(pool)
  }

  const pools = Array.from({ length: options.pools }, (_, index) => {
    const size = "schedule" in sizing ? valueAt(sizing.schedule, 0) : bounds.initial
    return new Pool(index, size, load, new Random(seed, 100 + index))
  })
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
        server.remove(slot, now)
        settle(slot, "overloaded")
      }
    } else if (what === moments.change) server.change(now)
    else if (what === moments.check) {
      const until = at.began + at.window!.maxInterval
      at.check = now < until ? until : Infinity
      look(at)
      dispatch(at)
    } else if (what === moments.resume) dispatch(at)
    else if (what === moments.mark) mark()
    else if (what === moments.second) {
      goodPerSecond.push(good)
      drivePerSecond.push(drive / 1000)
      good = drive = 0
    } else break
  }

  return {
    elapsed: now,
    succeeded: pools.map((pool) => pool.succeededInAll),
    failed: result.failed,
    overloaded: result.overloaded,
    run: result.run,
    sojourn: result.sojourn,
    overDrive: now === 0 ? 0 : over / now,
    goodPerSecond,
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
  over: 9
} as const

const fate = (failing: number, random: Random): "succeeded" | "failed" =>
  failing > 0 && random.next() < failing ? "failed" : "succeeded"

const largest = (sizing: Sizing): number =>
  "policy" in sizing
    ? 0
    : typeof sizing.schedule === "number"
      ? sizing.schedule
      : Math.max(...sizing.schedule.map(([, size]) => size))
