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
  /** The most times that it may begin. */
  readonly attempts: number
  readonly permits: number
  readonly key: string | undefined
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
  /** Whether it waits in an operation of its own pool, and may lend its workers. */
  waits: boolean
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
  /** Whether a full queue drops its oldest task for a new one. */
  drops = false
  /** The most workers that the tasks of one key may take. */
  perKey = Infinity
  /** The workers that tasks of other pools lend while they wait for this one. */
  lentElsewhere = (): number => 0
  /** The number of bulks and streams that have not ended. They may have tasks without an entry. */
  bulks = 0
  /** The number of tasks that may wait beyond the capacity, because they come back for another attempt. */
  comingBack = 0
  private running = 0
  private readonly limit = new LimitWatch()
  /** The permits of the tasks that run and do not wait for their own pool. */
  private computing = 0
  private mostPermits = 1
  private readonly keys = new Set<string>()

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
    const rule =
      (ruleBrokenBy(stats) && ruleBrokenBy(stats, this.comingBack + this.attempted)) ?? this.limit.look(stats)
    if (rule !== undefined) this.violated(rule, where)
    if (this.running > stats.running && !this.abandons) this.violated(`I1: ${this.running} tasks really run`, where)
    if (stats.busy < 0 || stats.lent < 0) this.violated("I1: a worker is counted twice", where)
    if (this.computing > stats.busy && !this.abandons) {
      this.violated(`I1: tasks with ${this.computing} permits really compute`, where)
    }
    return stats
  }

  // Tasks that have begun and may begin again may wait beyond the capacity. If one of them is dropped, the new task takes its
  // place.
  private get attempted(): number {
    return this.entries.filter(
      ({ attempts, begun, result }) => attempts > 1 && begun > 0 && (this.drops || result === undefined)
    ).length
  }

  /** Checks the rules that hold when no step is left. */
  rest(): PoolStats {
    const stats = this.check("at rest")
    const { waiting } = stats
    const mayHaveToWait = this.perKey < Infinity && (waiting === 0 || !this.isKeyReady(waiting))
    const rule = ruleBrokenAtRest(stats, { permits: this.mostPermits, mayHaveToWait })
    if (rule !== undefined) this.violated(rule, "at rest")
    this.restAtDoor(stats)
    return stats
  }

  // Whether a task waits whose key is not at its limit.
  private isKeyReady(waiting: number): boolean {
    if (this.perKey === Infinity) return true
    let withoutKey = waiting
    for (const key of this.keys) {
      const stats = now(this.pool.statsOf(key))
      withoutKey -= stats.waiting
      if (stats.waiting > 0 && (stats.running + 1) * this.mostPermits <= this.perKey) return true
    }
    return withoutKey > 0
  }

  // The tasks of submitters without a result that have not begun must be in the queue or at the door.
  private restAtDoor({ atDoor, lent, waiting }: PoolStats): void {
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
    // Some of the waiting tasks may belong to a bulk. A task that lends its workers receives the result of its own task when
    // it has taken them back.
    const lost = pending - waiting - atDoor
    if (lost > lent && lost > lent + this.lentElsewhere())
      this.violated(`I3: ${lost} submitters have neither a result nor a task`, "at rest")
    if (lost + this.comingBack + this.attempted < 0 && this.bulks === 0)
      this.violated(`I5: ${-lost} waiting tasks have no submitter`, "at rest")
  }

  /** Adds a task that is about to be submitted. */
  entry(
    name: string,
    item = false,
    { attempts = 1, key, permits = 1 }: Partial<Pick<Entry, "attempts" | "key" | "permits">> = {}
  ): Entry {
    this.mostPermits = Math.max(this.mostPermits, permits)
    if (key !== undefined) this.keys.add(key)
    const entry: Entry = {
      name,
      attempts,
      permits,
      key,
      begun: 0,
      ended: 0,
      results: 0,
      result: undefined,
      item,
      handle: undefined,
      waits: false,
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
    if (++entry.begun > entry.attempts) this.violated(`I3: ${entry.name} begins too often`, "as it begins")
    if (entry.result !== undefined)
      this.violated(`I3: ${entry.name} begins after its submitter received a result`, "as it begins")
    this.running++
    this.computing += entry.permits
    this.check(`as ${entry.name} begins`)
  }

  end(entry: Entry): void {
    this.check(`as ${entry.name} ends`)
    entry.ended++
    this.running--
    this.computing -= entry.permits
  }

  /** Runs an operation of its own pool in a task, which waits for it. */
  nested<A, E, R>(entry: Entry, operation: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        entry.waits = true
        this.computing -= entry.permits
      }),
      () => operation,
      () =>
        Effect.sync(() => {
          entry.waits = false
          this.computing += entry.permits
          this.check(`as a wait of ${entry.name} ends`)
        })
    )
  }

  /** The permits of the tasks of a key that run and do not wait for their own pool. */
  permitsOf(key: string): number {
    return this.entries
      .filter((entry) => entry.key === key && entry.begun > entry.ended && !entry.waits)
      .reduce((sum, { permits }) => sum + permits, 0)
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
  ): Effect.Effect<TaskHandle<unknown, unknown> | undefined> {
    return Effect.uninterruptibleMask((restore) => {
      const { effect, entry } = call()
      // A task that is admitted may settle before its caller has the handle.
      entry.uncertain = true
      return Effect.matchCauseEffect(restore(effect), {
        onSuccess: (handle) =>
          Effect.sync(() => {
            entry.uncertain = false
            entry.handle = handle
            handles.push(handle)
            return handle
          }),
        onFailure: (cause) =>
          Effect.sync(() => {
            // The caller may have been interrupted between the admission and the return of the handle.
            if (Cause.hasInterrupts(cause)) return undefined
            entry.uncertain = false
            this.received([entry], Exit.failCause(cause))
            return undefined
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
const isFit = ({ attempts, begun, ended, item, result, uncertain }: Entry): boolean => {
  if (begun > attempts || begun !== ended) return false
  if (uncertain) return true
  if (result === undefined) return false
  if (item) return true
  if (result._tag === "Success") return begun > 0
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
