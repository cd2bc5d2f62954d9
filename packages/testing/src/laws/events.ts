import type { PoolEvent, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { TaskPool } from "@aio-task-pool/core"
import { type Laws, settle, start } from "./kit.ts"

/** Registers the laws of events: what readers receive, and that they never slow the pool. */
export const eventLaws = (laws: Laws): void => {
  laws.law("a reader receives the events of the pool in order", { minSize: 0, maxSize: 5 }, (pool) =>
    Effect.gen(function* () {
      const events = yield* recordEvents(pool)
      yield* pool.scale(2)
      yield* pool.pause
      yield* pool.pause
      yield* Effect.exit(pool.submit(Effect.void))
      yield* pool.resume
      const handle = yield* pool.fork(Effect.never)
      yield* handle.cancel
      const cut = yield* pool.fork(Effect.never)
      yield* pool.resize(0, { mode: "hard" })
      yield* cut.await
      yield* pool.close()
      yield* settle
      assert.deepStrictEqual(
        events.map((event) => (event._tag === "Scaled" ? { ...event, why: "" } : event)),
        [
          { _tag: "Scaled", from: 1, to: 3, why: "" },
          { _tag: "Paused" },
          { _tag: "Rejected", reason: "Paused" },
          { _tag: "Resumed" },
          { _tag: "Cancelled", reason: "Cancelled", started: true },
          { _tag: "Scaled", from: 3, to: 0, why: "" },
          { _tag: "Cancelled", reason: "ScaledDown", started: true },
          { _tag: "Closed", report: { completed: 0, interrupted: 0, neverRun: 0 } }
        ]
      )
    })
  )

  const interrupted = {
    submit: (pool: TaskPoolService) => pool.submit(Effect.void),
    fork: (pool: TaskPoolService) => Effect.flatMap(pool.fork(Effect.void), ({ cancel }) => cancel),
    forEach: (pool: TaskPoolService) => pool.forEach([1, 2], () => Effect.void),
    mapEffect: (pool: TaskPoolService) => Stream.runDrain(pool.mapEffect(Stream.make(1, 2), () => Effect.void))
  }
  for (const [name, call] of Object.entries(interrupted)) {
    laws.law(`a waiting task of ${name} that ends with its caller is one event, and counts once`, {}, (pool) =>
      Effect.gen(function* () {
        const events = yield* recordEvents(pool)
        const running = yield* pool.fork(Effect.never)
        const caller = yield* start(Effect.exit(call(pool)))
        yield* settle
        yield* Fiber.interrupt(caller)
        yield* settle
        const { cancelled } = yield* pool.stats
        const expected = Array.from({ length: cancelled }, () => ({
          _tag: "Cancelled",
          reason: "Cancelled",
          started: false
        }))
        assert.deepStrictEqual<ReadonlyArray<unknown>>(events, expected)
        yield* running.cancel
      })
    )
  }

  laws.law("a resize to the same size is no event", {}, (pool) =>
    Effect.gen(function* () {
      const events = yield* recordEvents(pool)
      yield* pool.scale(0)
      yield* pool.resize(1)
      yield* pool.resize(1, { mode: "hard" })
      yield* settle
      assert.deepStrictEqual(events, [])
    })
  )

  laws.law("a slow reader loses the oldest events and never slows the pool", {}, (pool) =>
    Effect.gen(function* () {
      const seen: Array<PoolEvent> = []
      const gate = Latch.makeUnsafe()
      yield* start(
        Stream.runForEach(pool.events, (event) =>
          Effect.andThen(
            gate.await,
            Effect.sync(() => seen.push(event))
          )
        )
      )
      yield* settle
      for (let i = 0; i < 1000; i++) yield* pool.togglePause
      yield* pool.close()
      yield* gate.open
      yield* settle
      assert.isAtLeast(seen.length, 1)
      assert.isBelow(seen.length, 1000)
      assert.strictEqual(seen.at(-1)!._tag, "Closed")
    })
  )

  laws.law("the events end when the pool's scope has closed, not when it is closed by hand", {}, () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(laws.layerOf({ size: 1, capacity: laws.capacity }), scope)
      const pool = Context.get(context, TaskPool)
      const reader = yield* start(Stream.runCollect(pool.events))
      yield* settle
      yield* pool.close()
      yield* pool.start
      yield* settle
      assert.isUndefined(reader.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      const tags = Array.from(yield* Fiber.join(reader), (event) => event._tag)
      assert.deepStrictEqual(tags, ["Closed", "Closed"])
      const late = Array.from(yield* Stream.runCollect(pool.events), (event) => event._tag)
      assert.deepStrictEqual(late, ["Closed"])
    })
  )

  laws.law("a reader that ends does not affect the pool or other readers", {}, (pool) =>
    Effect.gen(function* () {
      const reader = yield* start(Stream.runDrain(pool.events))
      yield* settle
      yield* Fiber.interrupt(reader)
      yield* pool.pause
      assert.isFalse(yield* pool.resume)
    })
  )
}

/** An event without its time. */
type Change<Event = PoolEvent> = Event extends unknown ? Omit<Event, "at"> : never

/** Notes the events of a pool from now on, without their times, which must not fall. */
export const recordEvents = Effect.fnUntraced(function* (pool: TaskPoolService) {
  const events: Array<Change> = []
  let last = -Infinity
  const note = ({ at, ...event }: PoolEvent): void => {
    assert.isAtLeast(at, last)
    last = at
    events.push(event)
  }
  yield* start(Stream.runForEach(pool.events, (event) => Effect.sync(() => note(event))))
  yield* settle
  return events
})
