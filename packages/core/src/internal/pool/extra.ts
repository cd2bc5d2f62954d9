/**
 * The data that only some tasks need: the options of a submission besides its weight, the state of these options, and
 * the span.
 */
import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import type { SubmitOptions } from "../../PoolOptions.ts"
import { checkDuration, checkKey, checkLabel, checkPositive } from "../arguments.ts"
import type { Deadline, HasDeadline } from "./deadline.ts"
import { checkCost, type CheckedRate, type Costs } from "./rate.ts"
import { type Retry, retryOf } from "./retry.ts"
import type { Trace } from "./span.ts"

/** The options for which a task needs a `TaskExtra`. */
export const extraOptions = ["label", "key", "permits", "cost", "maxWait", "retry"] as const

export class TaskExtra implements HasDeadline {
  // First the fields that each start and each end of a task read: they are in fewer lines of the cache then.
  key: string | number | undefined = undefined
  /** The number of workers that the task takes. */
  permits = 1
  /** The lane of its key, which the keyed backlog owns. */
  lane: unknown = undefined
  maxWait: number | undefined = undefined
  retry: Retry | undefined = undefined
  /** The waits of other tasks of the pool that end when this task settles or is admitted. */
  waits: Array<AttachedWait> | undefined = undefined
  /** The span of the present attempt, if the submitter has a recorded span. */
  trace: Trace | undefined = undefined
  label: string | undefined = undefined
  /** The cost of a start for each rate of the pool; `undefined` for the default. */
  costs: Costs | undefined = undefined
  /** The cost of the last start, if it was corrected. */
  corrected: Costs | undefined = undefined
  /** The time of the last start, which the rate has counted. */
  startedAt: number | undefined = undefined
  /** Whether several tasks may have this extra. Then it has no state of one task and no key, and must not change. */
  shared = false
  deadline: Deadline | undefined = undefined
  deadlineSlot = 0
  /** When the task first arrived, at the door or in the queue, if it has `retry` or the discipline supports ageing. */
  arrival: number | undefined = undefined

  /** Returns a copy of a shared extra. */
  copy(): TaskExtra {
    const copy = new TaskExtra()
    copy.label = this.label
    copy.permits = this.permits
    copy.costs = this.costs
    copy.startedAt = this.startedAt
    return copy
  }

  /** Ends the waits for this task, so that the waiting tasks take their workers back. */
  endWaits(): void {
    const { waits } = this
    if (waits === undefined) return
    this.waits = undefined
    for (const wait of waits) wait.end()
  }
}

/** A wait that ends in the step in which a task settles or is admitted. */
export interface AttachedWait {
  end(): void
}

/** A task whose extra is made when it is first needed. */
export interface HasExtra {
  extra: TaskExtra | undefined
}

/** Returns the extra of an entry for a change: one that no other entry has. */
export const ownExtra = (entry: HasExtra): TaskExtra => {
  const { extra } = entry
  if (extra !== undefined && !extra.shared) return extra
  return (entry.extra = extra === undefined ? new TaskExtra() : extra.copy())
}

/** Returns whether an attempt of a task has started that waits or is delayed now. */
export const hasStarted = ({ extra }: HasExtra): boolean => extra?.retry !== undefined && extra.retry.starts > 0

/** Ends `wait` when the task settles, or when it is admitted if its caller waits for admission only. */
export const attachWait = (entry: HasExtra, wait: AttachedWait): void => {
  const extra = ownExtra(entry)
  if (extra.waits === undefined) extra.waits = [wait]
  else extra.waits.push(wait)
}

/** Undoes `attachWait`, because the waiter was interrupted. */
export const detachWait = ({ extra }: HasExtra, wait: AttachedWait): void => {
  const index = extra?.waits?.lastIndexOf(wait) ?? -1
  if (index >= 0) extra!.waits!.splice(index, 1)
}

/** A pool, as the options of its tasks see it. */
export interface ExtraOwner {
  readonly clock: Clock
  readonly rates: ReadonlyArray<CheckedRate>
  /** Whether each task has its arrival in its extra. */
  readonly hasAgeing: boolean
  /** The last shared extra. */
  lastExtra: TaskExtra | undefined
}

/**
 * Checks options and returns the extra for them; `undefined` if there are none. A task with the options of the task
 * before shares its extra, if no option has state: one for each task would cost as much as a tenth of the task.
 */
export const extraOf = (where: string, pool: ExtraOwner, options: SubmitOptions): TaskExtra | undefined => {
  const { cost, key, label, maxWait, permits = 1, retry } = options
  const hasState = key !== undefined || maxWait !== undefined || retry !== undefined
  if (!hasState && label === undefined && permits === 1 && cost === undefined) return undefined
  const costs = cost === undefined ? undefined : checkCost(where, pool.rates, cost)
  const shared = !hasState && !pool.hasAgeing
  const { lastExtra } = pool
  if (shared && lastExtra !== undefined && hasOptions(lastExtra, label, permits, costs)) return lastExtra
  const extra = new TaskExtra()
  if (label !== undefined) extra.label = checkLabel(where, label)
  if (key !== undefined) extra.key = checkKey(where, key)
  extra.permits = checkPositive(where, "permits", permits)
  extra.costs = costs
  if (maxWait !== undefined) extra.maxWait = millisOf(where, maxWait)
  if (retry !== undefined) extra.retry = retryOf(pool.clock, where, retry)
  if (shared) {
    extra.shared = true
    pool.lastExtra = extra
  }
  return extra
}

const hasOptions = (extra: TaskExtra, label: string | undefined, permits: number, costs: Costs | undefined): boolean =>
  extra.label === label && extra.permits === permits && (extra.costs === costs || areEqual(extra.costs, costs))

const areEqual = (costs: Costs | undefined, others: Costs | undefined): boolean =>
  costs !== undefined && others !== undefined && costs.every((cost, index) => cost === others[index])

/** The last `maxWait` that was a string. Parsing a string takes longer than the rest of a task with `maxWait`. */
let lastText: string | undefined
let lastMillis = 0

const millisOf = (where: string, maxWait: Duration.Input): number | undefined => {
  const millis = maxWait === lastText ? lastMillis : Duration.toMillis(checkDuration(where, "maxWait", maxWait))
  if (typeof maxWait === "string") {
    lastText = maxWait
    lastMillis = millis
  }
  return millis === Infinity ? undefined : millis
}
