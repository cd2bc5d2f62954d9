import { TaskLost } from "@aio-task-pool/distributed"
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { SoakRecord } from "../src/distributed/soakRecord.ts"

const poisoned = (attempts: number) =>
  Exit.fail(new TaskLost({ id: "a", reason: "Poisoned", attempts, detail: "job stalled more than allowable limit" }))
const run = { attempt: 1, stalls: 0, pid: 1 }

describe("the record of a soak", () => {
  it("counts a task as right only with its own number", () => {
    const record = new SoakRecord(3, 3)
    assert.deepStrictEqual([record.submit(), record.submit(), record.submit()], [0, 1, 2])
    assert.strictEqual(record.settled(0, Exit.succeed(0)).outcome, "right")
    assert.strictEqual(record.settled(1, Exit.succeed(0)).outcome, "wrong")
    assert.strictEqual(record.settled(2, Exit.die(new Error("boom"))).outcome, "wrong")
    assert.deepStrictEqual(record.outcomes, { right: 1, wrong: 2, poisoned: 0 })
    assert.strictEqual(record.unanswered, 0)
  })

  it("counts a task as poisoned only after as many lost leases as the pool allows", () => {
    const record = new SoakRecord(3, 3)
    for (let i = 0; i < 3; i++) record.submit()
    assert.strictEqual(record.settled(0, poisoned(4)).outcome, "poisoned")
    assert.strictEqual(record.settled(1, poisoned(2)).outcome, "wrong")
    const vanished = new TaskLost({ id: "a", reason: "Vanished", attempts: 4, detail: "" })
    assert.strictEqual(record.settled(2, Exit.fail(vanished)).outcome, "wrong")
  })

  it("keeps the runs of a task until it has an outcome, and counts every further run", () => {
    const record = new SoakRecord(2, 3)
    record.submit()
    record.submit()
    record.ran({ i: 0, id: "a", ...run })
    record.ran({ i: 0, id: "a", ...run, stalls: 1, pid: 2 })
    const { answer, runs } = record.settled(0, poisoned(4))
    assert.include(answer, "was lost")
    assert.deepStrictEqual(
      runs.map(({ pid, stalls }) => [pid, stalls]),
      [
        [1, 0],
        [2, 1]
      ]
    )
    record.ran({ i: 0, id: "a", ...run, pid: 3 })
    record.ran({ i: 1, id: "b", ...run })
    assert.strictEqual(record.again, 2)
    assert.strictEqual(record.unanswered, 1)
  })
})
