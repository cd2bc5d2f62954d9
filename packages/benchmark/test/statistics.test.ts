import { Random } from "@aio-task-pool/testing/random"
import { assert, it } from "@effect/vitest"
import { median, medianInterval, summarize } from "../src/statistics.ts"

it("the median is the middle value, or the mean of the two middle ones", () => {
  assert.strictEqual(median([3, 1, 2]), 2)
  assert.strictEqual(median([4, 1, 3, 2]), 2.5)
  assert.strictEqual(median([7]), 7)
})

it("the median leaves its values as they are", () => {
  const values = [3, 1, 2]
  median(values)
  assert.deepStrictEqual(values, [3, 1, 2])
})

it("the interval of equal values is that value", () => {
  assert.deepStrictEqual(medianInterval([2, 2, 2, 2]), [2, 2])
})

it("the interval holds the median and shrinks with more values", () => {
  const random = new Random(7)
  const values = Array.from({ length: 400 }, () => 1 + random.next())
  const [low, high] = medianInterval(values)
  assert.isTrue(low <= median(values) && median(values) <= high)
  const [lowOfFew, highOfFew] = medianInterval(values.slice(0, 20))
  assert.isBelow(high - low, (highOfFew - lowOfFew) / 2)
})

it("19 of 20 intervals hold the true median", () => {
  const random = new Random(3)
  const held = Array.from({ length: 400 }, () => {
    const [low, high] = medianInterval(
      Array.from({ length: 25 }, () => random.next()),
      200
    )
    return low <= 0.5 && 0.5 <= high
  }).filter(Boolean).length
  assert.isAtLeast(held, 360)
  assert.isAtMost(held, 396)
})

it("one disturbed run moves neither the ratio nor the costs", () => {
  const calm = Array.from({ length: 9 }, () => ({ ours: 2, theirs: 4 }))
  const summary = summarize([...calm, { ours: 200, theirs: 4 }])
  assert.deepStrictEqual(summary, { ratio: 0.5, low: 0.5, high: 0.5, ours: 2, theirs: 4, pairs: 10 })
})

it("drift that affects both sides of a pair alike does not change the ratio", () => {
  const drifting = Array.from({ length: 10 }, (_, index) => ({ ours: 3 * (index + 1), theirs: 2 * (index + 1) }))
  assert.strictEqual(summarize(drifting).ratio, 1.5)
})
