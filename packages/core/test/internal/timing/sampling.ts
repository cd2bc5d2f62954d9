// Pools that measure a sample of their tasks, on a clock that the test sets.
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { Task } from "../../../src/internal/pool/task.ts"
import type { Histogram } from "../../../src/internal/timing/histogram.ts"
import type { Stopwatch } from "../../../src/internal/timing/stopwatch.ts"
import { Timing } from "../../../src/internal/timing/timing.ts"
import { machineOptions } from "../pool/machineOptions.ts"

/** Uniform numbers in [0, 1) that are the same in every run. */
const chance = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const normal = (next: () => number): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())

/** Run times in milliseconds, by a source of chance. */
const distributions: Readonly<Record<string, (next: () => number, task: number) => number>> = {
  constant: () => 100,
  uniform: (next) => 10 + 90 * next(),
  "uniform, small": (next) => 2 * next(),
  exponential: (next) => -20 * Math.log(1 - next()),
  "log-normal": (next) => Math.exp(3 + 0.8 * normal(next)),
  "log-normal with a long tail": (next) => Math.exp(2 + 1.5 * normal(next)),
  Pareto: (next) => 5 / (1 - next()) ** (1 / 2.5),
  "two kinds": (next) => (next() < 0.8 ? 5 + next() : 200 + 50 * next()),
  "one slow task in twelve": (next) => (next() < 11 / 12 ? 1 + next() : 1000 * (1 + next())),
  "rising with the number of tasks": (next, task) => (1 + task / 5000) * (5 + next())
}

/** A clock whose time a test sets, in milliseconds. */
const clockAt = (now: () => number): Clock.Clock => {
  const nanos = (): bigint => BigInt(Math.round(now() * 1e6))
  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: () => Effect.never
  }
}

interface Simulated {
  readonly timing: Timing
  readonly watch: Stopwatch
  /** The exact times, in milliseconds. */
  readonly queue: ReadonlyArray<number>
  readonly run: ReadonlyArray<number>
}

/** Lets a machine measure as on the clock of the platform, whose timer a test fires. */
export const sampling = (machine: Machine, fireLater: (f: () => void) => void = () => {}): Timing => {
  machine.observers.timing = new Timing(machine.observers.watch, (_, f) => {
    fireLater(f)
    return () => {}
  })
  machine.observers.measure()
  return machine.observers.timing
}

/** Runs tasks on a machine that measures a sample of them. They come at given times and take given times, all in milliseconds. */
export const simulate = (options: {
  readonly workers: number
  readonly tasks: number
  readonly pause: (task: number) => number
  readonly runTime: (task: number) => number
}): Simulated => {
  let now = 1000
  const clock = clockAt(() => now)
  const { workers } = options
  const machine = new Machine(machineOptions({ initial: workers, max: workers }), Context.make(Clock.Clock, clock))
  const timing = sampling(machine)
  const [queue, run]: [Array<number>, Array<number>] = [[], []]
  /** What ends, the latest first. */
  const ends: Array<{ readonly at: number; readonly end: () => void }> = []
  const runUntil = (time: number): void => {
    for (let next = ends.at(-1); next !== undefined && next.at <= time; next = ends.at(-1)) {
      ends.pop()
      now = next.at
      next.end()
    }
    now = time
  }
  const schedule = (at: number, end: () => void): void => {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (ends[middle]!.at > at) low = middle + 1
      else high = middle
    }
    ends.splice(low, 0, { at, end })
  }
  for (let task = 0; task < options.tasks; task++) {
    const arrival = now
    const time = options.runTime(task)
    const effect = Effect.callback<void>((resume) => {
      queue.push(now - arrival)
      run.push(time)
      schedule(now + time, () => resume(Effect.void))
    })
    machine.admit(new Task(machine, effect, undefined, 4, Context.empty()), false)
    runUntil(now + options.pause(task))
  }
  runUntil(Infinity)
  assert.strictEqual(machine.stats().succeeded, options.tasks)
  return { timing, watch: machine.observers.watch, queue, run }
}

const percentileOf = (values: ReadonlyArray<number>, percent: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1]!

/** Asserts that sampled times agree with the exact ones within a share, and number as many within 5 %. */
const agree = (sampled: Histogram, exact: ReadonlyArray<number>, share: number, what: string): void => {
  const ratio = sampled.percentile(95)! / percentileOf(exact, 95)
  assert.isTrue(Math.abs(ratio - 1) < share, `${what}: ${ratio}`)
  assert.isTrue(Math.abs(sampled.count / exact.length - 1) < 0.05, `${what}: ${sampled.count} times`)
}

/** Registers the comparison of the sampled times with the exact ones, for each distribution of run times and these seeds. */
export const sampledTimesAgree = (seeds: ReadonlyArray<number>): void => {
  for (const [name, distribution] of Object.entries(distributions)) {
    it(`have a p95 within 15 % of the exact one: ${name}`, () => {
      for (const seed of seeds) {
        const next = chance(seed)
        // 20,000 tasks within a second.
        const { queue, run, timing, watch } = simulate({
          workers: 1000,
          tasks: 20_000,
          pause: () => 0.04,
          runTime: (task) => distribution(next, task)
        })
        agree(timing.run, run, 0.15, `run time, seed ${seed}`)
        if (percentileOf(queue, 95) > 0) agree(timing.queue, queue, 0.15, `queue time, seed ${seed}`)
        // With every task timed, the test would say nothing about the sample.
        assert.isBelow(watch.readings, run.length)
      }
    })
  }
}
