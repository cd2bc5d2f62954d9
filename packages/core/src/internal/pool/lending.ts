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
 *
 * The stack may overflow at every call here. Each method may be called again then, and does the rest.
 */
import { type Linked, LinkedList } from "../backlog/list.ts"
import type { Notifiable } from "./completions.ts"
import type { Entry } from "./entry.ts"

/** The workers of a pool, as lending sees them. */
export interface Workers {
  /** Frees the workers of an entry for others, and sets `isLent`. */
  lendWorkers(loan: Loan): void
  /** Takes the workers back if they are free, or in any case if `must`, and unsets `isLent`. Returns whether it did. */
  takeBackWorkers(loan: Loan, must: boolean): boolean
  /** Stops dispatch while entries wait for their workers, and resumes it. */
  blockDispatch(blocked: boolean): void
  enqueueCompletion(completion: Notifiable): void
}

export class Loan implements Linked<Loan> {
  prev: Loan | undefined = undefined
  next: Loan | undefined = undefined
  readonly entry: Entry
  waits = 0
  /** Whether the workers count as lent. The pool writes this together with its counts. */
  isLent = false
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
  /** Resumes the fiber that waits for the workers. */
  onDone: (() => void) | undefined = undefined

  constructor(lending: Lending, loan: Loan) {
    this.lending = lending
    this.loan = loan
  }

  /** Whether the fiber may continue. */
  get isDone(): boolean {
    return this.loan === undefined
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
    if (loan === undefined) this.loans.set(entry, (loan = new Loan(entry)))
    else if (loan.returning !== undefined) this.resume(loan)
    if (!loan.isLent) this.workers.lendWorkers(loan)
    const wait = new Wait(this, loan)
    loan.waits++
    return wait
  }

  end(wait: Wait, must: boolean): void {
    const { loan } = wait
    if (loan === undefined) return
    const isReturning = loan.returning === wait
    if (loan.isOver || (!isReturning && --loan.waits > 0)) {
      wait.loan = undefined
      return
    }
    if (!must && (isReturning || this.returning.size > 0 || !this.takeBack(loan, false))) {
      if (!isReturning) this.queue(loan, wait)
      return
    }
    if (must) this.takeBack(loan, true)
    if (isReturning) this.resume(loan)
    wait.loan = undefined
  }

  /** Gives free workers back to the entries that wait for them. Called before anything is dispatched. */
  flush(): void {
    for (let loan = this.returning.head; loan !== undefined; loan = this.returning.head) {
      if (!this.takeBack(loan, false)) return
      this.resume(loan)
    }
    this.workers.blockDispatch(false)
  }

  /** Ends the loan of an entry that has ended or is delayed. Returns whether it was lending its workers. */
  leftWorkers(entry: Entry): boolean {
    const loan = this.loans.get(entry)
    if (loan === undefined) return false
    this.loans.delete(entry)
    loan.isOver = true
    if (loan.returning !== undefined) this.resume(loan)
    return loan.isLent
  }

  isLent(entry: Entry): boolean {
    const loan = this.loans.get(entry)
    return loan !== undefined && loan.isLent
  }

  private takeBack(loan: Loan, must: boolean): boolean {
    if (loan.isOver) return true
    if (loan.isLent && !this.workers.takeBackWorkers(loan, must)) return false
    this.loans.delete(loan.entry)
    return true
  }

  private queue(loan: Loan, wait: Wait): void {
    // First: a flush resumes a dispatch that is blocked for nothing.
    this.workers.blockDispatch(true)
    this.returning.push(loan)
    loan.returning = wait
  }

  /** Resumes the fiber that waits for the workers of a loan. */
  private resume(loan: Loan): void {
    const wait = loan.returning!
    // First: a fiber that is resumed too early takes the workers back by itself.
    this.workers.enqueueCompletion(wait)
    this.returning.remove(loan)
    loan.returning = wait.loan = undefined
    if (this.returning.size === 0) this.workers.blockDispatch(false)
  }
}
