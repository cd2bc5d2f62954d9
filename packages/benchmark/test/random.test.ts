import { assert, it } from "@effect/vitest"
import { makeRandom, shuffle } from "../src/random.ts"

it("the same seed gives the same numbers, another seed others", () => {
  const draw = (seed: number) => {
    const random = makeRandom(seed)
    return Array.from({ length: 5 }, () => random())
  }
  assert.deepStrictEqual(draw(1), draw(1))
  assert.notDeepEqual(draw(1), draw(2))
})

it("numbers fall evenly into [0, 1)", () => {
  const random = makeRandom(1)
  const counts = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) counts[Math.floor(random() * 10)]!++
  assert.isTrue(counts.every((count) => count > 900 && count < 1_100))
})

it("shuffling keeps every item and leaves the original as it is", () => {
  const items = Array.from({ length: 100 }, (_, index) => index)
  const shuffled = shuffle(items, makeRandom(1))
  assert.notDeepEqual(shuffled, items)
  assert.deepStrictEqual(
    shuffled.sort((a, b) => a - b),
    items
  )
})
