/**
 * The scenarios by which a policy is judged, with their thresholds.
 *
 * @since 0.1.0
 */
import { AutoScalePolicy } from "@aio-task-pool/core"
import { kneeOf } from "./internal/knee.ts"
import { Random } from "../internal/random.ts"
import type { Load, ServerModel, Steps, Work } from "./ServerModel.ts"
import { backlog, batch, bending, contended, open, queueing, rateLimited, sharing, thrashing } from "./ServerModel.ts"

/**
 * The thresholds of a scenario: a minimum for `good`, a maximum for all others. Omitted fields have none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Thresholds {
  /** Goodput relative to the oracle's; for a batch the oracle's makespan relative to the run's. */
  readonly good: number
  /** Overload failures as a share of the settled tasks. */
  readonly errors?: number
  /** Seconds until a second reaches 0.9 of the oracle's goodput, for each phase. */
  readonly converges?: ReadonlyArray<number>
  /** Seconds with more than 1.5 times the oracle's size in flight, for each phase. */
  readonly safe?: ReadonlyArray<number>
  /** Over-drive. */
  readonly over?: number
  /** 99th percentile of the latency relative to the oracle's. */
  readonly p99?: number
}

/**
 * A server, a load, and thresholds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly id: string
  readonly title: string
  readonly server: ServerModel
  readonly load: Load
  /** In seconds. */
  readonly seconds: number
  /** The number of settled tasks after which a run ends early, default no limit. */
  readonly tasks?: number
  /** The best fixed size by phase, found by the sweep. */
  readonly oracle: Steps
  /** Successes per second that the server grants at most. If given, goodput is relative to it and not to the oracle's. */
  readonly limit?: number
  /** The starts of the phases in seconds, default `[0]`. */
  readonly phases?: ReadonlyArray<number>
  /** The seconds over which convergence is measured, default 1; more if few tasks end in a second. */
  readonly width?: number
  readonly bounds?: AutoScalePolicy.AutoScaleBounds
  /** Pools on the server, default 1. */
  readonly pools?: number
  /** The policy to use instead of the judged one. */
  readonly policy?: AutoScalePolicy.AutoScalePolicy<any>
  readonly thresholds: Thresholds
}

const exponential = { kind: "exponential" } as const

const steps = (...values: ReadonlyArray<number>): Steps => values.map((value, i) => [i * 60_000, value] as const)
const alternating = (every: number, count: number, a: number, b: number): Steps =>
  Array.from({ length: count }, (_, i) => [i * every, i % 2 === 0 ? a : b] as const)
/** `rate` per second with a burst of `burst`, `length` seconds long, 10 s into every 20 seconds. */
const bursts = (rate: number, burst: number, length: number): Load => {
  const begins = [10_000, 30_000, 50_000, 70_000, 90_000, 110_000]
  return open([
    [0, rate],
    ...begins.flatMap(
      (at) =>
        [
          [at, burst],
          [at + length * 1000, rate]
        ] as const
    )
  ])
}

const steady = { capacity: 40, limit: 80, base: 50 }
const three = [0, 60, 120]

