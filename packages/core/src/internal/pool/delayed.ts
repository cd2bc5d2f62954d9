/** The delayed tasks: they have failed and wait for their next attempt, without a worker. */
import type { Exit, Failure } from "effect/Exit"
import { PriorityBacklog } from "../backlog/priority.ts"
import { runIsolated } from "../runtime/asyncContext.ts"
import { callersAsyncContext } from "../runtime/fiber.ts"
import type { Agenda } from "./agenda.ts"
import type { Entry } from "./entry.ts"
import { Alarm } from "./alarm.ts"
import { failureToRetry } from "./retry.ts"

/** The pool, as its delayed tasks see it. */
export interface Attempts {
  /** Moves a delayed task whose next attempt is due back into the queue. */
  requeue(entry: Entry): void
  /** Settles a task that has no next attempt with `exit`. */
  fail(entry: Entry, exit: Exit<unknown, unknown>): void
  flush(): void
}

/** Tasks in the order in which they are due. */
class ByDue extends PriorityBacklog<Entry> {
  add(entry: Entry, due: number): void {
    this.put(entry, due, this.nextSequence())
  }
}

export class Delayed {
  readonly entries = new ByDue()
  private readonly attempts: Attempts
  private readonly agenda: Agenda

  constructor(attempts: Attempts, agenda: Agenda) {
    this.attempts = attempts
    this.agenda = agenda
  }

  /** Takes a failed task, and returns `true`, unless its failure is final. */
  take(entry: Entry, exit: Failure<unknown, unknown>): boolean {
    const failure = failureToRetry(exit)
    if (failure === undefined) return false
    entry.onDelayed()
    // It is due when the schedule has decided, which may take a while.
    this.entries.add(entry, Infinity)
    entry.state = "Delayed"
    // The schedule and the predicates are user code. They run in the submitter's context and async context.
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
    // The task may have been cancelled meanwhile.
    if (entry.state !== "Delayed") return
    const delay = planned._tag === "Success" ? planned.value : undefined
    if (delay === undefined) {
      this.entries.remove(entry)
      this.attempts.fail(entry, planned._tag === "Success" ? exit : planned)
    } else if (delay <= 0) this.attempts.requeue(entry)
    else {
      const due = new Alarm(this.agenda, () => {
        this.attempts.requeue(entry)
        this.attempts.flush()
      })
      entry.extra!.retry!.due = due
      if (!(delay < Infinity)) return
      const at = this.agenda.nowOrLast() + delay
      this.entries.remove(entry)
      this.entries.add(entry, at)
      due.plan(at)
    }
  }
}
