import { AioFixedTaskPoolSimple, PoolRegistry } from "@aio-task-pool/core"
import {
  DistributedTask,
  type DistributedTaskHandle,
  DistributedTaskPool,
  type DistributedTaskPoolService
} from "@aio-task-pool/distributed"
import { everyStep, type EveryStepOptions, type Scenario } from "@aio-task-pool/testing/EveryStep"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"

// Each interleaving of a submitter's interruption with another operation of a local pool.

const Gated = DistributedTask.make("gated", { payload: Schema.Int, success: Schema.Int })
const Quick = DistributedTask.make("quick", { payload: Schema.Int, success: Schema.Int })

/** A local pool of 2 with a worker of 1, of which `running` counts the handlers. */
class World {
  readonly pool: DistributedTaskPoolService
  readonly worker = Scope.makeUnsafe()
  readonly gate = Latch.makeUnsafe()
  places = 1
  running = 0
  most = 0
  readonly outcomes: Array<string> = []
  readonly forked: Array<DistributedTaskHandle<number>> = []

  constructor(pool: DistributedTaskPoolService) {
    this.pool = pool
  }

  private counted<A>(effect: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.running++
        this.most = Math.max(this.most, this.running)
      }),
      () => effect,
      () => Effect.sync(() => this.running--)
    )
  }

  join(concurrency: number, drainTimeout?: number) {
    const handlers = [
      Gated.handle((n) => this.counted(Effect.as(this.gate.await, n))),
      Quick.handle((n) => this.counted(Effect.as(Effect.yieldNow, n)))
    ]
    return this.pool.worker(handlers, { concurrency, shutdown: { drainTimeout } })
  }

  /** Notes how a submit ends. */
  noted<A, E>(name: string, effect: Effect.Effect<A, E>) {
    return Effect.onExit(effect, (exit) =>
      Effect.sync(() => this.outcomes.push(`${name}: ${Exit.isSuccess(exit) ? "success" : "failure"}`))
    )
  }
}

const setup = Effect.gen(function* () {
  const layer = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(2), { name: "steps" })
  const context = yield* Layer.buildWithScope(layer, yield* Effect.scope)
  const world = new World(Context.get(context, DistributedTaskPool))
  yield* Effect.addFinalizer(() => Scope.close(world.worker, Exit.void))
  yield* Scope.provide(world.join(1), world.worker)
  return world
})

const scenario = (
  name: string,
  subject: (world: World) => Effect.Effect<unknown, unknown>,
  actors: Readonly<Record<string, (world: World) => Effect.Effect<unknown, unknown>>>
): Scenario<World> => ({
  name,
  setup: () => setup,
  subject: (world) => world.noted("subject", subject(world)),
  actors,
  release: (world) =>
    Effect.gen(function* () {
      yield* Effect.ignore(world.pool.releaseDispatch)
      yield* Effect.ignore(world.pool.resume)
      yield* Effect.ignore(world.pool.resize(2))
      yield* world.gate.open
    }),
  watch: ({ most, places }) => assert.isAtMost(most, Math.min(2, places)),
  // The gate is closed until the release: a subject that has ended has interrupted what it had submitted.
  resting: ({ outcomes, running }) => {
    if (outcomes.includes("subject: failure")) assert.strictEqual(running, 0)
  },
  check: (world, { subject }) =>
    Effect.gen(function* () {
      // An answer comes once. A subject that was interrupted before its first step has none.
      assert.isAtMost(world.outcomes.length, 1)
      if (Exit.isSuccess(subject)) assert.deepStrictEqual(world.outcomes, ["subject: success"])
      assert.strictEqual(world.running, 0)
      const exit = yield* Effect.exit(world.pool.stats)
      if (Exit.isFailure(exit)) return
      assert.deepInclude(exit.value, { running: 0, waiting: 0, delayed: 0, held: false })
      // The pool still runs tasks: no place and no hold was lost.
      yield* Scope.provide(world.join(1), world.worker)
      world.places++
      const results = Effect.all([world.pool.submit(Quick, 1), world.pool.submit(Quick, 2)], { concurrency: 2 })
      assert.deepStrictEqual(yield* results, [1, 2])
    })
})

