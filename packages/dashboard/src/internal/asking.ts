/** Questions to code of other packages, which may take long, and which interruption may not end. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export class Asking {
  private isOpen = false

  /**
   * Returns the answer. Fails if there is none in time, or if the question before still runs: otherwise they would pile
   * up. A question that cannot be interrupted is left alone, so it delays neither the caller nor its end.
   */
  readonly ask = <A, E>(question: Effect.Effect<A, E>, patience: number): Effect.Effect<A, E | Cause.TimeoutError> =>
    Effect.suspend(() =>
      this.isOpen
        ? Effect.fail(new Cause.TimeoutError())
        : Effect.acquireUseRelease(
            Effect.map(Effect.forkDetach(question), (asking) => {
              this.isOpen = true
              asking.addObserver(() => (this.isOpen = false))
              return asking
            }),
            (asking) => Effect.timeout(Fiber.join(asking), patience),
            (asking) => Effect.sync(() => asking.interruptUnsafe())
          )
    )
}
