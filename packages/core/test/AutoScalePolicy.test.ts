import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { AutoScalePolicy } from "../src/index.ts"

describe("score", () => {
  const { score } = AutoScalePolicy
  const bounds = { min: 3, max: 13, initial: 3 }
  const sampleOf = (size: number, queued: number): AutoScalePolicy.AutoScaleSample => ({
    duration: 10_000,
    size,
    inflight: size,
    queued,
    arrivals: 0,
    succeeded: 0,
    failed: 0
  })
  const decide = (history: ReadonlyArray<number>, size: number, queued: number) =>
    score.update(history, sampleOf(size, queued), bounds)[1]

  it("is called score, and begins with nothing to remember", () => {
    assert.strictEqual(score.name, "score")
    assert.deepStrictEqual(score.initial(bounds), [])
  })

  // Each row: what was remembered, the size, the waiting tasks; then the decision. The range above 3 is 10 wide.
  const rows: ReadonlyArray<readonly [string, ReadonlyArray<number>, number, number, number, string]> = [
    ["more than 2 wait for each worker, more than lately: to the maximum", [1, 1, 1], 3, 7, 13, "ACCUMULATE"],
    ["more than 2 wait for each worker after an idle time: to the maximum", [0, 0], 3, 7, 13, "ACCUMULATE"],
    ["more than 2 wait for each worker, as lately: by 60 %", [3, 3, 3], 3, 9, 9, "GROW"],
    ["more than 2 wait for each worker, fewer than lately: by 60 %", [5, 5, 5], 3, 9, 9, "GROW"],
    ["more than 2 wait for each worker, nothing is known of before: by 60 %", [], 3, 9, 9, "GROW"],
    ["exactly 2 wait for each worker: by 30 %", [0], 3, 6, 6, "GROW"],
    ["one to two wait for each worker: by 30 %", [5], 4, 6, 7, "GROW"],
    ["exactly one waits for each worker: by 30 %", [], 3, 3, 6, "GROW"],
    ["fewer wait than there are workers, more than lately: by 5 %", [0.1, 0.1], 4, 2, 5, "GROW"],
    ["a first sample in which fewer wait than there are workers: by 5 %", [], 4, 2, 5, "GROW"],
    ["fewer wait than there are workers, as lately: as it is", [0.5, 0.5], 4, 2, 4, "STEADY"],
    ["fewer wait than there are workers, fewer than lately: as it is", [0.9], 4, 2, 4, "STEADY"],
    ["nothing waits, nor did lately: by 30 % of what is above the minimum", [0, 0, 0, 0, 0], 13, 0, 10, "IDLE"],
    ["nothing waits in the first sample: by 30 % of what is above the minimum", [], 13, 0, 10, "IDLE"],
    ["nothing waits, but did lately: by 10 % of what is above the minimum", [0, 0, 0, 0, 0.2], 13, 0, 12, "IDLE"],
    ["only what waited before the last five is forgotten", [9, 0, 0, 0, 0, 0], 13, 0, 10, "IDLE"],
    ["at the minimum nothing is left to shrink", [0], 3, 0, 3, "IDLE"],
    ["at the maximum nothing is left to grow", [3], 13, 39, 13, "GROW"],
    ["one above the minimum shrinks by one", [0.1], 4, 0, 3, "IDLE"],
    ["one below the maximum grows by one", [0.1], 12, 3, 13, "GROW"]
  ]
  it.for(rows)("%s", ([, history, size, queued, expected, reason]) => {
    assert.deepStrictEqual(decide(history, size, queued), { size: expected, reason })
  })

  it("wakes a pool that has no worker", () => {
    const decision = score.update([0], sampleOf(0, 1), { min: 0, max: 5, initial: 0 })[1]
    assert.isAbove(decision.size, 0)
    const again = score.update([Infinity, Infinity], sampleOf(0, 1), { min: 0, max: 5, initial: 0 })[1]
    assert.isAbove(again.size, 0)
  })

  it("leaves a pool that has no worker and nothing to do", () => {
    assert.deepStrictEqual(score.update([0], sampleOf(0, 0), { min: 0, max: 5, initial: 0 })[1].size, 0)
  })

  it("remembers the last 20 scores, newest last", () => {
    let history = score.initial(bounds)
    for (let queued = 0; queued < 30; queued++) history = score.update(history, sampleOf(1, queued), bounds)[0]
    assert.deepStrictEqual(
      history,
      Array.from({ length: 20 }, (_, i) => i + 10)
    )
  })

  it("changes neither its state nor its sample", () => {
    const history = Object.freeze([1, 2, 3])
    const sample = Object.freeze(sampleOf(3, 9))
    assert.deepStrictEqual(score.update(history, sample, Object.freeze(bounds)), score.update(history, sample, bounds))
  })

  it.effect("answers a whole number within the bounds, whatever it is given", () =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (n: number) => Math.floor(random.nextDoubleUnsafe() * n)
      for (let run = 0; run < 300; run++) {
        const min = below(20)
        const bounds = { min, max: min + below(100), initial: min }
        let [state, size] = [score.initial(bounds), bounds.initial]
        for (let step = 0; step < 30; step++) {
          const queued = below(2) === 0 ? 0 : below(1000)
          const [next, decision] = score.update(state, sampleOf(size, queued), bounds)
          assert.isTrue(Number.isInteger(decision.size), String(decision.size))
          assert.isAtLeast(decision.size, bounds.min)
          assert.isAtMost(decision.size, bounds.max)
          if (queued > 0) assert.isAtLeast(decision.size, size)
          ;[state, size] = [next, decision.size]
        }
      }
    }).pipe(Random.withSeed("score"))
  )

  it("reaches the maximum under a lasting load, and the minimum after it", () => {
    let [state, size] = [score.initial(bounds), bounds.initial]
    const run = (queued: number, steps: number) => {
      for (let step = 0; step < steps; step++) {
        const [next, decision] = score.update(state, sampleOf(size, queued), bounds)
        ;[state, size] = [next, decision.size]
      }
    }
    run(1000, 5)
    assert.strictEqual(size, bounds.max)
    run(0, 30)
    assert.strictEqual(size, bounds.min)
  })
})
