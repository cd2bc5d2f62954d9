/**
 * Runs a pool with hostile user code at one of the places where the pool calls user code, and checks the rules.
 *
 * Bystanders surround the call with the hostile code: tasks that run, wait, and stand at the door before and behind it, a
 * bulk, and fibers that wait for the pool. Everything runs under a `StepScheduler`, so a hang means that no step is left.
 * The pool's statistics are also checked in the middle of the hostile code.
 */
import { type AutoScalePoolOptions, TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { checkStillWorks, Ledger } from "./ledger.ts"
import { StepWorld } from "./stepWorld.ts"

/** The action of hostile code at its place. */
export interface Deed {
  readonly name: string
  readonly kind: "throws" | "returns" | "uses" | "never"
  /** The value that it throws or returns. */
  readonly value?: unknown
  /** Uses the pool while the pool is calling the code. */
  readonly use?: ((world: HostileWorld) => void) | undefined
  /** Whether it may cause bystanders to be rejected or cancelled. */
  readonly harms?: boolean | undefined
  /** The number of its tasks that may come back for another attempt, whatever the capacity. */
  readonly comesBack?: number | undefined
}

/** The options that size a pool. */
export type SizingOptions = Pick<AutoScalePoolOptions, "classify" | "policy">

/** A place where a pool calls user code, reached by the call of a submitter. */
export interface Place {
  readonly name: string
  readonly call: (world: HostileWorld, hook: Hook) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** The number of its tasks that may come back for another attempt, whatever the capacity. */
  readonly comesBack?: number | undefined
  /** How the call ends when the code throws: with that defect, unaffected, or either way. */
  readonly thrown: "defect" | "unaffected" | "any"
  /** How the call ends when the code returns an invalid value; `undefined` if it returns nothing. */
  readonly returned?: "defect" | "any" | "success" | undefined
  /** Whether the log shows what the code threw or returned. */
  readonly logs?: boolean | undefined
  /** Returns the pool options that contain the code. */
  readonly options?: ((hook: Hook) => SizingOptions) | undefined
  /** Whether time passes: tasks sleep for a millisecond each, and the clock moves. */
  readonly ticks?: boolean | undefined
  /** Whether any object is a valid value. */
  readonly objects?: boolean | undefined
  /** Whether the code may keep its call waiting forever, until the call is interrupted or the pool ends. */
  readonly never?: boolean | undefined
  /** Whether the code is a source. No task waits for it, and a draining pool does not either. */
  readonly silent?: boolean | undefined
  /** The typed failure that the call must still have. */
  readonly fails?: string | undefined
  /** Whether the pool calls the code many times, so that the deed may come later. */
  readonly often?: boolean | undefined
  /** Whether the call itself may cause bystanders to be rejected or cancelled. */
  readonly harms?: boolean | undefined
  /** Whether the code is an observer of the call's own fiber. */
  readonly observes?: boolean | undefined
  /** Whether the call lasts as long as the pool. */
  readonly lasts?: boolean | undefined
  /** Whether promises are involved: their callbacks are not steps. */
  readonly promises?: boolean | undefined
}

/** One run. */
export interface HostileCase {
  readonly place: Place
  readonly deed: Deed
  readonly size: number
  /** Whether all workers are busy at the call. */
  readonly busy: boolean
  /** The number of correct calls before the deed. */
  readonly after: number
  readonly budget: number
  /** What ends a call that waits forever. */
  readonly ending: "interrupt" | "close" | "close, interrupting" | "scope"
}

export const nameOf = ({ after, budget, busy, deed, ending, place, size }: HostileCase): string => {
  const when = after === 0 ? "" : `, the time after ${after}`
  const end = deed.kind === "never" ? `, ended by ${ending}` : ""
  return `${place.name} ${deed.name}${when} (${busy ? "busy" : "idle"} pool of ${size}, budget ${budget}${end})`
}

/** The hostile code of a run. */
export class Hook {
  readonly error = new Error("hostile")
  /** Whether the deed was done. */
  done = false
  /** The world of the run; `undefined` while the pool is being built. */
  world: HostileWorld | undefined = undefined
  private before: number
  private readonly deed: Deed
  private readonly pending: Array<() => void> = []

  constructor({ after, deed }: HostileCase) {
    this.deed = deed
    this.before = after
  }

  /** Does the deed if it is due, else returns the expected value. */
  act<A>(expected: A): A {
    if (this.world === undefined) return expected
    this.world.ledger.check("in hostile code")
    if (this.deed.kind === "never" || this.done || this.before-- > 0) return expected
    this.done = true
    const { kind, use, value } = this.deed
    if (kind === "throws") throw this.error
    if (kind === "returns") return value as A
    use?.(this.world)
    this.world.ledger.check("in hostile code that used the pool")
    return expected
  }

  /** Returns the same as an effect. */
  effect<A>(expected: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => (this.neverNow() ? Effect.never : this.act(expected)))
  }

  /** Returns the same as a promise; with `later` the deed comes one microtask later. */
  promise<A>(expected: A, later: boolean): Promise<A> {
    if (this.neverNow()) return new Promise((resolve) => this.pending.push(() => resolve(expected)))
    if (!later) return Promise.resolve(this.act(expected))
    return Promise.resolve().then(() => this.act(expected))
  }

  private neverNow(): boolean {
    if (this.deed.kind !== "never" || this.done || this.before-- > 0) return false
    this.done = true
    return true
  }

  /** Resolves the promises that would stay pending forever. */
  release(): void {
    for (const resolve of this.pending) resolve()
  }
}

