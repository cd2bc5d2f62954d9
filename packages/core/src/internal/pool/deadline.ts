/** Ends a task that has waited too long. An `Alarm` would cost a closure more for each waiting task. */
import type { Agenda, Due } from "./agenda.ts"

/** The pool, as a deadline of one of its tasks sees it. */
export interface Expiring<Entry> {
  readonly agenda: Agenda
  /** Called when the time `at` has come, or a little later. */
  expire(entry: Entry, at: number): void
}

export class Deadline<Entry> implements Due {
  agendaSlot = -1
  private readonly expiring: Expiring<Entry>
  private readonly entry: Entry
  private readonly at: number

  constructor(expiring: Expiring<Entry>, entry: Entry, at: number) {
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
