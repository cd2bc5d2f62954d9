/**
 * Runs a program under every interleaving of its interruption with a second actor, and checks each run.
 *
 * A `Scenario` builds a small world, defines the subject that is interrupted and the actors that interfere, and says
 * what must hold at every step and at rest. `everyStep` runs it once for every step at which the subject can be
 * interrupted. It does so with several operation budgets and paddings, because each moves the places where a fiber
 * yields. `randomSteps` draws runs at random from a seed. Every run is deterministic, and a `StepFailure` contains the
 * run that failed, for `replay`.
 *
 * The module does not import vitest, so any test runner can use it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Random } from "./internal/random.ts"
import { StepWorld } from "./internal/stepWorld.ts"
import type { StepClock } from "./StepClock.ts"

/**
 * A program to run under every interleaving, and the rules that must hold.
 *
 * **Details**
 *
 * A run has these phases:
 *
 * - `setup`;
 * - `subject`, and from some step on an actor and an interruption of the subject, until no step is left;
 * - `release`, until no step is left; the subject and the actor must have ended then;
 * - `check`;
 * - the scope of `setup` closes, and no fiber, step or sleeper may be left.
 *
 * A function here reports a violated rule by a failure, a defect or an exception.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario<World> {
  readonly name: string
  /** Builds the world. Runs without interference, with a large budget. */
  readonly setup: (clock: StepClock) => Effect.Effect<World, unknown, Scope.Scope>
  /** The effect that is interrupted. */
  readonly subject: (world: World) => Effect.Effect<unknown, unknown>
  /** The effects that may run meanwhile, by name. Each run has at most one. */
  readonly actors?: Readonly<Record<string, (world: World) => Effect.Effect<unknown, unknown>>> | undefined
  /** Releases whatever the world holds back, so that the subject and the actor can end. */
  readonly release?: ((world: World) => Effect.Effect<unknown, unknown>) | undefined
  /** Checks the world after every step. */
  readonly watch?: ((world: World) => void) | undefined
  /** Checks the world whenever no step is left. */
  readonly resting?: ((world: World) => void) | undefined
  /** Checks the world when the subject and the actor have ended. */
  readonly check?: ((world: World, outcome: StepOutcome) => Effect.Effect<unknown, unknown>) | undefined
  /** Checks the world when its scope has closed. */
  readonly closed?: ((world: World) => void) | undefined
}

/**
 * How the subject and the actor ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepOutcome {
  readonly subject: Exit.Exit<unknown, unknown>
  /** `undefined` in a run without an actor. */
  readonly actor: Exit.Exit<unknown, unknown> | undefined
  /** Whether the interruption came before the subject had ended. */
  readonly interrupted: boolean
}

/**
 * The parameters of one run of a scenario. The same parameters give the same run.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepRun {
  readonly scenario: string
  /** The number of operations that a fiber may run in one step. */
  readonly budget: number
  /** The number of operations without effect before the subject. */
  readonly padding: number
  readonly actor: string | undefined
  /** The step before which the actor starts. It starts at rest if there are fewer steps. */
  readonly actorAt: number
  /** The step before which the subject is interrupted, or at rest if there are fewer steps; `undefined` for never. */
  readonly interruptAt: number | undefined
  /** The seed of the order of steps; `undefined` for oldest first. */
  readonly seed: number | undefined
}

/**
 * The result of `everyStep` and `randomSteps`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepReport {
  readonly runs: number
  /** The number of different interleavings: the size of `traces`. */
  readonly distinct: number
  /** The hashes of the runs' operations, so that several reports can count common interleavings once. */
  readonly traces: ReadonlySet<number>
  /** The most steps of a run. */
  readonly longest: number
}

/**
 * A run in which a rule did not hold. `replay` runs it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class StepFailure extends Data.TaggedError("StepFailure")<{
  readonly run: StepRun
  readonly reason: string
}> {
  override get message(): string {
    return `${this.run.scenario}: ${this.reason} in ${JSON.stringify(this.run)}`
  }
}

/**
 * Options of `everyStep`.
 *
 * @category options
 * @since 0.1.0
 */
