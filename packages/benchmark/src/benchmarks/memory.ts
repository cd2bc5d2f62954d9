/**
 * The heap that a waiting task takes: in the pool alone, and with the fiber that waits for its result.
 */
import { AioFixedTaskPoolSimple, type TaskPoolService } from "@aio-task-pool/core"
import { queue } from "async"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as fastq from "fastq"
import pLimit from "p-limit"
import PQueue from "p-queue"
import type { Benchmark, Side } from "../benchmark.ts"
import { sync, Tally, type Work } from "../work.ts"

/** Lets `tasks` tasks wait, calls `measure` when all of them wait, then runs them to their end. */
type Way = (work: Work, tasks: number, measure: () => void) => Promise<unknown>

const side =
  (tasks: number, way: Way): Side =>
  async () => {
    const tally = new Tally()
    const before = heapUsed()
    let after = before
    await way(sync.make(tally), tasks, () => {
      after = heapUsed()
      tally.check(0, { least: 0, most: 0 })
    })
    tally.check(tasks, { least: 1, most: 1 })
    return (after - before) / tasks
  }

const heapUsed = (): number => {
  if (globalThis.gc === undefined) throw new Error("memory is measured after a collection: run node with --expose-gc")
  globalThis.gc()
  // The second collection frees what the first one has finalized.
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

// ---- a task alone --------------------------------------------------------------------------------------------------

const taskPool: Way = ({ effect }, tasks, measure) =>
  inIdlePool(
    Effect.fnUntraced(function* (pool) {
      yield* Effect.replicateEffect(pool.fork(effect), tasks, { discard: true })
      measure()
      yield* pool.resize(1)
      yield* pool.awaitIdle
    })
  )

/** Any queue that adds a task and returns a promise of its end, in FIFO order, one task at a time. */
const promises =
  (make: () => (task: Work["promise"]) => Promise<unknown>): Way =>
  async ({ promise }, tasks, measure) => {
    const add = make()
    let open = () => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    let last = add(() => gate)
    for (let i = 0; i < tasks; i++) last = add(promise)
    measure()
    open()
    await last
  }

const promiseQueue = () => {
  const tasks = new PQueue({ concurrency: 1 })
  return (task: Work["promise"]) => tasks.add(task)
}

const fastQueue = () => {
  const tasks = fastq.promise((task: Work["promise"]) => task(), 1)
  return (task: Work["promise"]) => tasks.push(task)
}

const asyncQueue = () => {
  const tasks = queue(async (task: Work["promise"]) => await task(), 1)
  return (task: Work["promise"]) => tasks.pushAsync(task)
}

// ---- with the fiber of a submitter that waits for the result -------------------------------------------------------

const taskPoolWithFiber: Way = ({ effect }, tasks, measure) =>
  inIdlePool(
    Effect.fnUntraced(function* (pool) {
      const fibers = yield* Effect.replicateEffect(Effect.forkChild(pool.submit(effect)), tasks)
      while ((yield* pool.stats).waiting < tasks) yield* Effect.yieldNow
      measure()
      yield* pool.resize(1)
      yield* Fiber.joinAll(fibers)
    })
  )

/** Any limit that runs one task at a time, in the calling fiber or for it. */
const fibers =
  (make: () => (task: Effect.Effect<void>) => Effect.Effect<void>): Way =>
  ({ effect }, tasks, measure) =>
    Effect.gen(function* () {
      const within = make()
      const begun = yield* Deferred.make<void>()
      const gate = yield* Latch.make()
      yield* Effect.forkChild(within(Effect.andThen(Deferred.succeed(begun, undefined), gate.await)))
      yield* Deferred.await(begun)
      let parked = 0
      const submit = Effect.suspend(() => {
        parked++
        return within(effect)
      })
      const fibers = yield* Effect.replicateEffect(Effect.forkChild(submit), tasks)
      while (parked < tasks) yield* Effect.yieldNow
      measure()
      yield* gate.open
      yield* Fiber.joinAll(fibers)
    }).pipe(Effect.runPromise)

const wrappedPromiseLimit = () => {
  const run = pLimit(1)
  return (task: Effect.Effect<void>) => Effect.promise(() => run(() => Effect.runPromise(task)))
}

const effectPartitionedSemaphore = () => PartitionedSemaphore.makeUnsafe<string>({ permits: 1 }).withPermit("all")

/** Runs with a pool that has no workers yet, so that all tasks wait. */
const inIdlePool = <E>(use: (pool: TaskPoolService) => Effect.Effect<void, E>) =>
  AioFixedTaskPoolSimple.make({ size: 0 }).pipe(Effect.flatMap(use), Effect.scoped, Effect.runPromise)

export const memory: Benchmark = {
  name: "memory",
  title: "heap per waiting task, with 100,000 of them: the task alone, and with the fiber that waits for its result",
  unit: "bytes",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 100_000
    const ours = side(tasks, taskPool)
    const oursWithFiber = side(tasks, taskPoolWithFiber)
    const target = { ours: 200 }
    return [
      {
        peer: "p-limit",
        ours,
        theirs: side(
          tasks,
          promises(() => pLimit(1))
        ),
        target
      },
      { peer: "p-queue", ours, theirs: side(tasks, promises(promiseQueue)), target },
      { peer: "fastq", ours, theirs: side(tasks, promises(fastQueue)), target },
      { peer: "async.queue", ours, theirs: side(tasks, promises(asyncQueue)), target },
      { peer: "wrapped p-limit, with fiber", ours: oursWithFiber, theirs: side(tasks, fibers(wrappedPromiseLimit)) },
      {
        peer: "Effect PartitionedSemaphore, with fiber",
        ours: oursWithFiber,
        theirs: side(tasks, fibers(effectPartitionedSemaphore))
      }
    ]
  }
}
