import { AioFixedTaskPoolSimple, PoolRegistry, TaskPool } from "@aio-task-pool/core"
import { gated, settle, start } from "@aio-task-pool/testing/kit"
import { makeTerminal } from "@aio-task-pool/testing/terminal"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Progress } from "../src/index.ts"

type Terminal = ReturnType<typeof makeTerminal>

const screenOf = (terminal: Terminal) => Effect.promise(() => terminal.lines())
const tick = TestClock.adjust("100 millis")

/** Registers a test that shows its own pools on its own terminal. */
const onTerminal = (
  name: string,
  test: (terminal: Terminal) => Effect.Effect<unknown, unknown, TaskPool | Scope>,
  { columns = 80, size = 2, isTTY = true, poolName = "fetch" } = {}
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const terminal = makeTerminal(columns)
      Object.assign(terminal.stream, { isTTY })
      const pool = AioFixedTaskPoolSimple.layer(size, { name: poolName })
      yield* Effect.scoped(test(terminal)).pipe(
        Effect.provide(pool),
        Effect.provide(Progress.layer({ stream: terminal.stream })),
        Effect.provideService(PoolRegistry, yield* PoolRegistry.make)
      )
      // The program has ended: nothing is drawn any more.
      assert.isFalse(Object.hasOwn(terminal.stream, "write"))
    })
  )

const sleep = (millis: number) => () => Effect.sleep(millis)
const range = (length: number) => Array.from({ length }, (_, i) => i)

