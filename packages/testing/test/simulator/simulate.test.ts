import { assert, describe, it } from "@effect/vitest"
import { AutoScalePolicy } from "@aio-task-pool/core"
import {
  backlog,
  batch,
  bending,
  contended,
  open,
  queueing,
  random,
  rateLimited,
  scenarios,
  sharing,
  simulate,
  thrashing
} from "@aio-task-pool/testing/Simulator"
import type { Load, ServerModel, SimulateOptions } from "@aio-task-pool/testing/Simulator"

const equal = { kind: "lognormal", cv: 0 } as const

/** Runs `size` workers for 20 seconds. */
const at = (size: number, server: ServerModel, load: Load = backlog, more: Partial<SimulateOptions> = {}) =>
  simulate({
    policy: AutoScalePolicy.fixed(size),
    server,
    load,
    seed: 1,
    duration: 20_000,
    bounds: { min: 1, max: 200, initial: size },
    oracle: size,
    ...more
  })

describe("the server models", () => {
  it("share a capacity: throughput rises to it and then stays, the run time grows", () => {
    const server = sharing({ capacity: 40, base: 50, work: equal })
    assert.approximately(at(20, server).goodput, 400, 0.02 * 400)
    assert.approximately(at(40, server).goodput, 800, 0.02 * 800)
    assert.approximately(at(80, server).goodput, 800, 0.02 * 800)
    assert.approximately(at(80, server).latency.mean, 100, 0.02 * 100)
  })

  it("bend, thrash and contend as their formulas say", () => {
    assert.approximately(
      at(60, bending({ capacity: 40, base: 50, work: equal })).latency.mean,
      50 * 1.25,
      0.02 * (50 * 1.25)
    )
    assert.approximately(
      at(80, thrashing({ capacity: 40, base: 50, work: equal })).goodput,
      800 / 1.5,
      0.02 * (800 / 1.5)
    )
    assert.approximately(at(40, contended({ capacity: 40, base: 15, work: equal })).goodput, 855, 0.02 * 855)
  })

  it("queue first come, first served, and reject tasks beyond the limit", () => {
    const server = queueing({ capacity: 10, base: 50, limit: 20, work: { kind: "exponential" } })
    const full = at(20, server)
    assert.approximately(full.goodput, 200, 0.05 * 200)
    assert.approximately(full.latency.mean, 100, 0.05 * 100)
    assert.strictEqual(full.overloadRate, 0)
    assert.isAbove(at(25, server).overloadRate, 0.5)
  })

  it("limit a rate, with a burst in hand", () => {
    const result = at(50, rateLimited({ rate: 100, burst: 20, base: 50 }))
    assert.approximately(result.goodput, 101, 0.02 * 101)
  })

  it("take back their tasks when a client gives up", () => {
    const result = at(40, queueing({ capacity: 10, base: 100, work: equal, timeout: 250 }))
    // In 250 milliseconds two tasks of 100 end. The third has run half of its time.
    assert.approximately(result.goodput, 80, 0.05 * 80)
    assert.isAbove(result.overloadRate, 0.4)
  })

  it("draw work with the mean that was asked for", () => {
    for (const work of [
      { kind: "lognormal", cv: 1 },
      { kind: "exponential" },
      { kind: "bimodal", share: 0.05, factor: 20 }
    ] as const) {
      assert.approximately(
        at(100, sharing({ capacity: 100, base: 10, work }), backlog, { duration: 15_000 }).latency.mean,
        10,
        0.03 * 10
      )
    }
  })

  it("turn everything away in an outage, and serve again after it", () => {
    const result = at(10, sharing({ capacity: 10, base: 50, outages: [[5_000, 10_000]] }))
    assert.strictEqual(result.goodPerSecond[7], 0)
    assert.approximately(result.goodPerSecond[15]!, 200, 0.15 * 200)
  })

  it("fail tasks on their own, which is no overload", () => {
    const result = at(10, sharing({ capacity: 10, base: 50, failing: 0.25 }))
    assert.approximately(result.goodput, 150, 0.05 * 150)
    assert.strictEqual(result.overloadRate, 0)
  })
})

describe("the loads", () => {
  it("open: as many tasks as their rate says, waiting while it is beyond the capacity", () => {
    const server = sharing({ capacity: 10, base: 50 })
    assert.approximately(at(10, server, open(100)).goodput, 100, 0.06 * 100)
    const late = at(
      10,
      server,
      open([
        [0, 100],
        [10_000, 400]
      ])
    )
    assert.approximately(late.goodput, 150, 0.06 * 150)
    assert.isAbove(late.latency.p99, 2_000)
  })

  it("batch: ends with its last task", () => {
    assert.approximately(
      at(10, sharing({ capacity: 10, base: 50, work: equal }), batch(1000)).elapsed,
      5_000,
      0.02 * 5_000
    )
  })
})

