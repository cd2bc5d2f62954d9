/**
 * Watches the pools and executors of a registry: samples them once a second, and builds frames.
 *
 * Pools of this process answer at once, so a frame asks them. Distributed pools and executors may take long, so they are
 * asked beside the frames, and a frame shows their last answer.
 *
 * A distributed pool whose tasks run in a local pool is shown in one row with it: the local pool's numbers, times and
 * tasks, and the distributed pool's name, state, delayed tasks and workers.
 */
import type {
  ExecutorEntry,
  LocalPoolEntry,
  PoolEntry,
  PoolRegistryChange,
  PoolRegistryService,
  PoolStats
} from "@aio-task-pool/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { performance } from "node:perf_hooks"
import { ExecutorRow, type Frame, type Hello, type PoolDetail, type PoolRow, WorkerRow } from "../Protocol.ts"
import { Asking } from "./asking.ts"
import type { History, SeriesName } from "./history.ts"
import { knownStats, nothing, withRemote } from "./remote.ts"
import { taskLists } from "./rows.ts"
import { isLocal, type Look, PoolWatch } from "./watch.ts"
import { executorWarnings, programWarnings, StickyWarnings } from "./warnings.ts"

/** How long a distributed pool may take for an answer, in milliseconds. Then it is asked again. */
const patience = 3000

const isWorker = Schema.is(WorkerRow)
const checkExecutor = Schema.decodeUnknownSync(Schema.fromJsonString(ExecutorRow))

interface Watched {
  readonly watch: PoolWatch
  /** The local pool whose numbers are shown, if it is open: the pool itself, or the one that runs its tasks. */
  local: LocalPoolEntry | undefined
  /** Reads events, and a distributed pool's answers. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** The last answers of a distributed pool, and when it gave its statistics, or was asked first. */
  readonly remote: { stats: PoolStats; workers: ReadonlyArray<WorkerRow>; hasAnswered: boolean; at: number }
}

/** Executors say how many threads they have replaced so far. The rule needs those of the last minute. */
class ExecutorWatch {
  private readonly replaced: Array<Readonly<Record<string, number>>> = []
  private readonly sticky = new StickyWarnings()
  readonly ask = new Asking().ask
  /** The last row as JSON. */
  row: string | undefined = undefined

  update(
    { id, name }: ExecutorEntry,
    stats: Effect.Success<ExecutorEntry["stats"]>,
    threads: Effect.Success<ExecutorEntry["threads"]>,
    now: number
  ): void {
    const replacedBy: Readonly<Record<string, number>> = { ...stats.replacedBy }
    const before = this.replaced[0] ?? replacedBy
    const lately = Object.fromEntries(
      Object.entries(replacedBy).map(([reason, times]) => [reason, times - (before[reason] ?? 0)])
    )
    const row: ExecutorRow = {
      id,
      name,
      running: stats.running,
      waiting: stats.waiting,
      settled: stats.settled,
      replaced: stats.replaced,
      threads: threads.slice(0, 100).map((thread) => ({
        id: thread.id,
        state: thread.state,
        job: thread.job ?? null,
        ran: thread.ran ?? null
      })),
      warnings: executorWarnings({ replaced: lately })
    }
    // The numbers come from another package. A row that readers cannot decode would cost them the whole frame.
    checkExecutor(JSON.stringify(row))
    this.row = JSON.stringify({ ...row, warnings: this.sticky.update(row.warnings, now) })
    this.replaced.push(replacedBy)
    if (this.replaced.length > 60) this.replaced.shift()
  }
}

export class Collector {
  private readonly registry: PoolRegistryService
  private readonly scope: Scope.Scope
  private readonly length: number
  private readonly pools = new Map<PoolEntry, Watched>()
  private readonly executors = new Map<ExecutorEntry, ExecutorWatch>()
  /** The executors' rows as JSON. */
  private executorRows = "[]"
  private sampledAt: number | undefined = undefined
  private loop = performance.eventLoopUtilization()
  private busy = 0
  private readonly programSticky = new StickyWarnings()
  private programWarnings: Frame["warnings"] = []

