import { DistributedTask } from "@aio-task-pool/distributed"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { failureOf, start } from "../kit.ts"
import { Call, type DistributedLaws, gate, until, type World } from "./kit.ts"

const thrown = (): never => {
  throw new Error("hostile")
}

/** A value whose every use throws. */
const untouchable = (): any => new Proxy(Object.create(null), { get: thrown, has: thrown, ownKeys: thrown })

/** Text that runs an effect when a worker decodes it, or when it encodes it. */
const textThat = (decode: Effect.Effect<void>, encode: Effect.Effect<void>) => {
  const passing = (effect: Effect.Effect<void>) =>
    SchemaGetter.transformEffect((text: string) => Effect.as(effect, text))
  return Schema.String.pipe(Schema.decodeTo(Schema.String, { decode: passing(decode), encode: passing(encode) }))
}

/** Whether the pool still runs a task, and has none left behind. */
const works = (world: World): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    yield* world.until(({ running, waiting }) => running === 0 && waiting === 0)
  })

/** User code that throws, interrupts itself, never answers or calls the pool harms its own call only. */
export const hostileLaws = (laws: DistributedLaws): void => {
  laws.law("a payload travels as it was when its task was submitted, whatever becomes of it", {}, (world) =>
    Effect.gen(function* () {
      const Echo = DistributedTask.make("echo", { payload: Schema.Json, success: Schema.Json })
      yield* world.pool.worker([world.handler, Echo.handle((json) => Effect.succeed(json))], { concurrency: 1 })
      const list: Array<any> = [1]
      const echo = yield* start(world.pool.submit(Echo, list))
      list.push(list)
      const big: Array<any> = [2]
      const second = yield* start(world.pool.submit(Echo, big))
      big.push(10n)
      yield* works(world)
      assert.deepStrictEqual(yield* Fiber.join(echo), [1])
      assert.deepStrictEqual(yield* Fiber.join(second), [2])
    })
  )

  laws.law("a payload or a result that throws at any look harms its own task only", { size: 8 }, (world) =>
    Effect.gen(function* () {
      const Echo = DistributedTask.make("echo", { payload: Schema.Json, success: Schema.Json })
      /** Throws at the n-th look. */
      const shy = (n: number) => {
        let looks = 0
        return Object.defineProperty({}, "a", { enumerable: true, get: () => (++looks === n ? thrown() : 1) }) as any
      }
      const echo = Echo.handle((json) => Effect.succeed(typeof json === "number" ? shy(json) : json))
      yield* world.pool.worker([world.handler, echo], { concurrency: 1 })
      for (let n = 1; n <= 8; n++) {
        for (const payload of [shy(n), n]) {
          const exit = yield* Effect.exit(world.pool.submit(Echo, payload))
          if (Exit.isFailure(exit)) assert.notInclude(String(exit.cause), "another program")
        }
        yield* works(world)
      }
    })
  )

  laws.law("what one joiner does with its result does not reach another one", {}, (world) =>
    Effect.gen(function* () {
      const List = DistributedTask.make("list", { success: Schema.Json })
      yield* world.pool.worker([List.handle(() => Effect.succeed([1]))], { concurrency: 1 })
      const handle = yield* world.pool.fork(List, undefined)
      const list = (yield* handle.join) as Array<number>
      list.push(2)
      assert.deepStrictEqual(yield* handle.join, [1])
    })
  )

  for (const [deed, effect] of [
    ["interrupts itself", Effect.interrupt],
    ["dies", Effect.die(new Error("hostile"))],
    ["dies of something that throws", Effect.suspend(() => Effect.die(untouchable()))]
  ] as const) {
    laws.law(`a task whose decoder or encoder ${deed} is undecodable`, {}, (world) =>
      Effect.gen(function* () {
        // In the worker: payloads are decoded, and results encoded.
        const Payload = DistributedTask.make("payload", { payload: textThat(effect, Effect.void) })
        const Result = DistributedTask.make("result", { success: textThat(Effect.void, effect) })
        // In the submitter.
        const Sent = DistributedTask.make("sent", { payload: textThat(Effect.void, effect) })
        const Received = DistributedTask.make("received", { success: textThat(effect, Effect.void) })
        const text = () => Effect.succeed("text")
        const none = () => Effect.void
        yield* world.pool.worker(
          [world.handler, Payload.handle(none), Result.handle(text), Sent.handle(none), Received.handle(text)],
          { concurrency: 1 }
        )
        const calls = [
          world.pool.submit(Payload, "text"),
          world.pool.submit(Result, undefined),
          world.pool.submit(Sent, "text"),
          world.pool.submit(Received, undefined)
        ]
        for (const call of calls) {
          assert.deepInclude(failureOf(yield* Effect.exit(call), "TaskLost"), { reason: "Undecodable" })
          yield* works(world)
        }
      })
    )
  }

  laws.law("the timeout of a task holds for decoders and encoders that never answer, and so does cancel", {}, (world) =>
    Effect.gen(function* () {
      const Decoded = DistributedTask.make("decoded", { payload: textThat(Effect.never, Effect.void) })
      const Encoded = DistributedTask.make("encoded", { success: textThat(Effect.void, Effect.never) })
      yield* world.pool.worker(
        [world.handler, Decoded.handle(() => Effect.void), Encoded.handle(() => Effect.succeed("text"))],
        {
          concurrency: 1
        }
      )
      for (const call of [
        world.pool.submit(Decoded, "text", { timeout: 20 }),
        world.pool.submit(Encoded, undefined, { timeout: 20 })
      ]) {
        assert.deepInclude(failureOf(yield* Effect.exit(call), "TaskCancelled"), { reason: "TimedOut" })
      }
      const handle = yield* world.pool.fork(Decoded, "text")
      yield* until(Effect.map(handle.state, (state) => state === "Running"))
      yield* handle.cancel
      assert.deepInclude(failureOf(yield* handle.await, "TaskCancelled"), { reason: "Cancelled" })
      yield* works(world)
    })
  )

  laws.law("a decoder that waits for a task of its own pool is refused like a handler", { size: 1 }, (world) =>
    Effect.gen(function* () {
      const inner = Effect.asVoid(Effect.orDie(world.submit(Effect.succeed("inner"))))
      const Outer = DistributedTask.make("outer", {
        payload: textThat(
          Effect.suspend(() => inner),
          Effect.void
        )
      })
      yield* world.pool.worker([world.handler, Outer.handle(() => Effect.void)], { concurrency: 1 })
      assert.deepInclude(failureOf(yield* Effect.exit(world.pool.submit(Outer, "text")), "TaskLost"), {
        reason: "Undecodable"
      })
      yield* works(world)
    })
  )

  laws.law("an observer that a handler adds to its own fiber affects no task", { size: 1 }, (world) =>
    Effect.gen(function* () {
      yield* world.worker({ concurrency: 1 })
      const observed = Effect.withFiber<string>((fiber) => {
        fiber.addObserver(thrown)
        return Effect.succeed("own")
      })
      assert.strictEqual(yield* world.submit(observed), "own")
      const { body, started } = gate("never")
      const handle = yield* world.fork(
        Effect.withFiber((fiber) => {
          fiber.addObserver(thrown)
          return body
        })
      )
      yield* started
      yield* handle.cancel
      assert.deepInclude(failureOf(yield* handle.await, "TaskCancelled"), { reason: "Cancelled" })
      yield* works(world)
    })
  )

  laws.law("tasks run and are cancelled in fibers that yield after every few operations", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("done")), "done")
      const { body, started } = gate("never")
      const handle = yield* world.fork(body)
      const joiner = yield* start(handle.await)
      yield* started
      yield* handle.cancel
      assert.deepInclude(failureOf(yield* Fiber.join(joiner), "TaskCancelled"), { reason: "Cancelled" })
      yield* works(world)
    }).pipe(Effect.provideService(MaxOpsBeforeYield, 3))
  )

  for (const where of ["makes a span", "ends a span"] as const) {
    laws.law(`a tracer that throws when it ${where} gives a defect to its own call`, {}, (world) =>
      Effect.gen(function* () {
        const hostile = Tracer.make({
          span: (options) => {
            if (where === "makes a span") return thrown()
            const span = new Tracer.NativeSpan(options)
            span.end = thrown
            return span
          }
        })
        const scope = yield* Scope.make()
        yield* Scope.provide(Effect.withTracer(world.worker(), hostile), scope)
        const exit = yield* Effect.exit(world.submit(Effect.succeed("traced")))
        assert.include(String(exit), "hostile")
        yield* Scope.close(scope, Exit.void)
        yield* world.worker()
        const call = Effect.withTracer(world.submit(Effect.succeed("traced")), hostile)
        assert.include(String(yield* Effect.exit(call)), "hostile")
        yield* works(world)
      })
    )
  }

  laws.law("a task that fails or dies of something that throws has an answer, and harms no other task", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      for (const body of [
        () => Effect.die(untouchable()),
        () => Effect.fail(untouchable()),
        () => untouchable(),
        () => Effect.succeed(untouchable())
      ]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(world.submit(body as any))))
        yield* works(world)
      }
    })
  )

  laws.law("a worker whose schema has no form in JSON is refused when it starts", {}, (world) =>
    Effect.gen(function* () {
      const payload = Schema.declare((value): value is string => typeof value === "string", { toCodecJson: thrown })
      const Wrong = DistributedTask.make("wrong", { payload })
      const worker = world.pool.worker([Wrong.handle(() => Effect.void)], { concurrency: 1 })
      assert.include(String(yield* Effect.exit(worker)), "hostile")
      assert.include(String(yield* Effect.exit(world.pool.submit(Wrong, "text"))), "hostile")
      yield* world.worker()
      yield* works(world)
    })
  )

  laws.law("options whose getters throw are a defect of their own call", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const options = Object.defineProperty({}, "weight", { enumerable: true, get: thrown })
      const calls = [
        world.pool.submit(Call, "", options),
        world.pool.fork(Call, "", options),
        world.pool.forEach([1], Call, () => "", options),
        world.pool.close(untouchable())
      ]
      for (const call of calls) assert.include(String(yield* Effect.exit(call as Effect.Effect<unknown>)), "hostile")
      yield* works(world)
    })
  )

  laws.law("a logger that throws keeps no worker from leaving", {}, (world) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { body, open, started } = gate("late")
      const worker = world.worker({ shutdown: { drainTimeout: 0, interruptTimeout: 20 } })
      yield* Effect.provide(Scope.provide(worker, scope), Logger.layer([Logger.make(thrown)]))
      yield* world.fork(Effect.uninterruptible(body))
      yield* started
      const exit = yield* Effect.exit(
        Effect.provide(Scope.close(scope, Exit.void), Logger.layer([Logger.make(thrown)]))
      )
      yield* world.until(({ workers }) => workers === 0)
      yield* open
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      yield* world.worker()
      assert.strictEqual(yield* world.submit(Effect.succeed("next")), "next")
    })
  )

  laws.law("a slow reader of progress loses the oldest values, and has the last one", {}, (world) =>
    Effect.gen(function* () {
      const { body, open, started } = gate("done")
      const reported = yield* Deferred.make<void>()
      const handle = yield* world.fork(({ progress }) =>
        Effect.gen(function* () {
          const result = yield* body
          for (let i = 1; i <= 1000; i++) yield* progress(i)
          return result
        })
      )
      const reading = yield* Deferred.make<void>()
      const seen: Array<number> = []
      const reader = yield* start(
        Stream.runForEach(Stream.onStart(handle.progress, Deferred.succeed(reading, undefined)), (value) => {
          seen.push(value)
          return Deferred.await(reported)
        })
      )
      yield* Deferred.await(reading)
      yield* world.worker()
      yield* started
      yield* open
      yield* handle.join
      yield* Deferred.succeed(reported, undefined)
      yield* Fiber.join(reader)
      assert.strictEqual(seen.at(-1), 1000)
      assert.isBelow(seen.length, 1000)
    })
  )

  laws.law("a forEach ends at the first failure, although its source waits for its next item", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      const waits = yield* Deferred.make<void>()
      const failing = world.payload(Effect.andThen(Deferred.await(waits), Effect.die(new Error("first"))))
      let ended = 0
      const source: AsyncIterable<string> = {
        [Symbol.asyncIterator]: () => {
          let pulled = 0
          return {
            next: () => {
              if (pulled++ === 0) return Promise.resolve({ done: false, value: failing })
              Deferred.doneUnsafe(waits, Exit.void)
              return new Promise(() => {})
            },
            return: () => {
              ended++
              return new Promise(() => {})
            }
          }
        }
      }
      const exit = yield* Effect.exit(world.pool.forEach(source, Call, (key) => key))
      assert.include(String(exit), "first")
      assert.strictEqual(ended, 1)
      yield* works(world)
    })
  )
}
