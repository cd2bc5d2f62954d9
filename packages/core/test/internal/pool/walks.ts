import { vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { PoolState } from "../../../src/internal/pool/state.ts"

/** Counts how often a pool walks all its waiting tasks, and all its running ones, in the current scope. */
export const countWalks = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() =>
      (["unstartedEntries", "runningEntries"] as const).map((list) => vi.spyOn(PoolState.prototype, list, "get"))
    ),
    (spies) => Effect.sync(() => spies.forEach((spy) => spy.mockRestore()))
  ),
  (spies) => () => spies.map((spy) => spy.mock.calls.length)
)
