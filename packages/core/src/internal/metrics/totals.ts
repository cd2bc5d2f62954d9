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

export class Totals {
  readonly counts = new Counts()
  readonly queue = new Histogram()
  readonly run = new Histogram()
  readonly decisions = new Map<string, number>()
  overloads = 0

  add({ decisions, machine }: MeasuredPool): void {
    this.addCounts(machine.counts)
    this.addTimes(machine)
    if (decisions === undefined) return
    this.overloads += decisions.overloads
    for (const [reason, count] of decisions.byReason) {
      this.decisions.set(reason, (this.decisions.get(reason) ?? 0) + count)
    }
  }

  private addCounts(counts: Counts): void {
    this.counts.submitted += counts.submitted
    this.counts.succeeded += counts.succeeded
    this.counts.failed += counts.failed
    this.counts.interrupted += counts.interrupted
    this.counts.cancelled += counts.cancelled
    for (const reason of rejectionReasons) this.counts.rejectedBy[reason] += counts.rejectedBy[reason]
  }

  private addTimes({ timing }: Machine): void {
    if (timing === undefined) return
    this.queue.addAll(timing.queue)
    this.run.addAll(timing.run)
  }
}

export const rejectionReasons = Object.keys(new Counts().rejectedBy) as ReadonlyArray<NotAvailableReason>
