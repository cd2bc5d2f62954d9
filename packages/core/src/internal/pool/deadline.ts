/**
 * Ends the tasks that have waited too long.
 *
 * Tasks that come in a burst share readings of the clock (see `ages.ts`). Those with the same reading and the same
 * `maxWait` have one deadline, which is one item of the agenda: an item for each task would cost as much as a tenth of
 * the task. When such a task has come is known only within the time of its reading, so the deadline is up to a few
 * milliseconds late, or as long as the burst has blocked the event loop, and never early. Other tasks have a deadline of
 * their own.
 */
import type { Agenda, Due } from "./agenda.ts"
import type { Ages, SharedReading } from "./ages.ts"
import type { UserCode } from "./log.ts"

/** A task, as its deadline sees it. */
export interface Waiting {
  readonly machine: object
}

/** The pool, as a deadline of its tasks sees it. */
export interface Expiring {
  readonly agenda: Agenda
  readonly ages: Ages
  /** Called when the time `at` has come, or a little later. */
  expire(entry: Waiting, at: number): void
  readonly userCode: Pick<UserCode, "guard">
}

/** The part of a task's extra that belongs to its deadline. */
export interface HasDeadline {
  /** `maxWait` is in milliseconds; `undefined` for no limit. */
  readonly options: { readonly maxWait: number | undefined }
  /** The deadline, while the task waits for its first start. */
  deadline: Deadline | undefined
  /** The index of the task in its deadline. */
  deadlineSlot: number
}

export class Deadline implements Due {
  agendaSlot = -1
  private readonly pool: Expiring
  private readonly maxWait: number
  /** The reading that the tasks share; `undefined` if there is only one, and when its time is known. */
  private reading: SharedReading | undefined
  private readonly entries: Array<Waiting | undefined>
  /** The number of tasks that still wait. */
  count = 1

  constructor(pool: Expiring, entry: Waiting, maxWait: number, reading: SharedReading | undefined) {
    this.pool = pool
    this.maxWait = maxWait
    this.reading = reading
    // The first push to an empty array would reserve 16 places, and most deadlines may have one task.
    this.entries = [entry]
  }

  /** Returns whether a task with a `maxWait` that comes now has this deadline. */
  isFor(maxWait: number): boolean {
    const { reading } = this
    return reading !== undefined && reading === this.pool.ages.shared && this.maxWait === maxWait && this.count > 0
  }

  /** Adds a task, and returns its slot. */
  add(entry: Waiting): number {
    this.count++
    return this.entries.push(entry) - 1
  }

  remove(slot: number): void {
    this.entries[slot] = undefined
    if (--this.count === 0) this.pool.agenda.remove(this)
  }

  fire(at: number): void {
    const { pool, reading } = this
    if (reading !== undefined) {
      this.reading = undefined
      // Some of the tasks may have come after the reading.
      if (reading.until === Infinity) pool.ages.endSharing()
      return pool.agenda.add(this, reading.until + this.maxWait)
    }
    const expire = (entry: Waiting): void => pool.expire(entry, at)
    for (const entry of this.entries) if (entry !== undefined) pool.userCode.guard(expire, entry)
  }
}

/** The deadlines of one pool. */
export class Deadlines {
  private readonly pool: Expiring
  /** The last deadline, which the next task may have too. */
  private last: Deadline | undefined = undefined

  constructor(pool: Expiring) {
    this.pool = pool
  }

  /**
   * Begins to count the time of a task that came at the last reading of the clock. Does nothing if it has begun, or if
   * the task has no limit.
   */
  start(entry: Waiting, extra: HasDeadline): void {
    const { maxWait } = extra.options
    if (maxWait === undefined || extra.deadline !== undefined) return
    const { last } = this
    if (last !== undefined && last.isFor(maxWait)) {
      extra.deadlineSlot = last.add(entry)
      extra.deadline = last
    } else extra.deadline = this.last = this.begin(entry, maxWait)
  }

  private begin(entry: Waiting, maxWait: number): Deadline {
    const { agenda, ages } = this.pool
    const deadline = new Deadline(this.pool, entry, maxWait, ages.shared)
    agenda.add(deadline, (ages.shares ? ages.time : agenda.nowOrLast()) + maxWait)
    return deadline
  }

  /** Ends the counting, because the task starts or settles. */
  end(extra: HasDeadline): void {
    const { deadline } = extra
    if (deadline === undefined) return
    extra.deadline = undefined
    deadline.remove(extra.deadlineSlot)
  }
}