/**
 * The 29 scenarios.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const scenarios: ReadonlyArray<Scenario> = [
  {
    id: "A1",
    title: "steady, processor sharing",
    server: sharing(steady),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.97, errors: 0.0005, converges: [2], over: 0.35, p99: 1.4 }
  },
  {
    id: "A2",
    title: "steady, exponential work, queueing",
    server: queueing({ ...steady, work: exponential }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.96, errors: 0.0005, converges: [3], over: 0.45, p99: 1.2 }
  },
  {
    id: "A3",
    title: "latency bends up",
    server: bending({ capacity: 40, base: 50 }),
    load: backlog,
    seconds: 60,
    oracle: 56,
    thresholds: { good: 0.95, errors: 0.0005, converges: [3], over: 0.15, p99: 1.3 }
  },
  {
    id: "A4",
    title: "thrashing, timeouts of 2 s",
    server: thrashing({ capacity: 40, base: 50, timeout: 2000 }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.9, errors: 0.0005, converges: [3], over: 0.2, p99: 1.4 }
  },
  {
    id: "A5",
    title: "contention, peak at 40",
    server: contended({ capacity: 40, base: 15 }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.78, errors: 0.0005, over: 0.05, p99: 1 }
  },
  {
    id: "B1",
    title: "capacity 40, 10, 60; processor sharing",
    server: sharing({ capacity: steps(40, 10, 60), limit: steps(80, 20, 120), base: 50 }),
    load: backlog,
    seconds: 180,
    oracle: steps(40, 10, 60),
    phases: three,
    thresholds: { good: 0.93, errors: 0.001, converges: [2, 2, 10], safe: [2, 10, 3], over: 0.35, p99: 1.4 }
  },
  {
    id: "B2",
    title: "capacity 40, 10, 60; queueing",
    server: queueing({ capacity: steps(40, 10, 60), limit: steps(80, 20, 120), base: 50, work: exponential }),
    load: backlog,
    seconds: 180,
    oracle: steps(40, 10, 60),
    phases: three,
    thresholds: { good: 0.92, errors: 0.001, converges: [3, 2, 12], safe: [4, 10, 5], over: 0.45, p99: 1.2 }
  },
  {
    id: "B3",
    title: "work of 50, 150, 50 ms",
    server: sharing({ ...steady, base: steps(50, 150, 50) }),
    load: backlog,
    seconds: 180,
    oracle: 40,
    phases: three,
    thresholds: { good: 0.98, errors: 0.001, converges: [2, 5, 2], safe: [2, 2, 5], over: 0.35, p99: 1.5 }
  },
  {
    id: "C1",
    title: "bursts of 0.9 times the capacity",
    server: sharing(steady),
    load: bursts(100, 700, 5),
    seconds: 120,
    oracle: 40,
    thresholds: { good: 0.999, errors: 0.0005, p99: 2 }
  },
  {
    id: "C2",
    title: "bursts of 1.5 times the capacity",
    server: sharing(steady),
    load: bursts(200, 1200, 4),
    seconds: 120,
    oracle: 40,
    thresholds: { good: 0.999, errors: 0.0005, p99: 1.15 }
  },
  {
    id: "C3",
    title: "idle, then a burst, twice",
    server: sharing(steady),
    load: open([
      [0, 5],
      [120_000, 600],
      [150_000, 5],
      [270_000, 600]
    ]),
    seconds: 300,
    oracle: 40,
    thresholds: { good: 0.999, errors: 0.0005, p99: 2.5 }
  },
  {
    id: "C4",
    title: "600, 150, 900 per second on capacity 40, 10, 60",
    server: sharing({ capacity: steps(40, 10, 60), limit: steps(80, 20, 120), base: 50 }),
    load: open(steps(600, 150, 900)),
    seconds: 180,
    oracle: steps(40, 10, 60),
    phases: three,
    thresholds: { good: 0.995, errors: 0.001, converges: [2, 2, 16] }
  },
  {
    id: "D1",
    title: "batch of 5,000",
    server: sharing(steady),
    load: batch(5000),
    seconds: 600,
    oracle: 40,
    thresholds: { good: 0.92, errors: 0.0005 }
  },
  {
    id: "D2",
    title: "batch of 500 on a slow server",
    server: sharing({ capacity: 8, limit: 16, base: 1000 }),
    load: batch(500),
    seconds: 600,
    oracle: 8,
    thresholds: { good: 0.95, errors: 0.025 }
  },
  {
    id: "E1",
    title: "one task in 20 takes 50 times longer",
    server: queueing({ ...steady, work: { kind: "bimodal", share: 0.05, factor: 50 } }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.93, errors: 0.003, converges: [12], over: 0.8 }
  },
  {
    id: "E2",
    title: "20 % failures that are no overload",
    server: sharing({ ...steady, failing: 0.2 }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.97, errors: 0.0005, converges: [4], over: 0.6 }
  },
  {
    id: "E3",
    title: "outage from 30 s to 50 s",
    server: sharing({ ...steady, outages: [[30_000, 50_000]] }),
    load: backlog,
    seconds: 90,
    oracle: 40,
    phases: [0, 50],
    thresholds: { good: 0.95, errors: 0.003, converges: [3, 3], over: 0.3 }
  },
  {
    id: "E4",
    title: "rate limit of 200 per second",
    server: rateLimited({ rate: 200, burst: 20, base: 50 }),
    load: backlog,
    seconds: 60,
    oracle: 9,
    thresholds: { good: 0.97, errors: 0.015, converges: [2], over: 0.2 }
  },
  {
    id: "F1",
    title: "tiny, capacity 3",
    server: sharing({ capacity: 3, limit: 6, base: 200 }),
    load: backlog,
    seconds: 60,
    oracle: 3,
    width: 2,
    thresholds: { good: 0.85, errors: 0.025, converges: [5], over: 1 }
  },
  {
    id: "F2",
    title: "large, capacity 150",
    server: sharing({ capacity: 150, limit: 300, base: 20 }),
    load: backlog,
    seconds: 20,
    oracle: 150,
    thresholds: { good: 0.93, errors: 0.0005, converges: [2], over: 0.35 }
  },
  {
    id: "F3",
    title: "slow tasks of 2 s",
    server: sharing({ capacity: 8, limit: 16, base: 2000 }),
    load: backlog,
    seconds: 300,
    oracle: 8,
    width: 5,
    thresholds: { good: 0.88, errors: 0.015, converges: [10], over: 1 }
  },
  {
    id: "F5",
    title: "quick tasks of 2 ms",
    server: sharing({ capacity: 10, limit: 40, base: 2 }),
    load: backlog,
    seconds: 60,
    oracle: 10,
    thresholds: { good: 0.98, errors: 0.0005, over: 0.35 }
  },
  {
    id: "G1",
    title: "40, then 20 connections",
    server: queueing({ capacity: steps(40, 20), limit: steps(40, 20), base: 50, work: { kind: "lognormal", cv: 0.5 } }),
    load: backlog,
    seconds: 120,
    oracle: steps(40, 20),
    phases: [0, 60],
    thresholds: { good: 0.94, errors: 0.005, over: 0.05 }
  },
  {
    id: "G2",
    title: "timeouts only, capacity 20, then 10",
    server: queueing({ capacity: steps(20, 10), base: 100, work: exponential, timeout: 1000 }),
    load: backlog,
    seconds: 120,
    oracle: steps(20, 10),
    phases: [0, 60],
    thresholds: { good: 0.94, errors: 0.001, over: 1 }
  },
  {
    id: "G3",
    title: "capacity 40 and 20 in turn, 10 s each",
    server: sharing({ capacity: alternating(10_000, 12, 40, 20), limit: alternating(10_000, 12, 80, 40), base: 50 }),
    load: backlog,
    seconds: 120,
    oracle: alternating(10_000, 12, 40, 20),
    thresholds: { good: 0.93, errors: 0.002, over: 0.35 }
  },
  {
    id: "G4",
    title: "open, 0.75 of the capacity",
    server: sharing(steady),
    load: open(600),
    seconds: 120,
    oracle: 40,
    thresholds: { good: 0.999, errors: 0.0005, p99: 1.6 }
  },
  {
    id: "G5",
    title: "open, 1.25 times the capacity",
    server: sharing(steady),
    load: open(1000),
    seconds: 120,
    oracle: 40,
    thresholds: { good: 0.98, errors: 0.0005, over: 0.4 }
  },
  {
    id: "G6",
    title: "rate limit of 200, 100, 400 per second",
    server: rateLimited({ rate: steps(200, 100, 400), burst: 20, base: 50 }),
    load: backlog,
    seconds: 180,
    oracle: steps(9, 4, 18),
    phases: three,
    thresholds: { good: 0.85, errors: 0.015, over: 0.25 }
  },
  {
    id: "G7",
    title: "rejections that take 200 ms",
    server: sharing({ ...steady, limit: 60, rejection: 200 }),
    load: backlog,
    seconds: 60,
    oracle: 40,
    thresholds: { good: 0.97, errors: 0.004, over: 0.5, p99: 1.6 }
  }
]

/**
 * The contended server with the preset for such servers.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const contendedThroughput: Scenario = {
  id: "A5t",
  title: "contention, preset throughput",
  server: contended({ capacity: 40, base: 15 }),
  load: backlog,
  seconds: 60,
  oracle: 40,
  policy: AutoScalePolicy.adaptive({ preset: "throughput" }),
  thresholds: { good: 0.9, errors: 0.0005 }
}

/**
 * One hour of the steady server, in which a limit could drift.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const hour: Scenario = {
  id: "H1",
  title: "one hour",
  server: sharing(steady),
  load: backlog,
  seconds: 3600,
  oracle: 40,
  thresholds: { good: 0.98, errors: 0.0005, over: 0.4 }
}

/**
 * Two independent pools on the steady server.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const twoPools: Scenario = {
  id: "H2",
  title: "two pools on one server",
  server: sharing(steady),
  load: backlog,
  seconds: 120,
  oracle: 40,
  pools: 2,
  thresholds: { good: 0.98, errors: 0.003 }
}

/**
 * Draws a scenario at random: kind, capacity (2 to 150), work (2 ms to 2 s) and its distribution, limit, timeout, load,
 * and in half of the scenarios a step of the capacity.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const random = (seed: number): Scenario => {
  const draws = new Random(seed, 7)
  const pick = <A>(...items: ReadonlyArray<A>): A => items[Math.floor(draws.next() * items.length)]!
  const logarithmic = (low: number, high: number): number => low * (high / low) ** draws.next()
  const capacity = Math.round(logarithmic(2, 150))
  const base = logarithmic(2, 2000)
  const seconds = Math.ceil(Math.max(40, Math.min(600, (base * 150) / 1000)))
  const steps = draws.next() < 0.5
  const second = steps ? Math.max(2, Math.min(180, Math.round(capacity * pick(0.33, 0.5, 1.5, 2)))) : capacity
  const half = seconds * 500
  const stepped = (of: (c: number) => number): Steps =>
    steps
      ? [
          [0, of(capacity)],
          [half, of(second)]
        ]
      : of(capacity)
  const work: Work = pick<Work>(
    { kind: "lognormal", cv: 0.2 },
    { kind: "lognormal", cv: 0.5 },
    { kind: "lognormal", cv: 1 },
    { kind: "exponential" },
    { kind: "bimodal", share: 0.05, factor: 20 }
  )
  const kind = pick("sharing", "sharing", "queueing", "queueing", "bending", "thrashing", "contended", "rateLimited")
  const load = draws.next() < 0.6 ? undefined : logarithmic(0.4, 1.2)
  const factor = pick(1, 1.5, 2, 3)
  const guard = draws.next()
  const options = {
    capacity: stepped((c) => c),
    base: kind === "contended" ? base / 3 : base,
    work,
    ...(guard < 0.6 || (kind === "queueing" && factor === 1)
      ? { limit: stepped((c) => Math.max(c + 1, Math.round((kind === "bending" ? 2 : 1) * factor * c))) }
      : guard < 0.8
        ? { timeout: Math.max(1000, base * 20) }
        : {})
  }
  const server =
    kind === "sharing"
      ? sharing(options)
      : kind === "queueing"
        ? queueing(options)
        : kind === "bending"
          ? bending(options)
          : kind === "thrashing"
            ? thrashing(options)
            : kind === "contended"
              ? contended(options)
              : rateLimited({ base, work, rate: stepped((c) => (c * 1000) / base), burst: Math.max(5, capacity / 2) })
  // The oracle has the same bounds as the policies.
  const top = (c: number): number => (kind === "bending" ? Math.min(standard.max, Math.round(1.41 * c)) : c)
  const rate = (c: number): number => (c * 1000 * (load ?? 0)) / base
  return {
    id: `R${seed}`,
    title: `${kind}, ${capacity}${steps ? ` then ${second}` : ""}, ${Math.round(base)} ms, ${work.kind}`,
    server,
    load: load === undefined ? backlog : open(stepped(rate)),
    seconds,
    oracle: kind === "rateLimited" ? kneeOf(server, standard, seconds * 1000) : stepped(top),
    phases: steps ? [0, seconds / 2] : [0],
    thresholds: { good: 0 }
  }
}

/**
 * The bounds of all scenarios: 1 to 200, with 10 at the start.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const standard: AutoScalePolicy.AutoScaleBounds = { min: 1, max: 200, initial: 10 }
