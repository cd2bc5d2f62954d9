/** Calls a function at a time. Can be planned again and again. */
import type { Agenda, Due } from "./agenda.ts"

export class Alarm implements Due {
  at = 0
  agendaSlot = -1
  readonly fire: () => void
  private readonly agenda: Agenda

  constructor(agenda: Agenda, fire: () => void) {
    this.agenda = agenda
    this.fire = fire
  }

  get isPlanned(): boolean {
    return this.agendaSlot >= 0
  }

  /** Plans the call for a time. Replaces an earlier plan. */
  plan(at: number): void {
    if (this.isPlanned && this.at === at) return
    this.at = at
    this.agenda.add(this, at)
  }

  cancel(): void {
    this.agenda.remove(this)
  }
}
