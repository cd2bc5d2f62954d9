/**
 * Sizes an auto-scale pool over all processes.
 *
 *     observe ──> am I the decider? ──yes──> has the window ended? ──yes──> policy ──> decide, fenced by a version
 *        │                │ no                       │ no
 *        └── later <──────┴──────────────────────────┘
 *
 * Each process that has the pool open runs this loop, so that another one takes over when the decider ends. A decider that
 * is late, because it stood still, meets a newer version: its decision changes nothing.
 *
 * A policy may return any number, so the loop uses only valid sizes, times and counts. A policy that throws ends the loop
 * of this process, and the pool keeps its size.
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { handlePromise } from "../../internal/arguments.ts"
import { logError } from "../../internal/log.ts"
import type { Broker } from "./broker.ts"
import { decodeState, encodeState } from "./policyState.ts"
import { runScript, windowKeys } from "./scripts.ts"

/** The options of an auto-scale pool, which its constructor has checked. */
export interface SizingOptions {
  readonly policy: AutoScalePolicy.AutoScalePolicy<any>
  /** The longest time without a decision, in milliseconds. */
  readonly interval: number | undefined
}

const defaultInterval = 10_000 // ms
const longestPause = 300_000 // ms, whatever a policy or a server asks for
const shortestTick = 25 // ms
const longestTick = 1000 // ms
const idleTick = 250 // ms
const deciderLease = 3000 // ms after which another process takes over

/** One reading of the window, from `observe`. */
interface Reading {
  readonly [name: string]: string | undefined
}