interface Caller {
  readonly name: string
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly mustSucceed: boolean
}

const setupBudget = 1_000_000

export class HostileWorld {
  readonly pool: TaskPoolService
  readonly ledger: Ledger
  readonly steps: StepWorld
  readonly poolScope: Scope.Closeable
  readonly gate = Latch.makeUnsafe()
  readonly handles: Array<TaskHandle<unknown, unknown>> = []
  /** Whether the scope of the pool was ended. */
  scopeEnds = false
  private readonly callers: Array<Caller> = []
  private readonly size: number
  private readonly ticks: boolean
  private count = 0

  constructor(
    steps: StepWorld,
    pool: TaskPoolService,
    poolScope: Scope.Closeable,
    { deed, place, size }: Pick<HostileCase, "deed" | "place" | "size">
  ) {
    this.ticks = place.ticks === true
    this.steps = steps
    this.pool = pool
    this.poolScope = poolScope
    this.size = size
    this.ledger = new Ledger(pool)
    this.ledger.bulks = 1
    this.ledger.comingBack = (place.comesBack ?? 0) + (deed.comesBack ?? 0)
  }

  /** A task of a few steps. */
  readonly work = (): Effect.Effect<unknown> =>
    Effect.andThen(this.ticks ? Effect.sleep(1) : Effect.yieldNow, Effect.succeed("done"))

  /** Starts two fibers that wait for the same, one now and one a step later. */
  others(name: string, waiting: Effect.Effect<unknown, unknown>): void {
    this.start(`${name} (earlier)`, waiting, true)
    this.start(`${name} (later)`, Effect.andThen(Effect.yieldNow, waiting), true)
  }

  /** Uses the pool in the current step. The effect must end. */
  side(name: string, effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    this.start(`${name} from hostile code`, effect, false)
  }

  /** Submits a task in the current step. */
  submit(name: string, mustSucceed: boolean): void {
    const entry = this.ledger.entry(`${name} ${++this.count}`)
    const submitting = this.pool.submit(this.ledger.task(entry, this.work()))
    this.start(
      entry.name,
      this.ledger.calling(() => ({ entries: [entry], effect: submitting })),
      mustSucceed
    )
  }

  /** Forks a task and joins it. */
  fork(name: string, mustSucceed: boolean, body = this.work(), nowait = false): void {
    const entry = this.ledger.entry(`${name} ${++this.count}`)
    const task = this.ledger.task(entry, body)
    const forking = nowait ? this.pool.submitNowait(task) : this.pool.fork(task)
    const joining = Effect.flatMap(forking, (handle) => {
      this.handles.push(handle)
      return handle.join
    })
    this.start(
      entry.name,
      this.ledger.calling(() => ({ entries: [entry], effect: joining })),
      mustSucceed
    )
  }

  forEach(name: string, mustSucceed: boolean): void {
    const entries = [0, 1, 2].map((item) => this.ledger.entry(`${name} ${++this.count}, item ${item}`, true))
    const running = this.pool.forEach(entries, (entry) => this.ledger.task(entry, this.work()))
    this.start(
      `${name} ${this.count}`,
      this.ledger.calling(() => ({ entries, effect: running })),
      mustSucceed
    )
  }

