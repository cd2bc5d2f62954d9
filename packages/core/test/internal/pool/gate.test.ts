import { StepClock } from "@aio-task-pool/testing/StepClock"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, type NotAvailable, TaskPool } from "../../../src/index.ts"
import { Agenda } from "../../../src/internal/pool/agenda.ts"
import { Ages, agesOf } from "../../../src/internal/pool/ages.ts"
import type { Entry } from "../../../src/internal/pool/entry.ts"
import { type CheckedOptions, noOptions, TaskExtra } from "../../../src/internal/pool/extra.ts"
import { Gate, type GateOptions } from "../../../src/internal/pool/gate.ts"
import { Machine } from "../../../src/internal/pool/machine.ts"
import { clear } from "../../../src/internal/pool/endingEarly.ts"
import { Task } from "../../../src/internal/pool/task.ts"
import { awaitUntil } from "../../../src/internal/pool/waits.ts"
import { KeyedBacklog } from "../../../src/internal/backlog/keyed.ts"
import { FifoBacklog } from "../../../src/internal/backlog/listBacklog.ts"
import { machineOptions } from "./machineOptions.ts"
import { lanesOf } from "../backlog/turns.ts"

const makeBacklog = () => new FifoBacklog<Entry>()

/** A gate, its agenda, and how often it has asked for a flush. */
const world = (options: Partial<GateOptions> = {}) =>
  Effect.withFiber((fiber) => {
    const agenda = new Agenda(fiber.context, () => {})
    const ages = agesOf(Context.get(fiber.context, Clock.Clock))
    const counts = { flushes: 0 }
    const gate = new Gate(
      { rates: [], perKey: Infinity, makeBacklog, ...options },
      agenda,
      ages,
      () => void counts.flushes++
    )
    return Effect.succeed({ agenda, counts, gate })
  })

interface Options extends Partial<CheckedOptions> {
  readonly key?: string | number
}

const extraWith = ({ key, ...options }: Options): TaskExtra => new TaskExtra({ ...noOptions, ...options }, key)

const entry = (options?: Options): Entry =>
  ({ extra: options === undefined ? undefined : extraWith(options) }) as unknown as Entry

