/**
 * Random jobs on a real executor: each call must settle once, with an answer of the right kind, and no job may run twice.
 *
 * The main thread stalls between starts and cancels; arguments, results and errors are hostile; calls are interrupted at
 * any moment, some by the arguments of other calls; threads are killed from outside.
 */
import { Executor, type ExecutorError } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Random } from "@aio-task-pool/testing/random"
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger } from "effect"
import * as jobs from "./jobs/fuzz.ts"
import { watchThreads } from "./support.ts"

/** The seed of `FUZZ_SEED`, or a new one. */
export const seed = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

export const fuzz = (total: number, threads: number): Effect.Effect<void, ExecutorError> =>
  Effect.gen(function* () {
    const watched = watchThreads()
    const executor = NodeExecutor.layer({
      threads,
      spare: 1,
      recycleAfter: Math.ceil(total / 7),
      spin: (seed % 3) / 10
    })
    // Threads that end without a job are logged, and here that is what is to happen.
    yield* Effect.provide(run(total, threads, watched), Layer.provide(executor, Logger.layer([])))
    // Threads in native code may end later than closing waits for.
    while (watched.alive.size > 0) yield* Effect.sleep(5)
    watched.stop()
  })

type Fibers = Map<number, Fiber.Fiber<unknown, ExecutorError>>

