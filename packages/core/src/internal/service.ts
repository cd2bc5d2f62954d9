/**
 * The service of a pool: each operation as an effect over the machine, within the scope that owns the pool.
 *
 * What a caller's fiber does is one synchronous step in the machine and, if the answer is not there yet, one wait.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type { Duration } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { Scheduler } from "effect/Scheduler"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { Executor } from "../Executor.ts"
import type {
  CloseOptions,
  CloseReport,
  PoolEvent,
  ResizeOptions,
  SubmitOptions,
  TaskPoolService
} from "../TaskPool.ts"
import { checkCount, checkDelta, checkDuration, checkWeight, checkWord } from "./arguments.ts"
import { awaitEnds, Handle } from "./handle.ts"
import { awaitUntil, type Closing, Lifecycle } from "./lifecycle.ts"
import { Machine, type MachineOptions } from "./machine.ts"
import { checkWork, defaultWeight, Task, type Work } from "./task.ts"

/** What a pool is made of, checked by whoever makes it. */
export interface ServiceOptions extends MachineOptions {
  readonly shutdown: { readonly drainTimeout: Duration; readonly interruptTimeout: Duration }
  /** Sizes the pool while it is open. */
  readonly sizing?: ((machine: Machine) => Effect.Effect<void>) | undefined
}

type Options = (SubmitOptions & { readonly args?: ReadonlyArray<unknown> | undefined }) | undefined

/** Events a slow reader may lag behind before it loses the oldest. */
const eventBuffer = 256

/** Makes a pool that lives as long as the scope. */
export const makeService = (options: ServiceOptions): Effect.Effect<TaskPoolService, never, Scope> =>
  Effect.withFiber((fiber) => {
    const machine = new Machine(options, fiber.getRef(Scheduler).makeDispatcher())
    const lifecycle = new Lifecycle(machine, fiber.context, {
      startPaused: options.startPaused,
      whileOpen: options.sizing?.(machine)
    })
    const closeForGood = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.withFiber((fiber) => {
        const inside = isInside(machine, fiber)
        const mode = Exit.isSuccess(exit) && !inside ? "drain" : "interrupt"
        const report = lifecycle.closeForGoodUnsafe({ ...options.shutdown, mode })
        // A task that closes the scope of its own pool would wait for itself.
        return Effect.andThen(inside ? Effect.void : report, endEvents(machine))
      })
    return Effect.as(Effect.addFinalizer(closeForGood), serviceOf(machine, lifecycle, options))
  })

