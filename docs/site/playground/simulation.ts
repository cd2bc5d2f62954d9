/**
 * The world of the playground: arrivals, a real pool, and a server that is simulated.
 *
 * The pool is the one of the core. Its clock and its scheduler stand still between two calls of `advance`, so the page
 * decides how fast time passes.
 */
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  type PoolStats,
  type SubmitOptions,
  TaskPool,
  type TaskPoolService
} from "@aio-task-pool/core"
import { Random } from "@aio-task-pool/testing/random"
import { StepClock } from "@aio-task-pool/testing/StepClock"
import { StepScheduler } from "@aio-task-pool/testing/StepScheduler"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import { Server, ServerOverloaded } from "./server.ts"
import type { Settings } from "./settings.ts"

export type Place = "door" | "queue" | "worker" | "done" | "failed" | "rejected" | "dropped"

/** A task as the page draws it. */
export interface Dot {
  readonly id: number
  readonly key: number | undefined
  /** 1 is urgent, 9 can wait. */
  readonly weight: number
  readonly arrivedAt: number
  place: Place
  /** Its position in the queue or at the door; the worker that runs it. */
  slot: number
  endedAt: number
}

/** A decision on the size of an auto-scale pool. */
export interface Decision {
  readonly at: number
  readonly from: number
  readonly to: number
  readonly reason: string
  readonly sentence: string
}

/** What the curves show of one moment. */
export interface Point {
  readonly at: number
  readonly size: number
  readonly running: number
  readonly waiting: number
  readonly median: number
  readonly p95: number
  readonly throughput: number
}

/** Milliseconds of simulated time. */
const pointEvery = 250
const historyLength = 60_000 / pointEvery
const measured = 5_000
const fadeTime = 700
const mostShown = 100
const burstEvery = 2_000

const pools = {
  fixed: { fifo: AioFixedTaskPoolSimple, lifo: AioFixedTaskPoolLifo, priority: AioFixedTaskPoolPriority },
  "auto-scale": {
    fifo: AioAutoScaleTaskPoolSimple,
    lifo: AioAutoScaleTaskPoolLifo,
    priority: AioAutoScaleTaskPoolPriority
  }
}

const layerOf = (settings: Settings): Layer.Layer<TaskPool> => {
  const { capacity, onFull, order, perKey, rate, size, workers } = settings
  const options = {
    capacity: capacity === 0 ? Infinity : capacity,
    onFull,
    ...(perKey === 0 ? {} : { perKey }),
    ...(rate === 0 ? {} : { rate: { limit: rate, window: "1 second" } as const })
  }
  return workers === "fixed"
    ? pools.fixed[order].layer(size, options)
    : pools["auto-scale"][order].layer({ ...options, minSize: 1, maxSize: settings.maxSize, interval: "500 millis" })
}

const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!

export class Simulation {
  settings: Settings
  readonly server: Server
  /** The tasks to draw, by their IDs. */
  readonly dots = new Map<number, Dot>()
  readonly history: Array<Point> = []
  stats: PoolStats
  /** How many waiting tasks and submitters are not among the dots. */
  hidden = { queue: 0, door: 0 }
  private readonly clock = new StepClock()
  private readonly scheduler = new StepScheduler({ budget: 2048 })
  private readonly context: Context.Context<never>
  private readonly random: Random
  private pool!: TaskPoolService
  private closing: Fiber.Fiber<unknown> | undefined
  private nextId = 1
  private nextArrival = 0
  private nextPoint = pointEvery
  /** The tasks that ended lately: when, how long they were in the pool, and how long they ran. */
  private ended: Array<{ readonly at: number; readonly total: number; readonly run: number }> = []
  private readonly workers = new Map<number, number>()

  constructor(settings: Settings, seed = 1) {
    this.settings = settings
    this.random = new Random(seed)
    this.server = new Server(settings)
    this.context = Context.make(Clock.Clock, this.clock).pipe(Context.add(Scheduler.Scheduler, this.scheduler))
    this.open()
    this.stats = this.run(this.pool.stats)
  }

