/** What only some tasks have: the options of a submission beside its weight, and what becomes of them. */
import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import type { SubmitOptions } from "../../PoolOptions.ts"
import { checkDuration, checkKey, checkLabel, checkPermits } from "../arguments.ts"
import type { Deadline } from "./deadline.ts"
import { checkCost, type CheckedRate, type Costs, type Start } from "./rate.ts"
import { type Retry, retryOf } from "./retry.ts"

/** The options of a submission that make a task an extra. */
export const extraOptions = ["label", "key", "permits", "cost", "maxWait", "retry"] as const

export class TaskExtra {
  label: string | undefined = undefined
  key: string | number | undefined = undefined
  /** How many workers the task takes. */
  permits = 1
  /** What a start costs, for each rate of the pool; `undefined`: the default. */
  costs: Costs | undefined = undefined
  /** The longest time before the first start, in milliseconds; `undefined`: no limit. */
  maxWait: number | undefined = undefined
  /** Ends the task when it has waited too long. */
  deadline: Deadline | undefined = undefined
  retry: Retry | undefined = undefined
  /** When a task arrived that may come back. */
  arrival: number | undefined = undefined
  /** How often it has started. */
  attempts = 0
  /** The entry of its last start in the rate's log. */
  start: Start | undefined = undefined
  /** Waits of tasks of the same pool that end with it. */
  waits: Array<EndsWith> | undefined = undefined

  /** What it waits for has happened: the tasks that wait for it take their workers back. */
  endWaits(): void {
    const { waits } = this
    this.waits = undefined
    if (waits !== undefined) for (const wait of waits) wait.end()
  }
}

/** A wait that ends in the step in which a task settles or is admitted. */
export interface EndsWith {
  end(): void
}

/** Something that may have an extra, made by the first who needs it. */
export interface HasExtra {
  extra: TaskExtra | undefined
}

/** Ends `wait` when the task settles, or is admitted if that is what its caller waits for. */
export const endWith = (entry: HasExtra, wait: EndsWith): void => {
  const extra = (entry.extra ??= new TaskExtra())
  if (extra.waits === undefined) extra.waits = [wait]
  else extra.waits.push(wait)
}

/** Takes back `endWith`: the waiter was interrupted. */
export const dontEndWith = ({ extra }: HasExtra, wait: EndsWith): void => {
  const index = extra?.waits?.lastIndexOf(wait) ?? -1
  if (index >= 0) extra!.waits!.splice(index, 1)
}

/** The extra of checked options; `undefined` if none of them is given. */
export const extraOf = (
  where: string,
  { clock, rates }: { readonly clock: Clock; readonly rates: ReadonlyArray<CheckedRate> },
  options: SubmitOptions
): TaskExtra | undefined => {
  const { cost, key, label, maxWait, permits, retry } = options
  if (
    label === undefined &&
    key === undefined &&
    permits === undefined &&
    cost === undefined &&
    maxWait === undefined &&
    retry === undefined
  ) {
    return undefined
  }
  const extra = new TaskExtra()
  if (label !== undefined) extra.label = checkLabel(where, label)
  if (key !== undefined) extra.key = checkKey(where, key)
  if (permits !== undefined) extra.permits = checkPermits(where, permits)
  if (cost !== undefined) extra.costs = checkCost(where, rates, cost)
  if (maxWait !== undefined) extra.maxWait = maxWaitOf(where, maxWait)
  if (retry !== undefined) extra.retry = retryOf(clock, where, retry)
  return extra
}

/** The last `maxWait` that was a string: reading one takes longer than all else that a task with a `maxWait` costs. */
let lastText: string | undefined
let lastMillis: number | undefined

const maxWaitOf = (where: string, maxWait: Duration.Input): number | undefined => {
  if (typeof maxWait === "string" && maxWait === lastText) return lastMillis
  const millis = Duration.toMillis(checkDuration(where, "maxWait", maxWait))
  const most = millis === Infinity ? undefined : millis
  if (typeof maxWait === "string") {
    lastText = maxWait
    lastMillis = most
  }
  return most
}
