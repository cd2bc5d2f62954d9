// The verdict of the benchmark on a real server, on made-up runs.
import { assert, it } from "@effect/vitest"
import type { Result } from "../src/autoscale/record.ts"
import { judge, verdictTable } from "../src/autoscale/report.ts"

const capacities = [40, 10, 60]
const length = 12_000

/** A run with these successes per second in each phase, and these changes of the size. */
const resultOf = (goodput: ReadonlyArray<number>, sizes: Result["sizes"] = [], failures = 0): Result => ({
  name: "a way",
  phases: capacities.map((capacity, index) => ({ capacity, goodput: goodput[index]!, settled: goodput[index]! })),
  goodput: goodput.reduce((sum, each) => sum + each, 0) / 3,
  failures,
  settledFailures: failures,
  p50: 100,
  p99: 150,
  sizes
})

const oracle = resultOf([400, 100, 600])

it("the way up ends at 0.9 of the last capacity, from the last change on", () => {
  const wayUp = (sizes: Result["sizes"]): number => judge([oracle, resultOf([400, 100, 600], sizes)], length).wayUp
  assert.strictEqual(
    wayUp([
      [0, 10],
      [20_000, 53],
      [26_500, 54],
      [27_000, 60]
    ]),
    2_500
  )
  // 54 workers before the change do not count, unless they are still there.
  assert.strictEqual(
    wayUp([
      [0, 60],
      [13_000, 10],
      [29_000, 70]
    ]),
    5_000
  )
  assert.strictEqual(wayUp([[0, 60]]), 0)
  assert.strictEqual(
    wayUp([
      [0, 10],
      [30_000, 53]
    ]),
    Infinity
  )
  assert.strictEqual(
    wayUp([
      [0, 10],
      [36_500, 60]
    ]),
    Infinity
  )
})

it("each limit has a line that says whether it is met", () => {
  const quick: Result["sizes"] = [
    [0, 10],
    [26_000, 60]
  ]
  const verdicts = [
    judge([oracle, resultOf([400, 100, 600], quick)], length),
    judge([oracle, resultOf([300, 100, 400], quick, 0.02)], length)
  ]
  const { met, summary, table } = verdictTable(verdicts, capacities)
  assert.isFalse(met)
  assert.match(table, /\| 1 +\| +1\.00 ✓ \| +1\.00 ✓ \| +1\.00 ✓ \| +1\.00 ✓ \| +0\.00 % ✓ \| +2\.0 \|/)
  assert.match(table, /\| 2 +\| +0\.75 ✗ \| +1\.00 ✓ \| +0\.67 ✗ \| +0\.73 ✗ \| +2\.00 % ✗ \| +2\.0 \|/)
  assert.deepStrictEqual(
    summary.map((line) => line[0]),
    ["✗", "✗", "✗", "✓"]
  )
  assert.match(summary[0]!, /1 of 2 runs\.$/)
  assert.match(summary[3]!, /2\.0\.$/)
})

it("all limits are met, or a median way up of more than 3 seconds misses", () => {
  const run = (after: number) =>
    judge(
      [
        oracle,
        resultOf(
          [400, 100, 600],
          [
            [0, 10],
            [24_000 + after, 60]
          ]
        )
      ],
      length
    )
  assert.isTrue(verdictTable([run(1_000), run(2_900), run(9_000)], capacities).met)
  const slow = verdictTable([run(1_000), run(3_100), run(9_000)], capacities)
  assert.isFalse(slow.met)
  assert.match(slow.summary[3]!, /^✗.* 3\.1\.$/)
  assert.match(verdictTable([run(20_000)], capacities).summary[3]!, /^✗.* never\.$/)
})
