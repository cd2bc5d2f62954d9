import { defectOf, expectConserved, expectStats, gated, lineLog, settle, start } from "@aio-task-pool/testing/kit"
import { env } from "node:process"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  type AutoScalePoolOptions,
  type PoolEvent,
  type SubmitOptions,
  TaskPool
} from "../../../src/index.ts"

const never: AutoScalePolicy.AutoScaleWindow = {
  interval: 1e9,
  maxInterval: 1e9,
  minSamples: 1e9,
  runFactor: 0,
  overloads: Infinity
}
const timed = (interval: number): AutoScalePolicy.AutoScaleWindow => ({
  interval,
  maxInterval: interval,
  minSamples: 0,
  runFactor: 0,
  overloads: Infinity
})

type Sample = AutoScalePolicy.AutoScaleSample

/** A policy that keeps the samples it is given; it answers what it is told to, else the size as it is. */
const spy = (
  window: AutoScalePolicy.AutoScaleWindow,
  answer: (sample: Sample, step: number) => Partial<AutoScalePolicy.AutoScaleDecision> = () => ({})
) => {
  const samples: Array<Sample> = []
  const policy: AutoScalePolicy.AutoScalePolicy<number> = {
    name: "spy",
    initial: () => 0,
    window: () => window,
    update: (step, sample) => {
      samples.push(sample)
      return [step + 1, { size: sample.size, reason: "SPY", ...answer(sample, step) }]
    }
  }
  return { policy, samples }
}

// Windows that last exactly as long as asked.
const noChance = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })
const poolOf = (options: AutoScalePoolOptions): Layer.Layer<TaskPool> =>
  Layer.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 10, ...options }), noChance)

/** Hands over a task that takes so many milliseconds. */
const work = (millis: number) => TaskPool.fork(Effect.sleep(millis))
const timesOut = (millis: number) => TaskPool.fork(Effect.timeout(Effect.never, millis))
const pass = (millis: number) => TestClock.adjust(millis)

/** A pool whose clock stands still but for what the test adds to it, and how often it was looked at. */
const handWound = (options: AutoScalePoolOptions) => {
  const hand = { millis: 0, looks: 0 }
  const clock = Effect.map(Clock.Clock, (clock): Clock.Clock =>
    Object.assign(Object.create(clock), {
      monotonicTimeNanosUnsafe: () => {
        hand.looks++
        return BigInt(Math.round(hand.millis * 1e6))
      },
      sleep: () => Effect.never
    })
  )
  return { hand, layer: Layer.provide(poolOf(options), Layer.effect(Clock.Clock, clock)) }
}

