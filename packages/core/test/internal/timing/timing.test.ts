import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { ticksPerMilli } from "../../../src/internal/timing/ticks.ts"
import type { Entry, MachineObserver } from "../../../src/internal/pool/entry.ts"
import { bucketsUpTo, Histogram } from "../../../src/internal/timing/histogram.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { Task } from "../../../src/internal/pool/task.ts"
import { machineOptions } from "../pool/machineOptions.ts"
import { sampledTimesAgree, sampling, simulate } from "./sampling.ts"

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

describe("the sampled times of a pool", () => {
  sampledTimesAgree([1, 2])

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
        {
          get: (_, report) => {
            if (report === "usesStopwatch") return true
            return report === "lent" ? (entry: Entry) => watch.lent(entry) : () => {}
          }
        }
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
