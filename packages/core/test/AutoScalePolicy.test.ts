import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { readFileSync } from "node:fs"
import { AutoScalePolicy } from "../src/index.ts"

describe("the reasons", () => {
  const sources = ["AutoScalePolicy.ts", "internal/policy/adaptive.ts", "internal/autoScale/loop.ts"]
  // The reasons are the only strings in these files that consist of capital letters.
  const used = new Set(
    sources.flatMap((name) =>
      Array.from(
        readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8").matchAll(/"([A-Z]{2,})"/g),
        ([, reason]) => reason!
      )
    )
  )

  it("have a sentence each, and no sentence is left over", () => {
    assert.isAtLeast(used.size, 16)
    assert.sameMembers(Object.keys(AutoScalePolicy.reasons), Array.from(used))
  })

  it("say in one sentence what was seen and what follows", () => {
    const sentences = Object.values(AutoScalePolicy.reasons)
    assert.strictEqual(new Set(sentences).size, sentences.length)
    for (const sentence of sentences) assert.match(sentence, /^[a-z][^.]{20,110}[^.]$/)
  })

  it("are explained one by one, and those of other policies are not", () => {
    assert.strictEqual(AutoScalePolicy.explainReason("GROW"), AutoScalePolicy.reasons["GROW"])
    for (const other of ["SPY", "", "toString", "__proto__", undefined as never]) {
      assert.isUndefined(AutoScalePolicy.explainReason(other))
    }
  })
})