  /** `length` is the length of the history in seconds. Watching ends with the scope. */
  constructor(registry: PoolRegistryService, scope: Scope.Scope, length: number) {
    this.registry = registry
    this.scope = scope
    this.length = length
  }

  /** Watches the registry until it is interrupted. */
  readonly run = Effect.suspend(() =>
    Effect.all(
      [
        // The schedule reads the clock, which is user code.
        Effect.forever(
          Effect.andThen(quiet(Effect.repeat(quiet(this.sample), Schedule.fixed(1000))), Effect.sleep(1000))
        ),
        Stream.runForEach(this.registry.changes, (change) => quiet(this.onChange(change)))
      ],
      { concurrency: "unbounded", discard: true }
    )
  )

  /** Begins to watch new pools, and forgets those that have left. */
  private readonly refresh = Effect.gen({ self: this }, function* () {
    const open = new Set(yield* this.registry.pools)
    const entries = new Set(open)
    for (const entry of open) if (!isLocal(entry) && entry.local !== undefined) entries.delete(entry.local)
    for (const [entry, watched] of this.pools) {
      const { local } = watched
      if (local !== undefined && !open.has(local)) watched.local = undefined
      if (!entries.has(entry)) yield* this.forget(entry, watched)
    }
    for (const entry of entries) if (!this.pools.has(entry)) yield* this.watch(entry)
  })

  /** Begins or ends to watch one pool. A program may open and close pools often while thousands of others are open. */
  private onChange({ _tag, entry }: PoolRegistryChange): Effect.Effect<unknown> {
    const watched = this.pools.get(entry)
    // A distributed pool concerns the local one that runs its tasks, too.
    if (!isLocal(entry) || (_tag === "Closed" && watched === undefined)) return this.refresh
    return watched === undefined ? this.watch(entry) : _tag === "Closed" ? this.forget(entry, watched) : Effect.void
  }

