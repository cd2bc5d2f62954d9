import { Executor, type ExecutorError } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { randomOf, watchThreads } from "./support.ts"
import * as jobs from "./jobs/fuzz.ts"

// FUZZ_SEED repeats a run whose seed was printed.
const seed = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Registers this number of random jobs on one executor. */
export const fuzz = (total: number): void =>
  it.live(`${total} random jobs each settle once, none runs twice, and no thread is left (FUZZ_SEED=${seed})`, () =>
    Effect.gen(function* () {
      const random = randomOf(seed)
      const threads = watchThreads()
      const counts: Record<string, number> = {}
      const cells = new Int32Array(new SharedArrayBuffer(total * 4))

      yield* Effect.gen(function* () {
        const { stats } = yield* Executor
        yield* Effect.all([Executor.run(jobs.give, [cells]), Executor.run(jobs.give, [cells])], { concurrency: 2 })
        const before = yield* stats

        const one = (i: number) =>
          Effect.gen(function* () {
            // Some crash in any run, however short it is.
            const kind = i % Math.floor(total / 5) === 0 ? 0.998 : random()
            const { expected, run } = choose(kind, cells, i, random())
            const moment = random()
            if (moment > 0.06) return { expected, exit: yield* Effect.exit(run) }
            const fiber = yield* Effect.forkChild(run, { startImmediately: moment > 0.01 })
            // Before it is posted, while it is posted or runs, or after it has ended.
            if (moment > 0.055) yield* Effect.sleep(random() * 2)
            else if (moment > 0.03) yield* Effect.yieldNow
            yield* Fiber.interrupt(fiber)
            return { expected, exit: yield* Fiber.await(fiber) }
          })

        // Threads that are killed from outside, whatever they are doing.
        const killer = Effect.gen(function* () {
          yield* Effect.sleep(150 + random() * 300)
          // Not one that is just being started: starting has tests of its own.
          if ((yield* stats).threads < 2) return
          const [oldest] = threads.online
          yield* Effect.sync(() => void oldest?.terminate())
        })
        const killing = yield* Effect.forkChild(Effect.forever(killer))

        const outcomes = yield* Effect.forEach(
          Array.from({ length: total }, (_, i) => i),
          one,
          { concurrency: 200 }
        )
        yield* Fiber.interrupt(killing)

        let interrupted = 0
        for (const [i, { exit, expected }] of outcomes.entries()) {
          const runs = cells[i]!
          const outcome = outcomeOf(exit)
          counts[outcome] = (counts[outcome] ?? 0) + 1
          const told = `job ${i} (${expected}) ended ${outcome} after ${runs} runs, seed ${seed}`
          assert.isAtMost(runs, 1, told)
          switch (outcome) {
            case "Success": {
              const value = (exit as Exit.Success<any>).value
              assert.strictEqual(typeof value === "object" ? value.i : value, i, told)
              if (expected !== "slot") assert.strictEqual(runs, 1, told)
              assert.include(["value", "slot"], expected, told)
              break
            }
            case "Interrupted":
              interrupted++
              break
            case "WorkerCrashed":
              assert.isTrue(errorOf(exit)._tag === "WorkerCrashed" && (errorOf(exit) as any).reason !== "start", told)
              break
            default:
              assert.strictEqual(outcome, expected, told)
              if (expected !== "NotCloneable") assert.strictEqual(runs, 1, told)
          }
        }

        // Jobs that were abandoned end by themselves.
        while ((yield* stats).running > 0) yield* Effect.sleep(1)
        const after = yield* stats
        assert.strictEqual(after.waiting, 0)
        // Interrupting a fiber that has just been answered finds its job settled.
        assert.isAtMost(after.settled - before.settled, total)
        assert.isAtLeast(after.settled - before.settled, total - interrupted)
      }).pipe(Effect.provide(NodeExecutor.layer({ threads: 2, spare: 1, recycleAfter: 3000, spin: (seed % 3) / 10 })))

      assert.strictEqual(threads.alive.size, 0)
      threads.stop()
      for (const outcome of ["Success", "Interrupted", "TaskThrew", "NotCloneable", "WorkerCrashed"]) {
        assert.isAbove(counts[outcome] ?? 0, 0, `${outcome} in ${JSON.stringify(counts)}, seed ${seed}`)
      }
    })
  )

const choose = (kind: number, cells: Int32Array, i: number, other: number) => {
  const onInterrupt = other < 0.5 ? ("terminate" as const) : ("abandon" as const)
  if (kind < 0.45) return { expected: "slot", run: Executor.run(jobs.inSlot, [i], { onInterrupt }) }
  if (kind < 0.75) return { expected: "value", run: Executor.run(jobs.quick, [cells, i], { onInterrupt }) }
  if (kind < 0.8) return { expected: "value", run: Executor.run(jobs.later, [cells, i], { onInterrupt }) }
  if (kind < 0.85) return { expected: "value", run: Executor.run(jobs.large, [cells, i], { onInterrupt }) }
  if (kind < 0.87) return { expected: "value", run: Executor.run(jobs.slow, [cells, i, other * 4], { onInterrupt }) }
  if (kind < 0.93) return { expected: "TaskThrew", run: Executor.run(jobs.throwing, [cells, i]) }
  if (kind < 0.96) return { expected: "NotCloneable", run: Executor.run(jobs.uncloneable, [cells, i]) }
  if (kind < 0.9975) return { expected: "NotCloneable", run: Executor.run(jobs.quick, [(() => cells) as never, i]) }
  if (kind < 0.9985) return { expected: "WorkerCrashed", run: Executor.run(jobs.exiting, [cells, i]) }
  if (kind < 0.9993) return { expected: "value", run: Executor.run(jobs.rejecting, [cells, i]) }
  return { expected: "value", run: Executor.run(jobs.later, [cells, i], { onInterrupt }) }
}

const outcomeOf = (exit: Exit.Exit<unknown, ExecutorError>): string =>
  Exit.isSuccess(exit) ? "Success" : Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : errorOf(exit)._tag

const errorOf = (exit: Exit.Exit<unknown, ExecutorError>): ExecutorError =>
  Cause.squash((exit as Exit.Failure<unknown, ExecutorError>).cause) as ExecutorError