export interface EveryStepOptions {
  /** Operation budgets, integers of 3 or more, default 3, 4, 5 and 7. */
  readonly budgets?: ReadonlyArray<number> | undefined
  /** The numbers of operations without effect before the subject, default 0 to 5. */
  readonly paddings?: ReadonlyArray<number> | undefined
  /**
   * Steps from the interruption to the start of the actor, default -2, -1, 0, 1, 2 and 4; the actor also starts at the
   * first step, and half way to the interruption.
   */
  readonly offsets?: ReadonlyArray<number> | undefined
  /** Steps after which a run counts as one that never ends, default 20,000. */
  readonly limit?: number | undefined
}

/**
 * Runs a scenario with the subject interrupted before step k, for every k until the subject ends by itself. Does so for
 * every budget and padding, without an actor, and with each actor starting before, at and after the interruption. Runs
 * without an interruption start the actor at every step.
 *
 * **Example** (A lock that keeps its permit)
 *
 * ```ts
 * import { Effect, Semaphore } from "effect"
 * import { everyStep } from "@aio-task-pool/testing"
 *
 * const report = everyStep({
 *   name: "Semaphore.withPermit",
 *   setup: () => Semaphore.make(1),
 *   subject: (semaphore) => semaphore.withPermit(Effect.yieldNow),
 *   actors: { another: (semaphore) => semaphore.withPermit(Effect.yieldNow) },
 *   check: (semaphore) => semaphore.withPermit(Effect.void)
 * })
 *
 * const enough = (await Effect.runPromise(report)).distinct > 50 // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const everyStep = Effect.fnUntraced(function* <World>(
  scenario: Scenario<World>,
  options?: EveryStepOptions
): Effect.fn.Return<StepReport, StepFailure> {
  const tally = new Tally(options?.limit)
  const offsets = options?.offsets ?? [-2, -1, 0, 1, 2, 4]
  const interrupts = (
    run: Omit<StepRun, "interruptAt" | "actorAt">,
    actorsAt: (interruptAt: number) => Array<number>
  ) =>
    Effect.suspend(() => {
      for (let interruptAt = 0; ; interruptAt++) {
        let late = true
        for (const actorAt of actorsAt(interruptAt)) {
          const result = tally.run(scenario, { ...run, actorAt, interruptAt })
          if (result instanceof StepFailure) return Effect.fail(result)
          late = late && result.interruptedLate
        }
        if (late) return Effect.void
      }
    })
  for (const budget of options?.budgets ?? [3, 4, 5, 7]) {
    for (const padding of options?.paddings ?? [0, 1, 2, 3, 4, 5]) {
      const run = { scenario: scenario.name, budget, padding, seed: undefined }
      const whole = tally.run(scenario, { ...run, actor: undefined, actorAt: 0, interruptAt: undefined })
      if (whole instanceof StepFailure) return yield* whole
      yield* interrupts({ ...run, actor: undefined }, () => [0])
      for (const actor of Object.keys(scenario.actors ?? {})) {
        for (let actorAt = 0; ; actorAt++) {
          const result = tally.run(scenario, { ...run, actor, actorAt, interruptAt: undefined })
          if (result instanceof StepFailure) return yield* result
          if (result.actorLate) break
        }
        yield* interrupts({ ...run, actor }, (k) =>
          [...new Set([0, k >> 1, ...offsets.map((offset) => k + offset)])].filter((j) => j >= 0)
        )
        // The runs are synchronous, so other work of this process runs here.
        yield* Effect.yieldNow
      }
    }
  }
  return tally.report
})

/**
 * Options of `randomSteps`.
 *
 * @category options
 * @since 0.1.0
 */
export interface RandomStepsOptions {
  /** The seed of all runs, an integer. */
  readonly seed: number
  /** The number of runs. */
  readonly runs: number
  /** Steps after which a run counts as one that never ends, default 20,000. */
  readonly limit?: number | undefined
}

