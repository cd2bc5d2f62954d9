import { expectStats, failureOf, gated, lineLog, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AutoScalePolicy,
  type AutoScalePoolOptions,
  TaskPool
} from "../src/index.ts"

class OtherPool extends TaskPool.Tag<OtherPool>()("test/OtherPool") {}

const pools = { AioAutoScaleTaskPoolSimple, AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority }

const sizeNow = Effect.map(TaskPool.stats, ({ targetSize }) => targetSize)

describe.for(Object.entries(pools))("%s", ([kind, { layer, layerConfig, make }]) => {
  // The bounds show where scaling stops.
  const bounds = Effect.gen(function* () {
    const [initial, name] = [yield* sizeNow, (yield* TaskPool).name]
    const max = yield* TaskPool.scale(1000)
    const min = yield* TaskPool.scale(-1000)
    return { name, min, initial, max }
  })

  describe("layer", () => {
    it.effect("has 3 to 8 workers, begins with 3, and its kind as name when nothing is said", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* bounds, { name: kind, min: 3, initial: 3, max: 8 })
        yield* expectStats({ capacity: Infinity, phase: "Open" })
      }).pipe(Effect.provide(layer()))
    )

    it.effect("takes 5 workers more than the minimum as the maximum", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* bounds, { name: "named", min: 10, initial: 10, max: 15 })
      }).pipe(Effect.provide(layer({ minSize: 10, name: "named" })))
    )

    it.effect("takes a minimum and a maximum, which may be equal", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* bounds, { name: kind, min: 2, initial: 2, max: 2 })
      }).pipe(Effect.provide(layer({ minSize: 2, maxSize: 2 })))
    )

    it.effect("keeps resize within its bounds, too", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* TaskPool.resize(0, { mode: "hard" }), 3)
        assert.strictEqual(yield* TaskPool.resize(9), 8)
        assert.strictEqual(yield* TaskPool.resize(5), 5)
      }).pipe(Effect.provide(layer()))
    )

    it.effect("provides the tag it is given", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OtherPool.stats).targetSize, 4)
      }).pipe(Effect.provide(layer({ minSize: 4, tag: OtherPool })))
    )
  })

  describe("wrong arguments are thrown where they are given", () => {
    const wrong: ReadonlyArray<readonly [() => unknown, string]> = [
      [() => layer({ minSize: 2.5 }), "layer: minSize must be an integer >= 0, got 2.5"],
      [() => layer({ minSize: -1 }), "layer: minSize must be an integer >= 0, got -1"],
      [() => layer({ maxSize: Number.NaN }), "layer: maxSize must be an integer >= 0 or Infinity, got NaN"],
      [() => layer({ minSize: 5, maxSize: 4 }), "layer: maxSize must be an integer >= minSize, which is 5, got 4"],
      [() => layer({ maxSize: 2 }), "layer: maxSize must be an integer >= minSize, which is 3, got 2"],
      [() => layer({ capacity: -1 }), "layer: capacity must be an integer >= 0 or Infinity, got -1"],
      [() => make({ minSize: 1.5 }), "make: minSize must be an integer >= 0, got 1.5"]
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

    it.for([0, -1, Number.NaN, "0 millis", "-5 seconds", "often"])("an interval of %s", (interval) => {
      assert.throws(
        () => layer({ interval: interval as never }),
        RangeError,
        `${kind}.layer: interval must be a Duration > 0`
      )
    })
  })

  describe("layerConfig", () => {
    const provider = (values: object) => ConfigProvider.layer(ConfigProvider.fromUnknown(values))

    it.effect("takes a record of configs", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* bounds, { name: "from config", min: 1, initial: 1, max: 4 })
      }).pipe(
        Effect.provide(
          layerConfig({ minSize: Config.Int("MIN"), maxSize: Config.Int("MAX"), name: Config.succeed("from config") })
        ),
        Effect.provide(provider({ MIN: 1, MAX: 4 }))
      )
    )

    it.effect("takes a Config of the options, and a tag", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OtherPool.stats).targetSize, 2)
      }).pipe(
        Effect.provide(
          layerConfig(
            Config.map(Config.Int("MIN"), (minSize) => ({ minSize })),
            { tag: OtherPool }
          )
        ),
        Effect.provide(provider({ MIN: 2 }))
      )
    )

    it.effect("fails with ConfigError when a value is missing or out of its range", () =>
      Effect.gen(function* () {
        const missing = layerConfig({ minSize: Config.Int("MIN") })
        const error = failureOf(yield* Effect.exit(Effect.provide(TaskPool.stats, missing)))
        assert.instanceOf(error, Config.ConfigError)
        const wrong = layerConfig({ minSize: Config.succeed(5), maxSize: Config.succeed(4) })
        const other = failureOf(yield* Effect.exit(Effect.provide(TaskPool.stats, wrong)))
        assert.instanceOf(other, Config.ConfigError)
        assert.include(other.message, `${kind}.layerConfig: maxSize must be an integer >= minSize, which is 5, got 4`)
      }).pipe(Effect.provide(provider({})))
    )
  })

  describe("make", () => {
    it.effect("makes a pool that runs and scales until the scope closes", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const pool = yield* Scope.provide(make({ minSize: 1 }), scope)
        const tasks = Array.from({ length: 10 }, (_, i) => gated(i))
        for (const { task } of tasks) yield* pool.fork(task)
        yield* TestClock.adjust("10 seconds")
        assert.isAbove((yield* pool.stats).targetSize, 1)
        for (const { open } of tasks) yield* open
        yield* Scope.close(scope, Exit.void)
        const grown = (yield* pool.stats).targetSize
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* pool.stats).targetSize, grown)
      })
    )
  })

  it.effect("grows within one interval on a burst, though its queue has no limit, and shrinks back after it", () =>
    Effect.gen(function* () {
      const tasks = Array.from({ length: 100 }, (_, i) => gated(i))
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* sizeNow, 3)
      yield* TestClock.adjust("1 millis")
      const grown = yield* sizeNow
      assert.isAbove(grown, 3)
      yield* expectStats({ running: grown })
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* sizeNow, 8)
      for (const { open } of tasks) yield* open
      yield* TaskPool.awaitIdle
      yield* TestClock.adjust("200 seconds")
      assert.strictEqual(yield* sizeNow, 3)
      yield* expectStats({ largestSize: 8, succeeded: 100 })
    }).pipe(Effect.provide(layer()))
  )
})

