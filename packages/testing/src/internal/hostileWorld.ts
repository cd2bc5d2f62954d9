/**
 * One run of a pool with hostile user code at one of the places where the pool calls such code, and what must hold then.
 *
 * Around the call with the hostile code stand bystanders: tasks that run, wait, and stand at the door before and behind
 * it, a bulk, and waiters for the pool. Everything runs under a `StepScheduler`, so that a hang is "no step is left", and
 * the pool's numbers are looked at in the middle of the hostile code too.
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
import { type Entry, Ledger } from "./ledger.ts"
import { StepWorld } from "./stepWorld.ts"

/** What hostile code does at its place. */
export interface Deed {
  readonly name: string
  readonly kind: "throws" | "answers" | "uses" | "never"
  /** What it throws or answers. */
  readonly value?: unknown
  /** How it uses the pool, in the middle of whatever the pool does. */
  readonly use?: ((world: HostileWorld) => void) | undefined
  /** Whether bystanders may be refused or cancelled by it. */
  readonly harms?: boolean | undefined
}

/** What sizes a pool. */
export type SizingOptions = Pick<AutoScalePoolOptions, "classify" | "policy">

/** Where a pool calls user code, as a call that a submitter makes. */
export interface Place {
  readonly name: string
  readonly call: (world: HostileWorld, hook: Hook) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** How the call ends when the code throws: with that defect, as if nothing had been, or either way. */
  readonly thrown: "own" | "nobody" | "any"
  /** How the call ends when the code answers nonsense; `undefined` where it answers nothing. */
  readonly answered?: "defect" | "any" | "success" | undefined
  /** Whether a line in the log tells what the code threw, or answered. */
  readonly logs?: boolean | undefined
  /** Options of the pool that contain the code. */
  readonly options?: ((hook: Hook) => SizingOptions) | undefined
  /** Whether time passes: tasks sleep for a millisecond each, and the clock moves. */
  readonly ticks?: boolean | undefined
  /** Whether any object is an answer that makes sense. */
  readonly objects?: boolean | undefined
  /** Whether the code may keep its call waiting for ever, so that only an interruption or the pool's end ends it. */
  readonly never?: boolean | undefined
  /** Whether it is a source that keeps its call waiting: no task does, and a pool that drains does not wait for it. */
  readonly silent?: boolean | undefined
  /** A failure of its own that the call must still show. */
  readonly fails?: string | undefined
  /** Whether the code is called many times, so that the deed may come later. */
  readonly often?: boolean | undefined
  /** Whether the call may refuse or cancel bystanders by itself. */
  readonly harms?: boolean | undefined
  /** Whether the code is an observer of the call's own fiber. */
  readonly observes?: boolean | undefined
  /** Whether the call goes on as long as the pool. */
  readonly lasts?: boolean | undefined
  /** Whether promises are involved, which are no steps. */
  readonly promises?: boolean | undefined
}

/** One run. */
export interface HostileCase {
  readonly place: Place
  readonly deed: Deed
  readonly size: number
  /** Whether all workers are taken when the call comes. */
  readonly busy: boolean
  /** How often the code behaves before it does its deed. */
  readonly after: number
  readonly budget: number
  /** What ends a call that waits for ever. */
  readonly ending: "interrupt" | "close" | "close, interrupting" | "scope"
}

export const nameOf = ({ after, budget, busy, deed, ending, place, size }: HostileCase): string => {
  const when = after === 0 ? "" : `, the time after ${after}`
  const end = deed.kind === "never" ? `, ended by ${ending}` : ""
  return `${place.name} ${deed.name}${when} (${busy ? "busy" : "idle"} pool of ${size}, budget ${budget}${end})`
}

/** The hostile code's side of a run. */
export class Hook {
  readonly error = new Error("hostile")
  /** Whether the deed was done. */
  done = false
  /** Where it is; code that runs while the pool is made is not yet there. */
  world: HostileWorld | undefined = undefined
  private before: number
  private readonly deed: Deed
  private readonly pending: Array<() => void> = []

