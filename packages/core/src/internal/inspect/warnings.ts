/**
 * The warnings of a pool with `warnAfter`: its oldest task has waited for that long, or tasks wait and none has ended for
 * that long.
 *
 * Each is logged once per *episode*, from the time at which its rule begins to apply until it no longer does. A timer
 * runs only while tasks wait and a rule may begin to apply.
 */
import type { PoolWarning } from "../../PoolInspection.ts"
import { millisBetween } from "../pool/ages.ts"
import { Alarm } from "../pool/alarm.ts"
import { labelOf } from "../pool/label.ts"
import type { Machine } from "../pool/machine.ts"
import type { TaskIds } from "./inspect.ts"

type Rule = PoolWarning["rule"]

/** The most running tasks that a log line names. */
const mostNamed = 10

export class Warnings {
  private readonly machine: Machine
  private readonly warnAfter: number
  private readonly ids: TaskIds
  private readonly alarm: Alarm
  private readonly logged: Record<Rule, boolean> = { OldestWait: false, NothingEnded: false }
  private wasWaiting = false
  /** The number of ended tasks at the last flush. */
  private ended = 0
  /** The stamp of the last end of a task, or of the time at which tasks began to wait. */
  private quietSince = 0

  /** `warnAfter` is in milliseconds. */
  constructor(machine: Machine, warnAfter: number, ids: TaskIds) {
    this.machine = machine
    this.warnAfter = warnAfter
    this.ids = ids
    this.alarm = new Alarm(machine.agenda, () => this.logNew())
  }

  /** Returns the warnings that apply now. */
  current(): ReadonlyArray<PoolWarning> {
    const now = this.machine.ages.now()
    return rules.flatMap((rule) => {
      const millis = this.millisOf(rule, now)
      return millis < this.warnAfter ? [] : [{ rule, message: this.messageOf(rule, millis) }]
    })
  }

  /** Notes what a flush has changed. */
  flushEnded(): void {
    const { ended, queued } = this.machine
    const isWaiting = queued > 0
    if (!this.isQuiet) {
      this.quietSince = this.machine.ages.stamp()
      this.ended = ended
      this.logged.NothingEnded = false
    }
    this.wasWaiting = isWaiting
    if (!isWaiting) {
      this.logged.OldestWait = false
      this.alarm.cancel()
      // The oldest task may be another one now, which ends the episode.
    } else if (this.logged.OldestWait || !this.alarm.isPlanned) this.plan(this.machine.ages.now())
  }

  /** Logs the rules that apply now and did not apply before. */
  private logNew(): void {
    for (const rule of rules) {
      // For each rule, because a logger and names are user code: they take time, and may change the pool.
      const now = this.machine.ages.now()
      const millis = this.millisOf(rule, now)
      if (this.logged[rule] || millis < this.warnAfter) continue
      this.logged[rule] = true
      this.machine.userCode.log("Warn", this.messageOf(rule, millis), this.numbersOf(rule, millis, now))
    }
    this.plan(this.machine.ages.now())
  }

  /** Ends the episodes that are over, and plans the time at which a rule may next begin to apply. */
  private plan(now: number): void {
    let left = Infinity
    for (const rule of rules) {
      const millis = this.millisOf(rule, now)
      if (millis < this.warnAfter) this.logged[rule] = false
      if (!this.logged[rule]) left = Math.min(left, this.warnAfter - millis)
    }
    if (this.machine.queued === 0 || left === Infinity) this.alarm.cancel()
    else this.alarm.plan(this.machine.agenda.nowOrLast() + Math.max(1, left))
  }

  /** Returns for how many milliseconds what a rule warns of has lasted; 0 if no task waits. */
  private millisOf(rule: Rule, now: number): number {
    const oldest = this.machine.oldestQueued
    if (oldest === undefined) return 0
    if (rule === "OldestWait") return millisBetween(oldest.arrivedAt, now)
    return this.isQuiet ? millisBetween(this.quietSince, now) : 0
  }

  /** Whether tasks have waited, and none has ended, since the last flush. A flush that is under way is not noted yet. */
  private get isQuiet(): boolean {
    return this.wasWaiting && this.machine.ended === this.ended
  }

  private messageOf(rule: Rule, millis: number): string {
    const time = `${secondsOf(millis)} s`
    return rule === "OldestWait"
      ? `oldest task has waited for ${time}`
      : `nothing has ended for ${time}, ${this.machine.queued} wait`
  }

  /** Returns what the message says as numbers, and the tasks that it is about. Times are in milliseconds. */
  private numbersOf(rule: Rule, millis: number, now: number): Record<string, unknown> {
    const { machine } = this
    const waiting = machine.queued
    if (rule === "OldestWait") {
      const oldest = machine.oldestQueued!
      return { waited: millis, waiting, id: this.ids.of(oldest), label: labelOf(oldest) }
    }
    const next = machine.walkTasks().running
    const tasks: Array<object> = []
    for (let entry = next(); entry !== undefined && tasks.length < mostNamed; entry = next()) {
      tasks.push({ id: this.ids.of(entry), label: labelOf(entry), ran: millisBetween(entry.startedAt, now) })
    }
    return { quiet: millis, waiting, running: machine.running, tasks }
  }
}

const rules: ReadonlyArray<Rule> = ["OldestWait", "NothingEnded"]

/** Returns milliseconds as seconds for people: whole ones from 10 seconds on, two digits below. */
const secondsOf = (millis: number): number =>
  millis >= 10_000 ? Math.round(millis / 1000) : Number((millis / 1000).toPrecision(2))
