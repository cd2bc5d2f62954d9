/** The waits of fibers: for the outcome of a task, for the end of tasks, for a condition on the machine. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { checkAnswer } from "../arguments.ts"
import type { Entry } from "./entry.ts"
import { attachWait, detachWait } from "./extra.ts"
import { entryOf } from "./launch.ts"
import type { Wait } from "./lending.ts"
import type { PoolStats } from "../../PoolStats.ts"
import type { Machine } from "./machine.ts"

/** Waits for a task's outcome, which also ends `wait`. Interrupting the waiter does not affect the task. */
export const awaitExit = (task: Entry, wait?: Wait): Effect.Effect<Exit.Exit<any, any>> =>
  Effect.callback((resume) => {
    if (task.exit !== undefined) return resume(Effect.succeed(task.exit))
    if (wait !== undefined) attachWait(task, wait)
    const observer = (exit: Exit.Exit<any, any>): void => resume(Effect.succeed(exit))
    const observers = (task.observers ??= new Set())
    observers.add(observer)
    return Effect.sync(() => {
      observers.delete(observer)
      if (wait !== undefined) detachWait(task, wait)
    })
  })

/** Waits until tasks have ended, except the one that the waiting fiber belongs to: it would wait for itself. */
export const awaitEnds = (machine: Machine, tasks: ReadonlyArray<Entry>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const self = entryOf(machine, Fiber.getCurrent()!)
    const others = tasks.filter((task) => task.exit === undefined && task !== self)
    let left = others.length
    if (left === 0) return resume(Effect.void)
    const observer = (): void => {
      if (--left === 0) resume(Effect.void)
    }
    for (const task of others) (task.observers ??= new Set()).add(observer)
    return Effect.sync(() => {
      for (const task of others) task.observers?.delete(observer)
    })
  })

/**
 * Waits until a condition on the machine holds. Fibers that pass the same function share one check at the end of each
 * flush.
 */
export const awaitUntil = (machine: Machine, ready: () => boolean): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // A launch that overflowed the stack may be unsettled, with no later call to settle it.
    machine.settleOverflowed()
    const watcher = { notify: () => resume(Effect.void) }
    // Before the check: the predicate of `awaitStats` may change the machine, and no later flush would check again.
    machine.watchers.add(ready, watcher)
    if (ready()) {
      machine.watchers.remove(ready, watcher)
      return resume(Effect.void)
    }
    return Effect.sync(() => machine.watchers.remove(ready, watcher))
  })

/** Waits until the statistics satisfy a predicate. Dies with what the predicate throws. */
export const awaitStats = (machine: Machine, predicate: (stats: PoolStats) => boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    let defect: Exit.Exit<void> = Exit.void
    // The predicate is user code. Its error belongs to this wait, and must not reach the machine.
    const ready = (): boolean => {
      try {
        return checkAnswer("TaskPool.awaitStats", "predicate", predicate(machine.stats()))
      } catch (cause) {
        defect = Exit.die(cause)
        return true
      }
    }
    return Effect.andThen(
      awaitUntil(machine, ready),
      Effect.suspend(() => defect)
    )
  })
