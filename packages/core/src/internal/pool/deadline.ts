/** Ends a task that has waited too long. An `Alarm` would cost a closure more for each waiting task. */
import type { Agenda, Due } from "./agenda.ts"
import type { Entry } from "./entry.ts"

/** The pool, as a deadline sees it. */
export interface Expiring {
  readonly agenda: Agenda
  /** Called when the time `at` has come, or a little later. */
  expire(entry: Entry, at: number): void
}

export class Deadline implements Due {
  agendaSlot = -1
  private readonly expiring: Expiring
  private readonly entry: Entry
  private readonly at: number

  constructor(expiring: Expiring, entry: Entry, at: number) {
    this.expiring = expiring
    this.entry = entry
    this.at = at
    expiring.agenda.add(this, at)
  }

  fire(): void {
    this.expiring.expire(this.entry, this.at)
  }

  cancel(): void {
    this.expiring.agenda.remove(this)
  }
}
