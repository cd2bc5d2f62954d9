/**
 * Measures the tasks of an auto-scale pool that run in this process, and adds the sums to those of the other processes.
 *
 * Sums leave a tenth of a second after the first change, and at once after a sign of overload.
 */
import { type AutoScalePoolOptions, type TaskOutcome } from "@aio-task-pool/core"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { durationOf, handlePromise } from "../../internal/arguments.ts"
import type { RunResult } from "../../internal/driver.ts"
import type { Broker } from "./broker.ts"
import { whenSettled } from "./promises.ts"
import { runScript, windowKeys } from "./scripts.ts"

type Classify = NonNullable<AutoScalePoolOptions["classify"]>

/** The longest `retryAfter`, in milliseconds. A server that asks for more must not stop the pool for hours. */
const longestRetryAfter = 300_000
const reportAfter = 100 // ms

/** Whether an error is a timeout, or was caused by one, such as that of `Effect.tryPromise`. */
const isTimeout = (error: any): boolean => {
  // A plain `try`: the properties of a user's error are user code.
  try {
    return error?.name === "TimeoutError" || error?.cause?.name === "TimeoutError"
  } catch {
    return false
  }
}

/** Classifies a timeout as overload, and ignores other failures, which say nothing about the server. */
export const classifyDefault: Classify = (exit) => {
  if (Exit.isSuccess(exit)) return "success"
  // A reason has an error, a defect, or neither.
  const timedOut = exit.cause.reasons.some((reason: any) => isTimeout(reason.error) || isTimeout(reason.defect))
  return timedOut ? "overload" : "ignore"
}

const nothing = { started: 0, succeeded: 0, failed: 0, overloaded: 0, fresh: 0, runSum: 0, runSquares: 0, area: 0 }

export class Meter {
  private readonly classify: Classify
  private readonly onDefect: (message: string, defect: unknown) => void
  private broker: Broker | undefined
  private sums = { ...nothing }
  private runMin = Infinity
  private retryAfter = 0
  private running = 0
  private countedUntil = performance.now()
  private timer: ReturnType<typeof setTimeout> | undefined
  private isClosed = false
  private hasLogged = false

  constructor(classify: Classify | undefined, onDefect: (message: string, defect: unknown) => void) {
    this.classify = classify ?? classifyDefault
    this.onDefect = onDefect
  }

  /** Connects the meter to its pool. */
  attach(broker: Broker): void {
    this.broker = broker
  }

  private count(): void {
    const now = performance.now()
    this.sums.area += this.running * (now - this.countedUntil)
    this.countedUntil = now
  }

  /** Counts a task that starts. Returns the epoch: the size has fallen so many times. */
  started(): number {
    this.count()
    this.running++
    this.sums.started++
    this.schedule(reportAfter)
    return this.broker?.record?.epoch ?? 0
  }

  /** Counts a task that has ended, without an exit if it was interrupted or handed back. */
  ended(result: RunResult | undefined, millis: number, epoch: number): void {
    this.count()
    this.running--
    if (result?._tag !== "Settled") return
    const { sums } = this
    const outcome = this.outcomeOf(result.exit)
    if (outcome === "success") {
      sums.succeeded++
      sums.runSum += millis
      sums.runSquares += millis * millis
      this.runMin = Math.min(this.runMin, millis)
    } else if (outcome === "ignore") sums.failed++
    else {
      sums.overloaded++
      if (epoch === this.broker?.record?.epoch) sums.fresh++
      if (outcome !== "overload") this.retryAfter = Math.max(this.retryAfter, outcome)
      return this.schedule(0)
    }
    this.schedule(reportAfter)
  }

  /** Calls `classify`, which is user code, as are the getters of what it returns. A number is a `retryAfter`. */
  private outcomeOf(exit: Exit.Exit<unknown, unknown>): "success" | "overload" | "ignore" | number {
    try {
      const given = this.classify(exit)
      const outcome = this.read(given)
      if (outcome !== undefined) return outcome
      this.logOnce('classify returned an unknown outcome, which counts as "ignore"', given)
    } catch (defect) {
      this.logOnce('classify threw, which counts as "ignore"', defect)
    }
    return "ignore"
  }

  private logOnce(message: string, defect: unknown): void {
    if (!this.hasLogged) this.onDefect(message, defect)
    this.hasLogged = true
  }

  private read(outcome: TaskOutcome): "success" | "overload" | "ignore" | number | undefined {
    handlePromise(outcome)
    if (outcome === "success" || outcome === "overload" || outcome === "ignore") return outcome
    if (typeof outcome !== "object" || (outcome as { readonly overload?: unknown } | null)?.overload !== true) {
      return undefined
    }
    const { retryAfter } = outcome
    handlePromise(retryAfter)
    const duration = durationOf(retryAfter)
    if (duration !== undefined) return Math.min(longestRetryAfter, Duration.toMillis(duration))
    this.logOnce("classify returned an unknown retryAfter, and dispatch does not stop", retryAfter)
    return "overload"
  }

  private schedule(after: number): void {
    if (this.isClosed) return
    if (after === 0) clearTimeout(this.timer)
    else if (this.timer !== undefined) return
    this.timer = setTimeout(() => this.report(), after)
  }

  private report(): void {
    this.timer = undefined
    this.count()
    const { broker, retryAfter, runMin, sums } = this
    this.sums = { ...nothing }
    this.runMin = Infinity
    this.retryAfter = 0
    if (broker?.isUp === true) {
      const args = [
        sums.started,
        sums.succeeded,
        sums.failed,
        sums.overloaded,
        sums.fresh,
        sums.runSum,
        sums.runSquares,
        sums.area,
        runMin === Infinity ? "" : runMin,
        Math.ceil(retryAfter)
      ]
      whenSettled(runScript(broker.client, "report", windowKeys(broker.keys), args), () => {})
    }
    if (this.running > 0) this.schedule(reportAfter)
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
  }
}