describe("Gate", () => {
  it.effect("asks nothing of a pool without a rate, keys and several permits (load 4, load 12)", () =>
    Effect.gen(function* () {
      const { gate } = yield* world()
      const backlog = makeBacklog()
      for (const plain of [entry(), entry({ label: "label" }), entry({ maxWait: 1000 }), entry({ permits: 1 })]) {
        assert.strictEqual(gate.prepare(plain, backlog), backlog)
        assert.isTrue(gate.allows(plain))
      }
      assert.isFalse(gate.selective)
      assert.strictEqual(gate.maxPermits, 1)
    })
  )

  it.effect("makes the backlog a keyed one with the first key, and keeps it (load 4)", () =>
    Effect.gen(function* () {
      const { gate } = yield* world()
      const backlog = makeBacklog()
      assert.isUndefined(gate.keyed)
      const keyed = gate.prepare(entry({ key: "a" }), backlog)
      assert.instanceOf(keyed, KeyedBacklog)
      // Without a limit per key, a key lets each task start that is next.
      assert.isFalse(gate.selective)
      for (const next of [entry({ key: "b" }), entry({ label: "label" }), entry({ permits: 2 })]) {
        assert.strictEqual(gate.prepare(next, keyed), keyed)
      }
    })
  )

  it.effect("knows what is too large: for the size, for a key, for a rate (load 5, load 11a, Keys)", () =>
    Effect.gen(function* () {
      const { gate } = yield* world({ perKey: 2, rates: [{ limit: 5, window: 1000, unit: undefined }] })
      const isTooLarge = (options: Options, size = 3) => gate.isTooLarge(entry(options), size)
      assert.deepStrictEqual([isTooLarge({ permits: 3 }), isTooLarge({ permits: 4 })], [false, true])
      assert.isFalse(isTooLarge({ permits: 1 }, 0), "1 permit is never too large")
      assert.deepStrictEqual(
        [isTooLarge({ key: "k", permits: 2 }), isTooLarge({ key: "k", permits: 3 })],
        [false, true]
      )
      assert.deepStrictEqual([isTooLarge({ costs: [5] }), isTooLarge({ costs: [5.1] })], [false, true])
      assert.isFalse(gate.isTooLarge(entry(), 0))
    })
  )

  it.effect("asks for a flush when the rate allows the next start, and has no timer at rest (load 2)", () =>
    Effect.gen(function* () {
      const { agenda, counts, gate } = yield* world({ rates: [{ limit: 1, window: 1000, unit: undefined }] })
      assert.isTrue(gate.selective)
      const [first, second] = [entry(), entry()]
      assert.isTrue(gate.allows(first))
      gate.started(first)
      assert.strictEqual(agenda.size, 0)
      assert.isFalse(gate.allows(second))
      assert.isFalse(gate.allows(second))
      assert.strictEqual(agenda.size, 1)
      yield* TestClock.adjust(999)
      assert.strictEqual(counts.flushes, 0)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([counts.flushes, agenda.size], [1, 0])
      assert.isTrue(gate.allows(second))
      gate.started(second)
      assert.isFalse(gate.allows(entry()))
      gate.cancelPlannedFlush()
      assert.strictEqual(agenda.size, 0)
    })
  )

  it.effect("a key at its limit asks for no flush: the end of its task will (load 4)", () =>
    Effect.gen(function* () {
      const { agenda, gate } = yield* world({ perKey: 1, rates: [{ limit: 1, window: 1000, unit: undefined }] })
      const [first, second] = [entry({ key: "k" }), entry({ key: "k" })]
      gate.prepare(first, makeBacklog())
      gate.started(first)
      assert.isFalse(gate.allows(second))
      assert.strictEqual(agenda.size, 0)
      gate.lent(first)
      assert.isFalse(gate.allows(second))
      assert.strictEqual(agenda.size, 1, "only the rate is left")
    })
  )

  it.effect("gives a task of a rate an entry for corrections, and no extra to others (load 2)", () =>
    Effect.gen(function* () {
      const { gate } = yield* world()
      const plain = entry()
      gate.started(plain)
      assert.isUndefined(plain.extra)
      const rated = yield* world({ rates: [{ limit: 1, window: 1000, unit: undefined }] })
      const limited = entry()
      rated.gate.started(limited)
      assert.isDefined(limited.extra?.rest?.startedAt)
    })
  )
})

describe("a pool with keys", () => {
  const taskOf = (machine: Machine, context: Context.Context<never>, key: number, work: Effect.Effect<unknown>) => {
    const task = new Task(machine, work, undefined, 4, context)
    task.extra = extraWith({ key })
    return task
  }

  for (const perKey of [1, Infinity]) {
    it.effect(`keeps nothing of 20,000 keys whose tasks have ended, with perKey ${perKey} (load 4)`, () =>
      Effect.withFiber(({ context }) => {
        const machine = new Machine(machineOptions({ initial: 2, perKey }), context)
        const works = [Effect.void, Effect.yieldNow, Effect.fail("failure")] as ReadonlyArray<Effect.Effect<void>>
        for (let key = 0; key < 20_000; key++) machine.admit(taskOf(machine, context, key, works[key % 3]!), true)
        assert.isAbove(lanesOf(Reflect.get(machine, "backlog") as object), 1000)
        return Effect.gen(function* () {
          yield* awaitUntil(machine, machine.isIdle)
          assert.strictEqual(lanesOf(Reflect.get(machine, "backlog") as object), 0)
          for (let key = 0; key < 1000; key++) machine.admit(taskOf(machine, context, key, Effect.never), true)
          clear(machine, {})
          for (const entry of machine.runningEntries) machine.interrupt(entry, "Closed", undefined)
          yield* awaitUntil(machine, machine.isIdle)
          assert.strictEqual(lanesOf(Reflect.get(machine, "backlog") as object), 0)
        })
      })
    )
  }
})

