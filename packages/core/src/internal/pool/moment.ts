/** Something that happens at a time, as often as it is planned. */
import type { Agenda, Due } from "./agenda.ts"

export class Moment implements Due {
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

  /** Plans it for a time, instead of another one. */
  plan(at: number): void {
    if (this.isPlanned && this.at === at) return
    this.at = at
    this.agenda.add(this, at)
  }

  cancel(): void {
    this.agenda.remove(this)
  }
}
