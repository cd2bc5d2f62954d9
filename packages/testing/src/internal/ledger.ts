/**
 * Watches a pool from outside: which tasks really run, which results their submitters receive, whether the statistics add
 * up.
 *
 * The checks run after every step and also inside the tasks, sources, policies and observers of a test, where a pool may
 * be in the middle of an operation. A violated rule is recorded and not thrown, because an error thrown inside user code
 * would be that code's failure.
 */
import type { PoolStats, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { LimitWatch, ruleBrokenAtRest, ruleBrokenBy } from "./rules.ts"

/** A task that a test submits. */
export interface Entry {
  readonly name: string
  begun: number
  ended: number
  /** The number of results that its submitter received. */
  results: number
  /** The result that its submitter received, if any. */
  result: Exit.Exit<unknown, unknown> | undefined
  /** Whether it is an item of a bulk, whose caller receives one result for all items. */
  readonly item: boolean
  /** Its handle, after a fork. */
  handle: TaskHandle<unknown, unknown> | undefined
  /** Whether its submitter was interrupted during the fork: then the task may be admitted or not. */
  uncertain: boolean
}

/** The tasks of a test, and the first rule that a pool violated. */
export class Ledger {
  readonly pool: TaskPoolService
  readonly entries: Array<Entry> = []
  /** The first rule that did not hold. */
  broken: string | undefined = undefined
  /** Whether closing may abandon tasks, which then run without being counted. */
  abandons = false
  /** The number of bulks and streams that have not ended. They may have tasks without an entry. */
  bulks = 0
  private running = 0
  private readonly limit = new LimitWatch()

  constructor(pool: TaskPoolService) {
    this.pool = pool
    this.check("at first")
  }

  /** Records a violated rule. */
  violated(what: string, where: string): void {
    this.broken ??= `${what}, seen ${where}: ${JSON.stringify(statsOf(this.pool))}`
  }

  /** Throws the first rule that did not hold, if any. */
  throwViolation(): void {
    if (this.broken !== undefined) throw new Error(this.broken)
  }

  /** The number of tasks that really run. */
  get live(): number {
    return this.running
  }

  /** Checks the rules that hold at every moment. */
  check(where: string): PoolStats {
    const stats = statsOf(this.pool)
    const rule = ruleBrokenBy(stats) ?? this.limit.look(stats)
    if (rule !== undefined) this.violated(rule, where)
    if (this.running > stats.running && !this.abandons) this.violated(`I1: ${this.running} tasks really run`, where)
    return stats
  }

  /** Checks the rules that hold when no step is left. */
  rest(): PoolStats {
    const stats = this.check("at rest")
    const rule = ruleBrokenAtRest(stats)
    if (rule !== undefined) this.violated(rule, "at rest")
    this.restAtDoor(stats)
    return stats
  }

  // The tasks of submitters without a result that have not begun must be in the queue or at the door.
  private restAtDoor({ atDoor, waiting }: PoolStats): void {
    let pending = 0
    for (const entry of this.entries) {
      if (entry.result !== undefined || entry.item) continue
      const exit = entry.handle === undefined ? undefined : exitOf(entry.handle)
      if (exit !== undefined) this.received([entry], exit)
      else if (entry.begun === 0) {
        if (entry.uncertain) return
        pending++
      }
    }
    // Some of the waiting tasks may belong to a bulk.
    const lost = pending - waiting - atDoor
    if (lost > 0) this.violated(`I3: ${lost} submitters have neither a result nor a task`, "at rest")
    if (lost < 0 && this.bulks === 0) this.violated(`I5: ${-lost} waiting tasks have no submitter`, "at rest")
  }

  /** Adds a task that is about to be submitted. */
  entry(name: string, item = false): Entry {
    const entry: Entry = {
      name,
      begun: 0,
      ended: 0,
      results: 0,
      result: undefined,
      item,
      handle: undefined,
      uncertain: false
    }
    this.entries.push(entry)
    return entry
  }

  /** Returns the effect of a task, around its body. `finalizer` is the number of steps of its finalizer. */
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
    if (entry.result !== undefined)
      this.violated(`I3: ${entry.name} begins after its submitter received a result`, "as it begins")
    this.running++
    this.check(`as ${entry.name} begins`)
  }

  end(entry: Entry): void {
    this.check(`as ${entry.name} ends`)
    entry.ended++
    this.running--
  }

  /** Records the result that the submitter of a task, or the caller of a bulk, received. */
  received(entries: ReadonlyArray<Entry>, exit: Exit.Exit<unknown, unknown>): void {
    for (const entry of entries) {
      if (++entry.results > 1) this.violated(`I3: the submitter of ${entry.name} receives two results`, "at a result")
      if (entry.begun !== entry.ended && !this.abandons) {
        this.violated(`I1: the submitter of ${entry.name} receives a result while its task runs`, "at a result")
      }
      entry.result = exit
    }
    this.check("at a result")
  }

  /**
   * Makes a call and records its result. The caller cannot be interrupted between the creation of the entries and the
   * wait, because an entry without a caller would never get a result. `bulks` is 1 for a bulk or a stream, which may wait
   * for a place even without an item.
   */
  calling(
    call: () => { readonly entries: ReadonlyArray<Entry>; readonly effect: Effect.Effect<unknown, unknown> },
    bulks: 0 | 1 = 0
  ): Effect.Effect<unknown, unknown> {
    return Effect.uninterruptibleMask((restore) => {
      const { effect, entries } = call()
      this.bulks += bulks
      return Effect.onExit(restore(effect), (exit) =>
        Effect.sync(() => {
          this.bulks -= bulks
          this.received(entries, exit)
        })
      )
    })
  }

  /** Forks a task, and adds its handle to `handles`. */
  forking(
    call: () => { readonly entry: Entry; readonly effect: Effect.Effect<TaskHandle<unknown, unknown>, unknown> },
    handles: Array<TaskHandle<unknown, unknown>>
  ): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      const { effect, entry } = call()
      return Effect.matchCauseEffect(restore(effect), {
        onSuccess: (handle) =>
          Effect.sync(() => {
            entry.handle = handle
            handles.push(handle)
          }),
        onFailure: (cause) =>
          Effect.sync(() => {
            // The caller may have been interrupted between the admission and the return of the handle.
            if (Cause.hasInterrupts(cause)) entry.uncertain = true
            else this.received([entry], Exit.failCause(cause))
          })
      })
    })
  }

  /** Checks the rules that hold when all tasks have ended. */
  finish(): void {
    for (const entry of this.entries) {
      if (entry.result === undefined && entry.handle !== undefined) {
        const exit = exitOf(entry.handle)
        if (exit !== undefined) this.received([entry], exit)
        if (now(entry.handle.state) !== "Done")
          this.violated(`I3: the handle of ${entry.name} is not done`, "at the end")
      }
      if (!isFit(entry)) {
        this.violated(
          `I3: ${entry.name} began ${entry.begun} times, ended ${entry.ended} times, result ${String(entry.result)}`,
          "at the end"
        )
      }
    }
  }
}

