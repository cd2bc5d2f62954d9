/**
 * Recognizes a handler that would wait for its own pool: the pools whose handlers a fiber runs inside.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Fiber } from "effect/Fiber"
import * as Scope from "effect/Scope"

/** A handler that runs, and those that it runs inside. */
export interface Inside {
  readonly identity: unknown
  /** Whether the handler has not ended. A fiber that outlives it may wait for the pool. */
  isRunning: boolean
  readonly outer: Inside | undefined
}

const InsideOf = Context.Reference<Inside | undefined>("@aio-task-pool/distributed/inside", {
  defaultValue: () => undefined
})

/** Whether a fiber belongs to a handler of the pool. */
export const isInside = ({ context }: Fiber<any, any>, identity: unknown): boolean => {
  for (let inside = Context.get(context, InsideOf); inside !== undefined; inside = inside.outer) {
    if (inside.isRunning && inside.identity === identity) return true
  }
  return false
}

/**
 * Runs an effect whose scope ends in the background if a handler of the pool closes it. A worker that ends waits for its
 * handlers, so a handler that closes its own worker would wait for itself.
 */
export const endedFromOutside = <A, E, R>(
  identity: unknown,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.withFiber((fiber) => {
        const end = Scope.close(scope, exit)
        return isInside(fiber, identity) ? Effect.asVoid(Effect.forkDetach(end, { startImmediately: true })) : end
      })
    ),
    (scope) => Scope.provide(effect, scope)
  )

/** Adds a handler of the pool to a context. The caller ends it. */
export const enter = (
  context: Context.Context<never>,
  identity: unknown
): { readonly inside: Inside; readonly context: Context.Context<never> } => {
  const inside: Inside = { identity, isRunning: true, outer: Context.get(context, InsideOf) }
  return { inside, context: Context.add(context, InsideOf, inside) }
}