describe("the clock", () => {
  it.effect("is looked at for each task that ends in the step in which it began", () => {
    const { policy, samples } = spy(timed(100))
    const { hand, layer } = handWound({ policy })
    const compute = Effect.sync(() => {
      hand.millis += 5
    })
    return Effect.gen(function* () {
      // Those that take no time tell nothing of the others.
      const tasks = Array.from({ length: 33 }, (_, i) => (i < 3 ? Effect.void : compute))
      yield* Effect.forEach(tasks, (task) => TaskPool.submit(task), { concurrency: "unbounded" })
      yield* settle
      const { duration, runMean, succeeded } = samples[0]!
      assert.deepStrictEqual({ duration, runMean, succeeded }, { duration: 100, runMean: 100 / 23, succeeded: 23 })
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "is looked at for the first 512 tasks of a window, and for 256 of each doubling, which stand for all",
    () => {
      const { policy, samples } = spy(timed(1000))
      const { hand, layer } = handWound({ policy, minSize: 2, maxSize: 2 })
      let computed = 0
      const compute = Effect.sync(() => {
        // The later half of those of a window takes three times as long.
        hand.millis += computed++ % 4000 < 2000 ? 0.125 : 0.375
      })
      return Effect.gen(function* () {
        const tasks = Array.from({ length: 9_000 })
        yield* Effect.forEach(tasks, () => TaskPool.submit(Effect.andThen(Effect.yieldNow, compute)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(samples.length, 2)
        for (const [index, sample] of samples.entries()) {
          const { avgInflight, duration, runMean, runMin, runVariance, saturated, started, succeeded, waitMean } =
            sample
          // The window ends with one that is timed, each fourth.
          assert.approximately(duration, 1000, 4)
          assert.approximately(started, 4000, 16)
          assert.approximately(succeeded, 4000, 16)
          assert.approximately(avgInflight, 2, 0.02)
          assert.approximately(saturated, 1, 0.02)
          // Two run by turns, so each takes twice the time that one computes.
          assert.approximately(runMean, (0.25 + 0.75) / 2, 0.01)
          assert.approximately(runVariance, 0.25 ** 2, 0.005)
          assert.isAtMost(runMin, 0.25)
          // In the quick half of the window the tasks of its first quarter leave.
          assert.approximately(waitMean, index * 1000 + (125 + 625) / 2, 10)
          // 512 that stand for one each, 256 for two, 256 for four, and each eighth of the others.
          assert.approximately(sample.timed!, 4000 ** 2 / (512 + 256 * 2 ** 2 + 256 * 4 ** 2 + 244 * 8 ** 2), 10)
        }
        const timed_ = 512 + 256 + 256 + 244
        // A look at the beginning and one at the end of each, the windows' own, and those at who came in one crowd.
        // The stamps for `inspect` are others: one at the arrival and one at the start of each task that has to wait.
        const looks = hand.looks - 2 * tasks.length + 2
        assert.isAtMost(looks, 2.5 * 2 * timed_ + 3 * timed_)
        assert.isAtLeast(looks, 2 * 2 * timed_)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("is not looked at for each task, but each is counted as what it was", () => {
    const { policy, samples } = spy(timed(1000))
    // A success may be bad news, and a failure none.
    const classify = (exit: Exit.Exit<unknown, unknown>) =>
      Exit.isFailure(exit) ? "ignore" : exit.value === "too much" ? "overload" : "success"
    const { hand, layer } = handWound({ policy, classify, minSize: 1, maxSize: 1 })
    const tasks = [Effect.void, Effect.fail("no news"), Effect.succeed("too much"), Effect.die("no news")]
    return Effect.gen(function* () {
      for (let i = 0; i < 4000; i++) yield* Effect.exit(TaskPool.submit(tasks[i % 4]!))
      hand.millis = 1000
      yield* TaskPool.submit(Effect.void)
      const { failed, overloaded, overloadedFresh, runMean, started, succeeded } = samples[0]!
      assert.deepStrictEqual(
        { failed, overloaded, overloadedFresh, runMean, started, succeeded },
        { failed: 2000, overloaded: 1000, overloadedFresh: 1000, runMean: 0, started: 4001, succeeded: 1001 }
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("is looked at when the first one comes who must wait, however many came before", () => {
    const { policy, samples } = spy(timed(1000))
    const { hand, layer } = handWound({ policy, minSize: 1, maxSize: 1 })
    return Effect.gen(function* () {
      for (let i = 0; i < 601; i++) yield* TaskPool.submit(Effect.void)
      const last = gated("last")
      // A failure looks at the clock, and so ends the window.
      yield* TaskPool.fork(Effect.andThen(last.task, Effect.fail("last")))
      hand.millis = 700
      // The 603rd: not one that is timed for itself.
      yield* TaskPool.fork(Effect.never)
      yield* TaskPool.fork(Effect.never)
      hand.millis = 1000
      yield* last.open
      yield* settle
      assert.deepInclude(samples[0]!, { queued: 2, oldestWait: 300 })
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("counts failures of a pool that tells them by default, too", () => {
    const { policy, samples } = spy(timed(1000))
    const { hand, layer } = handWound({ policy, minSize: 1, maxSize: 1 })
    return Effect.gen(function* () {
      for (let i = 0; i < 4000; i++) yield* Effect.exit(TaskPool.submit(i % 2 === 0 ? Effect.void : Effect.fail("no")))
      hand.millis = 1000
      yield* Effect.exit(TaskPool.submit(Effect.fail("no")))
      const { failed, started, succeeded } = samples[0]!
      assert.deepStrictEqual({ failed, started, succeeded }, { failed: 2001, started: 4001, succeeded: 2000 })
    }).pipe(Effect.provide(layer))
  })
})

describe("a sample", () => {
  it.effect("says what ran and waited, over time", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      // Two begin at 0 and the third at 300; the fourth runs from 700 beyond the window.
      for (let i = 0; i < 3; i++) yield* work(300)
      yield* pass(700)
      yield* work(500)
      yield* pass(300)
      assert.deepStrictEqual(samples, [
        {
          duration: 1000,
          reason: "elapsed",
          size: 2,
          resized: false,
          inflight: 1,
          maxInflight: 2,
          avgInflight: (2 * 300 + 300 + 300) / 1000,
          saturated: 0.3,
          queued: 0,
          queuedMin: 0,
          oldestWait: 0,
          waitMean: (0 + 0 + 300 + 0) / 4,
          arrivals: 4,
          started: 4,
          succeeded: 3,
          failed: 0,
          overloaded: 0,
          overloadedFresh: 0,
          runMean: 300,
          runVariance: 0,
          runMin: 300,
          timed: 3
        }
      ])
      yield* pass(1000)
      const { arrivals, avgInflight, maxInflight, runMean, started, succeeded } = samples[1]!
      assert.deepStrictEqual(
        { arrivals, avgInflight, maxInflight, runMean, started, succeeded },
        { arrivals: 0, avgInflight: 0.2, maxInflight: 1, runMean: 500, started: 0, succeeded: 1 }
      )
    }).pipe(Effect.provide(poolOf({ minSize: 2, policy })))
  })

  it.effect("has mean, variance and least of the run times of the successes, and of no other", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      for (const millis of [100, 200, 600]) yield* work(millis)
      yield* TaskPool.fork(Effect.andThen(Effect.sleep(1), Effect.fail("refused")))
      yield* TaskPool.fork(Effect.die("broken"))
      yield* timesOut(50)
      const handle = yield* work(900)
      yield* pass(10)
      yield* handle.cancel
      yield* pass(990)
      const { failed, overloaded, overloadedFresh, runMean, runMin, runVariance, succeeded } = samples[0]!
      assert.deepStrictEqual(
        { failed, overloaded, overloadedFresh, runMin, succeeded },
        { failed: 3, overloaded: 1, overloadedFresh: 1, runMin: 100, succeeded: 3 }
      )
      assert.closeTo(runMean, 300, 1e-6)
      assert.closeTo(runVariance, (200 ** 2 + 100 ** 2 + 300 ** 2) / 2, 1e-6)
    }).pipe(Effect.provide(poolOf({ minSize: 10, policy })))
  })

  const pools = { AioAutoScaleTaskPoolSimple, AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority }
  it.effect.each(Object.entries(pools))("knows who has waited longest: %s", ([, { layer }]) => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* work(1e6)
      yield* pass(100)
      const first = yield* TaskPool.fork(Effect.void, { weight: 9 })
      yield* pass(200)
      const second = yield* TaskPool.fork(Effect.void, { weight: 3 })
      const atDoor = yield* start(TaskPool.fork(Effect.void))
      yield* pass(200)
      yield* first.cancel
      yield* pass(500)
      const look = ({ arrivals, oldestWait, queued, queuedMin }: Sample) => ({
        arrivals,
        oldestWait,
        queued,
        queuedMin
      })
      assert.deepStrictEqual(look(samples[0]!), { arrivals: 4, oldestWait: 700, queued: 2, queuedMin: 0 })
      yield* pass(400)
      yield* second.cancel
      yield* work(1)
      yield* pass(600)
      assert.deepStrictEqual(look(samples[1]!), { arrivals: 1, oldestWait: 1700, queued: 2, queuedMin: 1 })
      yield* Fiber.join(atDoor)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(
      Effect.provide(
        Layer.provide(layer({ minSize: 1, maxSize: 1, capacity: 2, interval: "1 second", policy }), noChance)
      )
    )
  })

  it.effect("forgets who withdrew from the door, or was refused there", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* work(1500)
      const withdrawn = yield* start(TaskPool.submit(Effect.void))
      const refused = yield* start(Effect.exit(TaskPool.submit(Effect.void)))
      yield* Fiber.interrupt(withdrawn)
      yield* TaskPool.pause
      assert.isTrue(Exit.isFailure(yield* Fiber.join(refused)))
      yield* pass(1000)
      assert.strictEqual(samples[0]!.arrivals, 3)
      assert.strictEqual(samples[0]!.queued, 0)
      assert.strictEqual(samples[0]!.oldestWait, 0)
      yield* pass(1000)
    }).pipe(Effect.provide(poolOf({ capacity: 0, policy, maxSize: 1 })))
  })

  it.effect("counts the items of a forEach like tasks, and its application as one that waits", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      const all = yield* start(TaskPool.forEach([100, 200, 300, 400], (millis) => Effect.sleep(millis)))
      yield* pass(1000)
      // Of two workers one does 100 and 300, the other 200 and 400: 400, 600.
      const { arrivals, avgInflight, queued, runMean, started, succeeded, waitMean } = samples[0]!
      assert.deepStrictEqual(
        { arrivals, avgInflight, queued, runMean, started, succeeded, waitMean },
        // Each waits from the launch of the one before it, the third from 0 to 100, the fourth to 200.
        { arrivals: 4, avgInflight: 1, queued: 0, runMean: 250, started: 4, succeeded: 4, waitMean: 50 }
      )
      yield* Fiber.join(all)
    }).pipe(Effect.provide(poolOf({ minSize: 2, policy })))
  })

  it.effect("calls a failure fresh when its task was dispatched since the size last fell", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      for (let i = 0; i < 3; i++) yield* timesOut(500)
      yield* TaskPool.resize(5)
      yield* TaskPool.resize(4)
      for (let i = 0; i < 1; i++) yield* timesOut(500)
      yield* pass(1000)
      assert.strictEqual(samples[0]!.overloaded, 4)
      assert.strictEqual(samples[0]!.overloadedFresh, 1)
      assert.isTrue(samples[0]!.resized)
      yield* pass(1000)
      assert.isFalse(samples[1]!.resized)
    }).pipe(Effect.provide(poolOf({ minSize: 3, policy })))
  })

  it.effect.each([
    ["holdFor", TaskPool.holdFor(500)],
    ["holdDispatch", start(TaskPool.withDispatchHeld(Effect.sleep(500)))]
  ] as const)("counts no time as saturated, and no task as queued, during a hold by %s (load 3)", ([, hold]) => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* work(10_000)
      yield* pass(250)
      yield* hold
      yield* pass(500)
      yield* pass(250)
      assert.strictEqual(samples[0]!.saturated, 0.5)
      assert.strictEqual(samples[0]!.queued, 3)
      assert.strictEqual(samples[0]!.queuedMin, 0)
      yield* pass(900)
      yield* TaskPool.holdFor(500)
      yield* pass(100)
      assert.strictEqual(samples[1]!.saturated, 0.9)
      assert.strictEqual(samples[1]!.queued, 0)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 2, policy })))
  })

  it.effect("gets no worker for tasks that a hold keeps waiting, when no window ends (load 3)", () => {
    const { policy } = spy(never)
    return Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* work(1_000_000)
      yield* TaskPool.holdFor("1 minute")
      yield* pass(50_000)
      assert.strictEqual((yield* TaskPool.stats).targetSize, 2)
      yield* pass(50_000)
      assert.isAbove((yield* TaskPool.stats).targetSize, 2)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 2, maxSize: 5, interval: "1 second", policy })))
  })

  const ample = { limit: 1e6, window: "1 second" } as const
  const light = Effect.gen(function* () {
    for (let i = 0; i < 16; i++) {
      yield* work(10)
      yield* pass(250)
    }
  })
  const full = Effect.gen(function* () {
    for (let i = 0; i < 500; i++) yield* work(10)
    yield* pass(2000)
  })
  const waves = Effect.gen(function* () {
    for (let i = 0; i < 20; i++) {
      for (let task = 0; task < 4; task++) yield* work(45)
      yield* pass(100)
    }
  })
  const growing = Effect.gen(function* () {
    for (const task of [0, 800, 100]) yield* Effect.andThen(pass(task), work(900))
    yield* pass(1200)
  })
  it.effect.each([
    ["light", light],
    ["full", full],
    ["waves", waves],
    ["growing", growing]
  ] as const)(
    "says the same of a %s load with a key, several permits or a rate that allows it (load 11a)",
    ([, load]) =>
      Effect.gen(function* () {
        const sharesOf = (options: AutoScalePoolOptions, first: SubmitOptions) => {
          const { policy, samples } = spy(timed(1000))
          return Effect.gen(function* () {
            yield* TaskPool.submit(Effect.void, first)
            yield* load
            yield* TaskPool.close({ mode: "interrupt" })
            return samples.map(({ inflight, queued, queuedMin, saturated }) => ({
              inflight,
              queued,
              queuedMin,
              saturated
            }))
          }).pipe(Effect.provide(poolOf({ minSize: 2, policy, ...options })))
        }
        const plain = yield* sharesOf({}, {})
        assert.isAtLeast(plain.length, 2)
        assert.deepStrictEqual(yield* sharesOf({}, { key: "a" }), plain)
        assert.deepStrictEqual(yield* sharesOf({}, { permits: 2 }), plain)
        assert.deepStrictEqual(yield* sharesOf({ rate: ample }, {}), plain)
      })
  )

  it.effect("does not reach the policy if a hold took most of its window (load 3)", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* TaskPool.resize(8)
      for (let i = 0; i < 100; i++) yield* work(100)
      yield* pass(600)
      yield* TaskPool.holdFor("30 seconds")
      for (let second = 0; second < 30; second++) yield* pass(1000)
      assert.strictEqual((yield* TaskPool.stats).targetSize, 8)
      assert.deepStrictEqual(
        samples.map(({ queued }) => queued),
        [0]
      )
      yield* pass(3000)
      assert.isAbove(samples.length, 1)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 1, policy })))
  })

  it.effect("is not missing, and the pool does not shrink, while a hold keeps tasks waiting and no window ends", () => {
    const { policy } = spy(never)
    return Effect.gen(function* () {
      yield* TaskPool.resize(8)
      for (let i = 0; i < 100; i++) yield* work(100)
      yield* TaskPool.holdFor("30 seconds")
      for (let second = 0; second < 30; second++) yield* pass(1000)
      assert.strictEqual((yield* TaskPool.stats).targetSize, 8)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 1, interval: "1 second", policy })))
  })

  it.effect("does not count a submitter at the door whose key is at its limit (load 11a, Keys)", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      for (let i = 0; i < 2; i++) yield* start(TaskPool.submit(Effect.sleep("1 hour"), { key: "a" }))
      yield* pass(2000)
      assert.deepStrictEqual(
        samples.map(({ queued, queuedMin, saturated }) => [queued, queuedMin, saturated]),
        [
          [0, 0, 0],
          [0, 0, 0]
        ]
      )
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 1, perKey: 1, capacity: 0, policy })))
  })

  it.effect("is missing once the policy has died, and classify still holds dispatch (load 3)", () => {
    const { policy } = spy(never)
    const broken: AutoScalePolicy.AutoScalePolicy<number> = {
      ...policy,
      window: () => {
        throw new Error("the policy's own")
      }
    }
    const classify = (exit: Exit.Exit<unknown, unknown>) =>
      Exit.isFailure(exit) ? ({ overload: true, retryAfter: 1000 } as const) : "success"
    return Effect.gen(function* () {
      yield* pass(10)
      let sent = 0
      const refused = Effect.suspend(() => {
        sent++
        return Effect.fail("429")
      })
      for (let i = 0; i < 5; i++) yield* TaskPool.fork(refused)
      yield* settle
      assert.strictEqual(sent, 1)
      assert.deepStrictEqual((yield* TaskPool.stats).holds, ["RetryAfter"])
      yield* pass(1000)
      assert.strictEqual(sent, 2)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ minSize: 1, maxSize: 1, classify, policy: broken })))
  })

  it.effect("counts a saturated share against the size of the time", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* work(1000)
      yield* work(1000)
      yield* pass(250)
      yield* TaskPool.resize(3)
      yield* pass(500)
      yield* TaskPool.resize(2)
      yield* pass(250)
      assert.strictEqual(samples[0]!.saturated, 0.5)
      assert.strictEqual(samples[0]!.avgInflight, 2)
      assert.strictEqual(samples[0]!.size, 2)
    }).pipe(Effect.provide(poolOf({ minSize: 2, policy })))
  })
})

