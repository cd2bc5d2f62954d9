/** Ends tasks early: which ones, in what order, and how several of them end in one step. */
import * as Exit from "effect/Exit"
import type { ClearOptions } from "../../TaskPool.ts"
import type { TaskCancelledReason } from "../../TaskPoolError.ts"
import { permitsOf } from "../backlog/backlog.ts"
import { requireStack } from "../runtime/stack.ts"
import type { Entry } from "./entry.ts"
import { hasStarted } from "./extra.ts"
import type { Machine } from "./machine.ts"

/** Cancels waiting and delayed tasks in one step, and returns how many. */
export const clear = (machine: Machine, { key, label }: ClearOptions): number => {
  requireStack()
  const matches = ({ extra }: Entry): boolean =>
    (key === undefined || extra?.key === key) && (label === undefined || extra?.options.label === label)
  const all = machine.unstartedEntries.filter(matches)
  cancelAll(machine, all, "Cleared")
  return all.length
}

/** Cancels up to `most` waiting and delayed tasks, in any order, and returns how many. */
export const cancelUpTo = (machine: Machine, most: number, reason: TaskCancelledReason): number => {
  const taken: Array<Entry> = []
  for (let entry = machine.unstartedEntry; entry !== undefined && taken.length < most; entry = machine.unstartedEntry) {
    machine.takeOut(entry)
    taken.push(entry)
  }
  cancelAll(machine, taken, reason)
  return taken.length
}

/** Cancels waiting and delayed tasks in one step. */
export const cancelAll = (machine: Machine, entries: ReadonlyArray<Entry>, reason: TaskCancelledReason): void => {
  for (const entry of entries) machine.takeOut(entry)
  // An idle pool that closes has nothing to cancel, and the errors take a quarter of the time that such a pool costs.
  if (entries.length > 0) settleEach(machine, entries, reason)
  machine.moveFromDoor()
  machine.flush()
}

/** Settles cancelled tasks. Those that never ran share one error, and so do the others. */
const settleEach = (machine: Machine, entries: ReadonlyArray<Entry>, reason: TaskCancelledReason): void => {
  const [neverRan, ran] = [machine.cancellation(reason, false), machine.cancellation(reason, true)]
  for (const entry of entries) machine.events.emit({ _tag: "Cancelled", reason, started: hasStarted(entry) })
  for (const entry of entries) {
    // Settling another item may have stopped the bulk, and so settled this entry.
    if (entry.state === "Settled") continue
    machine.collector?.add(entry)
    machine.settle(entry, hasStarted(entry) ? ran : neverRan)
  }
}

/** Ends the task of a caller that was interrupted before it had an answer. */
export const endByCaller = (machine: Machine, entry: Entry, by: number | undefined): void => {
  entry.caller = undefined
  machine.userCode.whenStack(() => endWithoutCaller(machine, entry, by))
}

const endWithoutCaller = (machine: Machine, entry: Entry, by: number | undefined): void => {
  if (entry.state === "Running") machine.interrupt(entry, "Interrupted", by)
  else if (entry.state !== "Settled") {
    removeStopped(machine, entry, by)
    machine.flush()
  }
}

/** Removes a task that has not started, because its submitter or its bulk was interrupted. */
export const removeStopped = (machine: Machine, entry: Entry, by: number | undefined): void => {
  if (entry.state === "Waiting" || entry.state === "Delayed")
    machine.events.emit({ _tag: "Cancelled", reason: "Cancelled", started: hasStarted(entry) })
  machine.takeOut(entry)
  machine.settle(entry, Exit.interrupt(by))
  machine.moveFromDoor()
}

/** Returns whether an unstarted task takes more workers than the target, so that it would never run. */
export const isStranded = ({ target }: Machine, entry: Entry): boolean =>
  permitsOf(entry) > target && (entry.state === "Waiting" || (entry.state === "Delayed" && target === 0))

/** Returns the stranded tasks in the order of dispatch. */
export const strandedEntries = (machine: Machine): ReadonlyArray<Entry> =>
  machine.maxPermits > machine.target ? machine.unstartedEntries.filter((entry) => isStranded(machine, entry)) : []

/**
 * Interrupts the newest busy tasks until the others fit into the target. Returns all tasks that are being interrupted.
 * When these have ended, the limit is kept. With a target of 0, tasks that lend their workers are interrupted too.
 */
export const interruptSurplus = (machine: Machine, by: number): ReadonlyArray<Entry> => {
  const { target } = machine
  if (machine.busy <= target && target > 0) return []
  const running = machine.runningEntries
  const leaving = running.filter((entry) => entry.cancelReason !== undefined)
  const staying = running.filter((entry) => entry.cancelReason === undefined && !(target > 0 && machine.isLent(entry)))
  const surplus: Array<Entry> = []
  let busy = staying.reduce((sum, entry) => sum + permitsOf(entry), 0)
  for (const entry of staying.toReversed()) {
    if (busy <= target) break
    busy -= permitsOf(entry)
    surplus.push(entry)
  }
  for (const entry of surplus) machine.interrupt(entry, "ScaledDown", by)
  return leaving.concat(surplus)
}
