import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Schedule from "effect/Schedule"
import type { SubmitOptions } from "@aio-task-pool/core"
import { attachWait, extraOf, type HasExtra, TaskExtra } from "../../../src/internal/pool/extra.ts"

const machine = {
  clock: Context.get(Context.empty(), Clock.Clock),
  rates: [
    { limit: 5, window: 1000, unit: undefined },
    { limit: 100, window: 1000, unit: "tokens" }
  ],
  hasAgeing: false,
  lastExtra: undefined
}
const where = "TaskPool.submit"

describe("the extra of a task", () => {
  it("is undefined for a plain task, whose options are absent or only a weight (load 12)", () => {
    assert.isUndefined(extraOf(where, machine, {}))
    assert.isUndefined(extraOf(where, machine, { weight: 5 }))
    assert.isUndefined(extraOf(where, machine, { permits: 1 }))
    const absent = { label: undefined, key: undefined, permits: undefined, cost: undefined, maxWait: undefined }
    assert.isUndefined(extraOf(where, machine, { ...absent, retry: undefined }))
  })

  it("has the checked options, and the defaults of those that are absent", () => {
    const extra = extraOf(where, machine, { label: "", key: 0 })!
    assert.deepStrictEqual(extra.options, { label: "", permits: 1, costs: undefined, maxWait: undefined })
    assert.deepInclude(extra as object, { key: 0, permits: 1, deadline: undefined, rest: undefined })
    assert.isUndefined(extra.retry)
    const other = extraOf(where, machine, { permits: 2, cost: { tokens: 7 }, maxWait: "2 seconds" })!
    assert.deepStrictEqual(other.options, { label: undefined, permits: 2, costs: [1, 7], maxWait: 2000 })
    assert.isUndefined(other.key)
  })

  it("reads each text of maxWait, whichever came before it (load 6)", () => {
    const millis = (maxWait: any) => extraOf(where, machine, { maxWait })!.options.maxWait
    const texts = ["2 seconds", "2 seconds", "3 seconds", "Infinity", "Infinity", "2 seconds", 5, Infinity] as const
    assert.deepStrictEqual(texts.map(millis), [2000, 2000, 3000, undefined, undefined, 2000, 5, undefined])
    for (const bad of ["2 sconds", "2 sconds", "-1 seconds"]) assert.throws(() => millis(bad), RangeError)
    assert.strictEqual(millis("2 seconds"), 2000)
  })

  it("is shared by tasks with the same options, if nothing in it belongs to one task (load 12)", () => {
    const of = (options: SubmitOptions, pool = machine) => extraOf(where, pool, options)
    const label = { label: "a", permits: 2, cost: 3, maxWait: "1 second" } as const
    const first = of(label)
    assert.strictEqual(of({ ...label }), first)
    for (const change of [{ label: "b" }, { permits: 3 }, { cost: 4 }, { label: undefined }, { maxWait: 2 }]) {
      assert.notStrictEqual(of({ ...label, ...change }), of(label))
    }
    for (const own of [{ key: "k" }, { retry: Schedule.recurs(1) }]) {
      const extras = [0, 1].map(() => of({ ...label, ...own })!)
      assert.notStrictEqual(extras[0], extras[1])
      assert.strictEqual(extras[0]!.options, extras[1]!.options)
    }
    const ageing = { ...machine, hasAgeing: true }
    assert.notStrictEqual(of(label, ageing), of(label, ageing))
  })

  it("becomes the task's own when the task gets a state", () => {
    const tasks = [0, 1].map((): HasExtra => ({ extra: extraOf(where, machine, { label: "a", permits: 2 }) }))
    const wait = { end: () => {} }
    attachWait(tasks[0]!, wait)
    const [own, shared] = tasks.map(({ extra }) => extra!)
    assert.strictEqual(own!.options, shared!.options)
    assert.strictEqual(own!.rest!.waits, wait)
    assert.isTrue(shared!.shared)
    assert.isUndefined(shared!.rest?.waits)
  })

  it("has a retry of its own for each task (load 8)", () => {
    const options = { retry: Schedule.recurs(1) }
    const [first, second] = [extraOf(where, machine, options)!, extraOf(where, machine, options)!]
    assert.isDefined(first.retry)
    assert.notStrictEqual(first.retry, second.retry)
  })

  it("is made for a task that others wait for, and ends each wait once (load 1)", () => {
    const ended: Array<string> = []
    const waitOf = (name: string) => ({ end: () => void ended.push(name) })
    const task: HasExtra = { extra: undefined }
    attachWait(task, waitOf("a"))
    attachWait(task, waitOf("b"))
    assert.instanceOf(task.extra, TaskExtra)
    assert.strictEqual(task.extra.permits, 1)
    task.extra.endWaits()
    task.extra.endWaits()
    assert.deepStrictEqual(ended, ["a", "b"])
  })
})
