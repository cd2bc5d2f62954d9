/** `submit` and `fork` as effects. Evaluating one admits a task, and waits if there is no result yet. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { mayEvaluateNow } from "../runtime/evaluate.ts"
import { counting, CurrentCounter, uncounted } from "../runtime/counting.ts"
import { asEffects, type RuntimeFiber, wait } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { type AttachedWait, attachWait } from "./extra.ts"
import type { Entry } from "./entry.ts"
import { Handle } from "./handle.ts"
import { innermostEntry, withoutLaunch } from "./launch.ts"
import type { Machine } from "./machine.ts"
import { waitInTask } from "./nested.ts"
import { traceOf } from "./span.ts"
import { makeTaskUnsafe, Task, type TaskOptions, type Work } from "./task.ts"

type Answer = Exit.Exit<any, any>

/** Admits a task and returns its outcome. */
export interface Submit extends Effect.Effect<any, any> {}
export class Submit {
  private readonly machine: Machine
  private readonly where: string
  private readonly work: Work
  private readonly options: TaskOptions

  constructor(machine: Machine, where: string, work: Work, options: TaskOptions) {
    this.machine = machine
    this.where = where
    this.work = work
    this.options = options
  }

  begin(fiber: RuntimeFiber): Answer | Task | Effect.Effect<any, any> {
    const entry = innermostEntry(fiber)
    const { machine } = this
    const task = makeTaskUnsafe(machine, this.where, this.work, this.options, fiber.context)
    return entry === undefined ? submitTask(fiber, machine, task) : submitWithin(task, fiber, entry)
  }
}

/** Admits the task. */
const submitTask = (fiber: RuntimeFiber, machine: Machine, task: Task): Answer | Task => {
  if (counting.live > 0) countTask(task, fiber)
  if (fiber.cache.span !== undefined && machine.traces) task.trace = traceOf(machine, fiber)
  machine.admit(task, machine.onFull === "suspend")
  return task.state === "Settled" ? task.answer! : task
}

/**
 * Submits a task in the evaluation of another effect, and returns what the fiber evaluates next. As a rule this needs no
 * `Submit`, which is a fifteenth of a task that succeeds at once.
 */
export const submitNow = (
  fiber: RuntimeFiber,
  machine: Machine,
  where: string,
  work: Work,
  options: TaskOptions
): Effect.Effect<any, any> => {
  if (!hasKnownRuntime || !mayEvaluateNow(fiber) || innermostEntry(fiber) !== undefined) {
    return new Submit(machine, where, work, options)
  }
  const admitted = submitTask(fiber, machine, makeTaskUnsafe(machine, where, work, options, fiber.context))
  return admitted instanceof Task ? wait(fiber, admitted) : admitted
}

/** A submit by a task, within its wait. */
interface SubmitWithin extends Effect.Effect<any, any> {}
class SubmitWithin {
  private readonly task: Task
  private readonly wait: AttachedWait | undefined

  constructor(task: Task, wait: AttachedWait | undefined) {
    this.task = task
    this.wait = wait
  }

  begin(fiber: RuntimeFiber): Answer | Task {
    const { task, wait } = this
    if (wait !== undefined) attachWait(task, wait)
    return submitTask(fiber, task.machine, task)
  }
}

// Apart from `begin`: a closure there would cost each submit an allocation for what it captures.
const submitWithin = (task: Task, fiber: RuntimeFiber, entry: Entry) => {
  const { machine } = task
  // Its submitter does not wait. If it lent its worker, it would get the answer only when it has the worker back.
  if (machine.nested !== "fail" && machine.rejectsAtOnce(task)) return submitTask(fiber, machine, task)
  return waitInTask(machine, fiber, entry, (wait) => new SubmitWithin(task, wait))
}

/** Admits a task and returns its handle. */
export interface Fork extends Effect.Effect<any, any> {}
export class Fork {
  private readonly make: (context: Context.Context<never>) => Task
  private readonly mayWait: boolean
  /** Whether the task has a span, if its submitter has a recorded one. */
  private readonly traces: boolean

  constructor(make: (context: Context.Context<never>) => Task, mayWait: boolean, traces = false) {
    this.make = make
    this.mayWait = mayWait
    this.traces = traces
  }

  begin(fiber: RuntimeFiber): Answer | Task | Effect.Effect<any, any> {
    const { make, mayWait } = this
    const entry = innermostEntry(fiber)
    const task = make(entry === undefined ? fiber.context : withoutLaunch(fiber.context))
    const { machine } = task
    if (counting.live > 0) countTask(task, fiber)
    if (this.traces && fiber.cache.span !== undefined && machine.traces) task.trace = traceOf(machine, fiber)
    return entry !== undefined && mayWait && machine.wouldWaitAtDoor(task)
      ? forkWithin(task, fiber, entry)
      : admitFork(task, mayWait)
  }
}

/** A fork by a task, within its wait for a place in the queue. */
interface ForkWithin extends Effect.Effect<any, any> {}
class ForkWithin {
  private readonly task: Task
  private readonly wait: AttachedWait | undefined

  constructor(task: Task, wait: AttachedWait | undefined) {
    this.task = task
    this.wait = wait
  }

  begin(): Answer | Task {
    if (this.wait !== undefined) attachWait(this.task, this.wait)
    return admitFork(this.task, true)
  }
}

const forkWithin = (task: Task, fiber: RuntimeFiber, entry: Entry) =>
  waitInTask(task.machine, fiber, entry, (wait) => new ForkWithin(task, wait))

const admitFork = (task: Task, mayWait: boolean): Answer | Task => {
  const { machine } = task
  task.answer = Exit.succeed(new Handle(task))
  machine.admit(task, mayWait)
  // The caller does not wait for the start, so its async context must be stored now.
  machine.captureAsyncContext(task)
  if (task.state === "AtDoor") return task
  const { answer } = task
  // A waiting task must not keep its handle in memory, which the caller may have dropped.
  task.answer = undefined
  return answer
}

/** Tells the submitter's counter when the task has ended. */
const countTask = (task: Task, fiber: RuntimeFiber): void => {
  const counter = Context.get(fiber.context, CurrentCounter)
  if (counter === undefined) return
  task.context = uncounted(task.context!)
  task.observers = new Set([(exit) => counter.ended(exit)])
}

interface Admission extends Effect.Effect<any, any> {
  /** Returns the caller's result, the task to wait for, or an effect to run instead. */
  begin(fiber: RuntimeFiber): Answer | Task | Effect.Effect<any, any>
}

// Admission and the beginning of the wait are one step. If the caller were interrupted between two steps, its task would
// continue without a caller.
const evaluate = hasKnownRuntime
  ? function (this: Admission, fiber: RuntimeFiber): Effect.Effect<any, any> {
      const admitted = this.begin(fiber)
      return admitted instanceof Task ? wait(fiber, admitted) : admitted
    }
  : function (this: Admission, fiber: RuntimeFiber): Effect.Effect<any, any> {
      return Effect.callback((resume) => {
        const admitted = this.begin(fiber)
        if (!(admitted instanceof Task)) return resume(admitted)
        if (admitted.asyncContext === undefined) admitted.machine.captureAsyncContext(admitted)
        admitted.caller = resume
        return Effect.suspend(() => admitted.onCallerInterrupt(fiber.id))
      })
    }
asEffects(Submit, evaluate)
asEffects(SubmitWithin, evaluate)
asEffects(Fork, evaluate)
asEffects(ForkWithin, evaluate)
