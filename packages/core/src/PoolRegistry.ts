/**
 * The pools and executors of a program, for those who watch them: dashboards, metrics, tests.
 *
 * A pool enters the registry when it is made, and leaves when its scope has closed it. Nothing has to be registered by
 * hand.
 *
 * **Example** (Listing the pools of a program)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple, PoolRegistry, TaskPool } from "@aio-task-pool/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* TaskPool.submit(Effect.void)
 *   return (yield* PoolRegistry.pools).map((pool) => `${pool.id} is a ${pool.kind}`)
 * })
 *
 * const layer = AioFixedTaskPoolSimple.layer(2, { name: "mail" })
 * console.log(await Effect.runPromise(Effect.provide(program, layer))) // => ["mail is a AioFixedTaskPoolSimple"]
 * console.log(await Effect.runPromise(PoolRegistry.pools)) // => []
 * ```
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecutorStats, ExecutorThread } from "./ExecutorDriver.ts"
import { checkName } from "./internal/arguments.ts"
import { CurrentRegistry, entered, Registry, registryOf } from "./internal/registry.ts"
import type { PoolTiming } from "./PoolTiming.ts"
import type { PoolStats } from "./PoolStats.ts"
import type { TaskPoolService } from "./TaskPool.ts"

/**
 * A pool in the registry.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEntry = LocalPoolEntry | DistributedPoolEntry

/**
 * A pool of this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface LocalPoolEntry {
  readonly _tag: "Local"
  /** The name, or for further open pools of the same name `name#2`, `name#3` and so on. */
  readonly id: string
  /** The name of the pool. */
  readonly name: string
  /** The name of the module that made the pool, such as `"AioFixedTaskPoolSimple"`. */
  readonly kind: string
  /** The time at which the pool was made, in milliseconds since 1970. */
  readonly openedAt: number
  /** The operations of the pool. */
  readonly service: TaskPoolService
  /** Returns how long its tasks wait and run; `undefined` while the pool does not measure. */
  readonly timing: Effect.Effect<PoolTiming | undefined>
  /** The sizes between which the pool scales by itself; `undefined` for a fixed pool. */
  readonly bounds: { readonly min: number; readonly max: number } | undefined
}

/**
 * A pool whose tasks run in several processes.
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedPoolEntry {
  readonly _tag: "Distributed"
  /** As for a local pool. */
  readonly id: string
  /** The name of the pool. */
  readonly name: string
  /** The name of the module that made the pool. */
  readonly kind: string
  /** The time at which this process joined the pool, in milliseconds since 1970. */
  readonly openedAt: number
  /** What can be read of the pool. */
  readonly service: DistributedPoolView
  /** The pool that runs the tasks, if they all run in this process. It has an entry of its own. */
  readonly local?: LocalPoolEntry | undefined
}

/**
 * What can be read of a pool whose tasks run in several processes.
 *
 * **Details**
 *
 * Both effects may ask a broker, so they may take long, and they die if it does not answer. Give them a time limit, and
 * do not ask on the way of a task.
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedPoolView {
  /** Returns the statistics of the pool, as far as they are known. */
  readonly stats: Effect.Effect<Partial<PoolStats>>
  /** Returns the workers that are connected. A process may have several. */
  readonly workers: Effect.Effect<ReadonlyArray<DistributedPoolWorker>>
}

/**
 * A process that works for a distributed pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedPoolWorker {
  /** The name of its machine. */
  readonly host: string
  /** Its process ID. */
  readonly pid: number
  /** The most tasks that it runs at once. */
  readonly concurrency: number
  /** The tasks that it runs now. */
  readonly running: number
}

/**
 * An executor in the registry.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorEntry {
  /** The name, or for further open executors of the same name `name#2`, `name#3` and so on. */
  readonly id: string
  /** The name of the executor. */
  readonly name: string
  /** The time at which the executor was made, in milliseconds since 1970. */
  readonly openedAt: number
  /** Returns an atomic snapshot of the executor's statistics. */
  readonly stats: Effect.Effect<ExecutorStats>
  /** Returns the threads of the executor, at most 1,000. */
  readonly threads: Effect.Effect<ReadonlyArray<ExecutorThread>>
}

/**
 * A pool that has entered the registry or left it.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolRegistryChange {
  readonly _tag: "Opened" | "Closed"
  /** The time of the change, in milliseconds since 1970. */
  readonly at: number
  /** The pool. The statistics of a closed one can still be read. */
  readonly entry: PoolEntry
}

/**
 * The service: `PoolRegistry["Service"]`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolRegistryService {
  /** Returns the pools that are open, or closed by hand, in the order in which they were made. */
  readonly pools: Effect.Effect<ReadonlyArray<PoolEntry>>
  /** Returns the executors, in the order in which they were made. */
  readonly executors: Effect.Effect<ReadonlyArray<ExecutorEntry>>
  /** Emits the pools that enter and leave from now on. A reader that lags behind by 256 changes loses the oldest. */
  readonly changes: Stream.Stream<PoolRegistryChange>
}

