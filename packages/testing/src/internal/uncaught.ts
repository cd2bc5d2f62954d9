/**
 * Collects the unhandled rejections and uncaught exceptions of the process.
 */
import * as Effect from "effect/Effect"

type Listener = (...args: ReadonlyArray<unknown>) => void

interface Process {
  listeners(event: string): Array<Listener>
  on(event: string, listener: Listener): void
  removeAllListeners(event: string): void
}

const events = ["unhandledRejection", "uncaughtException"]

/**
 * Runs an effect with a list of the errors that have reached the process so far. Other listeners, such as a test runner's,
 * are removed meanwhile. Outside Node the list stays empty.
 */
export const collectingUncaught = <A, E>(
  use: (uncaught: Array<unknown>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const process: Process | undefined = (globalThis as any).process
  if (typeof process?.listeners !== "function") return use([])
  const uncaught: Array<unknown> = []
  const add: Listener = (cause) => void uncaught.push(cause)
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = events.map((event) => process.listeners(event))
      for (const event of events) {
        process.removeAllListeners(event)
        process.on(event, add)
      }
      return before
    }),
    () => use(uncaught),
    (before) =>
      Effect.sync(() => {
        for (const [index, event] of events.entries()) {
          process.removeAllListeners(event)
          for (const listener of before[index]!) process.on(event, listener)
        }
      })
  )
}
