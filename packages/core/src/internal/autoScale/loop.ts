/**
 * Sizes an auto-scale pool: measures a window, asks the policy, resizes softly, logs the decision, and repeats.
 *
 *     arm ──> window ──ended──> policy ──> resize ──> logged ──> pause, if any ─────┐
 *      ↑         │ no end within `interval`                                         │
 *      │         └──> the loop decides by demand alone                              │
 *      └────────────────────────────────────────────────────────────────────────────┘
 *
 * The loop runs in the scope of an open pool. A policy may return any number, so the loop uses only valid sizes, times
 * and counts. A policy that throws ends the loop, and the pool keeps its size.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type {
  AutoScaleBounds,
  AutoScaleDecision,
  AutoScalePolicy,
  AutoScaleSample,
  AutoScaleWindow
} from "../../AutoScaleModel.ts"
import { handlePromise } from "../arguments.ts"
import { emptySample } from "../../AutoScalePolicy.ts"
import type { Machine } from "../pool/machine.ts"
import { awaitUntil } from "../pool/waits.ts"
import { DecisionLog } from "./decisionLog.ts"
import { type Classify, classifyDefault, RetryAfter } from "../pool/outcome.ts"
import { Meter, type MeterWindow } from "./meter.ts"

/** The sizing of a pool while the pool is open. */
export interface Sizing {
  readonly run: Effect.Effect<void>
  readonly log: DecisionLog
}

/** The options of an auto-scale pool, which its constructor has checked. */
export interface SizingOptions<S> {
  readonly policy: AutoScalePolicy<S>
  readonly bounds: AutoScaleBounds
  /** The longest time without a decision; default 10 seconds, or longer if the policy's windows are longer. */
  readonly interval: Duration.Duration | undefined
  readonly classify: Classify | undefined
}

const defaultInterval = 10_000 // ms
const spread = 0.1 // of a window's interval, either way
// The number of idle windows after which the loop stops its timer: by then the size no longer changes. `score` looks
// back over 20 windows.
const idleWindowsAtMin = 3
const idleWindowsAnywhere = 24
const longestPause = 300_000 // ms, whatever a policy or a server asks for

