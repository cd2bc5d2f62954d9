/**
 * Runs whole programs over task pools, drawn at random from a seed, step by step.
 *
 * A program has one or two pools and some fibers. The fibers submit and fork tasks, run bulks and streams, join, cancel
 * and reprioritize, scale, pause, hold, clear, close and reopen, wait, race, time out, interrupt each other and end scopes.
 * Pools have rates, limits per key and other options. Tasks have keys, permits, time limits and retries, and submit to
 * their own pool and to other pools. A program runs under a `StepScheduler`, in an order given by the seed, and under a
 * `StepClock`.
 *
 * The rules are checked after every step and inside tasks, sources and policies. The pool's statistics add up (I3), no
 * more tasks wait than the capacity allows (I8), and no more tasks run than there are workers (I1). At rest no task
 * waits beside a free worker that it could have (I2), and no submitter waits at the door beside a free place (I9). At the
 * end every submitter has been notified once, with a result that matches what its task did, and no task has begun more
 * often than its retries allow. The pools still have all their workers, close, and leave no fiber and no sleeper.
 *
 * The module does not import vitest, so any test runner can use it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { drawProgram, printProgram, type Program, smaller } from "./internal/programs/grammar.ts"
import {
  type ProgramPool as Kind,
  type ProgramPoolOptions as Options,
  type ProgramRun,
  runProgram
} from "./internal/programs/run.ts"
import {
  drawSequential,
  printSequential,
  runSequential,
  type SequentialProgram,
  smallerSequential
} from "./internal/programs/sequential.ts"
import { collectingUncaught } from "./internal/uncaught.ts"

/**
 * A kind of pool that programs may use.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProgramPool extends Kind {}

/**
 * The pool that a program needs. A fixed pool uses `size`, an auto-scale pool `minSize`, `maxSize`, `policy` and
 * `classify`. The other options are for both.
 *
 * @category options
 * @since 0.1.0
 */
export interface ProgramPoolOptions extends Options {}

/**
 * Options of `randomPrograms`.
 *
 * @category options
 * @since 0.1.0
 */
export interface RandomProgramsOptions {
  /** The seed of the first program, an integer. Each further program uses the next integer. */
  readonly seed: number
  /** The number of programs. */
  readonly programs: number
}

/**
 * The result of `randomPrograms`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProgramReport {
  readonly programs: number
  /** The number of different interleavings. */
  readonly distinct: number
  /** The number of steps of all runs. */
  readonly steps: number
}

/**
 * A program in which a rule did not hold. `seed` draws it again. `text` is the smallest program found that breaks the
 * same rule.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProgramFailure extends Data.TaggedError("ProgramFailure")<{
  readonly seed: number
  readonly reason: string
  readonly text: string
}> {
  override get message(): string {
    return `${this.reason}\nseed ${this.seed}, made smaller:\n${this.text}`
  }
}

/**
 * Draws programs of several fibers from consecutive seeds, runs each, and fails with the first that breaks a rule.
 *
 * **Example** (A hundred programs)
 *
 * ```ts
 * import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
 * import { type ProgramPool, randomPrograms } from "@aio-task-pool/testing"
 * import { Effect } from "effect"
 *
 * const pool: ProgramPool = {
 *   name: "AioFixedTaskPoolSimple",
 *   order: "fifo",
 *   sizesItself: false,
 *   layer: ({ size, ...options }) => AioFixedTaskPoolSimple.layer(size, options)
 * }
 *
 * const nothingFound = Effect.map(randomPrograms([pool], { seed: 3, programs: 5 }), (report) => report.programs)
 * await Effect.runPromise(nothingFound) // => 5
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const randomPrograms = (
  pools: ReadonlyArray<ProgramPool>,
  options: RandomProgramsOptions
): Effect.Effect<ProgramReport, ProgramFailure> => {
  const kinds = pools.map(({ sizesItself }) => sizesItself)
  const family: Family<Program> = {
    draw: (seed) => drawProgram(seed, { kinds }),
    smaller,
    run: (program) => runProgram(pools, program),
    print: (program) => printProgram(program, namesOf(pools))
  }
  return explore(family, options)
}

/**
 * Draws sequential programs, runs each beside a naive model of the pool, and fails with the first in which the two
 * differ: in the tasks that run, wait or have started, in a statistic, or in a submitter's result.
 *
 * @see {@link randomPrograms}
 * @category running
 * @since 0.1.0
 */
