/**
 * The pools and executors of a program: each enters when it is made, and leaves when it has closed.
 *
 * Only the identity of pools and executors is known here. `PoolRegistry.ts` adds the types of their services.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecutorStats } from "../ExecutorDriver.ts"
import type { DecisionCounts } from "./autoScale/decisionCounts.ts"
import { epochMillis } from "./runtime/clock.ts"

/** What every entry has. */
export interface Named {
  readonly id: string
  readonly name: string
  /** In milliseconds since 1970. */
  readonly openedAt: number
}

/**
 * What an observer reads of a pool without an effect. Distributed pools have no source. The machine is a `Machine`, which
 * this module must not know: the machine's options know the executor, and the executor enters the registry.
 */
export interface PoolSource {
  readonly machine: { readonly observers: { measure(): () => void } }
  /** The counts of decisions; `undefined` for a fixed pool. */
  readonly decisions: DecisionCounts | undefined
}

/** An executor in the registry. */
export interface RegisteredExecutor extends Named {
  readonly stats: Effect.Effect<ExecutorStats>
}

/** A pool in the registry. */
export interface Registered {
  readonly entry: Named
  readonly source: PoolSource | undefined
}

/**
 * Receives the changes of the pools in the step in which they happen, unlike a reader of `changes`, which may lose some.
 */
export interface RegistryObserver {
  opened(pool: Registered): void
  /** Called when the pool has closed, before it leaves. Its numbers are final. */
  closed(pool: Registered): void
  /** Called when a policy has given a reason for the first time. */
  reasonAdded(pool: Registered): void
  executorOpened(executor: RegisteredExecutor): void
  /** Called when the executor leaves. Its numbers can still be read. */
  executorClosed(executor: RegisteredExecutor): void
}

export interface Change {
  readonly _tag: "Opened" | "Closed"
  readonly at: number
  readonly entry: Named
}

type Entered<A> = readonly [entry: A, leave: () => void]

/** How many changes a slow reader may lag behind before it loses the oldest ones. */
const changeBuffer = 256

export class Registry {
  private readonly poolsById = new Entries<Registered>()
  private readonly executorsById = new Entries<RegisteredExecutor>()
  private readonly readers = new Set<Queue.Queue<Change>>()
  private readonly observers = new Set<RegistryObserver>()
  /** Ends the measuring of each pool, while the pools measure. */
  private readonly measured = new Map<Registered, () => void>()
  /** The number of calls of `measure` that have not ended. */
  private measuring = 0

