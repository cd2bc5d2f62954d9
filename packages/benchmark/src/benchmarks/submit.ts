/**
 * One caller per task, all submitting at once, each waiting for its result: three benchmarks with different tasks.
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

/** The minimum cost of a task in Effect. */
const floor = "Effect.forEach, no limit"

const comparisons = (kind: Kind, targets: Readonly<Record<string, number>>) => (quick: boolean) =>
  [...Object.entries(peers), [floor, ways.unlimited] as const].map(([peer, way]): Comparison => {
    // Effect's Semaphore is quadratic in its waiters: with 50,000 of them it would take half a minute.
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
  title: "50,000 callers submit one task each, all at once, 10 workers, each task waits for one setImmediate",
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
  title: "as submit, each task waits for one microtask",
  unit: "µs",
  comparisons: comparisons(micro, {})
}

export const submitSync: Benchmark = {
  name: "submit-sync",
  title: "as submit, each task succeeds at once",
  unit: "µs",
  comparisons: comparisons(sync, { "p-limit": 1.3 })
}
