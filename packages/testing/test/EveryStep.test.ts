import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as Semaphore from "effect/Semaphore"
import * as TxSemaphore from "effect/TxSemaphore"
import { everyStep, randomSteps, replay, type Scenario, type StepFailure } from "../src/EveryStep.ts"

interface Permits {
  readonly withPermit: (effect: Effect.Effect<void>) => Effect.Effect<void>
  readonly available: Effect.Effect<number>
}

// One permit, which another fiber may hold: the subject waits for it, is handed it, uses it or gives it back.
const keepsItsPermit = (name: string, make: Effect.Effect<Permits>): Scenario<Permits> => ({
  name,
  setup: () => make,
  subject: (permits) => permits.withPermit(Effect.yieldNow),
  actors: {
    holder: (permits) => permits.withPermit(Effect.andThen(Effect.yieldNow, Effect.yieldNow))
  },
  check: (permits) => Effect.map(permits.available, (available) => assert.strictEqual(available, 1, "permits at rest"))
})

const semaphore = keepsItsPermit(
  "Semaphore.withPermits",
  Effect.map(Semaphore.make(1), (semaphore) => ({
    withPermit: semaphore.withPermits(1),
    available: Effect.map(semaphore.takeIfAvailable(1), Number)
  }))
)

const partitioned = keepsItsPermit(
  "PartitionedSemaphore.withPermits",
  Effect.map(PartitionedSemaphore.make<string>({ permits: 1 }), (semaphore) => ({
    withPermit: PartitionedSemaphore.withPermits(semaphore, "key", 1),
    available: PartitionedSemaphore.available(semaphore)
  }))
)

const transactional = keepsItsPermit(
  "TxSemaphore.withPermit",
  Effect.map(TxSemaphore.make(1), (semaphore) => ({
    withPermit: (effect) => TxSemaphore.withPermit(semaphore, effect),
    available: TxSemaphore.available(semaphore)
  }))
)

const alone = (name: string, subject: Effect.Effect<unknown>): Scenario<void> => ({
  name,
  setup: () => Effect.void,
  subject: () => subject
})

describe("everyStep", () => {
  it.effect("finds nothing wrong with Semaphore.withPermits", () =>
    Effect.gen(function* () {
      const report = yield* everyStep(semaphore)
      assert.isAbove(report.distinct, 300)
      assert.isAtLeast(report.runs, report.distinct)
    })
  )

  for (const scenario of [partitioned, transactional]) {
    it.effect(`finds the permit that ${scenario.name} of effect 4.1.0 loses, and replays the run`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(everyStep(scenario))
        assert.include(failure.reason, "permits at rest: expected +0 to equal 1")
        assert.isNumber(failure.run.interruptAt)
        const again = yield* Effect.flip(replay(scenario, failure.run))
        assert.strictEqual(again.message, failure.message)
      })
    )
  }

  it.effect("takes the same path every time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* everyStep(semaphore), yield* everyStep(semaphore))
    })
  )

  it.effect("interrupts the subject at every step, and never twice at the same one", () =>
    Effect.gen(function* () {
      let begun = 0
      const doneAt = new Map<number, number>()
      const steps = Array.from({ length: 8 }, () => Effect.yieldNow)
      yield* everyStep(
        alone(
          "eight yields",
          Effect.suspend(() => {
            begun++
            let done = 0
            return Effect.forEach(steps, (step) => Effect.tap(step, () => Effect.sync(() => done++))).pipe(
              Effect.ensuring(Effect.sync(() => doneAt.set(done, (doneAt.get(done) ?? 0) + 1)))
            )
          })
        ),
        { budgets: [1000], paddings: [0] }
      )
      assert.deepStrictEqual(
        [...doneAt.keys()].sort((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
      )
      assert.strictEqual(begun, 10, "once to the end, eight interruptions, and one that came after the end")
    })
  )

  const broken: ReadonlyArray<readonly [string, string, Scenario<any>]> = [
    ["a hang", "the subject hangs", { ...alone("hang", Effect.uninterruptible(Effect.never)) }],
    ["a fiber that outlives the scope", "1 fibers are left", alone("fiber", Effect.forkDetach(Effect.never))],
    [
      "a sleeper that outlives the scope",
      "1 fibers are left",
      alone("sleeper", Effect.forkDetach(Effect.sleep("1 hour")))
    ],
    ["a program that never rests", "no end after 20000 steps", alone("busy", Effect.forever(Effect.yieldNow))],
    [
      "a rule broken for a moment",
      "odd",
      {
        name: "moment",
        setup: () => Effect.sync(() => ({ count: 0 })),
        subject: (world: { count: number }) => {
          const increment = Effect.sync(() => world.count++)
          return Effect.uninterruptible(Effect.andThen(Effect.andThen(increment, Effect.yieldNow), increment))
        },
        watch: (world: { count: number }) => assert.strictEqual(world.count % 2, 0, "odd")
      }
    ]
  ]
  for (const [what, reason, scenario] of broken) {
    it.effect(`finds ${what}`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(everyStep(scenario))
        assert.include(failure.message, reason)
        assert.include(failure.message, scenario.name)
      })
    )
  }

  it.effect("lets a scenario move the clock", () =>
    everyStep({
      name: "sleep",
      setup: (clock) => Effect.succeed(clock),
      subject: () => Effect.sleep("1 hour"),
      actors: { early: (clock) => clock.adjust("30 minutes"), late: (clock) => clock.adjust("2 hours") },
      release: (clock) => clock.adjust("1 hour"),
      check: (clock) => Effect.sync(() => assert.strictEqual(clock.sleepers, 0))
    })
  )

  it.effect("starts the actor before, at and after the interruption", () =>
    Effect.gen(function* () {
      const orders = new Set<string>()
      yield* everyStep({
        name: "orders",
        setup: () => Effect.map(Latch.make(), (latch) => ({ latch, log: [] as Array<string> })),
        subject: ({ latch, log }) => Effect.onInterrupt(latch.await, () => Effect.sync(() => log.push("interrupted"))),
        actors: { other: ({ log }) => Effect.sync(() => log.push("acted")) },
        release: ({ latch }) => latch.open,
        closed: ({ log }) => orders.add(log.join())
      })
      const expected = ["", "acted", "acted,interrupted", "interrupted", "interrupted,acted"]
      assert.deepStrictEqual([...orders].sort(), expected)
    })
  )
})

const run = (seed: number) => randomSteps([semaphore], { seed, runs: 500 })

describe("randomSteps", () => {
  it.effect("gives the same runs for the same seed and others for another", () =>
    Effect.gen(function* () {
      const first = yield* run(1)
      assert.deepStrictEqual(yield* run(1), first)
      assert.notDeepEqual(yield* run(2), first)
      assert.isAbove(first.distinct, 50)
    })
  )

  it.effect("finds a lost permit in any order of steps, and replays the run", () =>
    Effect.gen(function* () {
      const failure: StepFailure = yield* Effect.flip(randomSteps([semaphore, partitioned], { seed: 7, runs: 5000 }))
      assert.strictEqual(failure.run.scenario, partitioned.name)
      const again = yield* Effect.flip(replay(partitioned, failure.run))
      assert.strictEqual(again.message, failure.message)
    })
  )
})