/**
 * Draws runs at random from a seed: scenario, budget (3 to 12), padding (0 to 9), actor, both steps, and the order of
 * steps in half of the runs.
 *
 * **Example** (A thousand random runs)
 *
 * ```ts
 * import { Effect, Semaphore } from "effect"
 * import { randomSteps, type Scenario } from "@aio-task-pool/testing"
 *
 * const scenario: Scenario<Semaphore.Semaphore> = {
 *   name: "Semaphore.withPermit",
 *   setup: () => Semaphore.make(1),
 *   subject: (semaphore) => semaphore.withPermit(Effect.yieldNow),
 *   actors: { another: (semaphore) => semaphore.withPermit(Effect.yieldNow) },
 *   check: (semaphore) => semaphore.withPermit(Effect.void)
 * }
 *
 * const report = await Effect.runPromise(randomSteps([scenario], { seed: 42, runs: 1000 }))
 * const runs = report.runs // => 1000
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const randomSteps = Effect.fnUntraced(function* (
  scenarios: ReadonlyArray<Scenario<any>>,
  options: RandomStepsOptions
): Effect.fn.Return<StepReport, StepFailure> {
  const tally = new Tally(options.limit)
  const random = new Random(options.seed)
  // The range from which to draw the steps of a scenario: the length of its longest run so far.
  const reach = new Map<string, number>()
  for (let i = 0; i < options.runs; i++) {
    const scenario = random.pick(scenarios)
    const actors = [undefined, ...Object.keys(scenario.actors ?? {})]
    const steps = reach.get(scenario.name) ?? 10
    const result = tally.run(scenario, {
      scenario: scenario.name,
      budget: 3 + random.below(10),
      padding: random.below(10),
      actor: random.pick(actors),
      actorAt: random.below(steps),
      interruptAt: random.below(4) === 0 ? undefined : random.below(steps),
      seed: random.below(2) === 0 ? undefined : random.below(0x7fffffff)
    })
    if (result instanceof StepFailure) return yield* result
    reach.set(scenario.name, Math.max(steps, result.moves + 2))
    if (i % 500 === 499) yield* Effect.yieldNow
  }
  return tally.report
})

/**
 * Runs a scenario once with the parameters of a `StepFailure`. Fails with the same failure, or succeeds if it is fixed.
 *
 * @category running
 * @since 0.1.0
 */
export const replay = <World>(scenario: Scenario<World>, run: StepRun): Effect.Effect<void, StepFailure> =>
  Effect.suspend(() => {
    const result = new Tally().run(scenario, run)
    return result instanceof StepFailure ? Effect.fail(result) : Effect.void
  })

class Tally {
  private readonly limit: number
  private readonly traces = new Set<number>()
  private runs = 0
  private longest = 0

  constructor(limit = 20_000) {
    this.limit = limit
  }

  run<World>(scenario: Scenario<World>, run: StepRun): StepResult | StepFailure {
    const running = new Run(scenario, run, this.limit)
    const exit = Effect.runSyncExit(Effect.sync(() => running.result()))
    this.runs++
    if (Exit.isFailure(exit)) return new StepFailure({ run, reason: reasonOf(exit.cause) })
    if (exit.value.trace !== undefined) this.traces.add(exit.value.trace)
    this.longest = Math.max(this.longest, exit.value.steps)
    return exit.value
  }

  get report(): StepReport {
    return { runs: this.runs, distinct: this.traces.size, traces: this.traces, longest: this.longest }
  }
}

interface StepResult {
  /** `undefined` when the subject was interrupted before it began. */
  readonly trace: number | undefined
  /** The number of steps of the run. */
  readonly steps: number
  /** The number of steps until neither the subject nor the actor had a step left. */
  readonly moves: number
  readonly interruptedLate: boolean
  readonly actorLate: boolean
}

const setupBudget = 1_000_000

class Run<World> {
  private readonly scenario: Scenario<World>
  private readonly run: StepRun
  private readonly limit: number
  private readonly steps: StepWorld
  private world: World | undefined
  private begun = false
  private count = 0