describe("Progress on a terminal", () => {
  onTerminal(
    "shows a pool while it works, and its last line stays",
    (terminal) =>
      Effect.gen(function* () {
        yield* tick
        assert.deepStrictEqual(yield* screenOf(terminal), [])
        yield* Effect.forEach(range(8), () => TaskPool.fork(Effect.sleep("1 second")))
        yield* TestClock.adjust("1900 millis")
        yield* tick
        yield* settle
        yield* tick
        const [line, ...others] = yield* screenOf(terminal)
        assert.deepStrictEqual(others, [])
        assert.match(line!, /^fetch {2}█+░+ {3}50 % {2}4 of 8 +2\.0\/s {2}2\.0 s left {2}2\/2 running {2}2 waiting$/)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* screenOf(terminal), [])
      }),
    { columns: 100 }
  )

  it.effect("a pool that leaves has its last line, with the outcomes of its tasks", () =>
    Effect.gen(function* () {
      const terminal = makeTerminal(100)
      const program = Effect.gen(function* () {
        yield* Effect.exit(TaskPool.submit(Effect.fail("no")))
        yield* TaskPool.submit(Effect.void)
        const handle = yield* TaskPool.fork(Effect.never)
        yield* TaskPool.fork(Effect.sleep("1 second"))
        yield* tick
        yield* handle.cancel
        yield* TestClock.adjust("1 second")
      })
      yield* program.pipe(
        Effect.provide(AioFixedTaskPoolSimple.layer(2, { name: "fetch" })),
        Effect.provide(Progress.layer({ stream: terminal.stream })),
        Effect.provideService(PoolRegistry, yield* PoolRegistry.make)
      )
      assert.deepStrictEqual(yield* screenOf(terminal), ["✗ fetch: 2 succeeded, 1 cancelled in 1.0 s, 1 failed"])
    })
  )

  onTerminal("a forEach over a known number of items finds its total by itself", (terminal) =>
    Effect.gen(function* () {
      const work = yield* start(TaskPool.forEach(range(10), sleep(1000)).pipe(Progress.track({ label: "items" })))
      yield* TestClock.adjust("2050 millis")
      yield* tick
      const [line] = yield* screenOf(terminal)
      assert.match(line!, /^items {2}█+░+ {3}40 % {2} 4 of 10 +1\.\d\/s {2}3\.\d s left$/)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(work)
      assert.deepStrictEqual((yield* screenOf(terminal))[0], "✓ items: 10 of 10 in 5.0 s")
    })
  )

  onTerminal("the totals of several operations add up, and one without a total leaves it open", (terminal) =>
    Effect.gen(function* () {
      const twice = Effect.andThen(TaskPool.forEach(range(4), sleep(100)), TaskPool.forEach(range(6), sleep(100)))
      const stream = Stream.runDrain(TaskPool.mapEffect(Stream.range(1, 3), sleep(100)))
      yield* start(Progress.track(twice, { label: "twice" }))
      yield* TestClock.adjust("1 second")
      yield* start(Progress.track(Effect.andThen(twice, stream), { label: "and a stream" }))
      yield* TestClock.adjust("2 seconds")
      yield* start(Progress.track(Effect.andThen(twice, stream), { label: "given", total: 13 }))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* screenOf(terminal)).map((line) => line.replace(/ in .*/, "")),
        ["✓ twice: 10 of 10", "✓ and a stream: 13", "✓ given: 13 of 13"]
      )
    })
  )

  onTerminal("counts tasks that are submitted one by one, failed ones in their own number", (terminal) =>
    Effect.gen(function* () {
      const fetch = (n: number) => (n % 4 === 0 ? Effect.fail("no") : Effect.sleep("1 second"))
      const one = (n: number) => Effect.exit(TaskPool.submit(fetch(n)))
      yield* start(
        Effect.forEach(range(8), one, { concurrency: "unbounded" }).pipe(Progress.track({ label: "steps", total: 8 }))
      )
      yield* TestClock.adjust("1100 millis")
      assert.match((yield* screenOf(terminal))[0]!, /^steps .* 50 % {2}4 of 8 .* 2 failed$/)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* screenOf(terminal))[0], "✓ steps: 8 of 8 in 3.0 s, 2 failed")
    })
  )

  onTerminal("step counts work outside of pools, and not the tasks within", (terminal) =>
    Effect.gen(function* () {
      const one = Progress.step(TaskPool.forEach(range(5), sleep(100)))
      yield* start(Progress.track(Effect.replicateEffect(one, 3), { label: "steps", total: 3 }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* screenOf(terminal))[0], "✓ steps: 3 of 3 in 0.9 s")
    })
  )

  onTerminal("an interrupted work says how far it came", (terminal) =>
    Effect.gen(function* () {
      const work = yield* start(Progress.track(TaskPool.forEach(range(10), sleep(1000)), { label: "items" }))
      yield* TestClock.adjust("2100 millis")
      yield* Fiber.interrupt(work)
      assert.strictEqual((yield* screenOf(terminal))[0], "✗ items: interrupted at 4 of 10 after 2.1 s")
    })
  )

  onTerminal("a work that fails says how far it came, and keeps its failure", (terminal) =>
    Effect.gen(function* () {
      const f = (n: number) => (n === 5 ? Effect.fail("no") : Effect.sleep("1 second"))
      const work = yield* start(Progress.track(TaskPool.forEach(range(10), f), { label: "items" }))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.await(work), Exit.fail("no"))
      assert.strictEqual((yield* screenOf(terminal))[0], "✗ items: stopped at 5 of 10 after 2.0 s, 1 failed")
    })
  )

  onTerminal("work without items says how long it took", (terminal) =>
    Effect.gen(function* () {
      yield* start(Progress.track(Effect.sleep("2 seconds"), { label: "sleep" }))
      yield* start(Effect.exit(Progress.track(Effect.delay(Effect.fail("no"), "3 seconds"), { label: "fail" })))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* screenOf(terminal), ["✓ sleep: done in 2.0 s", "✗ fail: stopped after 3.0 s"])
    })
  )

  onTerminal("logs of the program appear above the lines", (terminal) =>
    Effect.gen(function* () {
      const gate = gated(1)
      yield* start(
        Progress.track(
          TaskPool.forEach([1], () => gate.task),
          { label: "items" }
        )
      )
      yield* tick
      terminal.stream.write("a log line\n")
      yield* tick
      const lines = yield* screenOf(terminal)
      assert.strictEqual(lines[0], "a log line")
      assert.match(lines[1]!, /^items/)
      assert.match(lines[2]!, /^fetch/)
      yield* gate.open
    })
  )

  onTerminal("fits its lines into a terminal that becomes narrow", (terminal) =>
    Effect.gen(function* () {
      const gate = gated(1)
      yield* start(
        Progress.track(
          TaskPool.forEach([1, 2], () => gate.task),
          { label: "items" }
        )
      )
      yield* tick
      yield* Effect.promise(() => terminal.resize(24))
      const lines = yield* screenOf(terminal)
      for (const line of lines) assert.isAtMost(line.length, 23)
      assert.strictEqual(lines.length, 2)
      yield* gate.open
    })
  )

  onTerminal("shows as many lines as the terminal has room for", (terminal) =>
    Effect.gen(function* () {
      const gate = gated(1)
      const works = range(30).map((n) =>
        start(Progress.track(Effect.andThen(gate.task, Effect.void), { label: `work ${n}` }))
      )
      yield* Effect.all(works)
      yield* tick
      const lines = yield* screenOf(terminal)
      assert.strictEqual(lines.length, 23)
      assert.strictEqual(lines.at(-1), "and 8 more")
      yield* gate.open
      yield* settle
    })
  )

  onTerminal("a label cannot control the terminal", (terminal) =>
    Effect.gen(function* () {
      yield* start(Progress.track(Effect.never, { label: "\u001B]0;owned\u0007\u001B[2Ja\nb" }))
      yield* tick
      const [line, ...others] = yield* screenOf(terminal)
      assert.match(line!, /^\]0;owned\[2Jab/)
      assert.deepStrictEqual(others, [])
    })
  )

  onTerminal(
    "a pool's name cannot control the terminal",
    (terminal) =>
      Effect.gen(function* () {
        yield* TaskPool.fork(Effect.sleep("1 second"))
        yield* tick
        assert.match((yield* screenOf(terminal))[0]!, /^\[2Jpool/)
        yield* TestClock.adjust("1 second")
      }),
    { poolName: "\u001B[2Jpool" }
  )

  it.effect("what a pool has done before is not in its bar", () =>
    Effect.gen(function* () {
      const terminal = makeTerminal(100)
      const submitted = Effect.forEach(range(4), () => TaskPool.submit(Effect.void))
      const shown = Effect.gen(function* () {
        yield* submitted
        yield* tick
        yield* TaskPool.fork(Effect.sleep("1 second"))
        yield* tick
        assert.match((yield* screenOf(terminal))[0]!, /^fetch .* 0 of 1 /)
        yield* TestClock.adjust("1 second")
      }).pipe(Effect.provide(Progress.layer({ stream: terminal.stream })))
      yield* Effect.andThen(submitted, shown).pipe(
        Effect.provide(AioFixedTaskPoolSimple.layer(2, { name: "fetch" })),
        Effect.provideService(PoolRegistry, yield* PoolRegistry.make)
      )
      assert.deepStrictEqual(yield* screenOf(terminal), ["✓ fetch: 5 succeeded in 0.9 s"])
    })
  )

  it.live("is drawn while tasks block the event loop", () =>
    Effect.gen(function* () {
      // A task must take time without an event loop: real time.
      const terminal = makeTerminal()
      const block = Effect.sync(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100))
      yield* TaskPool.forEach(range(8), () => block).pipe(
        Progress.track({ label: "blocking" }),
        Effect.provide(AioFixedTaskPoolSimple.layer(1)),
        Effect.provide(Progress.layer({ stream: terminal.stream, hz: 20 }))
      )
      const counts = new Set(Array.from(terminal.written.join("").matchAll(/(\d) of 8/g), ([, count]) => count))
      assert.isAtLeast(counts.size, 4)
    })
  )

  onTerminal("the bar of a pool starts anew after a pause of a second", (terminal) =>
    Effect.gen(function* () {
      for (let i = 0; i < 2; i++) {
        yield* Effect.forEach(range(4), () => TaskPool.fork(Effect.sleep("1 second")))
        yield* TestClock.adjust("1100 millis")
        assert.match((yield* screenOf(terminal)).at(-1)!, /50 % {2}2 of 4/)
        yield* TestClock.adjust("5 seconds")
      }
    })
  )
})