const actors: Readonly<Record<string, (world: World) => Effect.Effect<unknown, unknown>>> = {
  "another submit": ({ pool }) => pool.submit(Quick, 2),
  "a fork that is cancelled": ({ pool }) => Effect.flatMap(pool.fork(Gated, 2), (handle) => handle.cancel),
  "a hold": ({ pool }) => pool.holdDispatch,
  "a release": ({ pool }) => Effect.andThen(pool.holdDispatch, pool.releaseDispatch),
  "a resize": ({ pool }) => Effect.andThen(pool.resize(0), pool.resize(1)),
  "another worker": (world) =>
    Effect.suspend(() => {
      world.places++
      return Scope.provide(world.join(1), world.worker)
    }),
  "a worker that comes and goes": (world) =>
    Effect.suspend(() => {
      world.places++
      return Effect.scoped(Effect.andThen(world.join(1, 0), Effect.yieldNow))
    }),
  "a close": ({ pool }) => pool.close(),
  "a close with cancel": ({ pool }) => pool.close({ mode: "cancel" })
}

/** The scenarios: submits that are interrupted at each step while each actor interferes. */
export const scenarios: ReadonlyArray<Scenario<World>> = [
  scenario("a submit", ({ pool }) => pool.submit(Gated, 1), actors),
  scenario(
    "a submit behind others",
    ({ pool }) => Effect.all([pool.submit(Gated, 0), pool.submit(Quick, 1), pool.submit(Gated, 2)], { concurrency: 3 }),
    actors
  ),
  scenario("a named submit with a timeout", ({ pool }) => pool.submit(Gated, 1, { id: "one", timeout: 1000 }), actors)
]

/** The same without other actors, for budgets of few operations, and what else may be interrupted in the middle. */
export const scenariosAlone: ReadonlyArray<Scenario<World>> = [
  ...scenarios.map((each) => ({ ...each, actors: {} })),
  { ...scenario("a fork", ({ pool }) => pool.fork(Gated, 1), {}), resting: undefined },
  {
    ...scenario(
      "a cancel of a waiting task",
      ({ pool }) =>
        Effect.flatMap(Effect.all([pool.fork(Gated, 1), pool.fork(Gated, 2)]), ([, waiting]) => waiting.cancel),
      {}
    ),
    resting: undefined
  }
]

const closers: typeof actors = {
  "a close": ({ pool }) => pool.close(),
  "a close with cancel": ({ pool }) => pool.close({ mode: "cancel" }),
  "a submit": ({ pool }) => pool.submit(Quick, 1),
  "a worker that comes and goes": actors["a worker that comes and goes"]!
}

/** Closes that are interrupted and that meet others. Whoever waits for a task gets an answer. */
export const scenariosOfClosing: ReadonlyArray<Scenario<World>> = (["keep", "cancel"] as const).map((mode) => ({
  ...scenario(`a close with the mode ${mode}`, ({ pool }) => pool.close({ mode }), closers),
  setup: () =>
    Effect.tap(setup, ({ forked, pool }) =>
      Effect.gen(function* () {
        for (const n of [1, 2]) forked.push(yield* pool.fork(Gated, n))
        forked.push(yield* pool.fork(Quick, 3, { delay: 1000 }))
      })
    ),
  resting: undefined,
  check: (world: World) =>
    Effect.gen(function* () {
      const { forked, outcomes, pool } = world
      assert.isAtMost(outcomes.length, 1)
      // An interrupted close may have changed nothing. The next one ends what is left.
      yield* pool.close({ mode })
      for (const each of forked) yield* each.await
      assert.strictEqual(world.running, 0)
      assert.deepInclude(yield* Effect.flip(pool.stats), { reason: "Closed" })
    })
}))

/** A pool and a worker that are interrupted while they open. */
export const scenarioOfOpening: Scenario<PoolRegistry["Service"]> = {
  name: "a pool that opens",
  setup: () => PoolRegistry.make,
  subject: (registry) =>
    Effect.gen(function* () {
      const layer = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(2), { name: "steps" })
      const pool = Context.get(yield* Layer.build(layer), DistributedTaskPool)
      yield* pool.worker([Quick.handle(Effect.succeed)], { concurrency: 1 })
      yield* pool.submit(Quick, 1)
    }).pipe(Effect.scoped, Effect.provideService(PoolRegistry, registry)),
  check: (registry) => Effect.map(registry.pools, (pools) => assert.deepStrictEqual(pools, []))
}

/** Registers a test for each scenario. */
export const stepTests = <W = World>(
  options: EveryStepOptions,
  of: ReadonlyArray<Scenario<W>> = scenarios as ReadonlyArray<Scenario<any>>
): void => {
  for (const each of of) {
    it.live(`${each.name} has at most one answer, and nothing is lost`, () =>
      Effect.map(everyStep(each, options), ({ distinct }) => assert.isAbove(distinct, 20))
    )
  }
}
