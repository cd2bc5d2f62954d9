/** The waits of fibers: for the outcome of a task, for the end of tasks, for a condition on the machine. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { checkAnswer } from "../arguments.ts"
import { answerCaller, asEffects, wait, type Waiter, waiter } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import type { Entry } from "./entry.ts"
import { type AttachedWait, attachWait, detachWait } from "./extra.ts"
import { entryOf } from "./launch.ts"
import type { PoolStats } from "../../PoolStats.ts"
import type { Machine } from "./machine.ts"

/** A fiber that waits for the outcome of a task: the frame on its stack. */
class OutcomeWaiter implements Waiter {
  caller: Waiter["caller"] = undefined
  private readonly task: Entry
  private readonly wait: AttachedWait | undefined
  private readonly observer: (exit: Exit.Exit<any, any>) => void

  constructor(task: Entry, flat: boolean, wait: AttachedWait | undefined) {
    this.task = task
    this.wait = wait
    this.observer = (exit) => answerCaller(this, flat ? exit : Exit.succeed(exit))
    ;(task.observers ??= new Set()).add(this.observer)
    if (wait !== undefined) attachWait(task, wait)
  }

  onCallerInterrupt(): Effect.Effect<void> {
    this.caller = undefined
    this.task.observers?.delete(this.observer)
    if (this.wait !== undefined) detachWait(this.task, this.wait)
    return Effect.void
  }
}
Object.assign(OutcomeWaiter.prototype, waiter)

/**
 * Returns the outcome of a task as an `Exit`, or as its own outcome if `flat`. The outcome also ends `wait`. Interrupting
 * the waiter does not affect the task.
 */
export interface AwaitOutcome extends Effect.Effect<any, any> {}
export class AwaitOutcome {
  private readonly task: Entry
  private readonly flat: boolean
  private readonly wait: AttachedWait | undefined

  constructor(task: Entry, flat: boolean, wait?: AttachedWait) {
    this.task = task
    this.flat = flat
    this.wait = wait
  }

  /** Returns the outcome, or what waits for it. */
  begin(): Exit.Exit<any, any> | OutcomeWaiter {
    const { flat, task } = this
    if (task.exit === undefined) return new OutcomeWaiter(task, flat, this.wait)
    return flat ? task.exit : Exit.succeed(task.exit)
  }
}

// The look at the task and the beginning of the wait are one step. In between, the task might settle.
asEffects(
  AwaitOutcome,
  hasKnownRuntime
    ? function (fiber) {
        const outcome = this.begin()
        return outcome instanceof OutcomeWaiter ? wait(fiber, outcome) : outcome
      }
    : function () {
        return Effect.callback((resume) => {
          const outcome = this.begin()
          if (!(outcome instanceof OutcomeWaiter)) return resume(outcome)
          outcome.caller = resume
          return Effect.suspend(() => outcome.onCallerInterrupt())
        })
      }
)

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
