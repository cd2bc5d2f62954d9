/** Finds out in which order a pool dispatches, for laws whose outcome depends on it. */
import type { SubmitOptions, TaskPoolService } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"

/** Forks one task for each of the options while dispatch is held, and returns the order in which they began. */
export const orderOf = Effect.fnUntraced(function* (
  pool: TaskPoolService,
  options: ReadonlyArray<SubmitOptions>,
  meanwhile: Effect.Effect<unknown> = Effect.void
) {
  const order: Array<number> = []
  const fork = Effect.forEach(options, (each, i) =>
    pool.fork(
      Effect.sync(() => order.push(i)),
      each
    )
  )
  yield* pool.withDispatchHeld(Effect.andThen(fork, meanwhile))
  yield* pool.awaitIdle
  return order
})

/** The discipline of a pool of one worker with three places or more. Its tasks cost nothing. */
export const disciplineOf = Effect.fnUntraced(function* (pool: TaskPoolService) {
  const weights = [5, 4, 4].map((weight) => ({ weight, cost: 0 }))
  const order = (yield* orderOf(pool, weights)).join("")
  return order === "012" ? ("fifo" as const) : order === "210" ? ("lifo" as const) : ("priority" as const)
})
