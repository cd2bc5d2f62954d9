import { AutoScalePolicy } from "@aio-task-pool/core"
import {
  AioDistributedAutoScaleTaskPoolLifo,
  AioDistributedAutoScaleTaskPoolPriority,
  AioDistributedAutoScaleTaskPoolSimple,
  type BullMqAutoScalePoolOptions
} from "@aio-task-pool/distributed/bullmq"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it as it_, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Stream } from "effect"
import { Meter } from "../../src/bullmq/internal/meter.ts"
import { keysOf } from "../../src/bullmq/internal/keys.ts"
import { defineScripts, runScript, windowKeys } from "../../src/bullmq/internal/scripts.ts"
import { decodeState, encodeState } from "../../src/bullmq/internal/policyState.ts"
import { connection, eventually, Failed, Gates, Pool, poolName, rawClient, Work } from "./kit.ts"

const pools = {
  Simple: AioDistributedAutoScaleTaskPoolSimple,
  Lifo: AioDistributedAutoScaleTaskPoolLifo,
  Priority: AioDistributedAutoScaleTaskPoolPriority
}

const autoScale = (options: Partial<BullMqAutoScalePoolOptions> = {}, kind: keyof typeof pools = "Simple") =>
  Layer.provide(pools[kind].layer({ name: poolName(), minSize: 1, maxSize: 4, ...options, tag: Pool }), connection())

/** A policy that returns what the test says, in windows that end by time alone. */
const scripted = (
  decide: (windows: number, sample: AutoScalePolicy.AutoScaleSample) => AutoScalePolicy.AutoScaleDecision
) => {
  const policy: AutoScalePolicy.AutoScalePolicy<number> = {
    name: "scripted",
    initial: () => 0,
    window: () => ({ interval: 50, maxInterval: 50, minSamples: 0, runFactor: 0, overloads: 1 }),
    update: (windows, sample) => [windows + 1, decide(windows + 1, sample)]
  }
  return policy
}