  readonly pools: Effect.Effect<ReadonlyArray<Named>> = Effect.sync(() =>
    Array.from(this.poolsById.values(), ({ entry }) => entry)
  )
  readonly executors: Effect.Effect<ReadonlyArray<Named>> = Effect.sync(() => Array.from(this.executorsById.values()))
  readonly changes: Stream.Stream<Change> = Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.tap(Queue.sliding<Change>(changeBuffer), (queue) => Effect.sync(() => this.readers.add(queue))),
        (queue) =>
          Effect.sync(() => {
            this.readers.delete(queue)
            Queue.shutdownUnsafe(queue)
          })
      ),
      Stream.fromQueue
    )
  )

  /** The pools, in the order in which they were made. */
  get registered(): Iterable<Registered> {
    return this.poolsById.values()
  }

  /** The executors, in the order in which they were made. */
  get registeredExecutors(): Iterable<RegisteredExecutor> {
    return this.executorsById.values()
  }

  /**
   * Adds a pool. Returns its entry, and the function that removes it, which may be called again. `makeEntry` gets the
   * pool's unique ID and the time.
   */
  enterPool<A extends Named>(
    name: string,
    clock: Clock.Clock,
    makeEntry: (id: string, openedAt: number) => A,
    source?: PoolSource
  ): Entered<A> {
    const pool = this.poolsById.add(name, (id) => ({ entry: makeEntry(id, epochMillis(clock)), source }))
    const { entry } = pool
    if (this.measuring > 0) this.beginMeasuring(pool)
    if (source?.decisions !== undefined) {
      source.decisions.onReason = () => {
        for (const observer of this.observers) observer.reasonAdded(pool)
      }
    }
    for (const observer of this.observers) observer.opened(pool)
    this.publish("Opened", entry, () => entry.openedAt)
    const leave = (): void => {
      if (!this.poolsById.has(entry.id, pool)) return
      for (const observer of this.observers) observer.closed(pool)
      this.endMeasuring(pool)
      this.poolsById.remove(entry.id, name)
      this.publish("Closed", entry, () => epochMillis(clock))
    }
    return [entry, leave]
  }

  /** Adds an executor, as `enterPool` adds a pool. */
  enterExecutor<A extends Omit<RegisteredExecutor, "id" | "openedAt">>(
    executor: A,
    clock: Clock.Clock
  ): Entered<A & Named> {
    const { name } = executor
    const entry = this.executorsById.add(name, (id) => ({ ...executor, id, openedAt: epochMillis(clock) }))
    for (const observer of this.observers) observer.executorOpened(entry)
    const leave = (): void => {
      if (!this.executorsById.has(entry.id, entry)) return
      for (const observer of this.observers) observer.executorClosed(entry)
      this.executorsById.remove(entry.id, name)
    }
    return [entry, leave]
  }

  /** Lets all pools measure the times of their tasks, until the returned function is called. */
  measure(): () => void {
    if (this.measuring++ === 0) for (const pool of this.registered) this.beginMeasuring(pool)
    let isWanted = true
    return () => {
      if (isWanted && --this.measuring === 0) for (const pool of this.registered) this.endMeasuring(pool)
      isWanted = false
    }
  }

  private beginMeasuring(pool: Registered): void {
    if (pool.source !== undefined) this.measured.set(pool, pool.source.machine.observers.measure())
  }

  private endMeasuring(pool: Registered): void {
    this.measured.get(pool)?.()
    this.measured.delete(pool)
  }

  /** Reports to an observer, until the returned function is called. Reports the present pools first. */
  observe(observer: RegistryObserver): () => void {
    this.observers.add(observer)
    for (const pool of Array.from(this.registered)) observer.opened(pool)
    for (const executor of Array.from(this.registeredExecutors)) observer.executorOpened(executor)
    return () => void this.observers.delete(observer)
  }

  /** The clock is read only if there are readers. */
  private publish(_tag: Change["_tag"], entry: Named, now: () => number): void {
    if (this.readers.size === 0) return
    const change = { _tag, at: now(), entry }
    for (const reader of this.readers) Queue.offerUnsafe(reader, change)
  }
}

/** The registry of a program, unless a fiber provides another one. */
export const CurrentRegistry: Context.Reference<Registry> = Context.Reference("@aio-task-pool/core/PoolRegistry", {
  defaultValue: () => new Registry()
})

/** Returns the registry of a context. Throws if `PoolRegistry.make` has not made it. */
export const registryOf = (context: Context.Context<never>): Registry => {
  const registry: Registry | { readonly enterPool?: undefined } = Context.get(context, CurrentRegistry)
  if (typeof registry.enterPool === "function") return registry
  throw new TypeError("PoolRegistry: a registry must be made by PoolRegistry.make")
}

/** Adds a pool or an executor to the registry of the fiber until the scope closes, and returns its entry. */
export const entered = <A>(
  enter: (registry: Registry, clock: Clock.Clock) => Entered<A>
): Effect.Effect<A, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.withFiber(({ context }) =>
        Effect.sync(() => enter(registryOf(context), Context.get(context, Clock.Clock)))
      ),
      ([, leave]) => Effect.sync(leave)
    ),
    ([entry]) => entry
  )

/** Entries by ID. Entries of one name are `name`, `name#2`, `name#3`, as long as any of them is there. */
class Entries<A> {
  private readonly byId = new Map<string, A>()
  private readonly names = new Map<string, { open: number; last: number }>()

  values(): Iterable<A> {
    return this.byId.values()
  }

  has(id: string, value: A): boolean {
    return this.byId.get(id) === value
  }

  /** Adds the entry that `make` returns for a new ID. */
  add<B extends A>(name: string, make: (id: string) => B): B {
    const used = this.names.get(name) ?? { open: 0, last: 0 }
    let id: string
    // Another entry may have the name `name#2`.
    do id = ++used.last === 1 ? name : `${name}#${used.last}`
    while (this.byId.has(id))
    const value = make(id)
    used.open++
    this.names.set(name, used)
    this.byId.set(id, value)
    return value
  }

  remove(id: string, name: string): void {
    this.byId.delete(id)
    const used = this.names.get(name)!
    if (--used.open === 0) this.names.delete(name)
  }
}
