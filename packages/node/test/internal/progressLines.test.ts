import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import { layout, painter, plain, type Reading, summaryLine } from "../../src/internal/progress/lines.ts"
import { Pace } from "../../src/internal/progress/pace.ts"
import { clean, duration, rate, stringWidth, truncate } from "../../src/internal/progress/text.ts"

const reading = (changes: Partial<Reading> = {}): Reading => ({
  label: "fetch",
  done: 100,
  total: 400,
  failed: 0,
  perSecond: 125,
  ...changes
})

const withoutColors = painter(false)

describe("text", () => {
  it("durations and rates have two digits and their unit", () => {
    assert.deepStrictEqual([0, 420, 9_949, 9_950, 59_400, 59_600, 65_000, 3_599_000, 7_380_000].map(duration), [
      "0.0 s",
      "0.4 s",
      "9.9 s",
      "10 s",
      "59 s",
      "1 min 0 s",
      "1 min 5 s",
      "59 min 59 s",
      "2 h 3 min"
    ])
    assert.deepStrictEqual([0, 0.2, 1, 2.54, 9.95, 125.4].map(rate), [
      "0.0/s",
      "12/min",
      "1.0/s",
      "2.5/s",
      "10/s",
      "125/s"
    ])
  })

  it("a label has no control and bidirectional characters", () => {
    assert.strictEqual(clean("a\u001B]0;title\u0007b\nc\u202Ed\u2066e\uD800"), "a]0;titlebcde")
  })

  it("a text is cut between graphemes, at its width on the terminal", () => {
    assert.strictEqual(truncate("abcdef", 6), "abcdef")
    assert.strictEqual(truncate("abcdef", 4), "abc…")
    assert.strictEqual(truncate("日本語文字", 6), "日本…")
    assert.strictEqual(truncate("👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 5), "👨‍👩‍👧👨‍👩‍👧…")
    assert.strictEqual(truncate("ab", 0), "")
  })
})

describe("the pace", () => {
  it("is the growth over the last ten seconds", () => {
    const pace = new Pace(0, 0)
    assert.isUndefined(pace.perSecond)
    pace.add(0, 5)
    assert.isUndefined(pace.perSecond)
    for (let second = 1; second <= 20; second++) pace.add(1000 * second, 10 * second)
    assert.strictEqual(pace.perSecond, 10)
    for (let second = 21; second <= 30; second++) pace.add(1000 * second, 200)
    assert.strictEqual(pace.perSecond, 0)
  })
})

describe("a line", () => {
  it("has a bar, the percentage, the count, the rate and the time left", () => {
    assert.deepStrictEqual(layout([reading()], 80, withoutColors), [
      `fetch  ${"█".repeat(7)}${"░".repeat(23)}   25 %  100 of 400   125/s  2.4 s left`
    ])
  })

  it("of a pool has its running and waiting tasks", () => {
    const pool = { running: 16, size: 16, waiting: 213 }
    const [line] = layout([reading({ failed: 2, pool })], 100, withoutColors)
    assert.match(line!, /2\.4 s left {2}16\/16 running {2}213 waiting {2}2 failed$/)
    const [unbounded] = layout([reading({ pool: { running: 3, size: Infinity, waiting: 0 } })], 100, withoutColors)
    assert.match(unbounded!, / {2}3 running$/)
  })

  it("without a total has no percentage and no time left", () => {
    const [line] = layout([reading({ total: undefined })], 80, withoutColors)
    assert.strictEqual(line, `fetch  ${"░".repeat(30)}  100 done   125/s`)
  })

  it("of nothing is not divided by zero", () => {
    const [line] = layout([reading({ done: 0, total: 0, perSecond: undefined })], 80, withoutColors)
    assert.strictEqual(line, `fetch  ${"░".repeat(30)}  0 of 0`)
  })

  it("never shows 100 % before all items have ended", () => {
    assert.match(layout([reading({ done: 999, total: 1000 })], 80, withoutColors)[0]!, / 99 % /)
  })

  it("fits every width, with its bar as long as there is room", () => {
    const pool = { running: 16, size: 16, waiting: 213 }
    const readings = [reading({ failed: 2, pool }), reading({ label: "日本語のとても長い名前です", total: undefined })]
    for (let columns = 1; columns <= 120; columns++) {
      for (const line of layout(readings, columns, withoutColors)) assert.isAtMost(stringWidth(line), columns, line)
    }
    assert.match(layout(readings, 40, withoutColors)[0]!, /25 % {2}100 of 400 +2 failed$/)
    assert.strictEqual(layout([reading()], 20, withoutColors)[0], "fetch  100 of 400")
  })

  it("has its bar below the bar of the line above", () => {
    const lines = layout([reading(), reading({ label: "compress", done: 3, total: 9 })], 80, withoutColors)
    assert.strictEqual(new Set(lines.map((line) => line.search(/[█░]/))).size, 1)
  })

  it("has colors only where the terminal shows them", () => {
    const colored = layout([reading({ failed: 1 })], 80, painter(true))
    assert.include(colored[0], "\u001B[31m1 failed")
    assert.deepStrictEqual(colored.map(stripVTControlCharacters), layout([reading({ failed: 1 })], 80, withoutColors))
  })

  it("without a terminal is a sentence", () => {
    assert.strictEqual(plain(reading({ failed: 2 })), "fetch: 100 of 400 (25 %), 125/s, 2 failed")
    assert.strictEqual(plain(reading({ total: undefined, perSecond: undefined })), "fetch: 100 done")
  })

  it("the last one says whether the work ended well, also without colors", () => {
    const summary = { label: "fetch", text: "400 of 400 in 3.2 s", failed: 2, isGood: true }
    assert.strictEqual(summaryLine(summary, true, withoutColors), "✓ fetch: 400 of 400 in 3.2 s, 2 failed")
    assert.strictEqual(
      summaryLine({ ...summary, isGood: false }, true, withoutColors),
      "✗ fetch: 400 of 400 in 3.2 s, 2 failed"
    )
    assert.strictEqual(summaryLine(summary, false, withoutColors), "fetch: 400 of 400 in 3.2 s, 2 failed")
  })
})
