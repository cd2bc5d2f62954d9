import { assert, describe, it } from "@effect/vitest"
import {
  executorWarnings,
  poolWarnings,
  type PoolReading,
  programWarnings,
  StickyWarnings
} from "../../src/internal/warnings.ts"

const calm: PoolReading = {
  name: "db",
  phase: "Open",
  targetSize: 4,
  waiting: 0,
  atDoor: 0,
  capacity: 40,
  oldestWait: 0,
  runTime: 100,
  oldestRun: undefined,
  rejected: { Paused: 0, Closed: 0, QueueFull: 0, TooLarge: 0, WaitedTooLong: 0, Nested: 0 },
  fullFor: 0,
  sameName: 1,
  silentFor: 0,
  own: []
}

describe("warnings", () => {
  // What is unusual about a pool, the rules that apply then, and the sentence of the first.
  const rows: ReadonlyArray<
    readonly [about: string, reading: Partial<PoolReading>, rules: ReadonlyArray<string>, message: string | undefined]
  > = [
    ["a calm pool", {}, [], undefined],
    ["a broker that takes its time", { silentFor: 5000 }, [], undefined],
    [
      "a broker that does not answer",
      { silentFor: 12_000 },
      ["NoAnswer"],
      "its broker has not answered for 12 s, so its numbers are old. Look at the broker, and at the way to it."
    ],
    [
      "a full queue",
      { rejected: { QueueFull: 11 }, waiting: 40 },
      ["Rejecting"],
      "rejects 11/s: its queue is full (40 of 40 waiting). Raise the capacity, add workers, or let callers wait at the door."
    ],
    [
      "a closing pool with callers",
      { rejected: { Closed: 0.5 } },
      ["Rejecting"],
      "rejects 0.5/s: it is closing or closed. Stop its callers before it closes."
    ],
    [
      "several reasons",
      { rejected: { TooLarge: 1, WaitedTooLong: 3 } },
      ["Rejecting"],
      "rejects 3.0/s: tasks waited longer than their maxWait. Add workers, or send less work."
    ],
    ["a reason of later versions", { rejected: { Tired: 1 } }, ["Rejecting"], "rejects 1.0/s: the reason is Tired."],
    [
      "a paused pool that rejects",
      { phase: "Paused", rejected: { Paused: 2.5 } },
      ["PausedWithCallers"],
      "is paused while callers come: 2.5/s are rejected. Resume it, or stop its callers."
    ],
    [
      "a paused pool with submitters at the door",
      { phase: "Paused", atDoor: 1 },
      ["PausedWithCallers"],
      "is paused while callers come: 1 submitter waits at the door. Resume it, or stop its callers."
    ],
    ["a paused pool that nobody calls", { phase: "Paused" }, [], undefined],
    [
      "no workers",
      { targetSize: 0, waiting: 3 },
      ["SizeZero"],
      "has no workers, and 3 tasks wait. Resize it to 1 or more."
    ],
    ["no workers and no tasks", { targetSize: 0 }, [], undefined],
    [
      "a wait of over ten run times",
      { oldestWait: 1900 },
      ["OldWait"],
      "its oldest task has waited for 1.9 s, and 95 % of the tasks run for at most 100 ms. Add workers, or send less work."
    ],
    ["a wait of ten run times", { oldestWait: 10_000, runTime: 1000 }, [], undefined],
    ["a wait that nobody notices", { oldestWait: 900, runTime: 1 }, [], undefined],
    ["a wait before any task was timed", { oldestWait: 60_000, runTime: undefined }, [], undefined],
    [
      "a task that hangs",
      { oldestRun: { label: "report", ran: 12_000 } },
      ["LongRun"],
      '"report" has run for 12 s, and 95 % of the tasks run for at most 100 ms. It may hang: give it a timeout.'
    ],
    ["a task of twenty run times", { oldestRun: { label: "report", ran: 2000 } }, [], undefined],
    [
      "its maximum for a minute",
      { fullFor: 60, targetSize: 64 },
      ["FullForLong"],
      "has been at its maximum of 64 workers with a queue for 60 s. Raise maxSize if the server can handle more, or send less work."
    ],
    ["its maximum for less", { fullFor: 59 }, [], undefined],
    [
      "a name that another pool has",
      { sameName: 2 },
      ["SameName"],
      '2 open pools are named "db", and metrics add them up. Give each a name of its own.'
    ],
    [
      "the pool's own warnings",
      { own: [{ rule: "OldestWait", message: "oldest task has waited for 5 s" }] },
      ["OldestWait"],
      "oldest task has waited for 5 s"
    ],
    [
      "several troubles",
      { rejected: { QueueFull: 1 }, oldestWait: 5000, sameName: 3 },
      ["Rejecting", "OldWait", "SameName"],
      undefined
    ]
  ]
  for (const [about, reading, rules, message] of rows) {
    it(`of ${about}: ${rules.join(", ") || "none"}`, () => {
      const warnings = poolWarnings({ ...calm, ...reading })
      assert.deepStrictEqual(
        warnings.map(({ rule }) => rule),
        rules
      )
      if (message !== undefined) assert.strictEqual(warnings[0]?.message, message)
    })
  }

  it("of an executor count the threads that were replaced because of trouble", () => {
    assert.deepStrictEqual(executorWarnings({ replaced: { Crashed: 2, Recycled: 50, Closed: 9 } }), [])
    assert.deepStrictEqual(executorWarnings({ replaced: { Crashed: 2, Interrupted: 1, Module: 0 } }), [
      {
        rule: "ReplacedOften",
        message:
          "replaced 3 threads in the last minute (Crashed 2, Interrupted 1). " +
          "Look for jobs that crash, run out of memory or are interrupted."
      }
    ])
  })

  it("of the program say that the thread is the limit", () => {
    assert.deepStrictEqual(programWarnings(0.9), [])
    assert.deepStrictEqual(programWarnings(0.95), [
      {
        rule: "BusyLoop",
        message:
          "The event loop is 95 % busy: the thread is the limit, not the pool. Move blocking work to an Executor."
      }
    ])
  })

  it("stay for five seconds after their rule last applied, with the last sentence", () => {
    const sticky = new StickyWarnings()
    const warning = (message: string) => ({ rule: "Rejecting", message })
    assert.deepStrictEqual(sticky.update([warning("a")], 0), [warning("a")])
    assert.deepStrictEqual(sticky.update([warning("b")], 1000), [warning("b")])
    assert.deepStrictEqual(sticky.update([], 5999), [warning("b")])
    assert.deepStrictEqual(sticky.update([], 6000), [])
  })
})
