/**
 * One submitted task: its work, its submitter's context, and where it is on its way.
 *
 *     New ──> AtDoor ──> Waiting ──> Running ──> Settled
 *      │        │          └────────────────────────↑      cancelled, or the pool closed
 *      └────────┴───────────────────────────────────↑      withdrawn or refused: never admitted, not counted
 *
 * A task goes no further to the right than it must: with a place in the queue it passes the door by, with a free worker
 * the queue. It settles exactly once (I3).
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type { Exit } from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { format } from "effect/Formatter"
import { type TaskCancelledReason, UnknownTaskType } from "../TaskPoolError.ts"
import type { SubmitOptions } from "../TaskPool.ts"
import { checkWeight } from "./arguments.ts"
import type { Weighted } from "./backlog.ts"

/** What was submitted: an effect, or a function with its arguments. */
export type Work = Effect.Effect<unknown, unknown, any> | ((...args: ReadonlyArray<any>) => unknown)

/** Options of a submission, as a function's caller gives them. */
export type TaskOptions = (SubmitOptions & { readonly args?: ReadonlyArray<unknown> | undefined }) | undefined

/** The weight of a task that names none. */
const defaultWeight = 4

/** The checked weight of a task. */
export const weightOf = (where: string, options: SubmitOptions | undefined): number =>
  options?.weight === undefined ? defaultWeight : checkWeight(where, options.weight)

/** A task of the current fiber; refuses what is neither an effect nor a function. */
export const makeTaskUnsafe = (where: string, work: Work, options: TaskOptions): Task => {
  const { context } = Fiber.getCurrent()!
  const weight = weightOf(where, options)
  // A tag of a service is both: it is submitted as the effect it is.
  if (Effect.isEffect(work)) return new Task(work, undefined, weight, context)
  if (typeof work === "function") return new Task(work, options?.args ?? [], weight, context)
  throw new UnknownTaskType(`${where}: a task must be an Effect or a function that returns one, got ${format(work)}`)
}

/** What a task's function has returned. */
export const checkEffect = (value: unknown): Effect.Effect<unknown, unknown> => {
  if (Effect.isEffect(value)) return value as Effect.Effect<unknown, unknown>
  throw new UnknownTaskType(`TaskPool: a task's function must return an Effect, got ${format(value)}`)
}

/**
 * A task is itself the effect that its fiber runs: evaluating it notes the fiber and goes on with the work. A wrapper
 * would cost a closure and an object for each task.
 */
export class Task extends Effectable.Class<unknown, unknown, any> implements Weighted<Task>, Inside {
  prev: Task | undefined = undefined
  next: Task | undefined = undefined
  place = 0
  weight: number
  state: "New" | "AtDoor" | "Waiting" | "Running" | "Settled" = "New"
  /** Released when the task settles: a kept handle must keep no more than the result. */
  work: Work | undefined
  /** The arguments of a function, and so the sign that `work` is one. */
  args: ReadonlyArray<unknown> | undefined
  context: Context.Context<never> | undefined
  /** The async context (Node's AsyncLocalStorage) of a submitter whose task had to wait. */
  asyncContext: AsyncContext | undefined = undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Why somebody is ending it: the pool or its handle (which makes it `TaskCancelled`), or its submitter. */
  ending: TaskCancelledReason | "Interrupted" | undefined = undefined
  /** For the pool's meter: when it came, and from its dispatch on when that was; and the epoch of the dispatch. */
  since = 0
  epoch = 0
  /** Its outcome. */
  exit: Exit<any, any> | undefined = undefined
  /** Resumes the caller of `submit` or `fork`, once there is an answer: the outcome, or a handle, or `NotAvailable`. */
  resume: ((answer: Exit<any, any>) => void) | undefined = undefined
  answer: Exit<any, any> | undefined = undefined
  /** Those who wait for the outcome otherwise: joiners, and whoever ends the task and waits for its finalizers. */
  observers: Set<(exit: Exit<any, any>) => void> | undefined = undefined

  constructor(work: Work, args: ReadonlyArray<unknown> | undefined, weight: number, context: Context.Context<never>) {
    super()
    this.work = work
    this.args = args
    this.weight = weight
    this.context = context
  }

  override asEffect(): Effect.Effect<unknown, unknown> {
    this.fiber = Fiber.getCurrent()!
    return this.begin()
  }

  /** The effect that was submitted, or that the function gives now. */
  protected begin(): Effect.Effect<unknown, unknown> {
    if (this.args === undefined) return this.work as Effect.Effect<unknown, unknown>
    return checkEffect((this.work as (...args: ReadonlyArray<unknown>) => unknown)(...this.args))
  }

  /** What its fibers carry in their context. */
  get inside(): Inside {
    return this
  }

  get isRunning(): boolean {
    return this.state === "Running"
  }

  /** Called on admission; a task that answers `false` is none after all. */
  enter(): boolean {
    return true
  }

  /** Called when a worker has taken it, before its fiber starts. */
  launched(): void {}

  /** Called when it has settled: keeps the outcome, lets go of all else. */
  forget(): void {
    this.work = this.args = this.context = this.fiber = undefined
    this.asyncContext?.emitDestroy()
    this.asyncContext = undefined
  }

  /** Whether anybody must be told of the outcome. */
  get awaited(): boolean {
    return this.resume !== undefined || this.observers !== undefined
  }

  /** Resumes those who wait for what there is to tell. */
  tell(): void {
    const { observers, resume } = this
    if (resume !== undefined && this.answer !== undefined) {
      const { answer } = this
      this.resume = this.answer = undefined
      resume(answer)
    }
    if (observers !== undefined && this.exit !== undefined) {
      this.observers = undefined
      for (const observer of observers) observer(this.exit)
    }
  }
}

/** One run of a task, as the fibers that are part of it know it. */
export interface Inside {
  readonly isRunning: boolean
}

/** Node's `AsyncResource`, as far as it is used here. */
export interface AsyncContext {
  runInAsyncScope<This, A, B>(f: (this: This, arg: A) => B, self: This, arg: A): B
  emitDestroy(): void
}

// Reached as Effect itself does, without importing Node; elsewhere there is no async context to keep.
const AsyncResource: (new (type: string) => AsyncContext) | undefined = (globalThis as any).process?.getBuiltinModule?.(
  "node:async_hooks"
)?.AsyncResource

/** The current async context, for a task that will be started in somebody else's step (I7). */
export const captureAsyncContext = (): AsyncContext | undefined =>
  AsyncResource === undefined ? undefined : new AsyncResource("TaskPool.task")
