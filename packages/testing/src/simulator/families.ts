/**
 * Kinds of servers and loads that a pool may meet, with parameters drawn at random.
 *
 * A policy is tuned on one set of seeds and judged by another one: `tuning` and `heldOut`.
 *
 * @since 0.3.0
 */
import { Random } from "../internal/random.ts"
import { run } from "./internal/engine.ts"
import type { Scenario } from "./scenarios.ts"
import { standard } from "./scenarios.ts"
import type { Load, ServerModel, ServerOptions, Steps, Work } from "./ServerModel.ts"
import {
  backlog,
  batching,
  bending,
  open,
  queueing,
  rateLimited,
  sharing,
  thrashing,
  valueAt,
  windowLimited
} from "./ServerModel.ts"

/**
 * A kind of server or load.
 *
 * @category models
 * @since 0.3.0
 */
export interface Family {
  readonly id: string
  readonly title: string
  /** Draws a scenario; the same seed draws the same one. */
  readonly draw: (seed: number) => Scenario
  /** The least mean goodput, default 0.93. */
  readonly good: number
  /** The most failures beyond those that no size avoids, default 0.01. */
  readonly errors: number
}

/**
 * The seeds that policies are tuned on.
 *
 * @category families
 * @since 0.3.0
 */
export const tuning: ReadonlyArray<number> = Array.from({ length: 24 }, (_, i) => i + 1)

/**
 * The seeds that judge a policy. Nothing is tuned on them.
 *
 * @category families
 * @since 0.3.0
 */
export const heldOut: ReadonlyArray<number> = Array.from({ length: 24 }, (_, i) => i + 6001)

/** Draws parameters. */
class Draw {
  private readonly random: Random

  constructor(seed: number, stream: number) {
    this.random = new Random(seed, stream)
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.random.next()
  }

  /** Draws evenly on a logarithmic scale. */
  scale(low: number, high: number): number {
    return low * (high / low) ** this.random.next()
  }

  size(low: number, high: number): number {
    return Math.round(this.scale(low, high))
  }

  pick<A>(...items: ReadonlyArray<A>): A {
    return this.random.pick(items)
  }

  chance(share: number): boolean {
    return this.random.next() < share
  }

  work(): Work {
    return this.pick<Work>(
      { kind: "lognormal", cv: 0.2 },
      { kind: "lognormal", cv: 0.5 },
      { kind: "lognormal", cv: 1 },
      { kind: "exponential" }
    )
  }
}

/** A scenario without its name. */
type Drawn = Pick<Scenario, "server" | "load" | "seconds" | "oracle"> & Partial<Scenario>

/** Returns a length, in seconds, with about `tasks` tasks at the rate of `capacity` workers. */
const lasting = (capacity: number, base: number, tasks: number, least: number, most: number): number =>
  Math.round(Math.min(most, Math.max(least, (tasks * base) / capacity / 1000)))

/** A server that shares or queues, with a limit or with timeouts: the parts that most families have in common. */
const plain = (
  draw: Draw,
  options: Partial<ServerOptions> & { readonly low?: number; readonly high?: number } = {}
): { readonly server: ServerModel; readonly capacity: number; readonly base: number; readonly seconds: number } => {
  const { high = 120, low = 4, ...rest } = options
  const capacity = draw.size(low, high)
  const base = draw.scale(10, 500)
  const factor = draw.pick(1.5, 2, 3)
  const guard = draw.chance(0.7)
    ? { limit: Math.max(capacity + 1, Math.round(factor * capacity)) }
    : { timeout: Math.max(1000, 20 * base) }
  const make = draw.pick(sharing, queueing)
  return {
    server: make({ capacity, base, work: draw.work(), ...guard, ...rest }),
    capacity,
    base,
    seconds: lasting(capacity, base, 60_000, 30, 120)
  }
}

const steady = (
  { capacity, seconds, server }: { server: ServerModel; capacity: number; seconds: number },
  more: Partial<Scenario> = {}
): Drawn => ({ server, load: backlog, seconds, oracle: capacity, ...more })

/** Returns the most workers with at most 1 % failures on a limiter that grants `rate` tasks per second. */
const slotsFor = (server: ServerModel, rate: number, base: number, seconds: number): number => {
  for (let size = Math.ceil((rate * base) / 1000) + 1; size > 1; size--) {
    const { failed, overloaded, succeeded } = run({
      server,
      load: backlog,
      sizing: { schedule: size },
      bounds: standard,
      seed: 1,
      duration: seconds * 1000,
      knee: size,
      pools: 1
    })
    if (overloaded <= 0.01 * (succeeded[0]! + failed + overloaded)) return size
  }
  return 1
}