  constructor({ after, deed }: HostileCase) {
    this.deed = deed
    this.before = after
  }

  /** Does the deed if its time has come; otherwise gives the answer that is expected. */
  act<A>(expected: A): A {
    if (this.world === undefined) return expected
    this.world.ledger.look("in hostile code")
    if (this.deed.kind === "never" || this.done || this.before-- > 0) return expected
    this.done = true
    const { kind, use, value } = this.deed
    if (kind === "throws") throw this.error
    if (kind === "answers") return value as A
    use?.(this.world)
    this.world.ledger.look("in hostile code that used the pool")
    return expected
  }

  /** The same as an effect. */
  effect<A>(expected: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => (this.neverNow() ? Effect.never : this.act(expected)))
  }

  /** The same as a promise; with `later` the deed comes after a turn of the microtasks. */
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

  /** Lets promises end that never would. */
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
    { place, size }: Pick<HostileCase, "place" | "size">
  ) {
    this.ticks = place.ticks === true
    this.steps = steps
    this.pool = pool
    this.poolScope = poolScope
    this.size = size
    this.ledger = new Ledger(pool)
    this.ledger.sizesItself = this.ticks
    this.ledger.bulks = 1
  }

  /** A task of a few steps. */
  readonly work = (): Effect.Effect<unknown> =>
    Effect.andThen(this.ticks ? Effect.sleep(1) : Effect.yieldNow, Effect.succeed("done"))

  /** Others that wait for the same, who came before and who come after. */
  others(name: string, waiting: Effect.Effect<unknown, unknown>): void {
    this.start(`${name}, who came before,`, waiting, true)
    this.start(`${name}, who came after,`, Effect.andThen(Effect.yieldNow, waiting), true)
  }

  /** Uses the pool in this very step; whatever comes of it must come. */
  side(name: string, effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    this.start(`${name} from hostile code`, effect, false)
  }

  /** A submit in this very step, by a caller who is told once. */
  submit(name: string, mustSucceed: boolean): void {
    const entry = this.ledger.entry(`${name} ${++this.count}`)
    const submitting = this.pool.submit(this.ledger.task(entry, this.work()))
    this.start(entry.name, this.telling([entry], submitting), mustSucceed)
  }

  /** A task that is handed over, and its joiner. */
  fork(name: string, mustSucceed: boolean, body = this.work(), nowait = false): void {
    const entry = this.ledger.entry(`${name} ${++this.count}`)
    const task = this.ledger.task(entry, body)
    const forking = nowait ? this.pool.submitNowait(task) : this.pool.fork(task)
    const joining = Effect.flatMap(forking, (handle) => {
      this.handles.push(handle)
      return handle.join
    })
    this.start(entry.name, this.telling([entry], joining), mustSucceed)
  }

  forEach(name: string, mustSucceed: boolean): void {
    const entries = [0, 1, 2].map((item) => this.ledger.entry(`${name} ${++this.count}, item ${item}`, true))
    const running = this.pool.forEach(entries, (entry) => this.ledger.task(entry, this.work()))
    this.start(`${name} ${this.count}`, this.telling(entries, running), mustSucceed)
  }

  private telling(entries: ReadonlyArray<Entry>, effect: Effect.Effect<unknown, unknown>) {
    return Effect.onExit(effect, (exit) => Effect.sync(() => this.ledger.tell(entries, exit)))
  }

  start(name: string, effect: Effect.Effect<unknown, unknown, Scope.Scope>, mustSucceed: boolean) {
    const fiber = this.steps.fork(effect)
    this.callers.push({ name, fiber, mustSucceed })
    return fiber
  }

  /** Who has not been told, or what was told that should not. */
  callersNotFit(): string | undefined {
    for (const { fiber, mustSucceed, name } of this.callers) {
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return `${name} hangs: no step is left, and it was told nothing`
      if (mustSucceed && Exit.isFailure(exit)) return `${name} fails with ${describe(exit)}, and is nobody's business`
    }
    return undefined
  }

  /** Gives the workers back that were taken away; answers whether there was need to. */
  regrow(): boolean {
    const { phase, targetSize } = this.ledger.look("at the release")
    if (phase === "Closed" || targetSize >= this.size) return false
    this.steps.fork(this.pool.resize(this.size))
    return true
  }

  /** As many tasks run at once as there are workers, and closing an idle pool has nothing to report. */
  get check(): Effect.Effect<unknown, unknown> {
    return Effect.gen({ self: this }, function* () {
      const { pool } = this
      yield* pool.start
      yield* pool.resume
      yield* pool.resize(2)
      let arrived = 0
      const both = Latch.makeUnsafe()
      const meet = Effect.suspend(() => (++arrived === 2 ? both.open : both.await))
      yield* Effect.all([pool.submit(meet), pool.submit(meet)], { concurrency: "unbounded" })
      const report = yield* pool.close()
      if (report.completed + report.interrupted + report.neverRun > 0) {
        this.ledger.violated(`an idle pool closes with ${JSON.stringify(report)}`, "at the end")
      }
    })
  }
}