  start(name: string, effect: Effect.Effect<unknown, unknown, Scope.Scope>, mustSucceed: boolean) {
    const fiber = this.steps.fork(effect)
    this.callers.push({ name, fiber, mustSucceed })
    return fiber
  }

  /** Returns the first caller that hangs, or that fails though it must succeed. */
  callersNotFit(): string | undefined {
    for (const { fiber, mustSucceed, name } of this.callers) {
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return `${name} hangs: no step is left, and it has no result`
      if (mustSucceed && Exit.isFailure(exit)) return `${name} must succeed, and fails with ${describe(exit)}`
    }
    return undefined
  }

  /** Restores the pool's size. Returns whether the pool was smaller. */
  regrow(): boolean {
    const { phase, targetSize } = this.ledger.check("at the release")
    if (phase === "Closed" || targetSize >= this.size) return false
    this.steps.fork(this.pool.resize(this.size))
    return true
  }
}

/** Builds the pool of a run, with its number of workers. */
export type PoolOf = (size: number, options: SizingOptions) => Layer.Layer<TaskPool>

/** Runs a case. Returns the first rule that did not hold. */
export const runCase = Effect.fnUntraced(function* (poolOf: PoolOf, run: HostileCase) {
  const { budget, busy, deed, ending, place, size } = run
  const steps = new StepWorld({ budget: setupBudget })
  const { scheduler } = steps
  const escaped: Array<unknown> = []
  // An error thrown by an observer reaches the code that resumed the observed fiber: here the step.
  const guarded = <A>(f: () => A): A | undefined => {
    try {
      return f()
    } catch (cause) {
      escaped.push(cause)
      return undefined
    }
  }
  let count = 0
  const rest = Effect.fnUntraced(function* () {
    do {
      while (scheduler.queued > 0 && count++ < 20_000) {
        guarded(() => scheduler.step())
        world?.ledger.check("after a step")
      }
      if (place.promises === true) yield* Effect.yieldNow
    } while (scheduler.queued > 0 && count < 20_000)
    world?.ledger.rest()
  })
  const settle = Effect.fnUntraced(function* () {
    yield* rest()
    for (let i = 0; place.ticks === true && i < 20; i++) {
      guarded(() => steps.clock.adjustUnsafe(i < 10 ? 1 : 10))
      yield* rest()
    }
  })

  const hook = new Hook(run)
  const poolScope = Scope.makeUnsafe()
  const building = steps.fork(
    Effect.map(Layer.buildWithScope(poolOf(size, place.options?.(hook) ?? {}), poolScope), (context) =>
      Context.get(context, TaskPool)
    )
  )
  let world: HostileWorld | undefined = undefined
  yield* settle()
  const built = building.pollUnsafe()
  if (built?._tag !== "Success") return "the pool is not built"
  const made = (world = new HostileWorld(steps, built.value, poolScope, run))
  hook.world = made
  const { ledger, pool } = made
  const unharmed = deed.harms !== true && place.harms !== true && (deed.kind !== "never" || ending === "interrupt")

  const settleAll = Effect.fnUntraced(function* () {
    do yield* settle()
    while (guarded(() => made.regrow()) === true)
    // The pool's policy may have restored the size at the end of that time, when the tasks had hardly any of it left.
    yield* settle()
  })

  scheduler.budget = budget
  if (busy) {
    for (let i = 0; i < size; i++) made.fork("a task that held a worker", unharmed, made.gate.await)
    guarded(() => made.submit("a task that came before", unharmed))
  }
  const own = steps.fork(Effect.suspend(() => place.call(made, hook)))
  if (place.observes === true) guarded(() => own.addObserver(() => hook.act(undefined)))
  guarded(() => made.submit("a task that came after", unharmed))
  guarded(() => made.fork("a task that was handed over", unharmed))
  guarded(() => made.forEach("a bulk", unharmed))
  guarded(() => void made.start("a waiter for the idle pool", pool.awaitIdle, true))
  guarded(() => void made.start("a waiter for the empty queue", pool.awaitEmpty, true))
  yield* settle()
  guarded(() => made.gate.openUnsafe())
  yield* settleAll()
  // The caller or the pool's end must be able to end a call that waits forever.
  if (deed.kind === "never" && hook.done) {
    if (own.pollUnsafe() !== undefined) return `${place.name} ended, but should wait forever`
    if (ending === "interrupt") guarded(() => own.interruptUnsafe())
    else if (ending === "scope") {
      made.scopeEnds = true
      made.start("ending the scope", Scope.close(poolScope, Exit.fail("failure")), true)
    } else {
      const mode = ending === "close" && place.silent === true ? ("drain" as const) : ("interrupt" as const)
      made.start("closing", pool.close({ mode }), true)
    }
    yield* settleAll()
  }
  if (place.lasts !== true) {
    const exit = own.pollUnsafe()
    if (exit === undefined) return ledger.broken ?? "the call itself hangs: no step is left, and it has no result"
    const wrong = judge(run, hook, steps.logged, exit)
    if (wrong !== undefined) ledger.violated(wrong, "at the end")
  }
  const unfit = made.callersNotFit()
  if (unfit !== undefined) return ledger.broken ?? unfit
  ledger.finish()
  if (ledger.broken !== undefined) return ledger.broken

  hook.release()
  hook.done = true
  scheduler.budget = setupBudget
  if (!made.scopeEnds) {
    const checking = steps.fork(checkStillWorks(pool))
    yield* settle()
    const exit = checking.pollUnsafe()
    if (exit === undefined) return `a worker is lost: ${JSON.stringify(ledger.check("at the end"))}`
    if (Exit.isFailure(exit)) return `the pool no longer works: ${describe(exit)}`
  }
  made.start("closing the scope of the pool", Scope.close(poolScope, Exit.void), true)
  made.start("closing the scope", Scope.close(steps.scope, Exit.void), true)
  yield* settle()
  const late = made.callersNotFit()
  if (late !== undefined) return late
  if (own.pollUnsafe() === undefined) return "the call itself does not end with the pool's scope"
  const foreign = escaped.filter((cause) => cause !== hook.error || place.observes !== true)
  if (foreign.length > 0) return `a step throws ${String(foreign[0])}`
  return ledger.broken ?? steps.left
})