/** Makes the sizing of one pool. Measures from this call on. */
export const autoScale = <S>(machine: Machine, context: Context.Context<never>, options: SizingOptions<S>): Sizing => {
  const { bounds, classify = classifyDefault, interval, policy } = options
  const clock = Context.get(context, Clock.Clock)
  const log = new DecisionLog(machine, policy.name, bounds)
  let detach: (() => void) | undefined
  const attach = (): Meter => {
    const meter = new Meter(machine, classify)
    detach = machine.observers.observe(meter)
    return meter
  }
  let meter = attach()

  let loggedSize = false
  /** Returns the size of a decision, rounded down, or the present target if the size is not a number. */
  const sizeOf = ({ size }: AutoScaleDecision): number => {
    if (typeof size === "number" && !Number.isNaN(size)) return Math.floor(size)
    if (!loggedSize)
      machine.userCode.onDefect(size, `the policy ${policy.name} returned a size that is not a number, the size stays`)
    loggedSize = true
    return machine.target
  }

  /** Applies a decision, unless the size was set by hand since the window ended. */
  const applyDecision = (sample: AutoScaleSample, decision: AutoScaleDecision): void => {
    const from = machine.target
    const size = meter.resizedSince ? from : sizeOf(decision)
    log.add(sample, decision, from, machine.resize(size, decision.reason))
  }

  /**
   * Resizes by demand alone, when no task has ended for `interval` or three mean run times. Adds one worker if all are
   * busy and tasks wait. Removes up to a quarter of the workers above the minimum if some are unused. A hold says nothing
   * of the demand.
   */
  const decideByDemand = (): void => {
    const { target } = machine
    const peak = meter.takePeak()
    const quiet = peak === 0 && machine.queued === 0
    const { wanting } = meter
    const wanted = wanting > 0 && machine.isSaturated
    const fewer = Math.max(peak, target - Math.ceil((target - machine.min) / 4))
    const unused = peak < target && wanting === 0 && !meter.isHeld
    const to = wanted ? target + 1 : unused ? fewer : target
    if (Math.max(machine.min, Math.min(machine.max, to)) !== target) {
      const sample = { ...emptySample(target), inflight: machine.running, maxInflight: peak, queued: wanting }
      const evidence = { before: target, demand: peak + wanting }
      const decision = { size: to, reason: wanted ? "WAITING" : "UNUSED", evidence }
      log.add(sample, decision, target, machine.resize(to, decision.reason))
      meter.resizedByDemand()
    }
    // Measurements from before the silence say little about what follows it.
    if (quiet) meter.restartWindow()
  }

  /** Waits until the meter wakes the loop, at most `millis`. */
  const wokenWithin = (millis: number): Effect.Effect<void> =>
    Effect.acquireUseRelease(
      Effect.sync(() => Effect.runForkWith(context)(clock.sleep(Duration.millis(millis)))),
      (timer) =>
        Effect.callback<void>((resume) => {
          // The window may have ended since the loop last checked.
          if (meter.ended !== undefined) return resume(Effect.void)
          meter.wakeUp = () => resume(Effect.void)
          timer.addObserver(meter.wakeUp)
        }),
      (timer) => {
        meter.wakeUp = undefined
        return Fiber.interrupt(timer)
      }
    )

  /** Waits until the meter wakes the loop. Uses no timer, which would keep the process of an idle pool alive. */
  const woken: Effect.Effect<void> = Effect.callback((resume) => {
    meter.sleep()
    meter.wakeUp = () => resume(Effect.void)
    return Effect.sync(() => {
      meter.wakeUp = undefined
    })
  })

  /** The number of windows in a row without tasks that did not change the size. */
  let idleWindows = 0

  /** Returns whether nothing changes until another task arrives, neither with time nor with falling demand. */
  const needsNoTimer = (): boolean => {
    if (!machine.isAtRest) return false
    if (machine.target > machine.min) return idleWindows >= idleWindowsAnywhere
    return meter.needsTask || idleWindows >= idleWindowsAtMin
  }

  const awaitWindow: Effect.Effect<AutoScaleSample> = Effect.gen(function* () {
    while (true) {
      if (meter.ended !== undefined) return meter.ended
      if (meter.isOverdue()) decideByDemand()
      if (needsNoTimer()) yield* woken
      else yield* wokenWithin(Math.max(1, Math.ceil(meter.millisUntilCheck())))
      meter.checkNow()
    }
  })

  const pauseOf = (decision: AutoScaleDecision): number =>
    Math.min(longestPause, Math.max(0, decision.pause! > 0 ? decision.pause! : 0, meter.retryAt - meter.now()))

  /** Holds dispatch until the pause is over or the pool begins to close. */
  const pause = Effect.fnUntraced(function* (first: number) {
    machine.holds.begin("Policy")
    machine.flush()
    const closing = awaitUntil(machine, () => machine.phase !== "Open")
    // A task that was still running may report a longer `retryAfter`.
    for (let left = first, longest = longestPause; left > 0 && machine.phase === "Open";) {
      yield* Effect.timeoutOption(closing, Math.ceil(left))
      longest -= left
      left = Math.min(longest, meter.retryAt - meter.now())
    }
    meter.startWindow()
    machine.holds.end("Policy")
  })

  const loop = Effect.gen(function* () {
    if (detach === undefined) meter = attach()
    meter.startWindow()
    // The policy starts from `initial`. A pool that was reopened, or resized before this window, has another size.
    if (machine.target !== bounds.initial) meter.resizedByHand()
    let state = policy.initial(bounds)
    while (true) {
      const window = policy.window(state, bounds)
      handlePromise(window)
      meter.arm(sanitizeWindow(window, interval, yield* Random.next))
      const sample = yield* awaitWindow
      meter.ended = undefined
      const answer = policy.update(state, sample, bounds)
      handlePromise(answer)
      const [next, decision] = answer
      handlePromise(decision)
      state = next
      const { target } = machine
      applyDecision(sample, decision)
      // Tasks may run for many windows in which none starts. The policy must also see the windows after their end.
      const hadNoTask = sample.started === 0 && sample.arrivals === 0 && sample.maxInflight === 0 && machine.isAtRest
      const isIdle = machine.target === target && hadNoTask
      idleWindows = isIdle ? idleWindows + 1 : 0
      const left = machine.phase === "Open" ? pauseOf(decision) : 0
      if (left > 0) yield* pause(left)
      machine.holds.end("Overload", true)
    }
  })

  const logDeath = (cause: Cause.Cause<never>): Effect.Effect<void> =>
    Effect.sync(() =>
      machine.userCode.log("Error", "policy died", { policy: policy.name, size: machine.target }, cause)
    )

  const run = loop.pipe(
    Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : logDeath(cause))),
    Effect.ensuring(
      Effect.sync(() => {
        // Without the loop nothing would release a hold, and the pool would dispatch no task again.
        meter.detach()
        detach!()
        detach = undefined
        // Without the meter nothing would ask `classify`. A loop that runs again puts its meter in place of this.
        if (classify !== classifyDefault) machine.observers.observe(new RetryAfter(machine, classify))
        machine.holds.end("Policy", true)
        machine.holds.end("Overload", true)
      })
    )
  )
  return { run, log }
}

/** Returns the window with every number valid, and with its interval spread at random. */
const sanitizeWindow = (
  window: AutoScaleWindow,
  interval: Duration.Duration | undefined,
  chance: number
): MeterWindow => {
  const amount = (value: number, otherwise: number): number => (value >= 0 ? value : otherwise)
  const asked = Math.max(1, amount(window.interval, defaultInterval))
  const spreadOut = asked * (1 - spread + 2 * spread * chance)
  const cap = interval === undefined ? Math.max(defaultInterval, spreadOut) : Math.max(1, Duration.toMillis(interval))
  const own = Math.min(cap, spreadOut)
  return {
    interval: own,
    maxInterval: Math.max(own, amount(window.maxInterval, Infinity)),
    minSamples: amount(window.minSamples, 0),
    runFactor: amount(window.runFactor, 0),
    overloads: Math.max(1, amount(window.overloads, Infinity)),
    cap
  }
}
