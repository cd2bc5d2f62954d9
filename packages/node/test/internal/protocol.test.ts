import { Random } from "@aio-task-pool/testing/random"
import { assert, it } from "@effect/vitest"
import * as protocol from "../../src/internal/protocol.ts"

const ring = protocol.ringOf(protocol.makeMemory())

it("small values are read from a slot as they were written", () => {
  for (const values of [
    [],
    [0, -0, NaN, Infinity, 2 ** 53],
    ["", "a", "ab", "abc", "abcd", "ünï 🦆 \ud800"],
    [true, false, null, undefined],
    [1, "two", null, "x".repeat(80), 3.5]
  ]) {
    for (const slot of [0, 1, protocol.SLOTS - 1, protocol.SLOTS + 1]) {
      assert.isTrue(protocol.writeValues(ring, slot, values))
      assert.deepStrictEqual(protocol.readValues(ring, slot), values)
    }
  }
})

it("large values, and values of other types, are rejected", () => {
  for (const value of [{}, [], 1n, Symbol("x"), () => 1, "x".repeat(500)]) {
    assert.isFalse(protocol.writeValues(ring, 0, [value]))
    assert.isFalse(protocol.writeResult(ring, 0, value))
  }
  assert.isFalse(
    protocol.writeValues(
      ring,
      0,
      Array.from({ length: 60 }, () => 1)
    )
  )
})

it("a slot never writes into its neighbors, whatever its values", () => {
  const random = new Random(7)
  for (let round = 0; round < 2000; round++) {
    for (const slot of [4, 6]) protocol.writeValues(ring, slot, [slot, "neighbour", slot])
    for (const slot of [4, 6]) ring.words[protocol.stateOf(slot)] = protocol.Started
    const values = Array.from({ length: random.below(12) }, () =>
      random.next() < 0.5 ? random.next() : "y".repeat(random.below(120))
    )
    if (protocol.writeValues(ring, 5, values)) assert.deepStrictEqual(protocol.readValues(ring, 5), values)
    for (const slot of [4, 6]) {
      assert.deepStrictEqual(protocol.readValues(ring, slot), [slot, "neighbour", slot])
      assert.strictEqual(ring.words[protocol.stateOf(slot)], protocol.Started)
    }
  }
})
