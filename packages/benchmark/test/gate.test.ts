import { assert, it } from "@effect/vitest"
import { regressions } from "../src/gate.ts"
import type { Report } from "../src/report.ts"

const result = (ratios: Readonly<Record<string, number>>): Report[string] => ({
  title: "work",
  unit: "µs",
  ratios: Object.fromEntries(
    Object.entries(ratios).map(([peer, ratio]) => [
      peer,
      { ratio, low: ratio * 0.9, high: ratio * 2, ours: ratio, theirs: 1, pairs: 2 }
    ])
  ),
  environment: { date: "2026-01-02", machine: "linux", versions: {}, flags: "--quick" }
})

const fine = {
  submit: result({ "p-limit": 9, "Effect Semaphore": 0.33 }),
  backlog: result({ FIFO: 1, LIFO: 1.2, priority: 4.4 }),
  inspect: result({ FIFO: 1.1, priority: 5.5 })
}

it("a difference that noise can cause is not a regression", () => {
  assert.deepStrictEqual(regressions(fine), [])
})

it("a task that costs more behind many others is a regression", () => {
  assert.deepStrictEqual(regressions({ ...fine, backlog: result({ FIFO: 4.5, LIFO: 1 }) }), [
    "backlog, FIFO: ratio 4.50, at most 4: the cost of a task grows with the number of waiting tasks"
  ])
})

it("a look that costs more behind many others is a regression", () => {
  assert.deepStrictEqual(regressions({ ...fine, inspect: result({ FIFO: 1, priority: 6 }) }), [
    "inspect, priority: ratio 6.00, at most 5: the cost of a look grows with the number of waiting tasks"
  ])
})

it("costs close to those of Effect's Semaphore are a regression", () => {
  assert.deepStrictEqual(regressions({ ...fine, submit: result({ "Effect Semaphore": 0.34 }) }), [
    "submit, Effect Semaphore: ratio 0.34, at most 0.3: the cost of waiting grows with the number of waiting tasks"
  ])
})

it("a run without the comparisons that show a regression does not pass", () => {
  assert.deepStrictEqual(regressions({}), [
    "backlog: not measured",
    "inspect: not measured",
    "submit, Effect Semaphore: not measured"
  ])
})
