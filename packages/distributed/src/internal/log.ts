/** Logs from places that must go on: a logger is user code, and what it throws is dropped. */
import * as Effect from "effect/Effect"

/** Logs a warning. Never fails and never dies. */
export const logWarning = (message: string): Effect.Effect<void> => quiet(Effect.logWarning(message))

/** Logs an error. Never fails and never dies. */
export const logError = (...message: ReadonlyArray<unknown>): Effect.Effect<void> => quiet(Effect.logError(...message))

const quiet = (line: Effect.Effect<void>): Effect.Effect<void> => Effect.catchDefect(line, () => Effect.void)
