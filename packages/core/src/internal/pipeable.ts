/**
 * The pipeable form of an operation on a task: `effect.pipe(pool.submit({ weight: 1 }))`.
 *
 * An operation is given a task, or else the options of a task that follows. Only a second call tells which of the two the
 * caller meant. The result of the first call is therefore both: an effect that refuses the value as a task, and a function
 * that takes the task.
 */
import * as Effect from "effect/Effect"

/** Whether the value is an effect or a function. */
export const isTask = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return typeof value === "function"
  // A plain `try`: a proxy or a getter may throw. It does so again when the submission is run, which then dies with it.
  try {
    return (value as { readonly [Effect.TypeId]?: unknown })[Effect.TypeId] !== undefined
  } catch {
    return true
  }
}

/** Makes `takeTask` an effect too, which does what `refusal` does. */
export const pipeable = <A extends object, B>(refusal: A, takeTask: (task: any) => B): A & ((task: any) => B) =>
  Object.assign(Object.setPrototypeOf(takeTask, Object.getPrototypeOf(refusal)), refusal)
