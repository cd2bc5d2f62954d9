/**
 * The pools in the registry of the program: what others, such as a dashboard, read of a pool.
 */
import {
  type DistributedPoolView,
  type LocalPoolEntry,
  PoolRegistry,
  type PoolStats,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { NotAvailable } from "../DistributedTaskPoolError.ts"
import type { Driver } from "./driver.ts"

/** Enters a pool. `core` is the pool of this process that runs the tasks, if there is one. */
type Enter = (kind: string, driver: Driver, core?: TaskPoolService) => Effect.Effect<void>

/**
 * Returns how to enter the registry when the driver is made. Ask for it before the driver: finalizers run in reverse
 * order, so the pool leaves when its driver has closed.
 */
export const registration: Effect.Effect<Enter, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.acquireRelease(Scope.make(), Scope.close)
  return Effect.fnUntraced(function* (kind, driver, core) {
    const pools = yield* PoolRegistry.pools
    const local = pools.find((entry): entry is LocalPoolEntry => entry._tag === "Local" && entry.service === core)
    yield* Scope.provide(PoolRegistry.registerPool({ name: driver.name, kind, service: viewOf(driver), local }), scope)
  })
})

/** What the registry tells of a pool. A closed pool asks its broker nothing, and keeps its last statistics. */
const viewOf = (driver: Driver): DistributedPoolView => {
  let known: Partial<PoolStats> = {}
  const stats = Effect.map(driver.stats, ({ delayed, held, running, targetSize, waiting }) => {
    const admission = driver.admission()
    known = {
      phase: admission === "Open" && held ? "Held" : admission,
      targetSize,
      running,
      waiting,
      delayed
    }
    return known
  })
  const whileOpen = <A>(ask: Effect.Effect<A, NotAvailable>, closed: () => A): Effect.Effect<A> =>
    Effect.catchTag(ask, "NotAvailable", (error) =>
      driver.admission() === "Closed" ? Effect.sync(closed) : Effect.die(error)
    )
  return {
    stats: whileOpen(stats, () => ({ ...known, phase: "Closed" })),
    workers: whileOpen(driver.workers, () => [])
  }
}
