import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  checkCost,
  checkCostChange,
  type CheckedRate,
  checkRate,
  type Costs,
  RateGate as Gate
} from "../../../src/internal/pool/rate.ts"

const rate = (limit: number, window: number, unit?: string): CheckedRate => ({ limit, window, unit })

/** A start and its costs, with the corrections. */
interface Start {
  readonly at: number
  costs: Costs
}

/** A gate whose starts can be corrected later. */
class RateGate {
  readonly gate: Gate
  constructor(rates: ReadonlyArray<CheckedRate>) {
    this.gate = new Gate(rates)
  }
  get defaultCosts(): Costs {
    return this.gate.defaultCosts
  }
  isTooLarge = (costs: Costs) => this.gate.isTooLarge(costs)
  isAllowed = (costs: Costs) => this.gate.isAllowed(costs)
  untilStart = (costs: Costs, now: number) => this.gate.untilStart(costs, now)
  start(costs: Costs, at: number): Start {
    this.gate.start(costs, at)
    return { at, costs }
  }
  adjust(start: Start, changes: Costs, now: number): void {
    start.costs = this.gate.adjust(start.at, start.costs, changes, now)
  }
}

/** A gate under one rate. */
const gateOf = (limit: number, window: number) => new RateGate([rate(limit, window)])

/** Starts as many tasks of a cost at a time as the gate allows, at most `most`, and says how many. */
const burst = (gate: RateGate, cost: number, now: number, most = 1e7): number => {
  let count = 0
  for (; count < most && gate.untilStart([cost], now) === 0; count++) gate.start([cost], now)
  return count
}

/** How many entries the log of a rate has, and for how many there is space. */
const entriesOf = (gate: RateGate, index = 0): number => gate.gate["logs"][index]!["length"]
const capacityOf = (gate: RateGate, index = 0): number => gate.gate["logs"][index]!["ends"].length

// ---- the naive model: every start is kept, and all sums are exact ------------------------------------------------

/** A double as an exact integer of 2^-70. Below 2^-18 it must not have more than its first bits. */
const exact = (value: number): bigint => {
  const high = Math.floor(value)
  return (BigInt(high) << 70n) + BigInt((value - high) * 2 ** 70)
}

/** The next doubles beside a positive one. */
const bits = new DataView(new ArrayBuffer(8))
const neighbor = (value: number, step: bigint): number => {
  bits.setFloat64(0, value)
  bits.setBigUint64(0, bits.getBigUint64(0) + step)
  return bits.getFloat64(0)
}

class Model {
  readonly rates: ReadonlyArray<CheckedRate>
  readonly starts: Array<{ readonly at: number; costs: Array<number> }> = []

  constructor(rates: ReadonlyArray<CheckedRate>) {
    this.rates = rates
  }

  /** Whether starts at `now` stay within each limit, with the tolerance for rounded inputs. */
  allows(costs: Costs, now: number): boolean {
    return this.rates.every(({ limit, window }, index) => {
      const inside = this.starts.filter(({ at }) => exact(now) - exact(at) < exact(window))
      const sum = inside.reduce((sum, start) => sum + exact(start.costs[index]!), exact(costs[index]!))
      return sum <= exact(limit) + (exact(limit) >> 51n)
    })
  }

  /** The times at which something leaves a window, rounded up. */
  ends(now: number): ReadonlyArray<number> {
    return this.starts
      .flatMap(({ at }) =>
        this.rates.map(({ window }) =>
          exact(at + window) < exact(at) + exact(window) ? neighbor(at + window, 1n) : at + window
        )
      )
      .filter((end) => end > now)
      .sort((a, b) => a - b)
  }

  /** The first time from `now` on at which a start is allowed. */
  firstStart(costs: Costs, now: number): number {
    if (this.allows(costs, now)) return now
    return this.ends(now).find((end) => this.allows(costs, end)) ?? Infinity
  }

