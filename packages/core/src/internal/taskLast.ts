/** The operations on a task with their options first, and the task last. */
import * as Effect from "effect/Effect"
import { UnknownTaskType } from "../TaskPoolError.ts"
import { pipeable } from "./pipeable.ts"
import { describe, taskOptions, type TaskOptions } from "./pool/task.ts"

/** What `operation` returns for `options` without a task. `refusal` refuses them as a task. */
export const taskLast = <A extends Effect.Effect<any, any>>(
  where: string,
  operation: (task: any, options: TaskOptions) => Effect.Effect<any, any>,
  options: unknown,
  refusal: A
) => pipeable(refusal, (task) => Effect.suspend(() => operation(task, checkPlain(where, options))))

/** Options that cannot be anything else: a plain object, whose names are all known. */
const checkPlain = (where: string, options: unknown): TaskOptions => {
  if (options === undefined) return undefined
  if (!isPlain(options)) {
    throw new UnknownTaskType(`${where}: options must be a plain object, got ${describe(options)}`)
  }
  const unknown = Object.keys(options).find((key) => !taskOptions.includes(key) && options[key] !== undefined)
  if (unknown === undefined) return options
  throw new UnknownTaskType(`${where}: unknown option ${describe(unknown)} (known: ${taskOptions.join(", ")})`)
}

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
