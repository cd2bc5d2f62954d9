/**
 * The work of `submit` from one caller that has all items: no fiber waits for a task.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import type { Benchmark } from "../benchmark.ts"
import { limit, side, tick, type Way } from "../work.ts"
import { effectForEach, promiseLimit } from "../ways.ts"

const taskPool: Way = ({ effect }, items) =>
  TaskPool.forEach(items, () => effect).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(limit)), Effect.runPromise)

export const bulk: Benchmark = {
  name: "bulk",
  title: "the work of submit through TaskPool.forEach: 50,000 items, 10 workers, each task waits for one setImmediate",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 50_000
    const ours = side(tick, tasks, taskPool)
    return [
      { peer: "p-limit", ours, theirs: side(tick, tasks, promiseLimit), target: { ratio: 0.6 } },
      { peer: "Effect.forEach", ours, theirs: side(tick, tasks, effectForEach), target: { ratio: 1.1 } }
    ]
  }
}
