import { assert, it } from "@effect/vitest"
import { Data } from "effect"
import { runInNewContext } from "node:vm"
import { decode, encode } from "../../src/internal/errorCodec.ts"

const roundTrip = (thrown: unknown): any => decode(structuredClone(encode(thrown)))

class Tagged extends Data.TaggedError("Tagged")<{ readonly limit: number; readonly onEnd: () => void }> {}

it("keeps a tagged error's tag and its fields, the uncloneable ones as text", () => {
  const error = roundTrip(new Tagged({ limit: 3, onEnd: () => undefined }))
  assert.strictEqual(error._tag, "Tagged")
  assert.strictEqual(error.name, "Tagged")
  assert.strictEqual(error.limit, 3)
  assert.strictEqual(typeof error.onEnd, "string")
})

it("keeps the code of a system error, and of a DOMException", () => {
  const system = Object.assign(new Error("no such file"), { code: "ENOENT", errno: -2, syscall: "open" })
  assert.deepInclude({ ...roundTrip(system) }, { code: "ENOENT", errno: -2, syscall: "open" })
  const aborted = roundTrip(new DOMException("stop", "AbortError"))
  assert.strictEqual(aborted.name, "AbortError")
  assert.strictEqual(aborted.code, 20)
})

it("knows errors of another realm", () => {
  const error = roundTrip(runInNewContext("new TypeError('elsewhere')"))
  assert.instanceOf(error, TypeError)
  assert.strictEqual(error.message, "elsewhere")
})

it("keeps the stack of where it was thrown", () => {
  const error = new Error("here")
  assert.strictEqual(roundTrip(error).stack, error.stack)
})

it("cuts chains that are too long, and survives errors that cannot be read", () => {
  let chain = new Error("0")
  for (let i = 1; i < 100; i++) chain = new Error(`${i}`, { cause: chain })
  assert.strictEqual(roundTrip(chain).cause.cause.message, "97")
  const hostile = Object.defineProperty(new Error("hostile"), "secret", {
    enumerable: true,
    get: () => {
      throw new Error("no")
    }
  })
  assert.isDefined(roundTrip(hostile))
  assert.isString(roundTrip({ toString: () => assert.fail("no"), f: () => 1 }))
})

it("passes values that are no errors", () => {
  for (const value of [1, "text", undefined, null, { code: 1 }, [1, 2]]) assert.deepStrictEqual(roundTrip(value), value)
  assert.strictEqual(roundTrip(Symbol("x")), "Symbol(x)")
})
