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
    (key === undefined || extra?.key === key) && (label === undefined || extra?.options.label === label)
  const all = machine.unstartedEntries.filter(matches)
  machine.cancelAll(all, "Cleared")
  return all.length
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
