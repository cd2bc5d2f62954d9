/**
 * Watches a pool from outside: which tasks really run, what their submitters are told, whether the numbers add up.
 *
 * The looks come after every step and also from inside the tasks, sources, policies and observers of a test, where a pool
 * may be in the middle of something. A violated rule is noted and not thrown: what throws inside of user code would be
 * that code's failure.
 */
import type { KeyStats, PoolStats, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** One task that a test hands to a pool. */
export interface Entry {
  readonly name: string
  /** The most times that it may begin. */
  readonly attempts: number
  readonly permits: number
  readonly key: string | undefined
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
  /** Whether it waits in an operation of its own pool, and may lend its workers. */
  inside: boolean
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
  /** Whether a full queue drops its oldest task for a new one. */
  drops = false
  /** Whether the pool may change its size by itself. */
  sizesItself = false
  /** The most workers of the tasks of one key. */
  perKey = Infinity
  /** Whether what waits may have to wait for a time, which has passed before the pool slept until then. */
  isLate: () => boolean = () => false
  /** How many bulks, streams and other calls have not ended that may have a task without an entry. */
  bulks = 0
  private running = 0
  /** The permits of tasks that run and do not wait for their pool. */
  private computing = 0
  private mostPermits = 1
  private allowed = 0
  private lent = 0
  private readonly keys = new Set<string>()

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
    this.allowed = Math.max(this.allowed, size)
  }

  /** How many tasks really run. */
  get live(): number {
    return this.running
  }

  /** What must hold at every moment. */
  look(where: string): PoolStats {
    const stats = statsOf(this.pool)
    const { busy, cancelled, capacity, delayed, failed, interrupted, lent, running, submitted, succeeded } = stats
    const { targetSize, waiting } = stats
    const settled = succeeded + failed + interrupted + cancelled
    if (submitted !== settled + waiting + delayed + running) this.violated("I3: the numbers do not add up", where)
    if (stats.rejected + stats.cancelled < sumOf(stats.rejectedBy)) {
      this.violated("the rejections do not add up", where)
    }
    if (waiting > capacity && waiting > capacity + this.comingBack) this.violated("I8: more wait than may", where)
    if (busy < 0 || lent < 0) this.violated("I1: a worker is counted twice", where)
    if (this.running > running && !this.givesUp) this.violated(`I1: ${this.running} tasks really run`, where)
    if (this.computing > busy && !this.givesUp) {
      this.violated(`I1: tasks with ${this.computing} permits really compute`, where)
    }
    // Surplus tasks may finish, but nothing may begin beside them. A task that is interrupted while it lends its workers
    // takes them back above the limit.
    const takenBack = Math.max(0, this.lent - lent)
    if (busy > Math.max(targetSize, this.allowed + takenBack)) {
      this.violated("I1: a task began beside surplus ones", where)
    }
    this.allowed = Math.max(busy, targetSize)
    this.lent = lent
    return stats
  }

  // Tasks that have begun and may begin again may wait beyond the capacity. When one of them is dropped, the new task takes
  // its place.
  private get comingBack(): number {
    return this.entries.filter(
      ({ attempts, begun, told }) => attempts > 1 && begun > 0 && (this.drops || told === undefined)
    ).length
  }

  /** What must hold when nothing moves any more. */
  rest(): PoolStats {
    const stats = this.look("at rest")
    const isHeld = stats.holds.length > 0 || stats.nextStart > 0 || stats.busy + this.mostPermits > stats.targetSize
    const mayStart = !isHeld && stats.phase !== "Closed" && !this.isLate()
    this.restAtDoor(stats, mayStart)
    if (mayStart && stats.waiting > 0 && this.isKeyReady(stats.waiting)) {
      this.violated("I2: a task waits beside a free worker", "at rest")
    }
    if (stats.phase === "Closed" && stats.running + stats.waiting + stats.delayed + stats.size > 0) {
      this.violated("I6: a closed pool has tasks", "at rest")
    }
    return stats
  }

  // Whether a task waits whose key is not at its limit.
  private isKeyReady(waiting: number): boolean {
    if (this.perKey === Infinity) return true
    let withoutKey = waiting
    for (const key of this.keys) {
      const stats = keyStatsOf(this.pool, key)
      withoutKey -= stats.waiting
      if (stats.waiting > 0 && (stats.running + 1) * this.mostPermits <= this.perKey) return true
    }
    return withoutKey > 0
  }

  // Submitters that have asked, whose tasks have not begun, and that were told nothing: their tasks wait in the queue or
  // stand at the door.
  private restAtDoor({ atDoor, capacity, lent, phase, waiting }: PoolStats, mayStart: boolean): void {
    if (atDoor > 0 && phase !== "Open" && phase !== "Held")
      this.violated("tasks stand at the door of a pool that admits none", "at rest")
    if (atDoor > 0 && (waiting < capacity || (mayStart && this.perKey === Infinity))) {
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
    // With a bulk, as many of those that wait may be its own. A task that lends its workers may be told of its own task when
    // it has them again.
    const lost = pending - waiting - atDoor - lent
    if (lost > 0) this.violated(`I3: ${lost} submitters were told nothing, and have no task`, "at rest")
    if (lost + lent + this.comingBack < 0 && this.bulks === 0)
      this.violated(`I5: ${-lost - lent} tasks wait that nobody has submitted`, "at rest")
  }

  /** A task to be handed to the pool. */
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
      tellings: 0,
      told: undefined,
      item,
      handle: undefined,
      inside: false,
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
    if (++entry.begun > entry.attempts) this.violated(`I3: ${entry.name} begins too often`, "as it begins")
    if (entry.told !== undefined) this.violated(`I3: ${entry.name} begins when its submitter was told`, "as it begins")
    this.running++
    this.computing += entry.permits
    this.look(`as ${entry.name} begins`)
  }

  end(entry: Entry): void {
    this.look(`as ${entry.name} ends`)
    entry.ended++
    this.running--
    this.computing -= entry.permits
  }

  /** An operation of its own pool that the task of an entry waits for. */
  within<A, E, R>(entry: Entry, operation: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        entry.inside = true
        this.computing -= entry.permits
      }),
      () => operation,
      () =>
        Effect.sync(() => {
          entry.inside = false
          this.computing += entry.permits
          this.look(`as a wait of ${entry.name} ends`)
        })
    )
  }

  /** The permits of the tasks of a key that run and do not wait for their pool. */
  permitsOf(key: string): number {
    return this.entries.reduce(
      (sum, each) => sum + (each.key === key && each.begun > each.ended && !each.inside ? each.permits : 0),
      0
    )
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
const isFit = ({ attempts, begun, ended, item, loose, told }: Entry): boolean => {
  if (begun > attempts || begun !== ended) return false
  if (loose) return true
  if (told === undefined) return false
  if (item) return true
  if (told._tag === "Success") return begun > 0
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

const keyStatsOf = (pool: TaskPoolService, key: string): KeyStats => {
  const exit = Effect.runFork(pool.statsOf(key)).pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("TaskPool.statsOf takes more than one step")
  return exit.value
}

const sumOf = (numbers: Readonly<Record<string, number>>): number =>
  Object.values(numbers).reduce((sum, each) => sum + each, 0)
