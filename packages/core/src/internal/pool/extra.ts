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

/** Checked options of a submission. Tasks in a row usually have the same ones, so they share this. It never changes. */
export interface CheckedOptions {
  readonly label: string | undefined
  /** The number of workers that the task takes. */
  readonly permits: number
  /** The cost of a start for each rate of the pool; `undefined` for the default. */
  readonly costs: Costs | undefined
  /** In milliseconds; `undefined` for no limit. */
  readonly maxWait: number | undefined
}

export const noOptions: CheckedOptions = { label: undefined, permits: 1, costs: undefined, maxWait: undefined }

/** What few tasks with an extra have, made when it is first needed. */
class Rest {
  retry: Retry | undefined = undefined
  /** The waits of other tasks of the pool that end when this task settles or is admitted. */
  waits: AttachedWait | Set<AttachedWait> | undefined = undefined
  /** The span of the present attempt, if the submitter has a recorded span. */
  trace: Trace | undefined = undefined
  /** The time of the last start, which the rate has counted. */
  startedAt: number | undefined = undefined
  /** The cost of the last start, if it was corrected. */
  corrected: Costs | undefined = undefined
  /** When the task first arrived, at the door or in the queue, if it has `retry` or the discipline supports ageing. */
  arrival: number | undefined = undefined
}

/**
 * It is small, because a task with a key has one of its own: what waits survives collections of the heap, so 64 bytes
 * more cost a twentieth of the task.
 */
export class TaskExtra implements HasDeadline {
  readonly options: CheckedOptions
  key: string | number | undefined
  /** The lane of its key, which the keyed backlog owns. */
  lane: unknown = undefined
  deadline: Deadline | undefined = undefined
  deadlineSlot = 0
  rest: Rest | undefined = undefined
  /** Whether several tasks may have this extra. Then it has no state of one task and no key, and must not change. */
  shared = false

  /** The options default to none. */
  constructor(options: CheckedOptions = noOptions, key?: string | number) {
    this.options = options
    this.key = key
  }

  get permits(): number {
    return this.options.permits
  }
  get ownRest(): Rest {
    return (this.rest ??= new Rest())
  }
  get retry(): Retry | undefined {
    return this.rest?.retry
  }

  /** Notes a start, which the rate has counted at a time. */
  started(at: number | undefined): void {
    this.ownRest.startedAt = at
    this.ownRest.corrected = undefined
  }

  /** Ends the waits for this task, so that the waiting tasks take their workers back. */
  endWaits(): void {
    const waits = this.rest?.waits
    if (waits === undefined) return
    this.rest!.waits = undefined
    if (!(waits instanceof Set)) return waits.end()
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
  const own = new TaskExtra(extra?.options)
  if (extra?.rest !== undefined) own.started(extra.rest.startedAt)
  return (entry.extra = own)
}

/** Returns whether an attempt of a task has started that waits or is delayed now. */
export const hasStarted = ({ extra }: HasExtra): boolean => (extra?.retry?.starts ?? 0) > 0

/** Ends `wait` when the task settles, or when it is admitted if its caller waits for admission only. */
export const attachWait = (entry: HasExtra, wait: AttachedWait): void => {
  const { ownRest } = ownExtra(entry)
  const { waits } = ownRest
  // The usual case is a nested submit, the only wait for its task. A collection would cost a twentieth of the task.
  ownRest.waits = waits === undefined ? wait : waits instanceof Set ? waits.add(wait) : new Set([waits, wait])
}

/** Undoes `attachWait`, because the waiter was interrupted. */
export const detachWait = ({ extra }: HasExtra, wait: AttachedWait): void => {
  const rest = extra?.rest
  if (rest?.waits === wait) rest.waits = undefined
  else if (rest?.waits instanceof Set) rest.waits.delete(wait)
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
 * before shares its extra, if it has no state of its own: one for each task would cost as much as a tenth of the task.
 */
export const extraOf = (where: string, pool: ExtraOwner, options: SubmitOptions): TaskExtra | undefined => {
  const { cost, key, label, maxWait, permits = 1, retry } = options
  const isOwn = key !== undefined || retry !== undefined
  if (!isOwn && label === undefined && permits === 1 && cost === undefined && maxWait === undefined) return undefined
  const costs = cost === undefined ? undefined : checkCost(where, pool.rates, cost)
  const millis = maxWait === undefined ? undefined : millisOf(where, maxWait)
  let shared = pool.lastExtra
  const last = shared?.options
  if (
    last === undefined ||
    last.label !== label ||
    last.permits !== permits ||
    last.maxWait !== millis ||
    (last.costs !== costs && !areEqual(last.costs, costs))
  ) {
    if (label !== undefined) checkLabel(where, label)
    checkPositive(where, "permits", permits)
    pool.lastExtra = shared = new TaskExtra({ label, permits, costs, maxWait: millis })
    shared.shared = true
  }
  if (!isOwn && !pool.hasAgeing) return shared
  const extra = new TaskExtra(shared!.options, key === undefined ? undefined : checkKey(where, key))
  if (retry !== undefined) extra.ownRest.retry = retryOf(pool.clock, where, retry)
  return extra
}

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
