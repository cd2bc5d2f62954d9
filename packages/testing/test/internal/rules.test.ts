import { AioFixedTaskPoolSimple, type PoolStats, TaskPool } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LimitWatch, type NextTask, ruleBrokenAtRest, ruleBrokenBy } from "../../src/internal/rules.ts"

const none = { Paused: 0, Closed: 0, QueueFull: 0, TooLarge: 0, WaitedTooLong: 0, Nested: 0 }

// A pool of 3 workers, 2 of which are used: 1 task of 2 permits runs, 1 lends its worker, 2 wait, 1 is delayed.
const whole: PoolStats = {
  phase: "Open",
  holds: [],
  size: 3,
  targetSize: 3,
  running: 2,
  busy: 2,
  lent: 1,
  waiting: 2,
  delayed: 1,
  atDoor: 0,
  capacity: 2,
  nextStart: 0,
  submitted: 15,
  succeeded: 4,
  failed: 3,
  interrupted: 1,
  cancelled: 2,
  dropped: 1,
  rejected: 3,
  rejectedBy: { ...none, QueueFull: 2, WaitedTooLong: 2 },
  largestSize: 3
}

describe("the rules of every moment", () => {
  it.effect("hold for a pool that is new, and for one that works (load 11a, Counting)", () =>
    Effect.gen(function* () {
      assert.isUndefined(ruleBrokenBy(yield* TaskPool.stats))
      yield* TaskPool.submit(Effect.map(TaskPool.stats, (stats) => assert.isUndefined(ruleBrokenBy(stats))))
      assert.isUndefined(ruleBrokenBy(whole))
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(2)))
  )

  const broken: ReadonlyArray<readonly [string, Partial<PoolStats>, RegExp]> = [
    ["a lost task", { submitted: 16 }, /I3/],
    ["a delayed task that is not counted", { delayed: 0 }, /I3/],
    ["more waiting tasks than places", { capacity: 1 }, /I8/],
    ["a rejection without a reason", { rejected: 5 }, /rejectedBy/],
    ["a reason without a rejection", { rejected: 1 }, /rejectedBy/],
    ["more dropped than cancelled tasks", { dropped: 3 }, /dropped/],
    ["a running task without a worker", { lent: 0, busy: 1 }, /I1/],
    ["a worker below 0", { lent: -1, busy: 4, size: 4 }, /I1/],
    ["a worker that no task uses", { running: 0, submitted: 13 }, /I1/],
    ["a size below the busy workers", { busy: 4 }, /size/],
    ["a closed pool with a size", { phase: "Closed" }, /size/],
    ["a hold of an open pool", { holds: ["User"] }, /holds/],
    ["a held pool without a hold", { phase: "Held" }, /holds/]
  ]
  for (const [what, change, rule] of broken) {
    it(`do not allow ${what}`, () => {
      assert.match(String(ruleBrokenBy({ ...whole, ...change })), rule)
    })
  }

  it("allow tasks that come back to wait beyond the capacity (I8)", () => {
    assert.isUndefined(ruleBrokenBy({ ...whole, capacity: 1 }, 1))
    assert.match(String(ruleBrokenBy({ ...whole, capacity: 0 }, 1)), /I8/)
  })
})

describe("the rules at rest", () => {
  const cases: ReadonlyArray<readonly [string, Partial<PoolStats>, NextTask | undefined, RegExp | undefined]> = [
    ["a task that waits beside a free worker", {}, undefined, /I2/],
    ["no free worker", { busy: 3 }, undefined, undefined],
    ["a head that takes more workers than are free", {}, { permits: 2 }, undefined],
    ["a key at its limit", {}, { mayHaveToWait: true }, undefined],
    ["a hold", { phase: "Held", holds: ["RetryAfter"] }, undefined, undefined],
    ["a rate that does not allow the next start", { nextStart: 5 }, undefined, undefined],
    ["a paused pool beside a free worker", { phase: "Paused" }, undefined, /I2/],
    ["a draining pool beside a free worker", { phase: "Draining" }, undefined, /I2/],
    ["a door behind a full queue", { busy: 3, atDoor: 1 }, undefined, undefined],
    ["a door beside a free place", { busy: 3, atDoor: 1, waiting: 1 }, undefined, /I9/],
    ["a door beside a free place of a held pool", { phase: "Held", atDoor: 1, waiting: 1, holds: ["User"] }, {}, /I9/],
    ["a door of a paused pool", { phase: "Paused", busy: 3, atDoor: 1 }, undefined, /I9/],
    ["a door beside a free worker, without a queue", { capacity: 0, waiting: 0, atDoor: 1 }, undefined, /I9/],
    ["a door without a queue, all workers busy", { capacity: 0, waiting: 0, atDoor: 1, busy: 3 }, {}, undefined],
    ["a closed pool with a delayed task", { phase: "Closed", size: 0 }, undefined, /I6/]
  ]
  for (const [what, change, next, rule] of cases) {
    it(`${rule === undefined ? "allow" : "do not allow"} ${what}`, () => {
      const found = ruleBrokenAtRest({ ...whole, ...change }, next)
      if (rule === undefined) assert.isUndefined(found)
      else assert.match(String(found), rule)
    })
  }
})

describe("the watch of the limit", () => {
  const after = (...changes: ReadonlyArray<Partial<PoolStats>>): string | undefined => {
    const watch = new LimitWatch()
    let found: string | undefined
    for (const change of changes) found = watch.look({ ...whole, ...change })
    return found
  }

  it("lets surplus tasks finish, and none begin beside them (I1)", () => {
    const surplus = { busy: 3, targetSize: 2 }
    assert.isUndefined(after({ busy: 3 }, surplus))
    assert.match(String(after({ busy: 3 }, surplus, { busy: 4, targetSize: 2 })), /I1/)
    assert.match(String(after({ busy: 2, targetSize: 2 }, surplus)), /I1/)
  })

  it("lets a task that lends its workers take them back above the limit (I1)", () => {
    const before = { busy: 3, lent: 1 }
    assert.isUndefined(after(before, { busy: 4, lent: 0 }))
    assert.match(String(after(before, { busy: 5, lent: 0 })), /I1/)
    assert.match(String(after(before, { busy: 4, lent: 1 })), /I1/)
  })
})
