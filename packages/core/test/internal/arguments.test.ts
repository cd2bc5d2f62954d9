import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { show } from "../../src/internal/arguments.ts"

describe("a value in a message", () => {
  class Point {
    readonly x = 1
    readonly next = { y: [2] }
  }

  it.each<readonly [unknown, string]>([
    [{ second: 5 }, '{"second":5}'],
    [[Number.NaN, "a"], '[NaN,"a"]'],
    [new Point(), 'Point({"x":1,"next":{"y":[2]}})'],
    [Object.create(null), "{}"],
    [Duration.seconds(3), "3000 millis"],
    [Effect.succeed(1), "Success(1)"],
    [new Error("own"), "Error: own"],
    [new Map([[1, 2]]), "[object Map]"],
    [new Uint8Array(2), "[object Uint8Array]"],
    [Promise.resolve(), "a Promise"],
    [
      Object.create({
        get inherited() {
          return 1
        }
      }),
      "{}"
    ],
    [{ a: { b: { c: { d: 1 } } } }, '{"a":{"b":{"c":{}}}}']
  ])("shows %s", (value, text) => assert.strictEqual(show(value), text))

  it("is cut", () => {
    const long = Array.from({ length: 60 }, (_, i) => i)
    const circular: { self?: unknown } = {}
    circular.self = circular
    for (const value of ["x".repeat(1000), long, { long }, circular]) assert.isAtMost(show(value).length, 101)
    for (const value of ["x".repeat(101), long]) assert.isTrue(show(value).endsWith("…"))
  })

  it("runs no generator, and ends for an endless source of items", () => {
    let steps = 0
    function* endless() {
      for (;;) yield steps++
    }
    const source = { [Symbol.iterator]: endless }
    for (const value of [endless(), source, [endless()], { source }]) assert.include(show(value), "[object ")
    assert.strictEqual(steps, 0)
  })

  it("reads only what it shows of a large one", () => {
    let reads = 0
    const members = Array.from({ length: 1000 }, () => ({
      get member() {
        return ++reads
      }
    }))
    show([members, members])
    assert.isAtMost(reads, 100)
  })
})
