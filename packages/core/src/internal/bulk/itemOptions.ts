/** The options of the tasks of a bulk: values, or functions of each item. */
import { checkOwn, extraOptions, submitOptions } from "../arguments.ts"
import { extraOf } from "../pool/extra.ts"
import type { Machine } from "../pool/machine.ts"
import { type Task, weightOf } from "../pool/task.ts"
import { runIsolated } from "../runtime/asyncContext.ts"
import type { ItemOptions } from "../../PoolOptions.ts"
import type { NotAvailableReason } from "../../TaskPoolError.ts"

/** Sets the options of an item on its task. Runs user code, and throws for a wrong value. */
export type ItemOptionsOf = (task: Task, item: unknown, index: number) => void

/** The options that may be functions of the item. */
export const perItem = ["weight", "label", "key", "permits", "cost"] as const

/** Checks options. Returns the weight, and a function that sets the other options of each task, if there are any. */
export const itemOptionsOf = (
  machine: Machine,
  where: string,
  options: ItemOptions,
  known: ReadonlyArray<string>
): { readonly weight: number; readonly itemOptions: ItemOptionsOf | undefined } => {
  const own = checkOwn(where, options, [...submitOptions, ...known])
  const functions = perItem.filter((name) => typeof own[name] === "function")
  const values: Record<string, any> = { ...own }
  for (const name of functions) values[name] = undefined
  const weight = weightOf(where, values)
  if (functions.length === 0 && extraOptions.every((name) => own[name] === undefined)) {
    return { weight, itemOptions: undefined }
  }
  // A value that is wrong for every item fails the call, not its first item.
  extraOf(where, machine, values)
  return {
    weight,
    itemOptions: (task, item, index) => {
      const callFunctions = (): void => {
        for (const name of functions)
          values[name] = (options[name] as (item: unknown, index: number) => unknown)(item, index)
      }
      // The item may be pulled in a step of another fiber, which has another async context.
      if (functions.length > 0) runIsolated(task.asyncContext, callFunctions, undefined, undefined)
      task.weight = weightOf(where, values)
      task.extra = extraOf(where, machine, values)
    }
  }
}

/** Whether a pool that rejects an item for this reason rejects all further ones. Otherwise the item itself is at fault. */
export const endsAdmission = (reason: NotAvailableReason): boolean =>
  reason !== "TooLarge" && reason !== "WaitedTooLong"
