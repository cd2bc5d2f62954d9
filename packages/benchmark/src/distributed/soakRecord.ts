/**
 * What a soak knows of its tasks: every run that a worker told of, and every outcome.
 *
 * | outcome  | when                                                                                          |
 * | -------- | --------------------------------------------------------------------------------------------- |
 * | right    | the submitter got the task's own number                                                       |
 * | poisoned | `TaskLost` (`"Poisoned"`) after at least `maxDeaths` lost leases, as the pool promises        |
 * | wrong    | anything else: another number, another error, or poisoned too early                           |
 *
 * A task that ran again is not wrong: a lost lease runs it twice. Its submitter must still get one answer.
 */
import { TaskLost } from "@aio-task-pool/distributed"
import { Cause, Exit } from "effect"

/** One run of a task, as its worker told. */
export interface SoakRun {
  /** The number of the task. */
  readonly i: number
  /** The ID of the task. */
  readonly id: string
  readonly attempt: number
  /** How many leases of the task were lost before. */
  readonly stalls: number
  /** The process that ran it. */
  readonly pid: number
}

export type SoakOutcome = "right" | "poisoned" | "wrong"

/** What became of a task. */
export interface SoakAnswer {
  readonly outcome: SoakOutcome
  readonly answer: string
  readonly id: string | undefined
  readonly runs: ReadonlyArray<SoakRun>
}

export class SoakRecord {
  submitted = 0
  /** Runs beyond the first one of a task. */
  again = 0
  readonly outcomes: Record<SoakOutcome, number> = { right: 0, poisoned: 0, wrong: 0 }
  private readonly maxDeaths: number
  private readonly counts: Uint8Array
  /** The runs of tasks without an outcome. The others are dropped, so that the memory stays flat. */
  private readonly open = new Map<number, Array<SoakRun>>()

  constructor(most: number, maxDeaths: number) {
    this.counts = new Uint8Array(most)
    this.maxDeaths = maxDeaths
  }

  submit(): number {
    const i = this.submitted++
    this.open.set(i, [])
    return i
  }

  get unanswered(): number {
    return this.open.size
  }

  ran(run: SoakRun): void {
    if (this.counts[run.i]! > 0) this.again++
    if (this.counts[run.i]! < 255) this.counts[run.i]!++
    this.open.get(run.i)?.push(run)
  }

  /** Returns the outcome of a task, its ID as far as it is known, and the runs that the workers told of. */
  settled(i: number, exit: Exit.Exit<number, unknown>): SoakAnswer {
    const runs = this.open.get(i) ?? []
    this.open.delete(i)
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    const outcome = outcomeOf(i, exit, error, this.maxDeaths)
    this.outcomes[outcome]++
    return {
      outcome,
      answer: String(Exit.isSuccess(exit) ? exit.value : error),
      id: runs[0]?.id ?? (error instanceof TaskLost ? error.id : undefined),
      runs
    }
  }
}

const outcomeOf = (i: number, exit: Exit.Exit<number, unknown>, error: unknown, maxDeaths: number): SoakOutcome => {
  if (Exit.isSuccess(exit)) return exit.value === i ? "right" : "wrong"
  return error instanceof TaskLost && error.reason === "Poisoned" && error.attempts >= maxDeaths ? "poisoned" : "wrong"
}
