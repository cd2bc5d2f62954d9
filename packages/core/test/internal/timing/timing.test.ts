import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import type { Stopwatch } from "../../../src/internal/timing/stopwatch.ts"
import { Timing } from "../../../src/internal/timing/timing.ts"
import { ticksPerMilli } from "../../../src/internal/timing/ticks.ts"
import type { Entry, MachineObserver } from "../../../src/internal/pool/entry.ts"
import { bucketsUpTo, Histogram } from "../../../src/internal/timing/histogram.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { Task } from "../../../src/internal/pool/task.ts"
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

describe("the histogram of times", () => {
  it("has four buckets per octave, whose bounds include all powers of two", () => {
    for (let power = 0; power <= 30; power++) {
      const histogram = new Histogram()
      histogram.add(2 ** power, 1)
      if (power < 30) histogram.add(2 ** power + 1, 1)
      assert.strictEqual(histogram.countUpTo(2 ** power / 16), 1, `2 ** ${power}`)
    }
  })

  it("finds each percentile within a bucket, which is at most a quarter wider than its lower bound", () => {
    for (let ticks = 1; ticks < 2 ** 30; ticks = Math.ceil(ticks * 1.07)) {
      const histogram = new Histogram()
      histogram.add(ticks, 1)
      histogram.add(2 ** 31 - 1, 1)
      const time = histogram.percentile(50)! * 16
      assert.isTrue(time >= ticks && time <= Math.max(ticks + 1, ticks * 1.25), `${ticks} ticks gave ${time}`)
    }
  })

  it("counts zero as zero, and a time of more than 37 hours as the longest", () => {
    const histogram = new Histogram()
    histogram.addZero()
    assert.strictEqual(histogram.percentile(95), 0)
    histogram.add(-5, 1)
    assert.strictEqual(histogram.countUpTo(2 ** 27), 1 + 1)
    assert.isAbove(histogram.max, 37 * 3600 * 1000)
  })

  it("has no percentile without times", () => {
    assert.strictEqual(new Histogram().percentile(95), undefined)
  })

  it("counts the times up to each bound of a metric, whatever the longest time is", () => {
    const bounds = [1, 4, 64, 1024, 2 ** 18]
    const buckets = bucketsUpTo(bounds)
    const histogram = new Histogram()
    const agrees = (): void => {
      const counts = bounds.map((bound): [number, number] => [bound, 1])
      histogram.addCumulative(buckets, counts)
      for (const [bound, count] of counts) assert.strictEqual(count, 1 + histogram.countUpTo(bound), `${bound} ms`)
    }
    agrees()
    histogram.addZero()
    agrees()
    for (const ticks of [0, 1, 16, 17, 64, 1000, 1024, 1025, 2 ** 22, 2 ** 22 + 1, -1]) {
      histogram.add(ticks, 2)
      agrees()
    }
  })

  it("that is subtracted leaves the times since then", () => {
    const histogram = new Histogram()
    for (let i = 0; i < 100; i++) histogram.add(16 * 10, 1)
    const older = histogram.copy()
    for (let i = 0; i < 10; i++) histogram.add(16 * 500, 1)
    const since = histogram.minus(older)
    assert.strictEqual(since.count, 10)
    assert.strictEqual(since.sum, 5000)
    assert.strictEqual(since.countUpTo(64), 0)
    assert.isAbove(since.percentile(1)!, 400)
    assert.strictEqual(histogram.copy().minus(histogram).count, 0)
  })
})

interface Simulated {
  readonly timing: Timing
  readonly watch: Stopwatch
  /** The exact times, in milliseconds. */
  readonly queue: ReadonlyArray<number>
  readonly run: ReadonlyArray<number>
}

/** Lets a machine measure as on the clock of the platform, whose timer a test fires. */
const sampling = (machine: Machine, fireLater: (f: () => void) => void = () => {}): Timing => {
  machine.observers.timing = new Timing(machine.observers.watch, (_, f) => {
    fireLater(f)
    return () => {}
  })
  machine.observers.measure()
  return machine.observers.timing
}

