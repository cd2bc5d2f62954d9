/**
 * Recognizes a handler that would wait for its own pool: the pools whose handlers a fiber runs inside.
 */
import * as Context from "effect/Context"
import type { Fiber } from "effect/Fiber"

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

/** Adds a handler of the pool to a context. The caller ends it. */
export const enter = (
  context: Context.Context<never>,
  identity: unknown
): { readonly inside: Inside; readonly context: Context.Context<never> } => {
  const inside: Inside = { identity, isRunning: true, outer: Context.get(context, InsideOf) }
  return { inside, context: Context.add(context, InsideOf, inside) }
}