  /** The simulated time in milliseconds. */
  get now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  /** Ends the pool and its tasks. */
  close(): void {
    this.closing?.interruptUnsafe()
    this.scheduler.runAll()
  }

  /** Changes settings. Makes a new pool if the present one cannot take them. */
  change(settings: Settings): void {
    const before = this.settings
    this.settings = settings
    this.server.options = settings
    if (settings.arrivals !== before.arrivals || settings.pattern !== before.pattern) this.planArrival(this.now)
    const needsPool = (["workers", "order", "maxSize", "capacity", "onFull", "perKey", "rate"] as const).some(
      (name) => settings[name] !== before[name]
    )
    if (needsPool) {
      this.close()
      this.server.clear()
      this.dots.clear()
      this.workers.clear()
      this.open()
    } else if (settings.workers === "fixed" && settings.size !== before.size) this.run(this.pool.resize(settings.size))
    this.look()
  }

  /** Advances the time, and what happens until then. */
  advance(millis: number): void {
    const end = this.now + millis
    while (true) {
      const next = Math.min(this.nextEvent, this.nextPoint)
      if (next > end) break
      this.moveTo(next)
      if (next >= this.nextArrival) this.arrive()
      if (next >= this.nextPoint) this.addPoint()
    }
    this.moveTo(end)
    this.scheduler.beginTrace()
    this.look()
  }

  /** Advances to the next event: an arrival, or the end of a request. */
  step(): void {
    const next = this.nextEvent
    this.advance(Number.isFinite(next) ? Math.max(0, next - this.now) : 10)
  }

  /** The last decisions on the size, newest first. */
  decisions(most: number): ReadonlyArray<Decision> {
    return this.run(this.pool.decisions(most))
      .map(({ at, from, reason, to }) => ({
        at,
        from,
        to,
        reason,
        sentence: AutoScalePolicy.explainReason(reason) ?? ""
      }))
      .toReversed()
  }

  /** Throughput in tasks per second, and the mean run and total times in milliseconds, of the last seconds. */
  measure(): { readonly throughput: number; readonly run: number; readonly total: number } {
    const count = this.ended.length
    const sum = this.ended.reduce((sum, { run, total }) => ({ run: sum.run + run, total: sum.total + total }), {
      run: 0,
      total: 0
    })
    const seconds = Math.max(1, Math.min(this.now, measured)) / 1000
    return { throughput: count / seconds, run: sum.run / count, total: sum.total / count }
  }

  // ---- the pool ------------------------------------------------------------------------------------------------

  private open(): void {
    const opened = Layer.build(layerOf(this.settings)).pipe(
      Effect.flatMap((context) => {
        this.pool = Context.get(context, TaskPool)
        return Effect.never
      }),
      Effect.scoped
    )
    this.closing = Effect.runForkWith(this.context)(opened)
    this.scheduler.runAll()
  }

  private run<A>(effect: Effect.Effect<A>): A {
    const fiber = Effect.runForkWith(this.context)(effect)
    this.scheduler.runAll()
    const exit = fiber.pollUnsafe()
    if (exit?._tag !== "Success") throw new Error("the pool did not answer")
    return exit.value
  }

  /** When something happens next: an arrival, the end of a request, or a timer of the pool. */
  private get nextEvent(): number {
    return Math.min(this.nextArrival, this.server.nextEnd(this.now), this.clock.nextWake)
  }

  /** Moves the time, at most to the next event. */
  private moveTo(time: number): void {
    // The server first: a task that starts now must not find its clock behind.
    const answers = this.server.workUntil(time)
    this.clock.setTimeUnsafe(time)
    for (const answer of answers) answer()
    this.scheduler.runAll()
  }

  // ---- tasks ---------------------------------------------------------------------------------------------------

