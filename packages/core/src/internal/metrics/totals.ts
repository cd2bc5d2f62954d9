/** The numbers of a pool that only grow. The pools of one name leave theirs behind when they close. */
import type { NotAvailableReason } from "../../TaskPoolReason.ts"
import type { Machine } from "../pool/machine.ts"
import { Counts } from "../pool/counts.ts"
import type { PoolSource } from "../registry.ts"
import { Histogram } from "../timing/histogram.ts"

/** An open pool. */
export interface MeasuredPool extends PoolSource {
  readonly machine: Machine
}

/** The numbers of one pool, or of several. */
interface Numbers {
  readonly counts: Counts
  /** `undefined` if nothing was measured. */
  readonly queue: Histogram | undefined
  readonly run: Histogram | undefined
  readonly decisions: ReadonlyMap<string, number>
  readonly overloads: number
}

const noDecisions: ReadonlyMap<string, number> = new Map()

/** Returns the present numbers of a pool, which go on growing. */
export const numbersOf = ({ decisions, machine }: MeasuredPool): Numbers => ({
  counts: machine.counts,
  queue: machine.observers.timing?.queue,
  run: machine.observers.timing?.run,
  decisions: decisions?.byReason ?? noDecisions,
  overloads: decisions?.overloads ?? 0
})

export class Totals implements Numbers {
  readonly counts = new Counts()
  readonly queue = new Histogram()
  readonly run = new Histogram()
  readonly decisions = new Map<string, number>()
  overloads = 0

  add({ counts, decisions, overloads, queue, run }: Numbers): void {
    this.addCounts(counts, 1)
    if (queue !== undefined) this.queue.addAll(queue)
    if (run !== undefined) this.run.addAll(run)
    this.overloads += overloads
    for (const [reason, count] of decisions) this.addDecisions(reason, count)
  }

  /** Takes out what `add` has added. Decisions whose reason has no count any more are counted under `other`. */
  remove({ counts, decisions, overloads, queue, run }: Totals, other: string): void {
    this.addCounts(counts, -1)
    this.queue.removeAll(queue)
    this.run.removeAll(run)
    this.overloads -= overloads
    for (const [reason, count] of decisions) this.addDecisions(this.decisions.has(reason) ? reason : other, -count)
  }

  private addDecisions(reason: string, count: number): void {
    this.decisions.set(reason, (this.decisions.get(reason) ?? 0) + count)
  }

  private addCounts(counts: Counts, sign: 1 | -1): void {
    this.counts.submitted += sign * counts.submitted
    this.counts.succeeded += sign * counts.succeeded
    this.counts.failed += sign * counts.failed
    this.counts.interrupted += sign * counts.interrupted
    this.counts.cancelled += sign * counts.cancelled
    for (const reason of rejectionReasons) this.counts.rejectedBy[reason] += sign * counts.rejectedBy[reason]
  }
}

export const rejectionReasons = Object.keys(new Counts().rejectedBy) as ReadonlyArray<NotAvailableReason>
