/** What is left of a reader of the dashboard that goes away in the middle: a browser that is closed interrupts a request. */
import { PoolRegistry } from "@aio-task-pool/core"
import { Dashboard } from "@aio-task-pool/dashboard"
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { setImmediate as nextTurn } from "node:timers/promises"
import { Collector } from "../../src/internal/collector.ts"

/** A registry with a distributed pool, which counts how often it is asked, and a collector that only requests use. */
const makeWorld = Effect.gen(function* () {
  const registry = yield* PoolRegistry.make
  const open = yield* Scope.fork(yield* Effect.scope)
  const world = { asked: 0, registry, open, collector: new Collector(registry, yield* Effect.scope, 10) }
  const service = { stats: Effect.sync(() => ({ running: ++world.asked })), workers: Effect.succeed([]) }
  yield* PoolRegistry.registerPool({ name: "far", kind: "test", service }).pipe(
    Effect.provideService(PoolRegistry, registry),
    Scope.provide(open)
  )
  return world
})

const read = ({ collector }: Effect.Success<typeof makeWorld>) => collector.frames([undefined])
/** Lets fibers run that others have forked. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 5; i++) await nextTurn()
})

/** Interrupts a reader before each of its operations, each time in a new world, and then asks whether all is well. */
const readInterrupted = <E, R>(
  make: Effect.Effect<Effect.Success<typeof makeWorld>, E, R>,
  isWell: (world: Effect.Success<typeof makeWorld>) => Effect.Effect<void>,
  atLeast: number
) =>
  Effect.gen(function* () {
    let world = yield* make
    const operations = yield* interruptedEverywhere(
      Effect.suspend(() => read(world)),
      () =>
        Effect.gen(function* () {
          yield* isWell(world)
          world = yield* make
        })
    )
    assert.isAbove(operations, atLeast)
  })

it.effect("a pool is asked, although the reader who was the first to see it goes away", () =>
  readInterrupted(
    makeWorld,
    (world) =>
      Effect.gen(function* () {
        yield* read(world)
        yield* settle
        assert.strictEqual(world.asked, 1)
      }),
    20
  )
)

it.effect("a pool that has closed is asked no more, although the reader who was the first to miss it goes away", () =>
  readInterrupted(
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* read(world)
      yield* settle
      yield* Scope.close(world.open, Exit.void)
      return world
    }),
    (world) =>
      Effect.gen(function* () {
        yield* read(world)
        yield* settle
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.strictEqual(world.asked, 1)
      }),
    10
  )
)

it.effect("a logger that throws when a pool does not answer does not end the dashboard", () =>
  Effect.gen(function* () {
    const registry = yield* PoolRegistry.make
    let samples = 0
    const pools = Effect.suspend(() => (samples++ === 0 ? Effect.die("of a registry") : registry.pools))
    const collector = new Collector({ ...registry, pools, changes: registry.changes }, yield* Effect.scope, 10)
    yield* Effect.forkScoped(collector.run)
    yield* settle
    yield* TestClock.adjust("5 seconds")
    assert.isAbove(samples, 5)
  }).pipe(
    Effect.scoped,
    Effect.provide(Logger.layer([Logger.make(() => assert.fail("of a logger"))])),
    Effect.provideService(References.MinimumLogLevel, "All")
  )
)

it.live("a dashboard that is interrupted while it starts leaves no server and no timer", () =>
  Effect.gen(function* () {
    const registry = yield* PoolRegistry.make
    const operations = yield* interruptedEverywhere(
      Effect.scoped(Layer.build(Dashboard.layer({ port: 0, metrics: true }))).pipe(
        Effect.provideService(PoolRegistry, registry)
      ),
      (_exit, at, alive) =>
        Effect.promise(async () => {
          const isOver = () => alive("TCPSERVERWRAP") + alive("Timeout") === 0
          // Servers end in turns of the event loop. What is left stays.
          for (let turns = 0; !isOver() && turns < 100_000; turns++) await nextTurn()
          assert.isTrue(isOver(), `interrupted before operation ${at}`)
        })
    )
    assert.isAbove(operations, 100)
  })
)
