import { expectStats, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"
import { Lending, type Loan, type Workers } from "../../../src/internal/pool/lending.ts"
import type { Notifiable } from "../../../src/internal/pool/completions.ts"
import type { Entry } from "../../../src/internal/pool/entry.ts"
import { Handle } from "../../../src/internal/pool/handle.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { Task } from "../../../src/internal/pool/task.ts"
import { awaitUntil } from "../../../src/internal/pool/waits.ts"
import { machineOptions } from "./machineOptions.ts"

/** Workers of which a number is free, and a record of what was asked of them. */
class FreeWorkers implements Workers {
  free = 0
  blocked = false
  readonly log: Array<string> = []
  readonly completions: Array<Notifiable> = []

  lendWorkers(loan: Loan): void {
    const { entry } = loan
    this.free++
    loan.isLent = true
    this.log.push(`${nameOf(entry)} lends`)
  }
  takeBackWorkers(loan: Loan, must: boolean): boolean {
    const { entry } = loan
    if (this.free <= 0 && !must) return false
    this.free--
    loan.isLent = false
    this.log.push(`${nameOf(entry)} takes back`)
    return true
  }
  blockDispatch(blocked: boolean): void {
    this.blocked = blocked
  }
  enqueueCompletion(completion: Notifiable): void {
    this.completions.push(completion)
  }
}

const nameOf = (entry: Entry): string => (entry as unknown as { name: string }).name
const entry = (name: string): Entry => ({ name }) as unknown as Entry

const world = () => {
  const workers = new FreeWorkers()
  return { workers, lending: new Lending(workers) }
}

describe("Lending", () => {
  it("lends with the first wait of a task and takes back with the last one (load 1)", () => {
    const { lending, workers } = world()
    const task = entry("a")
    const [first, second] = [lending.begin(task), lending.begin(task)]
    assert.isTrue(lending.isLent(task))
    first.end()
    assert.isTrue(first.isDone, "a wait that is not the last one ends without workers")
    assert.deepStrictEqual(workers.log, ["a lends"])
    second.end()
    assert.isTrue(second.isDone)
    assert.deepStrictEqual(workers.log, ["a lends", "a takes back"])
    assert.isFalse(lending.isLent(task))
  })

  it("ends a wait once, however often it is told (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const wait = lending.begin(entry("a"))
    for (const end of [() => wait.end(), () => wait.end(), () => wait.takeBackNow()]) end()
    assert.deepStrictEqual(workers.log, ["a lends", "a takes back"])
    assert.strictEqual(workers.free, 0)
  })

  it("gives workers back first-in first-out, and blocks dispatch meanwhile (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const [a, b] = [lending.begin(entry("a")), lending.begin(entry("b"))]
    workers.free = 0
    b.end()
    a.end()
    assert.isTrue(workers.blocked)
    assert.deepStrictEqual([a.isDone, b.isDone], [false, false])
    lending.flush()
    assert.deepStrictEqual(workers.completions, [])
    workers.free = 1
    lending.flush()
    assert.deepStrictEqual([a.isDone, b.isDone, workers.blocked], [false, true, true])
    workers.free = 1
    lending.flush()
    assert.deepStrictEqual([a.isDone, workers.blocked], [true, false])
    assert.deepStrictEqual(workers.completions, [b, a])
  })

  it("a wait that ends behind others waits behind them, also if workers are free (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const [a, b] = [lending.begin(entry("a")), lending.begin(entry("b"))]
    workers.free = 0
    a.end()
    workers.free = 1
    b.end()
    assert.isFalse(b.isDone)
    lending.flush()
    assert.deepStrictEqual([a.isDone, b.isDone], [true, false])
  })

  it("a task that waits again while its workers are not back goes on lending them (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const task = entry("a")
    const first = lending.begin(task)
    workers.free = 0
    first.end()
    const second = lending.begin(task)
    assert.deepStrictEqual([first.isDone, workers.blocked], [true, false])
    assert.deepStrictEqual(workers.completions, [first])
    workers.free = 1
    second.end()
    assert.isTrue(second.isDone)
    assert.deepStrictEqual(workers.log, ["a lends", "a takes back"])
  })

  it("an interrupted waiter takes its workers back at once, whether it waits in front or not (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const [a, b] = [lending.begin(entry("a")), lending.begin(entry("b"))]
    workers.free = 0
    a.end()
    b.end()
    b.takeBackNow()
    assert.deepStrictEqual([a.isDone, b.isDone, workers.blocked], [false, true, true])
    assert.strictEqual(workers.free, -1)
    a.takeBackNow()
    assert.deepStrictEqual([a.isDone, workers.blocked], [true, false])
  })

  it("a task that leaves its workers takes nothing back, however its waits end (load 11a, Nested)", () => {
    for (const end of ["end", "takeBackNow"] as const) {
      const { lending, workers } = world()
      const task = entry("a")
      const [waiting, other] = [lending.begin(task), lending.begin(task)]
      assert.isTrue(lending.leftWorkers(task))
      assert.isFalse(lending.leftWorkers(task))
      workers.free = 1
      other[end]()
      waiting[end]()
      assert.deepStrictEqual([waiting.isDone, other.isDone], [true, true])
      assert.deepStrictEqual(workers.log, ["a lends"])
    }
  })

  it("a task that leaves its workers while it waits for them unblocks dispatch (load 11a, Nested)", () => {
    const { lending, workers } = world()
    const task = entry("a")
    const wait = lending.begin(task)
    workers.free = 0
    wait.end()
    assert.isTrue(workers.blocked)
    assert.isTrue(lending.leftWorkers(task))
    assert.deepStrictEqual([wait.isDone, workers.blocked], [true, false])
    lending.flush()
    assert.deepStrictEqual(workers.log, ["a lends"])
  })
})

describe("a pool whose tasks lend", () => {
  it.effect("keeps its workers when a task ends while a fiber of it still waits (load 11a, Nested)", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const inner = Effect.andThen(settle, Effect.succeed("inner"))
      const daemon = yield* pool.submit(
        Effect.tap(Effect.forkDetach(pool.submit(inner), { startImmediately: true }), () => Effect.yieldNow)
      )
      yield* expectStats({ running: 1, busy: 1, lent: 0 })
      assert.strictEqual(yield* Fiber.join(daemon), "inner")
      yield* expectStats({ running: 0, busy: 0, lent: 0 })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("keeps nothing of joiners that were interrupted (load 11a, Nested)", () =>
    Effect.withFiber((fiber) => {
      const machine = new Machine(machineOptions({ initial: 2 }), fiber.context)
      const joined = new Task(machine, Effect.never, undefined, 4, fiber.context)
      machine.admit(joined, true)
      const joining = Effect.gen(function* () {
        const { join } = new Handle(joined)
        for (let i = 0; i < 100; i++) yield* Fiber.interrupt(yield* start(join))
        assert.isUndefined(joined.extra?.rest?.waits)
        yield* Fiber.interruptAll(yield* Effect.replicateEffect(start(join), 100))
      })
      machine.admit(new Task(machine, joining, undefined, 4, fiber.context), true)
      return Effect.gen(function* () {
        yield* awaitUntil(machine, () => machine.stats().succeeded === 1)
        assert.deepStrictEqual(joined.extra?.rest?.waits, new Set())
        for (const entry of machine.runningEntries) machine.interrupt(entry, "Closed", undefined)
      })
    })
  )
})
