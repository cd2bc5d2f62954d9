import { DistributedTask, type TaskContext, type TaskHandler } from "@aio-task-pool/distributed"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import type { Delivery, Driver } from "../src/internal/driver.ts"
import { workerOf } from "../src/internal/runner.ts"

const Echo = DistributedTask.make("echo", { payload: Schema.Json, success: Schema.Json, progress: Schema.Json })

const driver = { name: "test", identity: "test" } as Driver

const deliver = (delivery: Partial<Delivery>, handler: TaskHandler = Echo.handle(Effect.succeed), sizeLimit = 1000) =>
  Effect.flatMap(workerOf("test", [handler], { concurrency: 1 }, driver, sizeLimit), ({ run }) =>
    run({
      id: "one",
      name: "echo",
      data: { f: 1, p: 5, r: "me" },
      attempt: 1,
      stalls: 0,
      progress: () => Effect.void,
      ...delivery
    })
  )

describe("a delivery", () => {
  it.effect("runs, whatever further fields it has", () =>
    Effect.gen(function* () {
      const data = JSON.parse(`{"f":1,"p":5,"r":"me","new":[1],"__proto__":{"p":6}}`)
      const result = yield* deliver({ data })
      assert.deepInclude(result, { _tag: "Settled", retry: false })
      assert.include(JSON.stringify(result), `"value":5`)
    })
  )

  it.effect("of foreign data is undecodable, and its handler does not run", () =>
    Effect.gen(function* () {
      let runs = 0
      const handler = Echo.handle((payload) => Effect.sync(() => (runs++, payload)))
      const inherited = JSON.parse(`{"__proto__":{"f":1,"p":5,"r":"me"}}`)
      const foreign = [undefined, null, 5, "x", [], {}, { f: "1", p: 1 }, { f: 0 }, { f: 1.5 }, { f: NaN }, inherited]
      for (const data of foreign) {
        const result = yield* deliver({ data, attempt: 2 }, handler)
        assert.deepInclude(result, { _tag: "Settled", retry: false })
        if (result._tag === "Settled") assert.deepInclude(result.answer, { lost: "Undecodable", attempts: 2 })
      }
      assert.strictEqual(runs, 0)
    })
  )

  it.effect("of a newer format or of another name is for another worker", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* deliver({ data: { f: 2, p: 5 } }))._tag, "Unknown")
      for (const name of ["other", "__proto__", "constructor", ""]) {
        assert.strictEqual((yield* deliver({ name }))._tag, "Unknown")
      }
    })
  )

  it.effect("with a hostile limit or trace runs without them", () =>
    Effect.gen(function* () {
      for (const l of [NaN, -1, 0, "5", null, {}, 2 ** 60]) {
        const result = yield* deliver({ data: { f: 1, p: 5, r: "me", l, t: { toString: "evil" } } })
        assert.include(JSON.stringify(result), `"value":5`)
      }
    })
  )

  it.effect("continues the submitter's trace, and starts one of its own without it", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const handler = Echo.handle((payload) =>
        Effect.map(Effect.orDie(Effect.currentSpan), (span) => (spans.push(span), payload))
      )
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      yield* deliver({ data: { f: 1, p: 5, r: "me", t: `00-${traceId}-b7ad6b7169203331-01` } }, handler)
      yield* Effect.withSpan(deliver({}, handler), "worker")
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["DistributedTask.run", "DistributedTask.run"]
      )
      assert.strictEqual(spans[0]!.traceId, traceId)
      assert.notStrictEqual(spans[1]!.traceId, traceId)
      assert.strictEqual(spans[1]!.parent._tag, "None")
    }).pipe(Effect.withTracer(Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })))
  )

  it.effect("makes no span of its own if no tracer would keep it", () =>
    Effect.gen(function* () {
      const handler = Echo.handle((payload) =>
        Effect.flatMap(Effect.option(Effect.currentSpan), (span) =>
          span._tag === "None" ? Effect.succeed(payload) : Effect.die(span.value.name)
        )
      )
      const result = yield* deliver({}, handler)
      assert.isTrue(result._tag === "Settled" && Exit.isSuccess(result.exit), JSON.stringify(result))
    })
  )

  it.effect("reports progress as JSON, within the size limit", () =>
    Effect.gen(function* () {
      const reported: Array<unknown> = []
      const progress = (value: unknown) => Effect.sync(() => void reported.push(value))
      const report = (value: string) =>
        Echo.handle((payload, context: TaskContext) => Effect.as(context.progress(value), payload))
      yield* deliver({ progress }, report("half"))
      const tooLarge = yield* deliver({ progress }, report("x".repeat(1000)))
      assert.deepStrictEqual(reported, ["half"])
      assert.include(JSON.stringify(tooLarge), "size limit")
    })
  )
})

describe("a submit", () => {
  it("is declared by names that every worker can find", () => {
    assert.strictEqual(DistributedTask.make("resize@2").name, "resize@2")
    assert.strictEqual(Echo.handle(Effect.succeed).task, Echo)
  })
})
