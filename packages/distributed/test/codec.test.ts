import { DistributedTask } from "@aio-task-pool/distributed"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { codecOf, ownFields, parseAnswer, parseTraceparent, traceparentOf, Unfit } from "../src/internal/codec.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"

describe("answers from a broker", () => {
  it("are accepted in the forms that workers write", () => {
    for (const answer of [
      { exit: { _tag: "Success", value: 1 } },
      { exit: null },
      { cancelled: "Cancelled", started: false },
      { cancelled: "TimedOut", started: true },
      { lost: "Poisoned", attempts: 3, detail: "died" }
    ] as const) {
      assert.deepStrictEqual(parseAnswer(answer), answer)
    }
  })

  it("are refused in every other form", () => {
    const foreign: ReadonlyArray<unknown> = [
      undefined,
      null,
      0,
      "",
      "exit",
      true,
      [],
      {},
      { cancelled: "Closed", started: true },
      { cancelled: "Cancelled" },
      { cancelled: "toString", started: true },
      { cancelled: ["Cancelled"], started: 1 },
      { lost: "Vanished" },
      { lost: "Vanished", attempts: "1", detail: "" },
      { lost: "Gone", attempts: 1, detail: "" },
      JSON.parse(`{"__proto__":{"exit":1}}`),
      Object.create({ exit: 1 }),
      { closed: true, started: true }
    ]
    for (const value of foreign) assert.isUndefined(parseAnswer(value), JSON.stringify(value))
  })

  it("have a detail of bounded length", () => {
    const answer = parseAnswer({ lost: "Vanished", attempts: 1, detail: "x".repeat(100_000) })
    assert.isAtMost(JSON.stringify(answer).length, 600)
  })

  it("are read by their own fields only", () => {
    const fields = ownFields(JSON.parse(`{"__proto__":{"a":1},"b":2}`))
    assert.isUndefined(fields["a"])
    assert.strictEqual(fields["b"], 2)
    assert.strictEqual(Object.getPrototypeOf(fields), null)
  })
})

describe("traceparent", () => {
  it("is parsed strictly", () => {
    assert.deepStrictEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true })
    assert.deepStrictEqual(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, sampled: false })
    for (const value of [
      undefined,
      null,
      5,
      {},
      "",
      `01-${traceId}-${spanId}-01`,
      `00-${traceId}-${spanId}`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${"0".repeat(32)}-${spanId}-01`,
      ` 00-${traceId}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `00-${traceId}-${spanId}-01\n`,
      `00-${traceId}-${spanId}-01-x`
    ]) {
      assert.isUndefined(parseTraceparent(value), JSON.stringify(value))
    }
  })

  it("is not written for the IDs of another tracer", () => {
    assert.strictEqual(traceparentOf({ traceId, spanId, sampled: true }), `00-${traceId}-${spanId}-01`)
    assert.isUndefined(traceparentOf({ traceId: "noop", spanId: "noop", sampled: false }))
  })
})

describe("the codecs of a task", () => {
  const Task = DistributedTask.make("task", {
    payload: Schema.Struct({ at: Schema.Date, tags: Schema.Array(Schema.String) }),
    success: Schema.BigInt
  })
  const codec = codecOf(Task)

  it("are made once", () => assert.strictEqual(codecOf(Task), codec))

  it.effect("count the bytes of the text, not its characters", () =>
    Effect.gen(function* () {
      const payload = { at: new Date(0), tags: ["é"] }
      const text = JSON.stringify(yield* codec.encodePayload(payload, 1000))
      const bytes = new TextEncoder().encode(text).byteLength
      assert.isAbove(bytes, text.length)
      yield* codec.encodePayload(payload, bytes)
      const error = yield* Effect.flip(codec.encodePayload(payload, bytes - 1))
      assert.include(error.detail, `${bytes} bytes`)
    })
  )

  it.effect("tell the path of what does not fit, cut to a bounded length", () =>
    Effect.gen(function* () {
      const wrong = { at: "s3cret", tags: [] }
      const error = yield* Effect.flip(codec.decodePayload(wrong))
      assert.instanceOf(error, Unfit)
      assert.strictEqual(error.detail, `payload at ["at"]`)
      const Keys = DistributedTask.make("keys", { payload: Schema.Record(Schema.String, Schema.Int) })
      const long = yield* Effect.flip(codecOf(Keys).decodePayload({ ["k".repeat(10_000)]: "x" }))
      assert.isAtMost(long.detail.length, 230)
    })
  )

  it.effect("refuse garbage instead of an exit", () =>
    Effect.gen(function* () {
      const foreign = [undefined, null, 5, "x", [], {}, { _tag: "Success" }, { _tag: "Failure", cause: 5 }]
      for (const json of foreign) assert.instanceOf(yield* Effect.flip(codec.decodeExit(json)), Unfit)
      const json = yield* codec.encodeExit(Exit.succeed(5n), 1000)
      assert.deepStrictEqual(yield* codec.decodeExit(JSON.parse(JSON.stringify(json))), Exit.succeed(5n))
    })
  )

  it.effect("carry a defect's message and name, and not its stack", () =>
    Effect.gen(function* () {
      const json = yield* codec.encodeExit(Exit.die(new TypeError("boom")), 1000)
      assert.include(JSON.stringify(json), "boom")
      assert.notInclude(JSON.stringify(json), "codec.test")
      const circular: { self?: unknown } = {}
      circular.self = circular
      yield* codec.encodeExit(Exit.die(circular), 1000)
      yield* codec.encodeExit(Exit.die(undefined), 1000)
    })
  )
})
