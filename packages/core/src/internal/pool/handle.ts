/** The handle of an admitted task: effects that read and change the task when they run. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as Option from "effect/Option"
import type { TaskHandle, TaskState } from "../../TaskHandle.ts"
import { type NotAvailable, NotWaiting, type TaskCancelled } from "../../TaskPoolError.ts"
import { checkWeight } from "../arguments.ts"
import { requireStack } from "../runtime/stack.ts"
import { entryOf, innermostEntry } from "./launch.ts"
import { lendMeanwhile, waitInTask } from "./nested.ts"
import type { Task } from "./task.ts"
import { awaitEnds, AwaitOutcome } from "./waits.ts"

export class Handle<A, E> implements TaskHandle<A, E> {
  readonly #task: Task

  constructor(task: Task) {
    this.#task = task
  }

  get join(): Effect.Effect<A, E | TaskCancelled | NotAvailable> {
    return Effect.withFiber((fiber) => this.#awaitIn(fiber, true))
  }

  get await(): Effect.Effect<Exit.Exit<A, E | TaskCancelled | NotAvailable>, NotAvailable> {
    return Effect.withFiber((fiber) => this.#awaitIn(fiber, false))
  }

  #awaitIn(fiber: Fiber<unknown, unknown>, flat: boolean): Effect.Effect<any, any> {
    const task = this.#task
    // In a pool with `nested: "fail"` the operation fails even if it has nothing to wait for.
    const waits = task.exit === undefined || task.machine.nested === "fail"
    const entry = waits ? innermostEntry(fiber) : undefined
    if (entry === undefined) return new AwaitOutcome(task, flat)
    return entryOf(task.machine, fiber) === task
      ? waitsForItself
      : waitInTask(task.machine, fiber, entry, (wait) => new AwaitOutcome(task, flat, wait))
  }

  get cancel(): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      requireStack()
      const task = this.#task
      task.machine.cancel(task, "Cancelled")
      if (task.state !== "Running") return Effect.void
      task.machine.interrupt(task, "Cancelled", fiber.id)
      return entryOf(task.machine, fiber) === task
        ? Effect.void
        : lendMeanwhile(task.machine, fiber, awaitEnds(task.machine, [task]))
    })
  }

  get poll(): Effect.Effect<Option.Option<Exit.Exit<A, E | TaskCancelled | NotAvailable>>> {
    return Effect.sync(() => Option.fromUndefinedOr(this.#task.exit))
  }

  get state(): Effect.Effect<TaskState> {
    return Effect.sync(() => this.#stateNow())
  }

  get reprioritize(): (weight: number) => Effect.Effect<void, NotWaiting> {
    return (weight) =>
      Effect.suspend(() => {
        checkWeight("TaskHandle.reprioritize", weight)
        const { machine } = this.#task
        const state = this.#stateNow()
        if (state === "Running" || state === "Done") return Effect.fail(new NotWaiting({ pool: machine.name, state }))
        machine.reweigh(this.#task, weight)
        return Effect.void
      })
  }

  #stateNow(): TaskState {
    const { state } = this.#task
    return state === "Settled" ? "Done" : state === "Running" || state === "Delayed" ? state : "Waiting"
  }
}

const waitsForItself = Effect.die(
  new Error("TaskHandle: a task that joins or awaits its own handle would wait for itself")
)
