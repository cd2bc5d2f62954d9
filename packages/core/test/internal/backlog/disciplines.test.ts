import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { entriesOf } from "../../../src/internal/backlog/backlog.ts"
import { longRun } from "./longRun.ts"
import { disciplines, type Entry, entryOf, Pair } from "./models.ts"

const Command = Schema.Tuple([
  Schema.Literals(["push", "push", "push", "pop", "remove", "reweigh", "later", "return", "wait", "victim"]),
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
  Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 3 }))
])

const perform = (pair: Pair, [command, index, weight]: typeof Command.Type): void => {
  switch (command) {
    case "push":
      return index % 3 === 0 ? pair.pushWithPlace(weight, undefined, false) : pair.push(weight, undefined)
    case "later":
      return pair.pushWithPlace(weight, undefined, true)
    case "pop":
      return void pair.pop()
    case "remove":
      return pair.remove(index)
    case "reweigh":
      return pair.reweigh(index, weight)
    case "return":
      return pair.comeBack(index)
    case "wait":
      pair.time += index % 13
      return
    case "victim":
      return pair.checkVictim(weight, undefined)
  }
}

describe.each(disciplines)("$name", (discipline) => {
  it.effect.prop(
    "whatever is done to it, it agrees with a sorted array in everything that it tells (I4)",
    [Arbitrary.array(Arbitrary.schema(Command), { maxLength: 60 })],
    ([commands]) =>
      Effect.sync(() => {
        const pair = new Pair(discipline)
        for (const command of commands) {
          perform(pair, command)
          pair.checkAll()
        }
        pair.drain()
      }),
    { arbitrary: { runs: 200 } }
  )

  longRun(discipline, 6_000)

  it("a burst that came, was cancelled for the most part and came again keeps the order (I4)", () => {
    const pair = new Pair(discipline)
    const weights = Array.from({ length: 600 }, (_, i) => (i * 7919) % 97)
    for (const weight of weights) pair.push(weight, undefined)
    for (let i = 0; i < 560; i++) pair.remove(i * 31)
    for (const weight of weights) pair.push(weight, undefined)
    for (let i = 0; i < 100; i++) pair.remove(i * 17)
    assert.strictEqual(pair.waiting.length, 540)
    pair.drain()
  })

  it("a full queue that drops one for each that comes keeps what its definition keeps", () => {
    const pair = new Pair(discipline)
    for (let i = 0; i < 50; i++) pair.push((i * 7) % 11, undefined)
    for (let i = 0; i < 500; i++) {
      pair.time += i % 3
      const weight = (i * 5) % 13
      pair.checkVictim(weight, undefined)
      const victim = pair.backlog.victim(entryOf(-1, weight))
      if (victim === undefined) continue
      pair.remove(pair.waiting.findIndex(({ entry }) => entry === victim))
      pair.push(weight, undefined)
      assert.strictEqual(pair.waiting.length, 50)
    }
    pair.checkAll()
    pair.drain()
  })

  it.each([1, 3, 100_000])(
    "a full queue keeps no memory of tasks that have come and gone, %d in a millisecond",
    (per) => {
      const backlog = discipline.make(() => 0)
      for (let id = 0; id < 10_000; id++) {
        const entry = entryOf(id, id % 7)
        entry.arrivedAt = Math.floor(id / per)
        if (backlog.size === 50) {
          // After 5000 nothing is dropped any more, but what it took to tell what would be is still kept up to date.
          if (id % 3 === 0 || id > 5000) backlog.pop()
          else backlog.remove(backlog.victim(entryOf(-1, -1))!)
        }
        if (id % 5 === 0) backlog.insert(entry, backlog.nextSequence())
        else backlog.push(entry)
        // Nobody looks after 5000 either.
        if (id % 50 === 0 && id < 5000) backlog.oldest()
      }
      assert.strictEqual(backlog.size, 50)
      assert.isBelow(elementsOf(backlog), 1500)
      assert.strictEqual(backlog.oldest()!.arrivedAt, Math.min(...entriesOf(backlog).map(({ arrivedAt }) => arrivedAt)))
    }
  )

  it("the oldest entry is found without a look at the others (A9)", () => {
    const backlog = discipline.make(() => 0)
    const size = 100_000
    const entries = Array.from({ length: size }, (_, id) => entryOf(id, (id * 7919) % 97))
    for (const entry of entries) backlog.push(entry)
    let found = 0
    // A look at all of them each time would take hours.
    for (let id = 0; id < size; id++) {
      if (backlog.oldest() === entries[id]) found++
      backlog.remove(entries[id]!)
      if (id % 10 === 0) backlog.push(entryOf(size + id, id % 13))
    }
    assert.strictEqual(found, size)
    assert.strictEqual(backlog.oldest()?.id, size)
  })

  it("the first entries are listed without a look at the others, however many have left", () => {
    const backlog = discipline.make(() => 0)
    const size = 100_000
    const entries = Array.from({ length: size }, (_, id) => entryOf(id, (id * 7919) % 97))
    for (const entry of entries) backlog.push(entry)
    const expected = entriesOf(backlog)
    // Those that are next leave, without being popped.
    for (const entry of expected.splice(0, size / 3)) backlog.remove(entry)
    for (let look = 0; look < 10_000; look++) {
      const next = backlog.walk()
      for (let i = 0; i < 3; i++) assert.strictEqual(next(), expected[i])
    }
  })

  it("an empty backlog has nothing to give", () => {
    const backlog = discipline.make(() => 0)
    assert.isUndefined(backlog.pop())
    assert.isUndefined(backlog.peek())
    assert.isUndefined(backlog.any())
    assert.isUndefined(backlog.oldest())
    assert.isUndefined(backlog.victim(entryOf(0, 0)))
    assert.deepStrictEqual(entriesOf(backlog), [])
    assert.isUndefined(backlog.walk()())
    assert.strictEqual(backlog.size, 0)
    assert.strictEqual(backlog.ready, 0)
  })

  it("nothing of what left is reachable from an emptied backlog (I6)", () => {
    const backlog = discipline.make(() => 0)
    const entries = Array.from({ length: 50 }, (_, id) => entryOf(id, id % 7))
    for (const entry of entries) backlog.push(entry)
    backlog.victim(entryOf(50, 0))
    backlog.oldest()
    for (const entry of entries.slice(20, 30)) backlog.remove(entry)
    while (backlog.size > 0) backlog.pop()
    assert.deepStrictEqual(reachable(backlog, new Set(entries)), [])
    assert.deepStrictEqual(reachable(entries[25]!, new Set(entries)), [25])
  })
})

