/** Something that happens once, and that fibers wait for. Every one is resumed, whatever the observers of others do. */
import * as Effect from "effect/Effect"
import { callback } from "./callback.ts"

export class Signal {
  private isSent = false
  private waiters: Set<() => void> | undefined = undefined

  /** Waits until the signal is sent. */
  get sent(): Effect.Effect<void> {
    return callback((resume) => {
      // In the step that registers: a fiber may yield before it.
      if (this.isSent) return resume(Effect.void)
      const waiter = () => resume(Effect.void)
      const waiters = (this.waiters ??= new Set())
      waiters.add(waiter)
      return Effect.sync(() => void waiters.delete(waiter))
    })
  }

  /** Resumes all that wait. */
  send(): void {
    this.isSent = true
    const { waiters } = this
    this.waiters = undefined
    // A resumed fiber may interrupt one that still waits, which leaves the set.
    for (const waiter of waiters ?? []) waiter()
  }
}
