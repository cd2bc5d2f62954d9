import { expectStats, settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"
import { Agenda } from "../../../src/internal/pool/agenda.ts"
import { type Held, Holds } from "../../../src/internal/pool/holds.ts"
import { Pauses } from "../../../src/internal/pool/pauses.ts"

/** Holds, and a record of what they told. */
const world = Effect.withFiber((fiber) => {
  const agenda = new Agenda(fiber.context, () => {})
  const log: Array<string> = []
  const held: Held = {
    reportHold: () => {},
    refreshLimit: () => void log.push(holds.isHeld ? "held" : "free"),
    events: { emit: (event) => void log.push(`${event._tag} ${"reason" in event ? event.reason : ""}`) },
    flush: () => void log.push("flush")
  }
  const holds: Holds = new Holds(held, agenda)
  return Effect.succeed({ agenda, holds, log })
})

describe("Holds", () => {
  it.effect("tell of the first hold of a reason and of the end of the last one (load 11a, Holds)", () =>
    Effect.gen(function* () {
      const { holds, log } = yield* world
      holds.begin("Policy")
      holds.begin("Policy")
      holds.end("Policy")
      assert.deepStrictEqual(log, ["held", "Held Policy"])
      holds.end("Policy")
      holds.end("Policy")
      assert.deepStrictEqual(log.slice(2), ["free", "Released Policy", "flush"])
    })
  )

  it.effect("count each reason by itself, and list them (load 3)", () =>
    Effect.gen(function* () {
      const { holds } = yield* world
      holds.begin("Overload")
      holds.begin("User")
      holds.begin("User")
      assert.deepStrictEqual(holds.reasons, ["Overload", "User"])
      holds.end("User", true)
      assert.deepStrictEqual(holds.reasons, ["Overload"])
      holds.end("User")
      assert.isTrue(holds.isHeld)
      holds.end("Overload")
      assert.deepStrictEqual([holds.isHeld, holds.reasons], [false, []])
    })
  )

  it.effect("keep the closing of a pool to themselves (load 11a, Holds)", () =>
    Effect.gen(function* () {
      const { holds, log } = yield* world
      holds.begin("Closing")
      assert.deepStrictEqual([holds.isHeld, holds.reasons, log], [true, [], ["held"]])
      holds.end("Closing", true)
      assert.deepStrictEqual(log.slice(1), ["free", "flush"])
    })
  )

  it.effect("of users end once, and not those of after a closing (load 11a, Closing)", () =>
    Effect.gen(function* () {
      const { holds } = yield* world
      const [first, second] = [holds.beginByUser(), holds.beginByUser()]
      first()
      first()
      assert.isTrue(holds.has("User"))
      holds.onClosing()
      assert.isFalse(holds.has("User"))
      const third = holds.beginByUser()
      second()
      assert.isTrue(holds.has("User"))
      third()
      assert.isFalse(holds.has("User"))
    })
  )

  it.effect("end by time exactly, and keep no timer (load 3)", () =>
    Effect.gen(function* () {
      const { agenda, holds } = yield* world
      holds.beginFor(1000)
      holds.beginFor(500)
      assert.strictEqual(agenda.size, 1)
      yield* TestClock.adjust(999)
      assert.isTrue(holds.has("RetryAfter"))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([holds.has("RetryAfter"), agenda.size], [false, 0])
      for (const nothing of [0, -1, Number.NaN]) holds.beginFor(nothing)
      assert.isFalse(holds.isHeld)
    })
  )

  it.effect("may be extended without end, and then only closing ends them (load 3, load 11a, Closing)", () =>
    Effect.gen(function* () {
      const { agenda, holds } = yield* world
      holds.beginFor(1000)
      holds.beginFor(Infinity)
      holds.beginFor(2000)
      assert.strictEqual(agenda.size, 0)
      yield* TestClock.adjust("400 days")
      assert.isTrue(holds.has("RetryAfter"))
      holds.onClosing()
      assert.isTrue(holds.has("RetryAfter"))
      holds.onClosed()
      assert.isFalse(holds.isHeld)
      holds.beginFor(1000)
      assert.isTrue(holds.has("RetryAfter"))
      yield* TestClock.adjust(1000)
      assert.isFalse(holds.has("RetryAfter"))
    })
  )

  it.effect("that are due end before something else at the same time (load 11a, maxWait)", () =>
    Effect.gen(function* () {
      const { agenda, holds } = yield* world
      holds.beginFor(1000)
      holds.endDue(999)
      assert.isTrue(holds.has("RetryAfter"))
      holds.endDue(1000)
      assert.deepStrictEqual([holds.has("RetryAfter"), agenda.size], [false, 0])
    })
  )
})

describe("a pool that is held", () => {
  it.effect("stays held when a hold of some time is extended without end (load 3)", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      yield* pool.holdFor("1 second")
      yield* pool.holdFor(Infinity)
      yield* TestClock.adjust("1 day")
      yield* settle
      yield* expectStats({ phase: "Held", holds: ["RetryAfter"] })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )

  it.effect("stays held when a scope closes twice (load 3)", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const scope = yield* Scope.make()
      yield* Scope.provide(pool.holdDispatch, scope)
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Scope.close(scope, Exit.void)
          yield* Scope.close(scope, Exit.void)
          yield* expectStats({ phase: "Held", holds: ["User"] })
        })
      )
      yield* expectStats({ phase: "Open", holds: [] })
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})

describe("Pauses", () => {
  const make = (startPaused = false) => {
    const changes: Array<boolean> = []
    return { changes, pauses: new Pauses(startPaused, (paused) => void changes.push(paused)) }
  }

  it("tell when the first one begins and the last one ends (load 11a, Holds)", () => {
    const { changes, pauses } = make()
    const end = pauses.begin()
    pauses.pause()
    pauses.pause()
    end()
    end()
    assert.deepStrictEqual([pauses.isPaused, pauses.isByHand, changes], [true, true, [true]])
    pauses.resume()
    pauses.resume()
    assert.deepStrictEqual([pauses.isPaused, changes], [false, [true, false]])
  })

  it("resume ends only what pause began (load 11a, Holds)", () => {
    const { changes, pauses } = make(true)
    const end = pauses.begin()
    pauses.resume()
    assert.deepStrictEqual([pauses.isPaused, pauses.isByHand, changes], [true, false, []])
    end()
    assert.deepStrictEqual([pauses.isPaused, changes], [false, [false]])
  })

  it("of effects outlive a closing, and the one by hand is as the pool is made (load 11a, Holds)", () => {
    const { pauses } = make()
    const end = pauses.begin()
    pauses.pause()
    pauses.reset(false)
    assert.deepStrictEqual([pauses.isPaused, pauses.isByHand], [true, false])
    end()
    assert.isFalse(pauses.isPaused)
    pauses.reset(true)
    assert.isTrue(pauses.isPaused)
  })
})