  /** No window that begins with a start may hold more than the limit, whatever came after. */
  checkEveryWindow(): void {
    this.rates.forEach(({ limit, window }, index) => {
      for (const { at: begin } of this.starts) {
        const inside = this.starts.filter(({ at }) => at >= begin && exact(at) - exact(begin) < exact(window))
        const sum = inside.reduce((sum, start) => sum + exact(start.costs[index]!), 0n)
        assert.isTrue(sum <= exact(limit) + (exact(limit) >> 51n), `the window from ${begin} holds too much`)
      }
    })
  }
}

type Step = typeof Step.Type

const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
const Step = Schema.Struct({
  kind: Schema.Literals(["start", "start", "start", "adjust", "wait"]),
  costs: Schema.Tuple([index, index, index]),
  /** How long the clock goes on before, or whether it goes on to the time that the gate names. */
  pass: Schema.Literals([0, 0, 0.1, 0.2, 0.3, 1, 7.7, 30, 1 / 3, "untilStart", "untilStart", "justBefore"]),
  change: Schema.Literals([-100, -1, -0.3, -0.1, 0, 0.1, 0.7, 2, 50]),
  which: index
})

/** The most starts for which no log merges entries. */
const unmerged = 16

/** Does the steps with a gate and with the model, and compares every answer. */
const perform = (
  rates: ReadonlyArray<CheckedRate>,
  choices: ReadonlyArray<number>,
  steps: ReadonlyArray<Step>
): void => {
  const gate = new RateGate(rates)
  const model = new Model(rates)
  const starts: Array<Start> = []
  let now = 0.25
  let adjusted = false
  for (const { change, costs: chosen, kind, pass, which } of steps) {
    const costs = rates.map((_, rate) => choices[chosen[rate]! % choices.length]!)
    const wait = gate.untilStart(costs, now)
    if (typeof pass === "number") now += pass
    else if (wait > 0 && wait < Infinity) {
      now = pass === "untilStart" ? now + wait : Math.max(now, neighbor(now + wait, -1n))
      if (pass === "untilStart") assert.strictEqual(gate.untilStart(costs, now), 0, "a wait that is over is over")
    }
    const until = gate.untilStart(costs, now)
    const first = model.firstStart(costs, now)
    // The sum of the time and a wait may have to be rounded up.
    if (starts.length <= unmerged) assert.include([first, neighbor(first, 1n)], now + until, "as the model says")
    else assert.isAtLeast(now + until, first, "never earlier than the model says")
    if (gate.isTooLarge(costs)) assert.strictEqual(until, Infinity)
    if (kind === "start" && until === 0) {
      starts.push(gate.start(costs, now))
      model.starts.push({ at: now, costs: [...costs] })
    }
    if (kind === "adjust" && starts.length > 0) {
      adjusted = true
      const modelled = model.starts[which % starts.length]!
      const changes = rates.map((_, rate) => (rate === which % rates.length ? change : 0))
      gate.adjust(starts[which % starts.length]!, changes, now)
      rates.forEach(({ window }, rate) => {
        if (exact(now) - exact(modelled.at) >= exact(window)) return
        modelled.costs[rate] = Math.max(0, modelled.costs[rate]! + changes[rate]!)
      })
      assert.deepStrictEqual([...starts[which % starts.length]!.costs], modelled.costs)
    }
    rates.forEach(({ limit }, rate) => assert.isAtMost(entriesOf(gate, rate), Math.max(16, Math.ceil(limit))))
  }
  if (!adjusted) model.checkEveryWindow()
}

const loads: ReadonlyArray<readonly [string, ReadonlyArray<CheckedRate>, ReadonlyArray<number>]> = [
  ["spacing", [rate(1, 30)], [1]],
  ["one rate", [rate(3, 1)], [1]],
  ["weights", [rate(10, 7.7)], [0, 1, 2, 5, 10, 11]],
  ["decimal fractions", [rate(1, 0.3)], [0.1, 0.2, 0.3, 0.7, 0]],
  ["many small fractions", [rate(1, 8)], [0.01, 0.02, 1 / 3]],
  ["two rates of starts", [rate(2, 1), rate(5, 10)], [1]],
  ["starts and units", [rate(3, 2), rate(100, 30, "tokens"), rate(0.7, 7.7, "shares")], [0, 0.1, 0.5, 1, 3]]
]

