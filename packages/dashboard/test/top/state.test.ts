import { assert, describe, it } from "@effect/vitest"
import { initial, type Key, onFrame, onHello, onKey, type State, visible } from "../../src/top/state.ts"
import { frame, hello, row, stats } from "./frames.ts"

const pools = [
  row("mail", {
    oldestWait: 1900,
    stats: stats({ running: 3, waiting: 40 }),
    rates: { ended: 11, failed: 0, rejected: 11 }
  }),
  row("fetch", {
    warnings: [{ rule: "rejecting", message: "fetch rejects" }],
    stats: stats({ running: 21, waiting: 1 })
  }),
  row("idle", { stats: stats({ running: 0, waiting: 0 }), oldestWait: 0, rates: { ended: 0, failed: 0, rejected: 0 } })
]

const start = onFrame(onHello(initial("http://127.0.0.1:4980", true), hello()), frame(pools))

const named = (name: string): Key => ({ name, sequence: name })
const press = (state: State, ...keys: ReadonlyArray<Key>): State =>
  keys.reduce((state, key) => onKey(state, key)[0], state)
const type = (text: string): ReadonlyArray<Key> => Array.from(text, (sequence) => ({ name: sequence, sequence }))
const ids = (state: State): ReadonlyArray<string> => visible(state).map(({ id }) => id)

describe("the state of top", () => {
  it("pools in trouble come first: warnings, then the oldest wait", () => {
    assert.deepStrictEqual(ids(start), ["fetch", "mail", "idle"])
    assert.strictEqual(start.selected, "fetch")
  })

  it("small changes of a wait do not change the order", () => {
    const at = (a: number, b: number) =>
      ids(onFrame(start, frame([row("a", { oldestWait: a }), row("b", { oldestWait: b })])))
    assert.deepStrictEqual(at(300, 500), at(500, 300))
    assert.notDeepEqual(at(300, 5000), at(5000, 300))
  })

  it("s sorts by trouble, name, running, waiting, done, and by trouble again", () => {
    const orders = [ids(start)]
    let state = start
    for (let i = 0; i < 5; i++) {
      state = press(state, named("s"))
      orders.push(ids(state))
    }
    assert.deepStrictEqual(orders, [
      ["fetch", "mail", "idle"],
      ["fetch", "idle", "mail"],
      ["fetch", "mail", "idle"],
      ["mail", "fetch", "idle"],
      ["fetch", "mail", "idle"],
      ["fetch", "mail", "idle"]
    ])
  })

  it("up and down select a pool and stop at the ends", () => {
    assert.strictEqual(press(start, named("up")).selected, "fetch")
    assert.strictEqual(press(start, named("down")).selected, "mail")
    assert.strictEqual(press(start, named("down"), named("down"), named("down")).selected, "idle")
    assert.strictEqual(press(start, named("end"), named("home")).selected, "fetch")
    assert.isUndefined(press(onFrame(start, frame([])), named("down")).selected)
  })

  it("the selection follows its pool, and goes to the first one when its pool has closed", () => {
    const selected = press(start, named("down"))
    assert.strictEqual(onFrame(selected, frame(pools.toReversed())).selected, "mail")
    assert.strictEqual(onFrame(selected, frame([pools[2]!])).selected, "idle")
  })

  it("/ filters by name while one types, enter keeps the filter and escape clears it", () => {
    const typed = press(start, { sequence: "/" }, ...type("MA"))
    assert.deepStrictEqual([ids(typed), typed.selected, typed.isTyping], [["mail"], "mail", true])
    const kept = press(typed, named("return"))
    assert.deepStrictEqual([ids(kept), kept.isTyping], [["mail"], false])
    assert.deepStrictEqual(ids(press(kept, named("escape"))), ids(start))
    assert.deepStrictEqual(ids(press(typed, { name: "backspace" }, { name: "backspace" })), ids(start))
    const cleared = press(typed, named("escape"))
    assert.deepStrictEqual([cleared.filter, cleared.isTyping], ["", false])
  })

  it("keys go into the filter while one types, and control characters do not", () => {
    const [state, command] = onKey(press(start, { sequence: "/" }), named("q"))
    assert.isUndefined(command)
    assert.strictEqual(press(state, { name: "tab", sequence: "\t" }, { name: "up", sequence: "\u001B[A" }).filter, "q")
  })

  it("enter shows only the selected pool, and all again", () => {
    const zoomed = press(start, named("return"))
    assert.isTrue(zoomed.isZoomed)
    assert.isFalse(press(zoomed, named("return")).isZoomed)
    assert.isFalse(press(zoomed, named("escape")).isZoomed)
  })

  it("q and Ctrl-C quit, Ctrl-C also while one types", () => {
    const ctrlC: Key = { name: "c", sequence: "\u0003", ctrl: true }
    assert.deepStrictEqual(onKey(start, named("q"))[1], { _tag: "Quit" })
    assert.deepStrictEqual(onKey(start, ctrlC)[1], { _tag: "Quit" })
    assert.deepStrictEqual(onKey(press(start, { sequence: "/" }), ctrlC)[1], { _tag: "Quit" })
  })

  it("p pauses an open pool and resumes a paused one", () => {
    assert.deepStrictEqual(onKey(start, named("p"))[1], { _tag: "Act", action: "pause", id: "fetch" })
    const paused = onFrame(start, frame([row("fetch", { stats: stats({ phase: "Paused" }) })]))
    assert.deepStrictEqual(onKey(paused, named("p"))[1], { _tag: "Act", action: "resume", id: "fetch" })
  })

  it("p without a token, or where actions are off, says what is missing until the next key", () => {
    const [noToken, none] = onKey({ ...start, hasToken: false }, named("p"))
    assert.isUndefined(none)
    assert.include(noToken.note, "#token=")
    const [off, nothing] = onKey(onHello(start, hello({ actions: false })), named("p"))
    assert.isUndefined(nothing)
    assert.include(off.note, "actions: true")
    assert.strictEqual(press(off, named("down")).note, "")
  })

  it("p on a distributed pool says that it cannot be paused from here", () => {
    const far = onFrame(start, frame([row("fetch", { distributed: true })]))
    const [state, command] = onKey(far, named("p"))
    assert.isUndefined(command)
    assert.strictEqual(state.note, "fetch is a distributed pool, which cannot be paused from here")
  })

  it("a curve goes on where the history ends, with means of its steps", () => {
    const rated = (ended: number, at: number) => frame([row("a", { rates: { ended, failed: 0, rejected: 0 } })], { at })
    let state = onHello(start, hello({ sparks: { a: [null, 1, 2] }, at: 0, history: 60 }))
    const values = () => state.sparks.get("a")!.values
    state = onFrame(state, rated(10, 250))
    assert.deepStrictEqual(values(), [null, 1, 2, 10])
    state = onFrame(state, rated(20, 500))
    assert.deepStrictEqual(values(), [null, 1, 2, 15])
    state = onFrame(state, rated(7, 1250))
    assert.deepStrictEqual(values(), [null, 1, 2, 15, 7])
    for (let second = 2; second < 100; second++) state = onFrame(state, rated(second, 1000 * second + 500))
    assert.strictEqual(values().length, 60)
    assert.isUndefined(onFrame(state, frame([])).sparks.get("a"))
  })
})
