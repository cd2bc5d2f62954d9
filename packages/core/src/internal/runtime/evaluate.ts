/** Evaluates an effect at once, in the evaluation of another one. */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type { Fiber } from "effect/Fiber"

const evaluate = () => Effect.void
const prototype = Effectable.Prototype({ label: "", evaluate })

/** The method by which the runtime evaluates an effect: the one to which `Effectable` assigns `evaluate`. */
const method = Reflect.ownKeys(prototype).find((key) => prototype[key as keyof typeof prototype] === evaluate)!

/**
 * Evaluates what another effect's `evaluate` would return, which spares the fiber a round of its loop: a tenth of a task
 * that succeeds at once. A tracer that enters a context for each effect needs that round.
 */
export const evaluateNow = (effect: any, fiber: Fiber<unknown, unknown>): any =>
  fiber.cache.tracerContext === undefined && effect?.[method] !== undefined ? effect[method](fiber) : effect
