import { expectStats, failureOf, gated, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import {
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  TaskPool,
  type TaskPoolService
} from "../src/index.ts"

class OtherPool extends TaskPool.Tag<OtherPool>()("test/OtherPool") {}

const pools = { AioFixedTaskPoolSimple, AioFixedTaskPoolLifo, AioFixedTaskPoolPriority }

describe.for(Object.entries(pools))("%s", ([kind, { layer, layerConfig, make }]) => {
  const nameAndSize = Effect.map(Effect.all([TaskPool, TaskPool.stats]), ([{ name }, { targetSize }]) => [
    name,
    targetSize
  ])

  describe("layer", () => {
    it.effect("has 3 workers, no limit to its queue and its kind as name when nothing is said", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, [kind, 3])
        assert.deepStrictEqual(yield* TaskPool.stats, {
          phase: "Open",
          holds: [],
          size: 3,
          targetSize: 3,
          running: 0,
          busy: 0,
          lent: 0,
          waiting: 0,
          delayed: 0,
          atDoor: 0,
          capacity: Infinity,
          nextStart: 0,
          submitted: 0,
          succeeded: 0,
          failed: 0,
          interrupted: 0,
          cancelled: 0,
          dropped: 0,
          rejected: 0,
          rejectedBy: { Paused: 0, Closed: 0, QueueFull: 0, TooLarge: 0, WaitedTooLong: 0, Nested: 0 },
          largestSize: 3
        })
      }).pipe(Effect.provide(layer()))
    )

    it.effect("takes a size", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, [kind, 7])
      }).pipe(Effect.provide(layer(7)))
    )

    it.effect("takes a size and options", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, ["named", 2])
        yield* expectStats({ capacity: 5, phase: "Paused" })
      }).pipe(Effect.provide(layer(2, { name: "named", capacity: 5, startPaused: true })))
    )

    it.effect("takes options alone", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, ["named", 4])
      }).pipe(Effect.provide(layer({ size: 4, name: "named" })))
    )

    it.effect("takes options without a size", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, [kind, 3])
        yield* expectStats({ capacity: 0 })
      }).pipe(Effect.provide(layer({ capacity: 0 })))
    )

    it.effect("takes undefined for what is not said", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, [kind, 3])
        yield* expectStats({ capacity: Infinity, phase: "Open" })
      }).pipe(
        Effect.provide(
          layer(undefined, {
            name: undefined,
            tag: undefined,
            capacity: undefined,
            onFull: undefined,
            startPaused: undefined,
            shutdown: { drainTimeout: undefined, interruptTimeout: undefined }
          })
        )
      )
    )

    it.effect("provides the tag it is given, and no other", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OtherPool.stats).targetSize, 2)
        assert.isTrue((yield* Effect.serviceOption(TaskPool))._tag === "None")
      }).pipe(Effect.provide([layer(2, { tag: OtherPool })]))
    )

    it.effect("takes the tag in the options alone, too", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OtherPool.stats).targetSize, 6)
      }).pipe(Effect.provide(layer({ size: 6, tag: OtherPool })))
    )

    it.effect("with no worker keeps its tasks until it gets one", () =>
      Effect.gen(function* () {
        const handle = yield* TaskPool.fork(Effect.succeed("ran"))
        yield* expectStats({ size: 0, waiting: 1 })
        assert.strictEqual(yield* TaskPool.scale(1), 1)
        assert.strictEqual(yield* handle.join, "ran")
      }).pipe(Effect.provide(layer(0)))
    )

    it.effect("that fails when full lets no submitter wait at the door", () =>
      Effect.gen(function* () {
        const busy = gated("busy")
        yield* TaskPool.fork(busy.task)
        const { fork, submit, submitNowait } = TaskPool
        for (const refused of [submit(Effect.void), fork(Effect.void), submitNowait(Effect.void)]) {
          assert.propertyVal(yield* Effect.flip(refused), "reason", "QueueFull")
        }
        yield* expectStats({ rejected: 3, submitted: 1 })
        yield* busy.open
      }).pipe(Effect.provide(layer(1, { capacity: 0, onFull: "fail" })))
    )

    it.effect("makes a pool of its own for each scope", () =>
      Effect.gen(function* () {
        const one = layer(1)
        const submitted = Effect.andThen(TaskPool.submit(Effect.void), TaskPool.stats)
        assert.strictEqual((yield* Effect.provide(submitted, one)).submitted, 1)
        assert.strictEqual((yield* Effect.provide(submitted, one)).submitted, 1)
      })
    )
  })

  describe("wrong arguments are thrown where they are given", () => {
    const wrong: ReadonlyArray<readonly [() => unknown, string]> = [
      [() => layer(2.5), "layer: size must be an integer >= 0 or Infinity, got 2.5"],
      [() => layer(-1), "layer: size must be an integer >= 0 or Infinity, got -1"],
      [() => layer(Number.NaN), "layer: size must be an integer >= 0 or Infinity, got NaN"],
      [() => layer(2 ** 53), "layer: size must be an integer >= 0 or Infinity, got 9007199254740992"],
      [() => layer("3" as never), 'layer: size must be an integer >= 0 or Infinity, got "3"'],
      [() => layer({ size: -3 }), "layer: size must be an integer >= 0 or Infinity, got -3"],
      [() => layer(1, { capacity: -1 }), "layer: capacity must be an integer >= 0 or Infinity, got -1"],
      [() => layer({ capacity: 0.5 }), "layer: capacity must be an integer >= 0 or Infinity, got 0.5"],
      [() => layer({ capacity: Number.NaN }), "layer: capacity must be an integer >= 0 or Infinity, got NaN"],
      [
        () => layer({ onFull: "drop" as never }),
        'layer: onFull must be "suspend" or "fail" or "dropOldest", got "drop"'
      ],
      [() => layer({ shutdown: { drainTimeout: -1 } }), "layer: drainTimeout must be a Duration >= 0, got -1"],
      [
        () => layer({ shutdown: { interruptTimeout: "soon" as never } }),
        'layer: interruptTimeout must be a Duration >= 0, got "soon"'
      ],
      [() => layer({ shutdown: { drainTimeout: Number.NaN } }), "layer: drainTimeout must be a Duration >= 0, got NaN"],
      [() => make({ size: 1.5 }), "make: size must be an integer >= 0 or Infinity, got 1.5"]
    ]

    it.for(wrong)("%s", ([construct, message]) => {
      try {
        construct()
      } catch (error) {
        assert.instanceOf(error, RangeError)
        assert.strictEqual(error.message, `${kind}.${message}`)
        return
      }
      assert.fail("nothing was thrown")
    })
  })

  describe("layerConfig", () => {
    const provider = (values: object) => ConfigProvider.layer(ConfigProvider.fromUnknown(values))

    it.effect("takes a Config of the size", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, [kind, 5])
      }).pipe(Effect.provide(layerConfig(Config.Int("SIZE"))), Effect.provide(provider({ SIZE: 5 })))
    )

    it.effect("takes a Config of the options", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, ["from config", 6])
      }).pipe(
        Effect.provide(
          layerConfig(Config.map(Config.Int("SIZE"), (size) => ({ size, name: "from config", capacity: 1 })))
        ),
        Effect.provide(provider({ SIZE: 6 }))
      )
    )

    it.effect("takes a record of configs, in any depth", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* nameAndSize, ["records", 2])
        yield* expectStats({ capacity: 9 })
        yield* TaskPool.fork(Effect.never)
        assert.deepStrictEqual(yield* TaskPool.close(), { completed: 0, interrupted: 1, neverRun: 0 })
      }).pipe(
        Effect.provide(
          layerConfig({
            size: Config.Int("SIZE"),
            name: Config.String("NAME"),
            capacity: Config.succeed(9),
            shutdown: { drainTimeout: Config.Duration("DRAIN") }
          })
        ),
        Effect.provide(provider({ SIZE: 2, NAME: "records", DRAIN: "0 millis" }))
      )
    )

    it.effect("provides the tag it is given", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OtherPool.stats).targetSize, 1)
      }).pipe(Effect.provide(layerConfig(Config.succeed(1), { tag: OtherPool })))
    )

    it.effect("fails with ConfigError when a value is missing", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Effect.provide(TaskPool.stats, layerConfig(Config.Int("SIZE"))))
        assert.instanceOf(failureOf(exit), Config.ConfigError)
      }).pipe(Effect.provide(provider({})))
    )

    it.effect("fails with ConfigError and the pool's own sentence when a value is out of its range", () =>
      Effect.gen(function* () {
        const bad = [
          layerConfig(Config.succeed(-1)),
          layerConfig(Config.succeed({ size: -1 })),
          layerConfig({ size: Config.succeed(-1) })
        ]
        for (const each of bad) {
          const error = failureOf(yield* Effect.exit(Effect.provide(TaskPool.stats, each)))
          assert.instanceOf(error, Config.ConfigError)
          assert.include(error.message, `${kind}.layerConfig: size must be an integer >= 0 or Infinity, got -1`)
        }
      })
    )
  })

  describe("make", () => {
    it.effect("makes a pool that closes with the scope", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const pool = yield* Scope.provide(make({ size: 2 }), scope)
        assert.strictEqual(pool.name, kind)
        assert.strictEqual(yield* pool.submit(Effect.succeed("done")), "done")
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* pool.stats).phase, "Closed")
        assert.strictEqual((yield* Effect.flip(pool.submit(Effect.void))).reason, "Closed")
      })
    )

    it.effect("has the defaults of layer", () =>
      Effect.gen(function* () {
        const pool = yield* make()
        assert.deepInclude(yield* pool.stats, { targetSize: 3, capacity: Infinity, phase: "Open" })
      }).pipe(Effect.scoped)
    )

    it.effect("makes another pool each time it is run", () =>
      Effect.gen(function* () {
        const twice = make({ size: 1 })
        const [one, two] = [yield* twice, yield* twice]
        yield* one.pause
        assert.strictEqual((yield* two.stats).phase, "Open")
      }).pipe(Effect.scoped)
    )
  })

  const endOf = Effect.fnUntraced(function* (
    exit: Exit.Exit<unknown, unknown>,
    use: (pool: TaskPoolService) => Effect.Effect<unknown, unknown>
  ) {
    const scope = yield* Scope.make()
    const pool = yield* Scope.provide(make({ size: 1, shutdown: { drainTimeout: Duration.infinity } }), scope)
    yield* use(pool)
    return { pool, closing: yield* start(Scope.close(scope, exit)) }
  })

  it.effect("drains when its scope ends well, and interrupts when it does not", () =>
    Effect.gen(function* () {
      for (const exit of [Exit.void, Exit.fail("failed"), Exit.interrupt(1)]) {
        const [running, waiting] = [gated("running"), gated("waiting")]
        const { closing, pool } = yield* endOf(exit, (pool) =>
          Effect.andThen(pool.fork(running.task), pool.fork(waiting.task))
        )
        assert.strictEqual(closing.pollUnsafe() === undefined, Exit.isSuccess(exit))
        yield* running.open
        yield* waiting.open
        yield* Fiber.join(closing)
        const { cancelled, succeeded } = yield* pool.stats
        assert.deepStrictEqual([succeeded, cancelled], Exit.isSuccess(exit) ? [2, 0] : [0, 2])
      }
    })
  )
})