/**
 * The registry of a program: a reference, whose default is one registry for the process.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolRegistry extends Context.Reference<PoolRegistryService> {
  /** The type of the service. */
  readonly Service: PoolRegistryService
  /**
   * Makes an empty registry, for `Effect.provideService`.
   *
   * **When to use**
   *
   * Use it in tests, so that they see only their own pools. Provide it to the effect that makes the pools.
   *
   * **Example** (Giving a test its own registry)
   *
   * ```ts
   * import { AioFixedTaskPoolSimple, PoolRegistry } from "@aio-task-pool/core"
   * import { Effect } from "effect"
   *
   * const test = Effect.gen(function* () {
   *   yield* AioFixedTaskPoolSimple.make({ name: "db" })
   *   yield* AioFixedTaskPoolSimple.make({ name: "db" })
   *   return (yield* PoolRegistry.pools).map((pool) => pool.id)
   * })
   *
   * const program = Effect.flatMap(PoolRegistry.make, (registry) =>
   *   Effect.provideService(Effect.scoped(test), PoolRegistry, registry)
   * )
   * await Effect.runPromise(program) // => ["db", "db#2"]
   * ```
   */
  readonly make: Effect.Effect<PoolRegistryService>
  /** Returns the pools of the registry. See `PoolRegistryService.pools`. */
  readonly pools: Effect.Effect<ReadonlyArray<PoolEntry>>
  /** Returns the executors of the registry. */
  readonly executors: Effect.Effect<ReadonlyArray<ExecutorEntry>>
  /** Emits the pools that enter and leave. See `PoolRegistryService.changes`. */
  readonly changes: Stream.Stream<PoolRegistryChange>
  /**
   * Lets all pools of the registry measure how long their tasks wait and run, until the scope closes. Also the pools
   * that are made meanwhile.
   *
   * **When to use**
   *
   * Use it in a package that shows these times. See `LocalPoolEntry.timing`.
   */
  readonly measure: Effect.Effect<void, never, Scope>
  /**
   * Adds a distributed pool until the scope closes, and returns its entry.
   *
   * **When to use**
   *
   * Use it in a package that implements pools. The pools of this package enter by themselves.
   */
  readonly registerPool: (
    pool: Pick<DistributedPoolEntry, "name" | "kind" | "service" | "local">
  ) => Effect.Effect<DistributedPoolEntry, never, Scope>
  /**
   * Adds an executor until the scope closes, and returns its entry.
   *
   * **When to use**
   *
   * Use it in a package that implements executors.
   */
  readonly registerExecutor: (
    executor: Pick<ExecutorEntry, "name" | "stats" | "threads">
  ) => Effect.Effect<ExecutorEntry, never, Scope>
}

/**
 * The registry of a program.
 *
 * @category services
 * @since 0.1.0
 */
export const PoolRegistry: PoolRegistry = Object.assign(
  CurrentRegistry as unknown as Context.Reference<PoolRegistryService>,
  {
    make: Effect.sync(() => new Registry() as unknown as PoolRegistryService),
    pools: Effect.flatMap(CurrentRegistry, ({ pools }) => pools as Effect.Effect<ReadonlyArray<PoolEntry>>),
    executors: Effect.flatMap(
      CurrentRegistry,
      ({ executors }) => executors as Effect.Effect<ReadonlyArray<ExecutorEntry>>
    ),
    changes: Stream.unwrap(Effect.map(CurrentRegistry, ({ changes }) => changes as Stream.Stream<PoolRegistryChange>)),
    measure: Effect.asVoid(
      Effect.acquireRelease(
        Effect.withFiber(({ context }) => Effect.sync(() => registryOf(context).measure())),
        Effect.sync
      )
    ),
    registerPool: ({
      kind,
      local,
      service,
      ...given
    }: Pick<DistributedPoolEntry, "name" | "kind" | "service" | "local">) =>
      entered((registry, clock) => {
        const name = checkName("PoolRegistry.registerPool", given.name)
        return registry.enterPool(name, clock, (id, openedAt): DistributedPoolEntry => {
          const known = { _tag: "Distributed", id, name, kind, openedAt, service } as const
          return local === undefined ? known : { ...known, local }
        })
      }),
    registerExecutor: ({ stats, threads, ...given }: Pick<ExecutorEntry, "name" | "stats" | "threads">) =>
      entered((registry, clock) => {
        const name = checkName("PoolRegistry.registerExecutor", given.name)
        return registry.enterExecutor({ name, stats, threads }, clock)
      })
  }
)