describe("Progress without a terminal", () => {
  const lineByLine = { isTTY: false }

  onTerminal(
    "writes a line at each quarter and one at the end",
    (terminal) =>
      Effect.gen(function* () {
        const work = yield* start(Progress.track(TaskPool.forEach(range(8), sleep(1000)), { label: "items" }))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(work)
        assert.deepStrictEqual(
          terminal.written.map((line) => line.replace(/\d\.\d\/s/, "N/s")),
          [
            "items: 2 of 8 (25 %), N/s\n",
            "items: 4 of 8 (50 %), N/s\n",
            "items: 6 of 8 (75 %), N/s\n",
            "items: 8 of 8 in 4.0 s\n"
          ]
        )
      }),
    lineByLine
  )

  onTerminal(
    "writes a line at each quarter of work that takes no time",
    (terminal) =>
      Effect.gen(function* () {
        yield* Progress.track(TaskPool.forEach(range(1000), Effect.succeed), { label: "items" })
        assert.deepStrictEqual(terminal.written, [
          "items: 250 of 1000 (25 %)\n",
          "items: 500 of 1000 (50 %)\n",
          "items: 750 of 1000 (75 %)\n",
          "items: 1000 of 1000 in 0.0 s\n"
        ])
      }),
    lineByLine
  )

  onTerminal(
    "writes lines of a pool only while no work is tracked",
    (terminal) =>
      Effect.gen(function* () {
        yield* Effect.forEach(range(8), () => TaskPool.fork(Effect.sleep("1 second")))
        yield* TestClock.adjust("2100 millis")
        assert.deepStrictEqual(
          terminal.written.map((line) => line.split(",")[0]),
          ["fetch: 2 of 8 (25 %)", "fetch: 4 of 8 (50 %)"]
        )
        yield* start(Progress.track(Effect.sleep("10 seconds"), { label: "all" }))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(terminal.written.length, 3)
        assert.strictEqual(terminal.written[2], "all: done in 10 s\n")
      }),
    lineByLine
  )

  it.effect("TERM=dumb is no terminal", () =>
    Effect.gen(function* () {
      const before = process.env["TERM"]
      process.env["TERM"] = "dumb"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (before === undefined) delete process.env["TERM"]
          else process.env["TERM"] = before
        })
      )
      const { stream, written } = makeTerminal()
      yield* Effect.sleep("1 second").pipe(
        Progress.track({ label: "sleep" }),
        Effect.provide(Progress.layer({ stream })),
        start
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(written, ["sleep: done in 1.0 s\n"])
    }).pipe(Effect.scoped)
  )
})

