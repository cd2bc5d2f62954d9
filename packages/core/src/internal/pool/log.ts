/**
 * The log lines of a pool. Each carries the pool's name and kind as annotations, and what its text says as numbers.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SchedulerDispatcher } from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import { hasStack } from "../runtime/stack.ts"

/** Writes a line. */
export type PoolLog = (
  level: "Debug" | "Warn" | "Error",
  message: string,
  annotations?: Readonly<Record<string, unknown>>,
  cause?: Cause.Cause<unknown>
) => void

/** Makes the log of a pool. `context` is the context of the pool's own fibers. */
export const poolLog = (context: Context.Context<never>, name: string, kind: string): PoolLog => {
  // Made at the first line: most pools write none, and omitting a service copies the context.
  let run: ReturnType<typeof Effect.runForkWith<never>> | undefined
  return (level, message, annotations, cause) => {
    // A log line is an event of the current span. The maker's span may live as long as the program, and would keep them
    // all.
    run ??= Effect.runForkWith(Context.omit(Tracer.ParentSpan)(context))
    const line = Effect.logWithLevel(level)
    const written = cause === undefined ? line(message) : line(message, cause)
    run(Effect.annotateLogs(written, { "task_pool.name": name, "task_pool.kind": kind, ...annotations }))
  }
}

/** Calls user code whose result no fiber waits for. What it throws is logged: no task can have its error. */
export class UserCode {
  private readonly dispatcher: SchedulerDispatcher
  readonly log: PoolLog

  constructor(dispatcher: SchedulerDispatcher, log: PoolLog) {
    this.dispatcher = dispatcher
    this.log = log
  }

  readonly guard = <A>(f: (value: A) => void, value: A): void => {
    try {
      f(value)
    } catch (defect) {
      this.onDefect(defect)
    }
  }

  /** Logs what user code threw. The logger is user code too, so it runs after the present step. */
  readonly onDefect = (defect: unknown, message = "a callback threw, and no task can have its error"): void => {
    this.later(() => this.log("Error", message, undefined, Cause.die(defect)))
  }

  /** Calls `f` now. If the stack is about to end, calls it after a turn of the event loop, unless that overflows too. */
  whenStack(f: () => void): void {
    try {
      if (!hasStack()) return this.later(f)
    } catch {
      // Nothing was done yet. `f` may need less of the stack.
    }
    f()
  }

  /** Calls `f` after a turn of the event loop. */
  later(f: () => void): void {
    this.dispatcher.scheduleTask(f, 0)
  }
}
