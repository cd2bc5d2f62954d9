import type { SubmitOptions, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { type KeptSpan, KeptSpans } from "../internal/spans.ts"
import { gated, gatedFinalizer, hasEnded, type Laws, occupy, settle, start } from "./kit.ts"

const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** Runs an effect under a span `caller` of a tracer. */
const under = <A, E, R>(spans: KeptSpans, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withTracer(Effect.withSpan(effect, "caller"), spans.tracer)

const attributesOf = (span: KeptSpan | undefined): Record<string, unknown> => Object.fromEntries(span?.attributes ?? [])

/** Checks that each task has one span, which says how it ended. */
const expectOutcomes = (
  spans: KeptSpans,
  outcomes: ReadonlyArray<readonly [outcome: string, error?: string]>
): void => {
  assert.strictEqual(spans.brokenRule, undefined)
  assert.deepStrictEqual(
    spans.tasks.map(({ attributes }) => [attributes.get("task_pool.outcome"), attributes.get("error.type")]),
    outcomes.map(([outcome, error]) => [outcome, error])
  )
}

class OutOfPaper {
  readonly _tag = "OutOfPaper"
}

/** The spans of tasks and of bulks, and what a rejection leaves on the caller's span. */
export const tracingLaws = (laws: Laws): void => {
  laws.law(
    "a task has a span from its admission to the end of its finalizers, under its submitter's",
    { needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const spans = new KeptSpans()
        const busy = yield* occupy(pool, 1)
        const body = Effect.ensuring(Effect.withSpan(Effect.sleep(50), "inner"), Effect.sleep(30))
        const fiber = yield* start(under(spans, pool.submit(body, { label: "print", weight: 2 })))
        yield* pass(100)
        yield* busy.release
        yield* pass(1000)
        yield* Fiber.join(fiber)
        const [task] = spans.tasks
        const { "task_pool.kind": kind, "task_pool.name": name, ...attributes } = attributesOf(task)
        assert.strictEqual(name, pool.name)
        assert.isString(kind)
        assert.deepStrictEqual(attributes, {
          "task_pool.task.label": "print",
          "task_pool.task.weight": 2,
          "task_pool.queue_time": 0.1,
          "task_pool.run_time": 0.08,
          "task_pool.outcome": "succeeded"
        })
        assert.strictEqual(task?.duration, 180_000_000n)
        assert.strictEqual(task?.kind, "internal")
        assert.strictEqual(task?.parentName, "caller")
        assert.deepStrictEqual(task?.events, [["task_pool.dispatched", 100_000_000n, {}]])
        assert.strictEqual(spans.named("inner")[0]?.parentName, "task_pool.task")
        assert.strictEqual(spans.tasks.length, 1)
      })
  )

  laws.law("the time at the door is not part of a task's span", { capacity: 0 }, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const busy = yield* occupy(pool, 1)
      const fiber = yield* start(under(spans, pool.submit(Effect.sleep(50))))
      yield* pass(100)
      yield* busy.release
      yield* pass(50)
      yield* Fiber.join(fiber)
      assert.strictEqual(attributesOf(spans.tasks[0])["task_pool.queue_time"], 0)
      assert.strictEqual(spans.tasks[0]?.duration, 50_000_000n)
    })
  )

  const verbs: ReadonlyArray<
    readonly [
      string,
      <A, E>(
        pool: TaskPoolService,
        task: Effect.Effect<A, E>,
        options?: SubmitOptions
      ) => Effect.Effect<unknown, unknown>
    ]
  > = [
    ["submit", (pool, task, options) => pool.submit(task, options)],
    ["fork", (pool, task, options) => Effect.flatMap(pool.fork(task, options), (handle) => handle.join)],
    ["submitNowait", (pool, task, options) => Effect.flatMap(pool.submitNowait(task, options), (handle) => handle.join)]
  ]
  for (const [verb, run] of verbs) {
    laws.law(`the span of a task of ${verb} ends once, with the outcome and the name of the error`, {}, (pool) =>
      Effect.gen(function* () {
        const spans = new KeptSpans()
        const tasks: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          Effect.succeed(1),
          Effect.fail(new OutOfPaper()),
          Effect.fail("text"),
          Effect.die(new RangeError("no")),
          Effect.interrupt,
          Effect.andThen(Effect.yieldNow, Effect.fail(new OutOfPaper()))
        ]
        for (const task of tasks) yield* Effect.exit(under(spans, run(pool, task)))
        expectOutcomes(spans, [
          ["succeeded"],
          ["failed", "OutOfPaper"],
          ["failed", "string"],
          ["failed", "RangeError"],
          ["interrupted", "Interrupted"],
          ["failed", "OutOfPaper"]
        ])
        assert.strictEqual(
          spans.named("caller").every(({ ends }) => ends === 1),
          true
        )
      })
    )
  }

  laws.law(
    "the span of a task ends once when its submitter, its handle or a smaller size ends it",
    { size: 3 },
    (pool) =>
      Effect.gen(function* () {
        const spans = new KeptSpans()
        const fiber = yield* start(under(spans, pool.submit(Effect.never)))
        yield* settle
        yield* Fiber.interrupt(fiber)
        const handle = yield* under(spans, pool.fork(Effect.never))
        yield* settle
        yield* handle.cancel
        expectOutcomes(spans, [
          ["interrupted", "Interrupted"],
          ["cancelled", "TaskCancelled.Cancelled"]
        ])
      })
  )

  laws.law("the span of a task that a hard resize cuts says so", { size: 1, minSize: 0 }, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      yield* under(spans, pool.fork(Effect.never))
      yield* settle
      yield* pool.resize(0, { mode: "hard" })
      expectOutcomes(spans, [["cancelled", "TaskCancelled.ScaledDown"]])
    })
  )

  laws.law("the span of a task that does not end ends when closing abandons it, and not again", {}, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const stuck = gatedFinalizer()
      yield* under(spans, pool.fork(stuck.task))
      yield* stuck.started
      const closing = yield* start(pool.close({ mode: "interrupt", interruptTimeout: 10 }))
      yield* pass(10)
      yield* Fiber.join(closing)
      expectOutcomes(spans, [["cancelled", "TaskCancelled.Closed"]])
      yield* stuck.openFinalizer
      yield* settle
      expectOutcomes(spans, [["cancelled", "TaskCancelled.Closed"]])
    })
  )

  laws.law("each attempt of a task has a span, whose queue time begins when it is due", {}, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      let attempts = 0
      const flaky = Effect.andThen(
        Effect.sleep(10),
        Effect.suspend(() => (++attempts < 3 ? Effect.fail(new OutOfPaper()) : Effect.succeed(attempts)))
      )
      const retry = Schedule.spaced(100)
      const fiber = yield* start(under(spans, pool.submit(flaky, { retry })))
      for (let i = 0; i < 20; i++) yield* pass(20)
      assert.strictEqual(yield* Fiber.join(fiber), 3)
      expectOutcomes(spans, [["failed", "OutOfPaper"], ["failed", "OutOfPaper"], ["succeeded"]])
      assert.deepStrictEqual(
        spans.tasks.map(({ duration, parentName }) => [duration, parentName]),
        Array.from({ length: 3 }, () => [10_000_000n, "caller"])
      )
    })
  )

  laws.law("the time for which a task lends its worker is not its run time", {}, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const outer = Effect.andThen(
        Effect.sleep(10),
        Effect.andThen(pool.submit(Effect.sleep(100), { label: "inner" }), Effect.sleep(5))
      )
      const fiber = yield* start(under(spans, pool.submit(outer, { label: "outer" })))
      for (let i = 0; i < 20; i++) yield* pass(10)
      yield* Fiber.join(fiber)
      assert.strictEqual(spans.brokenRule, undefined)
      const outerSpan = spans.tasks.find(({ attributes }) => attributes.get("task_pool.task.label") === "outer")
      const innerSpan = spans.tasks.find(({ attributes }) => attributes.get("task_pool.task.label") === "inner")
      assert.strictEqual(attributesOf(outerSpan)["task_pool.run_time"], 0.015)
      assert.strictEqual(attributesOf(outerSpan)["task_pool.lent_time"], 0.1)
      assert.strictEqual(attributesOf(innerSpan)["task_pool.lent_time"], undefined)
      assert.strictEqual(innerSpan?.parentName, "task_pool.task")
    })
  )

  laws.law(
    "a task has no span without a recorded one of its submitter, and none if it never starts",
    { size: 1, needs: 1 },
    (pool) =>
      Effect.gen(function* () {
        const spans = new KeptSpans()
        const unsampled = Tracer.externalSpan({ spanId: "1", traceId: "2", sampled: false })
        yield* Effect.withTracer(pool.submit(Effect.void), spans.tracer)
        yield* pool
          .submit(Effect.void)
          .pipe(Effect.provideService(Tracer.ParentSpan, unsampled), Effect.withTracer(spans.tracer))
        yield* under(spans, Effect.provideService(pool.submit(Effect.void), References.TracerEnabled, false))
        const busy = yield* occupy(pool, 1)
        const handle = yield* under(spans, pool.fork(Effect.void))
        yield* handle.cancel
        yield* busy.release
        yield* settle
        assert.strictEqual(spans.tasks.length, 0)
        const external = Tracer.externalSpan({ spanId: "1", traceId: "2" })
        yield* pool
          .submit(Effect.void)
          .pipe(Effect.provideService(Tracer.ParentSpan, external), Effect.withTracer(spans.tracer))
        assert.strictEqual(spans.tasks.length, 1)
        assert.strictEqual(spans.tasks[0]?.traceId, "2")
      })
  )

  laws.law("a pool with spans: none makes none", { spans: "none" }, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const seen = yield* under(spans, pool.submit(Effect.map(Effect.currentSpan, ({ name }) => name)))
      assert.strictEqual(seen, "caller")
      yield* under(
        spans,
        pool.forEach([1, 2], () => Effect.void, { spans: "each" })
      )
      assert.deepStrictEqual(
        spans.all.map(({ name }) => name),
        ["caller", "caller"]
      )
    })
  )

  laws.law("a rejection is an event of the caller's span, and has no span", { capacity: 0 }, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const busy = yield* occupy(pool, 1)
      assert.strictEqual(Exit.isFailure(yield* Effect.exit(under(spans, pool.submitNowait(Effect.void)))), true)
      const bulk = (spansOf: "each" | undefined) => pool.forEach([1], () => Effect.void, { spans: spansOf })
      const stream = (spansOf: "each" | undefined) =>
        Stream.runDrain(pool.mapEffect(Stream.make(1), () => Effect.void, { spans: spansOf }))
      const calls = [pool.submit(Effect.void), bulk(undefined), bulk("each"), stream(undefined), stream("each")]
      const atDoor = yield* Effect.forEach(calls, (call) => start(under(spans, call)))
      yield* settle
      yield* pool.pause
      for (const fiber of atDoor) assert.strictEqual(Exit.isFailure(yield* Fiber.await(fiber)), true)
      for (const call of calls) assert.strictEqual(Exit.isFailure(yield* Effect.exit(under(spans, call))), true)
      yield* busy.release
      assert.deepStrictEqual(
        spans
          .named("caller")
          .map(({ events }) => events.map(([name, , { reason, size, waiting }]) => [name, reason, waiting, size])),
        ["QueueFull", ...Array.from({ length: 10 }, () => "Paused")].map((reason) => [
          ["task_pool.rejected", reason, 0, 1]
        ])
      )
      assert.strictEqual(spans.tasks.length, 0)
    })
  )

  laws.law(
    "forEach has one span with the number of items, and items have theirs only with spans: each",
    { size: 2 },
    (pool) =>
      Effect.gen(function* () {
        const one = new KeptSpans()
        yield* under(
          one,
          pool.forEach([1, 2, 3], (n) => Effect.succeed(n))
        )
        assert.deepStrictEqual(
          one.all.map(({ name }) => name),
          ["caller", "task_pool.for_each"]
        )
        assert.deepStrictEqual(attributesOf(one.all[1]), { "task_pool.name": pool.name, "task_pool.items": 3 })
        const each = new KeptSpans()
        const f = (n: number) => (n === 3 ? Effect.fail(new OutOfPaper()) : Effect.sleep(n))
        const fiber = yield* start(under(each, Effect.exit(pool.forEach(new Set([1, 2, 3]), f, { spans: "each" }))))
        yield* pass(10)
        yield* Fiber.join(fiber)
        assert.strictEqual(each.brokenRule, undefined)
        const [bulk] = each.named("task_pool.for_each")
        assert.strictEqual(bulk?.attributes.get("task_pool.items"), 3)
        assert.strictEqual(bulk?.ends, 1)
        assert.strictEqual(each.tasks.length >= 2, true)
        assert.strictEqual(
          each.tasks.every(({ parentName }) => parentName === "task_pool.for_each"),
          true
        )
        const outcomes = each.tasks.map(({ attributes }) => attributes.get("task_pool.outcome"))
        assert.include(outcomes, "failed")
      })
  )

  laws.law("mapEffect has one span, and elements have theirs only with spans: each", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      for (const spans of ["each", undefined] as const) {
        const kept = new KeptSpans()
        const stream = pool.mapEffect(Stream.make(1, 2, 3), (n) => Effect.succeed(n), { spans })
        assert.deepStrictEqual(yield* under(kept, Stream.runCollect(stream)), [1, 2, 3])
        assert.strictEqual(kept.brokenRule, undefined)
        const [bulk] = kept.named("task_pool.for_each")
        assert.deepStrictEqual(attributesOf(bulk), { "task_pool.name": pool.name, "task_pool.items": 3 })
        assert.strictEqual(bulk?.ends, 1)
        assert.strictEqual(kept.tasks.length, spans === "each" ? 3 : 0)
      }
    })
  )

  laws.law("a tracer that throws costs a task its span and nothing else, and is logged", {}, (pool) =>
    Effect.gen(function* () {
      const places = ["span", "attribute", "event", "end", "nothing"] as const
      for (const place of places) {
        const broken = (): never => {
          throw new Error(`the tracer's own: ${place}`)
        }
        const tracer = Tracer.make({
          span: (options) => {
            if (options.name !== "task_pool.task") return new Tracer.NativeSpan(options)
            if (place === "nothing") return null as any
            if (place === "span") return broken()
            return Object.assign(new Tracer.NativeSpan(options), { [place]: broken })
          }
        })
        const task = gated("done")
        const fiber = yield* start(pool.submit(task.task).pipe(Effect.withSpan("caller"), Effect.withTracer(tracer)))
        yield* settle
        yield* task.open
        assert.strictEqual(yield* Fiber.join(fiber), "done")
      }
    })
  )

  laws.law("a task that closing abandons while the tracer makes its span has a span that ends once", {}, (pool) =>
    Effect.gen(function* () {
      const spans = new KeptSpans()
      const tracer = Tracer.make({
        span: (options) => {
          const span = spans.tracer.span(options)
          if (options.name === "task_pool.task") Effect.runFork(pool.close({ mode: "interrupt", interruptTimeout: 0 }))
          return span
        }
      })
      const submitted = pool.submit(Effect.void).pipe(Effect.withSpan("caller"), Effect.withTracer(tracer))
      const fiber = yield* start(Effect.exit(submitted))
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.isTrue(hasEnded(fiber))
      assert.deepStrictEqual(
        spans.tasks.map(({ ends }) => ends),
        [1]
      )
    })
  )

  laws.law("a tracer that throws costs a bulk its span and nothing else", {}, (pool) =>
    Effect.gen(function* () {
      const bulks = {
        forEach: pool.forEach([1, 2], (n) => Effect.succeed(n)),
        forEachOfSpans: pool.forEach([1, 2], (n) => Effect.succeed(n), { spans: "each" }),
        mapEffect: Stream.runCollect(pool.mapEffect(Stream.make(1, 2), (n) => Effect.succeed(n)))
      }
      for (const [name, bulk] of Object.entries(bulks)) {
        for (const place of ["span", "attribute", "end", "status", "nothing"] as const) {
          const broken = (): never => {
            throw new Error(`the tracer's own: ${place}`)
          }
          const tracer = Tracer.make({
            span: (options) => {
              if (options.name !== "task_pool.for_each") return new Tracer.NativeSpan(options)
              if (place === "nothing") return null as any
              if (place === "span") return broken()
              return Object.defineProperty(
                new Tracer.NativeSpan(options),
                place,
                place === "status" ? { get: broken } : { value: broken }
              )
            }
          })
          const traced = bulk.pipe(Effect.withSpan("caller"), Effect.withTracer(tracer))
          assert.deepStrictEqual(yield* Effect.exit(traced), Exit.succeed([1, 2]), `${name}, ${place}`)
        }
      }
    })
  )
}
