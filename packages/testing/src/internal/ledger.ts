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
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"

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
  /** Whether the pool may hold dispatch by itself, which its numbers do not tell. */
  holds = false
  /** How many bulks, streams and other calls have not ended that may have a task without an entry. */
  bulks = 0
  private running = 0
  private allowed = 0

  constructor(pool: TaskPoolService) {
    this.pool = pool
    this.look("at first")
  }

  /** Notes that a rule did not hold. */
  violated(what: string, where: string): void {
    this.broken ??= `${what}, seen ${where}: ${JSON.stringify(statsOf(this.pool))}`
  }

  /** Throws the first rule that did not hold, if any. */
  throwViolation(): void {
    if (this.broken !== undefined) throw new Error(this.broken)
  }

  /** How many tasks really run. */
  get live(): number {
    return this.running
  }

  /** What must hold at every moment. */
  look(where: string): PoolStats {
    const stats = statsOf(this.pool)
    const { running, targetSize } = stats
    const rule = ruleBrokenBy(stats)
    if (rule !== undefined) this.violated(rule, where)
    if (this.running > running && !this.givesUp) this.violated(`I1: ${this.running} tasks really run`, where)
    // Surplus tasks may finish, but nothing may begin beside them.
    if (running > Math.max(targetSize, this.allowed)) this.violated("I1: a task began beside surplus ones", where)
    this.allowed = Math.max(running, targetSize)
    return stats
  }

  /** What must hold when nothing moves any more. */
  rest(): PoolStats {
    const stats = this.look("at rest")
    this.restAtDoor(stats)
    if (stats.waiting > 0 && stats.running < stats.targetSize && stats.phase !== "Closed" && !this.holds) {
      this.violated("I2: a task waits beside a free worker", "at rest")
    }
    if (stats.phase === "Closed" && stats.running + stats.waiting + stats.size > 0) {
      this.violated("I6: a closed pool has tasks", "at rest")
    }
    return stats
  }

  // Submitters that have asked, whose tasks have not begun, and that were told nothing: their tasks wait in the queue or
  // stand at the door.
  private restAtDoor({ atDoor, capacity, phase, running, targetSize, waiting }: PoolStats): void {
    if (atDoor > 0 && phase !== "Open") this.violated("tasks stand at the door of a pool that admits none", "at rest")
    if (atDoor > 0 && (waiting < capacity || (running < targetSize && !this.holds))) {
      this.violated("I9: a task stands at the door though there is a place", "at rest")
    }
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

  /**
   * Makes a call, and notes what its caller is told. Nothing can interrupt the caller between the making of the entries and
   * the wait.
   */
  telling(
    call: () => { readonly entries: ReadonlyArray<Entry>; readonly effect: Effect.Effect<unknown, unknown> }
  ): Effect.Effect<unknown, unknown> {
    return Effect.uninterruptibleMask((restore) => {
      const { effect, entries } = call()
      const bulks = entries.some(({ item }) => item) ? 1 : 0
      this.bulks += bulks
      return Effect.onExit(restore(effect), (exit) =>
        Effect.sync(() => {
          this.bulks -= bulks
          this.tell(entries, exit)
        })
      )
    })
  }

  /** Hands a task over, and adds its handle to `handles`. */
  handingOver(
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
            // The caller may be interrupted between the admission and the answer.
            if (Cause.hasInterrupts(cause)) entry.loose = true
            else this.tell([entry], Exit.failCause(cause))
          })
      })
    })
  }

  /** What must hold when all has ended. */
  finish(): void {
    for (const entry of this.entries) {
      if (entry.told === undefined && entry.handle !== undefined) {
        const exit = exitOf(entry.handle)
        if (exit !== undefined) this.tell([entry], exit)
        if (now(entry.handle.state) !== "Done")
          this.violated(`I3: the handle of ${entry.name} is not done`, "at the end")
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

/**
 * Checks that a pool works, after all that a test did to it: runs two tasks that wait for each other on two workers, then
 * closes the idle pool. Hangs if a worker is lost, and dies if the report is not empty.
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

/** So many steps without effect. */
export const yields = (times: number): Effect.Effect<void> =>
  times <= 1 ? Effect.yieldNow : Effect.andThen(Effect.yieldNow, yields(times - 1))

/** Returns the rule that statistics break by themselves, if any. */
export const ruleBrokenBy = (stats: PoolStats): string | undefined => {
  const { cancelled, capacity, failed, interrupted, running, submitted, succeeded, waiting } = stats
  if (submitted !== succeeded + failed + interrupted + cancelled + waiting + running) {
    return "I3: the statistics do not add up"
  }
  return waiting > capacity ? "I8: more tasks wait than the capacity allows" : undefined
}

const exitOf = (handle: TaskHandle<unknown, unknown>): Exit.Exit<unknown, unknown> | undefined =>
  Option.getOrUndefined(now(handle.poll))

/** Returns a snapshot of a pool's statistics. */
export const statsOf = (pool: TaskPoolService): PoolStats => now(pool.stats)

// Runs an effect that takes no step; `runSync` would make a scheduler for each.
const now = <A>(effect: Effect.Effect<A>): A => {
  const exit = Effect.runFork(effect).pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("an operation that only looks takes more than one step")
  return exit.value
}
