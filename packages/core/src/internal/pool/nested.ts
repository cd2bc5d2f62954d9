/** Operations of a pool that one of its own tasks waits in: the task lends its worker meanwhile, or the operation fails. */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type { NotAvailable } from "../../TaskPoolError.ts"
import type { Entry } from "./entry.ts"
import { entryOf } from "./launch.ts"
import type { Wait } from "./lending.ts"
import type { Machine } from "./machine.ts"

/** The task of this pool that would wait for its own pool in this fiber. */
export const waitingEntry = (machine: Machine, fiber: Fiber<unknown, unknown>): Entry | undefined =>
  machine.nested === "queue" || machine.running === 0 ? undefined : entryOf(machine, fiber)

/** Runs an operation that waits for the pool. It ends `wait` in the step in which what it waits for has happened. */
export const waitWithin = <A, E, R>(
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  operation: (wait: Wait | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | NotAvailable, R> => {
  const entry = waitingEntry(machine, fiber)
  return entry === undefined ? operation(undefined) : lendWhile(machine, entry, operation)
}

/** As `waitWithin`, in a fiber that belongs to a task of the pool. */
export const lendWhile = <A, E, R>(
  machine: Machine,
  entry: Entry,
  operation: (wait: Wait) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | NotAvailable, R> =>
  machine.nested === "fail"
    ? Effect.fail(machine.rejectNested())
    : Effect.uninterruptibleMask((restore) => {
        const wait = machine.lend(entry)
        return Effect.flatMap(Effect.exit(restore(Effect.suspend(() => operation(wait)))), (exit) =>
          goOn(machine, wait, exit, restore)
        )
      })

/** Ends the wait: the fiber goes on when its task has its worker again, or when it is interrupted. */
const goOn = <A, E>(
  machine: Machine,
  wait: Wait,
  exit: Exit<A, E>,
  restore: <B>(effect: Effect.Effect<B>) => Effect.Effect<B>
): Effect.Effect<A, E> => {
  wait.end()
  machine.flush()
  if (wait.isBack) return exit
  const back = Effect.callback<void>((resume) => {
    wait.onBack = () => resume(Effect.void)
  })
  const takeBack = Effect.sync(() => wait.takeBackNow())
  return Effect.andThen(
    Effect.onExit(restore(back), () => takeBack),
    exit
  )
}
