import { defectOf, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, Executor, Job, PoolRegistry } from "../src/index.ts"

/** Runs an effect with a registry of its own. */
const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(PoolRegistry.make, (registry) => Effect.provideService(effect, PoolRegistry, registry))

describe("the registry", () => {
  it.effect("is one for the whole process, unless another one is provided", () =>
    Effect.gen(function* () {
      const pool = yield* AioFixedTaskPoolSimple.make({ name: "in the registry of the process" })
      const found = (yield* PoolRegistry.pools).filter(({ service }) => service === pool)
      assert.strictEqual(found.length, 1)
      // The reference is also the effect that returns the registry.
      assert.include(yield* (yield* PoolRegistry).pools, found[0])
      assert.deepStrictEqual(yield* isolated(PoolRegistry.pools), [])
    })
  )

  it.effect("holds distributed pools as long as their scope, and tells of them", () =>
    isolated(
      Effect.gen(function* () {
        const changes = yield* start(Stream.runCollect(Stream.take(PoolRegistry.changes, 2)))
        yield* settle
        yield* TestClock.adjust(70)
        const worker = { host: "a", pid: 1, concurrency: 5, running: 2 }
        const service = { stats: Effect.succeed({ running: 2 }), workers: Effect.succeed([worker]) }
        const scope = yield* Scope.make()
        const entry = yield* Scope.provide(
          PoolRegistry.registerPool({ name: "mail", kind: "AioDistributedFixedTaskPoolSimple", service }),
          scope
        )
        assert.deepStrictEqual(entry, {
          _tag: "Distributed",
          id: "mail",
          name: "mail",
          kind: "AioDistributedFixedTaskPoolSimple",
          openedAt: 70,
          service
        })
        assert.deepStrictEqual(yield* PoolRegistry.pools, [entry])
        yield* TestClock.adjust(30)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* PoolRegistry.pools, [])
        assert.deepStrictEqual(yield* Fiber.join(changes), [
          { _tag: "Opened", at: 70, entry },
          { _tag: "Closed", at: 100, entry }
        ])
      })
    )
  )

  it.effect(
    "gives names that are cut within a character the replacement character, so that an address can have the ids",
    () =>
      isolated(
        Effect.gen(function* () {
          const [cut, other] = ["thumbs \ud83d", "thumbs \udc4d"]
          const replaced = "thumbs \ufffd"
          const pool = yield* AioFixedTaskPoolSimple.make({ name: cut })
          assert.strictEqual(pool.name, replaced)
          const service = { stats: Effect.succeed({}), workers: Effect.succeed([]) }
          yield* PoolRegistry.registerPool({ name: other, kind: "Other", service })
          yield* AioFixedTaskPoolSimple.make({ name: "whole \u{1f44d}" })
          const known = (yield* PoolRegistry.pools).map(({ id, name }) => [id, name])
          assert.deepStrictEqual(known, [
            [replaced, replaced],
            [`${replaced}#2`, replaced],
            ["whole \u{1f44d}", "whole \u{1f44d}"]
          ])
          const executor = { name: cut, stats: Effect.never, threads: Effect.never }
          assert.deepInclude(yield* PoolRegistry.registerExecutor(executor), { id: replaced, name: replaced })
        })
      )
  )

  it.effect("refuses names that are no strings, which no metric and no page could show", () =>
    isolated(
      Effect.gen(function* () {
        const messageOf = (exit: Exit.Exit<unknown, unknown>) => (defectOf(exit) as Error).message
        const rest = { kind: "Other", service: { stats: Effect.succeed({}), workers: Effect.succeed([]) } }
        assert.strictEqual(
          messageOf(yield* Effect.exit(PoolRegistry.registerPool({ ...rest, name: 5 as never }))),
          "PoolRegistry.registerPool: name must be a string, got 5"
        )
        const executor = { name: undefined as never, stats: Effect.never, threads: Effect.never }
        assert.strictEqual(
          messageOf(yield* Effect.exit(PoolRegistry.registerExecutor(executor))),
          "PoolRegistry.registerExecutor: name must be a string, got undefined"
        )
        assert.deepStrictEqual(yield* PoolRegistry.pools, [])
      })
    )
  )

  it.effect("survives a clock that throws", () =>
    isolated(
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const broken = Object.assign(Object.create(clock), clock, {
          currentTimeMillisUnsafe: () => {
            throw new Error("no")
          }
        })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* Effect.provideService(AioFixedTaskPoolSimple.make({ size: 1 }), Clock.Clock, broken)
            assert.strictEqual((yield* PoolRegistry.pools)[0]!.openedAt, 0)
            assert.strictEqual((yield* pool.inspect()).at, 0)
            yield* pool.pause
          })
        )
        assert.deepStrictEqual(yield* PoolRegistry.pools, [])
      })
    )
  )

  it.effect("holds an inline executor as long as its layer, with the one thread that it has", () =>
    isolated(
      Effect.gen(function* () {
        let end = (): void => {}
        const ends = new Promise<void>((resolve) => {
          end = resolve
        })
        const waits = Job.define(import.meta, "waits", () => ends)
        yield* Effect.gen(function* () {
          const [entry] = yield* PoolRegistry.executors
          assert.deepInclude(entry, { id: "executor", name: "executor", openedAt: 0 })
          const idle = { id: 1, state: "Idle", running: 0, waiting: 0, settled: 0, replacedBy: undefined }
          assert.deepStrictEqual<unknown>(yield* entry!.threads, [{ ...idle, job: undefined, ran: undefined }])
          const fiber = yield* start(Executor.run(waits))
          yield* settle
          yield* TestClock.adjust(20)
          assert.deepStrictEqual<unknown>(yield* entry!.threads, [
            { ...idle, state: "Running", running: 1, job: "waits", ran: 20 }
          ])
          end()
          yield* Fiber.join(fiber)
          assert.deepInclude((yield* entry!.threads)[0], { state: "Idle", settled: 1 })
          assert.deepInclude(yield* entry!.stats, { settled: 1, replaced: 0 })
        }).pipe(Effect.provide(Layer.fresh(Executor.layerInline)))
        assert.deepStrictEqual(yield* PoolRegistry.executors, [])
      })
    )
  )
})

describe("measuring that ends and begins again", () => {
  it.effect("gives a task that lent its worker meanwhile its own run time, also on a pool that classifies", () =>
    isolated(
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ size: 1, classify: () => "ignore" })
        const [entry] = yield* PoolRegistry.pools
        const first = yield* Scope.make()
        yield* Scope.provide(PoolRegistry.measure, first)
        let attempts = 0
        const work = Effect.suspend(() =>
          Effect.andThen(pool.submit(Effect.sleep(1000)), ++attempts === 1 ? Effect.fail("again") : Effect.void)
        )
        yield* pool.fork(work, { retry: { times: 1, schedule: Schedule.spaced(10_000) } })
        yield* TestClock.adjust(500)
        yield* Scope.close(first, Exit.void)
        yield* TestClock.adjust(5000)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* PoolRegistry.measure
            yield* TestClock.adjust(20_000)
            assert.strictEqual(entry!._tag, "Local")
            const timing = entry!._tag === "Local" ? yield* entry!.timing : undefined
            // The second attempt and its inner task. The outer one has lent its worker for all of its time.
            assert.deepInclude(timing?.run, { count: 2, sum: 1000, max: 1000 })
          })
        )
      })
    )
  )
})
