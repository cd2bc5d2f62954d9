/** The options of the tasks of a bulk: values, or functions of each item. */
import { checkKnown } from "../arguments.ts"
import { extraOf, extraOptions } from "../pool/extra.ts"
import type { Machine } from "../pool/machine.ts"
import { submitOptions, type Task, weightOf } from "../pool/task.ts"
import { runIsolated } from "../runtime/asyncContext.ts"
import type { ItemOptions } from "../../PoolOptions.ts"

/** Gives a task the options of its item. Runs user code, and throws for a bad value. */
export type ItemOptionsOf = (task: Task, item: unknown, index: number) => void

const perItem = ["weight", "label", "key", "permits", "cost"] as const

/** The checked weight of all items, and what gives each task its other options. */
export const itemOptionsOf = (
  machine: Machine,
  where: string,
  options: ItemOptions,
  known: ReadonlyArray<string>
): { readonly weight: number; readonly itemOptions: ItemOptionsOf | undefined } => {
  checkKnown(where, options, [...submitOptions, ...known])
  const functions = perItem.filter((name) => typeof options[name] === "function")
  const values: Record<string, any> = { ...options }
  for (const name of functions) values[name] = undefined
  const weight = weightOf(where, values)
  if (functions.length === 0 && extraOptions.every((name) => options[name] === undefined)) {
    return { weight, itemOptions: undefined }
  }
  // What is wrong for every item is refused at the call.
  extraOf(where, machine, values)
  return {
    weight,
    itemOptions: (task, item, index) => {
      const ask = (): void => {
        for (const name of functions)
          values[name] = (options[name] as (item: unknown, index: number) => unknown)(item, index)
      }
      // The item may be pulled in a step of another fiber.
      if (functions.length > 0) runIsolated(task.asyncContext, ask, undefined, undefined)
      task.weight = weightOf(where, values)
      task.extra = extraOf(where, machine, values)
    }
  }
}
