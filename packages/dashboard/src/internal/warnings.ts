/** The rules: what is wrong with a pool, in a sentence that says what to do. Each is a pure function of a reading. */
import type { PoolWarning } from "@aio-task-pool/core"
import type { Warning } from "../Protocol.ts"
import { durationText, numberText, plural, rateText } from "./words.ts"

/** What the rules read of a pool. Times are milliseconds, rates are per second. */
export interface PoolReading {
  readonly name: string
  readonly phase: string
  readonly targetSize: number
  readonly waiting: number
  readonly atDoor: number
  readonly capacity: number
  readonly oldestWait: number
  /** The last known 95th percentile of the run time; `undefined` before the first one. */
  readonly runTime: number | undefined
  /** The task that has run for longest. */
  readonly oldestRun: { readonly label: string; readonly ran: number } | undefined
  /** Rejected submissions by reason. */
  readonly rejected: Readonly<Record<string, number>>
  /** For how many seconds the pool has had its largest possible size and a queue; 0 for a fixed pool. */
  readonly fullFor: number
  /** Open pools of this name. */
  readonly sameName: number
  /** For how long the broker of a distributed pool has not answered, in milliseconds. */
  readonly silentFor: number
  /** The warnings of the pool's own option `warnAfter`. */
  readonly own: ReadonlyArray<PoolWarning>
}

/** What the rules read of an executor. */
export interface ExecutorReading {
  /** Threads replaced in the last minute, by the reason. */
  readonly replaced: Readonly<Record<string, number>>
}

/** A wait or a run that is long compared with the run time, but shorter than this, is no trouble yet. */
const patience = 1000

type Rule<A> = (reading: A) => string | undefined

/** What to do about submissions that the pool rejects, by the reason. */
const cures: Readonly<Record<string, (pool: PoolReading) => string>> = {
  QueueFull: ({ capacity, waiting }) =>
    `its queue is full (${numberText(waiting)} of ${numberText(capacity)} waiting). ` +
    "Raise the capacity, add workers, or let callers wait at the door.",
  Closed: () => "it is closing or closed. Stop its callers before it closes.",
  TooLarge: () =>
    "tasks take more workers, or cost more, than it ever allows. Lower permits or cost, or raise its limits.",
  WaitedTooLong: () => "tasks waited longer than their maxWait. Add workers, or send less work.",
  Nested: () => 'tasks wait for their own pool. Give the inner tasks a pool of their own, or use nested: "lend".'
}

const rejecting: Rule<PoolReading> = (pool) => {
  const [reason, rate] = Object.entries(pool.rejected)
    .filter(([reason]) => reason !== "Paused")
    .reduce((most, entry) => (entry[1] > most[1] ? entry : most), ["", 0] as readonly [string, number])
  if (rate === 0) return undefined
  return `rejects ${rateText(rate)}: ${cures[reason]?.(pool) ?? `the reason is ${reason}.`}`
}

const pausedWithCallers: Rule<PoolReading> = ({ atDoor, phase, rejected }) => {
  if (phase !== "Paused") return undefined
  const rate = rejected["Paused"] ?? 0
  if (rate === 0 && atDoor === 0) return undefined
  const callers = [
    ...(rate > 0 ? [`${rateText(rate)} are rejected`] : []),
    ...(atDoor > 0 ? [`${plural(atDoor, "submitter waits", "submitters wait")} at the door`] : [])
  ]
  return `is paused while callers come: ${callers.join(", ")}. Resume it, or stop its callers.`
}

const sizeZero: Rule<PoolReading> = ({ targetSize, waiting }) =>
  targetSize === 0 && waiting > 0
    ? `has no workers, and ${plural(waiting, "task waits", "tasks wait")}. Resize it to 1 or more.`
    : undefined

const oldWait: Rule<PoolReading> = ({ oldestWait, runTime }) =>
  runTime !== undefined && oldestWait > Math.max(patience, 10 * runTime)
    ? `its oldest task has waited for ${durationText(oldestWait)}, and 95 % of the tasks run for at most ` +
      `${durationText(runTime)}. Add workers, or send less work.`
    : undefined

