/**
 * Makes the layer of a local pool from the layer of one of the core's pools.
 */
import { TaskPool } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MixedScheduler, Scheduler } from "effect/Scheduler"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DistributedPoolOptions } from "../../DistributedTaskPoolOptions.ts"
import type { DistributedTaskPoolService } from "../../DistributedTaskPoolService.ts"
import { checkLayer, checkPoolOptions, maxSize } from "../arguments.ts"
import { registration } from "../registration.ts"
import { makeService } from "../service.ts"
import { LocalEngine } from "./engine.ts"

/** Makes the service. The pool's layer is built for it alone, in the scope of this effect. */
export const makeLocal = <E, R>(
  where: string,
  pool: Layer.Layer<TaskPool, E, R>,
  options: DistributedPoolOptions
): Effect.Effect<DistributedTaskPoolService, E, R | Scope> => {
  const { name, resultTtl, sizeLimit } = checkPoolOptions(where, options)
  checkLayer(where, pool)
  return Effect.gen(function* () {
    const scope = yield* Effect.scope
    const enter = yield* registration
    let engine: LocalEngine | undefined
    // Finalizers run in reverse order: this one when the core's pool has closed.
    yield* Effect.addFinalizer(() => Effect.sync(() => engine?.finish()))
    const built = yield* Layer.buildWithScope(Layer.fresh(pool), scope)
    const core = Context.getOrUndefined(built, TaskPool)
    if (core === undefined) throw new TypeError(`${where}: the layer must provide TaskPool, and no other tag`)
    const { capacity, phase, targetSize } = yield* core.stats
    if (capacity !== Infinity) {
      throw new RangeError(`${where}: the pool must have no capacity, because no broker has one, got ${capacity}`)
    }
    if (targetSize > maxSize) {
      throw new RangeError(`${where}: the size of the pool must be an integer from 0 to ${maxSize}, got ${targetSize}`)
    }
    // The pool pauses by itself, because tasks that it has admitted come back to the core's pool.
    const startPaused = phase === "Paused"
    yield* core.resume
    const context = contextOf(yield* Effect.context())
    const made = new LocalEngine(core, { name, context, resultTtl, startPaused })
    engine = made
    yield* Effect.forkScoped(
      Stream.runForEach(core.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Scaled") made.emit(event)
        })
      ),
      { startImmediately: true }
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => made.endAdmission()))
    yield* enter("DistributedTaskPool", made, core)
    return makeService(made, { sizeLimit })
  })
}

/** The context of the pool's own fibers. The scheduler of `runSync` never yields to the event loop, so it is replaced. */
const contextOf = (context: Context.Context<never>): Context.Context<never> =>
  Context.get(context, Scheduler).executionMode === "sync"
    ? Context.add(context, Scheduler, new MixedScheduler())
    : context