/** Runs tasks on a machine that measures a sample of them. They come at given times and take given times, all in milliseconds. */
const simulate = (options: {
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

describe("the sampled times of a pool", () => {
  for (const [name, distribution] of Object.entries(distributions)) {
    it(`have a p95 within 15 % of the exact one: ${name}`, () => {
      for (const seed of [1, 2, 3, 4, 5]) {
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

  it("are exact for up to 2,048 tasks in a second", () => {
    const { queue, run, timing } = simulate({
      workers: 2,
      tasks: 5000,
      pause: () => 4,
      runTime: (task) => task % 16
    })
    const { queue: queueTimes, run: runTimes } = timing
    const sum = (times: ReadonlyArray<number>): number => times.reduce((sum, time) => sum + time, 0)
    assert.strictEqual(runTimes.count, 5000)
    assert.strictEqual(queueTimes.count, 5000)
    assert.strictEqual(runTimes.sum, sum(run))
    assert.strictEqual(queueTimes.sum, sum(queue))
    assert.isAbove(queueTimes.sum, 0)
  })
})

describe("a pool that measures", () => {
  const pass = TestClock.adjust
  const make = (size = 1) =>
    Effect.map(Effect.context(), (context) => new Machine(machineOptions({ initial: size, max: size }), context))
  const task = (machine: Machine, effect: Effect.Effect<unknown>): void =>
    machine.admit(new Task(machine, effect, undefined, 4, Context.make(Clock.Clock, machine.clock)), false)

  it.effect("times every task again once a second with many tasks is over, while one of them still runs", () =>
    Effect.gen(function* () {
      const machine = yield* make(2)
      let fire = (): void => assert.fail("no timer")
      const timing = sampling(machine, (f) => (fire = f))
      task(machine, Effect.sleep("1 hour"))
      for (let i = 0; i < 100_000; i++) task(machine, Effect.void)
      const before = timing.run.copy()
      assert.isBelow(Math.abs(before.count / 100_000 - 1), 0.05)
      assert.isBelow(machine.observers.watch.readings, 50_000)
      yield* pass("1 second")
      fire()
      for (let i = 0; i < 10; i++) task(machine, Effect.void)
      assert.strictEqual(timing.run.minus(before).count, 10)
    })
  )

  it.effect("still counts when it has measured for days", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      machine.observers.measure()
      for (let day = 0; day < 5; day++) {
        yield* pass("1 day")
        task(machine, Effect.sleep(10))
        yield* pass(10)
      }
      assert.strictEqual(machine.observers.timing!.run.count, 5)
      assert.strictEqual(machine.observers.timing!.run.sum, 50)
    })
  )

  it.effect("times every task by a clock of its own, which costs nothing to read", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      machine.observers.measure()
      for (let i = 0; i < 10_000; i++) task(machine, Effect.void)
      assert.strictEqual(machine.observers.timing!.run.count, 10_000)
      assert.isAbove(machine.observers.watch.readings, 20_000 - 1)
    })
  )

  it.effect(
    "counts the tasks that come after it began to measure, with the time that earlier ones have waited unknown",
    () =>
      Effect.gen(function* () {
        const machine = yield* make()
        task(machine, Effect.sleep(100))
        task(machine, Effect.sleep(100))
        yield* pass(50)
        const stop = machine.observers.measure()
        task(machine, Effect.sleep(10))
        yield* pass(500)
        assert.strictEqual(machine.observers.timing!.queue.count, 1)
        assert.strictEqual(machine.observers.timing!.queue.sum, 150)
        assert.strictEqual(machine.observers.timing!.run.sum, 10)
        stop()
      })
  )

  it.effect("keeps its times when nobody wants them for a while, and counts none of that while", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      const stop = machine.observers.measure()
      const stopAlso = machine.observers.measure()
      task(machine, Effect.sleep(10))
      yield* pass(10)
      stop()
      stop()
      task(machine, Effect.sleep(20))
      yield* pass(20)
      stopAlso()
      task(machine, Effect.sleep(40))
      yield* pass(20)
      const stopLast = machine.observers.measure()
      yield* pass(20)
      task(machine, Effect.sleep(80))
      yield* pass(80)
      assert.strictEqual(machine.observers.timing!.run.count, 3)
      assert.strictEqual(machine.observers.timing!.run.sum, 110)
      stopLast()
    })
  )

  it.effect("counts no time for which a task lent its workers", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      machine.observers.measure()
      task(machine, Effect.sleep(100))
      yield* pass(20)
      const wait = machine.lend(machine.oldestRunning!)
      yield* pass(30)
      wait.end()
      yield* pass(50)
      assert.strictEqual(machine.observers.timing!.run.sum, 100 - 30)
    })
  )

  it.effect("leaves the pool's own observer its knowledge of lent workers when it stops", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      const { watch } = machine.observers
      const own = new Proxy(
        {},
        { get: (_, report) => (report === "lent" ? (entry: Entry) => watch.lent(entry) : () => {}) }
      )
      machine.observers.observe(own as MachineObserver)
      const stop = machine.observers.measure()
      task(machine, Effect.sleep(100))
      const entry = machine.oldestRunning!
      const { since } = entry
      const wait = machine.lend(entry)
      stop()
      yield* pass(30)
      wait.end()
      watch.read()
      watch.tookBack(entry)
      assert.strictEqual(entry.since, since + 30 * ticksPerMilli)
    })
  )

  it.effect("reads no clock when a task lends its workers that is not timed", () =>
    Effect.gen(function* () {
      const machine = yield* make()
      sampling(machine)
      for (let i = 0; i < 100_000; i++) task(machine, Effect.void)
      const { readings } = machine.observers.watch
      for (let i = 0; i < 100; i++) {
        task(machine, Effect.sleep(10))
        const wait = machine.lend(machine.oldestRunning!)
        yield* pass(5)
        wait.end()
        yield* pass(10)
      }
      assert.isBelow(machine.observers.watch.readings - readings, 50)
    })
  )

  it.effect("counts the finalizers of a task as its run time, and no time at the door as queue time", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context()
      const machine = new Machine(machineOptions({ capacity: 1 }), context)
      machine.observers.measure()
      task(machine, Effect.ensuring(Effect.sleep(100), Effect.sleep(50)))
      task(machine, Effect.sleep(30))
      const last = new Task(machine, Effect.sleep(40), undefined, 4, Context.make(Clock.Clock, machine.clock))
      machine.admit(last, true)
      assert.strictEqual(last.state, "AtDoor")
      yield* pass(1000)
      const { queue, run } = machine.observers.timing!
      // 150 ms in the queue, then 30 ms of the last task's in the queue: its first 150 were at the door.
      assert.strictEqual(queue.sum, 180)
      assert.strictEqual(run.sum, 150 + 30 + 40)
    })
  )
})
