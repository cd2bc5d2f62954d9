import { Random } from "@aio-task-pool/testing/random"
import { assert, it } from "@effect/vitest"

const draw = (random: Random): ReadonlyArray<number> => Array.from({ length: 5 }, () => random.next())

it("the same seed and stream give the same numbers, any other seed or stream gives others", () => {
  assert.deepStrictEqual(draw(new Random(1)), draw(new Random(1)))
  assert.notDeepEqual(draw(new Random(1)), draw(new Random(2)))
  assert.notDeepEqual(draw(new Random(1)), draw(new Random(1, 1)))
})

it("numbers are evenly spread over [0, 1), integers over those below their limit", () => {
  const random = new Random(1)
  const numbers = Array.from({ length: 10 }, () => 0)
  const integers = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) {
    numbers[Math.floor(random.next() * 10)]!++
    integers[random.below(10)]!++
  }
  for (const counts of [numbers, integers]) assert.isTrue(counts.every((count) => count > 900 && count < 1_100))
})

it("the first numbers of consecutive seeds are evenly spread, since each run of a series takes the next seed", () => {
  const counts = Array.from({ length: 10 }, () => 0)
  for (let seed = 0; seed < 10_000; seed++) counts[new Random(seed).below(10)]!++
  assert.isTrue(counts.every((count) => count > 900 && count < 1_100))
})

it("exponential and normal numbers have their means and variances", () => {
  const random = new Random(1)
  const exponential = Array.from({ length: 10_000 }, () => random.exponential())
  const normal = Array.from({ length: 10_000 }, () => random.normal())
  const mean = (values: ReadonlyArray<number>) => values.reduce((a, b) => a + b, 0) / values.length
  const variance = (values: ReadonlyArray<number>) => mean(values.map((value) => value ** 2)) - mean(values) ** 2
  assert.closeTo(mean(exponential), 1, 0.05)
  assert.closeTo(mean(normal), 0, 0.05)
  assert.closeTo(variance(normal), 1, 0.05)
})

it("shuffling keeps every item and leaves the original as it is", () => {
  const items = Array.from({ length: 100 }, (_, index) => index)
  const shuffled = new Random(1).shuffle(items)
  assert.notDeepEqual(shuffled, items)
  assert.deepStrictEqual(
    shuffled.sort((a, b) => a - b),
    items
  )
})
