import { assert, it } from "@effect/vitest"
import { seriesNames } from "../../src/Protocol.ts"
import { History, type Sample } from "../../src/internal/history.ts"

const sample = (value: number): Sample =>
  Object.fromEntries(seriesNames.map((name, index) => [name, value + index])) as Sample

it("a history returns the last samples of each series, as a plain list would", () => {
  for (const length of [1, 7, 60]) {
    const history = new History(length)
    const all: Array<number> = []
    for (let value = 0; value < 3 * length + 2; value++) {
      for (const [index, name] of seriesNames.entries()) {
        assert.deepStrictEqual(
          history.series(name),
          all.slice(-length).map((each) => each + index)
        )
      }
      history.add(sample(value))
      all.push(value)
    }
  }
})

it("the means of a history cover it in equal steps, and are unknown before its first sample", () => {
  const history = new History(60)
  for (let value = 1; value <= 10; value++) history.add(sample(value))
  assert.deepStrictEqual(history.means("size", 12), [...Array.from({ length: 10 }, () => Number.NaN), 3, 8])
  for (let value = 11; value <= 100; value++) history.add(sample(value))
  assert.deepStrictEqual(history.means("size", 6), [45.5, 55.5, 65.5, 75.5, 85.5, 95.5])
})

it("a history of ten minutes takes less than 20 kB", () => {
  const bytes = seriesNames.length * Float32Array.BYTES_PER_ELEMENT * 600
  assert.isBelow(bytes, 20_000)
})
