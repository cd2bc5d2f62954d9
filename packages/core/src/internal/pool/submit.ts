/** `submit` and `fork` as effects: evaluating one admits a task, and waits if the caller has no answer yet. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Handle } from "./handle.ts"
import type { Machine } from "./machine.ts"
import { asEffects, type RuntimeFiber, wait } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { makeTaskUnsafe, Task, type TaskOptions, type Work } from "./task.ts"

type Answer = Exit.Exit<any, any>

/** Admits a task and returns its outcome. */
export interface Submit extends Effect.Effect<any, any> {}
export class Submit {
  private readonly machine: Machine
  private readonly work: Work
  private readonly options: TaskOptions
  private readonly mayWait: boolean

  constructor(machine: Machine, work: Work, options: TaskOptions, mayWait: boolean) {
    this.machine = machine
    this.work = work
    this.options = options
    this.mayWait = mayWait
  }

  admit(fiber: RuntimeFiber): Answer | Task {
    const task = makeTaskUnsafe(this.machine, "TaskPool.submit", this.work, this.options, fiber)
    this.machine.admit(task, this.mayWait)
    return task.state === "Settled" ? task.answer! : task
  }
}

/** Admits a task and returns its handle. */
export interface Fork extends Effect.Effect<any, any> {}
export class Fork {
  private readonly make: (fiber: RuntimeFiber) => Task
  private readonly mayWait: boolean

  constructor(make: (fiber: RuntimeFiber) => Task, mayWait: boolean) {
    this.make = make
    this.mayWait = mayWait
  }

  admit(fiber: RuntimeFiber): Answer | Task {
    const task = this.make(fiber)
    task.answer = Exit.succeed(new Handle(task))
    task.machine.admit(task, this.mayWait)
    // Its caller will be elsewhere when it starts.
    task.machine.captureAsyncContext(task)
    if (task.state === "AtDoor") return task
    const { answer } = task
    // A waiting task does not keep a handle that its caller may have dropped.
    task.answer = undefined
    return answer
  }
}

interface Admission extends Effect.Effect<any, any> {
  /** The caller's answer, or the task that will have it. */
  admit(fiber: RuntimeFiber): Answer | Task
}

// Admission and the beginning of the wait are one step: the caller may be interrupted between two steps, and its task would
// be orphaned.
const evaluate = hasKnownRuntime
  ? function (this: Admission, fiber: RuntimeFiber): Effect.Effect<any, any> {
      const admitted = this.admit(fiber)
      return admitted instanceof Task ? wait(fiber, admitted) : admitted
    }
  : function (this: Admission, fiber: RuntimeFiber): Effect.Effect<any, any> {
      return Effect.callback((resume) => {
        const admitted = this.admit(fiber)
        if (!(admitted instanceof Task)) return resume(admitted)
        if (admitted.asyncContext === undefined) admitted.machine.captureAsyncContext(admitted)
        admitted.caller = resume
        return Effect.suspend(() => admitted.onCallerInterrupt(fiber.id))
      })
    }
asEffects(Submit, evaluate)
asEffects(Fork, evaluate)
