import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { type Backlog, FifoBacklog, LifoBacklog, PriorityBacklog } from "../../src/internal/backlog.ts"

interface Entry {
  readonly id: number
  weight: number
  prev: Entry | undefined
  next: Entry | undefined
  slot: number
}

// The discipline as a sort: what comes first goes first. `turn` counts pushes, and re-weightings that changed the weight.
interface Model {
  readonly name: string
  readonly make: () => Backlog<Entry>
  readonly compare: (a: Modelled, b: Modelled) => number
}

interface Modelled {
  readonly entry: Entry
  turn: number
}

const models: ReadonlyArray<Model> = [
  { name: "FifoBacklog", make: () => new FifoBacklog(), compare: (a, b) => a.entry.id - b.entry.id },
  { name: "LifoBacklog", make: () => new LifoBacklog(), compare: (a, b) => b.entry.id - a.entry.id },
  {
    name: "PriorityBacklog",
    make: () => new PriorityBacklog(),
    compare: (a, b) => a.entry.weight - b.entry.weight || a.turn - b.turn
  }
]

/** A backlog beside its naive model: every operation is done on both, and their answers compared. */
class Pair {
  readonly backlog: Backlog<Entry>
  readonly model: Model
  waiting: Array<Modelled> = []
  private ids = 0
  private turns = 0

  constructor(model: Model) {
    this.model = model
    this.backlog = model.make()
  }

  push(weight: number): void {
    const entry: Entry = { id: this.ids++, weight, prev: undefined, next: undefined, slot: 0 }
    this.backlog.push(entry)
    this.waiting.push({ entry, turn: this.turns++ })
    this.checkSize()
  }

  pop(): void {
    const first = this.waiting.reduce<Modelled | undefined>(
      (best, other) => (best === undefined || this.model.compare(other, best) < 0 ? other : best),
      undefined
    )
    const popped = this.backlog.pop()
    assert.strictEqual(popped?.id, first?.entry.id)
    if (popped !== undefined) this.left(popped)
    this.checkSize()
  }

  remove(index: number): void {
    if (this.waiting.length === 0) return
    const { entry } = this.waiting[index % this.waiting.length]!
    this.backlog.remove(entry)
    this.left(entry)
    this.checkSize()
  }

  reweigh(index: number, weight: number): void {
    if (this.waiting.length === 0) return
    const modelled = this.waiting[index % this.waiting.length]!
    if (modelled.entry.weight !== weight) modelled.turn = this.turns++
    this.backlog.reweigh(modelled.entry, weight)
    assert.strictEqual(modelled.entry.weight, weight)
    this.checkSize()
  }

  private left(entry: Entry): void {
    assert.isUndefined(entry.prev, "an entry that left keeps no link to its former neighbour")
    assert.isUndefined(entry.next, "an entry that left keeps no link to its former neighbour")
    this.waiting = this.waiting.filter((other) => other.entry !== entry)
  }

  private checkSize(): void {
    assert.strictEqual(this.backlog.size, this.waiting.length)
  }
}

const Command = Schema.Tuple([
  Schema.Literals(["push", "push", "push", "pop", "remove", "reweigh"]),
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
  Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 3 }))
])

const perform = (pair: Pair, [command, index, weight]: typeof Command.Type): void => {
  switch (command) {
    case "push":
      return pair.push(weight)
    case "pop":
      return pair.pop()
    case "remove":
      return pair.remove(index)
    case "reweigh":
      return pair.reweigh(index, weight)
  }
}

describe.each(models)("$name", (model) => {
  it.effect.prop(
    "any pushes, pops, removals and re-weightings leave the same order as a sorted array (I4)",
    [Arbitrary.array(Arbitrary.schema(Command), { maxLength: 60 })],
    ([commands]) =>
      Effect.sync(() => {
        const pair = new Pair(model)
        for (const command of commands) perform(pair, command)
        while (pair.waiting.length > 0) pair.pop()
        pair.pop()
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("100 weights and up to 300 waiting entries agree with a sorted array over 20,000 operations (I4)", () =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const pair = new Pair(model)
      for (let i = 0; i < 20_000; i++) {
        const growing = pair.waiting.length < 50 || (pair.waiting.length < 300 && i % 2000 < 1000)
        const dice = below(10)
        if (dice < (growing ? 6 : 2)) pair.push(below(100) - 50)
        else if (dice < 7) pair.pop()
        else if (dice < 8) pair.remove(below(1000))
        else pair.reweigh(below(1000), below(100) - 50)
      }
      while (pair.waiting.length > 0) pair.pop()
    }).pipe(Random.withSeed("backlog"))
  )

  it("a burst that came, was cancelled for the most part and came again keeps the order (I4)", () => {
    const pair = new Pair(model)
    const weights = Array.from({ length: 600 }, (_, i) => (i * 7919) % 97)
    for (const weight of weights) pair.push(weight)
    for (let i = 0; i < 560; i++) pair.remove(i * 31)
    for (const weight of weights) pair.push(weight)
    for (let i = 0; i < 100; i++) pair.remove(i * 17)
    assert.strictEqual(pair.waiting.length, 540)
    while (pair.waiting.length > 0) pair.pop()
  })

  it("an empty backlog pops nothing", () => {
    const backlog = model.make()
    assert.isUndefined(backlog.pop())
    assert.strictEqual(backlog.size, 0)
  })

  it("nothing of what left is reachable from an emptied backlog (I6)", () => {
    const backlog = model.make()
    const entries = Array.from({ length: 50 }, (_, id): Entry => ({
      id,
      weight: id % 7,
      prev: undefined,
      next: undefined,
      slot: 0
    }))
    for (const entry of entries) backlog.push(entry)
    for (const entry of entries.slice(20, 30)) backlog.remove(entry)
    while (backlog.size > 0) backlog.pop()
    assert.deepStrictEqual(reachable(backlog, new Set(entries)), [])
    assert.deepStrictEqual(reachable(entries[25]!, new Set(entries)), [25])
  })
})

/** The ids of the entries that can be reached from `root` through properties, arrays and maps. */
function reachable(root: unknown, entries: ReadonlySet<unknown>): Array<number> {
  const seen = new Set<unknown>()
  const todo: Array<unknown> = [root]
  while (todo.length > 0) {
    const value = todo.pop()
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    todo.push(...Object.values(value))
    if (value instanceof Map) todo.push(...value.keys(), ...value.values())
  }
  return [...seen].filter((value): value is Entry => entries.has(value)).map((entry) => entry.id)
}
