import { AioFixedTaskPoolSimple, PoolRegistry, type TaskPoolService } from "@aio-task-pool/core"
import { Dashboard, type ServerOptions } from "@aio-task-pool/dashboard"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"

/** A dashboard and its address, in a registry of its own. */
export interface Opened {
  readonly address: string
  readonly port: number
}

/** Opens a dashboard on a free port until the scope closes. */
export const open = (options: ServerOptions = {}): Effect.Effect<Opened, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Dashboard.layer({ port: 0, ...options }))
    const address = yield* Effect.provide(Dashboard.address, context)
    return { address, port: Number(new URL(address).port) }
  })

/** Runs a test whose pools enter a registry of its own. */
export const isolated = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PoolRegistry.make, (registry) =>
    Effect.provideService(Effect.scoped(test), PoolRegistry, registry).pipe(Effect.provide(Logger.layer([])))
  )

/** Makes a pool with a name. */
export const pool = (
  name: string,
  options: { readonly size?: number; readonly capacity?: number } = {}
): Effect.Effect<TaskPoolService, never, Scope.Scope> =>
  AioFixedTaskPoolSimple.make({ name, size: options.size ?? 2, capacity: options.capacity ?? 100 })