/** `rate` per second, with bursts of `burst` per second. */
const bursty = (seconds: number, draw: Draw, rate: number, burst: number): Load => {
  const steps: Array<readonly [number, number]> = [[0, rate]]
  for (let time = draw.between(5, 15); time < seconds - 10; time += draw.between(15, 40)) {
    const length = draw.between(2, 10)
    steps.push([time * 1000, burst], [(time + length) * 1000, rate])
    time += length
  }
  return open(steps)
}

/** A value that swings between `low` and `high`, in steps. */
const swinging = (seconds: number, period: number, low: number, high: number, every: number): Steps =>
  Array.from({ length: Math.ceil(seconds / every) }, (_, i) => {
    const phase = (1 - Math.cos((2 * Math.PI * i * every) / period)) / 2
    return [i * every * 1000, low * (high / low) ** phase] as const
  })

const bucketOf = (draw: Draw, options: Partial<ServerOptions> = {}): Drawn & { readonly limit: number } => {
  const base = draw.scale(20, 500)
  const slots = draw.scale(5, 60)
  const rate = (slots * 1000) / base
  const burst = Math.max(5, Math.round(slots * draw.scale(1, 4)))
  return {
    server: rateLimited({ rate, burst, base, work: draw.work(), ...options }),
    load: backlog,
    seconds: lasting(slots, base, 60_000, 60, 120),
    oracle: Math.max(1, Math.floor(slots)),
    limit: rate
  }
}

const table: ReadonlyArray<
  readonly [id: string, title: string, draw: (draw: Draw) => Drawn, thresholds?: { good?: number; errors?: number }]