export const runSizing = Effect.fnUntraced(function* (broker: Broker, { interval, policy }: SizingOptions) {
  const token = randomBytes(9).toString("base64url")
  const keys = windowKeys(broker.keys)
  const where = `${broker.name}: the policy ${policy.name}`
  let lastProgress = performance.now()
  let loggedSize = false

  const observe = Effect.orElseSucceed(
    broker.command(() => runScript(broker.client, "observe", keys, [token, deciderLease])),
    (): ReadonlyArray<unknown> => []
  )

  const decide = (
    reading: Reading,
    state: string,
    decision: AutoScalePolicy.AutoScaleDecision,
    isByDemand: boolean
  ) => {
    const args = [
      reading["decisions"] ?? "0",
      policy.name,
      state,
      sizeOf(decision, amount(reading["size"])),
      reading["resizesNow"] ?? "0",
      typeof decision.reason === "string" ? decision.reason : "-",
      Math.ceil(Math.min(longestPause, amount(decision.pause))),
      isByDemand ? "1" : "0"
    ]
    return Effect.ignore(broker.command(() => runScript(broker.client, "decide", keys, args)))
  }

  /** Looks once, and returns the time until the next look. */
  const look = Effect.fnUntraced(function* () {
    const fields = yield* observe
    if (fields.length === 0) return longestTick
    const reading: Record<string, string> = {}
    for (let i = 0; i + 1 < fields.length; i += 2) reading[String(fields[i])] = String(fields[i + 1])
    const bounds = { min: amount(reading["min"]), max: amount(reading["max"]), initial: amount(reading["min"]) }
    const stored = reading["policyName"] === policy.name ? decodeState(reading["policyState"]) : undefined
    const state: unknown = stored ?? policy.initial(bounds)
    const heldFor = amount(reading["heldUntil"]) - amount(reading["now"])
    if (heldFor > 0) return Math.min(longestTick, heldFor)

    const asked = policy.window(state, bounds)
    handlePromise(asked)
    const window = sanitizeWindow(asked, interval)
    const measured = sampleOf(reading)
    // A policy starts from `initial`. The pool may have another size by then.
    const isElsewhere = stored === undefined && measured.size !== bounds.initial
    const sample = isElsewhere ? { ...measured, resized: true } : measured
    const isIdle = sample.inflight === 0 && sample.queued === 0 && sample.started === 0 && sample.arrivals === 0
    const reason = endOf(window, sample)
    if (reason !== undefined) {
      lastProgress = performance.now()
      const answer = policy.update(state, { ...sample, reason }, bounds)
      handlePromise(answer)
      const [next, decision] = answer
      handlePromise(decision)
      if (!isSize(decision.size) && !loggedSize) {
        loggedSize = true
        yield* logError(`${where} returned a size that is not a number, the size stays`, decision.size)
      }
      yield* decide(reading, encodeState(where, next), decision, false)
    } else if (performance.now() - lastProgress >= window.cap) {
      lastProgress = performance.now()
      const decision = byDemand(sample, bounds)
      if (decision !== undefined) yield* decide(reading, encodeState(where, state), decision, true)
    }
    return isIdle ? idleTick : Math.max(shortestTick, Math.min(longestTick, window.interval / 4))
  })

  const loop = Effect.gen(function* () {
    // A closed pool is sized by the other processes.
    while (!broker.isClosed) yield* Effect.sleep(yield* look())
  })
  yield* Effect.catchCause(loop, (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.failCause(cause)
      : logError(`${where} died, and this process decides no more`, cause)
  )
})

/** Milliseconds, counts and sums of the broker: 0 for what is none. */
const amount = (value: unknown): number => {
  const number = Number(value ?? 0)
  return number > 0 && number < 1e15 ? number : 0
}

const isSize = (size: unknown): boolean => typeof size === "number" && !Number.isNaN(size)

const sizeOf = ({ size }: AutoScalePolicy.AutoScaleDecision, present: number): number =>
  isSize(size) ? Math.floor(Math.max(0, Math.min(size, 1_000_000))) : present

type SizingWindow = AutoScalePolicy.AutoScaleWindow & {
  /** Milliseconds after which a window that needs no samples ends, or demand alone decides. */
  readonly cap: number
}

const sanitizeWindow = (window: AutoScalePolicy.AutoScaleWindow, interval: number | undefined): SizingWindow => {
  const valid = (value: number, otherwise: number): number => (value >= 0 ? value : otherwise)
  const asked = Math.max(1, valid(window.interval, defaultInterval))
  const cap = interval === undefined ? Math.max(defaultInterval, asked) : Math.max(1, interval)
  const own = Math.min(cap, asked)
  return {
    interval: own,
    maxInterval: Math.max(own, valid(window.maxInterval, Infinity)),
    minSamples: valid(window.minSamples, 0),
    runFactor: valid(window.runFactor, 0),
    overloads: Math.max(1, valid(window.overloads, Infinity)),
    cap
  }
}

/** Returns the sample of a reading. Fields that nobody measures across processes are 0; the ADR lists them. */
const sampleOf = (reading: Reading): AutoScalePolicy.AutoScaleSample => {
  const sum = (name: string): number => amount(reading[name])
  const duration = Math.max(1, sum("now") - sum("startedAt"))
  const succeeded = sum("succeeded")
  const runMean = succeeded > 0 ? sum("runSum") / succeeded : 0
  const squares = sum("runSquares") - succeeded * runMean * runMean
  return {
    duration,
    reason: "elapsed",
    size: sum("size"),
    resized: reading["resizes"] !== reading["resizesNow"],
    inflight: sum("active"),
    maxInflight: sum("maxInflight"),
    avgInflight: sum("area") / duration,
    saturated: Math.min(1, sum("saturated") / duration),
    queued: sum("queued"),
    queuedMin: sum("queuedMin"),
    oldestWait: 0,
    waitMean: 0,
    arrivals: Math.max(0, sum("addedNow") - sum("added")),
    started: sum("started"),
    succeeded,
    failed: sum("failed"),
    overloaded: sum("overloaded"),
    overloadedFresh: sum("fresh"),
    runMean,
    runVariance: succeeded > 1 ? Math.max(0, squares / (succeeded - 1)) : 0,
    runMin: sum("runMin")
  }
}

/** Returns why a window has ended, if it has. */
const endOf = (window: SizingWindow, sample: AutoScalePolicy.AutoScaleSample): "elapsed" | "overload" | undefined => {
  if (sample.overloadedFresh >= window.overloads) return "overload"
  const settled = sample.succeeded + sample.failed + sample.overloaded
  const isLong = sample.duration >= window.interval && sample.duration >= window.runFactor * sample.runMean
  if (isLong && settled >= window.minSamples) return "elapsed"
  return sample.duration >= window.maxInterval && settled >= Math.min(10, window.minSamples) ? "elapsed" : undefined
}

/** Decides by demand alone, when a window has not ended for `interval`: too few tasks end, or none arrive. */
const byDemand = (
  sample: AutoScalePolicy.AutoScaleSample,
  { max, min }: AutoScalePolicy.AutoScaleBounds
): AutoScalePolicy.AutoScaleDecision | undefined => {
  const { inflight, maxInflight, queued, size } = sample
  const isWanted = queued > 0 && inflight >= size
  const fewer = Math.max(maxInflight, size - Math.ceil((size - min) / 4))
  const wanted = isWanted ? size + 1 : maxInflight < size && queued === 0 ? fewer : size
  const to = Math.max(min, Math.min(max, wanted))
  return to === size ? undefined : { size: to, reason: isWanted ? "WAITING" : "UNUSED" }
}
