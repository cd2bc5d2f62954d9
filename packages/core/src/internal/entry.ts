/**
 * What the machine asks of the tasks it schedules, and what it reports to whoever measures it: interfaces only.
 *
 * The machine decides when an entry is admitted, started and settled. How an entry runs its work, and whom it notifies,
 * is the entry's own business.
 */
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type { TaskCancelledReason } from "../TaskPoolError.ts"
import type { Weighted } from "./backlog.ts"
import type { AsyncContext, Waiter } from "./runtime.ts"

/** A task as the machine sees it. */
export interface Entry extends Weighted<Entry> {
  state: "New" | "AtDoor" | "Waiting" | "Running" | "Settled"
  asyncContext: AsyncContext | undefined
  fiber: Fiber<unknown, unknown> | undefined
  readonly mark: number
  ending: TaskCancelledReason | "Interrupted" | undefined
  since: number
  epoch: number
  exit: Exit<any, any> | undefined
  answer: Exit<any, any> | undefined
  caller: Waiter["caller"]
  observers: Set<(exit: Exit<any, any>) => void> | undefined
  readonly awaited: boolean
  /** Called on admission; an entry that answers `false` is none after all. */
  enter(): boolean
  /** Whether it continues in a fiber that has just run another entry. */
  takesOver(): boolean
  /** Makes its fiber and lets it run up to where it first suspends. */
  fork(): Fiber<unknown, unknown>
  /** Called when its fiber has begun, in its async context. */
  launched(): void
  /** To be called when the fiber that was made for it has ended. */
  observer(): (exit: Exit<any, any>) => void
  /** Called when it has settled: keeps the outcome, releases all else. */
  forget(): void
  /** Resumes those who wait for it. */
  tell(): void
}

/** What the machine reports while it works: each call is O(1) and changes nothing in the machine but `holdDispatch`. */
export interface MachineObserver {
  arrived(entry: Entry): void
  dispatched(entry: Entry): void
  settled(entry: Entry, exit: Exit<unknown, unknown>): void
  resized(from: number, to: number): void
  resizedByHand(): void
  rest(): void
}
