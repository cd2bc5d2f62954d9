import type { DistributedTaskHandle } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { start } from "../kit.ts"
import { Call, type DistributedLaws, gate, type Refused, until, type World } from "./kit.ts"

type Wait = Effect.Effect<unknown, unknown>
type Fibers = ReadonlyArray<readonly [name: string, fiber: Fiber.Fiber<unknown, unknown>]>

/** Starts a fiber whose observer throws. Effect calls the observers one by one, so nothing else can wait for the fiber. */
const startHostile = (wait: Wait): Effect.Effect<void> =>
  Effect.map(Effect.forkDetach(wait, { startImmediately: true }), (fiber) => {
    // A fiber that has ended calls back at once.
    if (fiber.pollUnsafe() !== undefined) return
    fiber.addObserver(() => {
      throw new Error("of an observer")
    })
  })

/** Starts a fiber for each wait. */
const startAll = (waits: Readonly<Record<string, Wait>>): Effect.Effect<Fibers> =>
  Effect.forEach(Object.entries(waits), ([name, wait]) => Effect.map(start(wait), (fiber) => [name, fiber] as const))

/** Waits until all fibers have ended. Fails with the names of the others. */
const ended = (fibers: Fibers): Effect.Effect<void> => {
  const open = () => fibers.flatMap(([name, fiber]) => (fiber.pollUnsafe() === undefined ? [name] : []))
  return until(
    Effect.sync(() => open().length === 0),
    Effect.sync(() => `of ${open().join(", ")}`)
  )
}

const kinds = ["join", "await", "progress", "attach", "submit of the same ID"] as const

/** Every way to wait for one task. */
const waitsFor = ({ pool }: World, handle: DistributedTaskHandle<string, Refused, number>) =>
  ({
    join: handle.join,
    await: handle.await,
    progress: Stream.runDrain(handle.progress),
    attach: Effect.flatMap(pool.attach(Call, handle.id), (attached) => attached.join),
    "submit of the same ID": pool.submit(Call, "", { id: handle.id })
  }) satisfies Record<(typeof kinds)[number], Wait>

/** Fibers have observers, which are user code. What one throws affects no other fiber. */
export const observingLaws = (laws: DistributedLaws): void => {
  for (const kind of kinds) {
    laws.law(`the observer of ${kind} throws, and every other caller has the result`, {}, (world) =>
      Effect.gen(function* () {
        yield* world.worker()
        const { body, open, started } = gate("done")
        const handle = yield* world.fork(body)
        yield* started
        const waits = waitsFor(world, handle)
        yield* startHostile(waits[kind])
        const fibers = yield* startAll(waits)
        yield* open
        yield* ended(fibers)
        assert.strictEqual(yield* handle.join, "done")
        assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
        yield* world.until(({ running, waiting }) => running === 0 && waiting === 0)
      })
    )
  }

  laws.law("the observer of a canceller throws, and every other caller has its answer", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const { body, started } = gate("never")
      const handle = yield* world.fork(Effect.ensuring(body, Effect.sleep(30)))
      yield* started
      yield* startHostile(handle.cancel)
      const fibers = yield* startAll({ cancel: handle.cancel, ...waitsFor(world, handle) })
      yield* ended(fibers)
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )

  for (const mode of ["keep", "cancel"] as const) {
    // Effect's own scheduler resumes a forEach and a reader of events. What they throw reaches the process.
    for (const kind of [...kinds, "submit", "close"] as const) {
      laws.law(`the observer of ${kind} throws while the pool closes (${mode}), and no caller waits on`, {}, (world) =>
        Effect.gen(function* () {
          const { pool } = world
          yield* world.worker({ concurrency: 1 })
          const busy = gate("busy")
          yield* world.fork(Effect.ensuring(busy.body, Effect.sleep(10)))
          yield* busy.started
          const handle = yield* world.fork(Effect.succeed("waits"))
          const waits = {
            submit: world.submit(Effect.succeed("waits")),
            forEach: pool.forEach([0, 1], Call, () => world.payload(Effect.succeed("waits"))),
            events: Stream.runDrain(pool.events),
            ...waitsFor(world, handle)
          }
          const close = pool.close({ mode })
          if (kind !== "close") yield* startHostile(waits[kind])
          const fibers = yield* startAll(waits)
          if (kind === "close") yield* startHostile(close)
          const closers = yield* startAll({ close, "close again": close })
          yield* busy.open
          yield* ended([...fibers, ...closers])
        })
      )
    }
  }

  laws.law("the observer of a closer of a worker throws, and the others go on", { size: 2 }, (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(world.worker({ concurrency: 1, shutdown: {} }), scope)
      const { body, open, started } = gate("done")
      const handle = yield* world.fork(body)
      yield* started
      yield* startHostile(Scope.close(scope, Exit.void))
      const fibers = yield* startAll(waitsFor(world, handle))
      yield* world.worker({ concurrency: 1 })
      yield* open
      yield* ended(fibers)
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
      yield* world.until(({ running, workers }) => running === 0 && workers === 1)
    })
  )
}