describe("score", () => {
  const { score } = AutoScalePolicy
  const bounds = { min: 3, max: 13, initial: 3 }
  const sampleOf = (size: number, queued: number): AutoScalePolicy.AutoScaleSample => ({
    ...AutoScalePolicy.emptySample(size),
    duration: 10_000,
    inflight: size,
    queued
  })
  const decide = (history: ReadonlyArray<number>, size: number, queued: number) =>
    score.update(history, sampleOf(size, queued), bounds)[1]

  it("is called score, and begins with nothing to remember", () => {
    assert.strictEqual(score.name, "score")
    assert.deepStrictEqual(score.initial(bounds), [])
  })

  // Each row: what was remembered, the size, the waiting tasks; then the decision. The range above 3 is 10 wide.
  const rows: ReadonlyArray<readonly [string, ReadonlyArray<number>, number, number, number, string]> = [
    ["more than 2 wait for each worker, more than lately: to the maximum", [1, 1, 1], 3, 7, 13, "ACCUMULATE"],
    ["more than 2 wait for each worker after an idle time: to the maximum", [0, 0], 3, 7, 13, "ACCUMULATE"],
    ["more than 2 wait for each worker, as lately: by 60 %", [3, 3, 3], 3, 9, 9, "GROW"],
    ["more than 2 wait for each worker, fewer than lately: by 60 %", [5, 5, 5], 3, 9, 9, "GROW"],
    ["more than 2 wait for each worker, nothing is known of before: by 60 %", [], 3, 9, 9, "GROW"],
    ["exactly 2 wait for each worker: by 30 %", [0], 3, 6, 6, "GROW"],
    ["one to two wait for each worker: by 30 %", [5], 4, 6, 7, "GROW"],
    ["exactly one waits for each worker: by 30 %", [], 3, 3, 6, "GROW"],
    ["fewer wait than there are workers, more than lately: by 5 %", [0.1, 0.1], 4, 2, 5, "GROW"],
    ["a first sample in which fewer wait than there are workers: by 5 %", [], 4, 2, 5, "GROW"],
    ["fewer wait than there are workers, as lately: as it is", [0.5, 0.5], 4, 2, 4, "STEADY"],
    ["fewer wait than there are workers, fewer than lately: as it is", [0.9], 4, 2, 4, "STEADY"],
    ["nothing waits, nor did lately: by 30 % of what is above the minimum", [0, 0, 0, 0, 0], 13, 0, 10, "IDLE"],
    ["nothing waits in the first sample: by 30 % of what is above the minimum", [], 13, 0, 10, "IDLE"],
    ["nothing waits, but did lately: by 10 % of what is above the minimum", [0, 0, 0, 0, 0.2], 13, 0, 12, "IDLE"],
    ["only what waited before the last five is forgotten", [9, 0, 0, 0, 0, 0], 13, 0, 10, "IDLE"],
    ["at the minimum nothing is left to shrink", [0], 3, 0, 3, "IDLE"],
    ["at the maximum nothing is left to grow", [3], 13, 39, 13, "GROW"],
    ["one above the minimum shrinks by one", [0.1], 4, 0, 3, "IDLE"],
    ["one below the maximum grows by one", [0.1], 12, 3, 13, "GROW"]
  ]
  it.for(rows)("%s", ([, history, size, queued, expected, reason]) => {
    const decision = decide(history, size, queued)
    assert.deepStrictEqual([decision.size, decision.reason], [expected, reason])
  })

  it("wakes a pool that has no worker", () => {
    const decision = score.update([0], sampleOf(0, 1), { min: 0, max: 5, initial: 0 })[1]
    assert.isAbove(decision.size, 0)
    const again = score.update([Infinity, Infinity], sampleOf(0, 1), { min: 0, max: 5, initial: 0 })[1]
    assert.isAbove(again.size, 0)
  })

  it("leaves a pool that has no worker and nothing to do", () => {
    assert.deepStrictEqual(score.update([0], sampleOf(0, 0), { min: 0, max: 5, initial: 0 })[1].size, 0)
  })

  it("remembers the last 20 scores, newest last", () => {
    let history = score.initial(bounds)
    for (let queued = 0; queued < 30; queued++) history = score.update(history, sampleOf(1, queued), bounds)[0]
    assert.deepStrictEqual(
      history,
      Array.from({ length: 20 }, (_, i) => i + 10)
    )
  })

  it("changes neither its state nor its sample", () => {
    const history = Object.freeze([1, 2, 3])
    const sample = Object.freeze(sampleOf(3, 9))
    assert.deepStrictEqual(score.update(history, sample, Object.freeze(bounds)), score.update(history, sample, bounds))
  })

  it.effect("returns an integer within the bounds, whatever the limit", () =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (n: number) => Math.floor(random.nextDoubleUnsafe() * n)
      for (let run = 0; run < 300; run++) {
        const min = below(20)
        const bounds = { min, max: min + below(100), initial: min }
        let [state, size] = [score.initial(bounds), bounds.initial]
        for (let step = 0; step < 30; step++) {
          const queued = below(2) === 0 ? 0 : below(1000)
          const [next, decision] = score.update(state, sampleOf(size, queued), bounds)
          assert.isTrue(Number.isInteger(decision.size), String(decision.size))
          assert.isAtLeast(decision.size, bounds.min)
          assert.isAtMost(decision.size, bounds.max)
          if (queued > 0) assert.isAtLeast(decision.size, size)
          ;[state, size] = [next, decision.size]
        }
      }
    }).pipe(Random.withSeed("score"))
  )

  it("reaches the maximum under a lasting load, and the minimum after it", () => {
    let [state, size] = [score.initial(bounds), bounds.initial]
    const run = (queued: number, steps: number) => {
      for (let step = 0; step < steps; step++) {
        const [next, decision] = score.update(state, sampleOf(size, queued), bounds)
        ;[state, size] = [next, decision.size]
      }
    }
    run(1000, 5)
    assert.strictEqual(size, bounds.max)
    run(0, 30)
    assert.strictEqual(size, bounds.min)
  })
})

const bounds = { min: 1, max: 200, initial: 10 }

/** A window of `size` busy workers, more tasks waiting, whose runs took `run` milliseconds. */
const busy = (size: number, run = 50, more: Partial<AutoScalePolicy.AutoScaleSample> = {}) => ({
  ...AutoScalePolicy.emptySample(size),
  duration: 250,
  inflight: size,
  maxInflight: size,
  avgInflight: size,
  saturated: 1,
  queued: 1000,
  queuedMin: 1000,
  oldestWait: 1000,
  waitMean: 500,
  succeeded: Math.round((size * 250) / run),
  runMean: run,
  runVariance: (run * run) / 4,
  runMin: run / 3,
  ...more
})

