/**
 * Why a pool dispatches nothing, or admits nothing, for a while.
 *
 * Holds stop dispatch, each for a reason; those of one reason nest by counting, and ending one reason ends no other. Pauses
 * stop admission: the one of `pause`, and those that effects have begun. Whoever owns this is told of each change.
 */
import type { HoldReason as PublicReason } from "../../PoolStats.ts"
import type { PoolEvent } from "../../TaskPool.ts"
import type { Agenda } from "./agenda.ts"
import { Moment } from "./moment.ts"

/** Why dispatch is held. */
export type HoldReason = PublicReason | "Closing"

/** What holds change. */
export interface Held {
  /** A hold has begun or ended. */
  onHeld(): void
  emit(event: PoolEvent): void
  flush(): void
}

export class Holds {
  private readonly held: Held
  private readonly agenda: Agenda
  private readonly counts = new Map<HoldReason, number>()
  /** Counts the closings: a hold of before ends nothing of after. */
  private closings = 0
  private readonly retryAfter: Moment

  constructor(held: Held, agenda: Agenda) {
    this.held = held
    this.agenda = agenda
    this.retryAfter = new Moment(agenda, () => this.end("RetryAfter", true))
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
    const count = this.counts.get(reason) ?? 0
    this.counts.set(reason, count + 1)
    if (count > 0) return
    this.held.onHeld()
    if (reason !== "Closing") this.held.emit({ _tag: "Held", reason })
  }

  /** Ends one hold of a reason, or all of them; does nothing if there is none. */
  end(reason: HoldReason, all = false): void {
    const count = this.counts.get(reason)
    if (count === undefined) return
    if (count > 1 && !all) return void this.counts.set(reason, count - 1)
    this.counts.delete(reason)
    this.held.onHeld()
    if (reason !== "Closing") this.held.emit({ _tag: "Released", reason })
    this.held.flush()
  }

  /** Begins a user's hold, and returns what ends it. */
  beginByUser(): () => void {
    const { closings } = this
    this.begin("User")
    this.held.flush()
    // Closing has ended all holds of before.
    return once(() => (closings === this.closings ? this.end("User") : undefined))
  }

  /** Holds for some milliseconds from now on. A later call extends it, and never shortens it. */
  beginFor(millis: number): void {
    const until = this.agenda.now() + millis
    if (!(millis > 0) || (this.has("RetryAfter") && this.retryAfter.at >= until)) return
    if (!this.has("RetryAfter")) this.begin("RetryAfter")
    if (until < Infinity) this.retryAfter.plan(until)
    else {
      this.retryAfter.cancel()
      this.retryAfter.at = until
    }
    this.held.flush()
  }

  /** Ends the hold of `beginFor`, if it ends by then. */
  endDue(at: number): void {
    if (!this.retryAfter.isPlanned || this.retryAfter.at > at) return
    this.retryAfter.cancel()
    this.retryAfter.fire()
  }

  /** The pool begins to close: users' holds end. */
  onClosing(): void {
    this.closings++
    this.end("User", true)
  }

  /** The pool has closed. */
  onClosed(): void {
    this.retryAfter.cancel()
    this.end("RetryAfter", true)
  }
}

/** Calls a function the first time only. */
export const once = (f: () => void): (() => void) => {
  let isFirst = true
  return () => {
    if (isFirst) f()
    isFirst = false
  }
}

const none: ReadonlyArray<PublicReason> = []