describe("the sizing of an auto-scale pool", () => {
  interface Seen {
    readonly bounds: Array<AutoScalePolicy.AutoScaleBounds>
    readonly samples: Array<AutoScalePolicy.AutoScaleSample>
    readonly states: Array<number>
  }
  const spy = (answers: (sample: AutoScalePolicy.AutoScaleSample, step: number) => number) => {
    const seen: Seen = { bounds: [], samples: [], states: [] }
    const policy: AutoScalePolicy.AutoScalePolicy<number> = {
      name: "spy",
      initial: (bounds) => {
        seen.bounds.push(bounds)
        return 0
      },
      window: () => ({ interval: 10_000, maxInterval: 10_000, minSamples: 0, runFactor: 0, overloads: Infinity }),
      update: (state, sample) => {
        seen.states.push(state)
        seen.samples.push(sample)
        return [state + 1, { size: answers(sample, state), reason: `step ${state}` }]
      }
    }
    return { seen, policy }
  }
  // Windows that last exactly as long as asked.
  const noChance = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })
  const layer = (options: AutoScalePoolOptions) => Layer.provide(AioAutoScaleTaskPoolSimple.layer(options), noChance)

  it.effect("gives the policy a sample of each interval, and its own last state", () => {
    const { policy, seen } = spy(({ size }) => size)
    return Effect.gen(function* () {
      yield* settle
      const tasks = [gated(0), gated(1), gated(2), gated(3)]
      for (const { task } of tasks) yield* TaskPool.fork(task)
      yield* TaskPool.submit(Effect.void).pipe(start)
      yield* TestClock.adjust("1 second")
      for (const { open } of tasks) yield* open
      yield* TaskPool.awaitIdle
      yield* Effect.ignore(TaskPool.submit(Effect.fail("failed")))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen.bounds, [{ min: 2, max: 5, initial: 2 }])
      assert.deepStrictEqual(seen.states, [0, 1, 2])
      const same = { duration: 1000, size: 2 }
      assert.deepStrictEqual(
        seen.samples.map(({ arrivals, duration, failed, inflight, queued, size, succeeded }) => ({
          arrivals,
          duration,
          failed,
          inflight,
          queued,
          size,
          succeeded
        })),
        [
          { ...same, inflight: 2, queued: 3, arrivals: 5, succeeded: 0, failed: 0 },
          { ...same, inflight: 0, queued: 0, arrivals: 1, succeeded: 5, failed: 1 },
          { ...same, inflight: 0, queued: 0, arrivals: 0, succeeded: 0, failed: 0 }
        ]
      )
    }).pipe(Effect.provide(layer({ minSize: 2, maxSize: 5, interval: "1 second", policy })))
  })

  it.effect("begins its first window with the pool: a burst at the start counts as arrivals", () => {
    const { policy, seen } = spy(({ size }) => size)
    return Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* TaskPool.fork(Effect.void)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.samples[0]!.arrivals, 5)
      assert.strictEqual(seen.samples[0]!.succeeded, 5)
    }).pipe(Effect.provide(layer({ policy })))
  })

  it.effect("counts submitters at the door as queued, so that a small queue does not hide the demand", () => {
    const { policy, seen } = spy(({ size }) => size)
    return Effect.gen(function* () {
      yield* settle
      const busy = gated("busy")
      yield* TaskPool.fork(busy.task)
      const fibers = yield* Effect.forEach([1, 2, 3], () => start(TaskPool.submit(Effect.void)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.samples[0]!.queued, 3)
      assert.strictEqual(seen.samples[0]!.arrivals, 4)
      yield* busy.open
      yield* Effect.forEach(fibers, Fiber.join)
    }).pipe(Effect.provide(layer({ minSize: 1, capacity: 1, policy })))
  })

  const scalings = Stream.filter(TaskPool.events, ({ _tag }) => _tag === "Scaled")

  describe("under a rate that holds it back (load 2)", () => {
    const busyAt = (rate: AutoScalePoolOptions["rate"], seen: Seen, policy: AutoScalePolicy.AutoScalePolicy<number>) =>
      Effect.gen(function* () {
        yield* settle
        const tasks = [gated("one"), gated("two")]
        for (const { task } of tasks) yield* TaskPool.fork(task)
        yield* TaskPool.fork(Effect.void)
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust("1 second")
        for (const { open } of tasks) yield* open
        const { targetSize } = yield* TaskPool.stats
        yield* TaskPool.close({ mode: "interrupt" })
        return { targetSize, saturated: seen.samples.map(({ saturated }) => saturated) }
      }).pipe(Effect.provide(layer({ minSize: 2, maxSize: 5, interval: "1 second", policy, rate })))
    const slow = { limit: 2, window: "1 hour" } as const
    const quick = { limit: 200, window: "1 hour" } as const

    it.effect("does not count as saturated", () =>
      Effect.gen(function* () {
        const held = spy(({ size }) => size)
        assert.deepStrictEqual((yield* busyAt(slow, held.seen, held.policy)).saturated, [0, 0])
        const free = spy(({ size }) => size)
        assert.deepStrictEqual((yield* busyAt(quick, free.seen, free.policy)).saturated, [1, 1])
      })
    )

    it.effect("is given no more workers when no window ends", () =>
      Effect.gen(function* () {
        for (const [rate, targetSize] of [
          [slow, 2],
          [quick, 3],
          [undefined, 3]
        ] as const) {
          const { policy, seen } = spy(({ size }) => size)
          const window = { interval: 1e9, maxInterval: 1e9, minSamples: 1e9, runFactor: 0, overloads: Infinity }
          assert.strictEqual((yield* busyAt(rate, seen, { ...policy, window: () => window })).targetSize, targetSize)
        }
      })
    )
  })

  it.effect("clamps the policy's size, and puts its reason into the event", () => {
    const answers = [100, 0, 4.9, 4, Number.NaN, Infinity, -Infinity]
    const { policy } = spy((_, step) => answers[step]!)
    return Effect.gen(function* () {
      const events = yield* start(Stream.runCollect(Stream.take(scalings, 5)))
      const sizes: Array<number> = []
      for (const _ of answers) {
        yield* TestClock.adjust("10 seconds")
        sizes.push(yield* sizeNow)
      }
      assert.deepStrictEqual(sizes, [8, 3, 4, 4, 4, 8, 3])
      const scaled = (yield* Fiber.join(events)).map((event) =>
        event._tag === "Scaled" ? [event.from, event.to, event.why] : []
      )
      assert.deepStrictEqual(scaled, [
        [3, 8, "step 0"],
        [8, 3, "step 1"],
        [3, 4, "step 2"],
        [4, 8, "step 5"],
        [8, 3, "step 6"]
      ])
    }).pipe(Effect.provide(layer({ policy })))
  })

  it.effect("shrinks softly, without interrupting a task", () => {
    const { policy } = spy((_, step) => (step === 0 ? 8 : 3))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      const tasks = Array.from({ length: 8 }, (_, i) => gated(i))
      const handles = yield* Effect.forEach(tasks, ({ task }) => TaskPool.fork(task))
      yield* TestClock.adjust("10 seconds")
      yield* expectStats({ targetSize: 3, size: 8, running: 8 })
      for (const { open } of tasks) yield* open
      assert.deepStrictEqual(yield* Effect.forEach(handles, ({ join }) => join), [0, 1, 2, 3, 4, 5, 6, 7])
      yield* expectStats({ size: 3, succeeded: 8 })
    }).pipe(Effect.provide(layer({ policy })))
  })

  it.effect("continues from the size that scale has set", () => {
    const { policy, seen } = spy(({ size }) => size)
    return Effect.gen(function* () {
      yield* TaskPool.scale(2)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.samples[0]!.size, 5)
      assert.strictEqual(yield* sizeNow, 5)
    }).pipe(Effect.provide(layer({ policy })))
  })

  it.effect("rests while the pool is closed, and begins anew when it is started again", () => {
    const { policy, seen } = spy(() => 5)
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      yield* TaskPool.close()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(seen.samples.length, 1)
      yield* TaskPool.start
      yield* expectStats({ targetSize: 5, phase: "Open" })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(seen.samples.length, 2)
      assert.deepStrictEqual(seen.states, [0, 0])
    }).pipe(Effect.provide(layer({ policy })))
  })

  const byDemand = [AutoScalePolicy.adaptive(), AutoScalePolicy.queue(), AutoScalePolicy.score]
  it.effect.each(byDemand.map((policy) => [policy.name, policy] as const))(
    "%s does not grow for tasks that wait for the rate",
    ([, policy]) =>
      Effect.gen(function* () {
        yield* Effect.forEach(Array.from({ length: 50 }), () => TaskPool.fork(Effect.sleep("10 millis")))
        for (let i = 0; i < 30; i++) yield* TestClock.adjust("1 second")
        yield* expectStats({ succeeded: 30, largestSize: 2 })
      }).pipe(
        Effect.provide(
          layer({
            minSize: 2,
            maxSize: 20,
            interval: "1 second",
            policy,
            rate: { limit: 1, window: "1 second" },
            shutdown: { drainTimeout: 0 }
          })
        ),
        Random.withSeed("rate")
      )
  )

  it.effect("does not grow while dispatch is held, and grows afterwards", () =>
    Effect.gen(function* () {
      yield* TaskPool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Effect.forEach(Array.from({ length: 50 }), () => TaskPool.fork(Effect.sleep("1 minute")))
          yield* TestClock.adjust("1 minute")
          yield* expectStats({ waiting: 50, largestSize: 2 })
        })
      )
      yield* TestClock.adjust("2 seconds")
      assert.isAbove(yield* sizeNow, 2)
    }).pipe(
      Effect.provide(
        layer({
          minSize: 2,
          maxSize: 20,
          interval: "1 second",
          policy: AutoScalePolicy.score,
          shutdown: { drainTimeout: 0 }
        })
      )
    )
  )

  it.effect("does not grow by demand alone for tasks whose key is at its limit", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 50 }), () => TaskPool.fork(Effect.never, { key: "ada" }))
      yield* TestClock.adjust("1 minute")
      yield* expectStats({ running: 2, largestSize: 2 })
    }).pipe(Effect.provide(layer({ minSize: 2, maxSize: 20, perKey: 2, shutdown: { drainTimeout: 0 } })))
  )

  it.effect("continues while the pool is paused", () => {
    const { policy, seen } = spy(({ size }) => size)
    return Effect.gen(function* () {
      yield* TaskPool.pause
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(seen.samples.length, 2)
    }).pipe(Effect.provide(layer({ policy })))
  })

  it.effect("wakes a pool that has shrunk to nothing", () => {
    return Effect.gen(function* () {
      yield* expectStats({ targetSize: 0 })
      const fiber = yield* start(TaskPool.submit(Effect.succeed("awake")))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "awake")
    }).pipe(Effect.provide(layer({ minSize: 0, maxSize: 2 })))
  })

  it.effect("shrinks after tasks that have run for many windows, and that end in one of them", () => {
    const policy: AutoScalePolicy.AutoScalePolicy<void> = {
      name: "demand",
      initial: () => undefined,
      window: () => AutoScalePolicy.timed("1 second"),
      update: (state, { inflight, queued }) => [state, { size: inflight + queued, reason: "DEMAND" }]
    }
    return Effect.gen(function* () {
      const { open, task } = gated("task")
      for (let i = 0; i < 7; i++) yield* TaskPool.fork(task)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sizeNow, 7)
      yield* TestClock.adjust("40 seconds")
      yield* open
      yield* settle
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* sizeNow, 1)
    }).pipe(Effect.provide(layer({ minSize: 1, maxSize: 50, interval: "1 second", policy })))
  })

  it.effect("leaves the size as it is when the policy dies, and the log says so", () => {
    const { layer: logger, lines } = lineLog()
    const { policy } = spy(() => {
      throw new Error("no idea")
    })
    return Effect.gen(function* () {
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* sizeNow, 3)
      assert.strictEqual(yield* TaskPool.submit(Effect.succeed("works")), "works")
      const kind = "AioAutoScaleTaskPoolSimple"
      assert.deepStrictEqual(
        lines.map(({ annotations, level, message }) => [level, message, annotations]),
        [["Error", "policy died", { "task_pool.name": "sized", "task_pool.kind": kind, policy: "spy", size: 3 }]]
      )
      assert.include(Cause.pretty(lines[0]!.cause), "no idea")
    }).pipe(Effect.provide(layer({ policy, name: "sized" })), Effect.provide(logger))
  })
})