/** Feeds the policy with what `answer` makes of its size, and answers the decisions. */
const drive = <S>(
  policy: AutoScalePolicy.AutoScalePolicy<S>,
  windows: number,
  answer: (size: number, window: number) => AutoScalePolicy.AutoScaleSample,
  from: { readonly state: S; readonly size: number } = { state: policy.initial(bounds), size: bounds.initial }
) => {
  let { size, state } = from
  const decisions: Array<AutoScalePolicy.AutoScaleDecision> = []
  for (let window = 0; window < windows; window++) {
    const [next, decision] = policy.update(state, answer(size, window), bounds)
    decisions.push(decision)
    ;[state, size] = [next, decision.size]
  }
  return { decisions, size, state, reasons: decisions.map((decision) => decision.reason) }
}

/** A server that shares `capacity` among its tasks. */
const sharing =
  (capacity: number, run = 50) =>
  (size: number) =>
    busy(size, run * Math.max(1, size / capacity))

/** A demand of three workers, six at times. */
const idle = (size: number) =>
  busy(size, 50, { saturated: 0, queued: 0, queuedMin: 0, avgInflight: 3, maxInflight: 6, succeeded: 15 })

const policies: ReadonlyArray<AutoScalePolicy.AutoScalePolicy<any>> = [
  AutoScalePolicy.adaptive(),
  AutoScalePolicy.adaptive({ preset: "latency", probeEvery: 4, failureHold: 1 }),
  AutoScalePolicy.adaptive({ preset: "throughput" }),
  AutoScalePolicy.queue(),
  AutoScalePolicy.aimd(),
  AutoScalePolicy.score,
  AutoScalePolicy.fixed(7.5),
  AutoScalePolicy.min(AutoScalePolicy.queue(), AutoScalePolicy.adaptive()),
  AutoScalePolicy.clamp(AutoScalePolicy.adaptive(), { min: 3, max: 50 }),
  AutoScalePolicy.mapDecision(AutoScalePolicy.adaptive(), (decision) => ({ ...decision, size: decision.size * NaN })),
  AutoScalePolicy.withInterval(AutoScalePolicy.score, "250 millis")
]

describe("any policy", () => {
  const fuzzed = (random: { readonly nextDoubleUnsafe: () => number }, size: number) => {
    const odd = [0, 0, 0, -1, NaN, Infinity, -Infinity, 1e300, 1e-300, 0.5]
    const number = (): number => {
      const kind = random.nextDoubleUnsafe()
      if (kind < 0.2) return odd[Math.floor(random.nextDoubleUnsafe() * odd.length)]!
      return kind < 0.6 ? Math.floor(random.nextDoubleUnsafe() * 50) : random.nextDoubleUnsafe() * 1000
    }
    const sample: Record<string, unknown> = {}
    for (const key of Object.keys(AutoScalePolicy.emptySample(1))) sample[key] = number()
    sample["size"] = random.nextDoubleUnsafe() < 0.8 ? size : number()
    sample["reason"] = random.nextDoubleUnsafe() < 0.8 ? "elapsed" : "overload"
    sample["resized"] = random.nextDoubleUnsafe() < 0.05
    return sample as unknown as AutoScalePolicy.AutoScaleSample
  }

  it.effect.each(policies.map((policy, i) => ({ policy, i })))(
    "$i returns an integer within the bounds, whatever the samples",
    ({ policy }) =>
      Effect.gen(function* () {
        const random = yield* Random.Random
        for (let run = 0; run < 100; run++) {
          const min = 1 + Math.floor(random.nextDoubleUnsafe() * 20)
          const max = min + Math.floor(random.nextDoubleUnsafe() * 100)
          const bounds = { min, max, initial: min }
          let [state, size] = [policy.initial(bounds), bounds.initial]
          for (let step = 0; step < 50; step++) {
            const [next, decision] = policy.update(state, fuzzed(random, size), bounds)
            const window = policy.window(next, bounds)
            // An assertion costs more than the step.
            const holds =
              Number.isInteger(decision.size) &&
              decision.size >= min &&
              decision.size <= max &&
              (decision.pause === undefined || (decision.pause > 0 && decision.pause <= 2000)) &&
              window.interval > 0 &&
              window.maxInterval >= window.interval &&
              window.minSamples >= 0 &&
              window.runFactor >= 0 &&
              window.overloads >= 1
            if (!holds) assert.fail(JSON.stringify({ bounds, decision, window }))
            ;[state, size] = [next, decision.size]
          }
        }
      }).pipe(Random.withSeed("bounds"))
  )

  it.effect.each(policies.map((policy, i) => ({ policy, i })))(
    "$i returns the same for the same arguments, and changes neither its state nor its sample",
    ({ policy }) =>
      Effect.gen(function* () {
        const random = yield* Random.Random
        let [state, size] = [policy.initial(bounds), bounds.initial]
        for (let step = 0; step < 200; step++) {
          const sample = Object.freeze(step % 3 === 0 ? fuzzed(random, size) : busy(size))
          const before = structuredClone(state)
          const first = policy.update(state, sample, Object.freeze(bounds))
          assert.deepStrictEqual(state, before)
          assert.deepStrictEqual(policy.update(state, sample, bounds), first)
          ;[state, size] = [first[0], first[1].size]
        }
      }).pipe(Random.withSeed("pure"))
  )

  it.effect.each(
    [
      AutoScalePolicy.adaptive(),
      AutoScalePolicy.aimd(),
      AutoScalePolicy.queue(),
      AutoScalePolicy.min(AutoScalePolicy.queue(), AutoScalePolicy.adaptive())
    ].map((policy: AutoScalePolicy.AutoScalePolicy<any>) => ({ name: policy.name, policy }))
  )("$name recovers from 1 within 5 seconds on a healthy server, whatever it was fed before", ({ policy }) =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      for (let run = 0; run < 50; run++) {
        let state = policy.initial(bounds)
        let size = bounds.initial
        for (let step = 0; step < 100; step++) {
          const [next, decision] = policy.update(state, fuzzed(random, size), bounds)
          ;[state, size] = [next, decision.size]
        }
        const healthy = drive(policy, 20, sharing(40), { state, size: 1 })
        assert.isAtLeast(Math.max(...healthy.decisions.map((decision) => decision.size)), 10)
      }
    }).pipe(Random.withSeed("recovery"))
  )
})

