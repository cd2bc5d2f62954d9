/** The pipeable form of the operations on a task: `effect.pipe(pool.submit(options))`. */
import * as Effect from "effect/Effect"
import { UnknownTaskType } from "../TaskPoolError.ts"
import { show, taskOptions } from "./arguments.ts"
import { isTask, pipeable, type TaskOperation } from "./pipeable.ts"
import type { TaskOptions } from "./pool/task.ts"

/** Makes an operation that also takes its task in a second call. */
export const taskOperation = (
  where: string,
  operation: (task: any, options?: TaskOptions) => Effect.Effect<any, any>,
  inFiber: NonNullable<TaskOperation["inFiber"]>
): TaskOperation =>
  Object.assign(
    (task: any, options?: TaskOptions) =>
      options !== undefined || isTask(task)
        ? operation(task, options)
        : taskLast(where, operation, task, operation(task)),
    { inFiber }
  )

/** Returns the result of `operation` for `options` without a task. As an effect, it dies like `submission`. */
const taskLast = <A extends Effect.Effect<any, any>>(
  where: string,
  operation: (task: any, options: TaskOptions) => Effect.Effect<any, any>,
  options: unknown,
  submission: A
) => pipeable(submission, (task) => Effect.suspend(() => operation(task, checkPlain(where, options))))

/** Returns the options if they are a plain object with known names only. Anything else may be a mistaken task. */
const checkPlain = (where: string, options: unknown): TaskOptions => {
  if (options === undefined) return undefined
  if (!isPlain(options)) {
    throw new UnknownTaskType(`${where}: options must be a plain object, got ${show(options)}`)
  }
  const unknown = Object.keys(options).find((key) => !taskOptions.includes(key) && options[key] !== undefined)
  if (unknown === undefined) return options
  throw new UnknownTaskType(`${where}: unknown option ${show(unknown)} (known: ${taskOptions.join(", ")})`)
}

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
