/**
 * The statistics of a distributed pool, as far as they are known.
 *
 * Only the pool's broker knows them, and a scrape must not wait for a broker. So the broker is asked beside the scrapes,
 * and a scrape reads the last answer. There is at most one question at a time. An answer is dropped when the next
 * question fails or takes too long, so no number is older than ten seconds.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { DistributedPoolEntry } from "../../PoolRegistry.ts"
import type { PoolStats } from "../../PoolStats.ts"

// Milliseconds between an answer and the next question. Scrapes are 10 s apart or more, so a shorter time would tell
// little, and each process of a pool asks for itself.
const interval = 5000
// The longest time for an answer, in milliseconds.
const patience = 5000
// The broker is asked for this long after the last scrape, in milliseconds. Scrapes that are farther apart leave gaps in
// the graphs of Prometheus anyway.
const askedFor = 5 * 60_000

/** The statistics that metrics show. */
export type KnownStats = Partial<Pick<PoolStats, "phase" | (typeof numbers)[number]>>

const numbers = ["size", "targetSize", "running", "waiting", "atDoor", "delayed", "capacity"] as const

/** Returns the statistics that have the right types: they come from another package. */
const knownOf = (given: { readonly [name: string]: unknown } | undefined): KnownStats => {
  const known: Record<string, unknown> = {}
  if (typeof given !== "object" || given === null) return known
  for (const name of numbers) {
    const value = given[name]
    if (typeof value === "number" && !Number.isNaN(value)) known[name] = value
  }
  const { phase } = given
  if (typeof phase === "string") known["phase"] = phase
  return known
}

const unknown: KnownStats = {}

/** Starts a fiber that outlives the caller. */
export type Fork = (effect: Effect.Effect<void>) => Fiber.Fiber<void>

export class DistributedPool {
  /** The last answer, empty while there is none. */
  stats = unknown
  private readonly entry: DistributedPoolEntry
  private readonly onChange: () => void
  private readonly polling: Fiber.Fiber<void>
  private asking: Fiber.Fiber<KnownStats> | undefined = undefined
  private isOpen = true
  private isSilent = false
  private wasRead = true
  private readonly read = Latch.makeUnsafe(true)

  /** Asks until it is closed. Calls `onChange` when `stats` has changed. */
  constructor(entry: DistributedPoolEntry, fork: Fork, onChange: () => void) {
    this.entry = entry
    this.onChange = onChange
    const polling = Effect.andThen(Effect.yieldNow, this.poll)
    // The clock is user code.
    this.polling = fork(
      Effect.ensuring(
        polling,
        Effect.sync(() => this.set(unknown))
      )
    )
  }

  /** Tells that a scrape has read the statistics. The pool is asked after the present step. */
  noteRead(): void {
    this.wasRead = true
    this.read.openUnsafe()
  }

  /** Ends the questions. One that cannot be interrupted is left alone, and its answer is dropped. */
  close(): void {
    this.isOpen = false
    this.stats = unknown
    this.polling.interruptUnsafe()
    this.asking?.interruptUnsafe()
  }

  private readonly poll: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    let readAt = -Infinity
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      if (this.wasRead) readAt = now
      this.wasRead = false
      if (now - readAt < askedFor) yield* this.ask
      else {
        this.set(unknown)
        this.read.closeUnsafe()
        // The latch resumes this fiber within the scrape, which no code of the pool may delay.
        yield* Effect.andThen(this.read.await, Effect.yieldNow)
        continue
      }
      yield* Effect.sleep(interval)
    }
  })

  private readonly ask = Effect.gen({ self: this }, function* () {
    const question = Effect.suspend(() => this.entry.service.stats)
    const asking = yield* Effect.forkDetach(Effect.map(question, knownOf))
    this.asking = asking
    const exit = Option.getOrUndefined(yield* Effect.timeoutOption(Fiber.await(asking), patience))
    if (exit?._tag === "Success") {
      this.isSilent = false
      return this.set(exit.value)
    }
    this.set(unknown)
    yield* this.logSilence(exit?.cause ?? Cause.empty)
    // Waits for a question that cannot be interrupted: otherwise they would pile up.
    yield* Fiber.interrupt(asking)
  })

  /** Writes one line for each time in which the pool does not answer. The logger is user code. */
  private logSilence(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    if (this.isSilent) return Effect.void
    this.isSilent = true
    const { kind, name } = this.entry
    return Effect.logWarning("metrics: a distributed pool does not answer, so its gauges are missing", cause).pipe(
      Effect.annotateLogs({ "task_pool.name": name, "task_pool.kind": kind }),
      Effect.ignoreCause
    )
  }

  private set(stats: KnownStats): void {
    if (!this.isOpen) return
    this.stats = stats
    this.onChange()
  }
}
