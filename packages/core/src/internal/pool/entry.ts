/**
 * The interfaces between the machine, the tasks that it schedules, and its observers.
 *
 * The machine decides when an entry is admitted, started and settled. The entry itself runs its work and notifies its
 * waiters.
 */
import type { Context } from "effect/Context"
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type { UnfinishedTask } from "../../PoolStats.ts"
import type { NotAvailableReason, TaskCancelledReason } from "../../TaskPoolError.ts"
import type { Weighted } from "../backlog/backlog.ts"
import type { AsyncContext } from "../runtime/asyncContext.ts"
import type { Waiter } from "../runtime/fiber.ts"
import type { Notifiable } from "./completions.ts"
import type { TaskExtra } from "./extra.ts"
import type { Trace } from "./span.ts"

/** A launch as the machine sees it. */
interface EntryLaunch {
  entry: Entry | undefined
  outer: unknown
  startedAt: number
}

/** A task as the machine sees it. Only `pull`, `fork`, `onStarted` and `notify` may run user code. */
export interface Entry extends Weighted<Entry>, Notifiable {
  /** The machine that the entry belongs to. */
  readonly machine: object
  state: "New" | "AtDoor" | "Waiting" | "Running" | "Delayed" | "Settled"
  /** The submitter's context, until the entry settles. */
  readonly context: Context<never> | undefined
  /** The data that only some tasks need; `undefined` for other tasks. */
  extra: TaskExtra | undefined
  /** The async context of a submitter whose task had to wait. */
  asyncContext: AsyncContext | undefined
  fiber: Fiber<unknown, unknown> | undefined
  /** The link from the entry's fiber to the entry, until the entry settles. */
  launch: EntryLaunch | undefined
  /** Why the entry is interrupted: by the pool or its handle (it ends as `TaskCancelled`), or by its submitter. */
  cancelReason: TaskCancelledReason | "Interrupted" | undefined
  /** The span of the present attempt, if its submitter has a recorded span. */
  trace: Trace | undefined
  /** Counts the submissions that the entry has stood for: a bulk uses it for one item after the other. */
  readonly submission: number
  /**
   * The stamp of the arrival (see `ages.ts`), or of the time at which a retry was due or a delay began. `noStamp` for a
   * task that found a free worker.
   */
  arrivedAt: number
  /** The stamp of the start; `noStamp` until the fiber first suspends. */
  readonly startedAt: number
  /** For observers: the time of the arrival, of the admission, or of the dispatch, as `Stopwatch` says. */
  since: number
  /** For observers: what they remember of the task, as `marks.ts` says. */
  mark: number
  exit: Exit<any, any> | undefined
  answer: Exit<any, any> | undefined
  caller: Waiter["caller"]
  observers: Set<(exit: Exit<any, any>) => void> | undefined
  /** Whether a waiter must be notified of the outcome. */
  readonly awaited: boolean
  /** Whether the entry is a request without an item. */
  readonly needsItem: boolean
  /** Takes the item from the source. A request that still `needsItem` afterwards has found the source at its end. */
  pull(): void
  /** Called when the entry is not admitted. */
  onRejected(reason: NotAvailableReason): void
  /** Whether the entry may still start. Its submitter, handle or bulk may have ended it since its dispatch. */
  readonly mayStart: boolean
  /** Makes the fiber, and runs it until it first suspends. */
  fork(): Fiber<unknown, unknown>
  /** Calls the machine when the fiber has ended, after the observers that the task's own code has added. */
  observe(): void
  /** Called when the fiber has begun. */
  onStarted(): void
  /** Called when an attempt has failed and another may follow. Releases the fiber and keeps the work. */
  onDelayed(): void
  /** Called in the step in which the entry settles. Keeps the outcome and releases everything else. */
  onSettled(): void
  /** The name of the submitted function or job, if any. User code may answer, and throw. */
  readonly functionName: unknown
  /** The submitted work, for the report of `close`. */
  readonly unfinished: Pick<UnfinishedTask, "task" | "args">
}

/** Receives the machine's reports about tasks. Each call is O(1). It may hold dispatch, and must change nothing else. */
export interface TaskObserver {
  /** A task has come to the door, or to the queue without waiting at the door. */
  arrived(entry: Entry): void
  /** A task has come from the door to the queue. */
  admitted(entry: Entry): void
  /** A task has taken its workers. `queued` says whether it comes from the queue. */
  dispatched(entry: Entry, queued: boolean): void
  /** A task has lent its workers, or has taken them back. */
  lent(entry: Entry): void
  tookBack(entry: Entry): void
  /** A task has left its workers. It has not settled, and may be tried again. */
  left(entry: Entry, exit: Exit<unknown, unknown>): void
}

/**
 * Receives all reports of the machine, under the same rules.
 *
 * `settled` may run user code (`classify`). The machine's state is consistent then, and no task is dispatched before
 * `settled` returns. `flushEnded` is called at the end of a flush, when an observer may also change the pool.
 */
export interface MachineObserver extends TaskObserver {
  /** Whether it tells the pool's stopwatch which tasks lend their workers. */
  readonly usesStopwatch: boolean
  settled(entry: Entry, exit: Exit<unknown, unknown>): void
  /** A reason will begin or end to hold dispatch. */
  holdChanges(): void
  resized(from: number, to: number): void
  resizedByHand(): void
  flushEnded(): void
}

/** A traversal, which may wait for its source without a request in the pool. */
export interface Traversal {
  /** Called when admission ends, because the pool was paused or closes. */
  onAdmissionEnd(): void
}