const longRun: Rule<PoolReading> = ({ oldestRun, runTime }) =>
  runTime !== undefined && oldestRun !== undefined && oldestRun.ran > Math.max(patience, 20 * runTime)
    ? `"${oldestRun.label}" has run for ${durationText(oldestRun.ran)}, and 95 % of the tasks run for at most ` +
      `${durationText(runTime)}. It may hang: give it a timeout.`
    : undefined

const fullForLong: Rule<PoolReading> = ({ fullFor, targetSize }) =>
  fullFor >= 60
    ? `has been at its maximum of ${plural(targetSize, "worker")} with a queue for ${durationText(fullFor * 1000)}. ` +
      "Raise maxSize if the server can handle more, or send less work."
    : undefined

const sameName: Rule<PoolReading> = ({ name, sameName }) =>
  sameName > 1
    ? `${sameName} open pools are named "${name}", and metrics add them up. Give each a name of its own.`
    : undefined

/** A broker that has not answered for this long, in milliseconds, is missed. */
export const silence = 5000

const noAnswer: Rule<PoolReading> = ({ silentFor }) =>
  silentFor > silence
    ? `its broker has not answered for ${durationText(silentFor)}, so its numbers are old. ` +
      "Look at the broker, and at the way to it."
    : undefined

const poolRules: Readonly<Record<string, Rule<PoolReading>>> = {
  Rejecting: rejecting,
  PausedWithCallers: pausedWithCallers,
  SizeZero: sizeZero,
  OldWait: oldWait,
  LongRun: longRun,
  FullForLong: fullForLong,
  SameName: sameName,
  NoAnswer: noAnswer
}

const check = <A>(rules: Readonly<Record<string, Rule<A>>>, reading: A): Array<Warning> =>
  Object.entries(rules).flatMap(([rule, messageOf]) => {
    const message = messageOf(reading)
    return message === undefined ? [] : [{ rule, message }]
  })

/** Returns the warnings about a pool. */
export const poolWarnings = (reading: PoolReading): ReadonlyArray<Warning> => [
  ...check(poolRules, reading),
  ...reading.own
]

/** The warning about a pool of this process that cannot be read. Its clock is user code. */
export const unreadable: Warning = {
  rule: "Unreadable",
  message: "its numbers could not be read, so they are old or missing. Look at the clock that the pool was made with."
}

// Threads that were replaced after `recycleAfter` jobs, or with their executor, are no trouble.
const troubles = ["Crashed", "Interrupted", "Module"]

const replacedOften: Rule<ExecutorReading> = ({ replaced }) => {
  const found = troubles.flatMap((reason) =>
    (replaced[reason] ?? 0) > 0 ? [[reason, replaced[reason]!] as const] : []
  )
  const total = found.reduce((sum, [, times]) => sum + times, 0)
  return total < 3
    ? undefined
    : `replaced ${total} threads in the last minute (${found.map(([reason, times]) => `${reason} ${times}`).join(", ")}). ` +
        "Look for jobs that crash, run out of memory or are interrupted."
}

/** Returns the warnings about an executor. */
export const executorWarnings = (reading: ExecutorReading): ReadonlyArray<Warning> =>
  check({ ReplacedOften: replacedOften }, reading)

/** Returns the warnings about the program, given the share of time in which its event loop is busy. */
export const programWarnings = (loop: number): ReadonlyArray<Warning> =>
  check(
    {
      BusyLoop: (busy: number) =>
        busy > 0.9
          ? `The event loop is ${Math.round(100 * busy)} % busy: the thread is the limit, not the pool. ` +
            "Move blocking work to an Executor."
          : undefined
    },
    loop
  )

/** How long a warning stays after its rule last held, in milliseconds: one that comes and goes cannot be read. */
const stay = 5000

/** Keeps warnings for a while. */
export class StickyWarnings {
  private readonly known = new Map<string, { readonly warning: Warning; readonly until: number }>()

  /** Returns the warnings of now, and those that held a moment ago. */
  update(warnings: ReadonlyArray<Warning>, now: number): ReadonlyArray<Warning> {
    for (const warning of warnings) this.known.set(warning.rule, { warning, until: now + stay })
    for (const [rule, { until }] of this.known) if (until <= now) this.known.delete(rule)
    return Array.from(this.known.values(), ({ warning }) => warning)
  }
}
