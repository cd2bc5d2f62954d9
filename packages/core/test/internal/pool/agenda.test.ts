import { settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { AsyncLocalStorage } from "node:async_hooks"
import { Agenda, type Due } from "../../../src/internal/pool/agenda.ts"
import { checkRate, RateGate } from "../../../src/internal/pool/rate.ts"

const day = 24 * 60 * 60 * 1000

/** A clock with another sleep. */
const withSleep = (clock: Clock.Clock, sleep: Clock.Clock["sleep"]): Clock.Clock =>
  Object.assign(Object.create(clock), { sleep })

/** Counts the sleeps over the clock of the test. */
const countSleeps = (clock: Clock.Clock) => {
  const asked: Array<number> = []
  const counts = { now: 0 }
  const counted = withSleep(clock, (duration) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        counts.now++
        asked.push(Duration.toMillis(duration))
      }),
      () => clock.sleep(duration),
      () => Effect.sync(() => void counts.now--)
    )
  )
  return { clock: counted, asked, sleeping: () => counts.now }
}

/** A clock whose time is set by hand, and whose sleeps end when they are told to. */
const manualClock = () => {
  const asked: Array<number> = []
  let time = 0
  let wakers: Array<() => void> = []
  const nanos = () => BigInt(Math.round(time * 1e6))
  return {
    asked,
    sleeping: () => wakers.length,
    set: (millis: number) => void (time = millis),
    /** Ends all sleeps at a time. */
    wake: (millis: number) =>
      Effect.suspend(() => {
        time = millis
        const woken = wakers
        wakers = []
        for (const wake of woken) wake()
        return settle
      }),
    currentTimeMillisUnsafe: () => time,
    currentTimeMillis: Effect.sync(() => time),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration: Duration.Duration): Effect.Effect<void> =>
      Effect.callback((resume) => {
        asked.push(Duration.toMillis(duration))
        const wake = () => resume(Effect.void)
        wakers.push(wake)
        return Effect.sync(() => {
          wakers = wakers.filter((other) => other !== wake)
        })
      })
  }
}

/** An agenda in the present context, over the clock of the test unless another is given. */
const makeAgenda = (wrap: (clock: Clock.Clock) => Clock.Clock = (clock) => clock) =>
  Effect.contextWith((context: Context.Context<never>) => {
    const defects: Array<unknown> = []
    const clock = wrap(Context.get(context, Clock.Clock))
    const agenda = new Agenda(Context.add(context, Clock.Clock, clock), (defect, message) =>
      defects.push(message ?? defect)
    )
    return Effect.succeed({ agenda, defects })
  })

/** Items that note their name, and the time, when they fire. */
const recorder = (agenda: Agenda) => {
  const fired: Array<string> = []
  const times: Array<number> = []
  const item = (name: string, then: (self: Due) => void = () => {}): Due => ({
    agendaSlot: -1,
    fire() {
      fired.push(name)
      times.push(agenda.now())
      then(this)
    }
  })
  return { fired, times, item }
}

