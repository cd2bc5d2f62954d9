import { AutoScalePolicy, type PoolDecision, type PoolEvent } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import { DecisionLog, EventLog } from "../../src/internal/rows.ts"

const decision = (
  at: number,
  from: number,
  to: number,
  reason: string,
  more: Partial<PoolDecision> = {}
): PoolDecision => ({
  at,
  policy: "adaptive",
  from,
  to,
  reason,
  pause: 0,
  evidence: undefined,
  sample: { ...AutoScalePolicy.emptySample(from), duration: 250, avgInflight: 3.24, queued: 7 },
  ...more
})

it("decisions that keep the size for one reason are one row, and changes are rows of their own", () => {
  const log = new DecisionLog(10)
  for (const each of [
    decision(1, 1, 2, "START"),
    decision(2, 2, 4, "START"),
    decision(3, 4, 4, "HOLD"),
    decision(4, 4, 4, "HOLD"),
    decision(5, 4, 4, "IDLE"),
    decision(6, 4, 4, "HOLD")
  ])
    log.add(each)
  assert.deepStrictEqual(
    log.list().map(({ at, from, reason, times, to }) => `${at}: ${from}-${to} ${reason} x${times}`),
    ["6: 4-4 HOLD x1", "5: 4-4 IDLE x1", "4: 4-4 HOLD x2", "2: 2-4 START x1", "1: 1-2 START x1"]
  )
})

it("a decision has the sentence of its reason, and its measurements in words", () => {
  const log = new DecisionLog(10)
  const evidence = { before: 4, run: 64, base: 40.25, elasticity: 0.8, demand: 9, ceiling: Number.NaN, overloads: 0 }
  log.add(decision(1, 4, 3, "OVERLOAD", { evidence, pause: 500 }))
  const [row] = log.list()
  assert.strictEqual(row?.sentence, AutoScalePolicy.explainReason("OVERLOAD"))
  assert.strictEqual(
    row?.evidence,
    "3.2 running, 7 waiting, run 64 ms, base 40 ms, elasticity 0.80, demand 9, dispatch stops for 500 ms"
  )
})

it("a decision without a window has no mean of running tasks", () => {
  const log = new DecisionLog(10)
  log.add(decision(1, 4, 5, "WAITING", { sample: { ...AutoScalePolicy.emptySample(4), queued: 9 } }))
  assert.strictEqual(log.list()[0]?.evidence, "9 waiting")
})

it("evidence that cannot be read is left out", () => {
  const evidence = {
    get run(): number {
      return assert.fail("of a policy")
    },
    base: 20,
    before: 1
  }
  const log = new DecisionLog(10)
  log.add(decision(1, 1, 2, "GROW", { evidence }))
  assert.strictEqual(log.list()[0]!.evidence, "3.2 running, 7 waiting, base 20 ms")
})

it("a policy in JavaScript may decide for infinitely many workers, and give no reason", () => {
  const log = new DecisionLog(10)
  log.add(decision(1, 4, Infinity, undefined as never))
  log.add(decision(2, Infinity, Infinity, "x".repeat(1000)))
  assert.deepStrictEqual(
    log.list().map(({ from, reason, to }) => [from, to, reason]),
    [
      [null, null, "x".repeat(40)],
      [4, null, "-"]
    ]
  )
})

it("both logs keep the newest rows", () => {
  const decisions = new DecisionLog(3)
  const events = new EventLog(3)
  for (let at = 0; at < 100; at++) {
    decisions.add(decision(at, at, at + 1, "GROW"))
    events.add({ _tag: "Scaled", at, from: at, to: at + 1, why: "GROW" })
  }
  assert.deepStrictEqual(
    decisions.list().map(({ at }) => at),
    [99, 98, 97]
  )
  assert.deepStrictEqual(
    events.list().map(({ at }) => at),
    [99, 98, 97]
  )
})

it("each event has words, and equal ones in a row are one", () => {
  const log = new EventLog(50)
  const events: ReadonlyArray<PoolEvent> = [
    { _tag: "Scaled", at: 1, from: 2, to: Infinity, why: "resize" },
    { _tag: "Paused", at: 2 },
    { _tag: "Resumed", at: 3 },
    { _tag: "Held", at: 4, reason: "User" },
    { _tag: "Released", at: 5, reason: "User" },
    { _tag: "Rejected", at: 6, reason: "QueueFull" },
    { _tag: "Rejected", at: 7, reason: "QueueFull" },
    { _tag: "Rejected", at: 8, reason: "Paused" },
    { _tag: "Cancelled", at: 9, reason: "Closed", started: true },
    { _tag: "Cancelled", at: 10, reason: "Closed", started: false },
    { _tag: "Closed", at: 11, report: { completed: 1, interrupted: 2, neverRun: 3 } },
    { _tag: "Decided", ...decision(12, 1, 1, "HOLD") }
  ]
  for (const event of events) log.add(event)
  assert.deepStrictEqual(
    log
      .list()
      .toReversed()
      .map(({ at, text, times }) => `${at} ${text} x${times}`),
    [
      "1 size 2 → unlimited: resize x1",
      "2 paused x1",
      "3 resumed x1",
      "4 dispatch held: User x1",
      "5 dispatch released: User x1",
      "7 rejected: QueueFull x2",
      "8 rejected: Paused x1",
      "9 cancelled a running task: Closed x1",
      "10 cancelled a waiting task: Closed x1",
      "11 closed: 1 completed, 2 interrupted, 3 never ran x1"
    ]
  )
})
