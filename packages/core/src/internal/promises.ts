/** The parts of `PromisePool`: functions as tasks, effects as promises, and the options. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type { Input as DurationInput } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { CloseReport, UnfinishedTask } from "../PoolStats.ts"
import { UnknownTaskType } from "../TaskPoolError.ts"
import { checkDuration, checkOwn, isInstance, refuseType, show, submitOptions } from "./arguments.ts"
import { functionName, functionOfItem } from "./pool/label.ts"
import { makeLocal } from "./runtime/asyncContext.ts"
import { asEffects } from "./runtime/fiber.ts"
import { type Controller, onAbort, type Signal } from "./signals.ts"

type Fn = (...args: Array<any>) => unknown

/**
 * The context of the task whose function runs. A submission by the function, at any later time, belongs to its task. So
 * the pool recognizes a task that waits for its own pool.
 */
const taskContext = makeLocal<Context.Context<never>>()

// ---- functions as tasks -----------------------------------------------------------------------------------------

/**
 * One run of a function, and its last parameter. Makes the signal when it is read: that takes as long as the rest of a
 * task.
 */
class Run {
  #controller: Controller | undefined = undefined
  #aborted: { readonly reason: unknown } | undefined = undefined

  get signal(): Signal {
    if (this.#controller === undefined) {
      this.#controller = makeController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  /** Returns the parameter. A function that declares it may copy its properties, so the signal is one. */
  taskFor(fn: Fn, args: ReadonlyArray<unknown>): { readonly signal: Signal } {
    return fn.length > args.length ? { signal: this.signal } : this
  }

  abort(reason: unknown): void {
    this.#aborted = { reason }
    this.#controller?.abort(reason)
  }
}

const makeController = (): Controller => new (globalThis as any).AbortController()

/** The number of task functions on the stack, each of which submitted the next one. */
let depth = 0

/**
 * From this depth on, a function is called in a later turn of the event loop, or an endless chain would fill the stack.
 */
const maxDepth = 16

/** Checks a layer. */
export const checkLayer = (where: string, layer: unknown): void => {
  if (!Layer.isLayer(layer)) refuseType(where, "layer", "a Layer, such as AioFixedTaskPoolSimple.layer(3)", layer)
}

/** Checks a task's function. */
export const checkTask = (where: string, fn: unknown): Fn => {
  if (typeof fn === "function") return fn as Fn
  throw new UnknownTaskType(`${where}: fn must be a function, got ${show(fn)}`)
}

/**
 * Calls a function with arguments and the signal of this run, which aborts when the run is interrupted. Fails with what
 * the function throws, or with what its promise rejects with.
 */
export interface Call extends Effect.Effect<any, unknown> {}
export class Call {
  private readonly where: string
  private readonly fn: Fn
  private readonly args: ReadonlyArray<unknown>
  /** The caller's signal. */
  private readonly signal: Signal | undefined

  constructor(where: string, fn: Fn, args: ReadonlyArray<unknown>, signal: Signal | undefined) {
    this.where = where
    this.fn = fn
    this.args = args
    this.signal = signal
  }

  get [functionName](): unknown {
    return this.fn.name
  }

  /** The function with its arguments, for a report. */
  get unfinished(): Pick<UnfinishedTask, "task" | "args"> {
    return { task: this.fn, args: [...this.args, new Run().taskFor(this.fn, this.args)] }
  }

  begin(resume: (effect: Effect.Effect<any, unknown>) => void): Effect.Effect<void> | undefined {
    const { args, fn, signal, where } = this
    // The end of another aborted task has started this one. The abort reaches this one next, so its function never runs.
    if (signal?.aborted === true) {
      // Another listener may have kept the abort from reaching it. It is no failure, which might be tried again.
      resume(Effect.andThen(Effect.yieldNow, Effect.die(signal.reason)))
      return undefined
    }
    const run = new Run()
    // A plain `try`: the function is user code, and so is the `then` of what it returns.
    depth++
    try {
      const task = run.taskFor(fn, args)
      const result = taskContext.run(Fiber.getCurrent()!.context, () => fn(...args, task))
      if (isPrimitive(result)) resume(Effect.succeed(result))
      else {
        Promise.resolve(result).then(
          (value) => resume(checkResult(where, value)),
          (error) => resume(Effect.fail(error))
        )
      }
    } catch (error) {
      resume(Effect.fail(error))
    } finally {
      depth--
    }
    return Effect.sync(() => run.abort(signal?.aborted === true ? signal.reason : undefined))
  }
}
asEffects(Call, function () {
  const call = Effect.callback<any, unknown>((resume) => this.begin(resume))
  return depth < maxDepth ? call : Effect.andThen(Effect.yieldNow, call)
})

/** The functions that `callsOf` has made. */
const itemCalls = new WeakSet<object>()

/** Returns the function of the effects of items, which has the name of `fn`. */
export const callsOf = (where: string, fn: Fn, signal: Signal | undefined) => {
  const call = (item: unknown, index: number): Call => new Call(where, fn, [item, index], signal)
  itemCalls.add(call)
  return Object.defineProperty(call, "name", { get: () => fn.name })
}

/** Returns a report with functions instead of their effects. Those of items need no parameters. */
export const reportOf = (report: CloseReport): CloseReport =>
  report.tasks === undefined ? report : { ...report, tasks: report.tasks.map(unfinishedOf) }

const unfinishedOf = (unfinished: UnfinishedTask): UnfinishedTask => {
  const { task } = unfinished
  if (isInstance(task, Call)) return { ...unfinished, ...task.unfinished }
  // The pool may also have tasks of Effects, and calling the function of one would run it.
  if (typeof task !== "function" || !itemCalls.has(functionOfItem.get(task) as object)) return unfinished
  const { args, task: fn } = (task() as Call).unfinished
  return { ...unfinished, task: () => (fn as Fn)(...args) }
}

const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== "object" && typeof value !== "function")

/** Whether a value is an Effect. A proxy whose own code throws is none. */
const isEffect = (value: unknown): boolean => {
  // A plain `try`: an error here would leave the task without an outcome.
  try {
    return Effect.isEffect(value)
  } catch {
    return false
  }
}

/** Dies if a function returns an Effect, which would never run. */
const checkResult = (where: string, value: unknown): Effect.Effect<unknown> =>
  isEffect(value)
    ? Effect.die(
        new UnknownTaskType(
          `${where}: fn must return a value or a promise, got an Effect: return Effect.runPromise(effect), or submit it to the TaskPool`
        )
      )
    : Effect.succeed(value)

// ---- effects as promises ----------------------------------------------------------------------------------------

/** After this many promises, one is resolved in a later turn of the event loop. */
const promisesPerTurn = 1024

let started = 0

/** What a promise runs. */
export interface Prepared<A> {
  readonly effect: Effect.Effect<A, unknown>
  /** The caller's signal. */
  readonly signal?: Signal | undefined
}

/**
 * Runs an effect. Rejects with its failure or defect, or with what `prepare` throws. An abort rejects at once with the
 * signal's reason, and interrupts the effect.
 */
export const promiseOf = <A>(context: Context.Context<never>, prepare: () => Prepared<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    // Many promises settle in their own step. A loop that awaits them would starve the event loop.
    const { effect, signal } = prepared(prepare)
    const fair = ++started % promisesPerTurn === 0 ? Effect.ensuring(effect, Effect.yieldNow) : effect
    const fiber = Effect.runForkWith(taskContext.get() ?? context)(fair)
    const end = (reason: unknown): void => {
      reject(reason)
      fiber.interruptUnsafe()
    }
    let forget: (() => void) | undefined
    // A plain `try`: a signal is user code. If the call fails, its task must not continue.
    try {
      forget = onAbort(signal, () => end(signal!.reason))
    } catch (error) {
      end(error)
    }
    fiber.addObserver((exit) => {
      if (exit._tag === "Success") resolve(exit.value)
      else reject(errorOf(exit.cause))
      forget?.()
    })
  })

