/** What has become of the tasks of a pool, as numbers. */
import type { NotAvailableReason } from "../../TaskPoolReason.ts"

export class Counts {
  submitted = 0
  succeeded = 0
  failed = 0
  interrupted = 0
  cancelled = 0
  /** Those of the cancelled that gave their place to another task, and those that had never started. */
  dropped = 0
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

  /** How many have settled. */
  get settled(): number {
    return this.succeeded + this.failed + this.interrupted + this.cancelled
  }

  cancel(hadStarted: boolean): void {
    this.cancelled++
    if (!hadStarted) this.neverStarted++
  }
}