describe.each(loads)("a gate under any load: %s", (_, rates, choices) => {
  it.effect.prop(
    "allows what every window has space for, and nothing more",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 80 })],
    ([steps]) => Effect.sync(() => perform(rates, choices, steps)),
    { arbitrary: { runs: 300 } }
  )
})

describe("the edges of a window", () => {
  it("a start counts until exactly one window later, in real numbers", () => {
    const gate = gateOf(1, 0.2)
    gate.start([1], 0.1)
    // 0.3 - 0.1 is below 0.2, and 0.1 + 0.2 is above 0.3.
    assert.isAbove(gate.untilStart([1], 0.3), 0)
    assert.strictEqual(0.3 + gate.untilStart([1], 0.3), 0.1 + 0.2)
    assert.strictEqual(gate.untilStart([1], 0.1 + 0.2), 0)
  })

  it("a sum that is rounded down is not the end of the window", () => {
    const [at, window] = [0.7, 0.1]
    assert.isBelow(Number(exact(at + window) - exact(at) - exact(window)), 0)
    const gate = gateOf(1, window)
    gate.start([1], at)
    assert.isAbove(gate.untilStart([1], at + window), 0)
    assert.strictEqual(gate.untilStart([1], neighbor(at + window, 1n)), 0)
  })

  it("the next start of a spaced load is exactly one window later", () => {
    const gate = gateOf(1, 30)
    const times: Array<number> = []
    for (let now = 1000; times.length < 100; now += gate.untilStart([1], now)) {
      if (gate.untilStart([1], now) > 0) continue
      gate.start([1], now)
      times.push(now)
    }
    assert.deepStrictEqual(
      times,
      Array.from({ length: 100 }, (_, index) => 1000 + 30 * index)
    )
  })

  it("a burst at the end of one window and the begin of the next is one burst", () => {
    const gate = gateOf(10, 1000)
    assert.strictEqual(burst(gate, 1, 999), 10)
    assert.strictEqual(burst(gate, 1, 1000), 0)
    assert.strictEqual(burst(gate, 1, 1998), 0)
    assert.strictEqual(burst(gate, 1, 1999), 10)
  })
})

