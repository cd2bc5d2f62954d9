/**
 * The pipeable form of an operation on a task: `effect.pipe(pool.submit({ weight: 1 }))`.
 *
 * An operation gets either a task, or the options of a task that follows in a second call. The first call cannot know
 * which one the caller means. So its result is both: an effect that dies because the value is not a task, and a function
 * that takes the task.
 */
import * as Effect from "effect/Effect"
import type { Fiber } from "effect/Fiber"

/** An operation on a task, such as `submit`. */
export interface TaskOperation {
  (task: any, options?: any): any
  /**
   * The operation in the evaluation of another effect, which has looked whether `task` is a task. Returns what the fiber
   * evaluates next.
   */
  readonly inFiber?: (fiber: Fiber<any, any>, task: any, options: any) => Effect.Effect<any, any>
}

/** Returns whether the value is an effect or a function. */
export const isTask = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return typeof value === "function"
  // A plain `try`: a proxy or a getter may throw. It throws again when the submission runs, which then dies with the
  // error.
  try {
    return (value as { readonly [Effect.TypeId]?: unknown })[Effect.TypeId] !== undefined
  } catch {
    return true
  }
}

/** What functions inherit, and the functions of `pipeable` do not. */
const { apply, bind, call } = Function.prototype

/** Makes the function `takeTask` also an effect, with the behavior of `submission`. */
export const pipeable = <A extends object, B>(submission: A, takeTask: (task: any) => B): A & ((task: any) => B) =>
  Object.assign(Object.setPrototypeOf(takeTask, Object.getPrototypeOf(submission)), { apply, bind, call }, submission)