describe("adaptive", () => {
  const policy = AutoScalePolicy.adaptive()

  it("doubles while the server is calm, and settles near the knee", () => {
    const { decisions, reasons } = drive(policy, 40, sharing(40))
    assert.deepStrictEqual(reasons.slice(0, 4), ["START", "START", "START", "STEADY"])
    for (const decision of decisions.slice(8)) {
      assert.isAtLeast(decision.size, 28)
      assert.isAtMost(decision.size, 60)
    }
  })

  it("does not grow while workers are left over, and keeps twice the demand in the end", () => {
    const grown = drive(policy, 40, sharing(40))
    const quiet = drive(policy, 60, idle, grown)
    assert.isTrue(quiet.decisions.every((decision, i) => decision.size <= (quiet.decisions[i - 1]?.size ?? grown.size)))
    assert.strictEqual(quiet.size, 12)
  })

  it("returns to the remembered size at once when the demand is back", () => {
    const grown = drive(policy, 40, sharing(40))
    const back = drive(policy, 3, sharing(40), drive(policy, 60, idle, grown))
    assert.isAtLeast(back.size, 36)
  })

  it("lowers the size with overload failures, and does not come back to it soon", () => {
    const grown = drive(policy, 40, sharing(40))
    const failing = busy(grown.size, 50, {
      reason: "overload",
      overloaded: 5,
      overloadedFresh: 5,
      succeeded: 10,
      duration: 3
    })
    const [state, decision] = policy.update(grown.state, failing, bounds)
    assert.strictEqual(decision.reason, "OVERLOAD")
    assert.isBelow(decision.size, grown.size)
    const after = drive(policy, 6, sharing(400), { state, size: decision.size })
    for (const { size } of after.decisions) assert.isBelow(size, grown.size)
  })

  it("tolerates failures within its tolerance, and one by chance", () => {
    const grown = drive(policy, 40, sharing(40))
    const rare = busy(grown.size, 50, { succeeded: 200, overloaded: 2, overloadedFresh: 2 })
    assert.notStrictEqual(policy.update(grown.state, rare, bounds)[1].reason, "OVERLOAD")
    const chance = busy(grown.size, 50, { succeeded: 20, overloaded: 1, overloadedFresh: 1 })
    assert.notStrictEqual(policy.update(grown.state, chance, bounds)[1].reason, "OVERLOAD")
    assert.include(drive(policy, 5, () => chance, grown).reasons, "OVERLOAD")
  })

  it("pauses longer and longer at the minimum while no task succeeds, and then recovers", () => {
    const grown = drive(policy, 40, sharing(40))
    const dead = (size: number) =>
      busy(size, 50, {
        reason: "overload",
        succeeded: 0,
        runMean: 0,
        inflight: 0,
        overloaded: Math.max(1, size),
        overloadedFresh: Math.max(1, size)
      })
    const outage = drive(policy, 20, dead, grown)
    assert.deepStrictEqual(
      outage.decisions
        .filter(({ pause }) => pause !== undefined)
        .map(({ pause }) => pause!)
        .slice(0, 4),
      [250, 500, 1000, 1000]
    )
    assert.strictEqual(outage.size, 1)
    assert.isAtLeast(drive(policy, 5, sharing(40), outage).size, grown.size * 0.9)
  })

  it("steps down to see whether the run time follows, and takes a slower server as it is", () => {
    const grown = drive(policy, 40, sharing(40))
    const slower = drive(policy, 30, sharing(40, 150), grown)
    assert.include(slower.reasons, "VERIFY")
    assert.isAtLeast(slower.size, 28)
    assert.isAbove(slower.decisions.at(-1)!.evidence!.base!, 120)
  })

  it("follows a capacity that falls", () => {
    const grown = drive(policy, 40, sharing(40))
    const fallen = drive(policy, 40, sharing(10), grown)
    assert.isAtMost(fallen.size, 15)
  })

  // Two tasks on this server hinder each other so much that they do less than one and a half.
  const thrashing = (size: number) => busy(size, size <= 2 ? 50 : 25 * size * (1 + 0.25 * (size - 2)))

  it("steps down to one task, and returns to two if two were best", () => {
    const begin = { state: policy.initial({ ...bounds, initial: 4 }), size: 4 }
    const sizes = drive(policy, 40, thrashing, begin).decisions.map(({ size }) => size)
    const lowest = sizes.indexOf(1)
    assert.isAtLeast(lowest, 0)
    assert.isAtMost(sizes[lowest + 1]!, 3)
  })

  it("takes more tasks at once that are worth their latency", () => {
    // Each task costs the others 2 %: the run time doubles by 50 tasks, and so does less than half of the gain remain.
    const contended = (size: number) => busy(size, 50 * (1 + 0.02 * (size - 1)))
    assert.isAbove(drive(policy, 200, contended).size, 30)
  })

  it("waits for more tasks instead of growing where congestion is likely but not sure", () => {
    const calm = drive(policy, 40, sharing(40))
    const [, decision] = policy.update(
      { ...calm.state, hold: 0, mode: "steady", experiment: undefined, level: undefined, checkIn: 60 },
      busy(calm.size, 1.47 * calm.state.base, { succeeded: 40, duration: 65 }),
      bounds
    )
    assert.deepStrictEqual([decision.reason, decision.size], ["HOLD", calm.size])
  })

  it("checks less often as long as its checks find nothing new", () => {
    const { decisions } = drive(policy, 600, (size) => busy(size, 50))
    const checks = decisions.flatMap(({ reason }, index) => (reason === "VERIFY" ? [index] : []))
    const periods = checks.slice(1).map((index, i) => index - checks[i]!)
    assert.isAtLeast(periods.length, 2)
    assert.isAbove(periods[1]!, 1.5 * periods[0]!)
    assert.isAtMost(Math.max(...periods), 4 * 60 + 2)
  })

  it("falls deeper while nearly every new task is rejected", () => {
    const calm = drive(policy, 40, sharing(40))
    const rejected = (size: number, started: number) =>
      busy(size, 50, { reason: "overload", succeeded: 20, overloaded: 9, overloadedFresh: 9, started })
    const [state, first] = policy.update(calm.state, rejected(calm.size, 29), bounds)
    const next = (started: number) => policy.update(state, rejected(first.size, started), bounds)[1].size
    assert.approximately(next(9), 0.65 * first.size, 1)
    assert.approximately(next(29), 0.8 * first.size, 1)
  })

  it("continues from a size set by hand", () => {
    const grown = drive(policy, 40, sharing(40))
    const [, decision] = policy.update(grown.state, busy(20, 50, { resized: true }), bounds)
    assert.isAtMost(Math.abs(decision.size - 20), 8)
  })

  it("gives its reasons with their evidence", () => {
    const { decisions } = drive(policy, 200, sharing(40))
    for (const { evidence } of decisions) assert.isAbove(evidence!.base!, 0)
    const experiments = decisions.filter(({ reason }) => ["STEP", "KNEE"].includes(reason))
    assert.isNotEmpty(experiments)
    for (const { evidence } of experiments) assert.isDefined(evidence!.elasticity)
  })

  it("rejects invalid options", () => {
    const refused = (options: AutoScalePolicy.AdaptiveOptions, message: RegExp) =>
      assert.throws(() => AutoScalePolicy.adaptive(options), message)
    refused({ tolerance: 0 }, /AutoScalePolicy\.adaptive: tolerance must be > 0, got 0/)
    refused({ tolerance: NaN }, /tolerance/)
    refused({ backoff: 1 }, /backoff must be between 0 and 1, got 1/)
    refused({ overloadTolerance: -0.1 }, /overloadTolerance/)
    refused({ failureHold: 0 }, /failureHold/)
    refused({ probeEvery: 3 }, /probeEvery/)
    refused({ interval: 0 }, /interval/)
  })
})