/** Returns the error of an effect. That of a wrong argument names the pool of the effects, and here that of the caller. */
const errorOf = (cause: Cause.Cause<unknown>): unknown => {
  const error = Cause.squash(cause)
  // A task's own error is a failure.
  if (Cause.hasDies(cause) && isInstance(error, Error) && error.message.startsWith("TaskPool")) {
    error.message = error.message.replace("Task", "Promise")
  }
  return error
}

/** Returns what a promise runs: a failure if `prepare` throws, or if the signal has aborted before. */
const prepared = <A>(prepare: () => Prepared<A>): Prepared<A> => {
  try {
    const all = prepare()
    return all.signal?.aborted === true ? { effect: Effect.fail(all.signal.reason) } : all
  } catch (error) {
    return { effect: Effect.fail(error) }
  }
}

// ---- options ----------------------------------------------------------------------------------------------------

const taskOptions = [...submitOptions, "signal"]
const itemOptions = [...taskOptions, "discard", "spans", "unordered"]

/** The options of a submission: the caller's signal, and the options for the pool. */
export interface Taken<A> {
  readonly signal: Signal | undefined
  readonly options: Omit<A, "signal"> | undefined
}

/** Checks and splits the options of `submit` and `fork`, or with `forItems` those of `forEach`. */
export const takeOptions = <A extends { readonly signal?: Signal | undefined; readonly retry?: object | undefined }>(
  where: string,
  given: A | undefined,
  forItems = false
): Taken<A> => {
  if (given === undefined) return { signal: undefined, options: undefined }
  const { retry, signal, ...options } = checkOwn(where, given, forItems ? itemOptions : taskOptions)
  checkSignal(where, signal)
  return {
    signal,
    options: retry === undefined ? options : { ...options, retry: retryOf(`${where}: retry`, retry) }
  } as Taken<A>
}

const checkSignal = (where: string, signal: Partial<Signal> | undefined): void => {
  if (signal === undefined || typeof signal?.addEventListener === "function") return
  refuseType(where, "signal", "an AbortSignal", signal)
}

/** Returns a retry for the pool, with a schedule in place of a delay. The pool checks the rest. */
const retryOf = (where: string, retry: object): object => {
  if (typeof retry !== "object" || retry === null || Schedule.isSchedule(retry)) return retry
  const { delay, ...options } = checkOwn(where, retry, retryOptions) as Retry
  if (delay === undefined) return options
  if (options.schedule !== undefined) throw new TypeError(`${where}: delay and schedule exclude each other`)
  return { ...options, schedule: scheduleOf(where, delay) }
}

const retryOptions = ["delay", "schedule", "times", "until", "while"]

interface Retry {
  readonly delay?: DurationInput | ((attempt: number) => DurationInput)
  readonly schedule?: unknown
}

const scheduleOf = (where: string, delay: NonNullable<Retry["delay"]>): Schedule.Schedule<number> => {
  const delayOf = typeof delay === "function" ? delay : () => delay
  if (typeof delay !== "function") checkDuration(where, "delay", delay)
  return Schedule.fromStepWithMetadata(
    Effect.succeed(({ attempt }: Schedule.InputMetadata<unknown>) =>
      Effect.sync(() => [attempt, checkDuration(where, "delay", delayOf(attempt))])
    )
  )
}