// Whether the result that a submitter received matches what its task did.
const isFit = ({ begun, ended, item, result, uncertain }: Entry): boolean => {
  if (begun > 1 || begun !== ended) return false
  if (uncertain) return true
  if (result === undefined) return false
  if (item) return true
  if (result._tag === "Success") return begun === 1
  const error: any = result.cause.reasons.find(Cause.isFailReason)?.error
  if (error?._tag === "NotAvailable" || (error?._tag === "TaskCancelled" && !error.started)) return begun === 0
  return true
}

/**
 * Checks that a pool still works after a test: runs two tasks that wait for each other on two workers, then closes the
 * idle pool. Hangs if a worker is lost, and dies if the report is not empty.
 */
export const checkStillWorks = Effect.fnUntraced(function* (pool: TaskPoolService) {
  yield* pool.start
  yield* pool.resume
  yield* pool.resize(2)
  let arrived = 0
  const both = Latch.makeUnsafe()
  const meet = Effect.suspend(() => (++arrived === 2 ? both.open : both.await))
  yield* Effect.all([pool.submit(meet), pool.submit(meet)], { concurrency: "unbounded" })
  const report = yield* pool.close()
  if (report.completed + report.interrupted + report.neverRun > 0) {
    return yield* Effect.die(new Error(`an idle pool closes with ${JSON.stringify(report)}`))
  }
})

/** Yields `times` times. */
export const yields = (times: number): Effect.Effect<void> =>
  times <= 1 ? Effect.yieldNow : Effect.andThen(Effect.yieldNow, yields(times - 1))

const exitOf = (handle: TaskHandle<unknown, unknown>): Exit.Exit<unknown, unknown> | undefined =>
  Option.getOrUndefined(now(handle.poll))

/** Returns a snapshot of a pool's statistics. */
export const statsOf = (pool: TaskPoolService): PoolStats => now(pool.stats)

/** Runs an effect that takes no step. `runSync` would make a scheduler for each. */
export const now = <A>(effect: Effect.Effect<A>): A => {
  const exit = Effect.runFork(effect).pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("an operation that only reads takes more than one step")
  return exit.value
}
