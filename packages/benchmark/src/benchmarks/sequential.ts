/**
 * One caller, one task after another: the cost of a pool without waiting tasks.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Benchmark, Comparison } from "../benchmark.ts"
import { type Kind, limit, side, sync, tick, type Way } from "../work.ts"

const taskPool: Way = ({ effect }, items) =>
  Effect.forEach(items, () => TaskPool.submit(effect)).pipe(
    Effect.provide(AioFixedTaskPoolSimple.layer(limit)),
    Effect.runPromise
  )

const effectSemaphore: Way = ({ effect }, items) => {
  const semaphore = Semaphore.makeUnsafe(limit)
  return Effect.runPromise(Effect.forEach(items, () => semaphore.withPermit(effect)))
}

const comparison = (what: string, kind: Kind, tasks: number, target: number): Comparison => ({
  peer: `Effect Semaphore, ${what}`,
  ours: side(kind, tasks, taskPool, 1),
  theirs: side(kind, tasks, effectSemaphore, 1),
  target: { ratio: target }
})

export const sequential: Benchmark = {
  name: "sequential",
  title:
    "one caller, 50,000 tasks one after another: each succeeds at once (sync) or waits for one setImmediate (tick)",
  unit: "µs",
  processes: 9,
  comparisons: (quick) => {
    const tasks = quick ? 20_000 : 50_000
    return [comparison("sync", sync, tasks, 1.1), comparison("tick", tick, tasks, 1.5)]
  }
}