> = [
  [
    "mixed",
    "random servers",
    (draw) => {
      const kind = draw.pick("sharing", "queueing", "bending", "thrashing", "rateLimited")
      const capacity = draw.size(4, 150)
      const base = draw.scale(10, 500)
      const seconds = 2 * lasting(capacity, base, 30_000, 20, 60)
      const second = draw.chance(0.5)
        ? Math.max(4, Math.min(180, Math.round(capacity * draw.pick(0.33, 0.5, 1.5, 2))))
        : capacity
      const stepped = (of: (c: number) => number): Steps => [
        [0, of(capacity)],
        [seconds * 500, of(second)]
      ]
      const common = { base, work: draw.work() }
      const factor = draw.pick(1.5, 2, 3)
      const phases = second === capacity ? [0] : [0, seconds / 2]
      if (kind === "rateLimited") {
        const rateOf = (c: number): number => (c * 1000) / base
        const limiter = (rate: Steps): ServerModel => rateLimited({ ...common, rate, burst: Math.max(5, capacity / 2) })
        const oracle = stepped((c) => slotsFor(limiter(rateOf(c)), rateOf(c), base, seconds))
        return { server: limiter(stepped(rateOf)), load: backlog, seconds, oracle, phases }
      }
      const make = { sharing, queueing, bending, thrashing }[kind]
      const best = (c: number): number => (kind === "bending" ? Math.min(standard.max, Math.round(1.41 * c)) : c)
      const guard = draw.chance(0.7)
        ? { limit: stepped((c) => Math.max(c + 1, Math.round(factor * best(c)))) }
        : { timeout: Math.max(1000, 20 * base) }
      return {
        server: make({ ...common, ...guard, capacity: stepped((c) => c) }),
        load: backlog,
        seconds,
        oracle: stepped(best),
        phases
      }
    },
    { good: 0.967, errors: 0.001 }
  ],
  [
    "bursts",
    "demand bursts",
    (draw) => {
      const { base, capacity, server } = plain(draw)
      const most = (capacity * 1000) / base
      const seconds = lasting(capacity, base, 60_000, 90, 240)
      return {
        server,
        load: bursty(seconds, draw, most * draw.between(0.05, 0.4), most * draw.between(0.7, 2)),
        seconds,
        oracle: capacity
      }
    }
  ],
  ["ignored", "failures that are no overload", (draw) => steady(plain(draw, { failing: draw.scale(0.02, 0.5) }))],
  ["lost", "timeouts at any size, up to 1 %", (draw) => losing(draw, draw.scale(0.001, 0.009))],
  ["losing", "timeouts at any size, 1 to 5 %", (draw) => losing(draw, draw.scale(0.01, 0.05))],
  [
    "stalls",
    "stalls",
    (draw) => {
      const [every, length] = [draw.scale(2_000, 20_000), draw.scale(100, 1_000)]
      const pace: Array<readonly [number, number]> = [[0, 1]]
      for (let time = every; time < 120_000; time += every * draw.between(0.5, 1.5)) {
        pace.push([time, 0], [time + length, 1])
        time += length
      }
      return steady(plain(draw, { pace }))
    }
  ],
  [
    "warmup",
    "slow first ten seconds",
    (draw) => {
      const factor = draw.between(1.5, 8)
      return steady(
        plain(draw, {
          pace: [
            [0, 1 / factor],
            [10_000, 1]
          ]
        })
      )
    }
  ],
  [
    "bimodal",
    "a few long tasks",
    (draw) =>
      steady(plain(draw, { work: { kind: "bimodal", share: draw.scale(0.005, 0.1), factor: draw.scale(5, 50) } }))
  ],
  [
    "pareto",
    "Pareto run times",
    (draw) => steady(plain(draw, { work: { kind: "pareto", shape: draw.between(1.3, 2.5) } }))
  ],
  [
    "bucket",
    "token bucket",
    (draw) => {
      const { limit, ...drawn } = bucketOf(draw)
      return { ...drawn, oracle: slotsFor(drawn.server, limit, valueAt(drawn.server.base, 0), drawn.seconds) }
    }
  ],
  ["retry", "token bucket with an exact Retry-After", (draw) => bucketOf(draw, { retryAfter: 1 })],
  [
    "retry1s",
    "token bucket with Retry-After in seconds",
    (draw) => bucketOf(draw, { retryAfter: 1_000 }),
    { good: 0.8 }
  ],
  [
    "windows",
    "limit per fixed window",
    (draw) => {
      const base = draw.scale(20, 500)
      const slots = draw.scale(5, 60)
      const window = draw.pick(1_000, 10_000, 60_000)
      const count = Math.max(5, Math.round((slots * window) / base))
      const retryAfter = draw.pick(undefined, 1, 1_000)
      return {
        server: windowLimited({ count, window, base, work: draw.work(), retryAfter }),
        load: backlog,
        seconds: window === 60_000 ? 300 : lasting(slots, base, 60_000, 60, 120),
        oracle: Math.max(1, Math.floor((count * base) / window)),
        limit: (count * 1000) / window
      }
    },
    { good: 0.8 }
  ],
  [
    "hidden",
    "retries inside the task",
    (draw) => {
      const retries = { times: draw.pick(1, 2, 3, 5), delay: draw.scale(20, 1_000) }
      if (draw.chance(0.4)) {
        const { limit, ...drawn } = bucketOf(draw, { retries })
        return {
          ...drawn,
          oracle: slotsFor({ ...drawn.server, retries: undefined }, limit, valueAt(drawn.server.base, 0), drawn.seconds)
        }
      }
      const { base, capacity, seconds, server } = plain(draw, { retries })
      const limit = Math.max(capacity + 1, Math.round(capacity * draw.pick(1, 1.5, 2)))
      return steady({
        server: { ...server, limit, timeout: undefined },
        capacity,
        seconds: Math.max(seconds, base / 5)
      })
    }
  ],
  [
    "day",
    "latency by time of day",
    (draw) => {
      const { base, capacity, server } = plain(draw, { high: 60 })
      const slow = Math.max(30, base)
      const seconds = lasting(capacity, slow, 120_000, 300, 900)
      const period = seconds / draw.pick(1, 2, 3)
      return {
        server: { ...server, base: swinging(seconds, period, slow, slow * draw.between(1.3, 4), 5) },
        load: backlog,
        seconds,
        oracle: capacity
      }
    }
  ],
  [
    "batching",
    "batches",
    (draw) => {
      const [size, lanes] = [draw.size(4, 32), draw.pick(1, 2, 4)]
      const base = draw.scale(30, 500)
      const wait = base * draw.scale(0.05, 1)
      return {
        server: batching({
          capacity: lanes,
          size,
          wait,
          base,
          work: { kind: "lognormal", cv: 0.2 },
          limit: Math.round(size * lanes * draw.pick(2, 3, 4))
        }),
        load: backlog,
        seconds: lasting(size * lanes, base, 60_000, 30, 120),
        oracle: size * lanes
      }
    }
  ],
  [
    "silence",
    "one task per 30 s, then a burst",
    (draw) => {
      const { base, capacity, server } = plain(draw)
      const most = (capacity * 1000) / base
      const busy = lasting(capacity, base, 15_000, 10, 30)
      const quiet = draw.scale(60, 1_200)
      const rates: Array<readonly [number, number]> = []
      for (let round = 0, time = 0; round < 3; round++, time += busy + quiet) {
        rates.push([time * 1000, most * draw.between(0.5, 1)], [(time + busy) * 1000, 1 / 30])
      }
      return { server, load: open(rates), seconds: Math.ceil(3 * busy + 2 * quiet + 30), oracle: capacity }
    }
  ],
  [
    "tiny",
    "knees of 1 to 3",
    (draw) => {
      const { base, capacity, server } = plain(draw, { low: 0.51, high: 3.49 })
      return steady({ server, capacity, seconds: lasting(capacity, base, 60_000, 60, 300) }, { width: 2 })
    }
  ],
  [
    "huge",
    "knees of 1,000 to 5,000",
    (draw) => {
      const capacity = draw.size(1_000, 5_000)
      const base = draw.scale(100, 1_000)
      const make = draw.pick(sharing, queueing)
      return {
        server: make({
          capacity,
          base,
          work: draw.work(),
          rejection: 20,
          limit: Math.round(capacity * draw.pick(1.5, 2, 3))
        }),
        load: backlog,
        seconds: lasting(capacity, base, 250_000, 60, 120),
        oracle: capacity,
        bounds: { min: 1, max: 10_000, initial: 10 }
      }
    }
  ],
  [
    "minutes",
    "tasks of about a minute",
    (draw) => {
      const capacity = draw.size(4, 80)
      const base = draw.scale(30_000, 120_000)
      const make = draw.pick(sharing, queueing)
      return {
        server: make({ capacity, base, work: draw.work(), limit: Math.round(capacity * draw.pick(1.5, 2, 3)) }),
        load: backlog,
        seconds: Math.round(base * 0.24),
        oracle: capacity,
        width: Math.round(base / 200)
      }
    }
  ],
  [
    "drift",
    "capacity or latency drifts for 2 h",
    (draw) => {
      const capacity = draw.size(8, 60)
      const base = draw.scale(300, 2_000)
      const factor = draw.between(1.5, 3)
      const period = draw.pick(3_600, 7_200, 14_400)
      const make = draw.pick(sharing, queueing)
      const common = { work: draw.work() }
      if (draw.chance(0.4)) {
        const server = make({
          ...common,
          capacity,
          limit: 2 * capacity,
          base: swinging(7200, period, base, factor * base, 30)
        })
        return { server, load: backlog, seconds: 7_200, oracle: capacity }
      }
      const of = (share: number): Steps =>
        (
          swinging(7200, period, capacity / factor, capacity * factor, 30) as ReadonlyArray<readonly [number, number]>
        ).map(([time, value]) => [time, Math.max(2, Math.round(share * value))] as const)
      return {
        server: make({ ...common, base, capacity: of(1), limit: of(2) }),
        load: backlog,
        seconds: 7_200,
        oracle: of(1)
      }
    }
  ],
  [
    "pools",
    "2 to 8 pools on one server",
    (draw) => {
      const pools = 2 + Math.floor(draw.between(0, 6.999))
      const { base, capacity, server } = plain(draw, { low: 20, high: 120 })
      return steady({ server, capacity, seconds: lasting(capacity, base, 60_000, 60, 120) }, { pools })
    }
  ]
]

/** A server that loses responses. Their tasks hold workers until they time out, so the best size is larger. */
const losing = (draw: Draw, lost: number): Drawn => {
  const { base, capacity, seconds, server } = plain(draw, { low: 6 })
  const timeout = Math.max(200, base * draw.scale(5, 30))
  const limit = server.limit ?? 3 * capacity
  return {
    server: { ...server, limit, lost, timeout },
    load: backlog,
    seconds: Math.max(60, seconds),
    oracle: Math.round(capacity * (1 + (lost * timeout) / base))
  }
}

/**
 * All families.
 *
 * @category families
 * @since 0.3.0
 */
export const families: ReadonlyArray<Family> = table.map(([id, title, draw, thresholds], index) => ({
  id,
  title,
  good: thresholds?.good ?? 0.93,
  errors: thresholds?.errors ?? 0.01,
  draw: (seed) => ({
    id: `${id}-${seed}`,
    title,
    thresholds: { good: 0 },
    ...draw(new Draw(seed, 1_000 + index))
  })
}))