describe("queue", () => {
  const policy = AutoScalePolicy.queue({ targetWait: "100 millis" })

  it("wants the workers that keep the tasks in flight and drain the queue in time", () => {
    const sample = busy(8, 50, { queued: 10 })
    assert.deepStrictEqual(policy.update(policy.initial(bounds), sample, bounds)[1], {
      size: 15,
      reason: "GROW",
      evidence: { before: 8, run: 50, demand: 15 }
    })
  })

  it("grows at once and shrinks only after 40 windows", () => {
    const peak = drive(policy, 1, (size) => busy(size, 50, { queued: 100 }))
    const quiet = (size: number) => busy(size, 50, { queued: 0, queuedMin: 0, avgInflight: 4 })
    const { decisions } = drive(policy, 41, quiet, peak)
    assert.strictEqual(decisions[38]!.size, peak.size)
    assert.strictEqual(decisions[39]!.size, 5)
  })

  it("rejects invalid options", () => {
    assert.throws(() => AutoScalePolicy.queue({ utilization: 0 }), /utilization/)
    assert.throws(() => AutoScalePolicy.queue({ targetWait: -1 }), /targetWait/)
  })
})

describe("aimd", () => {
  it("adds one for each size successes, and falls to 0.9 with overload failures", () => {
    const policy = AutoScalePolicy.aimd()
    assert.strictEqual(policy.update(10, busy(10, 50, { succeeded: 20 }), bounds)[0], 12)
    assert.strictEqual(policy.update(20, busy(20, 50, { overloaded: 3, overloadedFresh: 3 }), bounds)[0], 18)
    assert.strictEqual(policy.update(20, busy(20, 50, { overloaded: 3 }), bounds)[1].reason, "GROW")
    assert.strictEqual(policy.update(20, busy(20, 50, { saturated: 0, queuedMin: 0 }), bounds)[0], 20)
    assert.strictEqual(policy.update(20, busy(5, 50, { resized: true, succeeded: 5 }), bounds)[0], 6)
    assert.throws(() => AutoScalePolicy.aimd({ backoff: 1.5 }), /backoff/)
  })
})

