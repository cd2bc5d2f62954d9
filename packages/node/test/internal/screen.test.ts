import { assert, describe, it } from "@effect/vitest"
import { Screen } from "../../src/internal/progress/screen.ts"
import { makeTerminal } from "@aio-task-pool/testing/terminal"

const setUp = (columns = 40, rows = 10) => {
  const terminal = makeTerminal(columns, rows)
  const shown = { lines: ["bar 1", "bar 2"] as ReadonlyArray<string> }
  const screen = new Screen(terminal.stream, [], () => shown.lines)
  const draw = (...lines: ReadonlyArray<string>): void => {
    shown.lines = lines
    screen.refresh()
  }
  return { ...terminal, shown, draw }
}

describe("the screen", () => {
  it("redraws its lines in place, whether there are more, fewer or shorter ones", async () => {
    const { draw, lines, stream } = setUp()
    stream.write("before\n")
    draw("one", "two")
    draw("1", "2", "3")
    assert.deepStrictEqual(await lines(), ["before", "1", "2", "3"])
    draw("last")
    assert.deepStrictEqual(await lines(), ["before", "last"])
    draw()
    assert.deepStrictEqual(await lines(), ["before"])
  })

  it("shows what is written above the lines, whole lines at a time", async () => {
    const { draw, lines, stream } = setUp()
    draw("bar")
    stream.write("log 1\nlog 2\n")
    stream.write("half a ")
    assert.deepStrictEqual(await lines(), ["log 1", "log 2", "bar"])
    stream.write(Buffer.from("line\n"))
    assert.deepStrictEqual(await lines(), ["log 1", "log 2", "half a line", "bar"])
    stream.write("prompt> ")
    draw()
    assert.deepStrictEqual(await lines(), ["log 1", "log 2", "half a line", "prompt>"])
  })

  it("a write of the program that throws leaves the lines as they were", async () => {
    const { draw, lines, stream } = setUp()
    const write = stream.write.bind(stream) as (...args: ReadonlyArray<unknown>) => boolean
    stream.write = (...args: ReadonlyArray<unknown>) => {
      if (args[0] === "bad\n") throw new Error("bad chunk")
      return write(...args)
    }
    draw("bar")
    assert.throws(() => stream.write("bad\n"), "bad chunk")
    draw("bar 2")
    assert.deepStrictEqual(await lines(), ["bar 2"])
    assert.strictEqual(stream.listenerCount("resize"), 1)
    draw()
  })

  it("a held write that throws at the end leaves no stream intercepted", () => {
    const [one, two] = [makeTerminal(40, 10), makeTerminal(40, 10)]
    const before = process.listenerCount("exit")
    const own = one.stream.write.bind(one.stream) as (...args: ReadonlyArray<unknown>) => boolean
    const write = (...args: ReadonlyArray<unknown>) => {
      if (args[0] === "half") throw new Error("bad chunk")
      return own(...args)
    }
    one.stream.write = write
    let shown = ["bar"]
    const screen = new Screen(one.stream, [two.stream], () => shown)
    screen.refresh()
    one.stream.write("half")
    shown = []
    assert.throws(() => screen.refresh(), "bad chunk")
    assert.strictEqual(one.stream.write, write)
    assert.isFalse(Object.hasOwn(two.stream, "write"))
    assert.strictEqual(process.listenerCount("exit"), before)
    assert.strictEqual(one.stream.listenerCount("resize"), 0)
  })

  it("calls the callbacks of the writes it has held", async () => {
    const { draw, stream } = setUp()
    draw("bar")
    const called: Array<string> = []
    stream.write("a", () => called.push("a"))
    stream.write("b\n", "utf8", () => called.push("b"))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(called, ["a", "b"])
  })

  it("does not keep a writer waiting that waits for its text before it writes the line feed", async () => {
    const { draw, lines, stream } = setUp()
    draw("bar")
    const chunk = Buffer.from("one ")
    await new Promise((resolve) => stream.write(chunk, resolve))
    // The writer's memory is its own again.
    chunk.fill("?")
    await new Promise((resolve) => stream.write("two ", "utf8", resolve))
    assert.deepStrictEqual(await lines(), ["bar"])
    stream.write("three\n")
    assert.deepStrictEqual(await lines(), ["one two three", "bar"])
  })

  it("a text that no stream takes throws in its own write, and nothing else is lost", async () => {
    const { draw, lines, stream } = setUp()
    draw("bar")
    stream.write("half a ")
    assert.throws(() => stream.write(5), /must be of type string/)
    stream.write("line\n")
    assert.deepStrictEqual(await lines(), ["half a line", "bar"])
  })

  it("shows what other streams of the same terminal write above the lines", async () => {
    const { emulator, lines, stream } = makeTerminal()
    const other = makeTerminal()
    other.stream.write = ((chunk: string) => {
      emulator.write(chunk)
      return true
    }) as typeof stream.write
    const screen = new Screen(stream, [stream, other.stream], () => ["bar"])
    screen.refresh()
    other.stream.write("from the other\n")
    stream.write("from this one\n")
    assert.deepStrictEqual(await lines(), ["from the other", "from this one", "bar"])
  })

  it("leaves the streams as it found them", async () => {
    const { draw, stream } = setUp()
    assert.isFalse(Object.hasOwn(stream, "write"))
    draw("bar")
    assert.isTrue(Object.hasOwn(stream, "write"))
    draw()
    assert.isFalse(Object.hasOwn(stream, "write"))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepStrictEqual([stream.listenerCount("resize"), stream.listenerCount("error")], [0, 0])
  })

  it("only passes on when another function was put above its own", async () => {
    const { draw, lines, stream } = setUp()
    draw("bar")
    const below = stream.write
    const above = ((chunk: string) =>
      (below as (chunk: string) => boolean).call(stream, `[${chunk.trim()}]\n`)) as typeof stream.write
    stream.write = above
    draw()
    stream.write("once")
    assert.strictEqual(stream.write, above)
    draw("bar again")
    stream.write("twice")
    assert.deepStrictEqual(await lines(), ["[once]", "[twice]", "bar again"])
  })

  it("erases wrapped lines when the terminal has become narrow, and nothing above them", async () => {
    const { draw, lines, resize, shown, stream } = setUp(40, 10)
    stream.write("before\n")
    const wide = "x".repeat(39)
    draw(wide, wide)
    shown.lines = ["narrow", "narrow"]
    await resize(15)
    assert.deepStrictEqual(await lines(), ["before", "narrow", "narrow"])
    shown.lines = ["wide again"]
    await resize(60)
    assert.deepStrictEqual(await lines(), ["before", "wide again"])
  })

  it("keeps its lines below a log that is longer than the terminal", async () => {
    const { draw, lines, stream } = setUp(40, 5)
    draw("bar 1", "bar 2")
    for (let i = 0; i < 20; i++) stream.write(`log ${i}\n`)
    assert.deepStrictEqual(await lines(), [...Array.from({ length: 20 }, (_, i) => `log ${i}`), "bar 1", "bar 2"])
  })

  it("is not harmed by a stream that throws, and leaves it alone from then on", () => {
    const { draw, stream } = setUp()
    let writes = 0
    stream.write = (() => {
      writes++
      throw new Error("no terminal")
    }) as typeof stream.write
    draw("bar")
    draw("bar")
    draw()
    assert.strictEqual(writes, 1)
  })

  it("is not harmed by a reader that has gone away", async () => {
    const { draw, stream } = setUp()
    draw("bar")
    stream.destroy()
    draw("bar")
    draw()
    await new Promise((resolve) => setImmediate(resolve))
    assert.strictEqual(stream.listenerCount("error"), 0)
  })
})
