/** `submit` and `fork` as effects. Evaluating one admits a task, and waits if there is no result yet. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { counting, CurrentCounter, uncounted } from "../runtime/counting.ts"
import { asEffects, type RuntimeFiber, wait } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { evaluateInStep } from "../inStep.ts"
import { attachWait } from "./extra.ts"
import { Handle } from "./handle.ts"
import { innermostEntry, withoutLaunch } from "./launch.ts"
import type { Wait } from "./lending.ts"
import type { Machine } from "./machine.ts"
import { waitInTask } from "./nested.ts"
import { traceOf } from "./span.ts"
import { makeTaskUnsafe, Task, type TaskOptions, type Work } from "./task.ts"

type Answer = Exit.Exit<any, any>

/** Admits a task and returns its outcome. */
export interface Submit extends Effect.Effect<any, any> {}
export class Submit {
  private readonly machine: Machine
  private readonly work: Work
  private readonly options: TaskOptions
  private readonly mayWait: boolean
  private readonly where: string
  /** Whether `waitInTask` has already handled a submission from within a task. */
  private readonly isWithin: boolean
  /** The wait of the submitter's task, if it lends its workers of this pool. */
  private readonly wait: Wait | undefined

  constructor(
    machine: Machine,
    where: string,
    work: Work,
    options: TaskOptions,
    mayWait: boolean,
    isWithin = false,
    wait?: Wait
  ) {
    this.machine = machine
    this.where = where
    this.work = work
    this.options = options
    this.mayWait = mayWait
    this.isWithin = isWithin
    this.wait = wait
  }

  begin(fiber: RuntimeFiber): Answer | Task | Effect.Effect<any, any> {
    const { machine, wait } = this
    if (!this.isWithin) {
      const entry = innermostEntry(fiber)
      if (entry !== undefined) return waitInTask(machine, fiber, entry, (wait) => this.within(wait))
    }
    const task = makeTaskUnsafe(machine, this.where, this.work, this.options, fiber.context)
    if (counting.live > 0) countTask(task, fiber)
    if (wait !== undefined) attachWait(task, wait)
    if (fiber.cache.span !== undefined && machine.traces) task.trace = traceOf(machine, fiber)
    machine.admit(task, this.mayWait)
    return task.state === "Settled" ? task.answer! : task
  }

  private within(wait: Wait | undefined): Submit {
    return new Submit(this.machine, this.where, this.work, this.options, this.mayWait, true, wait)
  }
}

/** Admits a task and returns its handle. */
export interface Fork extends Effect.Effect<any, any> {}
export class Fork {
  private readonly make: (context: Context.Context<never>) => Task
  /** Whether the task has a span, if its submitter has a recorded one. */
  private readonly traces: boolean
  private readonly mayWait: boolean
  /** As in `Submit`. A fork waits at the door only. */
  private readonly isWithin: boolean
  private readonly wait: Wait | undefined

  constructor(
    make: (context: Context.Context<never>) => Task,
    mayWait: boolean,
    traces = false,
    isWithin = false,
    wait?: Wait
  ) {
    this.make = make
    this.traces = traces
    this.mayWait = mayWait
    this.isWithin = isWithin
    this.wait = wait
  }

  begin(fiber: RuntimeFiber): Answer | Task | Effect.Effect<any, any> {
    const { isWithin, make, mayWait, wait } = this
    const entry = innermostEntry(fiber)
    const task = make(entry === undefined ? fiber.context : withoutLaunch(fiber.context))
    const { machine } = task
    if (counting.live > 0) countTask(task, fiber)
    if (this.traces && fiber.cache.span !== undefined && machine.traces) task.trace = traceOf(machine, fiber)
    if (wait !== undefined) attachWait(task, wait)
    else if (entry !== undefined && mayWait && !isWithin && machine.wouldWaitAtDoor(task)) {
      return waitInTask(machine, fiber, entry, (wait) => new Fork(() => task, mayWait, false, true, wait))
    }
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
asEffects(Submit, evaluate, { [evaluateInStep]: evaluate })
asEffects(Fork, evaluate)