describe("simulate", () => {
  const options = {
    policy: AutoScalePolicy.adaptive(),
    server: sharing({ capacity: 20, limit: 40, base: 30 }),
    load: backlog,
    duration: 10_000
  }

  it("gives the same run for the same seed, and another one for another seed", () => {
    const first = simulate({ ...options, seed: 7 })
    assert.deepStrictEqual(simulate({ ...options, seed: 7 }), first)
    assert.notStrictEqual(simulate({ ...options, seed: 8 }).goodput, first.goodput)
  })

  it("finds the best size of each phase", () => {
    const at = (server: ServerModel) => simulate({ ...options, server, seed: 1, duration: 2_000 }).oracleSizes
    assert.strictEqual(at(sharing({ capacity: 40, limit: 80, base: 50 })), 40)
    assert.strictEqual(at(rateLimited({ rate: 200, burst: 20, base: 50 })), 9)
    assert.include([55, 56, 57], at(bending({ capacity: 40, base: 50 })))
    assert.include([38, 39, 40, 41, 42], at(contended({ capacity: 40, base: 15 })))
    const steps = sharing({
      base: 50,
      capacity: [
        [0, 8],
        [1_000, 16]
      ]
    })
    assert.deepStrictEqual(at(steps), [
      [0, 8],
      [1_000, 16]
    ])
  })

  it("measures windows that add up", () => {
    const { elapsed, goodput, sizes } = simulate({ ...options, seed: 3 })
    const succeeded = sizes.reduce((sum, { sample }) => sum + sample.succeeded, 0)
    assert.isAtMost(Math.abs(succeeded - (goodput * elapsed) / 1000), 250)
    for (const { decision, sample } of sizes) {
      assert.isAtMost(sample.avgInflight, sample.maxInflight + 1e-9)
      assert.isTrue(sample.saturated >= 0 && sample.saturated <= 1 + 1e-9)
      assert.isAtMost(sample.overloadedFresh, sample.overloaded)
      assert.isTrue(sample.succeeded === 0 || sample.runMin <= sample.runMean)
      assert.isAbove(sample.duration, 0)
      assert.strictEqual(decision.evidence!.before, sample.size)
    }
  })

  it("spreads the windows by ten per cent", () => {
    const whole = simulate({ ...options, seed: 3 }).sizes.filter(({ sample }) => sample.reason === "elapsed")
    for (const { sample } of whole.slice(1)) assert.isTrue(sample.duration >= 225 && sample.duration < 300)
  })

  it("ends after a number of tasks, and compares with the best size over the same time", () => {
    const server = sharing({ capacity: 10, base: 50, work: equal })
    const whole = at(10, server)
    const cut = at(10, server, backlog, { tasks: 1_100 })
    assert.strictEqual(whole.elapsed, 20_000)
    // 200 tasks per second end.
    assert.approximately(cut.elapsed, 5_500, 100)
    assert.approximately(cut.goodput, 200, 2)
    assert.approximately(cut.oracle, cut.goodput, 1)
    assert.lengthOf(cut.oraclePerSecond, cut.goodPerSecond.length)
    assert.lengthOf(whole.goodPerSecond, 20)
  })

  it("records each change of the size, also those by demand, and the failures of each second", () => {
    const server = queueing({ capacity: 10, base: 50, limit: 15 })
    const options = { server, seed: 1, bounds: { min: 1, max: 100, initial: 10 }, oracle: 10 } as const
    const rejected = at(40, server)
    assert.deepStrictEqual(rejected.totalSizes, [[0, 40]])
    assert.isAbove(Math.min(...rejected.overloadsPerSecond), 1_000)
    assert.strictEqual(Math.max(...at(10, server).overloadsPerSecond), 0)
    // Nothing arrives any more, so no window ends, and the pool shrinks by demand alone.
    const quiet = simulate({
      ...options,
      policy: AutoScalePolicy.adaptive(),
      load: open([
        [0, 100],
        [10_000, 0]
      ]),
      duration: "5 minutes"
    })
    const sizes = quiet.totalSizes as ReadonlyArray<readonly [number, number]>
    assert.deepStrictEqual(sizes[0], [0, 10])
    assert.strictEqual(sizes.at(-1)![1], 1)
    assert.isAbove(sizes.at(-1)![0], quiet.sizes.at(-1)!.time)
  })

  it("has several pools share a server fairly", () => {
    const { shares } = simulate({ ...options, seed: 1, duration: 60_000, pools: 2, oracle: 20 })
    const [a, b] = [shares[0]!, shares[1]!]
    assert.isAbove((a + b) ** 2 / (2 * (a * a + b * b)), 0.85)
  })
})

describe("the scenarios", () => {
  it("have different names, and phases within their time", () => {
    assert.strictEqual(new Set(scenarios.map(({ id }) => id)).size, 29)
    for (const { phases, seconds } of scenarios) for (const phase of phases ?? []) assert.isBelow(phase, seconds)
  })

  it("are drawn at random, but the same for the same seed", () => {
    const { server: first, ...rest } = random(5)
    const { server: again, ...same } = random(5)
    assert.deepStrictEqual(same, rest)
    assert.strictEqual(JSON.stringify(again), JSON.stringify(first))
    assert.notStrictEqual(random(6).title, rest.title)
  })
})
