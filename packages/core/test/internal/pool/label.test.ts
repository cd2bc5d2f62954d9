import { gated, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { AioFixedTaskPoolSimple, Executor, Job, type SubmitOptions, TaskPool } from "../../../src/index.ts"
import { cleanLabel } from "../../../src/internal/pool/label.ts"

const { layer } = AioFixedTaskPoolSimple

describe("a label", () => {
  const cases: Record<string, readonly [name: string, label: string]> = {
    "that is plain stays": ["fetch page 3", "fetch page 3"],
    "loses control characters": ["a\u0000b\tc\r\nd\u007fe\u009ff", "abcdef"],
    "loses escape sequences of terminals": ["\u001b]0;title\u0007x\u001b[31m", "]0;titlex[31m"],
    "loses characters that change the direction of text": ["\u202etxt.exe\u2066\u200f\u061c", "txt.exe"],
    "loses line and paragraph separators": ["a\u2028b\u2029c", "abc"],
    "is well-formed": ["a\ud800b\udc00c", "a\ufffdb\ufffdc"],
    "keeps pairs of surrogates": ["\u{1f600}!", "\u{1f600}!"],
    "has at most 80 code points": ["\u{1f600}".repeat(100), "\u{1f600}".repeat(80)],
    "keeps markup, which is for the page to escape": ["</script><img onerror=1>", "</script><img onerror=1>"]
  }
  for (const [sentence, [name, label]] of Object.entries(cases)) {
    it(`${sentence}: ${label.length} units`, () => assert.strictEqual(cleanLabel(name), label))
  }

  it("of a name of megabytes is read up to its first thousand characters", () => {
    assert.strictEqual(cleanLabel("\u0000".repeat(5_000_000) + "a"), "")
  })
})

describe("the label of a task", () => {
  /** The label of a task that runs, and the same of a task that waits. */
  const labelsOf = (
    submit: (
      pool: TaskPool["Service"],
      task: Effect.Effect<void>,
      options?: SubmitOptions
    ) => Effect.Effect<unknown, any>
  ) =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const gate = gated(undefined)
      const running = yield* start(submit(pool, gate.task))
      yield* gate.started
      const waiting = yield* start(submit(pool, gate.task))
      const { tasks } = yield* pool.inspect()
      yield* gate.open
      yield* Fiber.join(running)
      yield* Fiber.join(waiting)
      assert.strictEqual(tasks[0]!.label, tasks[1]!.label)
      return tasks[0]!.label
    }).pipe(Effect.provide(layer(1)))

  it.effect("is the option, cleaned", () =>
    Effect.gen(function* () {
      const label = yield* labelsOf((pool, task) => pool.submit(task, { label: "a\u202eb" }))
      assert.strictEqual(label, "ab")
    })
  )

  it.effect("is without a useful option the name of the function, never its arguments", () =>
    Effect.gen(function* () {
      function sendMail(task: Effect.Effect<void>, _secret: string): Effect.Effect<void> {
        return task
      }
      const args = (task: Effect.Effect<void>) => [task, "secret"] as const
      assert.strictEqual(
        yield* labelsOf((pool, task) => pool.submit(sendMail, { args: [...args(task)] as any })),
        "sendMail"
      )
      assert.strictEqual(
        yield* labelsOf((pool, task) => pool.submit(sendMail, { label: "\u0000", args: [...args(task)] as any })),
        "sendMail"
      )
    })
  )

  it.effect("is without a name the one of the submitter's nearest span", () =>
    Effect.gen(function* () {
      const span = (pool: TaskPool["Service"], task: Effect.Effect<void>) =>
        pool.submit(() => task, { args: [] }).pipe(Effect.withSpan("inner"), Effect.withSpan("outer"))
      assert.strictEqual(yield* labelsOf(span), "inner")
    })
  )

  it.effect("is without any of these `task`", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* labelsOf((pool, task) => pool.submit(task)), "task")
      const external = Tracer.externalSpan({ spanId: "1234", traceId: "5678" })
      const under = (pool: TaskPool["Service"], task: Effect.Effect<void>) =>
        Effect.provideService(pool.submit(task), Tracer.ParentSpan, external)
      assert.strictEqual(yield* labelsOf(under), "task")
    })
  )

  it.effect("of a job is the name of the job", () =>
    Effect.gen(function* () {
      let end = (): void => {}
      const ends = new Promise<void>((resolve) => {
        end = resolve
      })
      const hash = Job.define(import.meta, "hash", () => ends)
      const pool = yield* TaskPool
      const job = yield* start(pool.submitBlocking(hash))
      const { tasks } = yield* pool.inspect()
      end()
      yield* Fiber.join(job)
      assert.strictEqual(tasks[0]!.label, "hash")
    }).pipe(Effect.provide([layer(1), Executor.layerInline]))
  )

  const named = (name: PropertyDescriptor) => Object.defineProperty(() => Effect.void, "name", name)
  const hostile: Record<string, () => Effect.Effect<void>> = {
    "a getter that throws": named({
      get: () => {
        throw new Error("no")
      }
    }),
    "a number": named({ value: 5 }),
    "an object": named({ value: { toString: () => "x" } }),
    "no text": named({ value: "" })
  }
  for (const [name, task] of Object.entries(hostile)) {
    it.effect(`is \`task\` if the name of the function is ${name}`, () =>
      Effect.gen(function* () {
        const pool = yield* TaskPool
        yield* pool.withDispatchHeld(
          Effect.gen(function* () {
            yield* pool.fork(task, { args: [] })
            assert.strictEqual((yield* pool.inspect()).tasks[0]!.label, "task")
          })
        )
      }).pipe(Effect.provide(layer(1)))
    )
  }

  it.effect("is `task` if the function is a proxy that was revoked meanwhile", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const { proxy, revoke } = Proxy.revocable(() => Effect.void, {})
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* pool.fork(proxy, { args: [] })
          revoke()
          assert.strictEqual((yield* pool.inspect()).tasks[0]!.label, "task")
        })
      )
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("is `task` if a tracer's span throws", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const span: Tracer.ExternalSpan = Tracer.externalSpan({ spanId: "1234", traceId: "5678" })
      const broken = new Proxy(span, {
        get: (target, key) => {
          if (key === "name" || key === "spanId") throw new Error("no")
          return key === "_tag" ? "Span" : Reflect.get(target, key)
        }
      })
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Effect.provideService(pool.fork(Effect.void), Tracer.ParentSpan, broken)
          const [row] = (yield* pool.inspect()).tasks
          assert.deepInclude(row, { label: "task", spanId: undefined })
          yield* pool.clear()
        })
      )
    }).pipe(Effect.provide(layer(1)))
  )
})

describe("the span of a task", () => {
  it.effect("is the one of its submitter while it waits", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const external = Tracer.externalSpan({ spanId: "1234567890abcdef", traceId: "5678" })
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          yield* Effect.provideService(pool.fork(Effect.void), Tracer.ParentSpan, external)
          yield* pool.fork(Effect.void)
          const { tasks } = yield* pool.inspect()
          assert.deepStrictEqual(
            tasks.map(({ spanId }) => spanId),
            ["1234567890abcdef", undefined]
          )
        })
      )
    }).pipe(Effect.provide(layer(1)))
  )
})