  constructor(scenario: Scenario<World>, run: StepRun, limit: number) {
    this.scenario = scenario
    this.run = run
    this.limit = limit
    this.steps = new StepWorld({ budget: setupBudget, seed: run.seed })
  }

  result(): StepResult {
    const { run, scenario, steps } = this
    const { clock, scheduler } = steps
    const world = this.end("setup", this.steps.fork(scenario.setup(clock)))
    this.world = world
    scheduler.budget = run.budget
    const before = this.count
    const race = this.race(world)
    const moves = this.count - before
    scenario.resting?.(world)
    scheduler.budget = setupBudget
    if (scenario.release !== undefined) this.end("release", this.steps.fork(scenario.release(world)))
    const outcome: StepOutcome = {
      subject: ended("the subject", race.subject),
      actor: race.actor && ended("the actor", race.actor),
      interrupted: race.interrupted
    }
    const trace = this.begun ? scheduler.trace : undefined
    if (scenario.check !== undefined) this.end("check", this.steps.fork(scenario.check(world, outcome)))
    this.end("closing the scope", this.steps.fork(Scope.close(steps.scope, Exit.void)))
    if (steps.left !== undefined) throw new Error(steps.left)
    scenario.closed?.(world)
    return {
      trace,
      steps: this.count,
      moves,
      interruptedLate: race.interruptedLate,
      actorLate: race.actorLate
    }
  }

  // Padding only moves the places where the subject yields, so steps before the subject's own steps are not counted.
  private begin(world: World): Effect.Effect<unknown, unknown> {
    const { scenario, steps } = this
    this.begun = true
    steps.scheduler.beginTrace()
    for (const char of scenario.name) steps.scheduler.mark(char.charCodeAt(0))
    return scenario.subject(world)
  }

  // Until no step is left: runs the subject, the actor from its step on, and the interruption at its step.
  private race(world: World) {
    const { run, scenario, steps } = this
    const { scheduler } = steps
    const start = run.actor === undefined ? undefined : scenario.actors![run.actor]!(world)
    const subject = this.steps.fork(padded(run.padding, () => this.begin(world)))
    this.watch()
    let actor: Fiber.Fiber<unknown, unknown> | undefined
    let interrupting = run.interruptAt !== undefined
    let interrupted = false
    let interruptedLate = false
    let actorLate = false
    for (let step = 0; ; step++) {
      const resting = scheduler.queued === 0
      if (start !== undefined && actor === undefined && (resting || step >= run.actorAt)) {
        actorLate = resting
        scheduler.mark(-1)
        actor = this.steps.fork(start)
        this.watch()
      }
      const still = scheduler.queued === 0
      if (interrupting && (still || step >= run.interruptAt!)) {
        interrupting = false
        interrupted = subject.pollUnsafe() === undefined
        interruptedLate = still || !interrupted
        scheduler.mark(-2)
        subject.interruptUnsafe()
        this.watch()
      }
      if (!this.step()) break
    }
    return { subject, actor, interrupted, interruptedLate, actorLate }
  }

  private end<A>(what: string, fiber: Fiber.Fiber<A, unknown>): A {
    while (this.step());
    const exit = ended(what, fiber)
    if (this.world !== undefined) this.scenario.resting?.(this.world)
    if (Exit.isFailure(exit)) throw new Error(`${what}: ${reasonOf(exit.cause)}`)
    return exit.value
  }

  private step(): boolean {
    if (!this.steps.scheduler.step()) return false
    if (++this.count > this.limit) throw new Error(`no end after ${this.limit} steps`)
    this.watch()
    return true
  }

  private watch(): void {
    if (this.world !== undefined) this.scenario.watch?.(this.world)
  }
}

const padded = (padding: number, subject: () => Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> =>
  padding === 0 ? Effect.suspend(subject) : Effect.flatMap(Effect.void, () => padded(padding - 1, subject))

const ended = <A, E>(what: string, fiber: Fiber.Fiber<A, E>): Exit.Exit<A, E> => {
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Error(`${what} hangs: no step is left, and it has not ended`)
  return exit
}

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}
