/**
 * The rules that a pool's statistics keep, in one place: laws, ledgers and step schedulers check the same ones. The numbers
 * are the invariants of the core's machine.
 */
import type { PoolStats } from "@aio-task-pool/core"

/**
 * Returns the rule that statistics violate at any moment, if any. `comingBack` is the number of waiting tasks that have
 * started before: they may wait beyond the capacity.
 */
export const ruleBrokenBy = (stats: PoolStats, comingBack = 0): string | undefined => {
  const { busy, cancelled, capacity, delayed, dropped, failed, holds, interrupted, lent, phase } = stats
  const { rejected, rejectedBy, running, size, submitted, succeeded, targetSize, waiting } = stats
  if (submitted !== succeeded + failed + interrupted + cancelled + waiting + delayed + running) {
    return "I3: the statistics do not add up"
  }
  if (waiting > capacity + comingBack) return "I8: more tasks wait than the capacity allows"
  // Tasks that waited too long in the queue are among the cancelled ones.
  const tooLongInQueue = Object.values(rejectedBy).reduce((sum, count) => sum + count, 0) - rejected
  if (tooLongInQueue < 0 || tooLongInQueue > Math.min(rejectedBy.WaitedTooLong, cancelled)) {
    return "rejected is not the sum of rejectedBy less the tasks that waited too long in the queue"
  }
  if (dropped > cancelled) return "more tasks were dropped than cancelled"
  if (busy < 0 || lent < 0 || busy + lent < running) return "I1: a running task neither has a worker nor lends one"
  if (busy + lent > 0 && running === 0) return "I1: a worker is used by no task"
  if (size !== (phase === "Closed" ? 0 : Math.max(targetSize, busy))) return "size is neither the target nor busy"
  if (phase === "Open" ? holds.length > 0 : phase === "Held" && holds.length === 0) {
    return "the phase and the holds do not fit"
  }
  return undefined
}

/** What the next task of a pool may need. */
export interface NextTask {
  /** The most workers that it may take, default 1. */
  readonly permits?: number | undefined
  /** Whether it may have to wait for what the statistics do not show, such as the limit of its key, default `false`. */
  readonly mayHaveToWait?: boolean | undefined
}

/** Returns the rule that statistics violate when no step is left, if any. */
export const ruleBrokenAtRest = (stats: PoolStats, next: NextTask = {}): string | undefined => {
  const { atDoor, busy, capacity, delayed, holds, lent, nextStart, phase, running, size, targetSize, waiting } = stats
  const { mayHaveToWait = false, permits = 1 } = next
  if (phase === "Closed") {
    return atDoor + busy + delayed + lent + running + size + waiting > 0 ? "I6: a closed pool has tasks" : undefined
  }
  const mayStart = holds.length === 0 && nextStart === 0 && busy + permits <= targetSize && !mayHaveToWait
  if (waiting > 0 && mayStart) return "I2: the next task could start and waits"
  if (atDoor === 0) return undefined
  if (phase !== "Open" && phase !== "Held") return "I9: submitters wait at the door of a pool that admits no tasks"
  if (waiting < capacity || (waiting === 0 && mayStart)) return "I9: a submitter waits at the door beside a free place"
  return undefined
}

/** Watches that no task begins above the limit (I1). */
export class LimitWatch {
  private allowed = 0
  private lent = 0

  /** Returns the rule that is broken by a change to these statistics, if any. */
  look({ busy, lent, targetSize }: PoolStats): string | undefined {
    // Surplus tasks may finish after a soft scale-down. A task that is interrupted while it lends its workers takes them
    // back above the limit.
    const takenBack = Math.max(0, this.lent - lent)
    const isBroken = busy > Math.max(targetSize, this.allowed) + takenBack
    this.allowed = Math.max(busy, targetSize)
    this.lent = lent
    return isBroken ? "I1: a task began beside surplus ones" : undefined
  }
}
