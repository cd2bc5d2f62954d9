/** How the operation of a tag evaluates the effect that it got from the pool, without importing the code of pools. */
import type { Fiber } from "effect/Fiber"

/** The method of effects that may be evaluated in the step of the caller. */
export const evaluateInStep = Symbol("evaluateInStep")

/** Evaluates such an effect, which spares the fiber a round of its loop. Returns any other effect as it is. */
export const inStep = (effect: any, fiber: Fiber<unknown, unknown>): any =>
  effect?.[evaluateInStep] === undefined ? effect : effect[evaluateInStep](fiber)
