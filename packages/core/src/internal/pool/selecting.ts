/** The tasks that an operation ends early: which ones, and in what order. */
import type { ClearOptions } from "../../TaskPool.ts"
import { permitsOf } from "../backlog/backlog.ts"
import { requireStack } from "../runtime/stack.ts"
import type { Entry } from "./entry.ts"
import type { Machine } from "./machine.ts"

/** Cancels waiting and delayed tasks in one step, and returns how many. */
export const clear = (machine: Machine, { key, label }: ClearOptions): number => {
  requireStack()
  const matches = ({ extra }: Entry): boolean =>
    (key === undefined || extra?.key === key) && (label === undefined || extra?.label === label)
  const all = machine.unstartedEntries.filter(matches)
  machine.cancelAll(all, "Cleared")
  return all.length
}

/** Returns whether a waiting task takes more workers than the target, so that it would never run. */
export const isStranded = (machine: Machine): boolean =>
  machine.target === 0
    ? machine.waiting + machine.delayedCount > 0
    : machine.maxPermits > machine.target && machine.waiting > 0 && strandedEntries(machine).length > 0

/** Cancels the stranded tasks. With a target of 0, cancels up to `most` of them. */
export const cancelStranded = (machine: Machine, most: number): void => {
  if (machine.target === 0) machine.cancelWaiting("Closed", most)
  else machine.cancelAll(strandedEntries(machine), "Closed")
}

const strandedEntries = (machine: Machine): ReadonlyArray<Entry> =>
  machine.unstartedEntries.filter((entry) => entry.state === "Waiting" && permitsOf(entry) > machine.target)

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
