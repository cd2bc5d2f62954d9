/** Logs from places that must go on: a logger is user code, and what it throws is dropped. */
import * as Effect from "effect/Effect"

/** Logs a warning. Never fails and never dies. */
export const logWarning = (message: string): Effect.Effect<void> =>
  Effect.catchDefect(Effect.logWarning(message), () => Effect.void)