describe("Progress without a layer", () => {
  it.effect("track and step are the effect itself", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Progress.track(Progress.step(Effect.succeed(1)), { label: "one" }), 1)
      assert.deepStrictEqual(yield* Effect.exit(Progress.track(Effect.fail("no"), { label: "one" })), Exit.fail("no"))
    })
  )
})

describe("the options of Progress", () => {
  it("are checked where they are given", () => {
    for (const hz of [0, -1, 61, NaN, "10"]) {
      assert.throws(
        () => Progress.layer({ hz: hz as number }),
        RangeError,
        "Progress.layer: hz must be a number above 0"
      )
    }
  })

  it("the stream must be one", () => {
    assert.throws(
      () => Progress.layer({ stream: {} as unknown as NodeJS.WriteStream }),
      RangeError,
      "Progress.layer: stream must be a writable stream, got {}"
    )
  })

  it("misspelled ones are named", () => {
    const message = 'Progress.layer: unknown option "herz" (known: hz, stream)'
    assert.throws(() => Progress.layer({ herz: 5 } as object), TypeError, message)
    assert.throws(
      () => Progress.layer(null as never),
      RangeError,
      "Progress.layer: options must be an object, got null"
    )
  })

  it.effect("a registry that fails while the layer closes does not keep the terminal", () =>
    Effect.gen(function* () {
      const terminal = makeTerminal(80)
      const registry = yield* PoolRegistry.make
      let fails = false
      const pools = Effect.suspend(() => (fails ? Effect.die("of a registry") : registry.pools))
      const work = Effect.sync(() => (fails = true)).pipe(Progress.track({ label: "a" }), Effect.andThen(tick))
      const exit = yield* Progress.track(Effect.andThen(tick, work), { label: "b" }).pipe(
        Effect.provide(Progress.layer({ stream: terminal.stream })),
        Effect.provideService(PoolRegistry, { ...registry, pools, changes: registry.changes }),
        Effect.exit
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.isFalse(Object.hasOwn(terminal.stream, "write"))
    })
  )

  it.effect("a misspelled option of track is a defect that names it", () =>
    Effect.gen(function* () {
      const misspelled = { label: "a", totl: 3 } as { label: string }
      const exit = yield* Effect.exit(Progress.track(Effect.void, misspelled))
      assert.match(String(exit), /Progress\.track: unknown option \\?"totl\\?" \(known: label, total\)/)
      const none = yield* Effect.exit(Progress.track(Effect.void, null as never))
      assert.match(String(none), /Progress\.track: options must be an object, got null/)
    })
  )

  it.effect("a wrong total or label is a defect", () =>
    Effect.gen(function* () {
      for (const total of [-1, 1.5, NaN, "3" as never, 3n as never, Symbol("3") as never]) {
        const exit = yield* Effect.exit(Progress.track(Effect.void, { label: "a", total }))
        assert.match(String(exit), /Progress\.track: total must be an integer >= 0, got/)
      }
      const exit = yield* Effect.exit(Progress.track(Effect.void, { label: 1 as unknown as string }))
      assert.match(String(exit), /Progress\.track: label must be a string, got 1/)
    })
  )
})