  private planArrival(from: number): void {
    const { arrivals, pattern } = this.settings
    if (arrivals === 0) this.nextArrival = Infinity
    else if (pattern === "regular") this.nextArrival = from + 1000 / arrivals
    else if (pattern === "random") this.nextArrival = from + (this.random.exponential() * 1000) / arrivals
    else this.nextArrival = (Math.floor(from / burstEvery) + 1) * burstEvery
  }

  private arrive(): void {
    const { arrivals, pattern } = this.settings
    const count = pattern === "bursts" ? Math.round((arrivals * burstEvery) / 1000) : 1
    for (let i = 0; i < count; i++) this.submit()
    // From the planned time: the clock may differ from it by a rounding error.
    this.planArrival(this.nextArrival)
  }

  private submit(): void {
    const { keys } = this.settings
    const id = this.nextId++
    // The first key sends as many tasks as all others together.
    const key = keys === 0 ? undefined : this.random.next() < 0.5 ? 0 : this.random.below(keys)
    const weight = 1 + this.random.below(9)
    const dot: Dot = { id, key, weight, arrivedAt: this.now, place: "door", slot: -1, endedAt: Infinity }
    this.dots.set(id, dot)
    let startedAt = NaN
    const request = Effect.suspend(() => {
      startedAt = this.now
      this.takeWorker(dot)
      return Effect.ensuring(
        this.server.request,
        Effect.sync(() => this.workers.delete(id))
      )
    })
    const options: SubmitOptions = key === undefined ? { weight, label: `${id}` } : { weight, label: `${id}`, key }
    const fiber = Effect.runForkWith(this.context)(this.pool.submit(request, options))
    fiber.addObserver((exit) => {
      dot.endedAt = this.now
      if (exit._tag === "Success") {
        dot.place = "done"
        this.ended.push({ at: this.now, total: this.now - dot.arrivedAt, run: this.now - startedAt })
        return
      }
      const error = Cause.squash(exit.cause)
      dot.place =
        error instanceof ServerOverloaded
          ? "failed"
          : (error as { _tag?: string })._tag === "NotAvailable"
            ? "rejected"
            : "dropped"
    })
  }

  private takeWorker(dot: Dot): void {
    const taken = new Set(this.workers.values())
    let worker = 0
    while (taken.has(worker)) worker++
    this.workers.set(dot.id, worker)
    dot.place = "worker"
    dot.slot = worker
  }

  /** Reads where each task is now. */
  private look(): void {
    const { omitted, stats, tasks } = this.run(this.pool.inspect({ running: mostShown, waiting: mostShown }))
    this.stats = stats
    this.hidden = { queue: omitted.waiting, door: omitted.door }
    for (const dot of this.dots.values()) if (dot.place === "queue" || dot.place === "door") dot.slot = -1
    let queued = 0
    let atDoor = 0
    for (const { label, state } of tasks) {
      const dot = this.dots.get(Number(label))
      if (dot === undefined || dot.place === "worker") continue
      dot.place = state === "AtDoor" ? "door" : "queue"
      dot.slot = state === "AtDoor" ? atDoor++ : queued++
    }
    for (const [id, { endedAt }] of this.dots) if (this.now - endedAt > fadeTime) this.dots.delete(id)
  }

  // ---- measurements --------------------------------------------------------------------------------------------

  private addPoint(): void {
    this.nextPoint += pointEvery
    this.ended = this.ended.filter(({ at }) => this.now - at <= measured)
    const totals = this.ended.map(({ total }) => total).sort((a, b) => a - b)
    const { running, targetSize, waiting } = this.run(this.pool.stats)
    this.history.push({
      at: this.now,
      size: targetSize,
      running,
      waiting,
      median: percentile(totals, 0.5),
      p95: percentile(totals, 0.95),
      throughput: this.measure().throughput
    })
    if (this.history.length > historyLength) this.history.shift()
  }
}
