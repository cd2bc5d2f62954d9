/**
 * Interrupts an effect before one of its operations, with real promises, timers and sockets.
 *
 * `everyStep` interrupts at each step as well, and runs nothing that a promise or a socket has to answer. What opens a
 * connection or a server is tested with this module.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { MixedScheduler, Scheduler } from "effect/Scheduler"
import { AsyncLocalStorage, createHook } from "node:async_hooks"

/** A resource of Node, such as a timer or a server, with its type in `node:async_hooks`. */
interface Resource {
  readonly type: string
  readonly handle: { hasRef(): boolean | null }
}

// By async context, because other code makes timers too: the test runner, and the tests before in the same process.
const resources = new AsyncLocalStorage<Map<number, Resource>>()
const owners = new Map<number, Map<number, Resource>>()
const hook = createHook({
  init: (id, type, _trigger, handle: Partial<Resource["handle"]>) => {
    const owner = typeof handle.hasRef === "function" ? resources.getStore() : undefined
    if (owner === undefined) return
    owners.set(id, owner)
    owner.set(id, { type, handle: handle as Resource["handle"] })
  },
  destroy: (id) => {
    owners.get(id)?.delete(id)
    owners.delete(id)
  }
})

/** Returns how many resources of a type keep the process alive. The types are "Timeout", "TCPSERVERWRAP" and others. */
export type Alive = (type: string) => number

class InterruptingScheduler extends MixedScheduler {
  private readonly at: number
  private subject: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private count = 0
  hasInterrupted = false

  constructor(at: number) {
    super()
    this.at = at
  }

  override shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    // The subject's fiber is the first one. Those that it forks run undisturbed.
    this.subject ??= fiber
    if (fiber !== this.subject || ++this.count !== this.at) return super.shouldYield(fiber)
    this.hasInterrupted = true
    fiber.interruptUnsafe()
    return true
  }
}

/**
 * Runs an effect and interrupts its fiber before the operation with the number `at`, counted from 1. In an
 * uninterruptible region the interruption waits. Returns the exit, which of the run's resources are alive, and whether the
 * effect had so many operations.
 */
const interruptedAt = <A, E, R, R2>(
  effect: Effect.Effect<A, E, R>,
  at: number,
  stuck: Effect.Effect<unknown, never, R2>
): Effect.Effect<
  { readonly exit: Exit.Exit<A, E>; readonly alive: Alive; readonly hasInterrupted: boolean },
  never,
  R | R2
> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const scheduler = new InterruptingScheduler(at)
    const made = new Map<number, Resource>()
    const fiber = resources.run(made, () => Effect.runForkWith(Context.add(context, Scheduler, scheduler))(effect))
    const alive: Alive = (type) =>
      [...made.values()].filter((each) => each.type === type && each.handle.hasRef() === true).length
    const ended = Fiber.await(fiber)
    const given = Effect.andThen(stuck, Effect.andThen(Fiber.interrupt(fiber), ended))
    return Effect.map(Effect.raceFirst(ended, given), (exit) => ({
      exit,
      alive,
      hasInterrupted: scheduler.hasInterrupted
    }))
  })

/**
 * Runs an effect again and again, and interrupts it before each of its operations in turn. `check` runs after each run,
 * and may ask which resources of that run keep the process alive.
 * `stuck` ends when the effect has no further operation because it waits, if it does not end by itself. `first` is
 * the first operation and `stride` the distance to the next one, both default 1. Returns the number of operations.
 */
export const interruptedEverywhere = <A, E, R, E2, R2, R3 = never>(
  effect: Effect.Effect<A, E, R>,
  check: (exit: Exit.Exit<A, E>, at: number, alive: Alive) => Effect.Effect<unknown, E2, R2>,
  {
    first = 1,
    stride = 1,
    stuck = Effect.never
  }: {
    readonly stuck?: Effect.Effect<unknown, never, R3> | undefined
    readonly first?: number | undefined
    readonly stride?: number | undefined
  } = {}
): Effect.Effect<number, E2, R | R2 | R3> =>
  Effect.gen(function* () {
    hook.enable()
    for (let at = first; ; at += stride) {
      const { alive, exit, hasInterrupted } = yield* interruptedAt(effect, at, stuck)
      yield* check(exit, at, alive)
      if (!hasInterrupted) return at - 1
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        hook.disable()
        owners.clear()
      })
    )
  )