describe("combinators", () => {
  it("min takes the smaller size, with its reason and the longer pause", () => {
    const policy = AutoScalePolicy.min(AutoScalePolicy.fixed(5), AutoScalePolicy.adaptive())
    const [, decision] = policy.update(policy.initial(bounds), busy(10), bounds)
    assert.deepStrictEqual([decision.size, decision.reason], [5, "FIXED"])
    const window = policy.window(policy.initial(bounds), bounds)
    assert.deepStrictEqual([window.interval, window.minSamples, window.overloads], [10_000, 20, 2])
    const paused = AutoScalePolicy.mapDecision(AutoScalePolicy.fixed(50), (each) => ({ ...each, pause: 70 }))
    const both = AutoScalePolicy.min(paused, AutoScalePolicy.fixed(5))
    assert.strictEqual(both.update(both.initial(bounds), busy(10), bounds)[1].pause, 70)
  })

  it("min keeps the limit of adaptive near what is used, and has it ready for more", () => {
    const policy = AutoScalePolicy.min(AutoScalePolicy.fixed(12), AutoScalePolicy.adaptive())
    const held = drive(policy, 200, sharing(400))
    assert.strictEqual(held.size, 12)
    assert.isAtMost(held.state[1].limit, 24)
    assert.isAtMost(drive(policy, 40, sharing(5), held).size, 8)
  })

  it("clamp hides the sizes outside, even where the limits contradict the bounds", () => {
    const policy = AutoScalePolicy.clamp(AutoScalePolicy.adaptive(), { max: 15 })
    assert.strictEqual(drive(policy, 10, sharing(100)).size, 15)
    const least = AutoScalePolicy.clamp(AutoScalePolicy.fixed(1), { min: 500 })
    assert.strictEqual(least.update(null, busy(10), bounds)[1].size, 200)
  })

  it("withInterval changes the interval only", () => {
    const window = AutoScalePolicy.withInterval(AutoScalePolicy.score, "1 second").window([], bounds)
    assert.deepStrictEqual([window.interval, window.maxInterval, window.minSamples], [1_000, 10_000, 0])
  })
})

