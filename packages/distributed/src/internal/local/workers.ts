/**
 * The workers of the local engine, and their free places.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { WorkerSpec } from "../driver.ts"
import { Signal } from "../signal.ts"

/** A worker and the attempts that it runs. */
export class LocalWorker<Attempt = unknown> {
  readonly name: string
  readonly spec: WorkerSpec
  private readonly attempts = new Set<Attempt>()
  private idle: Signal | undefined = undefined

  constructor(name: string, spec: WorkerSpec) {
    this.name = name
    this.spec = spec
  }

  get free(): number {
    return this.spec.concurrency - this.attempts.size
  }

  get running(): ReadonlyArray<Attempt> {
    return Array.from(this.attempts)
  }

  begin(attempt: Attempt): void {
    this.attempts.add(attempt)
  }

  end(attempt: Attempt): void {
    this.attempts.delete(attempt)
  }

  /** Resumes those who wait until nothing runs. */
  notifyIdle(): void {
    if (this.attempts.size === 0) this.idle?.send()
  }

  /** Waits until nothing runs, at most for a Duration. */
  awaitIdle(atMost: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.attempts.size === 0) return Effect.void
      this.idle ??= new Signal()
      const { sent } = this.idle
      // Only the timeout may interrupt the wait: a worker must leave although its closer is interrupted.
      return Duration.isFinite(atMost) ? Effect.asVoid(Effect.timeoutOption(Effect.interruptible(sent), atMost)) : sent
    })
  }
}

/** The workers that take tasks. */
export class Workers<Attempt> {
  readonly open = new Set<LocalWorker<Attempt>>()

  get hasFree(): boolean {
    for (const worker of this.open) if (worker.free > 0) return true
    return false
  }

  /** Whether a worker, busy or not, has a handler for the task. */
  know(name: string): boolean {
    for (const worker of this.open) if (worker.spec.knows(name)) return true
    return false
  }

  /**
   * Returns the worker for a task: of those that have a free place the one that knows the task, and of those the one with
   * the most free places. Returns none if no place is free.
   */
  pick(name: string): LocalWorker<Attempt> | undefined {
    let best: LocalWorker<Attempt> | undefined
    let bestKnows = false
    for (const worker of this.open) {
      if (worker.free <= 0) continue
      const knows = worker.spec.knows(name)
      if (best === undefined || (knows && !bestKnows) || (knows === bestKnows && worker.free > best.free)) {
        best = worker
        bestKnows = knows
      }
    }
    return best
  }
}
