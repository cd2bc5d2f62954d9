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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import { format } from "effect/Formatter"
import { type TaskCancelledReason, UnknownTaskType } from "../TaskPoolError.ts"
import type { SubmitOptions } from "../TaskPool.ts"
import { checkWeight } from "./arguments.ts"
import type { Entry } from "./entry.ts"
import { awaitEnds } from "./waits.ts"
import type { Machine } from "./machine.ts"
import {
  answerCaller,
  type AsyncContext,
  asEffects,
  isKnown,
  makeFiber,
  overlay,
  releaseAsyncContext,
  type RuntimeFiber,
  type Waiter,
  waiter
} from "./runtime.ts"

/** What was submitted: an effect, or a function with its arguments. */
export type Work = Effect.Effect<unknown, unknown, any> | ((...args: ReadonlyArray<any>) => unknown)

/** Options of a submission, as a function's caller gives them. */
export type TaskOptions = (SubmitOptions & { readonly args?: ReadonlyArray<unknown> | undefined }) | undefined

const withService: typeof overlay = isKnown ? overlay : (context, key, value) => Context.add(context, key, value)

/** The weight of a task that names none. */
const defaultWeight = 4

/** The checked weight of a task. */
export const weightOf = (where: string, options: SubmitOptions | undefined): number =>
  options?.weight === undefined ? defaultWeight : checkWeight(where, options.weight)

/** As `Effect.isEffect`, and quicker for what a task most often is. */
const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> =>
  typeof value === "object" && value !== null ? (value as any)[Effect.TypeId] !== undefined : Effect.isEffect(value)

/** A task of a submitter; refuses what is neither an effect nor a function. */
export const makeTaskUnsafe = (
  machine: Machine,
  where: string,
  work: Work,
  options: TaskOptions,
  { context }: Fiber<unknown, unknown>
): Task => {
  const weight = options === undefined ? defaultWeight : weightOf(where, options)
  // A tag of a service is both: it is submitted as the effect it is.
  return isEffect(work)
    ? new Task(machine, work, undefined, weight, context)
    : makeFunctionTask(machine, where, work, options, weight, context)
}

const makeFunctionTask = (
  machine: Machine,
  where: string,
  work: unknown,
  options: TaskOptions,
  weight: number,
  context: Context.Context<never>
): Task => {
  if (typeof work === "function") return new Task(machine, work as Work, options?.args ?? [], weight, context)
  throw new UnknownTaskType(`${where}: a task must be an Effect or a function that returns one, got ${format(work)}`)
}

/** What a task's function has returned. */
export const checkEffect = (value: unknown): Effect.Effect<unknown, unknown> => {
  if (isEffect(value)) return value
  throw new UnknownTaskType(`TaskPool: a task's function must return an Effect, got ${format(value)}`)
}

/**
 * A task of a function is itself the effect that its fiber runs, and that calls the function; and each task is what lies
 * on its submitter's stack, while that waits. Wrappers would cost closures and objects for each task.
 */
export interface Task extends Effect.Effect<unknown, unknown> {}
export class Task implements Entry, Waiter {
  readonly machine: Machine
  prev: Entry | undefined = undefined
  next: Entry | undefined = undefined
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
  fiber: Fiber<unknown, unknown> | undefined = undefined
  /** Which of the pool's launches is its own: tells its fiber and its children from those of other tasks. */
  mark = 0
  /** Why somebody is ending it: the pool or its handle (which makes it `TaskCancelled`), or its submitter. */
  ending: TaskCancelledReason | "Interrupted" | undefined = undefined
  /** For the pool's meter: when it came, and from its dispatch on when that was; and the epoch of the dispatch. */
  since = 0
  epoch = 0
  /** Its outcome. */
  exit: Exit<any, any> | undefined = undefined
  caller: Waiter["caller"] = undefined
  /** What the caller of `submit` or `fork` is to be told: the outcome, or a handle, or `NotAvailable`. */
  answer: Exit<any, any> | undefined = undefined
  /** Those who wait for the outcome otherwise: joiners, and whoever ends the task and waits for its finalizers. */
  observers: Set<(exit: Exit<any, any>) => void> | undefined = undefined

  constructor(
    machine: Machine,
    work: Work,
    args: ReadonlyArray<unknown> | undefined,
    weight: number,
    context: Context.Context<never>
  ) {
    this.machine = machine
    this.work = work
    this.args = args
    this.weight = weight
    this.context = context
  }

  /** The effect that was submitted, or that the function gives now. */
  begin(_fiber: RuntimeFiber): Effect.Effect<unknown, unknown> {
    if (this.args === undefined) return this.work as Effect.Effect<unknown, unknown>
    return checkEffect((this.work as (...args: ReadonlyArray<unknown>) => unknown)(...this.args))
  }

  /** The caller of `submit` or `fork` was interrupted: the task goes too, and a running one is waited for. */
  leave(by: number): Effect.Effect<void> {
    this.machine.withdraw(this, by)
    return this.state === "Running" ? awaitEnds(this.machine, [this]) : Effect.void
  }

  /** The context that its fiber runs in: lets that, and all that it forks, know whose they are. */
  marked(): Context.Context<never> {
    return withService(this.context!, this.machine.inside, (this.mark = ++this.machine.marks))
  }

  /** Makes its fiber, and begins it in this step. */
  fork(): Fiber<unknown, unknown> {
    return forkTask(this)
  }

  /** Whether it goes on in a fiber that has just run another task. */
  takesOver(): boolean {
    return false
  }

  /** To be called when the fiber that was made for it has ended. */
  observer(): (exit: Exit<any, any>) => void {
    return (exit) => this.machine.ended(this, exit)
  }

  /** Called on admission; a task that answers `false` is none after all. */
  enter(): boolean {
    return true
  }

  /** Called when its fiber has begun, in its async context. */
  launched(): void {}

  /** Called when it has settled: keeps the outcome, lets go of all else. */
  forget(): void {
    this.work = this.args = this.context = this.fiber = undefined
    releaseAsyncContext(this.asyncContext)
    this.asyncContext = undefined
  }

  /** Whether anybody must be told of the outcome. */
  get awaited(): boolean {
    return this.caller !== undefined || this.observers !== undefined
  }

  /** Resumes those who wait for what there is to tell. */
  tell(): void {
    const { answer, observers } = this
    if (this.caller !== undefined && answer !== undefined) {
      this.answer = undefined
      answerCaller(this, answer)
    }
    if (observers !== undefined && this.exit !== undefined) {
      this.observers = undefined
      for (const observer of observers) observer(this.exit)
    }
  }
}

const forkTask: (task: Task) => Fiber<unknown, unknown> = isKnown
  ? (task) => {
      const fiber = makeFiber(task.marked())
      task.fiber = fiber
      fiber.evaluate(task.args === undefined ? (task.work as Effect.Effect<unknown, unknown>) : task)
      return fiber
    }
  : (task) => Effect.runForkWith(task.marked())(task)

asEffects(
  Task,
  function (fiber) {
    this.fiber = fiber
    return this.begin(fiber)
  },
  waiter
)
