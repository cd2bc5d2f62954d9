import { assert, it } from "@effect/vitest"
import { Data } from "effect"
import { runInNewContext } from "node:vm"
import { decode, encode } from "../../src/internal/errorCodec.ts"

const roundTrip = (thrown: unknown): any => decode(structuredClone(encode(thrown)))

class Tagged extends Data.TaggedError("Tagged")<{ readonly limit: number; readonly onEnd: () => void }> {}

it("keeps a tagged error's tag and fields, with uncloneable fields as text", () => {
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

it("recognizes errors of another realm", () => {
  const error = roundTrip(runInNewContext("new TypeError('elsewhere')"))
  assert.instanceOf(error, TypeError)
  assert.strictEqual(error.message, "elsewhere")
})

it("keeps the stack of the throwing thread", () => {
  const error = new Error("here")
  assert.strictEqual(roundTrip(error).stack, error.stack)
})

it("shortens chains that are too long, and encodes errors that cannot be read", () => {
  let chain = new Error("0")
  for (let i = 1; i < 100; i++) chain = new Error(`${i}`, { cause: chain })
  assert.strictEqual(roundTrip(chain).cause.cause.message, "97")
  const hostile = Object.defineProperty(new Error("hostile"), "secret", {
    enumerable: true,
    get: () => {
      throw new Error("no")
    }
  })
  assert.strictEqual(roundTrip(hostile).message, "hostile")
  assert.isString(roundTrip({ toString: () => assert.fail("no"), f: () => 1 }))
})

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

it("keeps lists of errors that contain themselves or each other, without following them again and again", () => {
  const list: Array<unknown> = [new Error("first")]
  list.push(list, list, [list, list[0], list])
  const error = roundTrip(Object.assign(new Error("all"), { list }))
  assert.strictEqual(error.list[0].message, "first")
  assert.deepStrictEqual(
    [error.list[1], error.list[2], error.list[3][0], error.list[3][2]].map((item) => item === error.list),
    [true, true, true, true]
  )
  assert.strictEqual(error.list[3][1], error.list[0])
})

it("loses only the properties that cannot be read, and keeps the others apart", () => {
  const shared = new TypeError("shared")
  const bad = Object.defineProperty(new RangeError("bad"), "inner", {
    enumerable: true,
    get: () => {
      throw revoked()
    }
  })
  const error = roundTrip(
    Object.assign(new Error("outer", { cause: bad }), { a: shared, b: bad, c: [shared, bad], d: 1 })
  )
  assert.strictEqual(error.message, "outer")
  assert.strictEqual(error.cause.message, "bad")
  assert.strictEqual(error.cause.inner, "(cannot be read)")
  assert.strictEqual(error.a.message, "shared")
  assert.strictEqual(error.b, error.cause)
  assert.strictEqual(error.c[0], error.a)
  assert.strictEqual(error.c[1], error.cause)
  assert.strictEqual(error.d, 1)
})

it("encodes errors whose every part is hostile", () => {
  const throwing = {
    get: (): never => {
      throw revoked()
    }
  }
  const properties = { name: throwing, message: throwing, stack: throwing, cause: throwing, code: throwing }
  const error = roundTrip(Object.defineProperties(new Error("x"), properties))
  assert.instanceOf(error, Error)
  assert.strictEqual(error.name, "Error")
  for (const thrown of [revoked(), new Proxy(new Error("proxy"), { ownKeys: throwing.get, has: throwing.get })]) {
    assert.isDefined(roundTrip(thrown))
  }
  assert.instanceOf(roundTrip(Object.assign(new Error("odd"), { name: "constructor" })), Error)
  assert.instanceOf(roundTrip(Object.assign(new Error("odd"), { name: { toString: throwing.get } })), Error)
})

it("keeps the value that a getter returned the first time", () => {
  let reads = 0
  const once = {
    get value() {
      if (++reads > 1) throw new Error("only once")
      return 1
    }
  }
  assert.deepStrictEqual(roundTrip(once), { value: 1 })
})

it("copies values that are not errors", () => {
  for (const value of [1, "text", undefined, null, { code: 1 }, [1, 2]]) assert.deepStrictEqual(roundTrip(value), value)
  assert.strictEqual(roundTrip(Symbol("x")), "Symbol(x)")
})