describe("wrong arguments", () => {
  const { score } = AutoScalePolicy
  const wrong: ReadonlyArray<readonly [call: () => unknown, message: string]> = [
    [() => AutoScalePolicy.adaptive({ preset: "fast" as never }), 'adaptive: preset must be "latency" or '],
    [
      () => AutoScalePolicy.adaptive({ tolerence: 1 } as never),
      'adaptive: unknown option "tolerence" (known: preset, '
    ],
    [() => AutoScalePolicy.adaptive(null as never), "adaptive: options must be an object, got null"],
    [() => AutoScalePolicy.adaptive({ backoff: 5n as never }), "adaptive: backoff must be between 0 and 1, got 5n"],
    [
      () => AutoScalePolicy.adaptive({ probeEvery: Symbol("p") as never }),
      "adaptive: probeEvery must be >= 4, got Symbol"
    ],
    [() => AutoScalePolicy.queue({ target: 1 } as never), 'queue: unknown option "target"'],
    [
      () => AutoScalePolicy.queue({ utilization: "0.5" as never }),
      'queue: utilization must be > 0 and <= 1, got "0.5"'
    ],
    [() => AutoScalePolicy.aimd({ factor: 1 } as never), 'aimd: unknown option "factor"'],
    [() => AutoScalePolicy.aimd({ interval: null as never }), "aimd: interval must be a Duration > 0, got null"],
    [() => AutoScalePolicy.fixed(Number.NaN), "fixed: size must be a number, got NaN"],
    [() => AutoScalePolicy.fixed("8" as never), 'fixed: size must be a number, got "8"'],
    [() => AutoScalePolicy.clamp(score, { min: 5n as never }), "clamp: min must be a number, got 5n"],
    [() => AutoScalePolicy.clamp(score, { maximum: 5 } as never), 'clamp: unknown option "maximum" (known: min, max)'],
    [() => AutoScalePolicy.clamp(null as never, {}), "clamp: policy must be an AutoScalePolicy, got null"],
    [
      () => AutoScalePolicy.min(score, AutoScalePolicy.adaptive as never),
      "min: policy must be an AutoScalePolicy, got "
    ],
    [() => AutoScalePolicy.mapDecision(score, 5 as never), "mapDecision: f must be a function, got 5"],
    [() => AutoScalePolicy.withInterval({} as never, 1), "withInterval: policy.name must be a string, got undefined"]
  ]
  for (const [call, message] of wrong) {
    it(`are refused where they are given: ${message}`, () => assert.throws(call, `AutoScalePolicy.${message}`))
  }
})