describe("a window", () => {
  it.effect("ends in the step in which enough tasks have settled, when its interval has passed", () => {
    const { policy, samples } = spy({ ...never, interval: 100, minSamples: 3 })
    return Effect.gen(function* () {
      for (const millis of [20, 40, 150, 151]) yield* work(millis)
      yield* pass(149)
      assert.strictEqual(samples.length, 0)
      yield* pass(2)
      assert.strictEqual(samples.length, 1)
      const { duration, inflight, succeeded } = samples[0]!
      // The one whose end ended the window runs no more; the last one still does.
      assert.deepStrictEqual({ duration, inflight, succeeded }, { duration: 150, inflight: 1, succeeded: 3 })
    }).pipe(Effect.provide(poolOf({ minSize: 4, policy })))
  })

  it.effect("lasts runFactor mean run times", () => {
    const { policy, samples } = spy({ ...never, interval: 100, minSamples: 1, runFactor: 3 })
    return Effect.gen(function* () {
      yield* work(200)
      yield* pass(599)
      assert.strictEqual(samples.length, 0)
      yield* pass(1)
      assert.strictEqual(samples[0]!.duration, 600)
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("lasts three quarters of runFactor mean run times after maxInterval", () => {
    const { policy, samples } = spy({ ...never, interval: 100, maxInterval: 1000, minSamples: 50, runFactor: 4 })
    return Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* work(500)
      yield* pass(1499)
      assert.strictEqual(samples.length, 0)
      yield* pass(1)
      assert.strictEqual(samples[0]!.duration, 1500)
    }).pipe(Effect.provide(poolOf({ minSize: 10, policy })))
  })

  it.effect("ends with ten samples after maxInterval, and never with fewer", () => {
    const { policy, samples } = spy({ ...never, interval: 100, maxInterval: 1000, minSamples: 50 })
    return Effect.gen(function* () {
      for (let i = 0; i < 9; i++) yield* work(10)
      yield* pass(5000)
      assert.strictEqual(samples.length, 0)
      yield* work(10)
      yield* pass(10)
      assert.strictEqual(samples[0]!.duration, 5010)
      assert.strictEqual(samples[0]!.succeeded, 10)
      for (let i = 0; i < 10; i++) yield* work(10)
      yield* pass(1000)
      assert.strictEqual(samples[1]!.duration, 1000)
    }).pipe(Effect.provide(poolOf({ minSize: 2, policy })))
  })

  it.effect(
    "ends at once with enough fresh overload failures, and nothing is dispatched until they are answered",
    () => {
      const { policy, samples } = spy({ ...never, overloads: 3 }, () => ({ size: 1 }))
      return Effect.gen(function* () {
        yield* TaskPool.resize(4)
        for (let i = 0; i < 40; i++) yield* timesOut(50)
        yield* pass(50)
        assert.strictEqual(samples.length, 1)
        const { duration, overloadedFresh, reason } = samples[0]!
        assert.deepStrictEqual(
          { duration, overloadedFresh, reason },
          { duration: 50, overloadedFresh: 3, reason: "overload" }
        )
        // Four had begun at 0. The first two to end made way for another two, the third and fourth for none.
        yield* expectStats({ targetSize: 1, failed: 4, running: 2, waiting: 34 })
        yield* TaskPool.close({ mode: "interrupt" })
      }).pipe(Effect.provide(poolOf({ policy })))
    }
  )

  it.effect("reacts once to an incident: tasks that began before the size fell end no window early", () => {
    const { policy, samples } = spy({ ...never, overloads: 1 }, ({ size }) => ({ size: size / 2 }))
    return Effect.gen(function* () {
      yield* TaskPool.resize(8)
      for (let i = 0; i < 8; i++) yield* timesOut(50 + i)
      yield* pass(100)
      assert.strictEqual(samples.length, 1)
      yield* expectStats({ targetSize: 4, failed: 8 })
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("is spread by ten per cent either way", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* work(300_000)
      yield* pass(300_000)
      const durations = samples.map(({ duration }) => duration)
      assert.isAtLeast(Math.min(...durations), 900)
      assert.isAtMost(Math.max(...durations), 1101)
      assert.isBelow(Math.min(...durations), 910)
      assert.isAbove(Math.max(...durations), 1090)
      assert.closeTo(durations.reduce((a, b) => a + b) / durations.length, 1000, 15)
    }).pipe(Effect.provide(AioAutoScaleTaskPoolSimple.layer({ policy })), Random.withSeed("spread"))
  })

  it.effect("lasts at most `interval`, if given, when it needs no tasks", () => {
    const { policy, samples } = spy(timed(10_000))
    return Effect.gen(function* () {
      yield* work(2000)
      yield* pass(2000)
      assert.deepStrictEqual(
        samples.map(({ duration }) => duration),
        [500, 500, 500, 500]
      )
    }).pipe(Effect.provide(poolOf({ policy, interval: 500 })))
  })
})

describe("demand without an answer", () => {
  it.effect("grows by one worker each interval while no task ends, and tells the policy", () => {
    const { policy, samples } = spy({ ...never, interval: 100, minSamples: 2 })
    return Effect.gen(function* () {
      const tasks = Array.from({ length: 20 }, () => gated(0))
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* pass(999)
      yield* expectStats({ targetSize: 1 })
      yield* pass(1)
      yield* expectStats({ targetSize: 2, running: 2 })
      yield* pass(2000)
      yield* expectStats({ targetSize: 4, running: 4 })
      for (const { open } of tasks.slice(0, 2)) yield* open
      yield* settle
      assert.isTrue(samples[0]!.resized)
      assert.strictEqual(samples[0]!.size, 4)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ policy, interval: "1 second" })))
  })

  it.effect("shrinks a pool without tasks by a quarter each interval, down to its minimum", () => {
    const { policy } = spy(never)
    return Effect.gen(function* () {
      yield* TaskPool.resize(10)
      const sizes: Array<number> = []
      for (let i = 0; i < 8; i++) {
        yield* pass(1000)
        sizes.push((yield* TaskPool.stats).targetSize)
      }
      assert.deepStrictEqual(sizes, [7, 5, 4, 3, 2, 1, 1, 1])
    }).pipe(Effect.provide(poolOf({ policy, interval: "1 second" })))
  })

  it.effect("does not resize a pool whose workers are all in use", () => {
    const { policy } = spy(never)
    return Effect.gen(function* () {
      yield* TaskPool.resize(4)
      for (let i = 0; i < 4; i++) yield* work(1e6)
      yield* pass(60_000)
      yield* expectStats({ targetSize: 4, running: 4 })
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ policy })))
  })
})