describe.skipIf(!isAvailable("the auto-scale pools on Redis"))("auto-scale pools on Redis", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    for (const kind of ["Simple", "Lifo", "Priority"] as const) {
      it.effect(`${kind}: the size follows the policy, and each change is an event with its reason`, () => {
        const policy = scripted((_, { queued, size }) => ({ size: queued > 0 ? size + 1 : size, reason: "GROW" }))
        const gates = new Gates()
        const worker = Pool.worker([gates.handler], { concurrency: 8 })
        return Effect.gen(function* () {
          const events = yield* Effect.forkChild(
            Pool.events.pipe(
              Stream.filter((event) => event._tag === "Scaled"),
              Stream.take(3),
              Stream.runCollect
            ),
            { startImmediately: true }
          )
          for (const key of ["a", "b", "c", "d", "e"]) yield* Pool.fork(Work, { key })
          yield* eventually(Pool.stats, (stats) => stats.running === 4)
          const scaled = yield* Fiber.join(events)
          assert.deepStrictEqual(
            scaled.map((event) => (event._tag === "Scaled" ? [event.from, event.to, event.why] : [])),
            [
              [1, 2, "GROW"],
              [2, 3, "GROW"],
              [3, 4, "GROW"]
            ]
          )
          for (const key of ["a", "b", "c", "d", "e"]) yield* gates.open(key)
        }).pipe(Effect.provide(worker), Effect.provide(autoScale({ policy }, kind)))
      })
    }

    it.effect("a policy's size that is no number keeps the size, and is logged once", () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      let decisions = 0
      const policy = scripted(() => {
        decisions++
        return { size: Number.NaN, reason: "NONE" }
      })
      return Effect.gen(function* () {
        yield* eventually(
          Effect.andThen(
            Pool.stats,
            Effect.sync(() => decisions)
          ),
          (count) => count >= 3
        )
        assert.strictEqual((yield* Pool.stats).targetSize, 1)
        const said = lines.filter((line) => line.includes("the policy scripted returned a size that is not a number"))
        assert.strictEqual(said.length, 1)
      }).pipe(Effect.provide(autoScale({ policy })), Effect.provide(Logger.layer([logger])))
    })

    it.effect("the window has what the workers of all processes measured, and a sample is made of it", () => {
      const name = poolName()
      // The window ends when all tasks have settled: the test counts them in one sample.
      const samples: Array<AutoScalePolicy.AutoScaleSample> = []
      const policy: AutoScalePolicy.AutoScalePolicy<number> = {
        name: "twenty",
        initial: () => 0,
        window: () => ({ interval: 1, maxInterval: Infinity, minSamples: 20, runFactor: 0, overloads: Infinity }),
        update: (windows, sample) => {
          samples.push(sample)
          return [windows + 1, { size: 4, reason: "FOUR" }]
        }
      }
      const classify: BullMqAutoScalePoolOptions["classify"] = (exit) =>
        exit._tag === "Success" ? "success" : "overload"
      const handler = Work.handle(({ key }) =>
        key === "fail" ? Effect.fail(new Failed({ why: "busy" })) : Effect.as(Effect.sleep(20), key)
      )
      const options = { name, policy, classify, minSize: 4, interval: "1 hour" } as const
      return Effect.gen(function* () {
        const other = yield* Layer.build(Layer.fresh(autoScale(options)))
        yield* Layer.build(Layer.provide(Pool.worker([handler], { concurrency: 2 }), Layer.succeedContext(other)))
        yield* Layer.build(Pool.worker([handler], { concurrency: 2 }))
        const keys = Array.from({ length: 20 }, (_, i) => (i < 5 ? "fail" : "ok"))
        yield* Effect.forEach(keys, (key) => Effect.exit(Pool.submit(Work, { key })), { concurrency: "unbounded" })
        yield* eventually(
          Effect.sync(() => samples.length),
          (count) => count > 0
        )
        const sample = samples[0]!
        assert.deepInclude(sample, { started: 20, succeeded: 15, failed: 0, overloaded: 5, size: 4, resized: false })
        assert.isAbove(sample.runMean, 15)
        assert.isAtLeast(sample.runMin, 15)
        assert.isAtMost(sample.runMin, sample.runMean)
        assert.isAtMost(sample.maxInflight, 4)
        assert.isAtMost(sample.saturated, 1)
        assert.isAtMost(sample.arrivals, 20)
        assert.isAbove(sample.avgInflight, 0)
      }).pipe(Effect.scoped, Effect.provide(autoScale(options)))
    })

    it.effect("one process decides at a time, and a late decision changes nothing", () => {
      const name = poolName()
      const policy = scripted((_, { size }) => ({ size, reason: "SAME" }))
      return Effect.gen(function* () {
        const raw = yield* rawClient
        defineScripts(raw)
        const keys = keysOf("aio", name)
        const decisions = Effect.promise(() => raw.hget(keys.pool, "decisions"))
        const late = yield* eventually(decisions, (count) => Number(count) > 0)
        const deciders = new Set<string | null>()
        yield* eventually(
          Effect.tap(decisions, () => Effect.promise(async () => deciders.add(await raw.get(keys.decider)))),
          (count) => Number(count) > Number(late) + 2
        )
        assert.strictEqual(deciders.size, 1)
        const args = [late!, "scripted", "0", 4, "0", "LATE", 1000, "0"]
        const reply = yield* Effect.promise(() => runScript(raw, "decide", windowKeys(keys), args))
        assert.deepStrictEqual(reply, [])
        assert.deepInclude(yield* Pool.stats, { targetSize: 1, held: false })
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(autoScale({ name, policy }))),
        // A second process of the pool.
        Effect.provide(Layer.fresh(autoScale({ name, policy })))
      )
    })

    it.effect("another process takes over when the decider has ended", () => {
      const name = poolName()
      const policy = scripted((_, { size }) => ({ size, reason: "SAME" }))
      return Effect.gen(function* () {
        const raw = yield* rawClient
        const keys = keysOf("aio", name)
        yield* Effect.promise(() => raw.set(keys.decider, "a process that has ended", "PX", 300))
        const before = Number(yield* Effect.promise(() => raw.hget(keys.pool, "decisions")))
        yield* eventually(
          Effect.promise(() => raw.hget(keys.pool, "decisions")),
          (count) => Number(count) > before + 1
        )
      }).pipe(Effect.scoped, Effect.provide(autoScale({ name, policy })))
    })

    it.effect("a resize of the user is reported to the policy, which continues from it", () => {
      const policy = scripted((_, { resized, size }) => ({ size: resized ? size + 1 : size, reason: "NEXT" }))
      return Effect.gen(function* () {
        assert.strictEqual(yield* Pool.resize(2), 2)
        yield* eventually(Pool.stats, (stats) => stats.targetSize === 3)
      }).pipe(Effect.provide(autoScale({ policy })))
    })

    it.effect("a server's retryAfter holds dispatch in all processes, and the hold ends by itself", () => {
      const gates = new Gates()
      const classify: BullMqAutoScalePoolOptions["classify"] = (exit) =>
        exit._tag === "Success" ? "success" : { overload: true, retryAfter: "400 millis" }
      const worker = Pool.worker([gates.handler], { concurrency: 4 })
      return Effect.gen(function* () {
        const holds = yield* Effect.forkChild(
          Pool.events.pipe(
            Stream.filter(({ _tag }) => _tag === "Held" || _tag === "Released"),
            Stream.take(2),
            Stream.runCollect
          ),
          { startImmediately: true }
        )
        const failing = yield* Pool.fork(Work, { key: "a" })
        yield* gates.started("a")
        yield* gates.fail("a", "429")
        yield* Effect.exit(failing.join)
        assert.deepStrictEqual(yield* Fiber.join(holds), [{ _tag: "Held" }, { _tag: "Released" }])
        const next = yield* Pool.fork(Work, { key: "now" })
        assert.strictEqual(yield* next.join, "now")
        assert.isFalse((yield* Pool.stats).held)
      }).pipe(Effect.provide(worker), Effect.provide(autoScale({ classify })))
    })

    it.effect("the user's hold and the policy's are two: dispatch goes on when both are off", () => {
      const policy = scripted((windows) => ({ size: 1, reason: "PAUSE", pause: windows === 1 ? 200 : 0 }))
      const worker = Pool.worker([new Gates().handler], { concurrency: 4 })
      return Effect.gen(function* () {
        yield* Pool.holdDispatch
        const held = yield* Pool.fork(Work, { key: "now" })
        yield* Effect.sleep(600)
        assert.strictEqual(yield* held.state, "Waiting")
        yield* Pool.releaseDispatch
        assert.strictEqual(yield* held.join, "now")
      }).pipe(Effect.provide(worker), Effect.provide(autoScale({ policy })))
    })

    it.effect("the adaptive policy finds work for its workers", () => {
      const worker = Pool.worker([Work.handle(({ key }) => Effect.as(Effect.sleep(10), key))], { concurrency: 8 })
      return Effect.gen(function* () {
        const load = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 4000 }), () => Pool.submit(Work, { key: "x" }), {
            concurrency: 32,
            discard: true
          })
        )
        yield* eventually(Pool.stats, (stats) => stats.targetSize > 1)
        yield* Fiber.interrupt(load)
      }).pipe(Effect.provide(worker), Effect.provide(autoScale({ maxSize: 8 })))
    })

    it.effect("scale and resize keep to minSize and maxSize", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Pool.resize(100), 4)
        assert.strictEqual(yield* Pool.scale(-100), 1)
      }).pipe(Effect.provide(autoScale({ policy: AutoScalePolicy.fixed(2), interval: "1 hour" })))
    )
  })
})