export const sequentialPrograms = (
  pools: ReadonlyArray<ProgramPool>,
  options: RandomProgramsOptions
): Effect.Effect<ProgramReport, ProgramFailure> => {
  const family: Family<SequentialProgram> = {
    draw: (seed) => drawSequential(seed, pools.length),
    smaller: smallerSequential,
    run: (program) => Effect.sync(() => runSequential(pools, program)),
    print: (program) => printSequential(program, namesOf(pools))
  }
  return explore(family, options)
}

/** Programs of one kind. */
interface Family<P> {
  readonly draw: (seed: number) => P
  readonly smaller: (program: P) => Iterable<P>
  readonly run: (program: P) => Effect.Effect<ProgramRun>
  readonly print: (program: P) => string
}

const explore = <P>(
  { draw, print, run, smaller }: Family<P>,
  { programs, seed }: RandomProgramsOptions
): Effect.Effect<ProgramReport, ProgramFailure> =>
  collecting((uncaught) =>
    Effect.gen(function* () {
      const guarded = (program: P): Effect.Effect<ProgramRun> => noticing(run(program), uncaught)
      const traces = new Set<number>()
      let steps = 0
      for (let i = 0; i < programs; i++) {
        const program = draw(seed + i)
        const ran = yield* guarded(program)
        if (ran.broken !== undefined) {
          const [smallest, reason] = yield* shrunk(program, ran.broken, smaller, guarded)
          return yield* new ProgramFailure({ seed: seed + i, reason, text: print(smallest) })
        }
        traces.add(ran.trace)
        steps += ran.steps
        // The runs are synchronous, so other work of this process runs here.
        if (i % 200 === 199) yield* Effect.yieldNow
      }
      return { programs, distinct: traces.size, steps }
    })
  )

const namesOf = (pools: ReadonlyArray<ProgramPool>): ReadonlyArray<string> => pools.map(({ name }) => name)

const collecting = <A>(
  use: (uncaught: Array<unknown>) => Effect.Effect<A, ProgramFailure>
): Effect.Effect<A, ProgramFailure> => Effect.flatten(collectingUncaught((uncaught) => Effect.exit(use(uncaught))))

const noticing = (running: Effect.Effect<ProgramRun>, uncaught: Array<unknown>): Effect.Effect<ProgramRun> =>
  Effect.map(running, (run) => {
    const causes = uncaught.splice(0)
    return run.broken !== undefined || causes.length === 0 ? run : { ...run, broken: `uncaught ${String(causes[0])}` }
  })

const shrinkingRuns = 1000

// Continues with any smaller program that breaks the same rule.
const shrunk = Effect.fnUntraced(function* <P>(
  program: P,
  broken: string,
  smaller: (program: P) => Iterable<P>,
  run: (program: P) => Effect.Effect<ProgramRun>
): Effect.fn.Return<readonly [P, string]> {
  let [smallest, reason, left] = [program, broken, shrinkingRuns]
  for (let again = true; again && left > 0;) {
    again = false
    for (const candidate of smaller(smallest)) {
      if (left-- <= 0) break
      const ran = yield* run(candidate)
      if (ran.broken === undefined || ruleOf(ran.broken) !== ruleOf(broken)) continue
      smallest = candidate
      reason = ran.broken
      again = true
      break
    }
  }
  return [smallest, reason]
})

const ruleOf = (broken: string): string => broken.replaceAll(/\d+/g, "").split(/[:,{]/, 2).join()
