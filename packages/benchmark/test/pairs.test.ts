import { assert, it } from "@effect/vitest"
import { measure } from "../src/pairs.ts"

const recorded = (order: Array<string>, name: string, costs: Iterator<number>) => () => {
  order.push(name)
  return Promise.resolve(costs.next().value as number)
}

it("after a warm-up the sides alternate, each first equally often", async () => {
  const order: Array<string> = []
  const ours = recorded(order, "A", [99, 1, 2, 3, 4].values())
  const theirs = recorded(order, "B", [99, 10, 20, 30, 40].values())
  const pairs = await measure({ peer: "peer", ours, theirs }, { least: 4, most: 4, milliseconds: 0, warmUp: 0 })
  assert.strictEqual(order.join(""), "AB ABBABAAB".replaceAll(" ", ""))
  assert.deepStrictEqual(pairs, [
    { ours: 1, theirs: 10 },
    { ours: 2, theirs: 20 },
    { ours: 3, theirs: 30 },
    { ours: 4, theirs: 40 }
  ])
})

it("no new pair begins after the time is over", async () => {
  const side = () => Promise.resolve(1)
  const pairs = await measure(
    { peer: "peer", ours: side, theirs: side },
    { least: 2, most: 100, milliseconds: 0, warmUp: 0 }
  )
  assert.strictEqual(pairs.length, 2)
})

it("a side that did not do its work ends the comparison", async () => {
  const failing = () => Promise.reject(new Error("9 of 10 tasks ran"))
  const fine = () => Promise.resolve(1)
  const run = measure({ peer: "peer", ours: fine, theirs: failing }, { least: 1, most: 1, milliseconds: 0, warmUp: 0 })
  assert.strictEqual(await run.then(String, (error: Error) => error.message), "9 of 10 tasks ran")
})
