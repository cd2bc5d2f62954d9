/** Combines several observers into one, because the machine reports to one observer. */
import type { Exit } from "effect/Exit"
import type { Entry, MachineObserver } from "./entry.ts"

export class Observers implements MachineObserver {
  private readonly all: ReadonlyArray<MachineObserver>

  constructor(all: ReadonlyArray<MachineObserver>) {
    this.all = all
  }

  arrived(entry: Entry): void {
    for (const each of this.all) each.arrived(entry)
  }
  dispatched(entry: Entry): void {
    for (const each of this.all) each.dispatched(entry)
  }
  settled(entry: Entry, exit: Exit<unknown, unknown>): void {
    for (const each of this.all) each.settled(entry, exit)
  }
  resized(from: number, to: number): void {
    for (const each of this.all) each.resized(from, to)
  }
  resizedByHand(): void {
    for (const each of this.all) each.resizedByHand()
  }
  flushEnded(): void {
    for (const each of this.all) each.flushEnded()
  }
}
