/** Ends a task that has waited too long. An `Alarm` would cost a closure more for each waiting task. */
import type { Agenda, Due } from "./agenda.ts"

/** A task, as its deadline sees it. */
interface Waiting {
  readonly machine: object
}

/** The pool, as a deadline of one of its tasks sees it. */
export interface Expiring {
  readonly agenda: Agenda
  /** Called when the time `at` has come, or a little later. */
  expire(entry: Waiting, at: number): void
}

export class Deadline implements Due {
  agendaSlot = -1
  /** In milliseconds. */
  readonly maxWait: number
  private entry: Waiting | undefined = undefined

  constructor(maxWait: number) {
    this.maxWait = maxWait
  }

  /** Begins to count the time of a task that waits. Does nothing if it has begun. */
  start(entry: Waiting, { agenda }: Expiring): void {
    if (this.entry !== undefined) return
    this.entry = entry
    agenda.add(this, agenda.now() + this.maxWait)
  }

  fire(at: number): void {
    const entry = this.entry!
    ;(entry.machine as Expiring).expire(entry, at)
  }

  cancel({ agenda }: Expiring): void {
    agenda.remove(this)
  }
}