describe("costs", () => {
  it("a start of many tokens waits until the oldest starts have freed them", () => {
    const gate = gateOf(10, 100)
    for (let now = 0; now < 10; now++) gate.start([1], now)
    assert.deepStrictEqual(
      [1, 2, 9, 10].map((cost) => gate.untilStart([cost], 10)),
      [90, 91, 98, 99]
    )
    assert.deepStrictEqual([gate.isTooLarge([10]), gate.isTooLarge([10.5])], [false, true])
    assert.strictEqual(gate.untilStart([11], 10), Infinity)
  })

  it("ten starts of 0.1 fit into a limit of 1, and no eleventh", () => {
    assert.strictEqual(burst(gateOf(1, 100), 0.1, 0), 10)
    assert.strictEqual(burst(gateOf(0.3, 100), 0.1, 0), 3)
    const gate = gateOf(0.3, 100)
    gate.start([0.1], 0)
    gate.start([0.2], 0)
    assert.strictEqual(gate.untilStart([0.1], 0), 100)
    assert.isFalse(gate.isTooLarge([0.3]))
  })

  it("a million fractions at one time are summed without an error", () => {
    const gate = gateOf(1e5, 100)
    assert.strictEqual(burst(gate, 0.1, 0), 1e6)
    assert.strictEqual(entriesOf(gate), 1)
  })

  it.each([0.1, 0.2, 0.3, 0.7, 1.1])("what leaves frees as much as it took, in fractions of %d", (cost) => {
    const gate = gateOf(20_000 * cost, 100)
    assert.strictEqual(burst(gate, cost, 0, 19_990), 19_990)
    assert.strictEqual(burst(gate, cost, 1), 10)
    assert.strictEqual(burst(gate, cost, 100), 19_990)
    assert.strictEqual(burst(gate, cost, 101), 10)
  })

  it("a log that never empties does not drift", () => {
    const gate = gateOf(1, 10)
    const wrong: Array<number> = []
    for (let now = 0; now < 100_000; now++) {
      const before = gate.untilStart([0.1], now)
      gate.start([0.1], now)
      const after = gate.untilStart([0.1], now)
      if (before !== 0 || (now >= 9 && after !== 1)) wrong.push(now)
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("a start of cost 0 takes nothing, and waits while the window is above the limit", () => {
    const gate = gateOf(2, 100)
    const start = gate.start([2], 0)
    assert.strictEqual(burst(gate, 0, 1, 100), 100)
    gate.adjust(start, [1], 1)
    assert.strictEqual(gate.untilStart([0], 1), 99)
    gate.adjust(start, [-1], 1)
    assert.strictEqual(gate.untilStart([0], 1), 0)
  })

  it("several rates hold together", () => {
    const gate = new RateGate([rate(2, 10), rate(100, 50, "tokens")])
    assert.deepStrictEqual([...gate.defaultCosts], [1, 0])
    gate.start([1, 80], 0)
    assert.strictEqual(gate.untilStart([1, 20], 0), 0)
    assert.strictEqual(gate.untilStart([1, 21], 0), 50)
    gate.start([1, 0], 0)
    assert.strictEqual(gate.untilStart([1, 0], 0), 10)
    assert.isTrue(gate.isTooLarge([1, 101]))
  })

  it("a gate without a rate allows everything", () => {
    const gate = new RateGate([])
    assert.deepStrictEqual([...gate.defaultCosts], [])
    assert.strictEqual(gate.untilStart([], 5), 0)
    gate.adjust(gate.start([], 5), [], 6)
    assert.isFalse(gate.isTooLarge([]))
  })
})

describe("corrections", () => {
  it("what a start gives back is free at once, and never more than it took", () => {
    const gate = gateOf(10, 100)
    const one = gate.start([4], 0)
    const other = gate.start([6], 0)
    gate.adjust(one, [-100], 50)
    assert.deepStrictEqual([...one.costs], [0])
    assert.strictEqual(gate.untilStart([4], 50), 0)
    assert.strictEqual(gate.untilStart([5], 50), 50)
    gate.adjust(one, [-1], 50)
    assert.strictEqual(gate.untilStart([5], 50), 50)
    gate.adjust(other, [-1], 50)
    assert.strictEqual(gate.untilStart([5], 50), 0)
  })

  it("a correction upwards counts from the start, and may hold all starts", () => {
    const gate = gateOf(10, 100)
    const start = gate.start([1], 0)
    gate.start([1], 30)
    gate.adjust(start, [50], 60)
    assert.strictEqual(gate.untilStart([1], 60), 40)
    assert.strictEqual(burst(gate, 1, 100), 9)
  })

  it("a start that was estimated at 0 counts from its own time when it is corrected", () => {
    const gate = gateOf(10, 100)
    const starts = [0, 10, 20].map((now) => gate.start([0], now))
    gate.adjust(starts[2]!, [4], 30)
    gate.adjust(starts[0]!, [5], 30)
    gate.adjust(starts[1]!, [1], 30)
    assert.deepStrictEqual(
      [5, 6, 10].map((cost) => gate.untilStart([cost], 30)),
      [70, 80, 90]
    )
  })

  it("a correction after the window does nothing", () => {
    const gate = gateOf(10, 100)
    const start = gate.start([10], 0)
    gate.start([0], 50)
    gate.adjust(start, [-5], 100)
    gate.adjust(start, [50], 100)
    assert.deepStrictEqual([...start.costs], [10])
    assert.strictEqual(burst(gate, 1, 100), 10)
  })

  it("a correction counts for its own rate only, each with its own window", () => {
    const gate = new RateGate([rate(1, 10), rate(10, 100, "tokens")])
    const start = gate.start([1, 5], 0)
    gate.adjust(start, [-1, 5], 50)
    assert.deepStrictEqual([...start.costs], [1, 10])
    assert.strictEqual(gate.untilStart([1, 1], 50), 50)
    assert.strictEqual(gate.untilStart([1, 0], 50), 0)
  })

  it("absurd corrections leave the sums exact", () => {
    const gate = gateOf(10, 100)
    const start = gate.start([1], 0)
    for (let i = 0; i < 5; i++) gate.adjust(start, [Number.MAX_VALUE], 1)
    assert.strictEqual(gate.untilStart([0], 1), 99)
    for (let i = 0; i < 5; i++) gate.adjust(start, [-Number.MAX_VALUE], 2)
    assert.deepStrictEqual([...start.costs], [0])
    gate.start([4], 50)
    assert.strictEqual(burst(gate, 1, 100, 20), 6)
    assert.strictEqual(burst(gateOf(Number.MAX_VALUE, 100), Number.MAX_VALUE / 2, 0, 20), 2)
  })

  it("an answer that was remembered is forgotten with a start and with a correction", () => {
    const gate = gateOf(3, 100)
    gate.start([1], 0)
    const later = gate.start([1], 10)
    gate.start([1], 20)
    assert.strictEqual(gate.untilStart([2], 20), 90)
    gate.adjust(later, [-1], 20)
    assert.strictEqual(gate.untilStart([2], 20), 80)
    gate.start([1], 20)
    assert.strictEqual(gate.untilStart([2], 20), 100)
  })
})

describe("the entries of a log", () => {
  it("starts at one time share an entry", () => {
    const gate = gateOf(1000, 100)
    burst(gate, 1, 0, 500)
    burst(gate, 1, 1, 500)
    assert.strictEqual(entriesOf(gate), 2)
  })

  it("ten thousand small starts keep 16 entries, and a start waits as if it cost a quarter of the limit more", () => {
    const gate = gateOf(1, 10_000)
    const model = new Model([rate(1, 10_000)])
    const grain = 1 / 4
    let waited = 0
    for (let now = 0; now < 30_000; now += 7) {
      assert.isAtMost(entriesOf(gate), 16)
      const cost = now % 3 === 0 ? 0.0009765625 : 0.001953125
      const allowed = gate.untilStart([cost], now) === 0
      // The model looks at every start, so it is asked now and then.
      if (now % 11 === 0) {
        if (allowed) assert.isTrue(model.allows([cost], now), "only ever stricter")
        else assert.isFalse(model.allows([cost + grain], now), "not stricter than by a merged entry")
      }
      if (allowed) {
        gate.start([cost], now)
        model.starts.push({ at: now, costs: [cost] })
      } else waited++
    }
    assert.isAbove(waited, 0)
    assert.isAbove(model.starts.length, 1500)
    assert.strictEqual(burst(gate, 0.5, 100_000), 2)
  })

  it("starts that gave their tokens back, and those of cost 0, do not add up", () => {
    const gate = gateOf(100, 1e9)
    for (let now = 0; now < 10_000; now++) {
      if (now % 2 === 0) gate.adjust(gate.start([100], now), [-100], now)
      else gate.start([0], now)
      assert.isAtMost(entriesOf(gate), 100)
    }
    assert.strictEqual(burst(gate, 1, 10_000), 100)
  })

  it("entries without tokens leave first, and what remains is exact", () => {
    const gate = gateOf(100, 1000)
    for (let now = 0; now < 150; now++) {
      gate.start([now % 3 === 0 ? 1 : 0], now)
      assert.isAtMost(entriesOf(gate), 100)
    }
    for (let freed = 1; freed <= 50; freed++) {
      assert.strictEqual(gate.untilStart([50 + freed], 150), 3 * (freed - 1) + 850)
    }
  })

  it("a correction of a start whose entry was merged or has left counts, and not too short", () => {
    const gate = gateOf(16, 1000)
    const first = gate.start([0], 0)
    for (let now = 1; now <= 64; now++) gate.start([1 / 8], now)
    gate.adjust(first, [8], 70)
    assert.strictEqual(gate.untilStart([1], 70) > 930, true)
    gate.adjust(first, [-8], 70)
    assert.strictEqual(burst(gate, 1, 70), 8)
    assert.isAtMost(entriesOf(gate), 17)
  })

  it("the memory of a burst is released when it has left the window", () => {
    const gate = gateOf(100_000, 1000)
    for (let now = 0; now < 900; now += 0.01) gate.start([1], now)
    assert.isAtLeast(capacityOf(gate), 65_536)
    for (let now = 1000; now < 3000; now += 10) {
      assert.strictEqual(gate.untilStart([1], now), 0)
      gate.start([1], now)
    }
    assert.isAtMost(capacityOf(gate), 512)
    assert.strictEqual(gate.untilStart([1], 10_000), 0)
    assert.deepStrictEqual([entriesOf(gate), capacityOf(gate)], [0, 16])
  })
})

describe("the checks", () => {
  const where = "Pool.layer"

  it("one rate and several are accepted, with windows in milliseconds", () => {
    assert.deepStrictEqual(checkRate(where, { limit: 2.5, window: "1 minute" }), [rate(2.5, 60_000)])
    assert.deepStrictEqual(
      checkRate(where, [
        { limit: 500, window: Duration.seconds(1) },
        { limit: 1e5, window: 2, unit: "tokens" }
      ]),
      [rate(500, 1000), rate(1e5, 2, "tokens")]
    )
    assert.deepStrictEqual(checkRate(where, { limit: 1, window: 1, unit: undefined }), [rate(1, 1)])
  })

  it.each([
    [{ limit: 0, window: 1 }, "RangeError: Pool.layer: rate.limit must be a finite number > 0, got 0"],
    [{ limit: Infinity, window: 1 }, "RangeError: Pool.layer: rate.limit must be a finite number > 0, got Infinity"],
    [{ limit: "1", window: 1 }, 'RangeError: Pool.layer: rate.limit must be a finite number > 0, got "1"'],
    [{ window: 1 }, "RangeError: Pool.layer: rate.limit must be a finite number > 0, got undefined"],
    [{ limit: 1, window: 0 }, "RangeError: Pool.layer: rate.window must be a Duration > 0, got 0"],
    [{ limit: 1, window: "soon" }, 'RangeError: Pool.layer: rate.window must be a Duration > 0, got "soon"'],
    [{ limit: 1 }, "RangeError: Pool.layer: rate.window must be a Duration > 0, got undefined"],
    [{ limit: 1, window: Infinity }, "RangeError: Pool.layer: rate.window must be a finite Duration, got Infinity"],
    [{ limit: 1, window: 1, unit: "" }, 'RangeError: Pool.layer: rate.unit must be a non-empty string, got ""'],
    [{ limit: 1, window: 1, unit: null }, "RangeError: Pool.layer: rate.unit must be a non-empty string, got null"],
    [{ limit: 1, window: 1, per: 2 }, 'TypeError: Pool.layer: rate: unknown option "per" (known: limit, window, unit)'],
    [[], "RangeError: Pool.layer: rate must be a Rate or a non-empty array of them, got []"],
    [null, "RangeError: Pool.layer: rate must be an object, got null"],
    [5, "RangeError: Pool.layer: rate must be an object, got 5"],
    [
      [
        { limit: 1, window: 1 },
        { limit: -1, window: 1 }
      ],
      "RangeError: Pool.layer: rate[1].limit must be a finite number > 0, got -1"
    ]
  ])("a wrong rate is refused: %o", (value: any, message) => {
    assert.strictEqual(
      thrownBy(() => checkRate(where, value)),
      message
    )
  })

  const rates = [rate(10, 1), rate(20, 1), rate(100, 1, "tokens"), rate(5, 9, "tokens"), rate(7, 1, "__proto__")]

  it("a cost has a number for each rate", () => {
    assert.deepStrictEqual(checkCost(where, rates, undefined), [1, 1, 0, 0, 0])
    assert.deepStrictEqual(checkCost(where, rates, 2.5), [2.5, 2.5, 0, 0, 0])
    assert.deepStrictEqual(checkCost(where, rates, 0), [0, 0, 0, 0, 0])
    assert.deepStrictEqual(checkCost(where, rates, { tokens: 3 }), [1, 1, 3, 3, 0])
    assert.deepStrictEqual(checkCost(where, rates, { ["__proto__"]: 3, tokens: undefined! }), [1, 1, 0, 0, 3])
    assert.deepStrictEqual(checkCost(where, [], 5), [])
    assert.deepStrictEqual(checkCost(where, [], {}), [])
  })

  it("a change has a number for each rate that it names, of either sign", () => {
    assert.deepStrictEqual(checkCostChange(where, rates, { tokens: -3 }), [0, 0, -3, -3, 0])
    assert.deepStrictEqual(checkCostChange(where, rates, -2), [-2, -2, 0, 0, 0])
    assert.strictEqual(
      thrownBy(() => checkCostChange(where, rates, -Infinity)),
      "RangeError: Pool.layer: cost must be a finite number, or an object of them, got -Infinity"
    )
  })

  it.each([
    [rates, -1, "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got -1"],
    [rates, NaN, "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got NaN"],
    [rates, Infinity, "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got Infinity"],
    [rates, null, "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got null"],
    [rates, "1", 'RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got "1"'],
    [[], -1, "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got -1"],
    [rates, { tokens: -1 }, "RangeError: Pool.layer: cost.tokens must be a finite number >= 0, got -1"],
    [rates, { tokns: 1 }, 'RangeError: Pool.layer: unknown unit "tokns" (known: tokens, __proto__)'],
    [[], { tokens: 1 }, 'RangeError: Pool.layer: unknown unit "tokens" (known: none)'],
    [[], [1], "RangeError: Pool.layer: cost must be a finite number >= 0, or an object of them, got [1]"]
  ])("a wrong cost is refused: %#", (rates, cost: any, message) => {
    assert.strictEqual(
      thrownBy(() => checkCost(where, rates, cost)),
      message
    )
  })

  it("each property is read once", () => {
    let reads = 0
    const once = <A>(value: A) => ({
      enumerable: true,
      get: () => {
        reads++
        return value
      }
    })
    checkRate(where, Object.defineProperties({} as any, { limit: once(1), window: once(1), unit: once("a") }))
    checkCost(where, [rate(1, 1, "a")], Object.defineProperties({} as any, { a: once(1) }))
    assert.strictEqual(reads, 4)
  })
})

const thrownBy = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    return String(error)
  }
  return "nothing"
}

describe("starts that share a reading of the clock", () => {
  it("count until the last of them has left the window (load 2)", () => {
    const gate = gateOf(3, 1000).gate
    const reading = { until: Infinity }
    for (let count = 0; count < 3; count++) gate.start([1], 100, reading)
    assert.isFalse(gate.isAllowed([1]))
    reading.until = 104
    assert.strictEqual(gate.untilStart([1], 110), 994)
    assert.strictEqual(gate.untilStart([3], 1104), 0)
  })

  it("end before the next reading, whether or not that one is shared (load 2)", () => {
    for (const second of [{ until: Infinity }, undefined]) {
      const gate = gateOf(3, 1000).gate
      const first = { until: Infinity }
      gate.start([1], 100, first)
      gate.start([1], 100, first)
      first.until = 104
      gate.start([1], 104, second)
      if (second !== undefined) second.until = 106
      assert.strictEqual(gate.untilStart([2], 1103), 1)
      assert.strictEqual(gate.untilStart([2], 1104), 0)
      assert.strictEqual(gate.untilStart([3], 1104), second === undefined ? 0 : 2)
    }
  })

  it("are corrected like others (load 2)", () => {
    const gate = gateOf(5, 1000).gate
    const reading = { until: Infinity }
    gate.start([2], 100, reading)
    gate.start([2], 100, reading)
    reading.until = 104
    assert.deepStrictEqual(gate.adjust(gate.lastStart, [2], [-1], 105), [1])
    assert.strictEqual(gate.untilStart([2], 105), 0)
    assert.strictEqual(gate.untilStart([3], 105), 999)
  })

  it("have an entry for each reading, though each reading ends when the next one begins (load 2)", () => {
    const gate = gateOf(100, 1000).gate
    let reading = { until: Infinity }
    gate.start([1], 0.1, reading)
    for (let time = 1.1; time < 3000; time++) {
      reading.until = time
      reading = { until: Infinity }
      if (gate.isAllowed([1])) gate.start([1], time, reading)
      else if (gate.untilStart([1], time) === 0) gate.start([1], time, reading)
    }
    reading.until = 3001
    // In the third second as many have started as in the first.
    assert.isBelow(gate.untilStart([1], 3001), 101)
  })

  const Burst = Schema.Struct({
    cost: index,
    times: Schema.Literals([1, 2, 3, 10, 40]),
    /** How long the clock goes on before, if the burst has a reading of its own. */
    pass: Schema.Literals([0, 0, 0.25, 1, 300, 1000]),
    kind: Schema.Literals(["start", "start", "start", "adjust"])
  })

  it.effect.prop(
    "count the same in a batch, which has one array of costs, as one by one (load 2)",
    { bursts: Schema.Array(Burst), limit: Schema.Literals([3, 1.7, 100, 2000, 1e9]) },
    ({ bursts, limit }) =>
      Effect.sync(() => {
        const costs = [[1], [2], [0.1], [0], [1 / 3], [50]]
        const rates = [rate(limit, 1000), rate(limit / 2, 3000, "tokens")]
        const batched = new Gate(rates)
        const single = new Gate(rates)
        let reading = { until: Infinity }
        let now = 1
        for (const { cost: chosen, kind, pass, times } of bursts) {
          if (pass > 0) {
            reading.until = now += pass
            reading = { until: Infinity }
          }
          const cost = [costs[chosen % costs.length]![0]!, costs[chosen % 5]![0]!]
          const isAllowed = () => {
            const allowed = batched.isAllowed(cost)
            assert.strictEqual(allowed, single.isAllowed([...cost]))
            return allowed
          }
          for (let time = 0; time < times && isAllowed(); time++) {
            batched.start(cost, now, reading)
            single.start([...cost], now, reading)
            assert.strictEqual(batched.lastStart, single.lastStart)
          }
          if (kind === "start") continue
          // What follows needs the times of all starts.
          reading.until = now
          reading = { until: Infinity }
          for (const asked of [cost, [0, 0], [limit, 0]]) {
            assert.strictEqual(batched.untilStart(asked, now), single.untilStart(asked, now))
          }
          const adjusted = batched.adjust(batched.lastStart, cost, [-1, 2], now)
          assert.deepStrictEqual(adjusted, single.adjust(single.lastStart, cost, [-1, 2], now))
        }
      }),
    { arbitrary: { runs: 1000 } }
  )

  it("are possible in windows of a second or more only", () => {
    const mayShare = (...windows: ReadonlyArray<number>) => new Gate(windows.map((window) => rate(1, window))).mayShare
    assert.isTrue(mayShare(1000, 60_000))
    assert.isFalse(mayShare(60_000, 999))
  })
})
