/**
 * One submitted task: its work, its submitter's context, and its state.
 *
 *     New ──> AtDoor ──> Waiting ──> Running ──> Settled
 *      │        │          │ ↑          ↓           ↑
 *      │        │          │ └───── Delayed ────────┤      an attempt failed, another follows
 *      │        │          └────────────────────────┤      cancelled, or the pool closed
 *      └────────┴───────────────────────────────────┘      interrupted at the door, or rejected: never admitted, not counted
 *
 * A task skips `AtDoor` if the queue has a place, and `Waiting` if a worker is free. It settles exactly once (I3).
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import { identity } from "effect/Function"
import { type NotAvailableReason, type TaskCancelledReason, UnknownTaskType } from "../../TaskPoolError.ts"
import type { SubmitOptions } from "../../TaskPool.ts"
import { checkArgs, checkTaskOptions, checkWeight, show } from "../arguments.ts"
import { type AsyncContext, releaseAsyncContext } from "../runtime/asyncContext.ts"
import {
  answerCaller,
  asEffects,
  makeFiber,
  observeLast,
  type Parent,
  type RuntimeFiber,
  setParent,
  type Waiter,
  waiter
} from "../runtime/fiber.ts"
import { evaluateNow } from "../runtime/evaluate.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { unstamped } from "../timing/ticks.ts"
import { noStamp } from "./ages.ts"
import { endByCaller } from "./endingEarly.ts"
import type { Entry } from "./entry.ts"
import { extraOf, ownExtra, type TaskExtra } from "./extra.ts"
import { nameOfEffect } from "./label.ts"
import { contextOfLaunch, endLaunch, innermostEntry, type Launch } from "./launch.ts"
import { labelOf } from "./label.ts"
import type { Machine } from "./machine.ts"
import type { Trace } from "./span.ts"
import { awaitEnds } from "./waits.ts"

/** The work of a task: an effect, or a function. */
export type Work = Effect.Effect<unknown, unknown, any> | ((...args: ReadonlyArray<any>) => unknown)

/** Options of a submission, including the arguments of a function. */
export type TaskOptions = (SubmitOptions & { readonly args?: ReadonlyArray<unknown> | undefined }) | undefined

/** The weight of a task without the option `weight`. */
const defaultWeight = 4

/** Checks and returns the weight of a task. */
export const weightOf = (where: string, { weight }: Pick<SubmitOptions, "weight">): number =>
  weight === undefined ? defaultWeight : checkWeight(where, weight)

/** Like `Effect.isEffect`, and faster for most tasks. */
const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> =>
  typeof value === "object" && value !== null ? (value as any)[Effect.TypeId] !== undefined : Effect.isEffect(value)

/** Makes a task. Throws if the work is neither an effect nor a function, or if an option is wrong. */
export const makeTaskUnsafe = (
  machine: Machine,
  where: string,
  work: Work,
  options: TaskOptions,
  context: Context.Context<never>
): Task => {
  if (options === undefined) return makePlainTask(machine, where, work, undefined, defaultWeight, context)
  const weight = weightOf(where, checkTaskOptions(where, options))
  const task = makePlainTask(machine, where, work, options, weight, context)
  task.extra = extraOf(where, machine, options)
  return task
}

const makePlainTask = (
  machine: Machine,
  where: string,
  work: Work,
  options: TaskOptions,
  weight: number,
  context: Context.Context<never>
): Task =>
  // The tag of a service is both an effect and a function. It is submitted as an effect.
  isEffect(work)
    ? new Task(machine, work, undefined, weight, context)
    : makeFunctionTask(machine, where, work, options, weight, context)

const makeFunctionTask = (
  machine: Machine,
  where: string,
  work: unknown,
  options: TaskOptions,
  weight: number,
  context: Context.Context<never>
): Task => {
  if (typeof work === "function") {
    return new Task(machine, work as Work, checkArgs(where, options?.args ?? []), weight, context)
  }
  throw new UnknownTaskType(`${where}: a task must be an Effect or a function that returns one, got ${show(work)}`)
}

/** Checks the result of a task's function, or of the function of a bulk, which must be an effect. */
export const checkEffect = (
  value: unknown,
  bulk?: { readonly where: string; readonly f: unknown }
): Effect.Effect<unknown, unknown> => {
  if (isEffect(value)) return value
  const rule =
    bulk === undefined
      ? "TaskPool: a task's function must return"
      : `${bulk.where}: ${bulk.f === identity ? "each task must be" : "f must return"}`
  const shown = show(value)
  const cure =
    shown === "a Promise"
      ? ": wrap the async function in Effect.tryPromise"
      : shown === "[object Generator]"
        ? ": wrap its function in Effect.gen"
        : ""
  throw new UnknownTaskType(`${rule} an Effect, got ${shown}${cure}`)
}

/**
 * One task. A task of a function is also the effect that its fiber runs, which calls the function. A task is also the
 * frame on its submitter's stack while the submitter waits. Separate objects would cost time and memory for each task.
 */