/** Returns what is wrong with the end of the call with the hostile code, if anything. */
const judge = (
  { deed, place }: HostileCase,
  hook: Hook,
  logged: number,
  exit: Exit.Exit<unknown, unknown>
): string | undefined => {
  const reasons = Exit.isFailure(exit) ? exit.cause.reasons : []
  const defects = reasons.filter(Cause.isDieReason).map((reason) => reason.defect)
  const first = reasons[0]
  if (place.fails !== undefined && deed.kind === "throws") {
    if (first?._tag !== "Fail" || first.error !== place.fails) return `its own failure is lost: ${describe(exit)}`
  }
  if (!hook.done) return undefined
  if (place.logs === true && deed.kind === "throws" && logged === 0) return "the log does not show what was thrown"
  if (place.logs === true && deed.kind === "returns" && logged === 0) return "the log does not show what was returned"
  if (deed.kind === "throws") {
    const blamed = defects.includes(hook.error)
    if (place.thrown === "defect" && !blamed) return `the thrown error is not the defect of its call: ${describe(exit)}`
    if (place.thrown === "unaffected" && blamed)
      return `the thrown error became the defect of another call: ${describe(exit)}`
    if (place.thrown === "unaffected" && place.fails === undefined && Exit.isFailure(exit)) {
      return `the call fails because other code threw: ${describe(exit)}`
    }
  }
  if (deed.kind === "returns" && place.returned === "success" && Exit.isFailure(exit)) {
    return `the call fails because other code returned an invalid value: ${describe(exit)}`
  }
  if (deed.kind === "returns" && place.returned === "defect" && defects.length === 0) {
    if (place.objects === true && typeof deed.value === "object" && deed.value !== null) return undefined
    return `an invalid value is not the defect of its call: ${describe(exit)}`
  }
  return undefined
}

const describe = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isSuccess(exit)
    ? `success ${String(exit.value)}`
    : exit.cause.reasons
        .map((reason) =>
          reason._tag === "Fail"
            ? `Fail(${word(reason.error)})`
            : reason._tag === "Die"
              ? `Die(${word(reason.defect)})`
              : "Interrupt"
        )
        .join(" + ")

const word = (error: any): string =>
  typeof error?._tag === "string" ? `${error._tag} ${error.reason ?? ""}` : String(error)
