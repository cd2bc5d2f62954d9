import * as Effect from "effect/Effect"
import { callback } from "../../internal/callback.ts"

/** Calls back when a promise of the engine has settled. No rejection is left unhandled. */
export const whenSettled = <A>(
  promise: Promise<A>,
  onSuccess: (value: A) => void,
  onFailure: (error: unknown) => void = () => {}
): void => {
  promise.then(onSuccess, onFailure)
}

/** Waits for a promise of the engine: fails as `onFailure` says if it is rejected. What observers throw is logged. */
export const settledOf = <A, E>(run: () => Promise<A>, onFailure: (error: unknown) => E): Effect.Effect<A, E> =>
  callback((resume) =>
    whenSettled(
      // What `run` throws is a rejection, too.
      new Promise<A>((resolve) => resolve(run())),
      (value) => resume(Effect.succeed(value)),
      (error) => resume(Effect.fail(onFailure(error)))
    )
  )

/** Waits until a promise of the engine has settled, whatever its result. */
export const ended = (run: () => Promise<unknown>): Effect.Effect<void> =>
  Effect.ignore(settledOf(run, () => undefined))