export interface Task extends Effect.Effect<unknown, unknown> {}
export class Task implements Entry, Waiter, Parent {
  readonly machine: Machine
  prev: Entry | undefined = undefined
  next: Entry | undefined = undefined
  slot = 0
  weight: number
  state: Entry["state"] = "New"
  /** Released when the task settles: its handle must keep only the result in memory. */
  work: Work | undefined
  /** The arguments of a function; undefined if `work` is an effect. */
  args: ReadonlyArray<unknown> | undefined
  context: Context.Context<never> | undefined
  asyncContext: AsyncContext | undefined = undefined
  fiber: Fiber<unknown, unknown> | undefined = undefined
  extra: TaskExtra | undefined = undefined
  launch: Launch | undefined = undefined
  cancelReason: TaskCancelledReason | "Interrupted" | undefined = undefined
  arrivedAt = noStamp
  since = unstamped
  mark = 0
  exit: Exit.Exit<any, any> | undefined = undefined
  caller: Waiter["caller"] = undefined
  /** The result for the caller of `submit` or `fork`: the outcome, a handle, or `NotAvailable`. */
  answer: Exit.Exit<any, any> | undefined = undefined
  /** Other waiters for the outcome: joiners, and fibers that interrupt the task and wait for its finalizers. */
  observers: Set<(exit: Exit.Exit<any, any>) => void> | undefined = undefined

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

  /** Returns the submitted effect, or calls the submitted function and returns its effect. */
  begin(): Effect.Effect<unknown, unknown> {
    if (this.args === undefined) return this.work as Effect.Effect<unknown, unknown>
    return checkEffect((this.work as (...args: ReadonlyArray<unknown>) => unknown)(...this.args))
  }

  /**
   * Ends the task when the caller of `submit` or `fork` is interrupted. Waits until a running one has ended, unless a
   * task has forked it: that one has its worker back since the admission, and the forked task may need it to end.
   */
  onCallerInterrupt(by: number): Effect.Effect<void> {
    const isFork = this.answer !== undefined
    endByCaller(this.machine, this, by)
    if (this.state !== "Running") return Effect.void
    return Effect.withFiber((fiber) =>
      isFork && innermostEntry(fiber) !== undefined ? Effect.void : awaitEnds(this.machine, [this])
    )
  }

  fork(): Fiber<unknown, unknown> {
    return forkTask(this)
  }

  observe(): void {
    if (hasKnownRuntime) setParent(this.fiber as RuntimeFiber, this)
  }

  // As a parent: see `Parent`.
  get _children(): this {
    return this
  }
  delete(fiber: RuntimeFiber): void {
    if (fiber._observers === undefined) this.machine.onExit(this, fiber.pollUnsafe()!)
    else observeLast(fiber, (exit) => this.machine.onExit(this, exit), this.machine.userCode.guard)
  }

  get mayStart(): boolean {
    return this.cancelReason === undefined
  }

  // These two are not here: a waiting task is kept in memory a million times, and has neither as a rule.
  get startedAt(): number {
    return this.launch === undefined ? noStamp : this.launch.startedAt
  }
  get trace(): Trace | undefined {
    return this.extra?.rest?.trace
  }
  set trace(trace: Trace | undefined) {
    if (trace !== this.trace) ownExtra(this).ownRest.trace = trace
  }

  get label(): string {
    return labelOf(this)
  }

  get needsItem(): boolean {
    return false
  }

  pull(): void {}

  onRejected(_reason: NotAvailableReason): void {}

  onStarted(): void {}

  onDelayed(): void {
    endLaunch(this)
    this.fiber = undefined
  }

  onSettled(): void {
    endLaunch(this)
    this.work = this.args = this.context = this.fiber = this.extra = undefined
    releaseAsyncContext(this.asyncContext)
    this.asyncContext = undefined
  }

  get submission(): number {
    return 0
  }

  get functionName(): unknown {
    const { args, work } = this
    if (work === undefined) return undefined
    return args === undefined ? nameOfEffect(work) : (work as { readonly name?: unknown }).name
  }

  get unfinished(): Entry["unfinished"] {
    return { task: this.work!, args: this.args ?? [] }
  }

  get awaited(): boolean {
    return this.caller !== undefined || this.observers !== undefined
  }

  /** Resumes the fibers that wait for the outcome or for admission. */
  notify(): void {
    const { answer, observers } = this
    // A plain `try`: an observer of the resumed fiber may throw, and the other waiters must still be resumed.
    try {
      if (this.caller !== undefined && answer !== undefined) {
        this.answer = undefined
        answerCaller(this, answer)
      }
    } finally {
      if (observers !== undefined && this.exit !== undefined) {
        this.observers = undefined
        for (const observer of observers) this.machine.userCode.guard(observer, this.exit)
      }
    }
  }

  /** Begins the task's work in its fiber, and returns what the fiber evaluates next. */
  beginIn(fiber: RuntimeFiber): Effect.Effect<unknown, unknown> {
    this.fiber = fiber
    if (!hasKnownRuntime) fiber.addObserver((exit) => this.machine.onExit(this, exit))
    // A tracer may have ended the task while it made the span, when there was no fiber to interrupt.
    return this.mayStart ? evaluateNow(this.begin(), fiber) : Exit.interrupt()
  }
}

const forkTask: (task: Task) => Fiber<unknown, unknown> = hasKnownRuntime
  ? (task) => {
      const trace = task.extra?.rest?.trace
      if (trace !== undefined) return forkTraced(task, trace)
      const fiber = makeFiber(contextOfLaunch(task, task.context!))
      task.fiber = fiber
      fiber.evaluate(task.args === undefined ? (task.work as Effect.Effect<unknown, unknown>) : task)
      return fiber
    }
  : (task) => Effect.runForkWith(contextOfLaunch(task, task.trace?.begin(task) ?? task.context!))(task)

const forkTraced = (task: Task, trace: Trace): Fiber<unknown, unknown> => {
  const fiber = makeFiber(contextOfLaunch(task, trace.begin(task)))
  task.fiber = fiber
  // Not the work itself: `beginIn` looks whether the tracer has ended the task.
  fiber.evaluate(task)
  return fiber
}

asEffects(
  Task,
  function (fiber) {
    return this.beginIn(fiber)
  },
  waiter
)
