/**
 * Watches a pool from outside: which tasks really run, what their submitters are told, whether the numbers add up.
 *
 * The looks come after every step and also from inside the tasks, sources, policies and observers of a test, where a pool
 * may be in the middle of something. A violated rule is noted and not thrown: what throws inside of user code would be
 * that code's failure.
 */
import type { PoolStats, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { LimitWatch, ruleBrokenAtRest, ruleBrokenBy } from "./rules.ts"

/** One task that a test hands to a pool. */
export interface Entry {
  readonly name: string
  begun: number
  ended: number
  /** Times that its submitter was told what became of it. */
  tellings: number
  /** What its submitter was told, once it was. */
  told: Exit.Exit<unknown, unknown> | undefined
  /** Whether it is an item of a bulk, whose caller is told of all items at once. */
  readonly item: boolean
  /** What its submitter has of it, if it was handed over. */
  handle: TaskHandle<unknown, unknown> | undefined
  /** Whether its submitter went away while it was handed over: nobody knows whether it was admitted. */
  loose: boolean
}

export class Ledger {
  readonly pool: TaskPoolService
  readonly entries: Array<Entry> = []
  /** The first rule that did not hold. */
  broken: string | undefined = undefined
  /** Whether closing may give a task up, which then runs on and counts no more. */
  givesUp = false
  /** How many bulks, streams and other calls have not ended that may have a task without an entry. */
  bulks = 0
  private running = 0
  private readonly limit = new LimitWatch()

  constructor(pool: TaskPoolService) {
    this.pool = pool
    this.look("at first")
  }

  /** Notes that a rule did not hold. */
  violated(what: string, where: string): void {
    this.broken ??= `${what}, seen ${where}: ${JSON.stringify(statsOf(this.pool))}`
  }

  /** Notes that the pool may have as many workers as this, until it has fewer tasks that run. */
  allow(size: number): void {
    this.limit.allow(size)
  }

  /** How many tasks really run. */
  get live(): number {
    return this.running
  }

  /** What must hold at every moment. */
  look(where: string): PoolStats {
    const stats = statsOf(this.pool)
    const rule = ruleBrokenBy(stats) ?? this.limit.look(stats)
    if (rule !== undefined) this.violated(rule, where)
    if (this.running > stats.running && !this.givesUp) this.violated(`I1: ${this.running} tasks really run`, where)
    return stats
  }

  /** What must hold when nothing moves any more. */
  rest(): PoolStats {
    const stats = this.look("at rest")
    const rule = ruleBrokenAtRest(stats)
    if (rule !== undefined) this.violated(rule, "at rest")
    this.restAtDoor(stats)
    return stats
  }

  // Submitters that have asked, whose tasks have not begun, and that were told nothing: their tasks wait in the queue or
  // stand at the door.
  private restAtDoor({ atDoor, waiting }: PoolStats): void {
    let pending = 0
    for (const entry of this.entries) {
      if (entry.told !== undefined || entry.item) continue
      const exit = entry.handle === undefined ? undefined : exitOf(entry.handle)
      if (exit !== undefined) this.tell([entry], exit)
      else if (entry.begun === 0) {
        if (entry.loose) return
        pending++
      }
    }
    // With a bulk, as many of those that wait may be its own.
    const lost = pending - waiting - atDoor
    if (lost > 0) this.violated(`I3: ${lost} submitters were told nothing, and have no task`, "at rest")
    if (lost < 0 && this.bulks === 0) this.violated(`I5: ${-lost} tasks wait that nobody has submitted`, "at rest")
  }

  /** A task to be handed to the pool. */
  entry(name: string, item = false): Entry {
    const entry: Entry = {
      name,
      begun: 0,
      ended: 0,
      tellings: 0,
      told: undefined,
      item,
      handle: undefined,
      loose: false
    }
    this.entries.push(entry)
    return entry
  }

  /** The task's effect around a body; its finalizer takes steps. */
  task<A, E, R>(entry: Entry, body: Effect.Effect<A, E, R>, finalizer = 1): Effect.Effect<A, E, R> {
    const end = Effect.sync(() => this.end(entry))
    return Effect.acquireUseRelease(
      Effect.sync(() => this.begin(entry)),
      () => body,
      () => (finalizer === 0 ? end : Effect.andThen(yields(finalizer), end))
    )
  }

  begin(entry: Entry): void {
    if (++entry.begun > 1) this.violated(`I3: ${entry.name} begins twice`, "as it begins")
    if (entry.told !== undefined) this.violated(`I3: ${entry.name} begins when its submitter was told`, "as it begins")
    this.running++
    this.look(`as ${entry.name} begins`)
  }

  end(entry: Entry): void {
    this.look(`as ${entry.name} ends`)
    entry.ended++
    this.running--
  }

  /** The submitter of a task, or the caller of a bulk, was told. */
  tell(entries: ReadonlyArray<Entry>, exit: Exit.Exit<unknown, unknown>): void {
    for (const entry of entries) {
      if (++entry.tellings > 1) this.violated(`I3: the submitter of ${entry.name} is told twice`, "as it is told")
      if (entry.begun !== entry.ended && !this.givesUp) {
        this.violated(`I1: the submitter of ${entry.name} is told while its task runs`, "as it is told")
      }
      entry.told = exit
    }
    this.look("as a submitter is told")
  }

  /** What must hold when all has ended. */
  finish(): void {
    for (const entry of this.entries) {
      if (entry.told === undefined && entry.handle !== undefined) {
        const exit = exitOf(entry.handle)
        if (exit !== undefined) this.tell([entry], exit)
      }
      if (!isFit(entry)) {
        this.violated(
          `I3: ${entry.name} began ${entry.begun} times, ended ${entry.ended} times, and was told ${String(entry.told)}`,
          "at the end"
        )
      }
    }
  }
}

/** What a submitter was told goes with what its task did. */
const isFit = ({ begun, ended, item, loose, told }: Entry): boolean => {
  if (begun > 1 || begun !== ended) return false
  if (loose) return true
  if (told === undefined) return false
  if (item) return true
  if (told._tag === "Success") return begun === 1
  const error: any = told.cause.reasons.find(Cause.isFailReason)?.error
  if (error?._tag === "NotAvailable" || (error?._tag === "TaskCancelled" && !error.started)) return begun === 0
  return true
}

/** So many steps without effect. */
export const yields = (times: number): Effect.Effect<void> =>
  times <= 1 ? Effect.yieldNow : Effect.andThen(Effect.yieldNow, yields(times - 1))

const exitOf = (handle: TaskHandle<unknown, unknown>): Exit.Exit<unknown, unknown> | undefined => {
  const exit = Effect.runFork(handle.poll).pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("TaskHandle.poll takes more than one step")
  return exit.value._tag === "Some" ? exit.value.value : undefined
}

/** A snapshot takes no step; `runSync` would make a scheduler for each. */
export const statsOf = (pool: TaskPoolService): PoolStats => {
  const exit = Effect.runFork(pool.stats).pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("TaskPool.stats takes more than one step")
  return exit.value
}
