/** Nested work: a task that waits in an operation of its own pool lends its workers, or the operation fails. */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import { type Fiber, getCurrent } from "effect/Fiber"
import type { NotAvailable } from "../../TaskPoolError.ts"
import { type Ending, ending, pushEnding, type RuntimeFiber } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import type { Entry } from "./entry.ts"
import type { AttachedWait } from "./extra.ts"
import { entryOf, innermostEntry } from "./launch.ts"
import type { Wait } from "./lending.ts"
import type { Machine } from "./machine.ts"
import { rejectedIn } from "./span.ts"
import type { CrossWait, Failing } from "./waitForGraph.ts"

/** Runs an operation that waits for the pool. The operation ends `wait` in the step of the event that it waits for. */
export const waitWithin = <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  operation: (wait: AttachedWait | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | NotAvailable, R> => {
  const entry = innermostEntry(fiber)
  return entry === undefined ? operation(undefined) : waitInTask(machine, fiber, entry, operation)
}

/** Like `waitWithin`, in a fiber that belongs to a task of this pool or of another one. */
export const waitInTask = <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  entry: Entry,
  operation: (wait: AttachedWait | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | NotAvailable, R> => {
  const own = machine.nested === "queue" ? undefined : entry.machine === machine ? entry : entryOf(machine, fiber)
  if (own === entry) return lendWithin(machine, fiber, own, operation)
  const within = (crossWait: CrossWait | undefined): Effect.Effect<A, E | NotAvailable, R> =>
    own === undefined
      ? Effect.suspend(() => operation(crossWait))
      : lendWhile(machine, own, (wait) => operation(crossWait === undefined ? wait : both(wait, crossWait)))
  const refused = Effect.suspend(() => Effect.fail(rejectNested(machine)))
  return entry.machine === machine ? within(undefined) : waitInOtherPool(entry, machine, within, "any", refused)
}

/** Returns a wait that ends two waits of one fiber, whose tasks are in different pools. */
const both = (first: AttachedWait, second: AttachedWait): AttachedWait => ({
  end: () => {
    first.end()
    second.end()
  }
})

/**
 * Runs an operation that waits for the pool without a task of its own, such as `close`. In a pool that does not lend, the
 * task keeps its worker. Runs `refused` instead, if given, when pools would wait for each other and the task's own pool
 * must not lend.
 */
export const lendMeanwhile = <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  operation: Effect.Effect<A, E, R>,
  refused?: Effect.Effect<A, E, R>,
  takingBack?: Restore
): Effect.Effect<A, E, R> => {
  const entry = innermostEntry(fiber)
  if (entry === undefined) return operation
  const own = machine.nested === "lend" ? entryOf(machine, fiber) : undefined
  const within = own === undefined ? operation : lendWhile(machine, own, () => operation, takingBack)
  const failing = refused === undefined ? "none" : "own"
  const lent =
    entry.machine === machine
      ? within
      : waitInOtherPool(entry, machine, () => within, failing, refused ?? within, takingBack)
  return lent as Effect.Effect<A, E, R>
}

/**
 * Like `lendMeanwhile`, for a finalizer. The operation is not interrupted. Afterwards an interrupted task takes its
 * workers back at once.
 */
export const lendInFinalizer = <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  operation: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => lendMeanwhile(machine, fiber, operation, undefined, Effect.interruptible)

/**
 * Runs an operation of another pool. The task lends its workers while both pools wait for each other. Runs `refused`
 * instead if one of the `failing` pools must not lend.
 */
const waitInOtherPool = <A, E, R>(
  entry: Entry,
  other: Machine,
  operation: (crossWait: CrossWait) => Effect.Effect<A, E, R>,
  failing: Failing,
  refused: Effect.Effect<A, E | NotAvailable, R>,
  takingBack?: Restore
): Effect.Effect<A, E | NotAvailable, R> =>
  Effect.uninterruptibleMask((restore): Effect.Effect<A, E | NotAvailable, R> => {
    const own = entry.machine as Machine
    const crossWait = own.waitNode.begin(other.waitNode, entry, failing)
    if (crossWait === undefined) return restore(refused)
    return Effect.flatMap(Effect.exit(restore(operation(crossWait))), (exit) => {
      own.waitNode.end(crossWait)
      return crossWait.wait === undefined ? exit : endWait(own, crossWait.wait, exit, takingBack ?? restore)
    })
  })

/** Runs an operation while a task of the pool lends its workers. */
const lendWhile = <A, E, R>(
  machine: Machine,
  entry: Entry,
  operation: (wait: Wait) => Effect.Effect<A, E, R>,
  takingBack?: Restore
): Effect.Effect<A, E | NotAvailable, R> =>
  machine.nested === "fail"
    ? Effect.fail(rejectNested(machine))
    : Effect.uninterruptibleMask((restore) => {
        const wait = machine.lend(entry)
        machine.flush()
        return Effect.flatMap(Effect.exit(restore(afterDispatch(machine, wait, operation))), (exit) =>
          endWait(machine, wait, exit, takingBack ?? restore)
        )
      })

/** The frame under an operation for which a task lends its workers. */
class Lent implements Ending {
  private readonly machine: Machine
  wait: Wait | undefined = undefined
  wasInterruptible = false

  constructor(machine: Machine) {
    this.machine = machine
  }

  end(): boolean {
    const { machine, wait } = this
    if (wait === undefined || wait.isDone) return true
    wait.end()
    machine.flush()
    return wait.isDone
  }

  continueWith<A, E>(exit: Exit<A, E>, restore: Restore): Effect.Effect<A, E> {
    return awaitWorkers(this.machine, this.wait!, exit, restore)
  }
}
Object.assign(Lent.prototype, ending)

/** Like `lendWhile`, but lends in this step. The result must be returned to the fiber. */
const lendWithin: <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  entry: Entry,
  operation: (wait: Wait) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E | NotAvailable, R> = hasKnownRuntime
  ? (machine, fiber, entry, operation) => {
      if (machine.nested === "fail") return Effect.fail(rejectNested(machine))
      const lent = new Lent(machine)
      // First: the stack may overflow in what follows, and then the wait must end.
      pushEnding(fiber as RuntimeFiber, lent)
      const wait = (lent.wait = machine.lend(entry))
      machine.flush()
      return afterDispatch(machine, wait, operation)
    }
  : (machine, _fiber, entry, operation) => lendWhile(machine, entry, operation)

/**
 * Runs an operation after the next dispatch: the lent worker takes a waiting task, which frees a place of a full queue.
 */
const afterDispatch = <A, E, R>(
  machine: Machine,
  wait: Wait,
  operation: (wait: Wait) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  machine.isAboutToDispatch
    ? Effect.andThen(
        Effect.yieldNow,
        // A flush that has spent its budget dispatches in a later step.
        Effect.suspend(() => afterDispatch(machine, wait, operation))
      )
    : operation(wait)

type Restore = <B>(effect: Effect.Effect<B>) => Effect.Effect<B>

/** Ends the wait. The fiber continues when its task has its workers back, or when it is interrupted. */
const endWait = <A, E>(machine: Machine, wait: Wait, exit: Exit<A, E>, restore: Restore): Effect.Effect<A, E> => {
  wait.end()
  machine.flush()
  return wait.isDone ? exit : awaitWorkers(machine, wait, exit, restore)
}

const awaitWorkers = <A, E>(machine: Machine, wait: Wait, exit: Exit<A, E>, restore: Restore): Effect.Effect<A, E> => {
  const back = Effect.callback<void>((resume) => {
    // The fiber may have yielded since the last check, and its task may have its workers back.
    if (wait.isDone) return resume(Effect.void)
    wait.onDone = () => resume(Effect.void)
  })
  const takeBack = Effect.sync(() => {
    wait.takeBackNow()
    machine.flush()
  })
  return Effect.andThen(
    Effect.onExit(restore(back), () => takeBack),
    exit
  )
}

/** Counts and returns the failure of an operation that would wait for its own pool. */
const rejectNested = (machine: Machine): NotAvailable => {
  machine.countRejection("Nested")
  const error = machine.notAvailable("Nested")
  const report = (fiber: Fiber<unknown, unknown>): void => rejectedIn(fiber, "Nested", error.stats)
  if (machine.traces) machine.userCode.guard(report, getCurrent()!)
  machine.flush()
  return error
}