it.effect("tasks that start together share an extra until one corrects its cost (load 5, load 12)", () =>
  Effect.gen(function* () {
    const { gate } = yield* world({ rates: [{ limit: 10, window: 1000, unit: undefined }] })
    const label = extraWith({ label: "a", costs: [2] })
    label.shared = true
    const tasks = [entry(), entry(), entry(), entry()]
    tasks[2]!.extra = tasks[3]!.extra = label
    for (const task of tasks) gate.started(task)
    const extras = tasks.map(({ extra }) => extra!)
    assert.strictEqual(extras[0], extras[1])
    assert.strictEqual(extras[2], extras[3])
    assert.strictEqual(extras[2]!.options, label.options)
    assert.strictEqual(extras[2]!.rest!.startedAt, extras[0]!.rest!.startedAt)
    assert.isUndefined(label.rest?.startedAt)
    // It becomes 1, 0 and 2 again.
    for (const change of [-1, -3, 2]) gate.adjust(tasks[2]!, [change])
    assert.deepStrictEqual(tasks[2]!.extra?.options.costs, [2])
    assert.strictEqual(tasks[3]!.extra, extras[3])
    assert.deepStrictEqual(extras[3]!.options.costs, [2])
    for (const [cost, allowed] of [
      [4, true],
      [5, false]
    ] as const) {
      assert.strictEqual(gate.allows(entry({ costs: [cost] })), allowed)
    }
    yield* TestClock.adjust(1000)
    gate.started(tasks[1]!)
    assert.notStrictEqual(tasks[1]!.extra!.rest!.startedAt, extras[0]!.rest!.startedAt)
  })
)

it("a gate gives nothing to a task that ends while the clock is read for its correction (load 5)", () => {
  const task = entry()
  let isRead = false
  const now = () => {
    if (isRead) task.extra = undefined
    return 1000
  }
  const clock = { monotonicTimeNanosUnsafe: () => 1_000_000_000n } as Clock.Clock
  const gate = new Gate(
    { rates: [{ limit: 4, window: 1000, unit: undefined }], perKey: Infinity, makeBacklog },
    { nowOrLast: now } as Agenda,
    new Ages(clock, false),
    () => {}
  )
  gate.started(task)
  isRead = true
  gate.adjust(task, [1])
  assert.isUndefined(task.extra)
})

it("a gate ends the sharing of a reading before it says when the rate allows a start (load 2)", () => {
  let nanos = 1_000_000_000n
  const clock = { monotonicTimeNanosUnsafe: () => nanos } as Clock.Clock
  const ages = new Ages(clock, true)
  const agenda = { nowOrLast: () => Number(nanos) / 1e6 } as Agenda
  const gate = new Gate(
    { rates: [{ limit: 4, window: 1000, unit: undefined }], perKey: Infinity, makeBacklog },
    agenda,
    ages,
    () => {}
  )
  for (let count = 0; count < 4; count++) {
    nanos += 100_000n
    gate.started(entry())
  }
  assert.isDefined(ages.shared)
  nanos += 1_000_000n
  // The first start was alone at 1000.1. The others shared readings at 1000.2 and 1000.4.
  assert.approximately(gate.untilStart(undefined), 998.7, 1e-6)
  assert.isUndefined(ages.shared)
})

it("a start counts from its own time, also when it is deferred until the stack has unwound (load 2)", async () => {
  const clock = new StepClock()
  const starts: Array<number> = []
  const limit = 66
  const started = Effect.sync(() => void starts.push(Number(clock.monotonicTimeNanosUnsafe()) / 1e6))
  // Each is forked by the one before, which computes for 4 ms then.
  const nested = (depth: number): Effect.Effect<void, NotAvailable, TaskPool> =>
    Effect.gen(function* () {
      yield* started
      if (depth > 0) yield* TaskPool.fork(nested(depth - 1))
      clock.adjustUnsafe(4)
    })
  const program = Effect.gen(function* () {
    yield* TaskPool.fork(nested(80))
    yield* Effect.forEach(Array.from({ length: 100 }), () => TaskPool.fork(started))
    yield* TaskPool.awaitIdle
  })
  const layer = AioFixedTaskPoolSimple.layer(Infinity, { rate: { limit, window: "500 millis" } })
  const fiber = Effect.runFork(Effect.provideService(Effect.provide(program, layer), Clock.Clock, clock))
  await new Promise<void>((resolve, reject) => {
    fiber.addObserver((exit) => (Exit.isSuccess(exit) ? resolve() : reject(new Error(String(exit)))))
    const pass = (): void => {
      if (fiber.pollUnsafe() !== undefined) return
      clock.adjustUnsafe(1)
      setImmediate(pass)
    }
    setImmediate(pass)
  })
  assert.strictEqual(starts.length, 181)
  const early = starts.filter((start, index) => index >= limit && start - starts[index - limit]! < 500)
  assert.deepStrictEqual(early, [])
})
