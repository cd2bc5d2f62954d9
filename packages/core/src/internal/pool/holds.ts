/**
 * The holds of a pool: they stop its dispatch.
 *
 * Each hold has a reason. Holds of one reason nest by counting, and ending one reason does not end another. The pool
 * recomputes its limit after each change.
 */
import type { HoldReason as PublicReason } from "../../PoolStats.ts"
import type { Events } from "./events.ts"
import type { Agenda } from "./agenda.ts"
import { Alarm } from "./alarm.ts"

/** Why dispatch is held. */
export type HoldReason = PublicReason | "Closing"

/** The pool, as its holds see it. */
export interface Held {
  /** Called before a reason begins or ends to hold. */
  reportHold(): void
  /** Called when a hold has begun or ended. */
  refreshLimit(): void
  readonly events: Pick<Events, "emit">
  flush(): void
}

export class Holds {
  private readonly held: Held
  private readonly agenda: Agenda
  private readonly counts = new Map<HoldReason, number>()
  /** The number of closings so far, by which a hold knows that closing has ended it. */
  private closings = 0
  private readonly retryAfter: Alarm

  constructor(held: Held, agenda: Agenda) {
    this.held = held
    this.agenda = agenda
    this.retryAfter = new Alarm(agenda, () => this.end("RetryAfter", true))
  }

  get isHeld(): boolean {
    return this.counts.size > 0
  }

  has(reason: HoldReason): boolean {
    return this.counts.has(reason)
  }

  get reasons(): ReadonlyArray<PublicReason> {
    return this.counts.size === 0 ? none : Array.from(this.counts.keys()).filter((reason) => reason !== "Closing")
  }

  begin(reason: HoldReason): void {
    if (!this.counts.has(reason)) this.held.reportHold()
    const count = this.counts.get(reason) ?? 0
    this.counts.set(reason, count + 1)
    if (count > 0) return
    this.held.refreshLimit()
    if (reason !== "Closing") this.held.events.emit({ _tag: "Held", reason })
  }

  /** Ends one hold of a reason, or all of them. Does nothing if there is none. */
  end(reason: HoldReason, all = false): void {
    const count = this.counts.get(reason)
    if (count === undefined) return
    if (count > 1 && !all) return void this.counts.set(reason, count - 1)
    this.held.reportHold()
    this.counts.delete(reason)
    this.held.refreshLimit()
    if (reason !== "Closing") this.held.events.emit({ _tag: "Released", reason })
    this.held.flush()
  }

  /** Begins a user's hold, and returns a function that ends it. */
  beginByUser(): () => void {
    const { closings } = this
    this.begin("User")
    this.held.flush()
    // If the pool has closed meanwhile, closing has ended this hold. Ending it again would end a newer one.
    return once(() => (closings === this.closings ? this.end("User") : undefined))
  }

  /** Holds dispatch for some milliseconds from now on. A later call may extend the time, and never shortens it. */
  beginFor(millis: number): void {
    const until = this.agenda.nowOrLast() + millis
    if (!(millis > 0) || (this.has("RetryAfter") && this.retryAfter.at >= until)) return
    if (!this.has("RetryAfter")) this.begin("RetryAfter")
    if (until < Infinity) this.retryAfter.plan(until)
    else {
      this.retryAfter.cancel()
      this.retryAfter.at = until
    }
    this.held.flush()
  }

  /** Ends the hold of `beginFor` now if it is due at the given time or earlier. */
  endDue(at: number): void {
    if (!this.retryAfter.isPlanned || this.retryAfter.at > at) return
    this.retryAfter.cancel()
    this.retryAfter.fire()
  }

  /** Ends the users' holds when the pool begins to close. */
  onClosing(): void {
    this.closings++
    this.end("User", true)
  }

  /** Ends the hold of `beginFor` when the pool has closed. */
  onClosed(): void {
    this.retryAfter.cancel()
    this.end("RetryAfter", true)
  }
}

/** Returns a function that calls `f` at its first call only. */
export const once = (f: () => void): (() => void) => {
  let isFirst = true
  return () => {
    if (isFirst) f()
    isFirst = false
  }
}

const none: ReadonlyArray<PublicReason> = []