describe("the order", () => {
  it.effect("items fire at their time, equal times in the order of adding", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item, times } = recorder(agenda)
      for (const [name, at] of [
        ["a", 20],
        ["b", 10],
        ["c", 20],
        ["d", 15],
        ["e", 10]
      ] as const)
        agenda.add(item(name), at)
      assert.strictEqual(agenda.size, 5)
      yield* TestClock.adjust(14)
      assert.deepStrictEqual(fired, ["b", "e"])
      yield* TestClock.adjust(6)
      assert.deepStrictEqual(fired, ["b", "e", "d", "a", "c"])
      assert.deepStrictEqual(times, [10, 10, 15, 20, 20])
      assert.strictEqual(agenda.size, 0)
    })
  )

  it.effect("many items of one time keep the order of adding, also when others are removed", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item } = recorder(agenda)
      const items = Array.from({ length: 100 }, (_, index) => item(`${index}`))
      for (const [index, item] of items.entries()) agenda.add(item, 10 + (index % 3))
      for (const item of items.slice(40, 50)) agenda.remove(item)
      yield* TestClock.adjust(20)
      const inOrder = [0, 1, 2].flatMap((time) => Array.from({ length: 34 }, (_, index) => 3 * index + time))
      assert.deepStrictEqual(fired, inOrder.filter((index) => index < 100 && (index < 40 || index >= 50)).map(String))
    })
  )

  it.effect("a day of items that add themselves again is one adjustment of the clock", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { item, times } = recorder(agenda)
      const hourly = item("hourly", (self) => agenda.add(self, agenda.now() + day / 24))
      agenda.add(hourly, day / 24)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(
        times,
        Array.from({ length: 24 }, (_, hour) => ((hour + 1) * day) / 24)
      )
      agenda.remove(hourly)
    })
  )

  it.effect("an item that is added again moves", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item, times } = recorder(agenda)
      const [a, b] = [item("a"), item("b")]
      agenda.add(a, 10)
      agenda.add(b, 20)
      agenda.add(a, 30)
      assert.strictEqual(agenda.size, 2)
      yield* TestClock.adjust(15)
      agenda.add(b, 18)
      yield* TestClock.adjust(15)
      assert.deepStrictEqual(
        [fired, times],
        [
          ["b", "a"],
          [18, 30]
        ]
      )
    })
  )

  it.effect("a removed item does not fire, and may be removed again", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item } = recorder(agenda)
      const [a, b] = [item("a"), item("b")]
      agenda.remove(a)
      agenda.add(a, 10)
      agenda.add(b, 10)
      agenda.remove(a)
      agenda.remove(a)
      assert.strictEqual(agenda.size, 1)
      assert.deepStrictEqual([a.agendaSlot, b.agendaSlot >= 0], [-1, true])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(fired, ["b"])
      assert.strictEqual(b.agendaSlot, -1)
    })
  )

  const Command = Schema.Tuple([
    Schema.Literals(["add", "add", "add", "remove", "move", "pass"]),
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
    Schema.Literals([-1, 0, 0.5, 1, 1, 2, 3, 7, 20])
  ])

  it.effect.prop(
    "any additions, removals and moves fire in the order of a sorted array",
    [Arbitrary.array(Arbitrary.schema(Command), { maxLength: 120 })],
    ([commands]) =>
      Effect.gen(function* () {
        const { agenda } = yield* makeAgenda()
        const { fired, item } = recorder(agenda)
        interface Modelled {
          readonly name: string
          readonly item: Due
          at: number
          turn: number
        }
        let model: Array<Modelled> = []
        const expected: Array<string> = []
        const expire = (now: number) => {
          const due = model.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.turn - b.turn)
          expected.push(...due.map(({ name }) => name))
          model = model.filter(({ at }) => at > now)
        }
        for (const [turn, [command, index, delay]] of commands.entries()) {
          const at = agenda.now() + delay
          const chosen = model[index % Math.max(1, model.length)]
          if (command === "add") {
            const added = { name: `${turn}`, item: item(`${turn}`), at, turn }
            model.push(added)
            agenda.add(added.item, at)
          } else if (command === "pass") {
            yield* TestClock.adjust(Math.max(0, delay))
            expire(agenda.now())
          } else if (chosen !== undefined && command === "remove") {
            model = model.filter((other) => other !== chosen)
            agenda.remove(chosen.item)
          } else if (chosen !== undefined) {
            chosen.at = at
            chosen.turn = turn
            agenda.add(chosen.item, at)
          }
          assert.strictEqual(agenda.size, model.length)
          assert.deepStrictEqual(fired, expected)
        }
        yield* TestClock.adjust(100)
        expire(agenda.now())
        assert.deepStrictEqual(fired, expected)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect("a thousand items keep the order while most of them are removed", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item } = recorder(agenda)
      const items = Array.from({ length: 1000 }, (_, index) => ({
        at: (index * 7919) % 997,
        item: item(`${index}`)
      }))
      for (const { at, item } of items) agenda.add(item, at)
      const kept = items.filter((_, index) => index % 19 === 0)
      for (const [index, { item }] of items.entries()) if (index % 19 !== 0) agenda.remove(item)
      for (const { at, item } of items.slice(1, 10)) agenda.add(item, at)
      yield* TestClock.adjust(1000)
      const expected = [...kept, ...items.slice(1, 10)].sort((a, b) => a.at - b.at)
      assert.deepStrictEqual(
        fired,
        expected.map(({ item }) => `${items.findIndex((other) => other.item === item)}`)
      )
    })
  )
})

