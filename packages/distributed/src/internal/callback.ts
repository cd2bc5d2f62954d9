/**
 * Resumes fibers, which runs their code and their observers at once, often in a loop over many fibers. An observer that
 * throws must not keep the others from their answers.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Calls what resumes fibers, and logs what their observers throw. */
export const guarded = (context: Context.Context<never>, resume: () => void): void => {
  try {
    resume()
  } catch (defect) {
    const line = Effect.logError("a callback threw, and no task can have its error", Cause.die(defect))
    // A logger is user code, and must not delay the other fibers.
    Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, line))
  }
}

/** Like `Effect.callback`, but logs what the resumed fiber's observers throw. */
export const callback = <A, E = never, R = never>(
  register: (resume: (effect: Effect.Effect<A, E, R>) => void) => Effect.Effect<void> | void
): Effect.Effect<A, E, R> =>
  Effect.withFiber(({ context }) =>
    Effect.callback((resume) => register((effect) => guarded(context, () => resume(effect))))
  )