const serviceOf = (machine: Machine, lifecycle: Lifecycle, options: ServiceOptions): TaskPoolService => {
  const suspends = options.onFull === "suspend"

  const submit = (work: Work, submitOptions: Options) =>
    Effect.callback<any, any>((resume) => {
      const task = makeTask("TaskPool.submit", work, submitOptions)
      machine.admit(task, suspends)
      if (task.state === "Settled") return resume(task.answer!)
      task.resume = resume
      return new Withdrawal(machine, task)
    })

  const fork = (where: string, mayWait: boolean) => (work: Work, submitOptions: Options) =>
    Effect.callback<any, any>((resume) => {
      const task = makeTask(where, work, submitOptions)
      task.answer = Exit.succeed(new Handle(machine, task))
      machine.admit(task, mayWait)
      if (task.state !== "AtDoor") return resume(task.answer)
      task.resume = resume
      return new Withdrawal(machine, task)
    })

  const resize = (where: string, why: string, size: () => number, resizeOptions: ResizeOptions | undefined) =>
    Effect.withFiber((fiber) => {
      const mode = checkWord(where, "mode", ["soft", "hard"], resizeOptions?.mode ?? "soft")
      const target = machine.resize(size(), why)
      if (mode === "soft") return Effect.succeed(target)
      const leaving = machine.cutSurplus(fiber.id)
      return leaving.length === 0 ? Effect.succeed(target) : Effect.as(awaitEnds(machine, leaving), target)
    })

  const close = (closeOptions: CloseOptions = {}): Effect.Effect<CloseReport> =>
    Effect.withFiber((fiber) => {
      const how = closingOf(options.shutdown, closeOptions)
      if (!isInside(machine, fiber)) return lifecycle.closeUnsafe(how)
      return Effect.die(
        new Error(`TaskPool.close: a task cannot close its own pool (${machine.name}), it would wait for itself`)
      )
    })

  const setPaused = (paused: boolean): boolean => {
    if (machine.phase !== "Open") return false
    if (machine.paused !== paused) {
      machine.paused = paused
      machine.emit({ _tag: paused ? "Paused" : "Resumed" })
      if (paused) machine.shutDoor("Paused")
      machine.turn()
    }
    return machine.paused
  }

  return {
    name: machine.name,
    submit,
    fork: fork("TaskPool.fork", suspends),
    submitNowait: fork("TaskPool.submitNowait", false),
    submitBlocking: (job, { args, executor = Executor, onInterrupt, transfer, weight }) =>
      submit(executor.run(job, args, { transfer, onInterrupt }), { weight }),
    scale: (delta, resizeOptions) =>
      resize("TaskPool.scale", "scale", () => machine.target + checkDelta("TaskPool.scale", delta), resizeOptions),
    resize: (size, resizeOptions) =>
      resize("TaskPool.resize", "resize", () => checkCount("TaskPool.resize", "size", size), resizeOptions),
    awaitResized: awaitUntil(machine, () => machine.running.size <= machine.target),
    pause: Effect.sync(() => setPaused(true)),
    resume: Effect.sync(() => setPaused(false)),
    togglePause: Effect.sync(() => setPaused(!machine.paused)),
    awaitEmpty: awaitUntil(machine, () => machine.backlog.size === 0),
    awaitIdle: awaitUntil(machine, () => machine.idle),
    stats: Effect.sync(() => machine.stats()),
    events: Stream.unwrap(Effect.map(subscribe(machine, lifecycle), Stream.fromQueue)),
    close,
    start: lifecycle.start
  }
}

const makeTask = (where: string, work: Work, options: Options): Task => {
  const weight = options?.weight
  return new Task(
    checkWork(where, work),
    options?.args,
    weight === undefined ? defaultWeight : checkWeight(where, weight),
    Fiber.getCurrent()!.context
  )
}

/** What an interrupted caller leaves behind: its task goes too, and a running one is waited for. */
class Withdrawal extends Effectable.Class<void> {
  private readonly machine: Machine
  private readonly task: Task
  constructor(machine: Machine, task: Task) {
    super()
    this.machine = machine
    this.task = task
  }
  override asEffect(): Effect.Effect<void> {
    this.machine.withdraw(this.task, Fiber.getCurrent()!.id)
    return this.task.state === "Running" ? awaitEnds(this.machine, [this.task]) : Effect.void
  }
}

/** Whether the fiber is part of a task that still runs on this pool. */
const isInside = (machine: Machine, fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  Context.getOrUndefined(fiber.context, machine.currentTask)?.state === "Running"

const closingOf = (defaults: ServiceOptions["shutdown"], options: CloseOptions): Closing => {
  const { drainTimeout, interruptTimeout, mode = "drain" } = options
  return {
    mode: checkWord("TaskPool.close", "mode", ["drain", "interrupt"], mode),
    drainTimeout:
      drainTimeout === undefined
        ? defaults.drainTimeout
        : checkDuration("TaskPool.close", "drainTimeout", drainTimeout),
    interruptTimeout:
      interruptTimeout === undefined
        ? defaults.interruptTimeout
        : checkDuration("TaskPool.close", "interruptTimeout", interruptTimeout)
  }
}

const subscribe = (
  machine: Machine,
  lifecycle: Lifecycle
): Effect.Effect<Queue.Dequeue<PoolEvent, Cause.Done>, never, Scope> =>
  Effect.acquireRelease(
    Effect.tap(Queue.sliding<PoolEvent, Cause.Done>(eventBuffer), (queue) =>
      Effect.sync(() => {
        if (lifecycle.closedForGood) Queue.endUnsafe(queue)
        else machine.readers.add(queue)
      })
    ),
    (queue) =>
      Effect.sync(() => {
        machine.readers.delete(queue)
        Queue.shutdownUnsafe(queue)
      })
  )

const endEvents = (machine: Machine): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const reader of machine.readers) Queue.endUnsafe(reader)
    machine.readers.clear()
  })