describe("the timer", () => {
  it.effect("there is one while there are items, and none at rest", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      const items = Array.from({ length: 100 }, (_, index) => item(`${index}`))
      assert.strictEqual(counted.sleeping(), 0)
      for (const [index, item] of items.entries()) agenda.add(item, 1000 + index)
      assert.deepStrictEqual(counted.asked, [1000], "items in order of time start no other sleep")
      for (const item of items) {
        assert.strictEqual(counted.sleeping(), 1)
        agenda.remove(item)
      }
      assert.strictEqual(counted.sleeping(), 0, "the last item takes the timer with it, in this step")
      agenda.add(items[0]!, 500)
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(fired, ["0"])
      assert.strictEqual(counted.sleeping(), 0)
      assert.deepStrictEqual(counted.asked, [1000, 500])
    })
  )

  it.live("an agenda at rest has no timer of the platform that would keep its process alive", () =>
    Effect.sync(() => {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const agenda = new Agenda(Context.empty(), () => {})
      const { item } = recorder(agenda)
      const before = timers()
      const [a, b] = [item("a"), item("b")]
      agenda.add(a, agenda.now() + day)
      agenda.add(b, agenda.now() + 1000)
      assert.strictEqual(timers(), before + 1)
      agenda.remove(b)
      agenda.remove(a)
      assert.strictEqual(timers(), before)
    })
  )

  it.effect("an earlier item replaces the sleep, and the later one still fires", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      agenda.add(item("late"), day)
      agenda.add(item("early"), 10)
      assert.deepStrictEqual([counted.sleeping(), counted.asked], [1, [day, 10]])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(fired, ["early"])
      assert.strictEqual(counted.sleeping(), 1)
      yield* TestClock.adjust(day)
      assert.deepStrictEqual(fired, ["early", "late"])
      assert.strictEqual(counted.sleeping(), 0)
    })
  )

  it.effect("a sleep for an item that was removed ends once, and goes on to the next", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      const first = item("first")
      agenda.add(first, 10)
      agenda.add(item("second"), 100)
      agenda.remove(first)
      yield* TestClock.adjust(99)
      assert.deepStrictEqual([fired, counted.asked], [[], [10, 90]])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(fired, ["second"])
    })
  )

  it.effect("an item that is due already fires in a later step, without a sleep", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(100)
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      agenda.add(item("now"), 100)
      agenda.add(item("past"), 5)
      agenda.add(item("later"), 101)
      assert.deepStrictEqual(fired, [])
      yield* settle
      assert.deepStrictEqual(fired, ["past", "now"])
      assert.deepStrictEqual(counted.asked, [1])
    })
  )

  it.effect("a time that never comes needs no timer", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      agenda.add(item("never"), Infinity)
      agenda.add(item("once"), 10)
      yield* TestClock.adjust(day)
      assert.deepStrictEqual([fired, counted.asked, agenda.size], [["once"], [10], 1])
    })
  )

  it.effect("times beyond the longest timer are slept for in parts", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { item, times } = recorder(agenda)
      agenda.add(item("in two months"), 60 * day)
      yield* TestClock.adjust(61 * day)
      assert.deepStrictEqual(times, [60 * day])
      assert.isAtMost(Math.max(...counted.asked), 2 ** 31 - 1)
      assert.lengthOf(counted.asked, 3)
    })
  )

  it.effect("fractions of a millisecond are neither lost nor fired early", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item, times } = recorder(agenda)
      agenda.add(item("a"), 2.5)
      agenda.add(item("b"), 0.1 + 0.2)
      yield* TestClock.adjust("300 micros")
      // The clock says 0.3, which is below the sum.
      assert.deepStrictEqual(fired, [])
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(fired, ["b", "a"])
      assert.isTrue(times[0]! >= 0.1 + 0.2 && times[0]! < 0.301)
      assert.strictEqual(times[1], 2.5)
    })
  )

  it.effect("whole milliseconds stay whole at the times of a calendar, where nanoseconds have more than 53 bits", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { item, times } = recorder(agenda)
      for (let year = 2000; year < 2030; year++) {
        yield* TestClock.setTime(Date.UTC(year, 3, 5, 6, 7, 8, 9))
        for (let delay = 1; delay < 10; delay++) {
          const at = agenda.now() + delay
          agenda.add(item("a"), at)
          yield* TestClock.adjust(delay)
          assert.strictEqual(times.pop(), at)
        }
      }
    })
  )

  it.live("runs in the async context of the pool's maker, and not of who added an item", () =>
    Effect.gen(function* () {
      const storage = new AsyncLocalStorage<string>()
      const agenda = storage.run("maker", () => new Agenda(Context.empty(), () => {}))
      const seen: Array<unknown> = []
      yield* Effect.callback<void>((resume) => {
        const item = (name: string, then: () => void): Due => ({
          agendaSlot: -1,
          fire() {
            seen.push([name, storage.getStore()])
            then()
          }
        })
        storage.run("submitter", () => {
          const third = item("third", () => resume(Effect.void))
          const now = agenda.now()
          agenda.add(
            item("second", () => storage.run("other", () => agenda.add(third, 0))),
            now + 1
          )
          agenda.add(
            item("first", () => {}),
            now - 1
          )
          assert.strictEqual(storage.getStore(), "submitter")
        })
      })
      assert.deepStrictEqual(seen, [
        ["first", "maker"],
        ["second", "maker"],
        ["third", "maker"]
      ])
    })
  )

  it.effect("keeps nothing of an item that was removed or has fired", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { item } = recorder(agenda)
      const items = Array.from({ length: 50 }, (_, index) => item(`${index}`))
      const last = item("last")
      agenda.add(last, day)
      for (const [index, item] of items.entries()) agenda.add(item, 10 + index)
      yield* TestClock.adjust(34)
      for (const item of items.slice(25)) agenda.remove(item)
      assert.strictEqual(agenda.size, 1)
      assert.deepStrictEqual(reachable(agenda, new Set([...items, last])), [last])
      agenda.remove(last)
      assert.deepStrictEqual(reachable(agenda, new Set([...items, last])), [])
    })
  )

  it.effect("the memory of a burst is released", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { item } = recorder(agenda)
      const items = Array.from({ length: 10_000 }, (_, index) => item(`${index}`))
      for (const item of items) agenda.add(item, 1000)
      const capacity = () => agenda["heap"]["heap"]["slots"].length
      assert.isAtLeast(capacity(), 10_000)
      for (const item of items.slice(10)) agenda.remove(item)
      assert.isAtMost(capacity(), 128)
      yield* TestClock.adjust(1000)
      assert.strictEqual(capacity(), 16)
    })
  )
})