const run = Effect.fnUntraced(function* (total: number, threads: number, watched: ReturnType<typeof watchThreads>) {
  const random = new Random(seed + threads)
  const { stats } = yield* Executor
  const cells = new Int32Array(new SharedArrayBuffer(total * 4))
  yield* Effect.forEach(Array.from({ length: threads }), () => Executor.run(jobs.give, [cells]), {
    concurrency: threads
  })
  const before = yield* stats

  const inFlight: Fibers = new Map()
  /** How often each call has settled, and whether it was interrupted from here. */
  const settled = new Uint8Array(total)
  const interrupted = new Uint8Array(total)
  let hostile = 0
  const interrupt = (i: number, fiber: Fiber.Fiber<unknown, ExecutorError>): void => {
    if (isSureToCrash(i)) return
    interrupted[i] = 1
    fiber.interruptUnsafe()
  }
  /** Interrupts one of the oldest calls: one that runs, that has just ended, that is next, or that is being posted. */
  const meddle = (): void => {
    const index = Math.floor(random.next() * Math.min(8, inFlight.size))
    for (const [at, [i, fiber]] of [...inFlight].entries()) if (at === index) interrupt(i, fiber)
  }

  const start = (i: number, { isHostile, run }: Call, startImmediately = true) =>
    Effect.map(Effect.forkChild(run, { startImmediately }), (fiber) => {
      if (isHostile === true) hostile++
      fiber.addObserver(() => {
        settled[i]!++
        inFlight.delete(i)
      })
      if (fiber.pollUnsafe() === undefined) inFlight.set(i, fiber)
      return fiber
    })

  const one = Effect.fnUntraced(function* (i: number) {
    const call = choose({ cells, i, random, meddle })
    const moment = random.next()
    const fiber = yield* start(i, call, moment > 0.02)
    if (moment < 0.15) {
      // Before it is posted, while it is posted or runs, or after it has ended and the main thread has not looked.
      if (moment > 0.13) yield* Effect.sleep(random.next() * 2)
      else if (moment > 0.1) yield* Effect.yieldNow
      else if (moment > 0.05) {
        stall(random.next() < 0.2 ? random.next() * 30 : random.next() * 3)
        meddle()
      }
      interrupt(i, fiber)
    }
    return { expected: call.expected, exit: yield* Fiber.await(fiber) }
  })

  /** Interrupts a call that may have ended, while the one posted behind it takes long. */
  const two = Effect.fnUntraced(function* (i: number, j: number) {
    const first = yield* start(i, { expected: "slot", run: Executor.run(jobs.inSlot, [i]) })
    const second = yield* start(j, { expected: "slot", run: Executor.run(jobs.varying, [j, 4 + random.next() * 10]) })
    stall(random.next() * 2)
    interrupt(i, first)
    return [
      { expected: "slot", exit: yield* Fiber.await(first) },
      { expected: "slot", exit: yield* Fiber.await(second) }
    ] as const
  })

  // A thread that is killed from outside, whatever it is doing; not one that is just being started, which has tests of
  // its own.
  const kill = Effect.gen(function* () {
    if ((yield* stats).threads < 2) return
    const [oldest] = watched.online
    yield* Effect.sync(() => void oldest?.terminate())
  })

  // Each caller takes the next number: `Effect.forEach` over the numbers starts some twice when a call ends in the step
  // that starts another one, as calls do here.
  const outcomes: Array<{ readonly expected: string; readonly exit: Exit.Exit<unknown, ExecutorError> }> = []
  let next = 0
  const call = Effect.fnUntraced(function* (end: number) {
    while (next < end) {
      const i = next++
      if (i % 500 === 499) yield* kill
      if (next < end && !isSureToCrash(i) && !isSureToCrash(next) && random.next() < 0.04) {
        const j = next++
        const [first, second] = yield* two(i, j)
        outcomes[i] = first
        outcomes[j] = second
      } else outcomes[i] = yield* one(i)
    }
  })
  const callers = (count: number, end: number) =>
    Effect.forEach(Array.from({ length: count }), () => call(end), { concurrency: "unbounded", discard: true })
  // First far more calls than threads can take, so that they wait; then few, so that they are posted at once.
  yield* callers(200, total / 2)
  yield* callers(4 * threads, total)

  const counts: Record<string, number> = {}
  for (const [i, { exit, expected }] of outcomes.entries()) {
    const runs = cells[i]!
    const outcome = outcomeOf(exit)
    counts[outcome] = (counts[outcome] ?? 0) + 1
    const told = `job ${i} (${expected}) ended ${outcome} after ${runs} runs, ${threads} threads, seed ${seed}`
    assert.strictEqual(settled[i], 1, told)
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
        assert.strictEqual(interrupted[i], 1, told)
        break
      case "WorkerCrashed":
        assert.isTrue(errorOf(exit)._tag === "WorkerCrashed" && (errorOf(exit) as any).reason !== "start", told)
        break
      case "TaskThrew": {
        assert.strictEqual(outcome, expected, told)
        assert.strictEqual(runs, 1, told)
        const { cause } = errorOf(exit) as ExecutorError & { readonly cause: any }
        // What could be read of a hostile error is there.
        if (cause instanceof Error) assert.strictEqual(cause.message, `${i}`, told)
        break
      }
      default:
        assert.strictEqual(outcome, expected, told)
        if ((errorOf(exit) as any).direction === "result") assert.strictEqual(runs, 1, told)
        else assert.strictEqual(runs, 0, told)
    }
  }

  // Jobs that were abandoned end by themselves.
  while ((yield* stats).running > 0) yield* Effect.sleep(1)
  const after = yield* stats
  assert.strictEqual(after.waiting, 0)
  // A call that was interrupted is answered or not.
  const interrupts = interrupted.reduce((sum, one) => sum + one, 0)
  assert.isAtMost(after.settled - before.settled, total)
  assert.isAtLeast(after.settled - before.settled, total - interrupts)
  for (const outcome of ["Success", "Interrupted", "TaskThrew", "NotCloneable", "WorkerCrashed"]) {
    assert.isAbove(counts[outcome] ?? 0, 0, `${outcome} in ${JSON.stringify(counts)}, seed ${seed}`)
  }
  yield* Effect.sync(() =>
    process.stdout.write(
      `fuzz, ${threads} threads: ${total} calls, ${interrupts} interrupts, ${hostile} hostile calls, ` +
        `${after.replaced} threads ended; ${JSON.stringify(counts)}, seed ${seed}\n`
    )
  )
})

interface Draw {
  readonly cells: Int32Array
  readonly i: number
  readonly random: Random
  readonly meddle: () => void
}

