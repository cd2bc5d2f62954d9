import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { StepClock } from "../src/StepClock.ts"
import { StepScheduler, type StepSchedulerOptions } from "../src/StepScheduler.ts"

// Three fibers that each write their name three times.
const letters = (options?: StepSchedulerOptions) => {
  const scheduler = new StepScheduler(options)
  const written: Array<string> = []
  for (const name of ["a", "b", "c"]) {
    const write = Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => written.push(name))
    )
    Effect.runFork(Effect.andThen(write, Effect.andThen(write, write)), { scheduler })
  }
  return { scheduler, written }
}

const order = (seed: number) => {
  const { scheduler, written } = letters({ seed, budget: 1000 })
  scheduler.runAll()
  return written.join("")
}

const trace = (options: StepSchedulerOptions) => {
  const { scheduler } = letters(options)
  scheduler.beginTrace()
  scheduler.runAll()
  return scheduler.trace
}

describe("StepScheduler", () => {
  it("runs nothing between two calls of step", () => {
    const { scheduler, written } = letters({ budget: 1000 })
    assert.strictEqual(scheduler.queued, 3)
    assert.deepStrictEqual(written, [])
    assert.isTrue(scheduler.step())
    assert.deepStrictEqual(written, ["a"])
  })

  it("runs the oldest step first", () => {
    const { scheduler, written } = letters({ budget: 1000 })
    scheduler.runAll()
    assert.strictEqual(written.join(""), "abcabcabc")
    assert.isFalse(scheduler.step())
  })

  it("runs at most the given number of steps", () => {
    const { scheduler } = letters({ budget: 1000 })
    assert.strictEqual(scheduler.runAll(4), 4)
    assert.strictEqual(scheduler.runAll(), 5)
  })

  it("takes more steps when the budget is smaller", () => {
    const steps = [3, 4, 8, 1000].map((budget) => letters({ budget }).scheduler.runAll())
    assert.deepStrictEqual(
      steps,
      steps.toSorted((a, b) => b - a)
    )
    assert.isAbove(steps[0]!, steps[3]!)
  })

  it("gives the same order for the same seed, and many orders for many seeds", () => {
    assert.strictEqual(order(5), order(5))
    assert.isAbove(new Set(Array.from({ length: 50 }, (_, seed) => order(seed))).size, 25)
  })

  it("keeps the order of the steps that one fiber queued, whatever the seed", () => {
    for (let seed = 0; seed < 50; seed++) {
      const scheduler = new StepScheduler({ seed })
      const written: Array<number> = []
      const dispatcher = scheduler.makeDispatcher()
      for (const n of [0, 1, 2, 3]) dispatcher.scheduleTask(() => void written.push(n), n === 3 ? -1 : 0)
      scheduler.makeDispatcher().scheduleTask(() => {}, 0)
      scheduler.runAll()
      assert.deepStrictEqual(written, [3, 0, 1, 2], "the lower priority number first, then the older step")
    }
  })

  it("flushes one dispatcher's steps", () => {
    const scheduler = new StepScheduler()
    const written: Array<string> = []
    const [one, other] = [scheduler.makeDispatcher(), scheduler.makeDispatcher()]
    one.scheduleTask(() => void written.push("one"), 0)
    one.flush()
    other.scheduleTask(() => void written.push("other"), 0)
    assert.deepStrictEqual(written, ["one"])
    assert.strictEqual(scheduler.queued, 1)
  })

  it("has the same trace for the same path and another for another", () => {
    assert.strictEqual(trace({ seed: 1 }), trace({ seed: 1 }))
    assert.notStrictEqual(trace({ budget: 3 }), trace({ budget: 1000 }))
    assert.isTrue(Number.isSafeInteger(trace({})))
  })
})

describe("StepClock", () => {
  it("wakes sleepers in the order of their times, in the step that moves it", () => {
    const clock = new StepClock()
    const woken: Array<string> = []
    const sleep = (millis: number) =>
      Effect.runFork(
        Effect.andThen(
          clock.sleep(Duration.millis(millis)),
          Effect.sync(() => woken.push(`${millis}@${clock.currentTimeMillisUnsafe()}`))
        )
      )
    for (const millis of [20, 10, 30]) sleep(millis)
    assert.strictEqual(clock.sleepers, 3)
    clock.adjustUnsafe(25)
    assert.deepStrictEqual(woken, ["10@10", "20@20"])
    assert.strictEqual(clock.currentTimeMillisUnsafe(), 25)
    assert.strictEqual(clock.currentTimeNanosUnsafe(), 25_000_000n)
  })

  it("forgets a sleeper that was interrupted", () => {
    const clock = new StepClock()
    const fiber = Effect.runFork(clock.sleep(Duration.millis(5)))
    assert.strictEqual(clock.sleepers, 1)
    fiber.interruptUnsafe()
    assert.strictEqual(clock.sleepers, 0)
  })
})
