/** Decides what the exit of a task says about the server behind a pool: the option `classify`. */
import * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { TaskOutcome } from "../../PoolOptions.ts"
import { handlePromise, isAmount, show } from "../arguments.ts"
import type { Entry, MachineObserver } from "./entry.ts"
import type { Machine } from "./machine.ts"

export type Classify = (exit: Exit.Exit<unknown, unknown>) => TaskOutcome

// The longest `retryAfter`, in milliseconds. A server that asks for more must not stop the pool for hours.
const longestRetryAfter = 300_000

/** Whether an error is a timeout, or was caused by one, such as that of `Effect.tryPromise`. */
const isTimeout = (error: any): boolean => {
  // A plain `try`: the properties of a user's error are user code.
  try {
    return error?.name === "TimeoutError" || error?.cause?.name === "TimeoutError"
  } catch {
    return false
  }
}

/** Classifies a timeout as overload. Ignores other failures, which say nothing about the server. */
export const classifyDefault: Classify = (exit) => {
  if (exit._tag === "Success") return "success"
  // A reason has an error, a defect, or neither.
  const timedOut = exit.cause.reasons.some((reason: any) => isTimeout(reason.error) || isTimeout(reason.defect))
  return timedOut ? "overload" : "ignore"
}

/** Calls a pool's `classify`, and handles every result and every error of it. */
export class Outcomes {
  private readonly machine: Machine
  private readonly classify: Classify
  /** Whether a defect was logged. Only the first one is. */
  private logged = false

  constructor(machine: Machine, classify: Classify) {
    this.machine = machine
    this.classify = classify
  }

  /** Returns the outcome of a task. A number is the `retryAfter` of a server, in milliseconds. */
  of({ cancelReason }: Entry, exit: Exit.Exit<unknown, unknown>): "success" | "overload" | "ignore" | number {
    if (exit._tag === "Success" && this.classify === classifyDefault) return "success"
    // A task that was interrupted says nothing about the server.
    if (cancelReason !== undefined) return "ignore"
    // `classify` is user code, and so are the getters of what it returns or throws.
    try {
      const outcome: unknown = this.classify(exit)
      if (outcome === "success" || outcome === "overload" || outcome === "ignore") return outcome
      if (isOverload(outcome) && !handlePromise(outcome.retryAfter)) return this.millisOf(outcome.retryAfter)
      handlePromise(outcome)
      this.logOnce("classify returned an unknown outcome", show(outcome))
    } catch (defect) {
      this.logOnce("classify threw", defect)
    }
    return "ignore"
  }

  /** Returns the milliseconds of a `retryAfter`, 0 if it is not valid. */
  private millisOf(input: Duration.Input): number {
    const duration = isAmount(input) ? Duration.fromInput(input) : Option.none()
    if (Option.isSome(duration)) return Math.min(longestRetryAfter, Duration.toMillis(duration.value))
    this.logOnce("classify returned an unknown retryAfter", show(input))
    return 0
  }

  private logOnce(message: string, defect: unknown): void {
    if (!this.logged) this.machine.userCode.onDefect(defect, message)
    this.logged = true
  }
}

const isOverload = (outcome: unknown): outcome is { readonly overload: true; readonly retryAfter: Duration.Input } =>
  typeof outcome === "object" && outcome !== null && (outcome as { overload?: unknown }).overload === true

/** Holds the dispatch of a fixed pool for the `retryAfter` of a server. */
export class RetryAfter implements MachineObserver {
  readonly usesStopwatch = false
  private readonly machine: Machine
  private readonly outcomes: Outcomes

  constructor(machine: Machine, classify: Classify) {
    this.machine = machine
    this.outcomes = new Outcomes(machine, classify)
  }

  settled(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    const outcome = this.outcomes.of(entry, exit)
    if (typeof outcome === "number") this.machine.holds.beginFor(outcome)
  }
  arrived(): void {}
  admitted(): void {}
  dispatched(): void {}
  lent(): void {}
  tookBack(): void {}
  left(): void {}
  holdChanges(): void {}
  resized(): void {}
  resizedByHand(): void {}
  flushEnded(): void {}
}
