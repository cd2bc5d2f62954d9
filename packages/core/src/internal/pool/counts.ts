/** The outcomes of a pool's tasks, as numbers. */
import type { NotAvailableReason } from "../../TaskPoolReason.ts"

export class Counts {
  submitted = 0
  succeeded = 0
  failed = 0
  interrupted = 0
  cancelled = 0
  /** Cancelled tasks whose place a new task took. */
  dropped = 0
  /** Cancelled tasks that had never started. */
  neverStarted = 0
  rejected = 0
  readonly rejectedBy: Record<NotAvailableReason, number> = {
    Paused: 0,
    Closed: 0,
    QueueFull: 0,
    TooLarge: 0,
    WaitedTooLong: 0,
    Nested: 0
  }

  /** The number of settled tasks. */
  get settled(): number {
    return this.succeeded + this.failed + this.interrupted + this.cancelled
  }

  cancel(hadStarted: boolean): void {
    this.cancelled++
    if (!hadStarted) this.neverStarted++
  }
}
