import { assert, it } from "@effect/vitest"
import {
  fanOutShare,
  load,
  simulateSplit,
  type Slopes,
  split,
  tasksPerSecondAt
} from "../src/distributed/capacityModel.ts"

const slopes: Slopes = { task: 100, fanOut: 10, worker: 1000, submitter: 500, waiting: 800 }

it("the load is the sum of tasks, events of each submitter, and waiting processes", () => {
  // 100 * (100 + 2 * 10) + 3 * 1000 + 2 * 500 = 16,000 us in a second
  assert.approximately(load(slopes, { submitters: 2, workers: 3 }, 100), 0.016, 1e-12)
  assert.approximately(fanOutShare(slopes, { submitters: 2, workers: 3 }, 100), 2000 / 16_000, 1e-12)
})

it("the tasks per second at a share of a core bring the load to that share", () => {
  for (const processes of [
    { submitters: 1, workers: 1 },
    { submitters: 40, workers: 700 }
  ]) {
    for (const share of [0.75, 1]) {
      assert.approximately(load(slopes, processes, tasksPerSecondAt(slopes, processes, share)), share, 1e-12)
    }
  }
})

it("no task is left to a server that its waiting processes fill", () => {
  assert.strictEqual(tasksPerSecondAt(slopes, { submitters: 1, workers: 1001 }, 1), 0)
})

it("parts have the size of the whole together, and differ by at most one", () => {
  assert.deepStrictEqual(split(10, 4), [3, 3, 2, 2])
  assert.deepStrictEqual(split(2, 3), [1, 1, 0])
  for (const [size, parts] of [
    [64, 8],
    [65, 8],
    [1000, 7]
  ] as const) {
    const sizes = split(size, parts)
    assert.strictEqual(
      sizes.reduce((sum, each) => sum + each, 0),
      size
    )
    assert.isAtMost(Math.max(...sizes) - Math.min(...sizes), 1)
  }
})

it("a simulated pool of one place waits as long as theory says", () => {
  // M/M/1: utilization / (1 - utilization) run times
  const { meanWait } = simulateSplit({ size: 1, parts: 1, utilization: 0.5, tasks: 200_000, seed: 1 })
  assert.approximately(meanWait, 1, 0.05)
})

it("a simulated pool of eight places waits as long as theory says", () => {
  // M/M/8 at 0.8, by Erlang's C formula
  const offered = 6.4
  let blocked = 1
  for (let k = 1; k <= 8; k++) blocked = (offered * blocked) / (k + offered * blocked)
  const delayed = blocked / (1 - 0.8 * (1 - blocked))
  const { meanWait } = simulateSplit({ size: 8, parts: 1, utilization: 0.8, tasks: 200_000, seed: 2 })
  assert.approximately(meanWait / (delayed / (8 - offered)), 1, 0.08)
})

it("eight parts of one place each wait as long as one such pool", () => {
  const { meanWait } = simulateSplit({ size: 8, parts: 8, utilization: 0.5, tasks: 200_000, seed: 3 })
  assert.approximately(meanWait, 1, 0.05)
})

it("one pool has no idle place while a task waits, and keeps the order", () => {
  const { idle, overtaken } = simulateSplit({ size: 16, parts: 1, utilization: 0.9, tasks: 20_000, seed: 4 })
  assert.strictEqual(idle, 0)
  assert.strictEqual(overtaken, 0)
})

it("parts have idle places while tasks wait, the more of them the more, and tasks overtake", () => {
  const of = (parts: number) => simulateSplit({ size: 16, parts, utilization: 0.8, tasks: 50_000, seed: 5 })
  const [two, eight] = [of(2), of(8)]
  assert.isAbove(two.idle, 0)
  assert.isAbove(eight.idle, two.idle)
  assert.isAbove(two.overtaken, 0)
  assert.isAbove(eight.meanWait, two.meanWait)
})

it("a part that gets more than its share waits longer than even parts", () => {
  const of = (skew: number) =>
    simulateSplit({ size: 32, parts: 4, utilization: 0.6, skew, tasks: 50_000, seed: 6 }).longWait
  assert.isAbove(of(1.5), of(1))
})
