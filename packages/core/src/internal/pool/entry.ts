/**
 * What the machine asks of the tasks it schedules, and what it reports to an observer: interfaces only.
 *
 * The machine decides when an entry is admitted, started and settled. How an entry runs its work, and whom it notifies,
 * is the entry's own business.
 */
import type { Context } from "effect/Context"
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type { UnfinishedTask } from "../../PoolStats.ts"
import type { NotAvailableReason, TaskCancelledReason } from "../../TaskPoolError.ts"
import type { Weighted } from "../backlog/backlog.ts"
import type { AsyncContext } from "../runtime/asyncContext.ts"
import type { Waiter } from "../runtime/fiber.ts"
import type { TaskExtra } from "./extra.ts"

/** Something that waits to be notified at the end of a flush; what `notify` throws is logged. */
export interface Notifiable {
  notify(): void
}

/** A task as the machine sees it. Only `pull`, `fork`, `onStarted` and `notify` may run user code. */
export interface Entry extends Weighted<Entry>, Notifiable {
  /** The machine that it belongs to. */
  readonly machine: object
  state: "New" | "AtDoor" | "Waiting" | "Running" | "Delayed" | "Settled"
  /** Its submitter's context, until it settles. */
  readonly context: Context<never> | undefined
  /** What only some tasks have; `undefined` for a plain one. */
  extra: TaskExtra | undefined
  /** The async context of a submitter whose task had to wait. */
  asyncContext: AsyncContext | undefined
  fiber: Fiber<unknown, unknown> | undefined
  /** The mark of its fiber: it leads from the fiber to the entry, until the entry settles. */
  launch: { entry: Entry | undefined; outer: unknown } | undefined
  /** Why it is interrupted: by the pool or its handle (it ends as `TaskCancelled`), or by its submitter. */
  cancelReason: TaskCancelledReason | "Interrupted" | undefined
  /** For the observer: when it arrived, and from its dispatch on when that was; and the epoch of the dispatch. */
  since: number
  epoch: number
  exit: Exit<any, any> | undefined
  answer: Exit<any, any> | undefined
  caller: Waiter["caller"]
  observers: Set<(exit: Exit<any, any>) => void> | undefined
  /** Whether anybody must be notified of the outcome. */
  readonly awaited: boolean
  /** Whether it is a request that has no item yet. */
  readonly needsItem: boolean
  /** Takes the item from the source. A request that still `needsItem` afterwards has found the source at its end. */
  pull(): void
  /** Called when it is not admitted. */
  onRejected(reason: NotAvailableReason): void
  /** Whether it may start: its submitter, handle or bulk may have ended it since it was dispatched. */
  readonly mayStart: boolean
  /** Makes its fiber and runs that until it first suspends. */
  fork(): Fiber<unknown, unknown>
  /** Has the machine called when its fiber ends, before any observer that its own code has added. */
  observe(): void
  /** Called when its fiber has begun. */
  onStarted(): void
  /** Called when an attempt has failed and another may follow: releases the fiber, keeps the work. */
  onDelayed(): void
  /** Called in the step in which it settles: keeps the outcome, releases everything else. */
  onSettled(): void
  /** What was submitted, to be run elsewhere. */
  readonly unfinished: Pick<UnfinishedTask, "task" | "args">
}

/**
 * What the machine reports while it works. Each call is O(1); it may hold dispatch, and changes nothing else.
 *
 * `settled` may run user code (`classify`); the machine is whole then, and dispatches nothing before it returns. `rest` is
 * called at the end of a flush, where an observer may do anything, such as resizing the pool.
 */
export interface MachineObserver {
  arrived(entry: Entry): void
  dispatched(entry: Entry): void
  settled(entry: Entry, exit: Exit<unknown, unknown>): void
  resized(from: number, to: number): void
  resizedByHand(): void
  rest(): void
}

/** A traversal that may wait for its source while the pool knows nothing of it. */
export interface Traversal {
  /** Called when admission ends, because the pool was paused or closes. */
  onAdmissionEnd(): void
}
