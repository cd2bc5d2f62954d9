/**
 * As many callers as tasks submit at once, and each waits for its own: three benchmarks that differ in what tasks do.
 */
import type { Benchmark, Comparison, Target } from "../benchmark.ts"
import { type Kind, micro, side, sync, tick, type Way } from "../work.ts"
import * as ways from "../ways.ts"

const peers: Readonly<Record<string, Way>> = {
  "p-limit": ways.promiseLimit,
  "p-queue": ways.promiseQueue,
  fastq: ways.fastQueue,
  "async.queue": ways.asyncQueue,
  "wrapped p-limit": ways.wrappedPromiseLimit,
  "wrapped p-queue": ways.wrappedPromiseQueue,
  "Effect PartitionedSemaphore": ways.effectPartitionedSemaphore,
  "Effect Semaphore": ways.effectSemaphore
}

/** The least a task can cost in Effect: what is above it is ours. */
const floor = "Effect.forEach, no limit"

const comparisons = (kind: Kind, targets: Readonly<Record<string, number>>) => (quick: boolean) =>
  [...Object.entries(peers), [floor, ways.unlimited] as const].map(([peer, way]): Comparison => {
    // Effect's Semaphore is quadratic in its waiters: fewer of them, or it would take half a minute.
    const tasks = way === ways.effectSemaphore ? (quick ? 4_000 : 16_000) : quick ? 10_000 : 50_000
    const target = targets[peer]
    return {
      peer,
      ours: side(kind, tasks, ways.taskPool),
      theirs: side(kind, tasks, way, peer === floor ? tasks : undefined),
      ...(target !== undefined && { target: { ratio: target } satisfies Target })
    }
  })

export const submit: Benchmark = {
  name: "submit",
  title: "50,000 tasks submitted at once by as many callers, 10 workers, each task waits one setImmediate",
  unit: "µs",
  comparisons: comparisons(tick, {
    "p-limit": 2,
    "p-queue": 0.9,
    "wrapped p-limit": 0.55,
    "wrapped p-queue": 0.35,
    "Effect Semaphore": 0.03
  })
}

export const submitMicro: Benchmark = {
  name: "submit-micro",
  title: "as submit, each task waits one microtask turn",
  unit: "µs",
  comparisons: comparisons(micro, {})
}

export const submitSync: Benchmark = {
  name: "submit-sync",
  title: "as submit, each task succeeds at once",
  unit: "µs",
  comparisons: comparisons(sync, { "p-limit": 1.3 })
}
