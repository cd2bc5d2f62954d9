/** Evaluates an effect at once, in the evaluation of another one. */
import type { Cause } from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type { Fiber } from "effect/Fiber"

const evaluate = () => Effect.void
const prototype = Effectable.Prototype({ label: "", evaluate })

/** A fiber with the private member that says whether it was interrupted. */
interface Interruptible extends Fiber<unknown, unknown> {
  readonly _interruptedCause?: Cause<never> | undefined
}

/**
 * The method by which the runtime evaluates an effect: the one to which `Effectable` assigns `evaluate`. None if nothing
 * tells whether a fiber was interrupted.
 */
const method =
  "_interruptedCause" in Effect.runFork(Effect.void)
    ? Reflect.ownKeys(prototype).find((key) => prototype[key as keyof typeof prototype] === evaluate)
    : undefined

/**
 * Returns whether a fiber may evaluate an effect in the evaluation of another one. Two cases need a round of the fiber's
 * loop: a tracer that enters a context for each effect, and a fiber that its own code has interrupted, which must run
 * nothing more.
 */
export const mayEvaluateNow = (fiber: Interruptible): boolean =>
  method !== undefined && fiber._interruptedCause === undefined && fiber.cache.tracerContext === undefined

/**
 * Evaluates what another effect's `evaluate` would return, which spares the fiber a round of its loop: a tenth of a task
 * that succeeds at once.
 */
export const evaluateNow = (effect: any, fiber: Interruptible): any =>
  mayEvaluateNow(fiber) && effect?.[method!] !== undefined ? effect[method!](fiber) : effect