  private forget(entry: PoolEntry, { fiber }: Watched): Effect.Effect<unknown> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        this.pools.delete(entry)
        return fiber === undefined ? Effect.void : Effect.forkIn(Fiber.interrupt(fiber), this.scope)
      })
    )
  }

  // A frame, a sample and a change of the registry may all find a new pool. Only the first may begin to watch it. A
  // browser that is closed interrupts its frame. If it did so between two of these steps, the pool would never be read.
  private watch(entry: PoolEntry) {
    const begin = Effect.clockWith((clock) => {
      if (this.pools.has(entry)) return Effect.void
      const watch = new PoolWatch(entry, this.length)
      const at = clock.currentTimeMillisUnsafe()
      const local = isLocal(entry) ? entry : entry.local
      const watched: Watched = {
        watch,
        local,
        fiber: undefined,
        remote: { stats: nothing, workers: [], hasAnswered: false, at }
      }
      this.pools.set(entry, watched)
      const readings = [
        ...(local === undefined ? [] : [quiet(this.follow(local, watch, local === entry))]),
        ...(isLocal(entry) ? [] : [quiet(this.ask(entry, watched))])
      ]
      const reading = Effect.all(readings, { concurrency: "unbounded", discard: true })
      return Effect.map(Effect.forkIn(reading, this.scope), (fiber) => {
        watched.fiber = fiber
      })
    })
    return Effect.uninterruptible(begin)
  }

  /**
   * Reads the events of a pool, after the decisions that it made before. `holds` is whether its holds are events: a pool
   * that runs the tasks of a distributed one is held whenever no worker is free.
   */
  private follow({ service }: LocalPoolEntry, watch: PoolWatch, holds: boolean) {
    return Effect.gen(function* () {
      for (const decision of yield* service.decisions(256)) watch.decisions.add(decision)
      yield* Stream.runForEachArray(service.events, (events) =>
        quiet(
          Effect.sync(() =>
            watch.addEvents(events.filter(({ _tag }) => holds || (_tag !== "Held" && _tag !== "Released")))
          )
        )
      )
    })
  }

  /** Asks a distributed pool again and again. */
  private ask({ service }: Exclude<PoolEntry, LocalPoolEntry>, { remote }: Watched) {
    const [askStats, askWorkers] = [new Asking(), new Asking()]
    const stats = Effect.gen(function* () {
      remote.stats = knownStats(yield* askStats.ask(service.stats, patience))
      remote.hasAnswered = true
      remote.at = yield* Clock.currentTimeMillis
    })
    const workers = Effect.gen(function* () {
      remote.workers = (yield* askWorkers.ask(service.workers, patience))
        .filter(isWorker)
        .map(({ concurrency, host, pid, running }) => ({ host, pid, concurrency, running }))
        .sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : a.pid - b.pid))
        .slice(0, 100)
    })
    return Effect.forever(Effect.andThen(Effect.andThen(quiet(stats), quiet(workers)), Effect.sleep(1000)))
  }

  private look(entry: PoolEntry, { local, remote }: Watched, oldestRun: boolean): Effect.Effect<Look> {
    if (local === undefined) {
      const { at: answeredAt, hasAnswered, stats } = remote
      return Effect.map(Clock.currentTimeMillis, (at) => ({
        at,
        stats,
        oldestWait: 0,
        oldestRun: undefined,
        warnings: [],
        isDistributed: true,
        remote: { hasAnswered, age: Math.max(0, at - answeredAt) }
      }))
    }
    return Effect.map(
      local.service.inspect({ running: oldestRun ? 1 : 0, waiting: 0, delayed: 0 }),
      ({ at, oldestWait, stats, tasks, warnings }) => {
        const task = tasks.find(({ state }) => state === "Running" || state === "Ending")
        return {
          at,
          stats: isLocal(entry) ? stats : withRemote(stats, remote.stats),
          isDistributed: !isLocal(entry),
          oldestWait,
          oldestRun: task?.ran === undefined ? undefined : { label: task.label, ran: task.ran },
          warnings
        }
      }
    )
  }

  /** Takes the samples of a second. */
  private readonly sample = Effect.gen({ self: this }, function* () {
    yield* this.refresh
    const names = new Map<string, number>()
    for (const { name } of this.pools.keys()) names.set(name, (names.get(name) ?? 0) + 1)
    // One that cannot be read must not hide the others.
    for (const [entry, watched] of this.pools) yield* quiet(this.samplePool(entry, watched, names.get(entry.name) ?? 1))
    const now = yield* Clock.currentTimeMillis
    this.sampledAt = now
    const loop = performance.eventLoopUtilization()
    // A mean with the last value: the load of a single second jumps.
    this.busy = (this.busy + performance.eventLoopUtilization(loop, this.loop).utilization) / 2
    this.loop = loop
    this.programWarnings = this.programSticky.update(programWarnings(this.busy), now)
    yield* this.sampleExecutors(now)
  })

  private readonly samplePool = Effect.fnUntraced(
    { self: this },
    function* (entry: PoolEntry, watched: Watched, sameName: number) {
      const { local, watch } = watched
      const look = yield* this.look(entry, watched, true)
      const timing = local === undefined ? undefined : yield* local.timing
      watch.sample(look, timing, local?.bounds?.max, sameName)
    }
  )

  private readonly sampleExecutors = Effect.fnUntraced({ self: this }, function* (now: number) {
    const entries = yield* this.registry.executors
    for (const entry of this.executors.keys()) if (!entries.includes(entry)) this.executors.delete(entry)
    // All at once: one that does not answer must not hide the others. It keeps its last row.
    yield* Effect.forEach(entries, (entry) => quiet(this.sampleExecutor(entry, now)), {
      concurrency: "unbounded",
      discard: true
    })
    this.executorRows = `[${entries.flatMap((entry) => this.executors.get(entry)?.row ?? []).join(",")}]`
  })

  private readonly sampleExecutor = Effect.fnUntraced({ self: this }, function* (entry: ExecutorEntry, now: number) {
    const watch = this.executors.get(entry) ?? new ExecutorWatch()
    this.executors.set(entry, watch)
    const [stats, threads] = yield* watch.ask(Effect.all([entry.stats, entry.threads]), 500)
    watch.update(entry, stats, threads, now)
  })

  /** Returns the frame without details, as JSON that lacks its closing brace. */
  private readonly overview = Effect.gen({ self: this }, function* () {
    yield* this.refresh
    const pools: Array<PoolRow> = []
    for (const [entry, watched] of this.pools) {
      pools.push(watched.watch.row(yield* attempt(this.look(entry, watched, false))))
    }
    const frame: Omit<Frame, "executors"> = {
      at: yield* Clock.currentTimeMillis,
      loop: Math.round(1000 * this.busy) / 1000,
      pools,
      warnings: this.programWarnings ?? []
    }
    return `${JSON.stringify(frame).slice(0, -1)},"executors":${this.executorRows}`
  })

  private readonly detail = Effect.fnUntraced({ self: this }, function* (id: string) {
    const found = this.find(id)
    if (found === undefined) return undefined
    const { local, remote, watch } = found[1]
    if (local === undefined) {
      return {
        id,
        running: [],
        waiting: [],
        omitted: nothingOmitted,
        decisions: [],
        events: [],
        workers: remote.workers
      }
    }
    const detail: PoolDetail = {
      id,
      ...taskLists((yield* attempt(local.service.inspect())) ?? { tasks: [], omitted: nothingOmitted }),
      decisions: watch.decisions.list(),
      events: watch.events.list(),
      workers: remote.workers
    }
    return detail
  })

  private find(id: string): readonly [PoolEntry, Watched] | undefined {
    for (const found of this.pools) if (found[0].id === id) return found
    return undefined
  }

  /** Builds the frame once, and returns it for each of the pools that clients look at. */
  readonly frames = Effect.fnUntraced({ self: this }, function* (ids: Iterable<string | undefined>) {
    const overview = yield* this.overview
    const frames = new Map<string | undefined, string>()
    for (const id of ids) {
      const detail = id === undefined ? undefined : yield* this.detail(id)
      frames.set(id, detail === undefined ? `${overview}}` : `${overview},"pool":${JSON.stringify(detail)}}`)
    }
    return frames
  })

  /** Returns what happened before. */
  hello(id: string | undefined, options: { readonly hz: number; readonly actions: boolean }, now: number): Hello {
    const found = id === undefined ? undefined : this.find(id)
    return {
      hz: options.hz,
      actions: options.actions,
      history: this.length,
      // Before the first sample there is no past.
      at: this.sampledAt ?? now,
      sparks: Object.fromEntries(
        Array.from(this.pools, ([entry, { watch }]) => [entry.id, watch.history.means("ended", 60).map(rounded)])
      ),
      ...(found === undefined ? {} : { series: seriesOf(found[1].watch.history) })
    }
  }

  /** Returns the open pool of an id. */
  readonly pool = Effect.fnUntraced({ self: this }, function* (id: string) {
    yield* this.refresh
    return this.find(id)?.[0]
  })
}

// Three digits that matter are enough for a curve, and a third of the bytes.
const rounded = (value: number): number | null => (Number.isFinite(value) ? Number(value.toPrecision(4)) : null)

const seriesOf = (history: History): NonNullable<Hello["series"]> => {
  const values = (name: SeriesName) => history.series(name).map(rounded)
  return {
    size: values("size"),
    running: values("running"),
    waiting: values("waiting"),
    ended: values("ended"),
    bad: values("bad"),
    queue95: values("queue95"),
    run50: values("run50"),
    run95: values("run95")
  }
}

const nothingOmitted = { running: 0, waiting: 0, delayed: 0, door: 0 }

/**
 * Ends with success, whatever happens: what a pool of another package does must not end the dashboard. A logger is user
 * code, and what it throws is dropped.
 */
export const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
  Effect.asVoid(attempt(effect))

/** Like `quiet`. Returns the result, or `undefined` if there is none. */
const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, never, R> =>
  Effect.catchCause(effect, (cause) =>
    Effect.catchDefect(Effect.as(Effect.logDebug("dashboard: a pool does not answer", cause), undefined), () =>
      Effect.succeed(undefined)
    )
  )
