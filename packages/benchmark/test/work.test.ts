import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { limit, side, sync, tick, type Way } from "../src/work.ts"
import * as ways from "../src/ways.ts"

const reasonOf = (way: Way, kind = tick) =>
  side(
    kind,
    40,
    way
  )(() => 0).then(
    () => "done",
    (error: Error) => error.message
  )

const { submitTo: _, unlimited, ...limited } = ways

for (const [name, way] of Object.entries(limited)) {
  it(`${name} runs all tasks, ${limit} at once`, async () => {
    assert.strictEqual(await reasonOf(way), "done")
    assert.strictEqual(await reasonOf(way, sync), "done")
  })
}

it("a way that omits a task is detected", async () => {
  const lazy: Way = (work, items) => ways.taskPool(work, items.slice(1))
  assert.strictEqual(await reasonOf(lazy), "39 of 40 tasks ran")
})

it("a way that runs a task twice is detected", async () => {
  const eager: Way = (work, items) => ways.taskPool(work, [...items, 40])
  assert.strictEqual(await reasonOf(eager), "41 of 40 tasks ran")
})

it("a way that exceeds the limit is detected", async () => {
  assert.strictEqual(await reasonOf(unlimited), `40 tasks ran at once, the limit is ${limit}`)
})

it("a way that runs one task after another is detected", async () => {
  const single: Way = ({ effect }, items) => Effect.runPromise(Effect.forEach(items, () => effect))
  assert.strictEqual(await reasonOf(single), `at most 1 of ${limit} tasks ran at once`)
})

it("a side returns the time of one task", async () => {
  const readings = [1_000, 9_000].values()
  assert.strictEqual(await side(tick, 40, ways.taskPool)(() => readings.next().value!), 200)
})