describe("firing", () => {
  it.effect("an item that throws is one defect, and the others fire", () =>
    Effect.gen(function* () {
      const { agenda, defects } = yield* makeAgenda()
      const { fired, item } = recorder(agenda)
      agenda.add(item("a"), 10)
      agenda.add(
        item("b", () => {
          throw new Error("b")
        }),
        10
      )
      agenda.add(item("c"), 10)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(fired, ["a", "b", "c"])
      assert.deepStrictEqual(defects, [new Error("b")])
    })
  )

  it.effect("an item may remove others that are due, add some, and move some", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const { fired, item, times } = recorder(agenda)
      const [b, c, d, e] = [item("b"), item("c"), item("d"), item("e")]
      const a = item("a", () => {
        agenda.remove(b)
        agenda.add(c, 20)
        agenda.add(e, 5)
        assert.deepStrictEqual([fired, agenda.size], [["a"], 3])
      })
      for (const item of [a, b, c, d]) agenda.add(item, 10)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(
        [fired, times],
        [
          ["a", "d", "e", "c"],
          [10, 10, 10, 20]
        ]
      )
    })
  )

  it.effect("the last item may remove itself, and add another", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      const { agenda } = yield* makeAgenda(() => counted.clock)
      const { fired, item } = recorder(agenda)
      agenda.add(
        item("a", (self) => {
          agenda.remove(self)
          const b = item("b")
          agenda.add(b, 30)
          agenda.remove(b)
          agenda.add(b, 20)
        }),
        10
      )
      yield* TestClock.adjust(15)
      assert.deepStrictEqual([fired, counted.asked, counted.sleeping()], [["a"], [10, 10], 1])
      yield* TestClock.adjust(5)
      assert.deepStrictEqual([fired, counted.sleeping()], [["a", "b"], 0])
    })
  )

  it.effect("items that add themselves again at once let other fibers run", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      const { agenda } = yield* makeAgenda(() => clock)
      const { fired, item } = recorder(agenda)
      const restless = item("restless", (self) => agenda.add(self, 0))
      agenda.add(restless, 10)
      yield* clock.wake(10)
      const before = fired.length
      yield* settle
      assert.isAtMost(fired.length - before, 40)
      assert.isAtLeast(fired.length - before, 1)
      agenda.remove(restless)
      const after = fired.length
      yield* settle
      assert.strictEqual(fired.length, after)
    })
  )

  it.effect("many items that are due at once fire in several steps", () =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const steps: Array<number> = []
      let inStep = 0
      const fire = () => {
        if (inStep++ > 0) return
        // Runs when this step of the event loop has ended.
        queueMicrotask(() => {
          steps.push(inStep)
          inStep = 0
        })
      }
      for (let index = 0; index < 5000; index++) agenda.add({ agendaSlot: -1, fire }, 10)
      yield* TestClock.adjust(10)
      while (agenda.size > 0) yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.deepStrictEqual(steps, [1024, 1024, 1024, 1024, 904])
    })
  )
})