describe("a pause", () => {
  it.effect("dispatches nothing while it lasts, admits, and lets running tasks go on; then a window begins", () => {
    const { policy, samples } = spy(timed(1000), (_, step) => (step === 0 ? { pause: 500 } : {}))
    return Effect.gen(function* () {
      const events: Array<string> = []
      yield* start(Stream.runForEach(TaskPool.events, ({ _tag }) => Effect.sync(() => void events.push(_tag))))
      yield* work(1200)
      yield* pass(1000)
      yield* work(100)
      yield* expectStats({ running: 1, waiting: 1 })
      yield* pass(499)
      yield* expectStats({ running: 0, waiting: 1, succeeded: 1 })
      yield* pass(1)
      yield* expectStats({ running: 1, waiting: 0 })
      yield* pass(1000)
      const { duration, queuedMin, started, succeeded } = samples[1]!
      assert.deepStrictEqual(
        { duration, queuedMin, started, succeeded },
        { duration: 1000, queuedMin: 0, started: 1, succeeded: 1 }
      )
      assert.deepStrictEqual(events, ["Decided", "Held", "Released", "Decided"])
    }).pipe(Effect.provide(poolOf({ policy, minSize: 2 })))
  })

  it.effect("ends when the pool begins to close, so that the drain continues at once", () => {
    const { policy } = spy(timed(1000), () => ({ pause: 100_000 }))
    return Effect.gen(function* () {
      yield* pass(1000)
      for (let i = 0; i < 5; i++) yield* TaskPool.fork(Effect.void)
      yield* expectStats({ waiting: 5 })
      const report = yield* TaskPool.close()
      assert.deepStrictEqual(report, { completed: 5, interrupted: 0, neverRun: 0 })
      yield* TaskPool.start
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("open")), "open")
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("cannot keep an interrupting close", () => {
    const { policy } = spy(timed(1000), () => ({ pause: 100_000 }))
    return Effect.gen(function* () {
      yield* pass(1000)
      for (let i = 0; i < 5; i++) yield* TaskPool.fork(Effect.void)
      const report = yield* TaskPool.close({ mode: "interrupt" })
      assert.deepStrictEqual(report, { completed: 0, interrupted: 0, neverRun: 5 })
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect.each([Infinity, 1e300, 300_001])("of %s milliseconds ends after 5 minutes", (millis) => {
    const { policy } = spy(timed(1000), (_, step) => (step === 0 ? { pause: millis } : {}))
    return Effect.gen(function* () {
      yield* pass(1000)
      const submitter = yield* start(TaskPool.submit(Effect.succeed("done")))
      yield* pass(299_999)
      yield* expectStats({ waiting: 1 })
      yield* pass(1)
      assert.strictEqual(yield* Fiber.join(submitter), "done")
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect.each([Number.NaN, -5, 0, -Infinity])("of %s milliseconds is none", (millis) => {
    const { policy } = spy(timed(1000), () => ({ pause: millis }))
    return Effect.gen(function* () {
      yield* pass(1000)
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("done")), "done")
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("keeps what was set by hand meanwhile, and tells the policy", () => {
    const { policy, samples } = spy(timed(1000), (_, step) => (step === 0 ? { pause: 500 } : {}))
    return Effect.gen(function* () {
      yield* pass(1000)
      assert.strictEqual(yield* TaskPool.resize(5), 5)
      for (let i = 0; i < 6; i++) yield* work(10)
      yield* expectStats({ running: 0, waiting: 6 })
      yield* pass(500)
      yield* expectStats({ running: 5, waiting: 1 })
      yield* pass(1000)
      assert.strictEqual(samples[1]!.resized, true)
      assert.strictEqual(samples[1]!.size, 5)
    }).pipe(Effect.provide(poolOf({ policy })))
  })
})

describe("classify", () => {
  class TooMany {
    readonly _tag = "TooMany"
  }
  const retryAfter = (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof TooMany
      ? ({ overload: true, retryAfter: "2 seconds" } as const)
      : ("success" as const)

  it.effect("is called for every exit, and an exit it calls a success counts as one", () => {
    const { policy, samples } = spy(timed(1000))
    const exits: Array<string> = []
    return Effect.gen(function* () {
      yield* TaskPool.fork(Effect.fail("not found"))
      yield* TaskPool.fork(Effect.die("broken"))
      yield* TaskPool.submit(Effect.succeed(1))
      yield* pass(1000)
      const { failed, overloaded, succeeded } = samples[0]!
      assert.deepStrictEqual({ failed, overloaded, succeeded }, { failed: 0, overloaded: 0, succeeded: 3 })
      assert.deepStrictEqual(exits, ["Failure", "Failure", "Success"])
    }).pipe(
      Effect.provide(
        poolOf({
          policy,
          classify: (exit) => {
            exits.push(exit._tag)
            return "success"
          }
        })
      )
    )
  })

  it.effect("by default takes a time-out for overload, as a failure and as a defect, and nothing else", () => {
    const { policy, samples } = spy(timed(1000))
    return Effect.gen(function* () {
      yield* timesOut(10)
      yield* TaskPool.fork(Effect.orDie(Effect.timeout(Effect.never, 10)))
      yield* TaskPool.fork(Effect.fail("timeout"))
      yield* TaskPool.fork(Effect.interrupt)
      const outside = yield* start(Effect.exit(Effect.timeout(TaskPool.submit(Effect.never), 10)))
      yield* pass(1000)
      yield* Fiber.join(outside)
      const { failed, overloaded, succeeded } = samples[0]!
      assert.deepStrictEqual({ failed, overloaded, succeeded }, { failed: 3, overloaded: 2, succeeded: 0 })
    }).pipe(Effect.provide(poolOf({ policy, minSize: 5 })))
  })

  it.effect("may say when to come back: the window ends at once, and nothing is dispatched until then", () => {
    const { policy, samples } = spy(never)
    return Effect.gen(function* () {
      yield* start(Effect.exit(TaskPool.submit(Effect.andThen(Effect.sleep(100), Effect.fail(new TooMany())))))
      // Another one that was on its way brings the same word half a second later.
      yield* start(Effect.exit(TaskPool.submit(Effect.andThen(Effect.sleep(600), Effect.fail(new TooMany())))))
      const submitter = yield* start(TaskPool.submit(Effect.succeed("done")))
      yield* pass(100)
      assert.strictEqual(samples[0]!.reason, "overload")
      assert.strictEqual(samples[0]!.overloadedFresh, 1)
      yield* pass(2499)
      yield* expectStats({ waiting: 1, running: 0 })
      yield* pass(1)
      assert.strictEqual(yield* Fiber.join(submitter), "done")
    }).pipe(Effect.provide(poolOf({ policy, minSize: 2, classify: retryAfter })))
  })

  it.effect("that throws counts as ignore, affects no task, and is logged", () => {
    const { policy, samples } = spy(timed(1000))
    const { layer: logger, lines } = lineLog()
    const classify = () => {
      throw new Error("no idea")
    }
    return Effect.gen(function* () {
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("done")), "done")
      yield* pass(1000)
      assert.strictEqual(samples[0]!.failed, 1)
      yield* pass(1000)
      assert.strictEqual(samples.length, 2)
      assert.deepStrictEqual(
        lines.map(({ annotations, level, message }) => [level, message, annotations]),
        [["Error", "classify threw", { "task_pool.name": "strict", "task_pool.kind": "AioAutoScaleTaskPoolSimple" }]]
      )
      assert.include(Cause.pretty(lines[0]!.cause), "no idea")
    }).pipe(Effect.provide(poolOf({ policy, classify, name: "strict" })), Effect.provide(logger))
  })
})

describe("a decision", () => {
  it.effect("yields to a resize by hand that came after the window", () => {
    let byHand: Effect.Effect<unknown> = Effect.void
    const { policy, samples } = spy(timed(1000), (_, step) => {
      // As late as it can come: while the policy thinks.
      if (step === 0) Effect.runSync(byHand)
      return { size: 2 }
    })
    return Effect.gen(function* () {
      byHand = (yield* TaskPool).resize(7)
      yield* pass(1000)
      yield* expectStats({ targetSize: 7 })
      yield* pass(1000)
      assert.isTrue(samples[1]!.resized)
      yield* expectStats({ targetSize: 2 })
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("is an event after the change it brought about, with what it rests on", () => {
    const evidence = { before: 1, base: 20, elasticity: 0.5 }
    const { policy, samples } = spy(timed(1000), (_, step) => (step === 0 ? { size: 4, evidence } : {}))
    return Effect.gen(function* () {
      const events = yield* start(Stream.runCollect(Stream.take(TaskPool.events, 3)))
      yield* pass(2000)
      const common = { _tag: "Decided", policy: "spy", reason: "SPY", pause: 0 } as const
      const at = 1000
      const expected: Array<PoolEvent> = [
        { _tag: "Scaled", at, from: 1, to: 4, why: "SPY" },
        { ...common, at, from: 1, to: 4, evidence, sample: samples[0]! },
        { ...common, at: 2 * at, from: 4, to: 4, evidence: undefined, sample: samples[1]! }
      ]
      const seen = yield* Fiber.join(events)
      assert.deepStrictEqual(seen, expected)
      const decisions = seen.slice(1).map(({ _tag, ...decision }: any) => decision)
      assert.deepStrictEqual<unknown>(yield* TaskPool.decisions(), decisions)
      assert.deepStrictEqual<unknown>(yield* TaskPool.decisions(1), decisions.slice(1))
      assert.deepStrictEqual(yield* TaskPool.decisions(0), [])
      assert.instanceOf(defectOf(yield* Effect.exit(TaskPool.decisions(-1))), RangeError)
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("leaves nothing on the span in which the pool was made, which may stay open for days", () => {
    const { policy } = spy(timed(1000))
    const span = new Tracer.NativeSpan({
      name: "app",
      parent: Option.none(),
      annotations: Context.empty(),
      links: [],
      startTime: 0n,
      kind: "internal",
      sampled: true
    })
    return Effect.gen(function* () {
      yield* pass(2000)
      assert.deepStrictEqual(span.events, [])
      assert.strictEqual(span.attributes.size, 0)
    }).pipe(Effect.provide(poolOf({ policy })), Effect.provideService(Tracer.ParentSpan, span))
  })

  it.effect("is explained on request: the last ones as a table", () => {
    const { policy } = spy(timed(1000), (_, step) => ({ size: step + 2, evidence: { before: step + 1, base: 20 } }))
    return Effect.gen(function* () {
      assert.strictEqual(
        yield* TaskPool.explain(),
        "AioAutoScaleTaskPoolSimple: spy, 1 worker (1 to 10), no decision yet"
      )
      yield* work(50)
      yield* pass(3000)
      const [head, titles, ...rows] = (yield* TaskPool.explain(2)).split("\n")
      assert.strictEqual(head, "AioAutoScaleTaskPoolSimple: spy, 4 workers (1 to 10)")
      assert.deepStrictEqual(titles!.trim().split(/ {2,}/).slice(0, 3), ["time s", "size", "why"])
      assert.strictEqual(rows.length, 2)
      assert.include(rows[0], "2 -> 3")
      assert.deepStrictEqual(rows[1]!.trim().split(/ {2,}/).slice(0, 4), ["3.00", "3 -> 4", "SPY", "1000"])
      assert.include(yield* TaskPool.explain(3), "50.0")
      assert.strictEqual(Exit.isFailure(yield* Effect.exit(TaskPool.explain(-1))), true)
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("is explained although its evidence cannot be read", () => {
    const evidence = {
      before: 1,
      get base(): number {
        throw new Error("the evidence's own")
      }
    }
    const { policy } = spy(timed(1000), () => ({ evidence }))
    return Effect.gen(function* () {
      yield* pass(2000)
      assert.include(yield* TaskPool.explain(), "SPY")
    }).pipe(Effect.provide(poolOf({ policy })))
  })

  it.effect("has its reason explained below the table, each once", () =>
    Effect.gen(function* () {
      yield* pass(30_000)
      const lines = (yield* TaskPool.explain()).split("\n")
      const rows = lines.filter((line) => line.includes(" FIXED "))
      assert.isAtLeast(rows.length, 2)
      assert.deepStrictEqual(lines.slice(rows.length + 2), ["FIXED: the policy always asks for this size"])
    }).pipe(Effect.provide(poolOf({ policy: AutoScalePolicy.withInterval(AutoScalePolicy.fixed(4), 1000) })))
  )

  it.effect("that changes the size is one line at Debug, and no span keeps it (A9)", () => {
    const { policy } = spy(timed(1000), (_, step) => (step === 1 ? { size: 4 } : {}))
    const span = new Tracer.NativeSpan({
      name: "maker",
      parent: Option.none(),
      annotations: Context.empty(),
      links: [],
      startTime: 0n,
      kind: "internal",
      sampled: true
    })
    const log = lineLog()
    // Effect's own logger that adds each line to the current span.
    const both = Logger.layer([log.logger, Logger.tracerLogger])
    return Effect.gen(function* () {
      yield* pass(4000)
      assert.strictEqual((yield* TaskPool.stats).targetSize, 4)
      assert.deepStrictEqual(
        log.lines.map(({ annotations, level, message }) => [level, message, annotations]),
        [
          [
            "Debug",
            "scaled from 1 to 4: SPY",
            {
              "task_pool.name": "sized",
              "task_pool.kind": "AioAutoScaleTaskPoolSimple",
              from: 1,
              to: 4,
              reason: "SPY"
            }
          ]
        ]
      )
      assert.deepStrictEqual(span.events, [])
    }).pipe(
      Effect.provide(poolOf({ policy, name: "sized" })),
      Effect.provide(both),
      Effect.provideService(References.MinimumLogLevel, "Debug"),
      Effect.provideService(Tracer.ParentSpan, span)
    )
  })

  it.effect("is nothing a fixed pool makes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* TaskPool.decisions(), [])
      assert.strictEqual(
        yield* TaskPool.explain(),
        "AioFixedTaskPoolSimple: a fixed pool, 2 workers, which decides nothing"
      )
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(2)))
  )
})

describe("adaptive, by default", () => {
  /** A server of `slots`: beyond them tasks queue in it, and beyond twice as many it refuses with a time-out. */
  const server = (slots: number) => {
    const state = { slots, active: 0, worst: 0 }
    const call = Effect.suspend(() => {
      state.worst = Math.max(state.worst, state.active + 1)
      if (state.active >= 2 * state.slots) return Effect.andThen(Effect.sleep(2), Effect.fail(new Cause.TimeoutError()))
      state.active++
      const slow = Math.max(1, state.active / state.slots)
      return Effect.ensuring(
        Effect.sleep(50 * slow),
        Effect.sync(() => state.active--)
      )
    })
    return { state, call }
  }

  it.effect(
    "follows a whole day of load: up in the morning, down to the minimum at night",
    () => {
      const { call, state } = server(40)
      const sizeAt: Record<string, number> = {}
      return Effect.gen(function* () {
        const pool = yield* TaskPool
        const arrive = (perSecond: number, seconds: number) =>
          Effect.gen(function* () {
            for (let i = 0; i < seconds * 4; i++) {
              for (let k = 0; k < perSecond / 4; k++) yield* pool.fork(call)
              yield* pass(250)
            }
            return (yield* pool.stats).targetSize
          })
        sizeAt["at rest"] = yield* arrive(0, 600)
        sizeAt["morning"] = yield* arrive(400, 30)
        sizeAt["noon"] = yield* arrive(40, 60)
        yield* pass(6 * 3600_000)
        sizeAt["afternoon"] = (yield* pool.stats).targetSize
        sizeAt["evening"] = yield* arrive(600, 30)
        yield* pass(17 * 3600_000)
        sizeAt["night"] = (yield* pool.stats).targetSize
        yield* pool.awaitIdle
        assert.strictEqual(sizeAt["at rest"], 2)
        assert.isAtLeast(sizeAt["morning"], 20)
        assert.strictEqual(sizeAt["afternoon"], 2)
        assert.isAtLeast(sizeAt["evening"], 20)
        assert.strictEqual(sizeAt["night"], 2)
        const stats = yield* pool.stats
        expectConserved(stats)
        assert.strictEqual(stats.submitted, 400 * 30 + 40 * 60 + 600 * 30)
        assert.isAtMost(stats.failed, 0.01 * stats.submitted)
        assert.isAtMost(state.worst, 100)
      }).pipe(Effect.provide(poolOf({ minSize: 2, maxSize: 100 })))
    },
    180_000
  )

  it.effect("recovers from an outage by itself", () => {
    const { call, state } = server(40)
    return Effect.gen(function* () {
      const feeder = yield* start(
        Effect.exit(TaskPool.forEach(Array.from({ length: 1e6 }), () => Effect.exit(Effect.suspend(() => call))))
      )
      yield* pass(10_000)
      assert.isAtLeast((yield* TaskPool.stats).targetSize, 20)
      yield* Fiber.interrupt(feeder)
      state.slots = 0
      const down = yield* start(
        Effect.forEach(Array.from({ length: 60 }), () =>
          start(Effect.exit(TaskPool.submit(Effect.suspend(() => call))))
        )
      )
      yield* pass(20_000)
      yield* Fiber.join(down)
      state.slots = 40
      for (let i = 0; i < 40; i++) {
        for (let k = 0; k < 150; k++) yield* TaskPool.fork(call)
        yield* pass(250)
      }
      assert.isAtLeast((yield* TaskPool.stats).targetSize, 10)
      yield* TaskPool.close({ mode: "interrupt" })
    }).pipe(Effect.provide(poolOf({ maxSize: 100 })))
  })
})

describe("whatever a policy returns", () => {
  const odd = [Number.NaN, Infinity, -Infinity, -3, 0, 0.4, 1, 2.7, 5, 1e9, Number.MIN_VALUE]

  it.effect.each(Array.from({ length: Number(env["SEEDS"] ?? 4) }, (_, seed) => seed))(
    "the pool keeps its promises: seed %i",
    (seed) => {
      const oddWindow = { next: () => 0 as number }
      const policy: AutoScalePolicy.AutoScalePolicy<number> = {
        name: "mad",
        initial: () => 0,
        window: () => ({
          interval: oddWindow.next(),
          maxInterval: oddWindow.next(),
          minSamples: oddWindow.next(),
          runFactor: oddWindow.next(),
          overloads: oddWindow.next()
        }),
        update: () => [0, { size: oddWindow.next(), pause: oddWindow.next(), reason: "MAD" }]
      }
      return Effect.gen(function* () {
        const random = yield* Random.Random
        oddWindow.next = () => odd[Math.floor(random.nextDoubleUnsafe() * odd.length)]!
        const pool = yield* AioAutoScaleTaskPoolSimple.make({
          minSize: seed % 3,
          maxSize: 6,
          capacity: seed % 2 === 0 ? Infinity : 5,
          interval: 100,
          policy
        })
        const submitters: Array<Fiber.Fiber<unknown>> = []
        for (let i = 0; i < 200; i++) {
          const dice = random.nextDoubleUnsafe()
          if (dice < 0.5) submitters.push(yield* start(Effect.exit(pool.submit(Effect.sleep(dice * 100)))))
          else if (dice < 0.7) submitters.push(yield* start(Effect.exit(pool.submit(Effect.timeout(Effect.never, 5)))))
          else if (dice < 0.75) yield* pool.resize(i % 8)
          else if (dice < 0.8)
            yield* Fiber.interrupt(submitters[Math.floor(dice * submitters.length)] ?? Fiber.getCurrent()!)
          else yield* pass(dice * 60)
          const stats = yield* pool.stats
          expectConserved(stats)
          assert.isAtLeast(stats.targetSize, seed % 3)
          assert.isAtMost(stats.targetSize, 6)
          assert.isTrue(Number.isInteger(stats.targetSize))
        }
        // Every pause ends: what was submitted gets done.
        yield* pass(3600_000)
        yield* pool.awaitIdle
        for (const submitter of submitters) yield* Fiber.await(submitter)
        yield* pool.close()
      }).pipe(Effect.scoped, Random.withSeed(seed))
    },
    180_000
  )
})

describe("a closed pool (I6)", () => {
  it.effect.each([0, 1_000_000])("leaves no timer behind, though its policy asks for pauses of %s ms", (millis) => {
    const { policy, samples } = spy(timed(1000), () => ({ pause: millis }))
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let sleepers = 0
      const sleep = (duration: Duration.Duration) =>
        Effect.acquireUseRelease(
          Effect.sync(() => sleepers++),
          () => clock.sleep(duration),
          () => Effect.sync(() => sleepers--)
        )
      const counting: Clock.Clock = Object.assign(Object.create(clock), clock, { sleep })
      const layer = Layer.provide(poolOf({ policy }), Layer.succeed(Clock.Clock, counting))
      for (const elapsed of [0, 500, 1000, 1500, 2500]) {
        yield* Effect.gen(function* () {
          yield* pass(elapsed)
          assert.isAbove(sleepers, 0)
        }).pipe(Effect.provide(layer, { local: true }))
        assert.strictEqual(sleepers, 0)
      }
      assert.isAtLeast(samples.length, 3)
    })
  })
})
