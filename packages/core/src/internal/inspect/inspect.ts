/** A snapshot of a pool and its tasks. Costs nothing before the first look, and then O(shown log n). */
import type { InspectedTask, InspectOptions, PoolInspection, PoolWarning } from "../../PoolInspection.ts"
import { checkCount, checkKnown } from "../arguments.ts"
import { millisBetween, noStamp } from "../pool/ages.ts"
import type { Entry } from "../pool/entry.ts"
import type { Machine } from "../pool/machine.ts"
import { epochMillis } from "../runtime/clock.ts"
import { labelOf, spanIdOf } from "../pool/label.ts"

/** The most tasks that each list shows. */
const mostShown = 100

/** Numbers tasks when they are first shown. */
export class TaskIds {
  /** Made at the first look. */
  private ids: WeakMap<Entry, { readonly submission: number; readonly id: number }> | undefined = undefined
  private last = 0

  /** A bulk uses one entry for several of its items, one after the other. Each is a submission of its own. */
  of(entry: Entry): number {
    const ids = (this.ids ??= new WeakMap())
    const known = ids.get(entry)
    if (known !== undefined && known.submission === entry.submission) return known.id
    const id = ++this.last
    ids.set(entry, { submission: entry.submission, id })
    return id
  }
}

/** Makes the function that inspects a pool. */
export const inspector =
  (
    machine: Machine,
    ids: TaskIds,
    warnings: () => ReadonlyArray<PoolWarning>
  ): ((options?: InspectOptions) => PoolInspection) =>
  (options = {}) => {
    const where = "TaskPool.inspect"
    const { delayed, running, waiting } = checkKnown(where, options, ["running", "waiting", "delayed"])
    const shown = {
      running: limitOf(where, "running", running),
      waiting: limitOf(where, "waiting", waiting),
      door: mostShown,
      delayed: limitOf(where, "delayed", delayed)
    }
    machine.settleOverflowed()
    const walks = machine.walkTasks()
    const stats = machine.stats()
    const at = epochMillis(machine.clock)
    const now = machine.ages.now()
    const oldest = oldestWait(machine, now)
    const rows: Array<readonly [Entry, Row]> = []
    for (const list of ["running", "waiting", "door", "delayed"] as const) {
      const next = walks[list]
      for (let left = shown[list]; left > 0; left--) {
        const entry = next()
        if (entry === undefined) break
        rows.push([entry, rowOf(machine, ids.of(entry), entry, now)])
      }
    }
    const shownWarnings = warnings()
    return {
      at,
      stats,
      door: stats.atDoor,
      oldestWait: oldest,
      // Last, because names are user code, which may change the pool.
      tasks: rows.map(([entry, row]) => ({ ...row, label: labelOf(entry) })),
      omitted: {
        running: Math.max(0, stats.running - shown.running),
        waiting: Math.max(0, stats.waiting - shown.waiting),
        door: Math.max(0, stats.atDoor - shown.door),
        delayed: Math.max(0, stats.delayed - shown.delayed)
      },
      warnings: shownWarnings
    }
  }

const limitOf = (where: string, what: string, value = mostShown): number =>
  value === Infinity ? mostShown : Math.min(mostShown, checkCount(where, what, value))

/** Returns how long the oldest task in the queue or at the door has waited, in milliseconds; 0 if none waits. */
export const oldestWait = (machine: Machine, now: number): number => {
  const oldest = machine.oldestQueued
  return oldest === undefined ? 0 : millisBetween(oldest.arrivedAt, now)
}

/** A task without its name. */
type Row = Omit<InspectedTask, "label">

const rowOf = (machine: Machine, id: number, entry: Entry, now: number): Row => {
  const runs = entry.state === "Running"
  const waitedUntil = runs && entry.startedAt !== noStamp ? entry.startedAt : now
  return {
    id,
    weight: entry.weight,
    state: runs && entry.cancelReason !== undefined ? "Ending" : (entry.state as InspectedTask["state"]),
    waited: millisBetween(entry.arrivedAt, waitedUntil),
    ran: runs ? millisBetween(entry.startedAt, now) : undefined,
    spanId: spanIdOf(entry),
    lent: runs && machine.isLent(entry),
    // Only tasks with a retry count their starts.
    attempt: Math.max(runs ? 1 : 0, entry.extra?.retry?.starts ?? 0)
  }
}