describe("the state of a policy", () => {
  it_("comes back from its text as it was, also with what JSON has not", () => {
    const states = [0, "a", null, [1, [2]], { a: Infinity, b: -Infinity, c: { d: undefined, e: true } }]
    for (const state of states) {
      const back = decodeState(encodeState("test", state))
      assert.deepEqual(JSON.stringify(back), JSON.stringify(state))
      assert.strictEqual(encodeState("test", back), encodeState("test", state))
    }
    assert.deepStrictEqual(decodeState(encodeState("test", { a: Infinity })), { a: Infinity })
    const bounds = { min: 1, max: 9, initial: 1 }
    for (const policy of [
      AutoScalePolicy.adaptive(),
      AutoScalePolicy.queue(),
      AutoScalePolicy.aimd(),
      AutoScalePolicy.score
    ]) {
      encodeState("test", policy.initial(bounds))
    }
  })

  it_("is refused with RangeError if it is not JSON", () => {
    const circle: Array<unknown> = []
    circle.push(circle)
    for (const state of [new Map(), () => 1, 1n, Symbol("a"), new Date(), { a: new Set() }, circle, undefined]) {
      assert.throws(() => encodeState("test", state), RangeError)
    }
    const policy = { ...AutoScalePolicy.fixed(1), initial: () => new Map() } as any
    assert.throws(() => AioDistributedAutoScaleTaskPoolSimple.layer({ name: "a", policy }), RangeError)
    for (const options of [{ minSize: 5, maxSize: 4 }, { minSize: -1 }, { maxSize: Infinity }, { interval: 0 }]) {
      assert.throws(() => AioDistributedAutoScaleTaskPoolSimple.layer({ name: "a", ...options }), RangeError)
    }
  })

  it_(
    "an async classify that rejects does not end the process, and a retryAfter that is no Duration is logged",
    async () => {
      const exit = Exit.fail("429")
      const result = { _tag: "Settled", answer: { cancelled: "TimedOut", started: true }, exit, retry: false } as const
      const answers: ReadonlyArray<readonly [answer: () => unknown, message: RegExp]> = [
        [() => Promise.reject(new Error("late")), /unknown outcome/],
        [() => ({ overload: true, retryAfter: "soon" }), /unknown retryAfter/],
        [() => ({ overload: true, retryAfter: { second: 5 } }), /unknown retryAfter/],
        [() => ({ overload: true, retryAfter: Promise.reject(new Error("late")) }), /unknown retryAfter/]
      ]
      for (const [answer, message] of answers) {
        const logged: Array<string> = []
        const meter = new Meter(answer as BullMqAutoScalePoolOptions["classify"], (text) => logged.push(text))
        meter.ended(result, 5, meter.started())
        meter.ended(result, 5, meter.started())
        meter.close()
        // Node reports an unhandled rejection after the microtasks.
        await new Promise((resolve) => setImmediate(resolve))
        assert.strictEqual(logged.length, 1)
        assert.match(logged[0]!, message)
      }
    }
  )

  it_("options of another type are refused with an error that names them", () => {
    const wrong: ReadonlyArray<readonly [options: object, message: string]> = [
      [{ minSize: 5n }, "minSize must be an integer from 0 to 1000000, got 5n"],
      [{ minSize: Symbol("s") }, "minSize must be an integer from 0 to 1000000, got Symbol(s)"],
      [{ policy: null }, "policy must be an AutoScalePolicy, got null"],
      [{ policy: {} }, "policy.name must be a string, got undefined"],
      [{ tag: "app/Pool" }, 'tag must be a tag, got "app/Pool"']
    ]
    for (const [options, message] of wrong) {
      assert.throws(
        () => AioDistributedAutoScaleTaskPoolSimple.layer({ name: "a", ...options }),
        `AioDistributedAutoScaleTaskPoolSimple.layer: ${message}`
      )
    }
  })
})
