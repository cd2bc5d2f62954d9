/**
 * The sizing loop of an auto-scale pool: takes a sample of each interval, asks the policy, resizes softly.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type { Duration } from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AutoScaleBounds, AutoScalePolicy } from "../AutoScalePolicy.ts"
import type { Machine } from "./machine.ts"

/** Runs for ever: it lives in the scope of an open pool. */
export const autoScale = <S>(
  machine: Machine,
  policy: AutoScalePolicy<S>,
  bounds: AutoScaleBounds,
  interval: Duration
): Effect.Effect<never> =>
  Effect.gen(function* () {
    let state = policy.initial(bounds)
    let last = machine.stats()
    let since = yield* Clock.currentTimeMillis
    while (true) {
      yield* Effect.sleep(interval)
      const now = yield* Clock.currentTimeMillis
      const stats = machine.stats()
      const sample = {
        duration: now - since,
        size: machine.target,
        inflight: stats.running,
        // Who waits at the door wants a worker too: a small queue must not hide the demand.
        queued: stats.waiting + machine.door.size,
        arrivals: stats.submitted - last.submitted,
        succeeded: stats.succeeded - last.succeeded,
        failed: stats.failed - last.failed
      }
      const [next, decision] = policy.update(state, sample, bounds)
      state = next
      last = stats
      since = now
      // A policy's number may be a fraction; what is no number changes nothing.
      if (!Number.isNaN(decision.size)) machine.resize(Math.floor(decision.size), decision.reason)
    }
  }).pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(`${machine.name}: the auto-scale policy ${policy.name} died, the size stays`, cause)
    )
  )