interface Call {
  readonly expected: string
  readonly run: Effect.Effect<unknown, ExecutorError, Executor>
  readonly isHostile?: boolean
}

/** Whether a call ends its thread, and nothing interrupts it: one in 200, so that even a short run has some. */
const isSureToCrash = (i: number): boolean => i % 200 === 100

const choose = ({ cells, i, meddle, random }: Draw): Call => {
  const kind = isSureToCrash(i) ? 0.851 : random.next()
  const onInterrupt = random.next() < 0.5 ? ("terminate" as const) : ("abandon" as const)
  const options = { onInterrupt }
  if (kind < 0.1) return { expected: "slot", run: Executor.run(jobs.inSlot, [i], options) }
  // Mostly quick, so that others are posted behind it, and sometimes not.
  if (kind < 0.4) {
    const run = Executor.run(jobs.varying, [i, random.next() < 0.03 ? random.next() * 10 : 0], options)
    return { expected: "slot", run }
  }
  if (kind < 0.65) return { expected: "value", run: Executor.run(jobs.quick, [cells, i], options) }
  if (kind < 0.69) return { expected: "value", run: Executor.run(jobs.later, [cells, i], options) }
  if (kind < 0.73) return { expected: "value", run: Executor.run(jobs.large, [cells, i], options) }
  if (kind < 0.75) return { expected: "value", run: Executor.run(jobs.slow, [cells, i, random.next() * 4], options) }
  if (kind < 0.77) {
    const bytes = new Uint8Array(10)
    const run = Executor.run(jobs.quick, [cells, i, bytes] as never, { ...options, transfer: [bytes.buffer] })
    return { expected: "value", run }
  }
  if (kind < 0.79) {
    return {
      expected: "value",
      run: Effect.map(Executor.map(jobs.quickItem, [{ cells, i }], { chunk: 2 }), ([n]) => n)
    }
  }
  if (kind < 0.83) return { expected: "TaskThrew", run: Executor.run(jobs.throwing, [cells, i], options) }
  if (kind < 0.85) return { expected: "NotCloneable", run: Executor.run(jobs.uncloneable, [cells, i], options) }
  if (kind < 0.8525) return { expected: "WorkerCrashed", run: Executor.run(jobs.exiting, [cells, i], options) }
  if (kind < 0.8555) return { expected: "value", run: Executor.run(jobs.rejecting, [cells, i], options) }

  // Hostile ones: what throws when it is looked at, on its way there, on its way back, and thrown.
  const isHostile = true
  const which = Math.floor(random.next() * jobs.hostile.length)
  if (kind < 0.89) {
    const value = jobs.hostile[which]!(i) as never
    return { expected: "NotCloneable", isHostile, run: Executor.run(jobs.quick, [cells, i, [value]] as never, options) }
  }
  if (kind < 0.92) {
    return { expected: "NotCloneable", isHostile, run: Executor.run(jobs.hostileResult, [cells, i, which], options) }
  }
  if (kind < 0.95) {
    return { expected: "TaskThrew", isHostile, run: Executor.run(jobs.hostileThrow, [cells, i, which], options) }
  }
  if (kind < 0.97)
    return { expected: "TaskThrew", isHostile, run: Executor.run(jobs.hostileError, [cells, i], options) }
  // Arguments that interrupt other calls, or stall the main thread, while they are copied.
  const value = {
    get meddles() {
      if (random.next() < 0.3) meddle()
      if (random.next() < 0.05) stall(random.next() * 10)
      return 1
    }
  }
  return { expected: "value", isHostile, run: Executor.run(jobs.quick, [cells, i, value] as never, options) }
}

/** Holds the main thread up, so that threads run ahead of it. */
const stall = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

const outcomeOf = (exit: Exit.Exit<unknown, ExecutorError>): string =>
  Exit.isSuccess(exit) ? "Success" : Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : errorOf(exit)._tag

const errorOf = (exit: Exit.Exit<unknown, ExecutorError>): ExecutorError =>
  Cause.squash((exit as Exit.Failure<unknown, ExecutorError>).cause) as ExecutorError