describe("with a rate", () => {
  it.effect.each([30, 2.5, 100 / 3, 0.1])("spaced starts come one window of %d ms after the other", (window) =>
    Effect.gen(function* () {
      const { agenda } = yield* makeAgenda()
      const [rate] = checkRate("test", { limit: 1, window })
      const gate = new RateGate([rate!])
      const starts: Array<number> = []
      let fires = 0
      const next: Due = {
        agendaSlot: -1,
        fire() {
          fires++
          const now = agenda.now()
          assert.strictEqual(gate.untilStart(gate.defaultCosts, now), 0, "it fires when the start is allowed")
          gate.start(gate.defaultCosts, now)
          starts.push(now)
          if (starts.length < 50) agenda.add(this, now + gate.untilStart(gate.defaultCosts, now))
        }
      }
      agenda.add(next, 0)
      yield* TestClock.adjust(100 * window)
      assert.deepStrictEqual([starts.length, fires], [50, 50])
      for (const [index, start] of starts.entries()) {
        if (index > 0) assert.isAtLeast(start - starts[index - 1]!, rate!.window)
        // Clocks count nanoseconds, and one may have to be added.
        assert.closeTo(start, index * window, 2e-6 * (index + 1))
      }
    })
  )
})

describe("clocks", () => {
  it.effect("a sleep that ends a hair early fires nothing early, and asks for what is left", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      const { agenda } = yield* makeAgenda(() => clock)
      const { fired, item } = recorder(agenda)
      agenda.add(item("a"), 10)
      yield* clock.wake(9.7)
      assert.deepStrictEqual([fired, clock.sleeping()], [[], 1])
      assert.closeTo(clock.asked[1]!, 0.3, 1e-5)
      assert.isAtLeast(9.7 + clock.asked[1]!, 10)
      yield* clock.wake(10)
      assert.deepStrictEqual([fired, clock.sleeping(), clock.asked.length], [["a"], 0, 2])
    })
  )

  it.effect("a clock that jumps ahead fires all that it passed, in order", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      const { agenda } = yield* makeAgenda(() => clock)
      const { fired, item } = recorder(agenda)
      agenda.add(item("b"), 500)
      agenda.add(item("a"), 10)
      agenda.add(item("c"), day)
      yield* clock.wake(1000)
      assert.deepStrictEqual(fired, ["a", "b"])
      assert.strictEqual(clock.asked.at(-1), day - 1000)
    })
  )

  it.effect("time never falls, and a clock that went back delays the items", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      const { agenda } = yield* makeAgenda(() => clock)
      clock.set(50)
      assert.strictEqual(agenda.now(), 50)
      clock.set(20)
      assert.strictEqual(agenda.now(), 50)
      clock.set(51)
      assert.strictEqual(agenda.now(), 51)
    })
  )

  it.live("a sleep that does not wait is not repeated without a pause", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      let sleeps = 0
      const { agenda, defects } = yield* makeAgenda(() => ({
        ...clock,
        sleep: () => Effect.sync(() => void sleeps++)
      }))
      const { fired, item } = recorder(agenda)
      agenda.add(item("a"), day)
      agenda.add(item("b"), 0.5)
      assert.deepStrictEqual([fired, sleeps], [[], 2])
      // The agenda waits with the platform's timer instead, at least a millisecond each time.
      const from = performance.now()
      yield* Effect.sleep(50)
      assert.isAtMost(sleeps, 10 + 2 * (performance.now() - from))
      clock.set(day)
      while (fired.length < 2) yield* Effect.sleep(5)
      assert.deepStrictEqual([fired, defects], [["b", "a"], []])
    })
  )

  it.live.each([
    ["dies", () => Effect.die("no sleep")],
    [
      "throws",
      () => {
        throw "no sleep"
      }
    ],
    ["interrupts itself", () => Effect.interrupt],
    ["is no effect", () => undefined as never]
  ] as ReadonlyArray<readonly [string, () => Effect.Effect<void>]>)(
    "a sleep that %s is one line in the log, and the items fire all the same",
    ([, sleep]) =>
      Effect.gen(function* () {
        const clock = manualClock()
        const { agenda, defects } = yield* makeAgenda(() => ({ ...clock, sleep }))
        const { fired, item } = recorder(agenda)
        agenda.add(item("a"), 1000)
        agenda.add(item("b"), 2000)
        agenda.add(item("c"), 500)
        assert.deepStrictEqual(fired, [])
        for (const time of [500, 1000, 2000]) {
          clock.set(time)
          while (agenda.size > 0 && fired.length < 1 + [500, 1000, 2000].indexOf(time)) yield* Effect.sleep(5)
        }
        assert.deepStrictEqual(fired, ["c", "a", "b"])
        assert.deepStrictEqual(defects, ["the clock failed, and is read every 100 ms"])
      })
  )

  it.live("a clock that cannot be read any more is one line in the log, and the items fire when it can", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      let broken = false
      const { agenda, defects } = yield* makeAgenda(() => ({
        ...clock,
        monotonicTimeNanosUnsafe: () => {
          if (broken) throw new Error("no time")
          return clock.monotonicTimeNanosUnsafe()
        }
      }))
      const { fired, item } = recorder(agenda)
      agenda.add(item("a"), 1000)
      broken = true
      assert.throws(() => agenda.now(), "no time")
      yield* clock.wake(1000)
      assert.deepStrictEqual([fired, defects.length, agenda.size], [[], 1, 1])
      broken = false
      while (agenda.size > 0) yield* Effect.sleep(5)
      assert.deepStrictEqual([fired, defects.length], [["a"], 1])
    })
  )

  it.effect("a sleep that comes back after its interruption changes nothing", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      const { agenda } = yield* makeAgenda(() => ({
        ...clock,
        sleep: (duration) => Effect.uninterruptible(clock.sleep(duration))
      }))
      const { fired, item } = recorder(agenda)
      const a = item("a")
      agenda.add(a, 100)
      agenda.remove(a)
      agenda.add(a, 200)
      agenda.add(item("b"), 150)
      yield* clock.wake(100)
      assert.deepStrictEqual([fired, clock.sleeping()], [[], 1])
      yield* clock.wake(150)
      yield* clock.wake(200)
      assert.deepStrictEqual([fired, clock.sleeping()], [["b", "a"], 0])
    })
  )

  it.effect("a clock that uses the agenda while it is asked to sleep leaves one timer, for the earliest item", () =>
    Effect.gen(function* () {
      const counted = countSleeps(yield* Clock.clockWith(Effect.succeed))
      let nested: (() => void) | undefined
      const { agenda } = yield* makeAgenda(() =>
        withSleep(counted.clock, (duration) =>
          Effect.suspend(() => {
            const then = nested
            nested = undefined
            then?.()
            return counted.clock.sleep(duration)
          })
        )
      )
      const { fired, item, times } = recorder(agenda)
      nested = () => agenda.add(item("nested"), 5)
      agenda.add(item("outer"), 10)
      assert.strictEqual(counted.sleeping(), 1)
      yield* TestClock.adjust(20)
      nested = () => agenda.add(item("nested"), 35)
      agenda.add(item("outer"), 30)
      assert.strictEqual(counted.sleeping(), 1)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(fired, ["nested", "outer", "outer", "nested"])
      assert.deepStrictEqual(times, [5, 10, 30, 35])
      assert.strictEqual(counted.sleeping(), 0)
    })
  )

  it.live("a clock that passes its time at once fires nothing inside add", () =>
    Effect.gen(function* () {
      const clock = manualClock()
      let nested: (() => void) | undefined
      const { agenda } = yield* makeAgenda(() => ({
        ...clock,
        sleep: (duration) =>
          Effect.sync(() => {
            const then = nested
            nested = undefined
            then?.()
            clock.set(clock.currentTimeMillisUnsafe() + Duration.toMillis(duration))
          })
      }))
      const { fired, item } = recorder(agenda)
      nested = () => agenda.add(item("b"), 50)
      agenda.add(item("a"), 10)
      assert.deepStrictEqual([fired, agenda.now()], [[], 60])
      while (agenda.size > 0) yield* Effect.sleep(1)
      assert.deepStrictEqual(fired, ["a", "b"])
    })
  )
})

/** The items that can be reached from `root` through properties, arrays, maps and sets. */
function reachable(root: unknown, items: ReadonlySet<unknown>): Array<unknown> {
  const seen = new Set<unknown>()
  const todo: Array<unknown> = [root]
  while (todo.length > 0) {
    const value = todo.pop()
    if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) continue
    seen.add(value)
    todo.push(...Object.values(value))
    if (value instanceof Map) todo.push(...value.keys(), ...value.values())
    if (value instanceof Set) todo.push(...value)
  }
  return [...seen].filter((value) => items.has(value))
}
