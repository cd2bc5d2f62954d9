// Fetches the prices of some symbols each minute. A failed request is tried again ten seconds later.
import { TaskPool } from "@aio-task-pool/core"
import { Effect, Schedule } from "effect"

/** Keeps `prices` fresh until it is interrupted. The pool decides how many requests run at once. */
export const keepFresh = <E, R>(
  symbols: ReadonlyArray<string>,
  fetchPrice: (symbol: string) => Effect.Effect<number, E, R>,
  prices: Map<string, number>
) => {
  const refresh = (symbol: string) =>
    Effect.tap(fetchPrice(symbol), (price) => Effect.sync(() => prices.set(symbol, price)))
  const round = TaskPool.forEach(symbols, refresh, {
    retry: { schedule: Schedule.spaced("10 seconds"), times: 3 },
    discard: true
  })
  return Effect.repeat(round, Schedule.spaced("1 minute"))
}
