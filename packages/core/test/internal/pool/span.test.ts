import { defectLog, settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { AioFixedTaskPoolSimple, TaskPool } from "../../../src/index.ts"

/** Runs an effect under a span `caller`, and keeps all spans. */
const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return effect.pipe(
      Effect.withSpan("caller"),
      Effect.withTracer(tracer),
      Effect.exit,
      Effect.map((exit) => ({ exit, spans, tasks: spans.filter(({ name }) => name === "task_pool.task") }))
    )
  })

const pool = Effect.provide(AioFixedTaskPoolSimple.layer(1, { name: "mail" }))

describe("the span of a task", () => {
  it.effect("is not made, and the task runs, when the tracer throws, which is logged once for the task", () => {
    const log = defectLog()
    const tracer = Tracer.make({
      span: (options) => {
        if (options.name === "task_pool.task") throw new Error("the tracer's own")
        return new Tracer.NativeSpan(options)
      }
    })
    return Effect.gen(function* () {
      const seen = TaskPool.submit(Effect.map(Effect.currentSpan, ({ name }) => name))
      assert.strictEqual(yield* seen.pipe(Effect.withSpan("caller"), Effect.withTracer(tracer)), "caller")
      yield* settle
      assert.deepStrictEqual(log.defects.map(String), ["Error: the tracer's own"])
    }).pipe(pool, Effect.provide(log.layer))
  })

  for (const place of ["attribute", "event"] as const) {
    it.effect(`is ended, and its task runs without it, when the span's ${place} throws`, () => {
      const log = defectLog()
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          if (options.name !== "task_pool.task") return span
          spans.push(span)
          return Object.assign(span, {
            [place]: () => {
              throw new Error("the span's own")
            }
          })
        }
      })
      return Effect.gen(function* () {
        const seen = TaskPool.submit(Effect.map(Effect.currentSpan, ({ name }) => name))
        assert.strictEqual(yield* seen.pipe(Effect.withSpan("caller"), Effect.withTracer(tracer)), "caller")
        yield* settle
        assert.deepStrictEqual(log.defects.map(String), ["Error: the span's own"])
        const [status, ...others] = spans.map((span) => span.status)
        assert.lengthOf(others, 0)
        assert.strictEqual(status?._tag === "Ended" && Exit.isFailure(status.exit), true)
      }).pipe(pool, Effect.provide(log.layer))
    })
  }

  it.effect("may end its task while it is made: the task never begins", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      let cancel: Effect.Effect<unknown> = Effect.void
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          if (options.name === "task_pool.task") {
            spans.push(span)
            Effect.runFork(cancel)
          }
          return span
        }
      })
      const ran: Array<string> = []
      const forks = [
        TaskPool.fork(Effect.sync(() => ran.push("effect"))),
        TaskPool.fork(() => Effect.sync(() => ran.push("function")))
      ]
      for (const fork of forks) {
        const busy = yield* TaskPool.fork(Effect.never)
        const handle = yield* fork.pipe(Effect.withSpan("caller"), Effect.withTracer(tracer))
        cancel = handle.cancel
        yield* busy.cancel
        const exit = yield* Effect.exit(handle.join)
        assert.include(JSON.stringify(exit), "TaskCancelled")
      }
      assert.deepStrictEqual(ran, [])
      assert.deepStrictEqual(
        spans.map(({ attributes, status }) => [status._tag, attributes.get("task_pool.outcome")]),
        [
          ["Ended", "cancelled"],
          ["Ended", "cancelled"]
        ]
      )
    }).pipe(pool)
  )

  it.effect("has the name of the function or of the submitter's span as its label, without control characters", () =>
    Effect.gen(function* () {
      const sendMail = () => Effect.void
      const labels = [
        yield* recorded(TaskPool.submit(Effect.void, { label: "a\u001b[31mb" })),
        yield* recorded(TaskPool.submit(sendMail)),
        yield* recorded(TaskPool.submit(Effect.void))
      ].map(({ tasks }) => tasks[0]?.attributes.get("task_pool.task.label"))
      assert.deepStrictEqual(labels, ["a[31mb", "sendMail", "caller"])
    }).pipe(pool)
  )

  it.effect("has the span annotations and links of the submitter", () =>
    Effect.gen(function* () {
      const linked = Tracer.externalSpan({ spanId: "1", traceId: "2" })
      const { tasks } = yield* recorded(
        TaskPool.submit(Effect.void).pipe(Effect.annotateSpans("tenant", "a"), Effect.linkSpans(linked))
      )
      assert.strictEqual(tasks[0]?.attributes.get("tenant"), "a")
      assert.strictEqual(tasks[0]?.links[0]?.span, linked)
    }).pipe(pool)
  )

  it.effect("is not made below the minimum level of traces", () =>
    Effect.gen(function* () {
      const submit = TaskPool.submit(Effect.void)
      const below = yield* recorded(Effect.provideService(submit, Tracer.MinimumTraceLevel, "Error"))
      assert.strictEqual(below.tasks.length, 0)
      const above = yield* recorded(Effect.provideService(submit, Tracer.MinimumTraceLevel, "Debug"))
      assert.strictEqual(above.tasks.length, 1)
    }).pipe(pool)
  )

  it.effect("is under the nearest span that lets its context propagate", () =>
    Effect.gen(function* () {
      const annotations = Context.make(Tracer.DisablePropagation, true)
      const { tasks } = yield* recorded(Effect.withSpan(TaskPool.submit(Effect.void), "hidden", { annotations }))
      const parent = tasks[0]?.parent
      assert.strictEqual(parent?._tag === "Some" && parent.value._tag === "Span" && parent.value.name, "caller")
    }).pipe(pool)
  )

  it.effect("has no times if the tracer keeps none", () =>
    Effect.gen(function* () {
      const { tasks } = yield* recorded(
        Effect.provideService(TaskPool.submit(Effect.sleep(0)), References.TracerTimingEnabled, false)
      )
      const status = tasks[0]?.status
      assert.deepStrictEqual([status?.startTime, status?._tag === "Ended" && status.endTime], [0n, 0n])
    }).pipe(pool)
  )

  it.effect("ends when the stack overflows in the launch of its task", () =>
    Effect.gen(function* () {
      const service = yield* TaskPool
      const deep = (): number => deep() + 1
      const { exit, tasks } = yield* recorded(service.submit(Effect.sync(deep)))
      assert.strictEqual(Exit.isFailure(exit), true)
      assert.strictEqual(tasks[0]?.status._tag, "Ended")
      assert.strictEqual(tasks[0]?.attributes.get("error.type"), "RangeError")
      // Tasks that submit tasks, until the stack has no room for a launch.
      const nested = (depth: number): Effect.Effect<void, unknown> =>
        depth === 0 ? Effect.void : Effect.suspend(() => Effect.andThen(service.fork(nested(depth - 1)), Effect.void))
      const deeply = yield* recorded(Effect.andThen(nested(20_000), Effect.yieldNow))
      yield* service.awaitIdle
      assert.strictEqual(
        deeply.tasks.every(({ status }) => status._tag === "Ended"),
        true
      )
    }).pipe(pool)
  )

  it.effect("is told from its attempt: of many tasks that fail at once and are tried again, each attempt has one", () =>
    Effect.gen(function* () {
      let attempts = 0
      const task = Effect.suspend(() => (++attempts % 3 === 0 ? Effect.void : Effect.fail("no")))
      const { tasks } = yield* recorded(
        Effect.forEach([1, 2, 3, 4], () => TaskPool.submit(task, { retry: { times: 5 } }), { concurrency: "unbounded" })
      )
      assert.strictEqual(tasks.length, attempts)
      assert.strictEqual(
        tasks.filter(({ attributes }) => attributes.get("task_pool.outcome") === "succeeded").length,
        4
      )
      assert.strictEqual(
        tasks.every(({ status }) => status._tag === "Ended"),
        true
      )
    }).pipe(pool)
  )
})
