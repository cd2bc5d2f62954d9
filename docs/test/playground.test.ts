import { assert, describe, it } from "@effect/vitest"
import { Server, workDone } from "../site/playground/server.ts"
import { defaults, fromFragment, presets, ranges, type Settings, toFragment } from "../site/playground/settings.ts"
import { Simulation } from "../site/playground/simulation.ts"

const simulate = (
  settings: Partial<Settings>,
  seconds: number,
  each?: (simulation: Simulation) => void
): Simulation => {
  const simulation = new Simulation({ ...defaults, ...settings })
  for (let frame = 0; frame < 20 * seconds; frame++) {
    simulation.advance(50)
    each?.(simulation)
  }
  return simulation
}

describe("the settings of the playground", () => {
  it("survive a link, whichever they are", () => {
    for (const { settings } of presets) {
      const all = { ...defaults, ...settings }
      assert.deepStrictEqual(fromFragment(toFragment(all)), all)
    }
    assert.strictEqual(toFragment(defaults), "")
    assert.deepStrictEqual(fromFragment(""), defaults)
  })

  it("get a default or the nearest value, if a link has a bad one", () => {
    const settings = fromFragment("#size=-5&arrivals=1e9&latency=abc&order=random&workers=__proto__&unknown=1&rate=")
    assert.deepStrictEqual(settings, { ...defaults, size: 0, arrivals: ranges.arrivals.max })
  })
})

describe("the server of the playground", () => {
  it("finishes more requests up to its capacity, and loses throughput beyond if it thrashes", () => {
    const options = { serverCapacity: 10, latency: 100, overload: "thrashes" } as const
    assert.deepStrictEqual(
      [0, 5, 10].map((active) => workDone(options, active)),
      [0, 5, 10]
    )
    assert.isBelow(workDone(options, 20), 10)
    assert.strictEqual(workDone({ ...options, overload: "slows" }, 20), 10)
  })

  it("has no next end without requests", () => {
    assert.strictEqual(new Server({ serverCapacity: 1, latency: 100, overload: "slows" }).nextEnd(5), Infinity)
  })
})

describe("the world of the playground", () => {
  it("is the same for the same settings, and accounts for every task", () => {
    for (const { name, settings } of presets) {
      const [one, other] = [simulate(settings, 8), simulate(settings, 8)]
      // An auto-scale pool also measures the real event loop.
      if (settings.workers === undefined) assert.deepStrictEqual(one.stats, other.stats, name)
      const { cancelled, failed, running, submitted, succeeded, waiting } = one.stats
      assert.strictEqual(submitted, succeeded + failed + cancelled + running + waiting, name)
      assert.isAbove(succeeded, 0, name)
      assert.isEmpty(
        [...one.dots.values()].filter(({ endedAt }) => one.now - endedAt > 1000),
        name
      )
      one.close()
      other.close()
    }
  })

  it("keeps the limits of size, key and rate at every moment", () => {
    simulate({ size: 5, keys: 3, perKey: 2, arrivals: 100 }, 8, ({ dots, server, stats }) => {
      assert.isAtMost(stats.running, 5)
      assert.strictEqual(server.active, stats.running)
      for (let key = 0; key < 3; key++) {
        assert.isAtMost([...dots.values()].filter((dot) => dot.place === "worker" && dot.key === key).length, 2)
      }
    }).close()
    let started = 0
    simulate({ rate: 20, arrivals: 100, size: 64 }, 5, ({ now, stats }) => {
      started = stats.submitted - stats.waiting
      assert.isAtMost(started, 20 * (Math.floor(now / 1000) + 1))
    }).close()
    assert.isAtLeast(started, 80)
  })

  it("shows each waiting task in one place, in the order of dispatch", () => {
    simulate({ order: "priority", arrivals: 150, size: 2 }, 3, ({ dots }) => {
      const queue = [...dots.values()].filter(({ place, slot }) => place === "queue" && slot >= 0)
      queue.sort((a, b) => a.slot - b.slot)
      assert.deepStrictEqual(
        queue.map(({ slot }) => slot),
        queue.map((_, index) => index)
      )
      assert.deepStrictEqual(
        queue.map(({ weight }) => weight),
        queue.map(({ weight }) => weight).sort((a, b) => a - b)
      )
    }).close()
  })

  it("takes other settings while it runs, and agrees with Little's law", () => {
    const simulation = simulate({ arrivals: 50, size: 20 }, 4)
    simulation.change({ ...simulation.settings, arrivals: 100 })
    simulation.change({ ...simulation.settings, size: 9 })
    simulation.change({ ...simulation.settings, latency: 50 })
    for (let frame = 0; frame < 200; frame++) simulation.advance(50)
    const { run, throughput } = simulation.measure()
    assert.approximately(throughput, 100, 15)
    assert.approximately((throughput * run) / 1000, 5, 1)
    simulation.change({ ...simulation.settings, order: "lifo", workers: "auto-scale" })
    for (let frame = 0; frame < 200; frame++) simulation.advance(50)
    assert.isAbove(simulation.decisions(5).length, 0)
    assert.isAbove(simulation.stats.succeeded, 0)
    simulation.close()
  })

  it("moves to the next event at each step", () => {
    const simulation = new Simulation({ ...defaults })
    for (let step = 0, before = 0; step < 50; step++, before = simulation.now) {
      simulation.step()
      assert.isAtLeast(simulation.now, before)
    }
    assert.isAbove(simulation.now, 100)
    simulation.close()
  })
})
