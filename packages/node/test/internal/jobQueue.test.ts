import { Random } from "@aio-task-pool/testing/random"
import { assert, it } from "@effect/vitest"
import { type Linked, JobQueue } from "../../src/internal/jobQueue.ts"

class Item implements Linked<Item> {
  previous: Item | undefined
  next: Item | undefined
}

it("behaves like an array, whichever item is removed", () => {
  const random = new Random(11)
  const list = new JobQueue<Item>()
  let model: Array<Item> = []
  for (let round = 0; round < 5000; round++) {
    const choice = random.next()
    if (choice < 0.3) {
      const item = new Item()
      list.push(item)
      model.push(item)
    } else if (choice < 0.5) {
      const item = new Item()
      list.unshift(item)
      model.unshift(item)
    } else if (model.length > 0) {
      const item = random.pick(model)
      list.remove(item)
      model = model.filter((other) => other !== item)
    }
    const seen: Array<Item> = []
    for (let item = list.first; item !== undefined; item = item.next) seen.push(item)
    assert.strictEqual(list.length, model.length)
    assert.isTrue(seen.length === model.length && seen.every((item, i) => item === model[i]))
    assert.strictEqual(list.last, model.at(-1))
  }
})
