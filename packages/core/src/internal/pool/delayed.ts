/** Tasks that have failed and wait for their next attempt, without a worker. */
import type { Exit, Failure } from "effect/Exit"
import { LinkedList } from "../backlog/list.ts"
import { runIsolated } from "../runtime/asyncContext.ts"
import { callersAsyncContext } from "../runtime/fiber.ts"
import type { Agenda } from "./agenda.ts"
import type { Entry } from "./entry.ts"
import { Moment } from "./moment.ts"
import { failureToRetry } from "./retry.ts"

/** Where delayed tasks go. */
export interface Attempts {
  /** The task waits for its next attempt no longer, but for a worker. */
  comeBack(entry: Entry): void
  /** There is no next attempt: the task's outcome is `exit`. */
  fail(entry: Entry, exit: Exit<unknown, unknown>): void
  flush(): void
}

export class Delayed {
  readonly entries = new LinkedList<Entry>()
  private readonly attempts: Attempts
  private readonly agenda: Agenda

  constructor(attempts: Attempts, agenda: Agenda) {
    this.attempts = attempts
    this.agenda = agenda
  }

  /** In the order in which they are due. */
  ordered(): Array<Entry> {
    const dueOf = ({ extra }: Entry): number => (extra!.due?.isPlanned === true ? extra!.due.at : Infinity)
    return this.entries.toArray().sort((a, b) => (dueOf(a) < dueOf(b) ? -1 : dueOf(a) > dueOf(b) ? 1 : 0))
  }

  /** Takes a task that has failed, unless such a failure is final. */
  take(entry: Entry, exit: Failure<unknown, unknown>): boolean {
    const failure = failureToRetry(exit)
    if (failure === undefined) return false
    entry.onDelayed()
    this.entries.push(entry)
    entry.state = "Delayed"
    // The schedule and the predicates are user code. They are asked in the submitter's context, and in its async context.
    const plan = () =>
      entry.extra!.retry!.plan(failure.error, entry.context!, (planned) => {
        this.onPlanned(entry, exit, planned)
        this.attempts.flush()
      })
    const planned = runIsolated(entry.asyncContext ?? callersAsyncContext(entry), plan, undefined, undefined)
    if (planned !== undefined) this.onPlanned(entry, exit, planned)
    return true
  }

  private onPlanned(entry: Entry, exit: Failure<unknown, unknown>, planned: Exit<number | undefined>): void {
    // It may have been cancelled meanwhile.
    if (entry.state !== "Delayed") return
    const delay = planned._tag === "Success" ? planned.value : undefined
    if (delay === undefined) {
      this.entries.remove(entry)
      this.attempts.fail(entry, planned._tag === "Success" ? exit : planned)
    } else if (delay <= 0) this.comeBack(entry)
    else {
      const due = new Moment(this.agenda, () => {
        this.comeBack(entry)
        this.attempts.flush()
      })
      entry.extra!.due = due
      if (delay < Infinity) due.plan(this.agenda.now() + delay)
    }
  }

  private comeBack(entry: Entry): void {
    this.entries.remove(entry)
    this.attempts.comeBack(entry)
  }
}