describe("AgeingBacklog", () => {
  const ageing = disciplines.find(({ name }) => name === "AgeingBacklog")!

  it("overtakes a task only by those that arrive within the span times the difference of weights after it", () => {
    let now = 0
    const backlog = ageing.make(() => now)
    backlog.push(entryOf(0, 5))
    // Four weights less, so 40 ms: what arrives at 39 goes first, what arrives at 40 does not.
    for (now = 30; now <= 50; now++) backlog.push(entryOf(now, 1))
    const order = entriesOf(backlog).map(({ id }) => id)
    assert.deepStrictEqual(order.slice(0, order.indexOf(0)), [30, 31, 32, 33, 34, 35, 36, 37, 38, 39])
  })

  it("a task that comes back for another attempt keeps its age", () => {
    let now = 0
    const backlog = ageing.make(() => now)
    const entry = entryOf(0, 3, {})
    const place = backlog.nextSequence()
    backlog.insert(entry, place)
    backlog.pop()
    now = 100
    backlog.push(entryOf(1, 1))
    backlog.insert(entry, place)
    assert.strictEqual(backlog.pop()?.id, 0)
  })
})

/** The ids of the entries that can be reached from `root` through properties, arrays and maps. */
function reachable(root: unknown, entries: ReadonlySet<unknown>): Array<number> {
  return [...objectsIn(root)].filter((value): value is Entry => entries.has(value)).map((entry) => entry.id)
}

/** The elements of all arrays that can be reached from `root`. */
function elementsOf(root: unknown): number {
  let elements = 0
  for (const value of objectsIn(root)) {
    if (Array.isArray(value) || value instanceof Float64Array || value instanceof Int32Array) elements += value.length
  }
  return elements
}

function objectsIn(root: unknown): Set<unknown> {
  const seen = new Set<unknown>()
  const todo: Array<unknown> = [root]
  while (todo.length > 0) {
    const value = todo.pop()
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    todo.push(...Object.values(value))
    if (value instanceof Map) todo.push(...value.keys(), ...value.values())
  }
  return seen
}