/** Builds the pool of a run, with its number of workers. */
export type PoolOf = (size: number, options: SizingOptions) => Layer.Layer<TaskPool>

/** Runs a case, and answers what did not hold. */
export const runCase = Effect.fnUntraced(function* (poolOf: PoolOf, run: HostileCase) {
  const { budget, busy, deed, ending, place, size } = run
  const steps = new StepWorld({ budget: setupBudget })
  const { scheduler } = steps
  const escaped: Array<unknown> = []
  // What an observer throws goes to whoever made the observed fiber go on: here to the step.
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
        world?.ledger.look("after a step")
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
  do yield* settle()
  while (guarded(() => made.regrow()) === true)
  // What may wait for ever may be ended, by its caller and by the pool's end.
  if (deed.kind === "never" && hook.done) {
    if (own.pollUnsafe() !== undefined) return `${place.name} ended, and never should`
    if (ending === "interrupt") guarded(() => own.interruptUnsafe())
    else if (ending === "scope") {
      made.scopeEnds = true
      made.start("ending the scope", Scope.close(poolScope, Exit.fail("failure")), true)
    } else {
      const mode = ending === "close" && place.silent === true ? ("drain" as const) : ("interrupt" as const)
      made.start("closing", pool.close({ mode }), true)
    }
    do yield* settle()
    while (guarded(() => made.regrow()) === true)
  }
  if (place.lasts !== true) {
    const exit = own.pollUnsafe()
    if (exit === undefined) return ledger.broken ?? "the call itself hangs: no step is left, and it was told nothing"
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
    const checking = steps.fork(made.check)
    yield* settle()
    const exit = checking.pollUnsafe()
    if (exit === undefined) return `a worker is lost: ${JSON.stringify(ledger.look("at the end"))}`
    if (Exit.isFailure(exit)) return `the pool does not work any more: ${describe(exit)}`
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

/** Whether the call with the hostile code ended as it should. */
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
  if (place.logs === true && deed.kind === "throws" && logged === 0) return "what was thrown is in no log"
  if (place.logs === true && deed.kind === "answers" && logged === 0) return "what was answered is in no log"
  if (deed.kind === "throws") {
    const blamed = defects.includes(hook.error)
    if (place.thrown === "own" && !blamed) return `what was thrown is not its defect: ${describe(exit)}`
    if (place.thrown === "nobody" && blamed) return `what was thrown became its defect: ${describe(exit)}`
    if (place.thrown === "nobody" && place.fails === undefined && Exit.isFailure(exit)) {
      return `it fails though others threw: ${describe(exit)}`
    }
  }
  if (deed.kind === "answers" && place.answered === "success" && Exit.isFailure(exit)) {
    return `it fails though others answered nonsense: ${describe(exit)}`
  }
  if (deed.kind === "answers" && place.answered === "defect" && defects.length === 0) {
    if (place.objects === true && typeof deed.value === "object" && deed.value !== null) return undefined
    return `nonsense is no defect: ${describe(exit)}`
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
