/**
 * Tasks lend their workers while they wait for their own pool, so that nested work cannot deadlock.
 *
 *     busy ──begin──> lent ──last wait ends──> returning ──workers free──> busy
 *                      ↑                          │   (ahead of the queue, first in first out)
 *                      └─────────begin────────────┘
 *
 * A *wait* is one fiber of a task that waits in an operation of the pool. A *loan* is a task that lends, which it does
 * while any of its fibers waits. The fiber whose wait ends last takes the workers back before it continues. Taking them
 * back is not a dispatch: holds, rates and key limits do not prevent it.
 */
import { type Linked, LinkedList } from "../backlog/list.ts"
import type { Notifiable } from "./completions.ts"
import type { Entry } from "./entry.ts"

/** The workers of a pool, as lending sees them. */
export interface Workers {
  /** Frees the workers of an entry for others. */
  lendWorkers(entry: Entry): void
  /** Takes the workers back if they are free, or in any case if `must`. Returns whether it did. */
  takeBackWorkers(entry: Entry, must: boolean): boolean
  /** Stops dispatch while entries wait for their workers, and resumes it. */
  blockDispatch(blocked: boolean): void
  enqueueCompletion(completion: Notifiable): void
}

class Loan implements Linked<Loan> {
  prev: Loan | undefined = undefined
  next: Loan | undefined = undefined
  readonly entry: Entry
  waits = 0
  /** Whether the entry has ended. A fiber that outlives its task may still wait, and takes no workers back. */
  isOver = false
  /** The wait that ended last, while its fiber waits for the workers. */
  returning: Wait | undefined = undefined

  constructor(entry: Entry) {
    this.entry = entry
  }
}

/** A fiber of a task that waits in an operation of its own pool. */
export class Wait implements Notifiable {
  private readonly lending: Lending
  /** The loan of its task, until the wait has ended. */
  loan: Loan | undefined
  /** Whether the fiber may continue. */
  isDone = false
  /** Resumes the fiber that waits for the workers. */
  onDone: (() => void) | undefined = undefined

  constructor(lending: Lending, loan: Loan) {
    this.lending = lending
    this.loan = loan
  }

  /** Ends the wait, in the step of the event that the fiber waits for. */
  end(): void {
    this.lending.end(this, false)
  }

  /** Takes the workers back now, even above the target, because the fiber was interrupted and its finalizers run. */
  takeBackNow(): void {
    this.lending.end(this, true)
  }

  notify(): void {
    this.onDone?.()
  }
}

export class Lending {
  private readonly workers: Workers
  private readonly loans = new Map<Entry, Loan>()
  private readonly returning = new LinkedList<Loan>()

  constructor(workers: Workers) {
    this.workers = workers
  }

  /** Begins the wait of a fiber of the entry. */
  begin(entry: Entry): Wait {
    let loan = this.loans.get(entry)
    if (loan === undefined) {
      loan = new Loan(entry)
      this.loans.set(entry, loan)
      this.workers.lendWorkers(entry)
    } else if (loan.returning !== undefined) this.resume(loan)
    loan.waits++
    return new Wait(this, loan)
  }

  end(wait: Wait, must: boolean): void {
    const { loan } = wait
    if (wait.isDone || loan === undefined) return
    if (loan.isOver) return this.leave(wait)
    const first = loan.returning !== wait
    if (first && --loan.waits > 0) return this.leave(wait)
    if (!must && (!first || this.returning.size > 0 || !this.workers.takeBackWorkers(loan.entry, false))) {
      if (first) this.queue(loan, wait)
      return
    }
    if (must) this.workers.takeBackWorkers(loan.entry, true)
    if (!first) this.resume(loan)
    this.loans.delete(loan.entry)
    this.leave(wait)
  }

  /** Gives free workers back to the entries that wait for them. Called before anything is dispatched. */
  flush(): void {
    for (let loan = this.returning.head; loan !== undefined; loan = this.returning.head) {
      if (!this.workers.takeBackWorkers(loan.entry, false)) return
      this.loans.delete(loan.entry)
      this.resume(loan)
    }
  }

  /** Ends the loan of an entry that has ended or is delayed. Returns whether it was lending its workers. */
  leftWorkers(entry: Entry): boolean {
    const loan = this.loans.get(entry)
    if (loan === undefined) return false
    this.loans.delete(entry)
    loan.isOver = true
    if (loan.returning !== undefined) this.resume(loan)
    return true
  }

  isLent(entry: Entry): boolean {
    return this.loans.has(entry)
  }

  private queue(loan: Loan, wait: Wait): void {
    loan.returning = wait
    this.returning.push(loan)
    this.workers.blockDispatch(true)
  }

  /** Resumes the fiber that waits for the workers of a loan. */
  private resume(loan: Loan): void {
    const wait = loan.returning!
    loan.returning = undefined
    this.returning.remove(loan)
    this.leave(wait)
    this.workers.enqueueCompletion(wait)
    if (this.returning.size === 0) this.workers.blockDispatch(false)
  }

  private leave(wait: Wait): void {
    wait.isDone = true
    wait.loan = undefined
  }
}
