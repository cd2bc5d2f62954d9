/**
 * The seam between the contract and its engines: what an engine does for a pool.
 *
 * `makeService(driver, options)` (service.ts) makes a pool's service from a driver. The service checks arguments, encodes
 * payloads, decodes answers, refuses nested waits, and keeps the promises of interruption. A driver moves tasks: JSON in,
 * an `Answer` out. It sees no schema and no user code, except through `WorkerSpec.run`.
 *
 * One task, step by step:
 *
 * 1. The service makes a `NewTask`, whose `data` is JSON-safe, and calls `driver.add`.
 * 2. The driver returns an `Entry`. Its `answer` waits for the outcome.
 * 3. A worker of the driver takes the task and calls `run` with a `Delivery` (runner.ts). `run` finds the handler, decodes
 *    the payload, runs the handler, encodes its exit and returns a `RunResult`.
 * 4. The driver stores the result's `Answer`, or starts the task again (`retry`, `Unknown`), and each `answer` resolves.
 *
 * Interruption. A driver may interrupt `run` at any time: on cancel, on a lost lease, to hand the task back. The handler's
 * finalizers have run when `run` has ended. The driver knows why it interrupted, and settles the task accordingly.
 * Interrupting `add` must leave no task that its caller created. Interrupting `answer` must not touch the task.
 *
 * What goes over the wire is `WireData` and `Answer` (wire.ts), both plain JSON. What comes back from a broker is `unknown` until
 * `parseAnswer` or `run` has checked it (codec.ts, runner.ts).
 */
import type { DistributedPoolWorker, NotWaiting } from "@aio-task-pool/core"
import type { Duration } from "effect/Duration"
import type { Effect } from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Json } from "effect/Schema"
import type { Scope } from "effect/Scope"
import type { Stream } from "effect/Stream"
import type { DistributedTaskState } from "../DistributedTaskHandle.ts"
import type { NotAvailable } from "../DistributedTaskPoolError.ts"
import type { DistributedPoolEvent, DistributedPoolStats } from "../DistributedTaskPoolService.ts"
import type { Answer, NewTask } from "./wire.ts"

/** Makes an effect interruptible if the caller is. */
export type Restore = <A, E, R>(effect: Effect<A, E, R>) => Effect<A, E, R>

/** An engine's side of one pool in one process. */
export interface Driver {
  /** The pool's name. */
  readonly name: string
  /**
   * What identifies the pool, compared by `===`: for a broker a string of server, prefix and name.
   *
   * A handler that waits for a pool of the same identity is refused.
   */
  readonly identity: unknown
  /** The submitter's ID in `WireData.r`. */
  readonly submitter: string
  /**
   * Adds a task, if the pool has no task of its ID.
   *
   * Fails with `NotAvailable`: `Paused`, `Closed` or `Unreachable`, within a bounded time. Waiters for the answer are
   * registered before the task is sent. The service calls it in an uninterruptible region, because an interruption
   * between the task and its entry would leave a task that nobody cancels. `restore` makes a wait interruptible: then the
   * task is removed if this call created it.
   */
  readonly add: (task: NewTask, restore: Restore) => Effect<Entry, NotAvailable>
  /** Finds a task by its ID, whoever added it. */
  readonly find: (id: string) => Effect<Entry | undefined, NotAvailable>
  /** Changes the size atomically, and returns the new one. The argument is checked; the driver clamps a delta. */
  readonly resize: (change: { readonly delta: number } | { readonly size: number }) => Effect<number, NotAvailable>
  readonly hold: Effect<void, NotAvailable>
  readonly release: Effect<void, NotAvailable>
  readonly pause: Effect<void, NotAvailable>
  readonly resume: Effect<void, NotAvailable>
  readonly stats: Effect<DistributedPoolStats, NotAvailable>
  /** Returns the workers that are connected. */
  readonly workers: Effect<ReadonlyArray<DistributedPoolWorker>, NotAvailable>
  /** Whether this process may add tasks, as it knows without a question. */
  readonly admission: () => "Open" | "Paused" | "Closed"
  readonly events: Stream<DistributedPoolEvent>
  /**
   * Closes the pool in this process. Idempotent, never hangs. Afterwards each operation fails with `Closed`, and
   * outstanding answers of this process have resolved, as `Cancelled` with reason `Closed` where the task goes on.
   */
  readonly close: (mode: "keep" | "cancel") => Effect<void>
  /**
   * Runs tasks until the scope closes. Returns when the worker has started, or at once if the broker is unreachable: then
   * the worker starts when it is there.
   */
  readonly work: (worker: WorkerSpec) => Effect<void, never, Scope>
}

/** A task that the pool has, as one process sees it. */
export interface Entry {
  readonly id: string
  /** The name of the task that has the ID, which may be another one than the caller's. */
  readonly name: string
  /** Whether the call of `add` made the task. `false` from `find`. */
  readonly created: boolean
  /** Waits until the task has settled. Never fails: if the broker is away, it goes on waiting. */
  readonly answer: Effect<Answer>
  /** The answer if the task has settled. */
  readonly poll: Effect<Answer | undefined, NotAvailable>
  /**
   * Cancels the task, and waits until it has settled, finalizers included, at most `interruptTimeout`. Harmless if it has
   * settled.
   */
  readonly cancel: Effect<void, NotAvailable>
  /**
   * Cancels the task like `cancel`, for a submitter that was interrupted. If the broker is away, waits at most
   * `interruptTimeout`, and the task is cancelled when the broker is back.
   */
  readonly abandon: Effect<void>
  readonly state: Effect<DistributedTaskState, NotAvailable>
  readonly reprioritize: (weight: number) => Effect<void, NotAvailable | NotWaiting>
  /** The raw progress values from now on. Ends when the task has settled. */
  readonly progress: Stream<unknown>
}

/** What a worker has to do. */
export interface WorkerSpec {
  readonly concurrency: number
  readonly drainTimeout: Duration
  readonly interruptTimeout: Duration
  /** Milliseconds, as the next two. */
  readonly lease: number
  readonly stalledCheck: number
  readonly unknownFor: number
  readonly maxDeaths: number
  /** The names of the tasks that the worker has handlers for. */
  readonly names: ReadonlyArray<string>
  /** Whether the worker has a handler for a task of this name. */
  readonly knows: (name: string) => boolean
  /** Runs one attempt. Never fails and never dies. */
  readonly run: (delivery: Delivery) => Effect<RunResult>
}

/** An attempt of a task, as the broker delivers it: nothing of it is checked, apart from its own counters. */
export interface Delivery {
  readonly id: string
  readonly name: string
  readonly data: unknown
  /** From 1. */
  readonly attempt: number
  readonly stalls: number
  /** Reports a checked progress value. Failures are dropped. */
  readonly progress: (value: Json) => Effect<void>
}

/** The result of an attempt. */
export type RunResult =
  | {
      readonly _tag: "Settled"
      readonly answer: Answer
      /** How the attempt ended, in this process only: for `classify` and the broker's own statistics. */
      readonly exit: Exit<unknown, unknown>
      /** Whether a typed failure ended the attempt. If attempts are left, the driver starts the task again. */
      readonly retry: boolean
    }
  /**
   * This worker cannot run the task: it has no handler, or the format is newer. The driver hands the task back with a
   * delay, and settles it as `lost: "UnknownTask"` when no worker has known it for `unknownFor`.
   */
  | { readonly _tag: "Unknown"; readonly detail: string }
