/**
 * Lets a fiber wait for a callback of the engine.
 *
 * Resuming a fiber runs its code and its observers within the callback, often in a loop over many fibers. An observer
 * that throws must not keep the others from their answers.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/** Like `Effect.callback`, but logs what the resumed fiber's observers throw. */
export const callback = <A, E = never, R = never>(
  register: (resume: (effect: Effect.Effect<A, E, R>) => void) => Effect.Effect<void> | void
): Effect.Effect<A, E, R> =>
  Effect.withFiber(({ context }) =>
    Effect.callback((resume) =>
      register((effect) => {
        try {
          resume(effect)
        } catch (defect) {
          const line = Effect.logError("a callback threw, and no task can have its error", Cause.die(defect))
          // A logger is user code, and must not delay the other fibers.
          Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, line))
        }
      })
    )
  )
